//! Waivers: dated, reasoned exceptions that a site granted. The collector applies them; a node report never has one.
//!
//! A waiver covers an image that failed or is inconclusive if it excuses everything that is wrong with it
//! ([`Image::reasons`]): an exception for an unsigned image does not excuse altered bytes. It never covers a node that was not
//! verified, nor a container whose image the store does not list ([`Reason::InUseUnlisted`]), because what runs there is
//! unknown.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

#[cfg(feature = "schema")]
use crate::document::HEX_SHA256;
use crate::image::Image;
use crate::namespace::Namespace;
use crate::omitted::List;
use crate::verdict::{Reason, Status};
use assay_verifier::oci::{Digest, Reference};
use assay_verifier::time::UnixTime;

/// The waivers that a run was given, and what became of each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SiteWaivers {
    /// Digest of the waivers file.
    #[cfg_attr(feature = "schema", schemars(extend("pattern" = HEX_SHA256)))]
    pub sha256: String,
    /// The time that expiry was judged at.
    pub judged_at: UnixTime,
    /// Every waiver, in the file's order.
    pub waivers: Vec<Waiver>,
}

/// One waiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Waiver {
    /// What it covers, as the file has it: a digest, a repository, or a reference by tag, digest or both.
    pub image: String,
    /// The one node that it holds on; null if it holds on all.
    pub node: Option<String>,
    /// The reasons that it excuses, all that an image has among them; empty if it excuses any.
    pub codes: Vec<Reason>,
    /// Why it was granted.
    pub reason: String,
    /// Who granted it.
    pub approver: String,
    /// The last moment that it holds.
    pub expires: UnixTime,
    /// What became of it.
    pub state: WaiverState,
    /// Images that it covers, counted on each node; an expired one covers none and says how many it would have.
    pub images: u64,
}

/// What became of a waiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum WaiverState {
    /// It covers at least one image.
    Applied,
    /// It covers nothing that failed.
    Unused,
    /// It has expired, and covers nothing.
    Expired,
}

/// An image of a node that a waiver covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WaivedImage {
    /// The image's namespace.
    #[serde(with = "crate::namespace")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub namespace: Option<Namespace>,
    /// The image's digest.
    pub digest: Digest,
    /// Why the waiver was granted.
    pub reason: String,
    /// Who granted it.
    pub approver: String,
    /// The last moment that it holds.
    pub expires: UnixTime,
}

impl SiteWaivers {
    /// Waivers of which nothing has become yet.
    pub fn new(sha256: String, judged_at: UnixTime, mut waivers: Vec<Waiver>) -> Self {
        for waiver in &mut waivers {
            waiver.images = 0;
            waiver.state =
                if waiver.expires < judged_at { WaiverState::Expired } else { WaiverState::Unused };
        }
        Self { sha256, judged_at, waivers }
    }

    /// The images of a node that the waivers cover, sorted, and counted here. Of several that cover an image the first counts.
    /// Rows of one digest in one namespace are covered together or not at all: what runs is the same bytes.
    pub(crate) fn cover(&mut self, node: &str, images: &[Image]) -> Vec<WaivedImage> {
        let mut covered_images = Vec::new();
        let mut by_digest = BTreeMap::<(&Option<Namespace>, &Digest), Vec<&Image>>::new();
        for image in images.iter().filter(|image| is_wrong(image)) {
            by_digest.entry((&image.namespace, &image.digest)).or_default().push(image);
        }
        for ((namespace, digest), images) in by_digest {
            let covers_all = |waiver: &&mut Waiver| images.iter().all(|image| waiver.covers(node, image));
            let mut covered = false;
            for waiver in self.waivers.iter_mut().filter(covers_all) {
                if waiver.state != WaiverState::Expired {
                    if covered {
                        continue;
                    }
                    covered = true;
                    waiver.state = WaiverState::Applied;
                    covered_images.extend(images.iter().map(|_| WaivedImage {
                        namespace: namespace.clone(),
                        digest: digest.clone(),
                        reason: waiver.reason.clone(),
                        approver: waiver.approver.clone(),
                        expires: waiver.expires,
                    }));
                }
                let images = u64::try_from(images.len()).unwrap_or(u64::MAX);
                waiver.images = waiver.images.saturating_add(images);
            }
        }
        covered_images
    }
}

