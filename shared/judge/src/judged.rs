//! An image's judgement and the findings on its content, joined into what a report has of it.

use assay_report::{Content, Image as ImageReport, List, Omitted, Reason, Status};
use assay_verifier::oci::Digest;

use crate::image::Image;
use crate::judge::Judgement;

/// What the content of an image is.
#[derive(Debug, Default)]
pub struct Checked {
    pub content: Content,
    /// Platforms of the manifests that are there, sorted.
    pub platforms: Vec<String>,
    /// Bytes of the config and the layers of the manifests that are there, as their descriptors say.
    pub layer_bytes: u64,
    /// Why the content cannot be judged; empty where it can.
    pub unjudged: Vec<String>,
    /// A limit that was met.
    pub limit: Option<String>,
    /// Every manifest that was reached.
    pub manifests: Vec<Digest>,
}

/// An image with its verdict: that of its signatures, unless its content forbids a pass, and all that is wrong with it.
pub fn image(image: Image, judgement: Judgement, checked: Checked) -> ImageReport {
    let judgement = with_content(judgement, &checked);
    let Judgement { status, reason, also, message, hint, via, policy, signatures } = judgement;
    let mut omitted = Omitted::default();
    omitted.add(List::Signatures, signatures.omitted);
    let Image { namespace, target, references, in_use, .. } = image;
    ImageReport {
        namespace,
        references,
        digest: target.digest,
        media_type: target.media_type,
        size: target.size,
        platforms: checked.platforms,
        in_use,
        status,
        reason,
        also: also.into_iter().collect(),
        message,
        hint,
        via: via.filter(|_| status == Status::Passed),
        policy,
        signatures: signatures.kept,
        content: checked.content,
        rootfs: None,
        omitted,
    }
}

/// Content findings can only downgrade a verdict.
fn with_content(mut judgement: Judgement, checked: &Checked) -> Judgement {
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
    use assay_report::{Mismatch, Via};
    use assay_verifier::oci::{Descriptor, Digest};

    use super::*;

    fn joined(status: Status, reason: Option<Reason>, checked: Checked) -> ImageReport {
        let image = Image {
            namespace: String::new(),
            target: Descriptor::new("m", Digest::sha256(b""), 0),
            references: vec![],
            in_use: vec![],
            recorded: true,
        };
        let mut judgement = Judgement::failed(Reason::NoSignature, "");
        (judgement.status, judgement.reason, judgement.via) = (status, reason, Some(Via::ParentIndex));
        super::image(image, judgement, checked)
    }

    fn wrong_byte() -> Checked {
        let mismatch =
            Mismatch { digest: Digest::sha256(b"a"), media_type: "l".into(), found: "another".into() };
        Checked {
            content: Content { mismatched: vec![mismatch], ..Content::default() },
            ..Checked::default()
        }
    }

    #[test]
    fn content_takes_a_pass_away_and_never_gives_one() {
        let unread = || Checked { unjudged: vec!["x".into()], ..Checked::default() };
        let limit = || Checked { limit: Some("x".into()), unjudged: vec!["x".into()], ..Checked::default() };
        use Reason::{ContentMismatch, Expiry, Limit, NoSignature, Unreadable};
        let all = || Checked { content: wrong_byte().content, ..limit() };
        for (status, reason, checked, then, reasons) in [
            (Status::Passed, None, Checked::default(), Status::Passed, &[][..]),
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
            (Status::Skipped, None, Checked::default(), Status::Skipped, &[]),
        ] {
            let report = joined(status, reason, checked);
            let found: Vec<Reason> = report.reason.iter().chain(&report.also).copied().collect();
            assert_eq!((report.status, &found[..]), (then, reasons));
            assert_eq!(report.via.is_some(), then == Status::Passed);
        }
    }
}
