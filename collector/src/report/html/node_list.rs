//! Names the nodes of a result briefly: a site may have hundreds.

use assay_report::{NodeRow, Outcome};

use crate::clean;
use crate::report::model::SiteNode;
use crate::report::names;
use crate::report::text::count;

/// A sentence names up to this many nodes; more are counted and listed separately.
const IN_A_SENTENCE: usize = 6;

/// Some of the site's nodes.
pub(super) struct NodeList {
    /// Their names, or their number.
    pub(super) text: String,
    /// All names, if `text` only counts them.
    pub(super) names: Option<String>,
    /// The places of the nodes, such as `0-479,481`, for the page's filter.
    pub(super) places: String,
}

/// The cleaned names of the site's nodes.
pub(super) struct NodeNames {
    names: Vec<String>,
    verified: Vec<usize>,
}

impl NodeNames {
    pub(super) fn new(nodes: &[SiteNode]) -> Self {
        let verified = nodes.iter().enumerate().filter(|(_, node)| node.row.outcome == Outcome::Verified);
        Self {
            names: nodes.iter().map(|node| name(&node.row)).collect(),
            verified: verified.map(|(at, _)| at).collect(),
        }
    }

    /// The cleaned name of the node at `place`.
    pub(super) fn name(&self, place: usize) -> &str {
        self.names.get(place).map_or("", String::as_str)
    }

    /// The nodes at `places`, which are ascending.
    pub(super) fn list(&self, places: &[usize]) -> NodeList {
        let joined = |places: &[usize]| {
            let names: Vec<&str> = places.iter().map(|place| self.name(*place)).collect();
            names.join(", ")
        };
        let (text, names) = if places.len() <= IN_A_SENTENCE {
            (joined(places), None)
        } else if places == self.verified {
            (format!("all {} that were verified", count(places.len(), "node")), None)
        } else {
            let others: Vec<usize> =
                self.verified.iter().copied().filter(|place| places.binary_search(place).is_err()).collect();
            let only_verified = places.len() + others.len() == self.verified.len();
            if only_verified && others.len() <= IN_A_SENTENCE {
                (
                    format!(
                        "{}: all that were verified except {}",
                        count(places.len(), "node"),
                        joined(&others)
                    ),
                    None,
                )
            } else {
                (count(places.len(), "node"), Some(joined(places)))
            }
        };
        NodeList { text, names, places: ranges(places) }
    }
}

fn name(row: &NodeRow) -> String {
    if row.name.trim().is_empty() { names::NAMELESS.into() } else { clean::line(&row.name, NAME) }
}

/// Letters of a node's name that are shown. Real names have at most 63, fully qualified ones rarely more.
const NAME: usize = 100;

/// `[0, 1, 2, 5]` as `0-2,5`.
fn ranges(places: &[usize]) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for place in places {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *place => *last = *place,
            _ => ranges.push((*place, *place)),
        }
    }
    let texts: Vec<String> = ranges
        .into_iter()
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
        .collect();
    texts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::SiteModel;
    use crate::report::sample;

    #[test]
    fn uses_the_shortest_form() {
        let report = SiteModel::from(&sample::large(50, 2));
        let nodes = NodeNames::new(&report.nodes);
        let verified: Vec<usize> = (0..50).filter(|place| *place != 33).collect();
        assert_eq!(nodes.list(&[3, 4, 7]).text, "node-0003, node-0004, node-0007");
        assert_eq!(nodes.list(&verified).text, "all 49 nodes that were verified");
        assert!(nodes.list(&verified[2..]).text.ends_with("except node-0000, node-0001"));
        let half = nodes.list(&verified[..20]);
        assert_eq!(half.text, "20 nodes");
        assert!(half.names.unwrap().ends_with("node-0018, node-0019"));
        assert_eq!(nodes.list(&[]).text, "");
    }

    #[test]
    fn places_are_ranges() {
        assert_eq!(ranges(&[0, 1, 2, 5, 7, 8]), "0-2,5,7-8");
        assert_eq!(ranges(&[]), "");
    }
}
