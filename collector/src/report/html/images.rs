//! The images of all nodes, each digest once: what is the same on five hundred nodes is shown once and says where.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use assay_shared::oci::Digest;
use assay_shared::report::{Content, Image, Signature, SiteReport};

use super::mark::Mark;
use crate::report::names;

/// One digest, on whatever nodes it is.
pub(super) struct Entry<'a> {
    /// The anchor of its details.
    pub(super) id: String,
    /// The name that people know it by, cleaned.
    pub(super) name: String,
    /// The worst that it came to anywhere.
    pub(super) mark: Mark,
    /// Every reference on any node.
    pub(super) references: BTreeSet<&'a str>,
    /// How it came out; more than one where nodes differ, the worst first.
    pub(super) results: Vec<Judged<'a>>,
    /// By node, ascending: the worst that it came to there.
    pub(super) cells: BTreeMap<usize, Mark>,
}

/// One result of an image, and the nodes that agree on it.
pub(super) struct Judged<'a> {
    /// The image as the first of the nodes has it.
    pub(super) image: &'a Image,
    /// The nodes, ascending.
    pub(super) nodes: Vec<usize>,
    /// The least and the most that any of them hashed.
    pub(super) content: (Content, Content),
}

/// Every image of every node that was verified: the worst first, then by name.
pub(super) fn of(report: &SiteReport) -> Vec<Entry<'_>> {
    let mut by_digest: BTreeMap<&Digest, Vec<Judged<'_>>> = BTreeMap::new();
    for (at, node) in report.nodes.iter().enumerate() {
        for image in node.accepted().iter().flat_map(|own| &own.images) {
            let results = by_digest.entry(&image.digest).or_default();
            match results.iter_mut().find(|known| same_result(known.image, image)) {
                Some(known) => {
                    if known.nodes.last() != Some(&at) {
                        known.nodes.push(at);
                    }
                    widen(&mut known.content, &image.content);
                }
                None => results.push(Judged {
                    image,
                    nodes: vec![at],
                    content: (image.content.clone(), image.content.clone()),
                }),
            }
        }
    }
    let references = references(report);
    let mut ids = HashSet::new();
    let mut entries: Vec<Entry<'_>> = by_digest
        .into_iter()
        .map(|(digest, mut results)| {
            results.sort_by_key(|judged| (Mark::from(judged.image.status), judged.nodes.first().copied()));
            let mut cells: BTreeMap<usize, Mark> = BTreeMap::new();
            for judged in &results {
                let mark = Mark::from(judged.image.status);
                for node in &judged.nodes {
                    cells.entry(*node).and_modify(|worst| *worst = mark.min(*worst)).or_insert(mark);
                }
            }
            let (name, mark) = results.first().map_or_else(
                || (String::new(), Mark::Inconclusive),
                |worst| (names::short(worst.image), Mark::from(worst.image.status)),
            );
            let references = references.get(digest).cloned().unwrap_or_default();
            Entry { id: id(digest, &mut ids), name, mark, references, results, cells }
        })
        .collect();
    entries.sort_by(|one, other| (one.mark, &one.name, &one.id).cmp(&(other.mark, &other.name, &other.id)));
    entries
}

fn references(report: &SiteReport) -> BTreeMap<&Digest, BTreeSet<&str>> {
    let mut references: BTreeMap<&Digest, BTreeSet<&str>> = BTreeMap::new();
    for image in report.nodes.iter().filter_map(|node| node.accepted()).flat_map(|own| &own.images) {
        references.entry(&image.digest).or_default().extend(image.references.iter().map(String::as_str));
    }
    references
}

/// The start of the digest, and more where that is taken.
fn id(digest: &Digest, taken: &mut HashSet<String>) -> String {
    let hex = digest.hex();
    let short = format!("image-{}", hex.get(..16).unwrap_or(hex));
    let id =
        if taken.contains(&short) { format!("image-{}", digest.as_str().replace(':', "-")) } else { short };
    taken.insert(id.clone());
    id
}

