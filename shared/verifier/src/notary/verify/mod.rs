//! The verification of one signature: envelope, artifact, policy, trust, evidence and time in, a verdict out.
//!
//! Signature specification, "Signature Verification": integrity, authenticity, expiry, authentic timestamp, revocation, in
//! this order, and at last whether the payload names the artifact. The first enforced failure ends the sequence; what was
//! not reached is `not_run` and says so. Nothing here passes by default: a verdict starts out failed.

mod authentic_timestamp;
mod authenticity;
mod expiry;
mod revocation;

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::codes::Code;
use crate::notary::envelope::{Envelope, SigningScheme, VerifiedEnvelope};
use crate::notary::payload::Payload;
use crate::notary::trust_policy::Statement;
use crate::notary::trust_store::TrustStore;
use crate::oci::Descriptor;
use crate::outcome::{
    Action, ChainCertificate, Check, CheckResult, Checks, Reason, Status, Target, Timestamp,
};
use crate::revocation::Evidence;
use crate::time::UnixTime;

/// What verdicts rest on beside the signature: trusted certificates, revocation evidence and a time.
#[derive(Clone, Copy, Debug)]
pub struct Verifier<'a> {
    /// Trusted certificates.
    pub trust_store: &'a TrustStore,
    /// CRLs and OCSP responses.
    pub evidence: &'a Evidence,
    /// The time that counts as now.
    pub at: UnixTime,
}

/// The verdict on one signature.
#[derive(Clone, Debug, PartialEq)]
pub struct SignatureVerdict {
    /// Passed or failed; inconclusive where it could not be judged.
    pub status: Status,
    /// Why it did not pass.
    pub reason: Option<Reason>,
    /// What else is wrong with it: enforced checks that would fail too, had the sequence gone on. They stay `not_run`.
    pub also: Vec<Reason>,
    /// The five checks.
    pub checks: Checks,
    /// Whether the payload names the artifact.
    pub target: Target,
    /// The signing certificate's subject.
    pub signer: Option<String>,
    /// The chain, leaf first.
    pub chain: Vec<ChainCertificate>,
    /// The signing time.
    pub signing_time: Option<UnixTime>,
    /// The verified timestamp.
    pub timestamp: Option<Timestamp>,
    /// Signed annotations of the artifact.
    pub user_metadata: BTreeMap<String, String>,
}

/// Why a check does not hold: its code, and words with the particulars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) code: Code,
    pub(crate) message: String,
}

impl Finding {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl Verifier<'_> {
    /// Verifies an envelope of `media_type` as a signature of `target` under `statement`, whose level is not `skip`.
    pub fn verify(
        &self,
        media_type: &str,
        envelope: &[u8],
        target: &Descriptor,
        statement: &Statement,
    ) -> SignatureVerdict {
        let mut verdict = SignatureVerdict::not_run(statement);
        let verified = Envelope::parse(media_type, envelope).and_then(Envelope::verify);
        let envelope = match verified {
            Ok(envelope) => envelope,
            Err(error) => return verdict.failed_integrity(error.code(), error.to_string()),
        };
        verdict.checks.integrity = Check::passed(Action::Enforce);
        verdict.take_facts(&envelope);
        match self.after_integrity(&envelope, target, statement, &mut verdict) {
            Ok(()) => {
                verdict.status = Status::Passed;
                verdict.reason = None;
            }
            Err(reason) => {
                verdict.reason = Some(reason);
                verdict.also = self.beyond(reason, &envelope, target, statement);
            }
        }
        verdict
    }

    /// The steps in the specification's order; the error is the reason of the first enforced failure.
    fn after_integrity(
        &self,
        envelope: &VerifiedEnvelope,
        target: &Descriptor,
        statement: &Statement,
        verdict: &mut SignatureVerdict,
    ) -> Result<(), Reason> {
        let actions = statement.actions;
        let checks = &mut verdict.checks;
        let authenticity = authenticity::check(envelope, statement, self.trust_store);
        record(&mut checks.authenticity, actions.authenticity, authenticity, Reason::Authenticity)?;

        let expiry = expiry::check(envelope.attributes(), self.at);
        record(&mut checks.expiry, actions.expiry, expiry, Reason::Expiry)?;

        let timestamp = authentic_timestamp::check(envelope, statement, self);
        let timestamp = timestamp.map(|timestamp| verdict.timestamp = timestamp);
        record(
            &mut checks.authentic_timestamp,
            actions.authentic_timestamp,
            timestamp,
            Reason::AuthenticTimestamp,
        )?;

        if actions.revocation == Action::Skip {
            checks.revocation = Check::skipped();
        } else {
            let revocation = revocation::check(envelope, self);
            record(&mut checks.revocation, actions.revocation, revocation, Reason::Revocation)?;
        }
        verdict.check_target(envelope.payload(), target)
    }

