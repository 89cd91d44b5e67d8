//! Models a site for its reports. Rows are added one after the other; only what differs between them is kept.
//!
//! Five hundred nodes usually hold the same images with the same verdicts. A [`SiteModel`] keeps each distinct result of an image
//! once and knows which nodes agree on it, so its size grows with the differences and not with the nodes. All reports are made
//! from it, except JSON, JUnit and CSV, which have everything of every node.

use std::collections::{BTreeSet, HashMap};

use assay_report::{
    CleanUpResult, ContainerUse, Content, CustodyStep, Drift, ExitCode, Image, LinkState, List, NodeReport,
    NodeRow, Selection, Signature, SiteInputs, SiteReport, SiteRun, SiteSummary, SiteWaivers, Status,
    Summary, Via, WaivedImage,
};
use assay_verifier::oci::Digest;

use super::difference::Difference;
use super::node_problems::{self, NodeProblem};

/// The site of a report.
pub struct SiteModel {
    /// The run.
    pub(crate) run: SiteRun,
    /// The collector's version.
    pub(crate) collector: String,
    /// What was sent to the nodes.
    pub(crate) inputs: SiteInputs,
    /// What is accepted in place of an image's own signature; none if the run did not say.
    pub(crate) accept: Option<BTreeSet<Via>>,
    /// The nodes that the run was about, if not all of the site.
    pub(crate) selection: Option<Selection>,
    /// The waivers that were given, and their state so far.
    pub(crate) waivers: Option<SiteWaivers>,
    /// Nodes and images, counted.
    pub(crate) summary: SiteSummary,
    /// The worst verdict of all nodes; incomplete if there are none.
    pub(crate) verdict: ExitCode,
    /// What changed since an earlier run, if one was given.
    pub(crate) difference: Option<Difference>,
    /// Every node, in the order of the report.
    pub(super) nodes: Vec<SiteNode>,
    /// Every distinct result of every image, in the order in which it first came.
    pub(super) results: Vec<ImageResult>,
    known: HashMap<Digest, Vec<usize>>,
}

/// A node of the site.
pub(super) struct SiteNode {
    /// Its row. The images of its report are in [`SiteModel::results`] instead.
    pub(super) row: NodeRow,
    /// What it contributes to the verdict.
    pub(super) verdict: ExitCode,
    /// Its images by status, if its report was accepted.
    pub(super) images: Option<Summary>,
    /// Images that waivers cover.
    pub(super) waived: u64,
    /// The name of its files, without their endings.
    pub(super) file: String,
    /// What is wrong with it apart from its images.
    pub(super) problems: Vec<NodeProblem>,
}

/// One result of an image, and the nodes that agree on it.
pub(super) struct ImageResult {
    /// The image as the first of the nodes reports it.
    pub(super) image: Image,
    /// The waiver that covers it on these nodes.
    pub(super) waiver: Option<WaivedImage>,
    /// The nodes, by their place in the report, ascending.
    pub(super) nodes: Vec<usize>,
    /// The least and the most content that any of them hashed.
    pub(super) content: (Content, Content),
    /// Every reference on any of the nodes.
    pub(super) references: BTreeSet<String>,
    /// The number of images: two namespaces of a node may hold the same one.
    pub(super) images: u64,
    /// Containers that run it, on all of the nodes.
    pub(super) containers: u64,
}

impl SiteModel {
    /// A site without nodes.
    pub(super) fn new(
        run: SiteRun,
        collector: String,
        inputs: SiteInputs,
        waivers: Option<SiteWaivers>,
    ) -> Self {
        Self {
            run,
            collector,
            inputs,
            accept: None,
            selection: None,
            waivers,
            summary: SiteSummary::default(),
            verdict: ExitCode::Incomplete,
            difference: None,
            nodes: Vec::new(),
            results: Vec::new(),
            known: HashMap::new(),
        }
    }

    /// The number of nodes that may still have files of the visit.
    pub(crate) fn left_behind(&self) -> u64 {
        let left = |node: &&SiteNode| {
            matches!(node.row.clean_up.result, CleanUpResult::Failed | CleanUpResult::Unknown)
        };
        self.nodes.iter().filter(left).count() as u64
    }

