//! One signature of an image, as reports show it, and how it is made from the verifier's verdict.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

#[cfg(feature = "schema")]
use crate::document::HEX_SHA256;
use crate::omitted::Omitted;
use crate::verdict::{Reason, Status};
use assay_verifier::notary::envelope::VerifiedEnvelope;
use assay_verifier::notary::verify::SignatureVerdict;
use assay_verifier::oci::Digest;
use assay_verifier::outcome::{self, CheckOutcome, Conclusion};
use assay_verifier::time::UnixTime;
use assay_verifier::timestamp;
use assay_verifier::x509::Certificate;

/// One signature of an image, and how it came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Signature {
    /// Digest of the signature manifest.
    pub digest: Digest,
    /// Where it was found: `store`, or a bundle's path.
    pub source: String,
    /// Media type of the envelope.
    pub envelope: Option<String>,
    /// The trust policy statement that it was judged under; null if it was not judged.
    pub policy: Option<String>,
    /// `passed` or `failed`; `inconclusive` if it could not be judged.
    pub status: Status,
    /// Why it did not pass.
    pub reason: Option<Reason>,
    /// The signing certificate's subject, RFC 4514. Only what integrity vouches for is given.
    pub signer: Option<String>,
    /// The certificate chain, leaf first.
    pub chain: Vec<ChainCertificate>,
    /// The signing time that the signer claims, or that the signing authority vouches for.
    pub signing_time: Option<UnixTime>,
    /// The verified timestamp.
    pub timestamp: Option<Timestamp>,
    /// Signed annotations of the target.
    pub user_metadata: BTreeMap<String, String>,
    /// The five checks.
    pub checks: Checks,
    /// Whether the payload names this image.
    pub target: Target,
    /// What is left out of `chain` and `user_metadata`, because a report is bounded.
    #[serde(default, skip_serializing_if = "Omitted::is_empty")]
    pub omitted: Omitted,
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum CheckResult {
    /// The check ran and holds.
    Passed,
    /// The check ran and does not hold.
    Failed,
    /// The trust policy says that it is not to run.
    Skipped,
    /// It did not run, because an earlier check failed or the signature was not reached.
    NotRun,
    /// It ran and could not be judged.
    Inconclusive,
}

/// What the trust policy makes of a failed check. Trust policy specification, "Signature verification levels".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Action {
    /// The signature fails.
    Enforce,
    /// The failure is recorded and verification goes on.
    Log,
    /// The check does not run.
    Skip,
}

/// One check of one signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Check {
    /// How it came out.
    pub result: CheckResult,
    /// What the policy makes of a failure.
    pub action: Action,
    /// What exactly was found; null if there is nothing to say. `assay explain CODE` tells more.
    pub code: Option<String>,
    /// The finding for people, with its particulars.
    pub message: Option<String>,
}

impl Check {
    /// A check that has not run.
    pub fn not_run(action: Action) -> Self {
        Self { result: CheckResult::NotRun, action, code: None, message: None }
    }

    /// A check that holds.
    pub fn passed(action: Action) -> Self {
        Self { result: CheckResult::Passed, action, code: None, message: None }
    }
}

/// The five checks of the Notary Project, each always present. Trust store and trust policy specification,
/// "Signature verification details".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Checks {
    /// The envelope is well-formed and its signature is right.
    pub integrity: Check,
    /// The chain leads to the trust store and the signer is a trusted identity.
    pub authenticity: Check,
    /// The signature was made while the chain was valid.
    pub authentic_timestamp: Check,
    /// The signature's own expiry has not passed.
    pub expiry: Check,
    /// No certificate of the chain is revoked.
    pub revocation: Check,
}

impl Checks {
    /// The five checks with their names in words, in the order of the specification.
    pub fn named(&self) -> [(&'static str, &Check); 5] {
        let Self { integrity, authenticity, authentic_timestamp, expiry, revocation } = self;
        [
            ("integrity", integrity),
            ("authenticity", authenticity),
            ("authentic timestamp", authentic_timestamp),
            ("expiry", expiry),
            ("revocation", revocation),
        ]
    }
}

/// Whether the signed payload names the image at hand. Always enforced, at every level but `skip`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Target {
    /// How the comparison came out.
    pub result: CheckResult,
    /// What exactly was found.
    pub code: Option<String>,
    /// The finding for people.
    pub message: Option<String>,
}

/// A certificate of a signature's chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChainCertificate {
    /// The subject, RFC 4514.
    pub subject: String,
    /// Digest of the certificate's DER.
    #[cfg_attr(feature = "schema", schemars(extend("pattern" = HEX_SHA256)))]
    pub sha256: String,
    /// When it expires.
    pub not_after: UnixTime,
}

