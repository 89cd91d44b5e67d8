//! Makes in-toto statements: what a node's report amounts to, in the words that supply-chain tools read.
//!
//! A statement is an in-toto Statement, version 1, with a SLSA Verification Summary, version 1, as predicate. Its subjects
//! are the node's images and its result is the node's verdict. It says `PASSED` only if every image passed, is skipped by
//! policy or is waived, and the node was seen whole. The node report, which has the particulars, is an input attestation.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::exit_code::ExitCode;
use crate::node::NodeReport;
use crate::site::NodeRow;
use assay_verifier::oci::Digest;
use assay_verifier::time::UnixTime;

/// The type of a DSSE envelope's payload that is a statement. in-toto attestation framework, "Envelope".
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// The value of [`InTotoStatement::statement_type`].
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// The value of [`InTotoStatement::predicate_type`].
pub const VSA_TYPE: &str = "https://slsa.dev/verification_summary/v1";

/// The level that a node is said to have reached. Names that begin with `SLSA_` are SLSA's own.
pub const LEVEL: &str = "ASSAY_IMAGES_VERIFIED";

/// A statement about a node's images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InTotoStatement {
    /// [`STATEMENT_TYPE`]
    #[serde(rename = "_type")]
    pub statement_type: String,
    /// The images, sorted; each digest once.
    pub subject: Vec<ResourceDescriptor>,
    /// [`VSA_TYPE`]
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    /// The summary.
    pub predicate: VerificationSummary,
}

/// Something by its digests. in-toto attestation framework, "ResourceDescriptor".
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ResourceDescriptor {
    /// An image's first reference, otherwise its digest.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub uri: Option<String>,
    /// Hex by algorithm.
    pub digest: BTreeMap<String, String>,
}

/// A SLSA Verification Summary Attestation's predicate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerificationSummary {
    /// Who verified: the collector and the agent.
    pub verifier: SummaryVerifier,
    /// The time that validity, expiry and freshness were judged at.
    pub time_verified: UnixTime,
    /// The node.
    pub resource_uri: String,
    /// The trust policy document.
    pub policy: ResourceDescriptor,
    /// The node report.
    pub input_attestations: Vec<ResourceDescriptor>,
    /// `PASSED` or `FAILED`
    pub verification_result: VerificationResult,
    /// [`LEVEL`] if it passed, otherwise `FAILED`.
    pub verified_levels: Vec<String>,
    /// The version of SLSA that the predicate is of.
    pub slsa_version: String,
}

/// The verifier of a summary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryVerifier {
    /// A URI.
    pub id: String,
    /// Versions by component.
    pub version: BTreeMap<String, String>,
}

/// The result of a summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum VerificationResult {
    /// Every subject passed.
    Passed,
    /// Something did not.
    Failed,
}

impl InTotoStatement {
    /// The statement about a node that was verified; `None` for one that was not, because nothing is known of its images. `path` and
    /// `digest` are those of the node report's file, `collector` is the version of the program that accepted it.
    pub fn about_node(row: &NodeRow, path: &str, digest: &Digest, collector: &str) -> Option<Self> {
        let report = row.accepted()?;
        let verification_result = match row.verdict() {
            ExitCode::Passed => VerificationResult::Passed,
            ExitCode::Incomplete | ExitCode::Failed | ExitCode::Usage => VerificationResult::Failed,
        };
        let level = match verification_result {
            VerificationResult::Passed => LEVEL,
            VerificationResult::Failed => "FAILED",
        };
        let versions = [("assay", collector), ("assay-agent", &report.agent.version)];
        Some(Self {
            statement_type: STATEMENT_TYPE.into(),
            subject: subjects(report),
            predicate_type: VSA_TYPE.into(),
            predicate: VerificationSummary {
                verifier: SummaryVerifier {
                    id: "urn:assay".into(),
                    version: versions.map(|(name, version)| (name.to_string(), version.to_string())).into(),
                },
                time_verified: report.run.verified_at,
                resource_uri: alloc::format!("urn:assay:node:{}", row.name),
                policy: ResourceDescriptor {
                    name: None,
                    uri: Some("urn:assay:trust-policy".into()),
                    digest: [("sha256".into(), report.inputs.trust_policy.sha256.clone())].into(),
                },
                input_attestations: [ResourceDescriptor {
                    name: None,
                    uri: Some(path.into()),
                    digest: by_algorithm(digest),
                }]
                .into(),
                verification_result,
                verified_levels: [level.to_string()].into(),
                slsa_version: "1.0".into(),
            },
        })
    }

    /// The statement's JSON in one line.
    ///
    /// # Errors
    /// None in practice: every map has text for keys.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }
}

/// The images of a report, each digest once.
fn subjects(report: &NodeReport) -> Vec<ResourceDescriptor> {
    let mut names: BTreeMap<&Digest, Option<&String>> = BTreeMap::new();
    for image in &report.images {
        let name = names.entry(&image.digest).or_default();
        *name = name.or_else(|| image.references.first());
    }
    names
        .into_iter()
        .map(|(digest, name)| ResourceDescriptor {
            name: Some(name.map_or_else(|| digest.to_string(), String::clone)),
            uri: None,
            digest: by_algorithm(digest),
        })
        .collect()
}

fn by_algorithm(digest: &Digest) -> BTreeMap<String, String> {
    [(digest.algorithm().name().to_string(), digest.hex().to_string())].into()
}
