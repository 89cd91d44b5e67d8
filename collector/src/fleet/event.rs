//! What happens to nodes, as it happens: shown to people by `progress`, told to programs by `json_lines`.

use std::time::Duration;

use assay_report::{CleanUp, ExitCode, NodeRow, Outcome, Summary};
use assay_verifier::time::UnixTime;

/// What happens as it happens.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A node is about to be visited.
    Started {
        /// The node.
        node: String,
        /// Which try it is, counted from 1.
        attempt: u32,
    },
    /// A node could not be reached and is tried again.
    Retried {
        /// The node.
        node: String,
        /// Why.
        message: String,
        /// How long until then.
        wait: Duration,
    },
    /// A node is done.
    Finished(Box<Finished>),
}

/// What became of a node, without its report: that is on disk by now.
#[derive(Clone, Debug)]
pub(crate) struct Finished {
    /// The node.
    pub node: String,
    /// What became of the visit.
    pub outcome: Outcome,
    /// What the node contributes to the site's verdict.
    pub verdict: ExitCode,
    /// How often it was tried.
    pub attempts: u32,
    /// When its first visit began.
    pub started: Option<UnixTime>,
    /// When its last visit ended.
    pub finished: Option<UnixTime>,
    /// Its images by status, if its report was accepted.
    pub images: Option<Summary>,
    /// How many of them waivers cover.
    pub waived: usize,
    /// The outcome for people.
    pub message: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// What became of what the visit left on the node.
    pub clean_up: CleanUp,
}

impl From<&NodeRow> for Finished {
    fn from(row: &NodeRow) -> Self {
        Self {
            node: row.name.clone(),
            outcome: row.outcome,
            verdict: row.verdict(),
            attempts: row.attempts,
            started: row.started,
            finished: row.finished,
            images: row.accepted().map(|report| report.summary),
            waived: row.waived.len(),
            message: row.message.clone(),
            hint: row.hint.clone(),
            clean_up: row.clean_up.clone(),
        }
    }
}
