//! The node report, `assay/node-report/v1`: what one agent run saw and judged.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::asked::Asked;
use crate::coverage::{Coverage, Unreadable};
#[cfg(feature = "schema")]
use crate::document::HEX_SHA256;
use crate::exit_code::ExitCode;
use crate::image::Image;
use crate::omitted::Omitted;
use crate::verdict::Summary;
use assay_verifier::notary::trust_store::TrustStore;
use assay_verifier::oci::Digest;
use assay_verifier::revocation::RevocationEvidence;
use assay_verifier::time::UnixTime;

/// The value of [`NodeReport::schema`].
pub const NODE_REPORT_SCHEMA: &str = "assay/node-report/v1";

/// A node report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NodeReport {
    /// Always `assay/node-report/v1`.
    #[cfg_attr(feature = "schema", schemars(extend("const" = NODE_REPORT_SCHEMA)))]
    pub schema: String,
    /// The run.
    pub run: Run,
    /// The agent.
    pub agent: Agent,
    /// The node.
    pub node: Node,
    /// What the agent was asked, as it understood it; absent in reports of agents that did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// What the verdicts rest on.
    pub inputs: Inputs,
    /// What was looked at, and what could not be.
    pub coverage: Coverage,
    /// Every image, sorted by namespace, then digest.
    pub images: Vec<Image>,
    /// Images by status.
    pub summary: Summary,
    /// What the verdicts rest on and no bundle holds, if the agent was asked for it (`--evidence`), sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carried: Vec<CarriedBlob>,
    /// What is left out of `images` and `carried`, because a report is bounded.
    #[serde(default, skip_serializing_if = "Omitted::is_empty")]
    pub omitted: Omitted,
}

/// A signature manifest, an envelope or an index of the node's store, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CarriedBlob {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its bytes, in base64 with padding.
    #[serde(with = "base64_text")]
    #[cfg_attr(feature = "schema", schemars(with = "String", extend("contentEncoding" = "base64")))]
    pub data: Vec<u8>,
}

mod base64_text {
    use alloc::string::String;
    use alloc::vec::Vec;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(data: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(data))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl NodeReport {
    /// What the report says as an exit code: the worst of its images. A container that runs an image without a record is a
    /// failure; something that could not be read leaves the report incomplete.
    pub fn verdict(&self) -> ExitCode {
        ExitCode::from_statuses(self.images.iter().map(|image| image.status)).max(self.coverage.verdict())
    }
}

/// One run of the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Run {
    /// The run's id as the caller gave it; empty if none was given.
    pub id: String,
    /// The node's clock when the run began; the verification time if that was given, so that equal input gives equal bytes.
    pub started: UnixTime,
    /// The node's clock when the run ended, with the same exception.
    pub finished: UnixTime,
    /// The time that validity, expiry and freshness were judged at.
    pub verified_at: UnixTime,
}

/// The agent that ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Agent {
    /// Its version.
    pub version: String,
    /// The target triple that it was built for.
    pub target: String,
    /// The digest of the executable that ran; null if it could not be read.
    #[cfg_attr(feature = "schema", schemars(extend("pattern" = HEX_SHA256)))]
    pub sha256: Option<String>,
}

/// The node that it ran on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Node {
    /// Its host name.
    pub hostname: Option<String>,
    /// What `/etc/machine-id` says; none on Windows, whose own is in the registry.
    pub machine_id: Option<String>,
    /// `linux` or `windows`.
    pub os: String,
    /// The architecture in Go's words, such as `amd64`.
    pub architecture: String,
    /// containerd's version, if one answered.
    pub containerd: Option<String>,
}

/// What the verdicts rest on, each by its SHA-256 in lower-case hex.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Inputs {
    /// The image store as given, such as `containerd:/run/containerd/containerd.sock`.
    pub store: String,
    /// The trust policy document.
    pub trust_policy: TrustPolicyInput,
    /// Every certificate in the trust store, sorted.
    pub trust_store: Vec<TrustedCertificate>,
    /// The signature bundles, in the order given.
    pub bundles: Vec<BundleInput>,
    /// Every staged CRL, sorted.
    pub crls: Vec<CrlInput>,
    /// Staged files of revocation evidence that cannot be used, in the order in which they were met. They may have revoked any
    /// certificate, so no status is known that rests on staged evidence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unusable_evidence: Vec<Unreadable>,
    /// Findings about the inputs that change no verdict by themselves, such as a file that could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What is left out of `trust_store`, `crls`, `unusable_evidence` and `warnings`, because a report is bounded.
    #[serde(default, skip_serializing_if = "Omitted::is_empty")]
    pub omitted: Omitted,
}

/// The trust policy document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TrustPolicyInput {
    /// Digest of the file.
    #[cfg_attr(feature = "schema", schemars(extend("pattern" = HEX_SHA256)))]
    pub sha256: String,
}

/// A signature bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BundleInput {
    /// Digest of the file; of `index.json` if the bundle is a directory.
    #[cfg_attr(feature = "schema", schemars(extend("pattern" = HEX_SHA256)))]
    pub sha256: String,
    /// How many signature manifests it holds.
    pub signatures: u64,
}

/// A certificate in the trust store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TrustedCertificate {
    /// `ca`, `signingAuthority` or `tsa`
    #[serde(rename = "type")]
    pub store_type: String,
    /// The named store.
    pub name: String,
    /// The subject, RFC 4514.
    pub subject: String,
    /// Digest of the certificate's DER.
    #[cfg_attr(feature = "schema", schemars(extend("pattern" = HEX_SHA256)))]
    pub sha256: String,
    /// When it expires.
    pub not_after: UnixTime,
}

/// A staged CRL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CrlInput {
    /// The issuer's name, RFC 4514.
    pub issuer: String,
    /// When it was issued.
    pub this_update: UnixTime,
    /// When the next is due.
    pub next_update: Option<UnixTime>,
    /// Digest of the CRL's DER.
    #[cfg_attr(feature = "schema", schemars(extend("pattern" = HEX_SHA256)))]
    pub sha256: String,
}

impl TrustedCertificate {
    /// Every certificate of every usable store, sorted.
    pub fn list(trust_store: &TrustStore) -> Vec<Self> {
        let usable = trust_store.usable().flat_map(|(store_type, name, certificates)| {
            certificates.iter().map(move |certificate| Self {
                store_type: store_type.folder().into(),
                name: name.into(),
                subject: certificate.subject().to_string(),
                sha256: certificate.sha256().hex().into(),
                not_after: certificate.not_after(),
            })
        });
        let mut list: Vec<_> = usable.collect();
        list.sort();
        list
    }
}

impl CrlInput {
    /// Every staged CRL, deltas too, sorted.
    pub fn list(evidence: &RevocationEvidence) -> Vec<Self> {
        let crls = evidence.crls().map(|crl| Self {
            issuer: crl.issuer.to_string(),
            this_update: crl.this_update,
            next_update: crl.next_update,
            sha256: crl.sha256.hex().into(),
        });
        let mut list: Vec<_> = crls.collect();
        list.sort();
        list
    }
}