impl Waiver {
    /// Whether it is about this image on this node and excuses all that is wrong with it. Says nothing of expiry.
    fn covers(&self, node: &str, image: &Image) -> bool {
        let excused = match image.status {
            Status::Passed | Status::Skipped => false,
            Status::Failed | Status::Inconclusive => {
                let reasons = image.reasons();
                let names_all =
                    !reasons.is_empty() && reasons.iter().all(|reason| self.codes.contains(reason));
                !reasons.contains(&Reason::InUseUnlisted) && (self.codes.is_empty() || names_all)
            }
        };
        excused && self.node.as_ref().is_none_or(|own| own == node) && names(&self.image, image)
    }
}

impl WaivedImage {
    fn key(&self) -> (Option<&Namespace>, &Digest) {
        (self.namespace.as_ref(), &self.digest)
    }
}

/// Which of `waived`, sorted, covers an image.
pub(crate) fn covering<'w>(waived: &'w [WaivedImage], image: &Image) -> Option<&'w WaivedImage> {
    if !is_wrong(image) {
        return None;
    }
    let key = (image.namespace.as_ref(), &image.digest);
    let found = waived.binary_search_by(|waived| waived.key().cmp(&key)).ok()?;
    waived.get(found)
}

/// Whether there is anything that a waiver could excuse.
fn is_wrong(image: &Image) -> bool {
    matches!(image.status, Status::Failed | Status::Inconclusive)
}

/// Whether `text` names `image`.
///
/// A digest names the image itself. A name does if one of the image's names agrees with it and none belongs to another
/// repository: otherwise anyone who can add a name on a node could bring any image under a waiver. So all names must be known.
fn names(text: &str, image: &Image) -> bool {
    if let Ok(digest) = text.parse::<Digest>() {
        return digest == image.digest;
    }
    if image.omitted.count(List::References) > 0 {
        return false;
    }
    let (repository, tag, digest) = match text.parse::<Reference>() {
        Ok(reference) => (reference.repository, reference.tag, reference.digest),
        // a name that is in no registry stands for itself alone
        Err(_) => return own_names(image).eq([text]),
    };
    if digest.is_some_and(|digest| digest != image.digest) {
        return false;
    }
    let mut tags = BTreeSet::new();
    let mut named = false;
    for name in own_names(image) {
        match name.parse::<Reference>() {
            Ok(own) if own.repository == repository => {
                named = true;
                tags.extend(own.tag);
            }
            _ => return false,
        }
    }
    named && tag.is_none_or(|tag| tags.contains(&tag))
}

/// The image's names, without the bare digests that are not names.
fn own_names(image: &Image) -> impl Iterator<Item = &str> {
    image.references.iter().map(String::as_str).filter(|name| name.parse::<Digest>().is_err())
}

#[cfg(test)]
mod tests {
    use alloc::{format, vec};

    use super::*;
    use crate::exit_code::ExitCode;
    use crate::image::{Content, Mismatch, Rootfs};
    use crate::site::{CleanUp, CleanUpResult, NodeRow, Outcome};

    fn time(day: &str) -> UnixTime {
        UnixTime::parse(&format!("{day}T00:00:00Z")).unwrap()
    }

    fn image(references: &[&str], status: Status, reason: Option<Reason>) -> Image {
        Image {
            namespace: Namespace::new("k8s.io"),
            references: references.iter().copied().map(Into::into).collect(),
            size: 1,
            status,
            reason,
            ..Image::unjudged(Digest::sha256(references.concat().as_bytes()))
        }
    }

    fn waiver(image: &str) -> Waiver {
        Waiver {
            image: image.into(),
            node: None,
            codes: Vec::new(),
            reason: "agreed".into(),
            approver: "an approver".into(),
            expires: time("2026-12-31"),
            state: WaiverState::Unused,
            images: 0,
        }
    }

