//! Joins the judgement of an image with the findings on its content, and makes the image's row of a report of both.

use std::collections::BTreeSet;

use assay_report::{
    Content, Drift, DriftMode, Image as ImageReport, List, Omitted, Reason, Rootfs, Signature, Status, Via,
};
use assay_verifier::codes::Code;
use assay_verifier::limits;
use assay_verifier::oci::Digest;

use crate::footing::Footing;
use crate::image::Image;
use crate::sources::Origin;

/// The judgement of an image's signatures.
#[derive(Clone, Debug)]
pub struct Judgement {
    pub status: Status,
    pub reason: Option<Reason>,
    /// What else is wrong. The reason itself is not in it.
    pub also: BTreeSet<Reason>,
    pub message: Option<String>,
    pub hint: Option<String>,
    pub(crate) via: Option<Via>,
    /// Names of the statements that were applied.
    pub(crate) policy: Option<String>,
    pub signatures: SignatureRows,
}

/// Rows of signatures, in the order tried. Their number is bounded. The verdict rests on signatures that pass, so they replace
/// others if there is not a row for each.
#[derive(Clone, Debug, Default)]
pub struct SignatureRows {
    pub kept: Vec<SignatureRow>,
    /// How many signatures have no row.
    pub(crate) omitted: usize,
}

/// A signature as a report has it.
#[derive(Clone, Debug)]
pub struct SignatureRow {
    pub origin: Origin,
    pub signature: Signature,
}

impl SignatureRows {
    pub(crate) fn has_room(&self) -> bool {
        self.kept.len() < limits::REPORT_SIGNATURES
    }

    pub(crate) fn push(&mut self, row: SignatureRow) {
        if !self.has_room() {
            self.omitted += 1;
            let last = self.kept.iter().rposition(|one| one.signature.status != Status::Passed);
            match last.filter(|_| row.signature.status == Status::Passed) {
                Some(last) => self.kept.remove(last),
                None => return,
            };
        }
        self.kept.push(row);
    }

    pub(crate) fn append(&mut self, other: Self) {
        other.kept.into_iter().for_each(|row| self.push(row));
        self.omitted += other.omitted;
    }
}

impl Judgement {
    fn new(status: Status, reason: Option<Reason>, message: Option<String>) -> Self {
        let also = BTreeSet::new();
        Self {
            status,
            reason,
            also,
            message,
            hint: None,
            via: None,
            policy: None,
            signatures: SignatureRows::default(),
        }
    }

    pub(crate) fn passed() -> Self {
        Self::new(Status::Passed, None, None)
    }

    pub(crate) fn skipped(message: impl Into<String>) -> Self {
        Self::new(Status::Skipped, None, Some(message.into()))
    }

    pub(crate) fn failed(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(Status::Failed, Some(reason), Some(message.into()))
    }

    pub(crate) fn inconclusive(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(Status::Inconclusive, Some(reason), Some(message.into()))
    }

    /// Adds what else was found. The worse of the two gives status, reason and message; if both are equally bad, this one does.
    /// The reasons of the other are kept.
    pub(crate) fn and(mut self, mut other: Self) -> Self {
        if other.status > self.status {
            std::mem::swap(&mut self.status, &mut other.status);
            std::mem::swap(&mut self.reason, &mut other.reason);
            std::mem::swap(&mut self.message, &mut other.message);
            std::mem::swap(&mut self.hint, &mut other.hint);
        }
        if let Some(reason) = other.reason.filter(|reason| Some(*reason) != self.reason)
            && self.also.insert(reason)
        {
            let words = [self.message.take(), other.message].into_iter().flatten().collect::<Vec<_>>();
            self.message = Some(words.join(&format!("; also {}: ", reason.as_str())));
        }
        self.also.append(&mut other.also);
        if let Some(reason) = &self.reason {
            self.also.remove(reason);
        }
        self
    }

