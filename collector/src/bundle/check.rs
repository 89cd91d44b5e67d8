//! Tells what will be missing on the nodes: each image's verdict today and at a later time, and what expires by then. The
//! agent's own code judges ([`assay_judge::offline`]).

use std::collections::{BTreeMap, BTreeSet};

use assay_judge::bundle::Bundles;
use assay_judge::store::Record;
use assay_judge::trust::Trust;
use assay_report::bundle::{BundleManifest, Completeness, Gap, GapKind};
use assay_report::{ExitCode, Image, Reason, Status, Summary, Via};
use assay_verifier::oci::{Descriptor, Digest};
use assay_verifier::time::UnixTime;
use serde::Serialize;

use super::unlisted::Listed;
use crate::inventories::NodeImages;
use crate::trust::{self, TrustCheck};

/// The value of [`BundleCheck::schema`].
pub(super) const CHECK_SCHEMA: &str = "assay/bundle-check/v1";

/// Bundles looked over before they travel.
#[derive(Clone, Debug, Serialize)]
pub struct BundleCheck {
    /// `CHECK_SCHEMA`
    pub schema: &'static str,
    /// When it was looked at.
    pub now: UnixTime,
    /// The time that the images are to pass at.
    pub at: UnixTime,
    /// The worst case of all images at that time.
    pub verdict: ExitCode,
    /// The images at that time, by status.
    pub summary: Summary,
    /// The bundles.
    pub bundles: Vec<CheckedBundle>,
    /// The images, sorted by digest.
    pub images: Vec<CheckedImage>,
    /// What the images that pass today rest on and what ends by that time, by when.
    pub expiring: Vec<Expiring>,
    /// What could not be read of bundles and inventories: something may be missing for it.
    pub unreadable: Vec<String>,
    /// The trust directory at that time, with the CRLs of the bundles.
    pub trust: TrustCheck,
}

/// A bundle.
#[derive(Clone, Debug, Serialize)]
pub struct CheckedBundle {
    /// Its path as given.
    pub path: String,
    /// What it says of itself; null if another tool made it.
    pub completeness: Option<Completeness>,
    /// What was asked for and is not in it.
    pub gaps: Vec<String>,
    /// The same by its kind.
    pub missing: Vec<Gap>,
    /// How many lists of layers' files it has.
    pub layer_lists: usize,
}

/// An image at that time.
#[derive(Clone, Debug, Serialize)]
pub struct CheckedImage {
    /// Every name that points at it.
    pub references: Vec<String>,
    /// Its digest.
    pub digest: Digest,
    /// The nodes that have it; empty if no inventory was given.
    pub nodes: Vec<String>,
    /// Its verdict at that time.
    pub status: Status,
    /// Its verdict today.
    pub status_now: Status,
    /// Why it will not pass.
    pub reason: Option<Reason>,
    /// The same for people.
    pub message: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// For an image without a signature: whether it has none, or was not carried.
    pub unsigned: Option<Unsigned>,
    /// Why it was not carried or listed, as the bundle has it.
    pub not_carried: Option<String>,
    /// The subjects of the certificates whose signatures pass.
    pub signers: Vec<String>,
    /// How many of its layers have no list of their files. A node that discarded them cannot verify it with --rootfs. Null if no
    /// bundle has lists, or if the bundles do not have all manifests that have layers.
    pub unlisted_layers: Option<u64>,
}

/// Why an image has no signature in the bundles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unsigned {
    /// Its registry listed no signature when the bundle was made.
    AtTheSource,
    /// The bundle names it among what could not be fetched.
    NotCarried,
    /// The bundle says that the registry's list of its signatures could not be read, or not all of it.
    NotListed,
    /// No bundle was made for it.
    NotAskedFor,
    /// No bundle says what it was made for.
    Unknown,
}

/// Something that ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Expiring {
    /// When.
    pub until: UnixTime,
    /// `certificate` of the trust store, `signing certificate` without a timestamp, `CRL`, `OCSP answer`
    pub kind: &'static str,
    /// Which.
    pub what: String,
}

