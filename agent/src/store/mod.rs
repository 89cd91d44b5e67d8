//! Image stores: what they list, and blobs by digest.
//!
//! In: an address or a path. Out: a [`Listing`] taken once, and [`Blob`]s that nobody believes before they are hashed
//! ([`fetch`], [`verify`]). A store never decides anything; what it cannot read it says.

mod blob;
mod catalogue;
#[cfg(feature = "containerd")]
pub(crate) mod containerd;
pub mod directory;
pub(crate) mod docker;
mod file;
pub mod form;
mod id_map;
pub(crate) mod layout;
#[cfg(test)]
pub(crate) mod memory;
pub(crate) mod pulled;
pub(crate) mod root;

use std::collections::BTreeMap;

use assay_report::{ContainerUse, Enumerated, Node, Unreadable};
use assay_verifier::oci::{Descriptor, Digest};

pub use layout::members;

pub(crate) use blob::{Blob, BlobContent, BlobError, Hashed, fetch, read_unchecked, verify};
pub(crate) use id_map::IdMap;

use crate::config::{Place, StorePlan};
#[cfg(feature = "containerd")]
use containerd::{Containerd, ContainerdError};
use layout::{Layout, LayoutError, Reading};
use root::{Root, RootError};

/// A store of images and of the blobs that they are made of.
pub(crate) trait Store: Sync {
    /// What the store listed when it was opened.
    fn listing(&self) -> &Listing;

    /// The blob of that digest as `namespace` sees it.
    ///
    /// # Errors
    /// [`BlobError::Absent`] where the store does not list it, [`BlobError::Unreadable`] where it does and its bytes are not
    /// to be had: gone since, or no file.
    fn open(&self, namespace: &str, digest: &Digest) -> Result<Blob<'_>, BlobError>;

    /// Whether `namespace` has the blob, as far as can be told without reading it.
    fn has(&self, namespace: &str, digest: &Digest) -> bool {
        !matches!(self.open(namespace, digest), Err(BlobError::Absent))
    }

    /// Whether `namespace` still has the blob, asked anew: a store that is in use changes while it is read. True where that
    /// cannot be told.
    fn still_has(&self, namespace: &str, digest: &Digest) -> bool {
        self.has(namespace, digest)
    }

    /// The store's records of content beside the files that they are about; none where the store has no such records, or its
    /// files cannot be listed.
    fn content_files(&self) -> Option<ContentFiles> {
        None
    }

    /// Whether it is a bundle of assay's.
    fn is_bundle(&self) -> bool {
        false
    }

    /// Where manifests that no image names, such as signatures, are to be looked for.
    fn manifests(&self) -> Manifests<'_>;
}

/// Where a store's manifests are found.
pub(crate) enum Manifests<'s> {
    /// Reachable from these, as in an OCI image layout.
    Roots(&'s [Descriptor]),
    /// Somewhere among these blobs: media types are not recorded, only the content tells.
    Blobs(Vec<StoredBlob<'s>>),
}

/// Where the records of a content store and its files contradict each other.
#[derive(Debug, Default)]
pub(crate) struct ContentFiles {
    /// Blobs by namespace of which there is a record and no file.
    pub(crate) lost: Vec<(String, Digest)>,
    /// Blobs of which there is a file and no record in any namespace; none where not every namespace was listed.
    pub(crate) stray: Option<Vec<Digest>>,
}

impl ContentFiles {
    fn is_sound(&self) -> bool {
        self.lost.is_empty() && self.stray.as_ref().is_none_or(Vec::is_empty)
    }
}

/// A blob as the content store lists it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoredBlob<'s> {
    pub(crate) namespace: &'s str,
    pub(crate) digest: &'s Digest,
    pub(crate) size: u64,
    /// Whether the store has labelled it as something that refers to other content.
    pub(crate) refers: bool,
}

/// What a store has.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// The namespaces that were listed, sorted.
    pub(crate) namespaces: Vec<String>,
    pub(crate) records: Vec<Record>,
    pub(crate) containers: Vec<Container>,
    /// Every snapshot of the snapshotters that the containers of a namespace use, each with its parent's key.
    pub(crate) snapshots: BTreeMap<(String, Snapshot), Option<String>>,
    /// What was enumerated of each namespace, sorted.
    pub(crate) enumerated: Vec<Enumerated>,
    /// The system whose images are kept, where the store is known to be of one; else that of this machine.
    pub(crate) os: Option<String>,
    /// containerd's version.
    pub(crate) containerd: Option<String>,
    /// What could not be listed.
    pub(crate) unreadable: Vec<Unreadable>,
}

impl Listing {
    /// Whether what is there is for machines like `node`.
    pub(crate) fn is_for(&self, node: &Node) -> bool {
        self.os.as_ref().is_none_or(|os| *os == node.os)
    }
}

/// A name that points at an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Empty in a layout.
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) target: Descriptor,
    /// Whether the store says that it belongs to an image.
    pub(crate) marked: bool,
}

/// A container, running or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Container {
    pub(crate) namespace: String,
    /// The name of the image record that it was made from; none for a container without an image.
    pub(crate) image: Option<String>,
    /// What its file system is; none for one that brings its own.
    pub(crate) snapshot: Option<Snapshot>,
    /// Its user namespace; none if its specification cannot be read.
    pub(crate) ids: Option<IdMap>,
    pub(crate) usage: ContainerUse,
}

/// A snapshot by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Snapshot {
    pub(crate) snapshotter: String,
    pub(crate) key: String,
}

/// Opens the store that the plan names.
///
/// # Errors
/// [`StoreError`] where nothing at all can be learned from it; parts that cannot be read are in the [`Listing`].
pub(crate) fn open(plan: &StorePlan, reading: Reading) -> Result<Box<dyn Store>, StoreError> {
    Ok(match &plan.place {
        #[cfg(feature = "containerd")]
        Place::Containerd { address } => Box::new(Containerd::open(address, &plan.namespaces)?),
        #[cfg(not(feature = "containerd"))]
        Place::Containerd { .. } => return Err(StoreError::NoContainerd),
        Place::Root { path } => Box::new(Root::open(path, &plan.namespaces)?),
        Place::Layout { path } => Box::new(Layout::open(path, reading)?),
    })
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// containerd does not answer as it should.
    #[cfg(feature = "containerd")]
    #[error(transparent)]
    Containerd(#[from] ContainerdError),
    /// This build has no client.
    #[cfg(not(feature = "containerd"))]
    #[error("this build of the program does not speak to containerd")]
    NoContainerd,
    /// The path is no containerd root that can be read.
    #[error(transparent)]
    Root(#[from] RootError),
    /// The path is no OCI image layout.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}
