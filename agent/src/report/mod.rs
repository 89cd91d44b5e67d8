//! Makes reports of what a run found, sorted, for programs and for people.

pub(crate) mod carried;
pub(crate) mod outcome;
pub(crate) mod procedure;
pub(crate) mod table;

use assay_report::{
    BundleInput, Coverage, CrlInput, INVENTORY_SCHEMA, Image as ImageReport, Inputs, Inventory,
    InventoryImage, NODE_REPORT_SCHEMA, Node, NodeReport, Omitted, Run, Summary, TrustPolicyInput,
    TrustedCertificate, Unreadable,
};
use assay_verifier::revocation::RevocationEvidence;

use crate::config::{InventoryPlan, VerifyPlan};
use assay_judge::image::Image;
use assay_judge::judgement::CheckedContent;
use assay_judge::trust::Trust;

/// The report of a run.
pub(crate) fn node_report(
    plan: &VerifyPlan,
    trust: &Trust,
    bundles: Vec<BundleInput>,
    coverage: Coverage,
    containerd: Option<String>,
    mut warnings: Vec<String>,
    images: Vec<ImageReport>,
) -> NodeReport {
    warnings.extend(trust.warnings.iter().map(ToString::to_string));
    warnings.sort();
    NodeReport {
        schema: NODE_REPORT_SCHEMA.into(),
        run: Run {
            id: plan.run_id.clone().unwrap_or_default(),
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

/// The inventory of a store.
pub(crate) fn inventory(
    plan: &InventoryPlan,
    containerd: Option<String>,
    images: Vec<(Image, CheckedContent)>,
    coverage: Coverage,
) -> Inventory {
    let row = |(image, content): (Image, CheckedContent)| {
        let (digest, media_type, size) = image.target.into_report();
        InventoryImage {
            namespace: image.namespace,
            references: image.references,
            digest,
            media_type,
            size,
            platforms: content.platforms,
            content_size: content.layer_bytes,
            in_use: image.in_use,
            omitted: Omitted::default(),
        }
    };
    Inventory {
        schema: INVENTORY_SCHEMA.into(),
        node: Node { containerd, ..plan.node.clone() },
        store: plan.store.place.to_string(),
        images: images.into_iter().map(row).collect(),
        coverage,
    }
}

fn unusable_evidence(evidence: &RevocationEvidence) -> Vec<Unreadable> {
    let unusable = evidence.unusable().iter();
    unusable.map(|one| Unreadable { what: one.file.clone(), why: one.error.to_string() }).collect()
}