    /// Adds a node, to which waivers have been applied. `file` is the name of its files.
    pub(super) fn add(&mut self, mut row: NodeRow, file: String) {
        let place = self.nodes.len();
        let verdict = row.verdict();
        self.verdict = if place == 0 { verdict } else { self.verdict.max(verdict) };
        self.summary.add(&row);
        let problems = node_problems::find(&row);
        let images = row.accepted().map(|own| Summary::count(own.images.iter().map(|image| image.status)));
        let own: Vec<Image> = match &mut row.report {
            Some(report) => std::mem::take(&mut report.images),
            None => Vec::new(),
        };
        // images of a report that was not accepted are not shown
        for image in own.into_iter().filter(|_| images.is_some()) {
            let waiver = row.waiver(&image).cloned();
            self.result(place, image, waiver);
        }
        let waived = row.waived.len() as u64;
        row.waived = Vec::new();
        self.nodes.push(SiteNode { row, verdict, images, waived, file, problems });
    }

    fn result(&mut self, place: usize, image: Image, waiver: Option<WaivedImage>) {
        let known = self.known.entry(image.digest.clone()).or_default();
        let results = &mut self.results;
        let same = known.iter().copied().find(|at| {
            results.get(*at).is_some_and(|judged| {
                same_waiver(judged.waiver.as_ref(), waiver.as_ref()) && same_result(&judged.image, &image)
            })
        });
        match same.and_then(|at| results.get_mut(at)) {
            Some(judged) => judged.add(place, &image),
            None => {
                if known.len() < KNOWN {
                    known.push(results.len());
                }
                results.push(ImageResult {
                    nodes: vec![place],
                    content: (image.content.clone(), image.content.clone()),
                    references: image.references.iter().cloned().collect(),
                    images: 1,
                    containers: containers(&image),
                    waiver,
                    image,
                });
            }
        }
    }

    /// The number of images with this severity that no waiver covers, and the number of nodes that have them.
    pub(super) fn wrong(&self, severity: ExitCode) -> (u64, usize) {
        let wrong = self.results.iter().filter(|judged| judged.severity() == Some(severity));
        let (mut images, mut nodes) = (0_u64, BTreeSet::<usize>::new());
        for judged in wrong {
            images = images.saturating_add(judged.images);
            nodes.extend(judged.nodes.iter().copied());
        }
        (images, nodes.len())
    }

    /// The site report without its nodes.
    pub(super) fn without_nodes(&self) -> SiteReport {
        let mut report =
            SiteReport::new(self.run.clone(), self.collector.clone(), self.inputs.clone(), Vec::new());
        report.summary = self.summary;
        report.verdict = self.verdict;
        report.selection.clone_from(&self.selection);
        report.accept.clone_from(&self.accept);
        report.waivers.clone_from(&self.waivers);
        report
    }
}

#[cfg(test)]
impl From<&SiteReport> for SiteModel {
    fn from(report: &SiteReport) -> Self {
        let mut site = Self::new(
            report.run.clone(),
            report.collector.clone(),
            report.inputs.clone(),
            report.waivers.clone(),
        );
        let mut names = super::names::FileNames::default();
        site.selection.clone_from(&report.selection);
        site.accept.clone_from(&report.accept);
        report.nodes.iter().for_each(|row| site.add(row.clone(), names.give(&row.name)));
        site
    }
}

impl SiteNode {
    /// Its report without the images, if the report was accepted.
    pub(super) fn accepted(&self) -> Option<&NodeReport> {
        self.row.accepted()
    }
}

impl ImageResult {
    /// What it does to the verdict, unless it is in order or waived.
    pub(super) fn severity(&self) -> Option<ExitCode> {
        match self.image.status {
            Status::Failed if self.waiver.is_none() => Some(ExitCode::Failed),
            Status::Inconclusive if self.waiver.is_none() => Some(ExitCode::Incomplete),
            _ => None,
        }
    }

