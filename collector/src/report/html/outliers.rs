//! Finds images with different verdicts on different nodes. The bytes are the same, so the few nodes that differ are suspect.

use std::collections::BTreeMap;

use assay_report::Reason;

use super::images::ImageEntry;
use super::mark::Mark;
use super::node_list::{NodeList, NodeNames};
use crate::clean;
use crate::report::explanation;
use crate::report::text::count;

/// Images that are shown, those with the fewest differing nodes first.
const SHOWN: usize = 100;

/// An image with different verdicts.
pub(super) struct Outlier {
    /// The anchor of its details.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) short_digest: String,
    /// The verdicts of the few nodes.
    pub(super) few: Vec<Side>,
    /// The verdict of most nodes: mark, heading of the reason, number of nodes.
    pub(super) most: (Mark, &'static str, String),
}

/// A verdict and its nodes.
pub(super) struct Side {
    pub(super) mark: Mark,
    /// The heading of the reason; empty if the image passed.
    pub(super) reason: &'static str,
    pub(super) message: String,
    pub(super) nodes: NodeList,
}

/// The images on which nodes disagree, and the number of those left out.
pub(super) fn find(nodes: &NodeNames, entries: &[ImageEntry<'_>]) -> (Vec<Outlier>, usize) {
    let mut found: Vec<(usize, Outlier)> = entries.iter().filter_map(|entry| outlier(nodes, entry)).collect();
    found.sort_by(|(one, first), (other, second)| (one, &first.name).cmp(&(other, &second.name)));
    let omitted = found.len().saturating_sub(SHOWN);
    (found.into_iter().take(SHOWN).map(|(_, outlier)| outlier).collect(), omitted)
}

/// The number of nodes in the minority and the verdicts, unless all nodes agree.
fn outlier(nodes: &NodeNames, entry: &ImageEntry<'_>) -> Option<(usize, Outlier)> {
    let mut verdicts: BTreeMap<(Mark, Option<Reason>), (Vec<usize>, String)> = BTreeMap::new();
    for judged in &entry.results {
        let (places, message) = verdicts.entry((Mark::of_result(judged), judged.image.reason)).or_default();
        places.extend(&judged.nodes);
        places.sort_unstable();
        places.dedup();
        if message.is_empty() {
            *message = judged.image.message.as_deref().map(clean::message).unwrap_or_default();
        }
    }
    if verdicts.len() < 2 {
        return None;
    }
    let (_, most) = verdicts.iter().map(|(verdict, (places, _))| (places.len(), *verdict)).max()?;
    let (many, _) = verdicts.remove(&most)?;
    let few: Vec<Side> = verdicts
        .iter()
        .map(|((mark, reason), (places, message))| Side {
            mark: *mark,
            reason: title(*reason),
            message: message.clone(),
            nodes: nodes.list(places),
        })
        .collect();
    let fewer = verdicts.values().map(|(places, _)| places.len()).sum();
    Some((
        fewer,
        Outlier {
            id: entry.id.clone(),
            name: entry.name.clone(),
            short_digest: entry
                .results
                .first()
                .map(|judged| crate::report::names::short_digest(&judged.image))
                .unwrap_or_default(),
            few,
            most: (most.0, title(most.1), count(many.len(), "node")),
        },
    ))
}

fn title(reason: Option<Reason>) -> &'static str {
    reason.map_or("", |reason| explanation::reason(reason).title)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::html::images;
    use crate::report::model::SiteModel;
    use crate::report::sample;

    #[test]
    fn finds_the_one_node_that_differs_from_many() {
        let site = SiteModel::from(&sample::large(60, 60));
        let (nodes, entries) = (NodeNames::new(&site.nodes), images::entries(&site));
        let (outliers, omitted) = find(&nodes, &entries);
        assert_eq!(omitted, 0);
        assert!(!outliers.is_empty());
        for outlier in outliers {
            assert_eq!((outlier.most.0, outlier.few.len()), (Mark::Passed, 1));
            assert_eq!(outlier.few[0].mark, Mark::Failed);
            assert!(outlier.few[0].nodes.text.contains("node-0007"));
        }
    }
}
