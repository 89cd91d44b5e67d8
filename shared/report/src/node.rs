//! The node report, `assay/node-report/v1`: what one agent run saw and judged.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use assay_verifier::outcome::{ChainCertificate, CrlInput, Timestamp, TrustedCertificate};

use super::{Asked, Checks, ExitCode, List, Omitted, Reason, Status, Target, Via};
use assay_verifier::oci::Digest;
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
    /// What the verdicts rest on and no bundle holds, where the agent was asked for it (`--evidence`), sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carried: Vec<CarriedBlob>,
    /// What is left out of `images` and `carried`, since a report is bounded.
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
        ExitCode::of(self.images.iter().map(|image| image.status)).max(self.coverage.verdict())
    }
}

/// One run of the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Run {
    /// The run's id as the caller gave it; empty where none was given.
    pub id: String,
    /// The node's clock when the run began; the verification time where that was given, so that equal input gives equal bytes.
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
    /// The digest of the executable that ran; null where it could not be read.
    #[cfg_attr(feature = "schema", schemars(extend("pattern" = super::HEX_SHA256)))]
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
    /// containerd's version, where one answered.
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
    /// Staged files of revocation evidence that cannot be used, in the order in which they were met. Nobody knows whom they
    /// would have revoked: the status of no certificate is known that rests on staged evidence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unusable_evidence: Vec<Unreadable>,
    /// Findings about the inputs that change no verdict by themselves, such as a file that could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What is left out of `trust_store`, `crls`, `unusable_evidence` and `warnings`, since a report is bounded.
    #[serde(default, skip_serializing_if = "Omitted::is_empty")]
    pub omitted: Omitted,
}

/// The trust policy document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TrustPolicyInput {
    /// Digest of the file.
    #[cfg_attr(feature = "schema", schemars(extend("pattern" = super::HEX_SHA256)))]
    pub sha256: String,
}

/// A signature bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BundleInput {
    /// Digest of the file; of `index.json` where the bundle is a directory.
    #[cfg_attr(feature = "schema", schemars(extend("pattern" = super::HEX_SHA256)))]
    pub sha256: String,
    /// How many signature manifests it holds.
    pub signatures: u64,
}

/// What was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Coverage {
    /// The namespaces that were enumerated.
    pub namespaces: Vec<String>,
    /// Images, by namespace and target digest.
    pub images: u64,
    /// Containers.
    pub containers: u64,
    /// Manifests and running containers that belong to no image record.
    pub unlisted: Vec<Unlisted>,
    /// What the store lists and is no image, but belongs to one: signatures of other kinds, attestations, SBOMs, and the Notary
    /// Project's signatures where they have a name. Sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub companions: Vec<Companion>,
    /// What could not be read.
    pub unreadable: Vec<Unreadable>,
    /// What was enumerated of each namespace, sorted.
    #[serde(default)]
    pub enumerated: Vec<Enumerated>,
    /// What was held against each other, and where the store contradicts itself.
    #[serde(default)]
    pub cross_check: CrossCheck,
    /// What is left out of its lists, since a report is bounded.
    #[serde(default, skip_serializing_if = "Omitted::is_empty")]
    pub omitted: Omitted,
}

impl Coverage {
    /// What is left to say of the store beside its images: a running container that no image record accounts for
    /// fails, what could not be read is incomplete, and so is a contradiction that says so.
    pub fn verdict(&self) -> ExitCode {
        let contradictions = self.cross_check.findings.iter().map(|finding| match finding.effect {
            Effect::Failed => ExitCode::Failed,
            Effect::Inconclusive => ExitCode::Incomplete,
            Effect::None => ExitCode::Passed,
        });
        let unlisted = self.unlisted_containers().next().map(|_| ExitCode::Failed);
        let unreadable = self.unreadable.first().map(|_| ExitCode::Incomplete);
        contradictions.chain(unlisted).chain(unreadable).max().unwrap_or(ExitCode::Passed)
    }

    /// The containers that run an image which the store does not list.
    pub fn unlisted_containers(&self) -> impl Iterator<Item = &Unlisted> {
        self.unlisted.iter().filter(|unlisted| unlisted.is_container())
    }
}