    /// The same judgement, with a message that says what it is about.
    pub(crate) fn about(mut self, what: String) -> Self {
        self.message = Some(match self.message {
            Some(message) => format!("{what}: {message}"),
            None => what,
        });
        self
    }

    /// Adds what else was found and puts it first, whichever of the two is worse: its message becomes the judgement's, followed
    /// by this one's.
    pub(crate) fn led_by(mut self, mut other: Self) -> Self {
        other.policy = self.policy.take();
        other.signatures = std::mem::take(&mut self.signatures);
        other.and(self)
    }

    /// The judgement of an image without a signature, if what was accepted in place of one does not pass either. The image
    /// still lacks a signature, whatever is wrong with the substitute. If the substitute could not be judged, neither can the
    /// image.
    pub(crate) fn with_substitute(self, other: Self) -> Self {
        let message = [self.message, other.message].into_iter().flatten().collect::<Vec<_>>().join("; ");
        let (status, reason, also) = match other.status {
            Status::Inconclusive => {
                let mut also: BTreeSet<Reason> =
                    self.reason.into_iter().chain(self.also).chain(other.also).collect();
                if let Some(reason) = &other.reason {
                    also.remove(reason);
                }
                (other.status, other.reason, also)
            }
            _ => (self.status, self.reason, self.also),
        };
        Self { status, reason, also, message: Some(message), hint: other.hint.or(self.hint), ..self }
    }
}

/// An image with the judgement of its signatures.
#[derive(Debug)]
pub struct Judged {
    pub(crate) image: Image,
    pub(crate) judgement: Judgement,
}

/// An image with its verdict: its content has its part in the judgement.
#[derive(Debug)]
pub struct Examined {
    pub image: Image,
    pub judgement: Judgement,
    /// Whether the image changed while the store was read, so that the verdict was taken back.
    pub changed: bool,
    /// What its signatures alone come to.
    pub(crate) by_signatures: BySignatures,
    pub(crate) content: CheckedContent,
    /// What comparing its snapshots showed; none if that was not asked for.
    pub(crate) rootfs: Option<Rootfs>,
    /// How many differences of its snapshots are not named.
    pub(crate) unnamed_files: usize,
    /// What its containers stand on; none of a container that was not looked at.
    pub footings: Vec<Footing>,
}

/// The verdict on an image's signatures, without what its content and its snapshots add.
#[derive(Debug)]
pub(crate) struct BySignatures {
    pub(crate) status: Status,
    pub(crate) reasons: BTreeSet<Reason>,
    pub(crate) message: Option<String>,
}

impl From<&Judgement> for BySignatures {
    fn from(judgement: &Judgement) -> Self {
        Self {
            status: judgement.status,
            reasons: judgement.reason.into_iter().chain(judgement.also.iter().copied()).collect(),
            message: judgement.message.clone(),
        }
    }
}

/// What the content of an image is.
#[derive(Debug, Default)]
pub struct CheckedContent {
    pub content: Content,
    /// Platforms of the manifests that are there, sorted.
    pub platforms: Vec<String>,
    /// Bytes of the config and the layers of the manifests that are there, as their descriptors say.
    pub layer_bytes: u64,
    /// Why the content cannot be judged; empty if it can.
    pub unjudged: Vec<String>,
    /// The limit that the content exceeds.
    pub limit: Option<String>,
    /// Every manifest that was reached.
    pub manifests: Vec<Digest>,
}

impl AsRef<Image> for Judged {
    fn as_ref(&self) -> &Image {
        &self.image
    }
}

impl Judged {
    /// Whether the verdict depends on the image's content.
    pub fn depends_on_content(&self) -> bool {
        self.image.target.recorded().is_some() && self.judgement.status != Status::Skipped
    }

    /// The verdict: that of the signatures, unless the content forbids a pass, with everything that is wrong.
    pub fn with_content(self, content: CheckedContent) -> Examined {
        let Self { image, judgement } = self;
        Examined {
            image,
            changed: false,
            by_signatures: BySignatures::from(&judgement),
            judgement: with_content(judgement, &content),
            content,
            rootfs: None,
            unnamed_files: 0,
            footings: Vec::new(),
        }
    }
}

