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
use crate::outcome::{Action, Check, CheckOutcome, Checks, Conclusion, Finding, Step};
use crate::revocation::RevocationEvidence;
use crate::time::UnixTime;
use crate::timestamp::Timestamp;

/// What verdicts rest on beside the signature: trusted certificates, revocation evidence and a time.
#[derive(Clone, Copy, Debug)]
pub struct Verifier<'a> {
    /// Trusted certificates.
    pub trust_store: &'a TrustStore,
    /// CRLs and OCSP responses.
    pub evidence: &'a RevocationEvidence,
    /// The time that counts as now.
    pub at: UnixTime,
}

/// The verdict on one signature.
#[derive(Clone, Debug)]
pub struct SignatureVerdict {
    /// How the verification ended.
    pub conclusion: Conclusion,
    /// The five checks.
    pub checks: Checks,
    /// Whether the payload names the artifact. Always enforced.
    pub target: CheckOutcome,
    /// The envelope, if its integrity holds: who signed, with which chain, when.
    pub envelope: Option<VerifiedEnvelope>,
    /// The verified timestamp.
    pub timestamp: Option<Timestamp>,
    /// Signed annotations of the artifact.
    pub user_metadata: BTreeMap<String, String>,
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
            Err(error) => return verdict.failed_integrity(Finding::new(error.code(), error.to_string())),
        };
        verdict.checks.integrity.outcome = CheckOutcome::Passed;
        verdict.conclusion = match self.after_integrity(&envelope, target, statement, &mut verdict) {
            Ok(()) => Conclusion::Passed,
            Err(step) => Conclusion::Failed { step, also: self.beyond(step, &envelope, target, statement) },
        };
        verdict.envelope = Some(envelope);
        verdict
    }

    /// The steps in the specification's order; the error is the first enforced step that fails.
    fn after_integrity(
        &self,
        envelope: &VerifiedEnvelope,
        target: &Descriptor,
        statement: &Statement,
        verdict: &mut SignatureVerdict,
    ) -> Result<(), Step> {
        let checks = &mut verdict.checks;
        let authenticity = authenticity::check(envelope, statement, self.trust_store);
        record(&mut checks.authenticity, authenticity, Step::Authenticity)?;

        let expiry = expiry::check(envelope.attributes(), self.at);
        record(&mut checks.expiry, expiry, Step::Expiry)?;

        let timestamp = authentic_timestamp::check(envelope, statement, self);
        let timestamp = timestamp.map(|timestamp| verdict.timestamp = timestamp);
        record(&mut checks.authentic_timestamp, timestamp, Step::AuthenticTimestamp)?;

        if checks.revocation.action == Action::Skip {
            checks.revocation.outcome = CheckOutcome::Skipped;
        } else {
            let revocation = revocation::check(envelope, self);
            record(&mut checks.revocation, revocation, Step::Revocation)?;
        }
        verdict.check_target(envelope.payload(), target)
    }

    /// What the steps behind the one that ended the sequence would have ended it for. An exception that a site grants for the
    /// one must not excuse the others: an expired signature of another artifact is more than expired.
    fn beyond(
        &self,
        first: Step,
        envelope: &VerifiedEnvelope,
        target: &Descriptor,
        statement: &Statement,
    ) -> Vec<Step> {
        let actions = statement.actions;
        let fails = |step: Step| match step {
            Step::Expiry => expiry::check(envelope.attributes(), self.at).is_err(),
            Step::AuthenticTimestamp => authentic_timestamp::check(envelope, statement, self).is_err(),
            Step::Revocation => revocation::check(envelope, self).is_err(),
            _ => SignatureVerdict::not_run(statement).check_target(envelope.payload(), target).is_err(),
        };
        [
            (Step::Authenticity, actions.authenticity),
            (Step::Expiry, actions.expiry),
            (Step::AuthenticTimestamp, actions.authentic_timestamp),
            (Step::Revocation, actions.revocation),
            (Step::Target, Action::Enforce),
        ]
        .into_iter()
        .skip_while(|(step, _)| *step != first)
        .skip(1)
        .filter(|(step, action)| *action == Action::Enforce && fails(*step))
        .map(|(step, _)| step)
        .collect()
    }
}

