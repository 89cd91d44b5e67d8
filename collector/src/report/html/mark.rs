//! Marks results on the page, never by colour alone.

use std::fmt;

use assay_report::{CheckResult, ExitCode, LinkState, Outcome, Status};

use crate::report::model::ImageResult;

/// The mark of a result: a class of the style sheet, a symbol and a word.
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
    /// The mark of an image's result: waived if a waiver covers it.
    pub(super) fn of_result(judged: &ImageResult) -> Self {
        if judged.waiver.is_some() { Self::Waived } else { judged.image.status.into() }
    }

    /// The class, which is also the symbol's name.
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

    /// The symbol. The word must stand beside it.
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

impl From<LinkState> for Mark {
    fn from(state: LinkState) -> Self {
        match state {
            LinkState::Proven => Self::Passed,
            LinkState::Unproven => Self::Inconclusive,
            LinkState::Broken => Self::Failed,
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

/// A symbol of the page's own set. It is decoration: words beside it say the same.
#[derive(Clone, Copy, Debug)]
pub(super) struct Icon(&'static str);

impl fmt::Display for Icon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, r##"<svg class="i {0}" aria-hidden="true"><use href="#i-{0}"/></svg>"##, self.0)
    }
}

/// This is markup on purpose. It consists only of names from this file.
impl askama::filters::HtmlSafe for Icon {}
