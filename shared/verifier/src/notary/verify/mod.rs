//! Verifies one signature: its envelope, the artifact it should be of, the policy statement, the trust store, the revocation
//! evidence and a time decide.
//!
//! Signature specification, "Signature Verification": integrity, authenticity, expiry, authentic timestamp, revocation, in
//! this order, and last whether the payload names the artifact. The first enforced failure ends the sequence; a check that was
//! not reached says `not_run`. Nothing here passes by default: a verdict starts as
//! [`Conclusion::NotRun`].

mod authentic_timestamp;
mod authenticity;
mod expiry;
mod revocation;
mod verdict;
mod verifier;

use alloc::string::ToString as _;
use alloc::vec::Vec;

pub use verdict::SignatureVerdict;
pub use verifier::Verifier;

use crate::notary::envelope::{Envelope, VerifiedEnvelope};
use crate::notary::trust_policy::Statement;
use crate::oci::Descriptor;
use crate::outcome::{Action, Check, CheckOutcome, Conclusion, Finding, Step};

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