impl Examined {
    /// What made the image pass in place of a signature of its own.
    pub fn via(&self) -> Option<Via> {
        self.judgement.via.filter(|_| self.judgement.status == Status::Passed)
    }

    /// The verdict, unless the image's snapshots forbid a pass. `more`: how many differences are not named. `is_needed`: what was
    /// not compared keeps the image from passing. `is_limit`: a bound was met.
    pub fn with_rootfs(mut self, rootfs: Rootfs, more: usize, is_needed: bool, is_limit: bool) -> Self {
        let mut judgement = self.judgement;
        if let Some(first) = rootfs.differing.first() {
            let more = match rootfs.differing.len() - 1 + more {
                0 => String::new(),
                more => format!("; and {more} more"),
            };
            let message = format!("the unpacked files are not those of the signed layers: {first}{more}");
            let mut altered = Judgement::failed(Reason::RootfsMismatch, message);
            altered.hint = Some(
                "take the node out of service, keep its snapshots as evidence, and find out what wrote to them".into(),
            );
            judgement = judgement.and(altered);
        }
        if let Some(why) = rootfs.why.as_ref().filter(|_| is_needed) {
            let passes = if judgement.status == Status::Passed { "the signature passes, and " } else { "" };
            let reason = if is_limit { Reason::Limit } else { Reason::Unreadable };
            let message = format!("{passes}the unpacked files cannot be judged: {why}");
            judgement = judgement.and(Judgement::inconclusive(reason, message));
        }
        self.judgement = judgement;
        self.rootfs = Some(rootfs);
        self.unnamed_files = more;
        self
    }

    /// The verdict, unless the writable layers of the image's containers forbid a pass. `drift` gives what is known of the container of
    /// an id, and whether a bound was met.
    pub fn with_drift(mut self, mode: DriftMode, drift: impl Fn(&str) -> Option<(Drift, bool)>) -> Self {
        let (mut files, mut first) = (0_u64, None);
        let (mut unjudged, mut is_limit) = (None, false);
        for container in &mut self.image.in_use {
            let unknown =
                || (Drift::not_run(Code::WritableLayerUnread.as_str(), "it is not known".to_owned()), false);
            let (drift, met) = drift(&container.id).unwrap_or_else(unknown);
            if let Some(finding) = drift.findings.first() {
                first.get_or_insert_with(|| format!("{} of {}", finding.sentence(), container.name()));
            }
            files = files.saturating_add(drift.count());
            if let Some(why) = &drift.why {
                unjudged.get_or_insert_with(|| format!("{}: {why}", container.name()));
                is_limit |= met;
            }
            container.drift = Some(drift);
        }
        if mode != DriftMode::Fail || self.judgement.status == Status::Skipped {
            return self;
        }
        if let Some(first) = first {
            let more = match files.saturating_sub(1) {
                0 => String::new(),
                more => format!("; and {more} more"),
            };
            let message = format!("a container differs from its image: {first}{more}");
            let mut altered = Judgement::failed(Reason::RootfsMismatch, message);
            altered.hint = Some(
                "replace the container, and find out what wrote to it; mount a volume where it has to write"
                    .into(),
            );
            self.judgement = self.judgement.and(altered);
        }
        if let Some(why) = unjudged {
            let passes =
                if self.judgement.status == Status::Passed { "the signature passes, and " } else { "" };
            let reason = if is_limit { Reason::Limit } else { Reason::Unreadable };
            let message = format!("{passes}the writable layer of a container cannot be judged: {why}");
            self.judgement = self.judgement.and(Judgement::inconclusive(reason, message));
        }
        self
    }