/// Looks bundles over. Without inventories the images are those that the bundles name.
pub fn check(
    carried: &Bundles,
    trust: &Trust,
    wanted: Option<&NodeImages>,
    accept: &BTreeSet<Via>,
    now: UnixTime,
    at: UnixTime,
) -> BundleCheck {
    let listed = || wanted.map_or_else(|| carried.named(), listed);
    let [today, then] = [now, at].map(|at| carried.judge(trust, at, accept, listed(), &[]));
    let mut unreadable: Vec<String> =
        carried.unreadable().iter().map(|one| format!("{}: {}", one.what, one.why)).collect();
    unreadable.extend(wanted.iter().flat_map(|wanted| wanted.unreadable.iter().cloned()));

    let nodes = nodes(wanted);
    let documents: Vec<Option<&BundleManifest>> = carried.documents().map(|(_, document)| document).collect();
    let made_for = MadeFor::new(&documents);
    let listed_layers = Listed::new(carried);
    let trust = trust::check(trust, at);
    let expiring = expiring(&trust, &today, now, at);
    let verdict = ExitCode::from_statuses(then.iter().map(|image| image.status));
    let verdict = if unreadable.is_empty() { verdict } else { verdict.max(ExitCode::Incomplete) };
    let summary = Summary::count(then.iter().map(|image| image.status));
    let checked = |(image, today): (Image, &Image)| {
        let key = (&image.digest, image.media_type.as_str(), image.size);
        let nodes = nodes.get(&key).cloned().unwrap_or_default();
        let target = Descriptor::new(&image.media_type, image.digest.clone(), image.size);
        let had = wanted.iter().flat_map(|wanted| &wanted.images);
        let had = had.filter(|one| one.target == target).map(|one| &one.platforms);
        let platforms = had.into_iter().find(|platforms| !platforms.is_empty());
        let unlisted_layers = listed_layers.as_ref().and_then(|listed| listed.missing(target, platforms));
        CheckedImage { unlisted_layers, ..checked_image(image, today.status, nodes, &made_for) }
    };
    BundleCheck {
        schema: CHECK_SCHEMA,
        now,
        at,
        verdict,
        summary,
        bundles: carried.documents().map(|(path, document)| bundle(path, document)).collect(),
        images: then.into_iter().zip(&today).map(checked).collect(),
        expiring,
        unreadable,
        trust,
    }
}

/// The images of nodes by name; one without a name still is one, by its digest.
fn listed(wanted: &NodeImages) -> Vec<Record> {
    let listed = |name: &str, target: &Descriptor| Record::new(None, name, target.clone());
    let images = wanted.images.iter().flat_map(|image| {
        let nameless =
            image.references.is_empty().then(|| listed(image.target.digest.as_str(), &image.target));
        image.references.iter().map(move |name| listed(name, &image.target)).chain(nameless)
    });
    images.collect()
}

type Key<'a> = (&'a Digest, &'a str, u64);

fn nodes(wanted: Option<&NodeImages>) -> BTreeMap<Key<'_>, Vec<String>> {
    let images = wanted.iter().flat_map(|wanted| &wanted.images);
    images
        .map(|image| {
            let target = &image.target;
            let nodes = image.nodes.iter().cloned().collect();
            ((&target.digest, target.media_type.as_str(), target.size), nodes)
        })
        .collect()
}

fn bundle(path: &std::path::Path, document: Option<&BundleManifest>) -> CheckedBundle {
    let missing = document.map(|document| document.gaps.clone()).unwrap_or_default();
    CheckedBundle {
        path: path.display().to_string(),
        completeness: document.map(|document| document.completeness),
        gaps: missing.iter().map(|gap| format!("{}: {}", gap.what, gap.why)).collect(),
        missing,
        layer_lists: document.map_or(0, |document| document.layer_files.len()),
    }
}

