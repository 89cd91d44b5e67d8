//! Exit codes, the same for both programs.

use serde::{Deserialize, Serialize};

use crate::verdict::Status;

/// What a program's exit status says. The worst case of all that was judged decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ExitCode {
    /// 0: everything passed, was skipped by policy, or is waived.
    Passed,
    /// 3: nothing failed, but something is inconclusive, unreachable or empty.
    Incomplete,
    /// 1: something failed.
    Failed,
    /// 2: usage or configuration; nothing was judged.
    Usage,
}

impl ExitCode {
    /// The number that the process exits with.
    pub fn number(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Incomplete => 3,
        }
    }

    /// The exit code for a set of statuses; an empty set is incomplete, never success.
    pub fn from_statuses(statuses: impl IntoIterator<Item = Status>) -> Self {
        statuses.into_iter().map(Self::from).max().unwrap_or(Self::Incomplete)
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        match status {
            Status::Passed | Status::Skipped => Self::Passed,
            Status::Inconclusive => Self::Incomplete,
            Status::Failed => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_decides_and_nothing_is_not_success() {
        use Status::{Failed, Inconclusive, Passed, Skipped};
        for (statuses, number) in [
            (&[][..], 3),
            (&[Passed, Skipped], 0),
            (&[Passed, Inconclusive], 3),
            (&[Inconclusive, Failed, Passed], 1),
        ] {
            assert_eq!(ExitCode::from_statuses(statuses.iter().copied()).number(), number);
        }
    }
}