/// A verified RFC 3161 timestamp.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Timestamp {
    /// When the signature existed.
    pub time: UnixTime,
    /// How far the time may be off, in seconds.
    pub accuracy: f64,
    /// The TSA's subject, RFC 4514.
    pub tsa: String,
}

impl Signature {
    /// The row of a signature manifest, found in `source`, that has this verdict.
    pub fn new(
        digest: Digest,
        source: String,
        envelope: Option<String>,
        policy: Option<String>,
        verdict: SignatureVerdict,
    ) -> Self {
        let (status, reason) = match &verdict.conclusion {
            Conclusion::Passed => (Status::Passed, None),
            Conclusion::Failed { step, .. } => (Status::Failed, Some((*step).into())),
            Conclusion::Unreadable => (Status::Inconclusive, Some(Reason::Unreadable)),
            Conclusion::NotRun => (Status::Inconclusive, None),
        };
        let vouched = verdict.envelope.as_ref();
        let chain = vouched.map_or(&[][..], VerifiedEnvelope::chain);
        Self {
            digest,
            source,
            envelope,
            policy,
            status,
            reason,
            signer: chain.first().map(|leaf| leaf.subject().to_string()),
            chain: chain.iter().map(ChainCertificate::from).collect(),
            signing_time: vouched.map(|envelope| envelope.attributes().signing_time),
            timestamp: verdict.timestamp.as_ref().map(Timestamp::from),
            user_metadata: verdict.user_metadata,
            checks: verdict.checks.into(),
            target: verdict.target.into(),
            omitted: Omitted::default(),
        }
    }
}

impl From<outcome::Checks> for Checks {
    fn from(checks: outcome::Checks) -> Self {
        Self {
            integrity: checks.integrity.into(),
            authenticity: checks.authenticity.into(),
            authentic_timestamp: checks.authentic_timestamp.into(),
            expiry: checks.expiry.into(),
            revocation: checks.revocation.into(),
        }
    }
}

impl From<outcome::Check> for Check {
    fn from(check: outcome::Check) -> Self {
        let Target { result, code, message } = check.outcome.into();
        Self { result, action: check.action.into(), code, message }
    }
}

impl From<CheckOutcome> for Target {
    fn from(outcome: CheckOutcome) -> Self {
        let (result, finding) = match outcome {
            CheckOutcome::Passed => (CheckResult::Passed, None),
            CheckOutcome::Failed(finding) => (CheckResult::Failed, Some(finding)),
            CheckOutcome::Skipped => (CheckResult::Skipped, None),
            CheckOutcome::NotRun => (CheckResult::NotRun, None),
            CheckOutcome::Inconclusive(finding) => (CheckResult::Inconclusive, Some(finding)),
        };
        let code = finding.as_ref().map(|finding| finding.code.as_str().into());
        Self { result, code, message: finding.map(|finding| finding.message) }
    }
}

impl From<outcome::Action> for Action {
    fn from(action: outcome::Action) -> Self {
        match action {
            outcome::Action::Enforce => Self::Enforce,
            outcome::Action::Log => Self::Log,
            outcome::Action::Skip => Self::Skip,
        }
    }
}

impl From<&Certificate> for ChainCertificate {
    fn from(certificate: &Certificate) -> Self {
        Self {
            subject: certificate.subject().to_string(),
            sha256: certificate.sha256().hex().into(),
            not_after: certificate.not_after(),
        }
    }
}

impl From<&timestamp::Timestamp> for Timestamp {
    fn from(timestamp: &timestamp::Timestamp) -> Self {
        let tsa = timestamp.chain.first();
        Self {
            time: timestamp.time,
            accuracy: seconds(timestamp.accuracy),
            tsa: tsa.map(|tsa| tsa.subject().to_string()).unwrap_or_default(),
        }
    }
}

/// A duration of whole microseconds as a number that a report reads back as it wrote it: the one nearest to the decimal.
fn seconds(duration: Duration) -> f64 {
    let decimal = alloc::format!("{}.{:06}", duration.as_secs(), duration.subsec_micros());
    decimal.parse().unwrap_or(duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accuracy_is_read_back_as_it_was_written() {
        let mut differing = 0;
        for micros in 0..20_000_u64 {
            let duration = Duration::from_micros(micros * 7_919 + 3);
            let accuracy = seconds(duration);
            let written = serde_json::to_string(&accuracy).unwrap();
            assert_eq!(
                serde_json::from_str::<f64>(&written).unwrap().to_bits(),
                accuracy.to_bits(),
                "{written}"
            );
            differing += usize::from(accuracy.to_bits() != duration.as_secs_f64().to_bits());
        }
        assert!(differing > 0);
    }
}