fn checked_image(
    image: Image,
    status_now: Status,
    nodes: Vec<String>,
    made_for: &MadeFor<'_>,
) -> CheckedImage {
    let has_none = image.reason == Some(Reason::NoSignature);
    let (unsigned, not_carried) = if has_none { made_for.unsigned(&image) } else { (None, None) };
    let passed = image.signatures.iter().filter(|signature| signature.status == Status::Passed);
    let signers: BTreeSet<String> = passed.filter_map(|signature| signature.signer.clone()).collect();
    CheckedImage {
        references: image.references,
        digest: image.digest,
        nodes,
        status: image.status,
        status_now,
        reason: image.reason,
        message: image.message,
        hint: image.hint,
        unsigned,
        not_carried,
        signers: signers.into_iter().collect(),
        unlisted_layers: None,
    }
}

/// What the bundles' documents say they were made for, and what is missing of it.
struct MadeFor<'d> {
    /// What was not carried of images, by their names and digests.
    missing: BTreeMap<&'d str, &'d Gap>,
    locked: BTreeSet<&'d Digest>,
    /// Whether each of them says it.
    is_known: bool,
}

impl<'d> MadeFor<'d> {
    fn new(documents: &[Option<&'d BundleManifest>]) -> Self {
        let missing = documents.iter().flatten().flat_map(|document| document.missing()).collect();
        let locked = documents.iter().flatten().flat_map(|document| &document.images);
        Self {
            missing,
            locked: locked.map(|locked| &locked.digest).collect(),
            // what a layout was made for is not known once it is slim, either
            is_known: documents
                .iter()
                .all(|document| document.is_some_and(|document| !document.images.is_empty())),
        }
    }

    /// Why the bundles have no signature of the image, as far as their documents tell.
    fn unsigned(&self, image: &Image) -> (Option<Unsigned>, Option<String>) {
        let mut names = image.references.iter().map(String::as_str).chain([image.digest.as_str()]);
        if let Some(gap) = names.find_map(|name| self.missing.get(name)) {
            let unsigned =
                if gap.kind == GapKind::Listing { Unsigned::NotListed } else { Unsigned::NotCarried };
            return (Some(unsigned), Some(gap.why.clone()));
        }
        let why = match (self.locked.contains(&image.digest), self.is_known) {
            (true, _) => Unsigned::AtTheSource,
            (false, true) => Unsigned::NotAskedFor,
            (false, false) => Unsigned::Unknown,
        };
        (Some(why), None)
    }
}

/// What ends between now and then: certificates of the trust store, CRLs, and the certificates of signatures that pass
/// today and have no timestamp to outlive them.
fn expiring(trust: &TrustCheck, today: &[Image], now: UnixTime, at: UnixTime) -> Vec<Expiring> {
    let anchors =
        trust.certificates.iter().filter(|anchor| !anchor.used_by.is_empty()).map(|anchor| Expiring {
            until: anchor.not_after,
            kind: "certificate",
            what: format!("{} in {}", anchor.subject, anchor.store),
        });
    let crls = trust.crls.iter().filter_map(|crl| {
        let kind = "CRL";
        Some(Expiring { until: crl.next_update?, kind, what: format!("{} of {}", crl.file, crl.issuer) })
    });
    let answers = trust.ocsp_answers.iter().filter_map(|answer| {
        let what = format!("{} about {} of {}", answer.file, answer.serial, answer.responder);
        Some(Expiring { until: answer.next_update?, kind: "OCSP answer", what })
    });
    let passing = today
        .iter()
        .flat_map(|image| &image.signatures)
        .filter(|signature| signature.status == Status::Passed && signature.timestamp.is_none());
    let signers = passing.flat_map(|signature| &signature.chain).map(|certificate| Expiring {
        until: certificate.not_after,
        kind: "signing certificate",
        what: certificate.subject.clone(),
    });
    let ending: BTreeSet<Expiring> = anchors
        .chain(crls)
        .chain(answers)
        .chain(signers)
        .filter(|one| now <= one.until && one.until < at)
        .collect();
    ending.into_iter().collect()
}
