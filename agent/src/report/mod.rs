//! Results into a report: verdict and content of each image joined, everything sorted, written in one piece.

pub(crate) mod carried;
pub(crate) mod procedure;
pub(crate) mod table;

use assay_report::{
    BundleInput, Content, Coverage, CrlInput, Image as ImageReport, Inputs, NODE_REPORT_SCHEMA, Node,
    NodeReport, Omitted, Run, Summary, TrustPolicyInput, TrustedCertificate, Unreadable,
};
use assay_verifier::revocation::RevocationEvidence;

use crate::config::VerifyPlan;
use assay_judge::judged::Checked;
use assay_judge::trust::Trust;

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
            trust_store: TrustedCertificate::list(&trust.store),
            bundles,
            crls: CrlInput::list(&trust.evidence),
            unusable_evidence: unusable_evidence(&trust.evidence),
            warnings,
            omitted: Omitted::default(),
        },
        coverage,
        summary: Summary::count(images.iter().map(|image| image.status)),
        images,
        carried: Vec::new(),
        omitted: Omitted::default(),
    }
}

fn unusable_evidence(evidence: &RevocationEvidence) -> Vec<Unreadable> {
    let unusable = evidence.unusable().iter();
    unusable.map(|one| Unreadable { what: one.file.clone(), why: one.error.to_string() }).collect()
}

/// The content of an image of which nothing was read.
pub(crate) fn unread(plan: &VerifyPlan) -> Checked {
    Checked { content: Content { mode: plan.asked.content, ..Content::default() }, ..Checked::default() }
}
