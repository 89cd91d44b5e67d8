//! Lists the images of all nodes, each digest once, with the nodes that have it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use assay_verifier::oci::Digest;

use super::mark::Mark;
use crate::report::model::{ImageResult, SiteModel};
use crate::report::names;
use crate::report::text::count;

/// One digest on all nodes that have it.
pub(super) struct ImageEntry<'a> {
    /// The anchor of its details.
    pub(super) id: String,
    /// Its name, cleaned.
    pub(super) name: String,
    /// Its worst result on any node.
    pub(super) mark: Mark,
    /// Every reference on any node.
    pub(super) references: BTreeSet<&'a str>,
    /// Its results, the worst first; more than one if nodes differ.
    pub(super) results: Vec<&'a ImageResult>,
    /// By node, ascending: its worst result there.
    pub(super) cells: BTreeMap<usize, Mark>,
}

/// The images of all verified nodes, the worst first, then by name.
pub(super) fn entries(site: &SiteModel) -> Vec<ImageEntry<'_>> {
    let mut by_digest: BTreeMap<&Digest, Vec<&ImageResult>> = BTreeMap::new();
    for judged in &site.results {
        by_digest.entry(&judged.image.digest).or_default().push(judged);
    }
    let mut ids = HashSet::new();
    let mut entries: Vec<ImageEntry<'_>> = by_digest
        .into_iter()
        .map(|(digest, mut results)| {
            results.sort_by_key(|judged| (Mark::of_result(judged), judged.nodes.first().copied()));
            let mut cells: BTreeMap<usize, Mark> = BTreeMap::new();
            for judged in &results {
                let mark = Mark::of_result(judged);
                for node in &judged.nodes {
                    cells.entry(*node).and_modify(|worst| *worst = mark.min(*worst)).or_insert(mark);
                }
            }
            let (name, mark) = results.first().map_or_else(
                || (String::new(), Mark::Inconclusive),
                |worst| (names::short(&worst.image), Mark::of_result(worst)),
            );
            let references =
                results.iter().flat_map(|judged| &judged.references).map(String::as_str).collect();
            ImageEntry { id: id(digest, &mut ids), name, mark, references, results, cells }
        })
        .collect();
    entries.sort_by(|one, other| (one.mark, &one.name, &one.id).cmp(&(other.mark, &other.name, &other.id)));
    entries
}

/// The anchors and names of images that have details on the page, by digest.
pub(super) struct ImageLinks<'a>(HashMap<&'a Digest, (&'a str, &'a str)>);

/// Some images.
pub(super) struct ImageList {
    /// Such as `12 images`; empty if there are none.
    pub(super) text: String,
    /// The anchors and names that are shown.
    pub(super) links: Vec<(String, String)>,
    /// How many more there are.
    pub(super) more: usize,
}

impl<'a> ImageLinks<'a> {
    pub(super) fn new(entries: &'a [ImageEntry<'a>]) -> Self {
        let named = entries.iter().take(DETAILS).filter_map(|entry| {
            let first = entry.results.first()?;
            Some((&first.image.digest, (entry.id.as_str(), entry.name.as_str())))
        });
        Self(named.collect())
    }

    /// The anchor and the name of an image.
    pub(super) fn link(&self, digest: &Digest) -> Option<(String, String)> {
        self.0.get(digest).map(|(id, name)| ((*id).to_owned(), (*name).to_owned()))
    }

    /// Links to the images of `digests`.
    pub(super) fn list(&self, digests: &BTreeSet<&Digest>) -> ImageList {
        let mut links: Vec<(String, String)> =
            digests.iter().filter_map(|digest| self.link(digest)).collect();
        links.sort_by(|one, other| (&one.1, &one.0).cmp(&(&other.1, &other.0)));
        links.truncate(LISTED);
        ImageList {
            text: if digests.is_empty() { String::new() } else { count(digests.len(), "image") },
            more: digests.len() - links.len(),
            links,
        }
    }
}

/// Images whose details are shown, those with problems first. A page of this many, of about four kilobytes each, opens in a few
/// seconds; node reports have the others.
pub(super) const DETAILS: usize = 2_000;

/// Images that a list names.
const LISTED: usize = 100;

/// The start of the digest, or all of it if another image has the same start.
fn id(digest: &Digest, taken: &mut HashSet<String>) -> String {
    let hex = digest.hex();
    let short = format!("image-{}", hex.get(..16).unwrap_or(hex));
    let id =
        if taken.contains(&short) { format!("image-{}", digest.as_str().replace(':', "-")) } else { short };
    taken.insert(id.clone());
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn lists_each_digest_once_with_all_its_nodes() {
        let report = sample::large(40, 50);
        let site = SiteModel::from(&report);
        let entries = entries(&site);
        let ids: HashSet<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
        assert_eq!(ids.len(), entries.len());
        let cells: usize = entries.iter().map(|entry| entry.cells.len()).sum();
        let images: usize =
            report.nodes.iter().filter_map(|node| node.accepted()).map(|own| own.images.len()).sum();
        assert_eq!(cells, images);
        assert!(entries.len() <= 75);
    }

    #[test]
    fn keeps_differing_results_apart_the_worst_first() {
        let report = sample::site();
        let site = SiteModel::from(&report);
        let entries = entries(&site);
        let ledger = entries.iter().find(|entry| entry.name.contains("shop/ledger")).unwrap();
        assert_eq!(ledger.mark, Mark::Failed);
        let marks: Vec<Mark> = ledger.results.iter().map(|judged| Mark::of_result(judged)).collect();
        assert_eq!(marks, [Mark::Failed, Mark::Passed]);
        assert!(entries.is_sorted_by_key(|entry| entry.mark));
    }

    #[test]
    fn anchors_of_digests_that_begin_alike_differ() {
        let mut taken = HashSet::new();
        let digest = |last: &str| format!("sha256:{}{last}", "a".repeat(63)).parse::<Digest>().unwrap();
        assert_ne!(id(&digest("0"), &mut taken), id(&digest("1"), &mut taken));
    }
}