    fn row(images: &[Image]) -> NodeRow {
        let report = serde_json::json!({
            "schema": "assay/node-report/v1",
            "run": { "id": "", "started": "2026-01-01T00:00:00Z", "finished": "2026-01-01T00:00:00Z",
                     "verified_at": "2026-01-01T00:00:00Z" },
            "agent": { "version": "", "target": "", "sha256": null },
            "node": { "hostname": null, "machine_id": null, "os": "linux", "architecture": "amd64",
                      "containerd": null },
            "inputs": { "store": "", "trust_policy": { "sha256": "" }, "trust_store": [], "bundles": [], "crls": [] },
            "coverage": { "namespaces": [], "images": 1, "containers": 0, "unlisted": [], "unreadable": [] },
            "images": images, "summary": { "passed": 0, "failed": 0, "skipped": 0, "inconclusive": 0 },
        });
        NodeRow {
            name: "node-1".into(),
            address: None,
            os: None,
            roles: Vec::new(),
            outcome: Outcome::Verified,
            message: None,
            hint: None,
            attempts: 1,
            started: None,
            finished: None,
            host_key: None,
            clock_skew: None,
            asked: None,
            store: None,
            same_machine: None,
            clean_up: CleanUp { result: CleanUpResult::Removed, folder: None, message: None },
            touched: None,
            pod: None,
            report: serde_json::from_value(report).unwrap(),
            waived: Vec::new(),
        }
    }

    fn apply(waivers: Vec<Waiver>, row: &mut NodeRow) -> SiteWaivers {
        let mut waivers = SiteWaivers::new(String::new(), time("2026-06-01"), waivers);
        waivers.apply(row);
        waivers
    }

