//! Results into a report: verdict and content of each image joined, everything sorted, written in one piece.

use std::io::{self, Write as _};
use std::path::PathBuf;

use assay_report::{
    BundleInput, Content, Coverage, Image as ImageReport, Inputs, List, NODE_REPORT_SCHEMA, Node, NodeReport,
    Omitted, Reason, Run, Status, Summary, TrustPolicyInput, Unreadable,
};
use assay_verifier::revocation::Evidence;

use crate::config::{Output, VerifyPlan};
use crate::confinement::said;
use crate::content::Checked;
use crate::inventory::Image;
use crate::replacement::Replacement;
use crate::trust::Trust;
use crate::verify::Judgement;

/// An image with its verdict: that of its signatures, unless its content forbids a pass, and all that is wrong with it.
pub(crate) fn image(image: Image, judgement: Judgement, checked: Checked) -> ImageReport {
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

/// The report of a run.
pub(crate) fn node_report(
    plan: &VerifyPlan,
    trust: &Trust,
    bundles: Vec<BundleInput>,
    coverage: Coverage,
    containerd: Option<String>,
    mut warnings: Vec<String>,
    mut images: Vec<ImageReport>,
) -> NodeReport {
    images.sort_by(|one, other| one.id().cmp(&other.id()));
    warnings.extend(trust.warnings.iter().map(ToString::to_string));
    warnings.sort();
    NodeReport {
        schema: NODE_REPORT_SCHEMA.into(),
        run: Run {
            id: plan.run_id.clone(),
            started: plan.clock.verified_at,
            finished: plan.clock.finished(),
            verified_at: plan.clock.verified_at,
        },
        agent: plan.agent.clone(),
        node: Node { containerd, ..plan.node.clone() },
        asked: Some(plan.asked.clone()),
        inputs: Inputs {
            store: plan.store.place.to_string(),
            trust_policy: TrustPolicyInput { sha256: trust.policy_sha256.clone() },
            trust_store: trust.store.report(),
            bundles,
            crls: trust.evidence.crls(),
            unusable_evidence: unusable_evidence(&trust.evidence),
            warnings,
            omitted: Omitted::default(),
        },
        coverage,
        summary: Summary::of(images.iter().map(|image| image.status)),
        images,
        carried: Vec::new(),
        omitted: Omitted::default(),
    }
}

fn unusable_evidence(evidence: &Evidence) -> Vec<Unreadable> {
    let unusable = evidence.unusable().iter();
    unusable.map(|one| Unreadable { what: one.file.clone(), why: one.error.to_string() }).collect()
}

/// The content of an image of which nothing was read.
pub(crate) fn unread(plan: &VerifyPlan) -> Checked {
    Checked { content: Content { mode: plan.asked.content, ..Content::default() }, ..Checked::default() }
}

/// Where output goes.
pub(crate) enum Sink {
    Stdout,
    File { file: Replacement, path: PathBuf },
}

impl Sink {
    /// Makes ready to write, so that an output that cannot be is found before the work is done.
    ///
    /// # Errors
    /// [`OutputError`] where no file can be made there.
    pub(crate) fn open(output: &Output) -> Result<Self, OutputError> {
        let Output::File(path) = output else { return Ok(Self::Stdout) };
        let file = Replacement::of(path).map_err(|error| OutputError { path: path.clone(), error })?;
        Ok(Self::File { file, path: path.clone() })
    }

    /// Writes everything.
    ///
    /// # Errors
    /// [`OutputError`] where it could not be written whole; then a file under the output's name is as it was.
    pub(crate) fn write(self, bytes: &[u8]) -> Result<(), OutputError> {
        let (outcome, path) = match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                (stdout.write_all(bytes).and_then(|()| stdout.flush()), "standard output".into())
            }
            Self::File { mut file, path } => {
                let written = file.write_all(bytes).and_then(|()| file.sync());
                (written.and_then(|()| file.put()), path)
            }
        };
        outcome.map_err(|error| OutputError { path, error })
    }
}

/// Why output cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {}", path.display(), said(error))]
pub(crate) struct OutputError {
    /// Where to.
    pub path: PathBuf,
    /// Why not.
    pub error: io::Error,
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