/// How much was enumerated of a namespace. What is null was not: the store does not have it, or could not list it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Enumerated {
    /// containerd's namespace; empty in a layout.
    pub namespace: String,
    /// Image records, several of which may point at one image, and those of signatures too.
    pub records: Option<u64>,
    /// Containers.
    pub containers: Option<u64>,
    /// Snapshots of the snapshotters that those containers use.
    pub snapshots: Option<u64>,
    /// Blobs that the content store has for the namespace.
    pub content: Option<u64>,
}

/// The parts of a store held against each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CrossCheck {
    /// What was held against what, in the words of the README; what is not here was not.
    pub checked: Vec<String>,
    /// Where the store contradicts itself, sorted.
    pub findings: Vec<Contradiction>,
}

/// Two parts of a store that cannot both be right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Contradiction {
    /// A code that `assay explain` knows.
    pub code: String,
    /// What it does to the run.
    pub effect: Effect,
    /// containerd's namespace; empty where it is of none.
    pub namespace: String,
    /// The container's id or the blob's digest.
    pub id: String,
    /// What contradicts what.
    pub message: String,
}

/// What a finding about the store does to the run, beside its images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// The run fails.
    Failed,
    /// The run is incomplete.
    Inconclusive,
    /// None: it is noted.
    None,
}

/// A manifest that belongs to an image and is none: nothing in it can be run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Companion {
    /// containerd's namespace; empty in a layout.
    pub namespace: String,
    /// The name that it is listed under; null where it has none.
    pub name: Option<String>,
    /// Its digest.
    pub digest: Digest,
    /// What it is: the most telling of its types.
    pub kind: String,
    /// The digest of what it belongs to; null where it does not tell.
    pub subject: Option<Digest>,
}

/// Something in the store that no image record accounts for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Unlisted {
    /// containerd's namespace.
    pub namespace: String,
    /// `manifest`, `container`, or `blob` where a layout lists something that is no manifest
    pub kind: String,
    /// The digest or the container's id.
    pub id: String,
    /// The image that the container names, or what the manifest is.
    pub name: Option<String>,
}

impl Unlisted {
    /// Whether it is a container, which runs what nobody judged.
    pub fn is_container(&self) -> bool {
        self.kind == "container"
    }
}

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Unreadable {
    /// What: a namespace, a digest, a path.
    pub what: String,
    /// Why.
    pub why: String,
}

/// One target digest in one namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Image {
    /// containerd's namespace; empty in a layout.
    pub namespace: String,
    /// Every name that points at the digest, sorted.
    pub references: Vec<String>,
    /// The target's digest.
    pub digest: Digest,
    /// The target's media type.
    pub media_type: String,
    /// The target's size in bytes.
    pub size: u64,
    /// The platforms of the manifests that are there, such as `linux/amd64`.
    pub platforms: Vec<String>,
    /// The containers that run it.
    pub in_use: Vec<ContainerUse>,
    /// The verdict.
    pub status: Status,
    /// Why it did not pass; null when it did.
    pub reason: Option<Reason>,
    /// What else is wrong with it, sorted; absent where nothing is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Reason>,
    /// The verdict for people.
    pub message: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// What made it pass in place of a signature of its own.
    pub via: Option<Via>,
    /// The trust policy statements that were applied, separated by commas.
    pub policy: Option<String>,
    /// Every signature that was found, in the order tried.
    pub signatures: Vec<Signature>,
    /// What hashing its content showed.
    pub content: Content,
    /// What comparing its unpacked snapshots showed; null where that was not asked for.
    pub rootfs: Option<Rootfs>,
    /// What is left out of its lists, since a report is bounded. A verdict rests on what is whole: lists are cut afterwards.
    #[serde(default, skip_serializing_if = "Omitted::is_empty")]
    pub omitted: Omitted,
}

impl Image {
    /// Everything that is wrong with it: the reason, what else its agent found, and what the report itself shows.
    pub fn reasons(&self) -> BTreeSet<Reason> {
        let is_there = |shown: usize, list| shown > 0 || self.omitted.of(list) > 0;
        let altered = is_there(self.content.mismatched.len(), List::Mismatched);
        let altered = altered.then_some(Reason::ContentMismatch);
        let differing = self.rootfs.as_ref().map_or(0, |rootfs| rootfs.differing.len());
        let differing = is_there(differing, List::Differing);
        let differing = differing.then_some(Reason::RootfsMismatch);
        self.reason.into_iter().chain(self.also.iter().copied()).chain(altered).chain(differing).collect()
    }
}

