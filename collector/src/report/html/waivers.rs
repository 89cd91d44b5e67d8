//! Shows the waivers, each with its state, approver, reason and end.

use assay_report::{Reason, Waiver, WaiverState};

use super::mark::Mark;
use crate::clean;
use crate::report::model::SiteModel;
use crate::report::text::count;
use crate::report::{text, words};

/// Waivers that are shown, applied ones first.
const SHOWN: usize = 500;

/// The waivers of the run.
pub(super) struct WaiversView {
    pub(super) judged_at: String,
    pub(super) sha256: String,
    pub(super) waivers: Vec<WaiverView>,
    pub(super) omitted: usize,
}

/// One waiver.
pub(super) struct WaiverView {
    pub(super) mark: Mark,
    pub(super) state: &'static str,
    /// Such as `3 images`.
    pub(super) covers: String,
    pub(super) image: String,
    pub(super) node: String,
    pub(super) codes: String,
    pub(super) reason: String,
    pub(super) approver: String,
    pub(super) until: String,
    /// Such as `in 12 days`.
    pub(super) left: String,
}

pub(super) fn view(site: &SiteModel) -> Option<WaiversView> {
    let given = site.waivers.as_ref()?;
    let mut all: Vec<&Waiver> = given.waivers.iter().collect();
    all.sort_by_key(|waiver| match waiver.state {
        WaiverState::Applied => 0,
        WaiverState::Expired => 1,
        WaiverState::Unused => 2,
    });
    let view = |waiver: &Waiver| {
        let days = text::days(given.judged_at, waiver.expires);
        WaiverView {
            mark: match waiver.state {
                WaiverState::Applied => Mark::Waived,
                WaiverState::Expired => Mark::Failed,
                WaiverState::Unused => Mark::NotRun,
            },
            state: words::waiver(waiver.state),
            covers: count(usize::try_from(waiver.images).unwrap_or(usize::MAX), "image"),
            image: clean::name(&waiver.image),
            node: waiver.node.as_deref().map(clean::name).unwrap_or_default(),
            codes: waiver.codes.iter().map(|code| Reason::as_str(*code)).collect::<Vec<_>>().join(", "),
            reason: clean::message(&waiver.reason),
            approver: clean::name(&waiver.approver),
            until: text::day(waiver.expires),
            left: match days {
                _ if waiver.state == WaiverState::Expired => "expired".into(),
                0 => "today".into(),
                days => format!("in {}", count(days.unsigned_abs() as usize, "day")),
            },
        }
    };
    Some(WaiversView {
        judged_at: text::time(given.judged_at),
        sha256: clean::name(&given.sha256),
        omitted: all.len().saturating_sub(SHOWN),
        waivers: all.into_iter().take(SHOWN).map(view).collect(),
    })
}