    fn add(&mut self, place: usize, image: &Image) {
        if self.nodes.last() != Some(&place) {
            self.nodes.push(place);
        }
        self.images = self.images.saturating_add(1);
        widen(&mut self.content, &image.content);
        for reference in &image.references {
            if self.references.len() < REFERENCES && !self.references.contains(reference) {
                self.references.insert(reference.clone());
            }
        }
        self.containers = self.containers.saturating_add(containers(image));
    }
}

/// Containers that run the image, listed or not.
fn containers(image: &Image) -> u64 {
    image.omitted.count(List::InUse).saturating_add(image.in_use.len() as u64)
}

/// Results of one digest that later ones are compared with. Real sites have a handful; a hostile node may have one in each of
/// thousands of namespaces.
const KNOWN: usize = 100;

/// References of one image that are kept from all nodes. Real images have a handful.
const REFERENCES: usize = 200;

/// Whether two nodes report the same result of an image. Differences without meaning do not count: references, containers,
/// discarded layers, the bundle's path. The patterns name every field, so that each new field needs a decision here.
fn same_result(one: &Image, other: &Image) -> bool {
    let Image {
        namespace: _,
        references: _,
        digest,
        media_type,
        size,
        platforms: _,
        in_use,
        status,
        reason,
        also,
        message,
        hint,
        via,
        policy,
        signatures,
        content,
        rootfs,
        omitted: _,
    } = one;
    let Content { mode, checked: _, bytes: _, absent: _, mismatched } = content;
    *status == other.status
        && *reason == other.reason
        && *also == other.also
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
        && broken_links(in_use) == broken_links(&other.in_use)
        && drifts(in_use).eq(drifts(&other.in_use))
        && [List::Signatures, List::Mismatched, List::Differing]
            .iter()
            .all(|list| one.omitted.count(*list) == other.omitted.count(*list))
        && signatures.len() == other.signatures.len()
        && signatures.iter().zip(&other.signatures).all(|(one, other)| same_signature(one, other))
}

/// The links at which chains of custody are broken or not proven.
fn broken_links(containers: &[ContainerUse]) -> BTreeSet<(CustodyStep, LinkState)> {
    let chains = containers.iter().filter_map(|container| container.custody.as_ref()?.first_broken());
    chains.map(|link| (link.step, link.state)).collect()
}

/// The drift of the containers that have any. What they are called is without meaning.
fn drifts(containers: &[ContainerUse]) -> impl Iterator<Item = &Drift> {
    containers
        .iter()
        .filter_map(|container| container.drift.as_ref())
        .filter(|drift| drift.is_worth_telling())
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
        omitted,
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
        && *omitted == other.omitted
}

/// Whether the same waiver covers two images of one digest, whatever their namespaces.
fn same_waiver(one: Option<&WaivedImage>, other: Option<&WaivedImage>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => {
            (&one.reason, &one.approver, one.expires) == (&other.reason, &other.approver, other.expires)
        }
        _ => false,
    }
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
    fn counts_the_same_as_the_report() {
        for report in [sample::site(), sample::every_outcome(), sample::hostile(), sample::large(30, 20)] {
            let site = SiteModel::from(&report);
            assert_eq!((site.summary, site.verdict), (report.summary, report.verdict));
            let images: usize =
                report.nodes.iter().filter_map(|node| node.accepted()).map(|own| own.images.len()).sum();
            let cells: usize = site.results.iter().map(|judged| judged.nodes.len()).sum();
            assert_eq!(cells, images);
            for (node, row) in site.nodes.iter().zip(&report.nodes) {
                assert_eq!(node.verdict, row.verdict());
            }
        }
    }

    #[test]
    fn its_size_follows_what_differs() {
        let (few, many) = (SiteModel::from(&sample::large(60, 30)), SiteModel::from(&sample::large(240, 30)));
        assert!(many.results.len() <= few.results.len() + 45);
    }

    #[test]
    fn ignores_the_path_of_the_bundle() {
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
        let site = SiteModel::from(&report);
        let both = site.results.iter().find(|judged| judged.nodes.len() == 2).unwrap();
        assert_eq!((both.content.0.absent, both.content.1.absent), (0, 1));
        assert_eq!(both.containers, 2);
    }
}