/// Whether two nodes say the same of an image. What differs from node to node without meaning anything does not count:
/// how it is called, who runs it, which layers were discarded, where the bundle lay. The patterns name every field, so
/// that a new one has to be decided on here.
fn same_result(one: &Image, other: &Image) -> bool {
    let Image {
        namespace: _,
        references: _,
        digest,
        media_type,
        size,
        platforms: _,
        in_use: _,
        status,
        reason,
        message,
        hint,
        via,
        policy,
        signatures,
        content,
        rootfs,
    } = one;
    let Content { mode, checked: _, bytes: _, absent: _, mismatched } = content;
    *status == other.status
        && *reason == other.reason
        && *digest == other.digest
        && *media_type == other.media_type
        && *size == other.size
        && *message == other.message
        && *hint == other.hint
        && *via == other.via
        && *policy == other.policy
        && *mode == other.content.mode
        && *mismatched == other.content.mismatched
        && *rootfs == other.rootfs
        && signatures.len() == other.signatures.len()
        && signatures.iter().zip(&other.signatures).all(|(one, other)| same_signature(one, other))
}

fn same_signature(one: &Signature, other: &Signature) -> bool {
    let Signature {
        digest,
        source: _,
        envelope,
        policy,
        status,
        reason,
        signer,
        chain,
        signing_time,
        timestamp,
        user_metadata,
        checks,
        target,
    } = one;
    *digest == other.digest
        && *status == other.status
        && *reason == other.reason
        && *checks == other.checks
        && *target == other.target
        && *envelope == other.envelope
        && *policy == other.policy
        && *signer == other.signer
        && *chain == other.chain
        && *signing_time == other.signing_time
        && *timestamp == other.timestamp
        && *user_metadata == other.user_metadata
}

fn widen((least, most): &mut (Content, Content), content: &Content) {
    least.checked = least.checked.min(content.checked);
    least.bytes = least.bytes.min(content.bytes);
    least.absent = least.absent.min(content.absent);
    most.checked = most.checked.max(content.checked);
    most.bytes = most.bytes.max(content.bytes);
    most.absent = most.absent.max(content.absent);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn each_digest_once_with_every_node_it_is_on() {
        let report = sample::large(40, 50);
        let entries = of(&report);
        let ids: HashSet<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
        assert_eq!(ids.len(), entries.len());
        let cells: usize = entries.iter().map(|entry| entry.cells.len()).sum();
        let images: usize =
            report.nodes.iter().filter_map(|node| node.accepted()).map(|own| own.images.len()).sum();
        assert_eq!(cells, images);
        assert!(entries.len() <= 75);
    }

    #[test]
    fn a_node_that_says_otherwise_is_a_result_of_its_own_and_the_worst_leads() {
        let report = sample::site();
        let entries = of(&report);
        let ledger = entries.iter().find(|entry| entry.name.contains("shop/ledger")).unwrap();
        assert_eq!(ledger.mark, Mark::Failed);
        let marks: Vec<Mark> = ledger.results.iter().map(|judged| Mark::from(judged.image.status)).collect();
        assert_eq!(marks, [Mark::Failed, Mark::Passed]);
        assert!(entries.is_sorted_by_key(|entry| entry.mark));
    }

    #[test]
    fn where_the_bundle_lay_makes_no_difference() {
        let mut report = sample::large(2, 3);
        for (at, node) in report.nodes.iter_mut().enumerate() {
            for image in &mut node.report.as_mut().unwrap().images {
                image.content.absent = at as u64;
                image
                    .signatures
                    .iter_mut()
                    .for_each(|signature| signature.source = format!("/tmp/{at}/site.tar"));
            }
        }
        let entries = of(&report);
        let both = entries.iter().find(|entry| entry.cells.len() == 2).unwrap();
        assert_eq!(both.results.len(), 1);
        assert_eq!((both.results[0].content.0.absent, both.results[0].content.1.absent), (0, 1));
    }

    #[test]
    fn anchors_of_digests_that_begin_alike_differ() {
        let mut taken = HashSet::new();
        let digest = |last: &str| format!("sha256:{}{last}", "a".repeat(63)).parse::<Digest>().unwrap();
        assert_ne!(id(&digest("0"), &mut taken), id(&digest("1"), &mut taken));
    }
}
