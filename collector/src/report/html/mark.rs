//! How things came out, as the page marks them: never by colour alone.

use std::fmt;

use assay_report::{CheckResult, ExitCode, Outcome, Status};

use crate::report::model::ImageResult;

/// How something came out, as the page marks it: a class for the style sheet, a symbol, a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    Failed,
    Inconclusive,
    Waived,
    Skipped,
    NotRun,
    Passed,
}

impl Mark {
    /// How a result is marked: as waived where a waiver covers it.
    pub(super) fn of_result(judged: &ImageResult) -> Self {
        if judged.waiver.is_some() { Self::Waived } else { judged.image.status.into() }
    }

    /// The class, which is the symbol's name as well.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Inconclusive => "inconclusive",
            Self::Waived => "waived",
            Self::Skipped => "skipped",
            Self::NotRun => "not-run",
            Self::Passed => "passed",
        }
    }

    /// The word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::NotRun => "not run",
            other => other.class(),
        }
    }

    /// The symbol; the word must stand beside it.
    pub(super) fn icon(self) -> Icon {
        Icon(self.class())
    }
}

impl From<Status> for Mark {
    fn from(status: Status) -> Self {
        match status {
            Status::Passed => Self::Passed,
            Status::Failed => Self::Failed,
            Status::Skipped => Self::Skipped,
            Status::Inconclusive => Self::Inconclusive,
        }
    }
}

impl From<CheckResult> for Mark {
    fn from(result: CheckResult) -> Self {
        match result {
            CheckResult::Passed => Self::Passed,
            CheckResult::Failed => Self::Failed,
            CheckResult::Skipped => Self::Skipped,
            CheckResult::NotRun => Self::NotRun,
            CheckResult::Inconclusive => Self::Inconclusive,
        }
    }
}

impl From<ExitCode> for Mark {
    fn from(code: ExitCode) -> Self {
        match code {
            ExitCode::Passed => Self::Passed,
            ExitCode::Failed => Self::Failed,
            ExitCode::Incomplete | ExitCode::Usage => Self::Inconclusive,
        }
    }
}

impl From<Outcome> for Mark {
    fn from(outcome: Outcome) -> Self {
        if outcome == Outcome::Verified { Self::Passed } else { Self::Inconclusive }
    }
}

/// A symbol of the page's own set. Decoration: what it says is always said in words as well.
#[derive(Clone, Copy, Debug)]
pub(super) struct Icon(&'static str);

impl fmt::Display for Icon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, r##"<svg class="i {0}" aria-hidden="true"><use href="#i-{0}"/></svg>"##, self.0)
    }
}

/// Markup on purpose, made of nothing but names from this file.
impl askama::filters::HtmlSafe for Icon {}
