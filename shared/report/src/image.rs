//! One image of a node report: what identifies it, its verdict, and what the verdict rests on.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::custody::{Custody, CustodyLink, CustodyStep, LinkState};
use crate::drift::Drift;
use crate::namespace::Namespace;
use crate::omitted::{List, Omitted};
use crate::signature::{CheckResult, Signature};
use crate::verdict::{Reason, Status, Via};
use assay_verifier::oci::{Descriptor, Digest};

/// One target digest in one namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Image {
    /// containerd's namespace; empty in a layout.
    #[serde(with = "crate::namespace")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub namespace: Option<Namespace>,
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
    /// What else is wrong with it, sorted; absent if nothing is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Reason>,
    /// The verdict for people.
    pub message: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// What made it pass in place of its own signature.
    pub via: Option<Via>,
    /// The trust policy statements that were applied, separated by commas.
    pub policy: Option<String>,
    /// Every signature that was found, in the order tried.
    pub signatures: Vec<Signature>,
    /// What hashing its content showed.
    pub content: Content,
    /// What comparing its unpacked snapshots showed; null if that was not asked for.
    pub rootfs: Option<Rootfs>,
    /// What is left out of its lists, because a report is bounded. A verdict rests on what is whole: lists are cut afterwards.
    #[serde(default, skip_serializing_if = "Omitted::is_empty")]
    pub omitted: Omitted,
}

impl Image {
    /// An image of which nothing is known but its digest.
    pub fn unjudged(digest: Digest) -> Self {
        Self {
            namespace: None,
            references: Vec::new(),
            digest,
            media_type: String::new(),
            size: 0,
            platforms: Vec::new(),
            in_use: Vec::new(),
            status: Status::Inconclusive,
            reason: None,
            also: Vec::new(),
            message: None,
            hint: None,
            via: None,
            policy: None,
            signatures: Vec::new(),
            content: Content::default(),
            rootfs: None,
            omitted: Omitted::default(),
        }
    }

    /// What identifies the image.
    pub fn id(&self) -> ImageId<'_> {
        let Self { namespace, digest, media_type, size, .. } = self;
        ImageId { namespace: namespace.as_ref(), digest, media_type, size: *size }
    }

    /// Everything that is wrong with it: the reason, what else its agent found, and what the report itself shows.
    pub fn reasons(&self) -> BTreeSet<Reason> {
        let is_there = |shown: usize, list| shown > 0 || self.omitted.count(list) > 0;
        let altered = is_there(self.content.mismatched.len(), List::Mismatched);
        let altered = altered.then_some(Reason::ContentMismatch);
        let differing = self.rootfs.as_ref().map_or(0, |rootfs| rootfs.differing.len());
        let differing = is_there(differing, List::Differing);
        let differing = differing.then_some(Reason::RootfsMismatch);
        self.reason.into_iter().chain(self.also.iter().copied()).chain(altered).chain(differing).collect()
    }

    /// How the chains of the image's containers contradict each other or the image's verdict; none if they do not.
    pub fn custody_contradiction(&self) -> Option<&'static str> {
        self.in_use.iter().filter_map(|container| container.custody.as_ref()).find_map(|custody| {
            let first = custody.first_broken();
            match self.status {
                _ if !custody.is_well_formed() => Some("a chain of custody is not in order"),
                Status::Passed if first.is_some_and(|link| !self.is_excused(custody, link)) => {
                    Some("passed with a chain of custody that is not proven")
                }
                Status::Passed => None,
                Status::Skipped if first.is_none() => {
                    Some("not judged, with a chain of custody that is proven")
                }
                Status::Skipped | Status::Inconclusive
                    if first.is_some_and(|link| link.state == LinkState::Broken) =>
                {
                    Some("not failed, with a chain of custody that is broken")
                }
                _ if first.is_none() && !self.reasons().iter().all(may_lie_elsewhere) => {
                    Some("not passed, with a chain of custody that is proven")
                }
                _ => None,
            }
        })
    }

    /// Whether the trust policy accepts a signature whose root is not trusted, which proves none.
    fn is_excused(&self, custody: &Custody, first: &CustodyLink) -> bool {
        let is_alone = |link: &CustodyLink| link.step == CustodyStep::Root || link.state == LinkState::Proven;
        let is_lax = self.omitted.count(List::Signatures) > 0
            || self.signatures.iter().any(|signature| {
                signature.status == Status::Passed
                    && signature.checks.authenticity.result != CheckResult::Passed
            });
        first.state == LinkState::Unproven && custody.links.iter().all(is_alone) && is_lax
    }
}