    /// The image's row of a report.
    pub fn into_report(self) -> ImageReport {
        let via = self.via();
        let Self { image, judgement, content, rootfs, unnamed_files, .. } = self;
        let Judgement { status, reason, also, message, hint, policy, signatures, .. } = judgement;
        let mut omitted = Omitted::default();
        omitted.add(List::Signatures, signatures.omitted);
        omitted.add(List::Differing, unnamed_files);
        let Image { namespace, target, references, in_use, .. } = image;
        let (digest, media_type, size) = target.into_report();
        ImageReport {
            namespace,
            references,
            digest,
            media_type,
            size,
            platforms: content.platforms,
            in_use,
            status,
            reason,
            also: also.into_iter().collect(),
            message,
            hint,
            via,
            policy,
            signatures: signatures.kept.into_iter().map(|row| row.signature).collect(),
            content: content.content,
            rootfs,
            omitted,
        }
    }
}

/// Content findings can only downgrade a verdict.
fn with_content(mut judgement: Judgement, checked: &CheckedContent) -> Judgement {
    if judgement.status == Status::Skipped {
        return judgement;
    }
    if let Some(mismatch) = checked.content.mismatched.first() {
        let message = format!("the blob {} is {} in the store", mismatch.digest, mismatch.found);
        let mut altered = Judgement::failed(Reason::ContentMismatch, message);
        altered.hint = Some("remove the image and pull it again; find out what changed it".into());
        judgement = judgement.and(altered);
    }
    let limit = checked.limit.as_ref().map(|why| (Reason::Limit, why));
    let unjudged = checked.unjudged.first().map(|why| (Reason::Unreadable, why));
    for (reason, why) in limit.into_iter().chain(unjudged) {
        let passes = if judgement.status == Status::Passed { "the signature passes, and " } else { "" };
        let message = format!("{passes}the content cannot be judged: {why}");
        judgement = judgement.and(Judgement::inconclusive(reason, message));
    }
    judgement
}

#[cfg(test)]
mod tests {
    use assay_report::{ContainerUse, DriftFinding, DriftKind, DriftResult, FileClass, Mismatch};
    use assay_verifier::oci::{Descriptor, Digest};

    use super::*;
    use crate::image::ImageTarget;

    fn joined(status: Status, reason: Option<Reason>, checked: CheckedContent) -> ImageReport {
        let image = Image {
            namespace: None,
            target: ImageTarget::Recorded(Descriptor::new("m", Digest::sha256(b""), 0)),
            references: vec![],
            in_use: vec![],
        };
        let mut judgement = Judgement::failed(Reason::NoSignature, "");
        (judgement.status, judgement.reason, judgement.via) = (status, reason, Some(Via::ParentIndex));
        Judged { image, judgement }.with_content(checked).into_report()
    }

    fn wrong_byte() -> CheckedContent {
        let mismatch =
            Mismatch { digest: Digest::sha256(b"a"), media_type: "l".into(), found: "another".into() };
        CheckedContent {
            content: Content { mismatched: vec![mismatch], ..Content::default() },
            ..CheckedContent::default()
        }
    }

