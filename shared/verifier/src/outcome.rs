//! What the checks of a signature come to, as types. Every finding has its [`Code`].
//!
//! Nothing here is serialized: a report converts these types into its own.

use alloc::string::String;
use alloc::vec::Vec;

use crate::codes::Code;

/// What a check found: the code, and the particulars for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What exactly was found.
    pub code: Code,
    /// The particulars.
    pub message: String,
}

impl Finding {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// A step of the verification. The steps run in this order, which is that of the signature specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The envelope is well-formed and its signature is right.
    Integrity,
    /// The chain leads to the trust store and the signer is a trusted identity.
    Authenticity,
    /// The signature's own expiry has not passed.
    Expiry,
    /// The signature was made while the chain was valid.
    AuthenticTimestamp,
    /// No certificate of the chain is revoked.
    Revocation,
    /// The signed payload names the artifact at hand.
    Target,
}

/// How the verification of a signature ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// Every enforced step holds.
    Passed,
    /// An enforced step does not hold.
    Failed {
        /// The first such step. It ended the sequence.
        step: Step,
        /// The enforced steps after it that would have ended the sequence too. They stay [`CheckOutcome::NotRun`].
        also: Vec<Step>,
    },
    /// The signature could not be read.
    Unreadable,
    /// The signature was not verified.
    NotRun,
}

impl Conclusion {
    /// The step that decided against the signature.
    pub fn step(&self) -> Option<Step> {
        match self {
            Self::Failed { step, .. } => Some(*step),
            Self::Unreadable => Some(Step::Integrity),
            Self::Passed | Self::NotRun => None,
        }
    }
}

/// How a check came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckOutcome {
    /// The check ran and holds.
    Passed,
    /// The check ran and does not hold.
    Failed(Finding),
    /// The trust policy says that it does not run.
    Skipped,
    /// It did not run, because an earlier check failed or the signature was not reached.
    NotRun,
    /// It ran and could not be judged.
    Inconclusive(Finding),
}

impl CheckOutcome {
    /// What the check found, if it does not hold or could not be judged.
    pub fn finding(&self) -> Option<&Finding> {
        match self {
            Self::Failed(finding) | Self::Inconclusive(finding) => Some(finding),
            Self::Passed | Self::Skipped | Self::NotRun => None,
        }
    }
}

/// What the trust policy makes of a failed check. Trust policy specification, "Signature verification levels".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The signature fails.
    Enforce,
    /// The failure is recorded and verification goes on.
    Log,
    /// The check does not run.
    Skip,
}

/// One check of one signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// How it came out.
    pub outcome: CheckOutcome,
    /// What the policy makes of a failure.
    pub action: Action,
}

impl Check {
    pub(crate) fn not_run(action: Action) -> Self {
        Self { outcome: CheckOutcome::NotRun, action }
    }
}

/// The five checks of the Notary Project, each always present. Trust store and trust policy specification,
/// "Signature verification details".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checks {
    /// [`Step::Integrity`]
    pub integrity: Check,
    /// [`Step::Authenticity`]
    pub authenticity: Check,
    /// [`Step::AuthenticTimestamp`]
    pub authentic_timestamp: Check,
    /// [`Step::Expiry`]
    pub expiry: Check,
    /// [`Step::Revocation`]
    pub revocation: Check,
}