/// Whether what is wrong with an image may be apart from what one of its containers stands on: in a snapshot of another one.
fn may_lie_elsewhere(reason: &Reason) -> bool {
    matches!(reason, Reason::RootfsMismatch | Reason::Unreadable | Reason::Limit)
}

/// An image of a node: one target in one namespace. Records that disagree on the size or the media type of one digest are of
/// two images, because at most one of them can be what was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageId<'a> {
    /// containerd's namespace; empty in a layout.
    pub namespace: Option<&'a Namespace>,
    /// The target's digest.
    pub digest: &'a Digest,
    /// The target's media type.
    pub media_type: &'a str,
    /// The target's size in bytes.
    pub size: u64,
}

impl<'a> ImageId<'a> {
    /// The image that a target is in a namespace.
    pub fn new(namespace: Option<&'a Namespace>, target: &'a Descriptor) -> Self {
        Self { namespace, digest: &target.digest, media_type: &target.media_type, size: target.size }
    }

    /// The image of which only the digest is known. No other of the same digest comes before it.
    pub fn unrecorded(namespace: Option<&'a Namespace>, digest: &'a Digest) -> Self {
        Self { namespace, digest, media_type: "", size: 0 }
    }
}

/// A container that runs an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
    /// What its writable layer holds; absent if that was not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// How it leads to the root certificate of the image's signature; absent unless snapshots were compared (`--rootfs`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custody: Option<Custody>,
}

impl ContainerUse {
    /// What a person calls it: `shop/web-7d4/app`, or its id outside of Kubernetes.
    pub fn name(&self) -> String {
        let Self { pod, pod_namespace, container, id, .. } = self;
        let Some(pod) = pod else { return id.clone() };
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
        format!("{}/{pod}/{}", text(pod_namespace), text(container))
    }
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
    /// How many of them were compared by lists of files in bundles, since the layers themselves are not in the store; absent if none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lists: u64,
    /// What differs, a sentence for each file.
    pub differing: Vec<String>,
    /// How the comparison came out; absent in older reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<RootfsResult>,
    /// Why it did not run, or not on everything; absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Files that were looked at.
    #[serde(default)]
    pub files: u64,
    /// Files whose time of change is not the layer's. That is information, and no difference.
    #[serde(default)]
    pub times: u64,
    /// The same as `differing`, in the same order, for programs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<RootfsFinding>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// How comparing unpacked snapshots with the signed layers came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum RootfsResult {
    /// Every snapshot is what the layers say.
    Passed,
    /// Something differs.
    Failed,
    /// Something could not be read, or changed while it was read.
    Inconclusive,
    /// Nothing was compared.
    NotRun,
}

/// A file of a snapshot that is not as the signed layers say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RootfsFinding {
    /// The file's path in the image. Bytes that are not printable ASCII are escaped.
    pub path: String,
    /// Whether it is extra, missing or changed.
    pub kind: RootfsDifference,
    /// The layer that the path is from, or whose snapshot it is in; null if that cannot be told.
    pub layer: Option<Digest>,
    /// The folder of the snapshot, by its name in the snapshotter's own.
    pub snapshot: String,
    /// What should be there; null for what should not be.
    pub before: Option<String>,
    /// What is there; null for what is missing.
    pub after: Option<String>,
}

/// What is wrong with a file of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum RootfsDifference {
    /// It is there, and no layer has it.
    Extra,
    /// A layer has it, and it is not there.
    Missing,
    /// It is another than the layer's.
    Changed,
}
