//! Image stores: what they list, and blobs by digest.
//!
//! In: an address or a path. Out: a [`Listing`] taken once, and [`Blob`]s that nobody believes before they are hashed
//! ([`fetch`], [`verify`]). A store never decides anything; what it cannot read it says.

mod blob;
pub mod directory;
pub mod docker;
pub mod file;
pub mod form;
mod id_map;
pub mod layout;
#[doc(hidden)]
pub mod memory;
pub mod pulled;

use std::collections::BTreeMap;

use assay_report::{ContainerUse, Enumerated, Node, Unreadable};
use assay_verifier::oci::{Descriptor, Digest};

pub use layout::members;

pub use blob::{Blob, BlobContent, BlobError, Hashed, fetch, read_unchecked, verify};
pub use id_map::IdMap;

/// A store of images and of the blobs that they are made of.
pub trait Store: Sync {
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
pub enum Manifests<'s> {
    /// Reachable from these, as in an OCI image layout.
    Roots(&'s [Descriptor]),
    /// Somewhere among these blobs: media types are not recorded, only the content tells.
    Blobs(Vec<StoredBlob<'s>>),
}

/// Where the records of a content store and its files contradict each other.
#[derive(Debug, Default)]
pub struct ContentFiles {
    /// Blobs by namespace of which there is a record and no file.
    pub lost: Vec<(String, Digest)>,
    /// Blobs of which there is a file and no record in any namespace; none where not every namespace was listed.
    pub stray: Option<Vec<Digest>>,
}

impl ContentFiles {
    /// Whether records and files agree.
    pub fn is_sound(&self) -> bool {
        self.lost.is_empty() && self.stray.as_ref().is_none_or(Vec::is_empty)
    }
}

/// A blob as the content store lists it.
#[derive(Clone, Copy, Debug)]
pub struct StoredBlob<'s> {
    pub namespace: &'s str,
    pub digest: &'s Digest,
    pub size: u64,
    /// Whether the store has labelled it as something that refers to other content.
    pub refers: bool,
}

/// What a store has.
#[derive(Debug, Default)]
pub struct Listing {
    /// The namespaces that were listed, sorted.
    pub namespaces: Vec<String>,
    pub records: Vec<Record>,
    pub containers: Vec<Container>,
    /// Every snapshot of the snapshotters that the containers of a namespace use, each with its parent's key.
    pub snapshots: BTreeMap<(String, Snapshot), Option<String>>,
    /// What was enumerated of each namespace, sorted.
    pub enumerated: Vec<Enumerated>,
    /// The system whose images are kept, where the store is known to be of one; else that of this machine.
    pub os: Option<String>,
    /// containerd's version.
    pub containerd: Option<String>,
    /// What could not be listed.
    pub unreadable: Vec<Unreadable>,
}

impl Listing {
    /// Whether what is there is for machines like `node`.
    pub fn is_for(&self, node: &Node) -> bool {
        self.os.as_ref().is_none_or(|os| *os == node.os)
    }
}

/// A name that points at an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Empty in a layout.
    pub namespace: String,
    pub name: String,
    pub target: Descriptor,
    /// Whether the store says that it belongs to an image.
    pub marked: bool,
}

impl Record {
    /// A record that the store does not mark.
    pub fn new(namespace: &str, name: &str, target: Descriptor) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned(), target, marked: false }
    }
}

/// A container, running or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    pub namespace: String,
    /// The name of the image record that it was made from; none for a container without an image.
    pub image: Option<String>,
    /// What its file system is; none for one that brings its own.
    pub snapshot: Option<Snapshot>,
    /// Its user namespace; none if its specification cannot be read.
    pub ids: Option<IdMap>,
    pub usage: ContainerUse,
}

/// A snapshot by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Snapshot {
    pub snapshotter: String,
    pub key: String,
}