    #[test]
    fn a_waiver_names_images_by_name_or_digest() {
        let one = [
            "r.test/app:v1",
            "r.test/app@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ];
        let digest = image(&one, Status::Failed, None).digest;
        let (exact, other) = (format!("r.test/app@{digest}"), format!("r.test/app@{}", Digest::sha256(b"")));
        for (text, references, covered) in [
            ("r.test/app", &one[..], true),
            ("r.test/app:v1", &one, true),
            (digest.as_str(), &one, true),
            (exact.as_str(), &one, true),
            (other.as_str(), &one, false),
            ("r.test/app:v2", &one, false),
            ("r.test/ap", &one, false),
            ("r.test/app", &["r.test/app:v1", "r.test/evil:v1"], false),
            ("r.test/app:v1", &["r.test/app:v1", "evil"], false),
            ("r.test/app:v1", &["r.test/app:v1", "r.test/app:v2"], true),
            ("app", &["app"], true),
            ("app", &["app", "r.test/app:v1"], false),
            ("r.test/app", &[], false),
        ] {
            let mut row = row(&[image(references, Status::Failed, Some(Reason::NoSignature))]);
            let waivers = apply(vec![waiver(text)], &mut row);
            assert_eq!(row.waived.len(), usize::from(covered), "{text} {references:?}");
            let state = if covered { WaiverState::Applied } else { WaiverState::Unused };
            assert_eq!(waivers.waivers[0].state, state);
            assert_eq!(row.verdict(), if covered { ExitCode::Passed } else { ExitCode::Failed });
        }
    }

    /// One digest under two media types: a waiver for what is wrong with one row does not cover the other's.
    #[test]
    fn rows_of_one_digest_are_covered_together() {
        let unsigned = image(&["r.test/app:v1"], Status::Failed, Some(Reason::NoSignature));
        let altered =
            Image { media_type: "other".into(), reason: Some(Reason::ContentMismatch), ..unsigned.clone() };
        let passed =
            Image { media_type: "third".into(), status: Status::Passed, reason: None, ..unsigned.clone() };
        let digest = String::from(unsigned.digest.as_str());
        for (codes, covered) in [
            (vec![Reason::NoSignature], 0),
            (vec![Reason::ContentMismatch], 0),
            (vec![Reason::NoSignature, Reason::ContentMismatch], 2),
        ] {
            let mut row = row(&[unsigned.clone(), altered.clone(), passed.clone()]);
            let granted = Waiver { codes, ..waiver(&digest) };
            let mut waivers = SiteWaivers::new(String::new(), time("2026-01-01"), vec![granted]);
            waivers.apply(&mut row);
            assert_eq!((row.waived.len(), waivers.waivers[0].images), (covered, covered as u64));
            assert_eq!(row.verdict() == ExitCode::Passed, covered > 0);
        }
    }

    /// A name that is left out may be of another repository.
    #[test]
    fn a_name_covers_no_image_whose_names_are_not_all_known() {
        let mut cut = image(&["r.test/app:v1"], Status::Failed, Some(Reason::NoSignature));
        cut.omitted.add(List::References, 1);
        for (name, covered) in [("r.test/app", 0), (cut.digest.as_str(), 1)] {
            let mut row = row(&[cut.clone()]);
            let mut waivers = SiteWaivers::new(String::new(), time("2026-01-01"), vec![waiver(name)]);
            waivers.apply(&mut row);
            assert_eq!(row.waived.len(), covered, "{name}");
        }
    }

    #[test]
    fn what_a_waiver_does_not_cover() {
        let failed = |reason| image(&["r.test/app:v1"], Status::Failed, Some(reason));
        let unsigned = || Waiver { codes: vec![Reason::NoSignature], ..waiver("r.test/app") };
        let mismatch =
            Mismatch { digest: Digest::sha256(b""), media_type: String::new(), found: String::new() };
        let altered = Content { mismatched: vec![mismatch], ..Content::default() };
        let differing = Rootfs { snapshots: 1, differing: vec!["/bin/sh".into()], ..Rootfs::default() };
        let cases = [
            (waiver("r.test/app"), failed(Reason::InUseUnlisted)),
            (waiver("r.test/app"), image(&["r.test/app:v1"], Status::Passed, None)),
            (Waiver { node: Some("node-2".into()), ..waiver("r.test/app") }, failed(Reason::Expiry)),
            (
                Waiver { codes: vec![Reason::NoSignature], ..waiver("r.test/app") },
                failed(Reason::ContentMismatch),
            ),
            (unsigned(), Image { also: vec![Reason::Unreadable], ..failed(Reason::NoSignature) }),
            (unsigned(), Image { content: altered, ..failed(Reason::NoSignature) }),
            (unsigned(), Image { rootfs: Some(differing), ..failed(Reason::NoSignature) }),
            (
                waiver("r.test/app"),
                Image { also: vec![Reason::InUseUnlisted], ..failed(Reason::NoSignature) },
            ),
        ];
        for (waiver, image) in cases {
            let mut row = row(&[image]);
            let (before, waivers) = (row.verdict(), apply(vec![waiver], &mut row));
            assert_eq!((waivers.waivers[0].state, waivers.waivers[0].images), (WaiverState::Unused, 0));
            assert_eq!(row.verdict(), before);
        }
        let mut unreachable = row(&[failed(Reason::Expiry)]);
        unreachable.outcome = Outcome::BadReport;
        apply(vec![waiver("r.test/app")], &mut unreachable);
        assert_eq!(unreachable.verdict(), ExitCode::Incomplete);
    }

    #[test]
    fn an_expired_waiver_says_what_it_would_cover() {
        let mut row = row(&[image(&["r.test/app:v1"], Status::Inconclusive, Some(Reason::Unreadable))]);
        let expired = Waiver { expires: time("2026-05-31"), ..waiver("r.test/app") };
        let waivers = apply(vec![expired.clone()], &mut row);
        assert_eq!((waivers.waivers[0].state, waivers.waivers[0].images), (WaiverState::Expired, 1));
        assert_eq!(row.verdict(), ExitCode::Incomplete);
        let waivers = apply(vec![expired, waiver("r.test/app:v1"), waiver("r.test/app")], &mut row);
        let states: Vec<_> = waivers.waivers.iter().map(|waiver| (waiver.state, waiver.images)).collect();
        assert_eq!(states, [(WaiverState::Expired, 1), (WaiverState::Applied, 1), (WaiverState::Unused, 0)]);
        assert_eq!(row.verdict(), ExitCode::Passed);
        let image = &row.report.as_ref().unwrap().images[0];
        assert_eq!(row.waiver(image).unwrap().expires, time("2026-12-31"));
    }
}
