//! Shows what changed since an earlier run.

use super::images::ImageLinks;
use super::mark::Mark;
use super::node_list::{NodeList, NodeNames};
use crate::report::difference::{Change, ChangeKind, Difference, NodeChange};
use crate::report::names;
use crate::report::text::number;

/// Changes of one kind that are shown.
const SHOWN: usize = 200;

/// The changes.
pub(super) struct ChangesView {
    pub(super) sentence: String,
    pub(super) kinds: Vec<KindView>,
    /// Changes of nodes: the kind and the name.
    pub(super) nodes: Vec<(&'static str, String)>,
    pub(super) nodes_omitted: usize,
}

/// Changes of one kind.
pub(super) struct KindView {
    pub(super) mark: Mark,
    pub(super) word: &'static str,
    /// Their number, counted on every node.
    pub(super) number: String,
    pub(super) changes: Vec<ChangeView>,
    pub(super) omitted: usize,
}

/// One image.
pub(super) struct ChangeView {
    pub(super) name: String,
    /// The anchor of its details, if they are on the page.
    pub(super) id: Option<String>,
    pub(super) short_digest: String,
    /// Its standing before and now.
    pub(super) standing: String,
    pub(super) worse: bool,
    pub(super) nodes: NodeList,
}

pub(super) fn view(difference: &Difference, nodes: &NodeNames, images: &ImageLinks<'_>) -> ChangesView {
    let kinds = ChangeKind::ALL.map(|kind| {
        let all: Vec<&Change> = difference.images.iter().filter(|change| change.kind == kind).collect();
        KindView {
            mark: match kind {
                ChangeKind::NewlyFailing => Mark::Failed,
                ChangeKind::Fixed => Mark::Passed,
                ChangeKind::New | ChangeKind::Gone => Mark::NotRun,
            },
            word: kind.word(),
            number: number(difference.count(kind).0),
            omitted: all.len().saturating_sub(SHOWN),
            changes: all.into_iter().take(SHOWN).map(|change| change_view(change, nodes, images)).collect(),
        }
    });
    let node = |change: &NodeChange| {
        let name = match change {
            NodeChange::Lost(at) | NodeChange::Verified(at) | NodeChange::New(at) => {
                nodes.name(*at).to_owned()
            }
            NodeChange::Gone(name) => name.clone(),
        };
        (change.word(), name)
    };
    ChangesView {
        sentence: difference.sentence(),
        kinds: kinds.into_iter().filter(|kind| !kind.changes.is_empty()).collect(),
        nodes: difference.nodes.iter().take(SHOWN).map(node).collect(),
        nodes_omitted: difference.nodes.len().saturating_sub(SHOWN),
    }
}

fn change_view(change: &Change, nodes: &NodeNames, images: &ImageLinks<'_>) -> ChangeView {
    ChangeView {
        name: change.name.clone(),
        id: images.link(&change.digest).map(|(id, _)| id),
        short_digest: format!(
            "{}:{}",
            change.digest.algorithm().name(),
            names::short_hex(change.digest.hex())
        ),
        standing: change.standing(),
        worse: change.is_worse(),
        nodes: nodes.list(&change.nodes),
    }
}
