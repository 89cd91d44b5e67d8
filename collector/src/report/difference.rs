//! Compares a run, node by node, with the site report of an earlier run.
//!
//! Images are identified by namespace and digest. An image is *wrong* if it failed or is inconclusive and no waiver covers it.
//! Images are compared on nodes that both runs verified; otherwise the node itself is the change. Only what is compared is kept
//! of the earlier report, so it may be large.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use assay_report::{Image, Namespace, NodeRow, SITE_REPORT_SCHEMA, SiteRun, Status};
use assay_verifier::oci::Digest;
use serde::Deserialize;

use super::text::number;
use super::{names, text, words};
use crate::clean;

/// What is compared of an earlier run.
pub struct Baseline {
    run: SiteRun,
    nodes: BTreeMap<String, EarlierNode>,
}

/// Why an earlier run cannot be compared with.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// The file is not a site report.
    #[error("not a site report")]
    Malformed(#[from] serde_json::Error),
    /// The report has another schema.
    #[error("the schema is {0:?}, not {SITE_REPORT_SCHEMA:?}")]
    Schema(String),
}

impl Baseline {
    /// Reads an earlier `report.json`.
    ///
    /// # Errors
    /// [`BaselineError`]
    pub fn read(report: impl io::Read) -> Result<Self, BaselineError> {
        let old: EarlierJson = serde_json::from_reader(report)?;
        if old.schema != SITE_REPORT_SCHEMA {
            return Err(BaselineError::Schema(old.schema));
        }
        Ok(Self {
            run: old.run,
            nodes: old.nodes.into_iter().map(|node| (node.name.clone(), node)).collect(),
        })
    }
}

/// The changes since an earlier run.
#[derive(Debug)]
pub(crate) struct Difference {
    /// That run.
    pub(super) since: SiteRun,
    /// Images, by kind and name.
    pub(super) images: Vec<Change>,
    /// Nodes, by kind and name.
    pub(super) nodes: Vec<NodeChange>,
    /// Images that were wrong and still are, counted on every node.
    pub(super) still_wrong: u64,
    wrong_before: BTreeSet<(Digest, Option<String>)>,
}

/// The kind of change of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ChangeKind {
    /// It was in order and is wrong now.
    NewlyFailing,
    /// It was wrong and is in order now.
    Fixed,
    /// It was not there before.
    New,
    /// It is no longer there.
    Gone,
}

impl ChangeKind {
    /// Every kind, the one that matters most first.
    pub(super) const ALL: [Self; 4] = [Self::NewlyFailing, Self::Fixed, Self::New, Self::Gone];

    /// The kind in words.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::NewlyFailing => "newly failing",
            Self::Fixed => "fixed",
            Self::New => "new",
            Self::Gone => "gone",
        }
    }
}

/// One image with the same change on some nodes.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) kind: ChangeKind,
    /// Its name, cleaned.
    pub(super) name: String,
    pub(super) digest: Digest,
    /// Its standing before; none if it is new.
    pub(super) before: Option<Standing>,
    /// Its standing now; none if it is gone.
    pub(super) after: Option<Standing>,
    /// The nodes, by their place in the report, ascending.
    pub(super) nodes: Vec<usize>,
}

impl Change {
    /// Its standing before and now, if it was and is there.
    pub(super) fn standing(&self) -> String {
        let both = [&self.before, &self.after].into_iter().flatten().map(ToString::to_string);
        both.collect::<Vec<_>>().join(" → ")
    }

    /// Whether it is wrong now and was not before.
    pub(super) fn is_worse(&self) -> bool {
        matches!(self.kind, ChangeKind::NewlyFailing | ChangeKind::New)
            && self.after.as_ref().is_some_and(Standing::is_wrong)
    }
}

/// The standing of an image in one run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Standing {
    pub(super) status: Status,
    pub(super) waived: bool,
    /// The codes of all that is wrong with it, cleaned.
    pub(super) codes: Option<String>,
}

impl Standing {
    /// Whether it is wrong and no waiver covers it.
    pub(super) fn is_wrong(&self) -> bool {
        matches!(self.status, Status::Failed | Status::Inconclusive) && !self.waived
    }
}

impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(words::status(self.status))?;
        if let Some(codes) = &self.codes {
            write!(f, " ({codes})")?;
        }
        f.write_str(if self.waived { ", waived" } else { "" })
    }
}

/// The change of a node.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NodeChange {
    /// It was verified and is not now. Its place in the report.
    Lost(usize),
    /// It was not verified and is now.
    Verified(usize),
    /// It was not part of the site.
    New(usize),
    /// It is no longer part of the site. Its name, cleaned.
    Gone(String),
}

impl Difference {
    /// The number of images with this kind of change, counted on every node, and how many of them are wrong now.
    pub(super) fn count(&self, kind: ChangeKind) -> (u64, u64) {
        let mut counts = (0_u64, 0_u64);
        for change in self.images.iter().filter(|change| change.kind == kind) {
            let nodes = change.nodes.len() as u64;
            counts.0 = counts.0.saturating_add(nodes);
            if change.after.as_ref().is_some_and(Standing::is_wrong) {
                counts.1 = counts.1.saturating_add(nodes);
            }
        }
        counts
    }

    /// The changes in one sentence.
    pub(super) fn sentence(&self) -> String {
        let mut parts = Vec::new();
        for kind in ChangeKind::ALL {
            let (images, wrong) = self.count(kind);
            let mut part = format!("{} {}", number(images), kind.word());
            if kind == ChangeKind::New && wrong > 0 {
                part.push_str(&format!(" ({} not in order)", number(wrong)));
            }
            parts.push(part);
        }
        let still = number(self.still_wrong);
        format!(
            "Since the run of {}: {}; {still} not in order in both runs.",
            text::time(self.since.started),
            parts.join(", ")
        )
    }

    /// Whether the image was wrong for the same reasons on any node before; none if it was not wrong at all.
    pub(super) fn was_wrong(&self, image: &Image) -> Option<bool> {
        let digest = &image.digest;
        if self.wrong_before.contains(&(digest.clone(), codes(image))) {
            return Some(true);
        }
        let mut of_digest = self.wrong_before.range((digest.clone(), None)..);
        of_digest.next().is_some_and(|(other, _)| other == digest).then_some(false)
    }
}

impl NodeChange {
    /// The change in words.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Lost(_) => "no longer verified",
            Self::Verified(_) => "verified again",
            Self::New(_) => "new",
            Self::Gone(_) => "gone",
        }
    }
}

/// A comparison in progress, node by node.
pub(crate) struct Comparison {
    baseline: Baseline,
    place: usize,
    images: BTreeMap<Key, Vec<usize>>,
    names: BTreeMap<Digest, String>,
    nodes: Vec<NodeChange>,
    still_wrong: u64,
    wrong_before: BTreeSet<(Digest, Option<String>)>,
}

type Key = (ChangeKind, Digest, Option<Standing>, Option<Standing>);

impl Comparison {
    /// Begins a comparison with an earlier run.
    pub(super) fn new(baseline: Baseline) -> Self {
        let wrong_before = baseline
            .nodes
            .values()
            .flat_map(|node| &node.images)
            .filter(|(_, (standing, _))| standing.is_wrong())
            .map(|((_, digest), (standing, _))| (digest.clone(), standing.codes.clone()))
            .collect();
        Self {
            baseline,
            place: 0,
            images: BTreeMap::new(),
            names: BTreeMap::new(),
            nodes: Vec::new(),
            still_wrong: 0,
            wrong_before,
        }
    }