/// A container that runs an image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ContainerUse {
    /// The pod's name, from Kubernetes' labels.
    pub pod: Option<String>,
    /// The pod's namespace in Kubernetes.
    pub pod_namespace: Option<String>,
    /// The container's name in the pod.
    pub container: Option<String>,
    /// containerd's id of the container.
    pub id: String,
}

/// One signature of an image, and how it came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Signature {
    /// Digest of the signature manifest.
    pub digest: Digest,
    /// Where it was found: `store`, or a bundle's path.
    pub source: String,
    /// Media type of the envelope.
    pub envelope: Option<String>,
    /// The trust policy statement that it was judged under; null where it was not judged.
    pub policy: Option<String>,
    /// `passed` or `failed`; `inconclusive` where it could not be judged.
    pub status: Status,
    /// Why it did not pass.
    pub reason: Option<Reason>,
    /// The signing certificate's subject, RFC 4514. Only what integrity vouches for is given.
    pub signer: Option<String>,
    /// The certificate chain, leaf first.
    pub chain: Vec<ChainCertificate>,
    /// The signing time that the signer claims, or that the signing authority vouches for.
    pub signing_time: Option<UnixTime>,
    /// The verified timestamp.
    pub timestamp: Option<Timestamp>,
    /// Signed annotations of the target.
    pub user_metadata: BTreeMap<String, String>,
    /// The five checks.
    pub checks: Checks,
    /// Whether the payload names this image.
    pub target: Target,
    /// What is left out of `chain` and `user_metadata`, since a report is bounded.
    #[serde(default, skip_serializing_if = "Omitted::is_empty")]
    pub omitted: Omitted,
}

/// What hashing an image's content showed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Content {
    /// How much was asked for: `full`, `metadata` or `none`.
    pub mode: ContentMode,
    /// Blobs that were hashed and match.
    pub checked: u64,
    /// Bytes in those blobs.
    pub bytes: u64,
    /// Blobs that are not on the node: layers discarded after unpacking, manifests of other platforms.
    pub absent: u64,
    /// Blobs whose bytes are not what their descriptor says, sorted.
    pub mismatched: Vec<Mismatch>,
}

/// How much of an image's content is hashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ContentMode {
    /// Everything reachable from the target.
    #[default]
    Full,
    /// Indexes, manifests and configs.
    Metadata,
    /// Nothing.
    None,
}

impl ContentMode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Full, Self::Metadata, Self::None];

    /// The value of `--content`, as reports write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Metadata => "metadata",
            Self::None => "none",
        }
    }
}

/// A blob whose bytes are not what its descriptor says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Mismatch {
    /// The digest that the descriptor names.
    pub digest: Digest,
    /// The descriptor's media type.
    pub media_type: String,
    /// What was found instead.
    pub found: String,
}

/// What comparing unpacked snapshots with the signed layers showed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Rootfs {
    /// Snapshots that were compared.
    pub snapshots: u64,
    /// Files that differ, sorted.
    pub differing: Vec<String>,
}

/// Images by status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Summary {
    /// How many passed.
    pub passed: u64,
    /// How many failed.
    pub failed: u64,
    /// How many the policy skips.
    pub skipped: u64,
    /// How many could not be judged.
    pub inconclusive: u64,
}

impl Summary {
    /// Counts statuses.
    pub fn of(statuses: impl IntoIterator<Item = Status>) -> Self {
        let mut summary = Self::default();
        statuses.into_iter().for_each(|status| summary.add(status));
        summary
    }

    /// Counts a status.
    pub fn add(&mut self, status: Status) {
        let count = match status {
            Status::Passed => &mut self.passed,
            Status::Failed => &mut self.failed,
            Status::Skipped => &mut self.skipped,
            Status::Inconclusive => &mut self.inconclusive,
        };
        *count = count.saturating_add(1);
    }
}