    /// What the steps behind the one that ended the sequence would have ended it for. An exception that a site grants for the
    /// one must not excuse the others: an expired signature of another artifact is more than expired.
    fn beyond(
        &self,
        reason: Reason,
        envelope: &VerifiedEnvelope,
        target: &Descriptor,
        statement: &Statement,
    ) -> Vec<Reason> {
        let actions = statement.actions;
        let fails = |step: Reason| match step {
            Reason::Expiry => expiry::check(envelope.attributes(), self.at).is_err(),
            Reason::AuthenticTimestamp => authentic_timestamp::check(envelope, statement, self).is_err(),
            Reason::Revocation => revocation::check(envelope, self).is_err(),
            _ => SignatureVerdict::not_run(statement).check_target(envelope.payload(), target).is_err(),
        };
        [
            (Reason::Authenticity, actions.authenticity),
            (Reason::Expiry, actions.expiry),
            (Reason::AuthenticTimestamp, actions.authentic_timestamp),
            (Reason::Revocation, actions.revocation),
            (Reason::DescriptorMismatch, Action::Enforce),
        ]
        .into_iter()
        .skip_while(|(step, _)| *step != reason)
        .skip(1)
        .filter(|(step, action)| *action == Action::Enforce && fails(*step))
        .map(|(step, _)| step)
        .collect()
    }
}

/// Writes down how a check came out; an error where it failed and that is enforced.
fn record(
    check: &mut Check,
    action: Action,
    outcome: Result<(), Finding>,
    reason: Reason,
) -> Result<(), Reason> {
    match outcome {
        Ok(()) => *check = Check::passed(action),
        Err(finding) => {
            *check = Check::failed(action, finding.code, finding.message);
            if action == Action::Enforce {
                return Err(reason);
            }
        }
    }
    Ok(())
}

impl SignatureVerdict {
    /// The verdict on a signature whose envelope cannot be had: its manifest is malformed, its blob missing or altered.
    /// The statement's level does not matter, as in the reference.
    pub fn unfetched(statement: &Statement, code: Code, message: impl Into<String>) -> Self {
        Self::not_run(statement).failed_integrity(code, message.into())
    }

    /// The verdict on a signature that could not be read for want of permission or by an error of the system.
    pub fn unreadable(statement: &Statement, message: impl Into<String>) -> Self {
        let mut verdict = Self::not_run(statement);
        verdict.status = Status::Inconclusive;
        verdict.reason = Some(Reason::Unreadable);
        verdict.checks.integrity = Check {
            result: CheckResult::Inconclusive,
            action: Action::Enforce,
            code: Some(Code::EnvelopeUnreadable.as_str().into()),
            message: Some(message.into()),
        };
        verdict
    }

    /// The verdict on a signature that was not judged, since another one passed or a bound was met.
    pub fn not_run(statement: &Statement) -> Self {
        let actions = statement.actions;
        Self {
            status: Status::Failed,
            reason: None,
            also: Vec::new(),
            checks: Checks {
                integrity: Check::not_run(Action::Enforce),
                authenticity: Check::not_run(actions.authenticity),
                authentic_timestamp: Check::not_run(actions.authentic_timestamp),
                expiry: Check::not_run(actions.expiry),
                revocation: Check::not_run(actions.revocation),
            },
            target: Target { result: CheckResult::NotRun, code: None, message: None },
            signer: None,
            chain: Vec::new(),
            signing_time: None,
            timestamp: None,
            user_metadata: BTreeMap::new(),
        }
    }

    fn failed_integrity(mut self, code: Code, message: String) -> Self {
        self.checks.integrity = Check::failed(Action::Enforce, code, message);
        self.reason = Some(Reason::Integrity);
        self
    }

    fn take_facts(&mut self, envelope: &VerifiedEnvelope) {
        self.signer = envelope.leaf().map(|leaf| leaf.subject().to_string());
        self.signing_time = Some(envelope.attributes().signing_time);
        let entry = |certificate: &crate::x509::Certificate| ChainCertificate {
            subject: certificate.subject().to_string(),
            sha256: certificate.sha256().hex().into(),
            not_after: certificate.not_after(),
        };
        self.chain = envelope.chain().iter().map(entry).collect();
    }

    fn check_target(&mut self, payload: &[u8], target: &Descriptor) -> Result<(), Reason> {
        let outcome = Payload::parse(payload)
            .map_err(|error| Finding::new(Code::PayloadMalformed, error.to_string()))
            .and_then(|payload| {
                let names = payload.names(target);
                let named = alloc::format!("the signature is of {} {}", payload.media_type, payload.digest);
                self.user_metadata = payload.annotations;
                if names { Ok(()) } else { Err(Finding::new(Code::TargetMismatch, named)) }
            });
        match outcome {
            Ok(()) => {
                self.target = Target { result: CheckResult::Passed, code: None, message: None };
                Ok(())
            }
            Err(Finding { code, message }) => {
                self.target = Target {
                    result: CheckResult::Failed,
                    code: Some(code.as_str().into()),
                    message: Some(message),
                };
                Err(Reason::DescriptorMismatch)
            }
        }
    }
}

/// The authentic signing time that revocation may be judged by: only a signing authority vouches for one.
fn authentic_signing_time(envelope: &VerifiedEnvelope) -> Option<UnixTime> {
    let attributes = envelope.attributes();
    (attributes.scheme == SigningScheme::SigningAuthority).then_some(attributes.signing_time)
}