    /// Compares the next node of the report.
    pub(super) fn add(&mut self, row: &NodeRow) {
        let place = self.place;
        self.place += 1;
        match (self.baseline.nodes.remove(&row.name), row.accepted()) {
            (None, _) => self.nodes.push(NodeChange::New(place)),
            (Some(before), None) => {
                if before.verified {
                    self.nodes.push(NodeChange::Lost(place));
                }
            }
            (Some(before), Some(_)) if !before.verified => self.nodes.push(NodeChange::Verified(place)),
            (Some(mut before), Some(own)) => {
                for image in &own.images {
                    let after = Standing {
                        status: image.status,
                        waived: row.waiver(image).is_some(),
                        codes: codes(image),
                    };
                    let key = (Namespace::text(image.namespace.as_ref()).to_owned(), image.digest.clone());
                    let was = before.images.remove(&key).map(|(standing, _)| standing);
                    self.image(place, image, was, after);
                }
                for ((_, digest), (was, name)) in before.images {
                    self.change((ChangeKind::Gone, digest, Some(was), None), place, || clean::name(&name));
                }
            }
        }
    }

    fn image(&mut self, place: usize, image: &Image, was: Option<Standing>, after: Standing) {
        let kind = match &was {
            None => ChangeKind::New,
            Some(was) => match (was.is_wrong(), after.is_wrong()) {
                (false, true) => ChangeKind::NewlyFailing,
                (true, false) => ChangeKind::Fixed,
                (true, true) => {
                    self.still_wrong = self.still_wrong.saturating_add(1);
                    return;
                }
                (false, false) => return,
            },
        };
        self.change((kind, image.digest.clone(), was, Some(after)), place, || names::short(image));
    }

    fn change(&mut self, key: Key, place: usize, name: impl FnOnce() -> String) {
        self.names.entry(key.1.clone()).or_insert_with(name);
        let places = self.images.entry(key).or_default();
        if places.last() != Some(&place) {
            places.push(place);
        }
    }

    /// Ends the comparison. Nodes that did not come are gone.
    pub(super) fn end(mut self) -> Difference {
        let gone = self.baseline.nodes.keys().map(|name| NodeChange::Gone(clean::name(name)));
        self.nodes.extend(gone);
        self.nodes.sort();
        let names = self.names;
        let mut images: Vec<Change> = self
            .images
            .into_iter()
            .map(|((kind, digest, before, after), nodes)| Change {
                kind,
                name: names.get(&digest).cloned().unwrap_or_default(),
                digest,
                before,
                after,
                nodes,
            })
            .collect();
        // within a kind, wrong images come first
        images.sort_by_cached_key(|change| {
            let wrong = change.after.as_ref().is_some_and(Standing::is_wrong);
            (change.kind, !wrong, change.name.clone(), change.digest.clone())
        });
        Difference {
            since: self.baseline.run,
            images,
            nodes: self.nodes,
            still_wrong: self.still_wrong,
            wrong_before: self.wrong_before,
        }
    }
}

/// The codes of all that is wrong with an image.
fn codes(image: &Image) -> Option<String> {
    joined(words::codes(image).into_iter().map(str::to_owned))
}

fn joined(codes: impl Iterator<Item = String>) -> Option<String> {
    Some(codes.collect::<Vec<_>>().join(", ")).filter(|codes| !codes.is_empty())
}

#[derive(Deserialize)]
struct EarlierJson {
    schema: String,
    run: SiteRun,
    nodes: Vec<EarlierNode>,
}

/// A node of the earlier run.
#[derive(Deserialize)]
#[serde(from = "EarlierNodeJson")]
struct EarlierNode {
    name: String,
    verified: bool,
    /// By namespace and digest: its standing and its name.
    images: BTreeMap<(String, Digest), (Standing, String)>,
}

#[derive(Deserialize)]
struct EarlierNodeJson {
    name: String,
    outcome: String,
    report: Option<EarlierReportJson>,
    #[serde(default)]
    waived: Vec<EarlierWaivedJson>,
}

#[derive(Deserialize)]
struct EarlierReportJson {
    images: Vec<EarlierImageJson>,
}

#[derive(Deserialize)]
struct EarlierImageJson {
    namespace: String,
    digest: Digest,
    references: Vec<String>,
    status: Status,
    reason: Option<String>,
    #[serde(default)]
    also: Vec<String>,
}

#[derive(Deserialize)]
struct EarlierWaivedJson {
    namespace: String,
    digest: Digest,
}

