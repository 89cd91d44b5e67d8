//! Levels and what each makes of a failed check. Trust policy specification, "Signature verification levels".

use crate::outcome::Action;

/// A verification level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Every check is enforced.
    Strict,
    /// Integrity and authenticity are enforced, the others logged.
    Permissive,
    /// Integrity is enforced, the others logged.
    Audit,
    /// Nothing is verified.
    Skip,
}

impl Level {
    /// The name in trust policies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Permissive => "permissive",
            Self::Audit => "audit",
            Self::Skip => "skip",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::Strict, Self::Permissive, Self::Audit, Self::Skip]
            .into_iter()
            .find(|level| level.as_str() == name)
    }

    /// What the level makes of each failed check, before overrides.
    pub(super) fn actions(self) -> Actions {
        use Action::{Enforce, Log, Skip};
        let (authenticity, others) = match self {
            Self::Strict => (Enforce, Enforce),
            Self::Permissive => (Enforce, Log),
            Self::Audit => (Log, Log),
            Self::Skip => (Skip, Skip),
        };
        Actions { authenticity, authentic_timestamp: others, expiry: others, revocation: others }
    }
}

/// What a statement makes of each failed check. Integrity is missing, because it is always enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actions {
    /// For authenticity
    pub authenticity: Action,
    /// For the authentic timestamp
    pub authentic_timestamp: Action,
    /// For expiry
    pub expiry: Action,
    /// For revocation
    pub revocation: Action,
}

/// When a timestamp is asked for, if the statement names a `tsa` store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VerifyTimestamp {
    /// Always
    #[default]
    Always,
    /// When a certificate of the chain has expired
    AfterCertExpiry,
}
