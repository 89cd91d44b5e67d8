//! The verdict on one signature.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use crate::codes::Code;
use crate::notary::envelope::VerifiedEnvelope;
use crate::notary::payload::Payload;
use crate::notary::trust_policy::Statement;
use crate::oci::Descriptor;
use crate::outcome::{Action, Check, CheckOutcome, Checks, Conclusion, Finding, Step};
use crate::timestamp::Timestamp;

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

    pub(super) fn failed_integrity(mut self, finding: Finding) -> Self {
        self.checks.integrity.outcome = CheckOutcome::Failed(finding);
        self.conclusion = Conclusion::Failed { step: Step::Integrity, also: Vec::new() };
        self
    }

    pub(super) fn check_target(&mut self, payload: &[u8], target: &Descriptor) -> Result<(), Step> {
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