impl From<EarlierNodeJson> for EarlierNode {
    fn from(old: EarlierNodeJson) -> Self {
        let verified = old.outcome == "verified" && old.report.is_some();
        let waived: BTreeSet<(String, Digest)> =
            old.waived.into_iter().map(|waived| (waived.namespace, waived.digest)).collect();
        let images = old.report.into_iter().flat_map(|report| report.images).map(|image| {
            let key = (image.namespace, image.digest);
            let name = names::without_digest(names::preferred(&image.references)).to_owned();
            let codes = joined(image.reason.iter().chain(&image.also).map(|code| clean::name(code)));
            let standing = Standing { status: image.status, waived: waived.contains(&key), codes };
            (key, (standing, name))
        });
        Self { name: old.name, verified, images: images.collect() }
    }
}

#[cfg(test)]
mod tests {
    use assay_report::{Outcome, Reason, SiteReport};

    use super::*;
    use crate::report::sample;

    fn compared(before: &SiteReport, after: &SiteReport) -> Difference {
        let baseline = Baseline::read(serde_json::to_vec(before).unwrap().as_slice()).unwrap();
        let mut comparison = Comparison::new(baseline);
        after.nodes.iter().for_each(|row| comparison.add(row));
        comparison.end()
    }

    #[test]
    fn finds_no_difference_between_a_run_and_itself() {
        for report in [sample::site(), sample::every_outcome(), sample::hostile()] {
            let difference = compared(&report, &report);
            assert!(difference.images.is_empty() && difference.nodes.is_empty());
        }
    }

    #[test]
    fn finds_every_kind_of_change() {
        let before = sample::site();
        let mut after = before.clone();
        let own = after.nodes[0].report.as_mut().unwrap();
        let failed = own.images.iter().position(|image| image.status == Status::Failed).unwrap();
        let passed = own.images.iter().position(|image| image.status == Status::Passed).unwrap();
        own.images[failed].status = Status::Passed;
        own.images[failed].reason = None;
        own.images[passed].status = Status::Failed;
        own.images[passed].reason = Some(Reason::ContentMismatch);
        own.images.push(sample::image("brand/new"));
        let gone =
            own.images.remove((0..own.images.len()).find(|at| ![failed, passed].contains(at)).unwrap());
        let kinds: Vec<(ChangeKind, (u64, u64))> =
            ChangeKind::ALL.map(|kind| (kind, compared(&before, &after).count(kind))).into();
        let difference = compared(&before, &after);
        assert_eq!(
            kinds,
            [
                (ChangeKind::NewlyFailing, (1, 1)),
                (ChangeKind::Fixed, (1, 0)),
                (ChangeKind::New, (1, 1)),
                (ChangeKind::Gone, (1, 0))
            ]
        );
        assert_eq!(difference.images.last().unwrap().digest, gone.digest);
        assert_eq!(difference.images[0].nodes, [0]);
        // In the other direction, what was fixed fails again.
        assert_eq!(compared(&after, &before).count(ChangeKind::Fixed).0, 1);
    }

    #[test]
    fn compares_no_images_of_a_node_that_was_not_verified() {
        let before = sample::site();
        let mut after = before.clone();
        after.nodes[0].outcome = Outcome::Unreachable;
        after.nodes[1].name = "zz".into();
        let difference = compared(&before, &after);
        assert!(difference.images.is_empty());
        let gone = NodeChange::Gone(before.nodes[1].name.clone());
        assert_eq!(difference.nodes, [NodeChange::Lost(0), NodeChange::New(1), gone]);
        assert_eq!(compared(&after, &before).nodes[0], NodeChange::Verified(0));
    }

    #[test]
    fn rejects_what_is_not_a_site_report() {
        for text in ["", "{}", "[]"] {
            assert!(matches!(Baseline::read(text.as_bytes()), Err(BaselineError::Malformed(_))));
        }
        let mut other = serde_json::to_value(sample::all_passed()).unwrap();
        other["schema"] = "assay/site-report/v2".into();
        let other = serde_json::to_vec(&other).unwrap();
        assert!(matches!(Baseline::read(other.as_slice()), Err(BaselineError::Schema(_))));
    }
}
