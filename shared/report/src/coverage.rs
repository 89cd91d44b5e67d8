//! What an agent looked at in a store, and what it could not read.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::exit_code::ExitCode;
use crate::namespace::Namespace;
use crate::omitted::Omitted;
use assay_verifier::oci::Digest;

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
    /// What the store lists and is not an image, but belongs to one: signatures of other kinds, attestations, SBOMs, and the Notary
    /// Project's signatures if they have a name. Sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub companions: Vec<Companion>,
    /// What could not be read.
    pub unreadable: Vec<Unreadable>,
    /// What was enumerated of each namespace, sorted.
    #[serde(default)]
    pub enumerated: Vec<Enumerated>,
    /// Which parts of the store were compared, and where it contradicts itself.
    #[serde(default)]
    pub cross_check: CrossCheck,
    /// What is left out of its lists, because a report is bounded.
    #[serde(default, skip_serializing_if = "Omitted::is_empty")]
    pub omitted: Omitted,
}

impl Coverage {
    /// What is left to say of the store beside its images: a running container that no image record accounts for
    /// fails, what could not be read is incomplete, and so is a contradiction that says so.
    pub(crate) fn verdict(&self) -> ExitCode {
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
    #[serde(with = "crate::namespace")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub namespace: Option<Namespace>,
    /// Image records, several of which may point at one image, and those of signatures too.
    pub records: Option<u64>,
    /// Containers.
    pub containers: Option<u64>,
    /// Snapshots of the snapshotters that those containers use.
    pub snapshots: Option<u64>,
    /// Blobs that the content store has for the namespace.
    pub content: Option<u64>,
}

/// The parts of a store, compared with each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CrossCheck {
    /// What was compared with what; a comparison that is not listed was not made.
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
    /// containerd's namespace; empty if it is of none.
    #[serde(with = "crate::namespace")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub namespace: Option<Namespace>,
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

/// A manifest that belongs to an image and is not an image itself: nothing in it can be run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Companion {
    /// containerd's namespace; empty in a layout.
    #[serde(with = "crate::namespace")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub namespace: Option<Namespace>,
    /// The name that it is listed under; null if it has none.
    pub name: Option<String>,
    /// Its digest.
    pub digest: Digest,
    /// What it is: the most telling of its types.
    pub kind: String,
    /// The digest of what it belongs to; null if it does not tell.
    pub subject: Option<Digest>,
}

/// Something in the store that no image record accounts for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Unlisted {
    /// containerd's namespace.
    #[serde(with = "crate::namespace")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub namespace: Option<Namespace>,
    /// `manifest`, `container`, or `blob` if a layout lists something that is not a manifest
    pub kind: String,
    /// The digest or the container's id.
    pub id: String,
    /// The image that the container names, or what the manifest is.
    pub name: Option<String>,
}

impl Unlisted {
    /// Whether it is a container, which runs something that was not judged.
    pub(crate) fn is_container(&self) -> bool {
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