/// Writes down how a check came out.
///
/// # Errors
/// The step, if the check failed and is enforced.
fn record(check: &mut Check, result: Result<(), Finding>, step: Step) -> Result<(), Step> {
    match result {
        Ok(()) => check.outcome = CheckOutcome::Passed,
        Err(finding) => {
            check.outcome = CheckOutcome::Failed(finding);
            if check.action == Action::Enforce {
                return Err(step);
            }
        }
    }
    Ok(())
}

impl SignatureVerdict {
    /// The verdict on a signature whose envelope is not available: its manifest is malformed, its blob missing or altered.
    /// The statement's level does not matter, as in the reference.
    pub fn unfetched(statement: &Statement, code: Code, message: impl Into<String>) -> Self {
        Self::not_run(statement).failed_integrity(Finding::new(code, message))
    }

    /// The verdict on a signature that could not be read, because a permission is missing or the system reported an error.
    pub fn unreadable(statement: &Statement, message: impl Into<String>) -> Self {
        let mut verdict = Self::not_run(statement);
        verdict.conclusion = Conclusion::Unreadable;
        verdict.checks.integrity.outcome =
            CheckOutcome::Inconclusive(Finding::new(Code::EnvelopeUnreadable, message));
        verdict
    }

    /// The verdict on a signature that was not judged, because another one passed or a bound was met.
    pub fn not_run(statement: &Statement) -> Self {
        let actions = statement.actions;
        Self {
            conclusion: Conclusion::NotRun,
            checks: Checks {
                integrity: Check::not_run(Action::Enforce),
                authenticity: Check::not_run(actions.authenticity),
                authentic_timestamp: Check::not_run(actions.authentic_timestamp),
                expiry: Check::not_run(actions.expiry),
                revocation: Check::not_run(actions.revocation),
            },
            target: CheckOutcome::NotRun,
            envelope: None,
            timestamp: None,
            user_metadata: BTreeMap::new(),
        }
    }

    /// What the step found that decided against the signature.
    pub fn finding(&self) -> Option<&Finding> {
        let Checks { integrity, authenticity, authentic_timestamp, expiry, revocation } = &self.checks;
        let outcome = match self.conclusion.step()? {
            Step::Integrity => &integrity.outcome,
            Step::Authenticity => &authenticity.outcome,
            Step::Expiry => &expiry.outcome,
            Step::AuthenticTimestamp => &authentic_timestamp.outcome,
            Step::Revocation => &revocation.outcome,
            Step::Target => &self.target,
        };
        outcome.finding()
    }

    fn failed_integrity(mut self, finding: Finding) -> Self {
        self.checks.integrity.outcome = CheckOutcome::Failed(finding);
        self.conclusion = Conclusion::Failed { step: Step::Integrity, also: Vec::new() };
        self
    }

    fn check_target(&mut self, payload: &[u8], target: &Descriptor) -> Result<(), Step> {
        let result = Payload::parse(payload)
            .map_err(|error| Finding::new(Code::PayloadMalformed, error.to_string()))
            .and_then(|payload| {
                let names = payload.names(target);
                let named = alloc::format!("the signature is of {} {}", payload.media_type, payload.digest);
                self.user_metadata = payload.annotations;
                if names { Ok(()) } else { Err(Finding::new(Code::TargetMismatch, named)) }
            });
        let (outcome, result) = match result {
            Ok(()) => (CheckOutcome::Passed, Ok(())),
            Err(finding) => (CheckOutcome::Failed(finding), Err(Step::Target)),
        };
        self.target = outcome;
        result
    }
}

/// The authentic signing time that revocation may be judged by: only a signing authority vouches for one.
fn authentic_signing_time(envelope: &VerifiedEnvelope) -> Option<UnixTime> {
    let attributes = envelope.attributes();
    (attributes.scheme == SigningScheme::SigningAuthority).then_some(attributes.signing_time)
}
