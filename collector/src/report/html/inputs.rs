//! Shows the inputs that the verdicts rest on, and whether all nodes used the same.

use std::collections::BTreeMap;

use assay_report::SentFile;

use super::node_list::{NodeList, NodeNames};
use crate::clean;
use crate::report::model::SiteModel;
use crate::report::text;

/// Lines of each kind that are shown.
const SHOWN: usize = 50;

/// The inputs as the page shows them.
pub(super) struct InputsView {
    /// The files that were sent to the nodes.
    pub(super) files: Vec<FileView>,
    /// The trust policies and the nodes that applied each. More than one is unusual.
    pub(super) policies: Vec<(String, NodeList)>,
    /// The bundles and the nodes that read each.
    pub(super) bundles: Vec<(String, NodeList)>,
    /// The agents' warnings about their inputs.
    pub(super) warnings: Vec<(String, NodeList)>,
}

/// A file.
pub(super) struct FileView {
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) size: String,
    pub(super) sha256: String,
}

pub(super) fn view(report: &SiteModel, nodes: &NodeNames) -> InputsView {
    let file = |kind, file: &SentFile| FileView {
        kind,
        name: clean::name(&file.name),
        size: text::size(file.size),
        sha256: clean::name(&file.sha256),
    };
    let inputs = &report.inputs;
    let agents = inputs.agents.iter().map(|sent| file("Agent", sent));
    let trust = inputs.trust.iter().map(|sent| file("Trust directory", sent));
    let bundles = inputs.bundles.iter().map(|sent| file("Bundle", sent));
    let mut by_policy = NodesByText::default();
    let mut by_bundle = NodesByText::default();
    let mut by_warning = NodesByText::default();
    for (place, node) in report.nodes.iter().enumerate() {
        let Some(own) = node.accepted() else { continue };
        by_policy.add(own.inputs.trust_policy.sha256.clone(), place);
        for bundle in &own.inputs.bundles {
            by_bundle.add(bundle.sha256.clone(), place);
        }
        for warning in &own.inputs.warnings {
            by_warning.add(warning.clone(), place);
        }
        for unusable in &own.inputs.unusable_evidence {
            let text = format!("evidence of revocation cannot be used: {}: {}", unusable.what, unusable.why);
            by_warning.add(text, place);
        }
    }
    InputsView {
        files: agents.chain(trust).chain(bundles).take(SHOWN).collect(),
        policies: by_policy.listed(nodes),
        bundles: by_bundle.listed(nodes),
        warnings: by_warning.listed(nodes),
    }
}

/// The nodes that reported each text.
#[derive(Default)]
struct NodesByText(BTreeMap<String, Vec<usize>>);

impl NodesByText {
    fn add(&mut self, text: String, place: usize) {
        let places = self.0.entry(text).or_default();
        if places.last() != Some(&place) {
            places.push(place);
        }
    }

    fn listed(self, nodes: &NodeNames) -> Vec<(String, NodeList)> {
        let listed = self.0.into_iter().take(SHOWN);
        listed.map(|(text, places)| (clean::message(&text), nodes.list(&places))).collect()
    }
}