    #[test]
    fn content_findings_only_downgrade_a_verdict() {
        let unread = || CheckedContent { unjudged: vec!["x".into()], ..CheckedContent::default() };
        let limit = || CheckedContent {
            limit: Some("x".into()),
            unjudged: vec!["x".into()],
            ..CheckedContent::default()
        };
        use Reason::{ContentMismatch, Expiry, Limit, NoSignature, Unreadable};
        let all = || CheckedContent { content: wrong_byte().content, ..limit() };
        for (status, reason, checked, then, reasons) in [
            (Status::Passed, None, CheckedContent::default(), Status::Passed, &[][..]),
            (Status::Passed, None, wrong_byte(), Status::Failed, &[ContentMismatch]),
            (Status::Passed, None, unread(), Status::Inconclusive, &[Unreadable]),
            (Status::Passed, None, limit(), Status::Inconclusive, &[Limit, Unreadable]),
            (Status::Passed, None, all(), Status::Failed, &[ContentMismatch, Unreadable, Limit]),
            (Status::Failed, Some(Expiry), wrong_byte(), Status::Failed, &[Expiry, ContentMismatch]),
            (Status::Failed, Some(NoSignature), unread(), Status::Failed, &[NoSignature, Unreadable]),
            (Status::Inconclusive, Some(Unreadable), unread(), Status::Inconclusive, &[Unreadable]),
            (
                Status::Inconclusive,
                Some(Unreadable),
                wrong_byte(),
                Status::Failed,
                &[ContentMismatch, Unreadable],
            ),
            (Status::Skipped, None, CheckedContent::default(), Status::Skipped, &[]),
        ] {
            let report = joined(status, reason, checked);
            let found: Vec<Reason> = report.reason.iter().chain(&report.also).copied().collect();
            assert_eq!((report.status, &found[..]), (then, reasons));
            assert_eq!(report.via.is_some(), then == Status::Passed);
        }
    }

    #[test]
    fn drift_only_downgrades_a_verdict_and_only_if_it_is_to_fail() {
        use DriftMode::{Fail, Report};
        use DriftResult::{Clean, Drifted, Inconclusive, NotRun};
        use Reason::{Expiry, Limit, RootfsMismatch, Unreadable};
        let drift = |result, why: &str| {
            let findings = (result == Drifted).then(|| DriftFinding {
                class: FileClass::Program,
                path: "tool".into(),
                kind: DriftKind::Added,
                before: None,
                after: None,
                size: None,
                sha256: None,
            });
            let findings: Vec<_> = findings.into_iter().collect();
            let why = Some(why.to_owned()).filter(|why| !why.is_empty());
            Drift { result, why, added: findings.len() as u64, findings, ..Drift::not_run("", String::new()) }
        };
        for (status, reason, mode, result, why, then, reasons) in [
            (Status::Passed, None, Fail, Clean, "", Status::Passed, &[][..]),
            (Status::Passed, None, Fail, Drifted, "", Status::Failed, &[RootfsMismatch]),
            (Status::Passed, None, Fail, Drifted, "x", Status::Failed, &[RootfsMismatch, Unreadable]),
            (Status::Passed, None, Fail, Inconclusive, "x", Status::Inconclusive, &[Unreadable]),
            (Status::Passed, None, Fail, Inconclusive, "limit", Status::Inconclusive, &[Limit]),
            (Status::Passed, None, Fail, NotRun, "x", Status::Inconclusive, &[Unreadable]),
            (Status::Failed, Some(Expiry), Fail, Drifted, "", Status::Failed, &[Expiry, RootfsMismatch]),
            (Status::Failed, Some(Expiry), Fail, Clean, "", Status::Failed, &[Expiry]),
            (Status::Skipped, None, Fail, Drifted, "", Status::Skipped, &[]),
            (Status::Passed, None, Report, Drifted, "x", Status::Passed, &[]),
            (Status::Passed, None, Report, NotRun, "x", Status::Passed, &[]),
        ] {
            let image = Image {
                namespace: None,
                target: ImageTarget::Recorded(Descriptor::new("m", Digest::sha256(b""), 0)),
                references: vec![],
                in_use: vec![ContainerUse { id: "id".into(), ..ContainerUse::default() }],
            };
            let mut judgement = Judgement::failed(Reason::NoSignature, "");
            (judgement.status, judgement.reason) = (status, reason);
            let examined = Judged { image, judgement }.with_content(CheckedContent::default());
            let report =
                examined.with_drift(mode, |_| Some((drift(result, why), why == "limit"))).into_report();
            let found: Vec<Reason> = report.reason.iter().chain(&report.also).copied().collect();
            assert_eq!((report.status, &found[..]), (then, reasons), "{mode:?} {result:?}");
            assert_eq!(report.in_use[0].drift, Some(drift(result, why)));
        }
    }
}
