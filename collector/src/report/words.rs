//! One word or a few for each value that reports show.

use assay_report::{Action, CheckResult, CleanUpResult, Image, Reason, Status, Via, WaiverState};

/// A status in one word.
pub(crate) fn status(status: Status) -> &'static str {
    match status {
        Status::Passed => "passed",
        Status::Failed => "failed",
        Status::Skipped => "skipped",
        Status::Inconclusive => "inconclusive",
    }
}

/// A status in the terms of DISA's checklists (CKLB). What was not judged is never "not a finding".
pub(super) fn checklist_status(status: Status) -> &'static str {
    match status {
        Status::Passed => NOT_A_FINDING,
        Status::Failed => OPEN,
        Status::Skipped | Status::Inconclusive => NOT_REVIEWED,
    }
}

// Terms of DISA's checklists.
pub(super) const OPEN: &str = "open";
pub(super) const NOT_A_FINDING: &str = "not_a_finding";
pub(super) const NOT_REVIEWED: &str = "not_reviewed";

/// The result of a check.
pub(crate) fn check(result: CheckResult) -> &'static str {
    match result {
        CheckResult::Passed => "passed",
        CheckResult::Failed => "failed",
        CheckResult::Skipped => "skipped",
        CheckResult::NotRun => "not run",
        CheckResult::Inconclusive => "inconclusive",
    }
}

/// What the trust policy makes of a failed check.
pub(crate) fn action(action: Action) -> &'static str {
    match action {
        Action::Enforce => "enforced",
        Action::Log => "logged",
        Action::Skip => "skipped",
    }
}

/// What an image passed by in place of its own signature.
pub(crate) fn via(via: Via) -> &'static str {
    match via {
        Via::ParentIndex => "a signed index that lists it (parent-index)",
        Via::PlatformManifest => "the signed manifests that it lists (platform-manifest)",
    }
}

/// The codes of everything that is wrong with an image, its reason first.
pub(crate) fn codes(image: &Image) -> Vec<&'static str> {
    let also = image.reasons().into_iter().filter(|reason| Some(*reason) != image.reason);
    image.reason.into_iter().chain(also).map(Reason::as_str).collect()
}

/// The state of a waiver.
pub(crate) fn waiver(state: WaiverState) -> &'static str {
    match state {
        WaiverState::Applied => "applied",
        WaiverState::Unused => "unused",
        WaiverState::Expired => "expired",
    }
}

/// The result of a clean-up.
pub(crate) fn clean_up(result: CleanUpResult) -> &'static str {
    match result {
        CleanUpResult::NotNeeded => "not needed",
        CleanUpResult::Removed => "removed",
        CleanUpResult::Failed => "failed",
        CleanUpResult::Unknown => "unknown",
    }
}
