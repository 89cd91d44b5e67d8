//! The trait that every image store implements.

use std::collections::BTreeMap;

use assay_report::Namespace;
use assay_verifier::oci::{Descriptor, Digest};

use super::blob::{Blob, BlobError};
use super::listing::{Listing, Snapshot, Snapshotter};

/// A store of images and of the blobs that they are made of.
pub trait Store: Sync {
    /// What the store listed when it was opened.
    fn listing(&self) -> &Listing;

    /// The blob of that digest as `namespace` sees it. A layout has no namespaces, and looks at none.
    ///
    /// # Errors
    /// [`BlobError::Absent`] if the store does not list it, [`BlobError::Unreadable`] if it does and its bytes are not
    /// to be had: gone since, or no file.
    fn open(&self, namespace: Option<&Namespace>, digest: &Digest) -> Result<Blob<'_>, BlobError>;

    /// Whether `namespace` has the blob, as far as can be told without reading it.
    fn has(&self, namespace: Option<&Namespace>, digest: &Digest) -> bool {
        !matches!(self.open(namespace, digest), Err(BlobError::Absent))
    }

    /// Whether `namespace` still has the blob, asked anew: a store that is in use changes while it is read. True if that
    /// cannot be told.
    fn still_has(&self, namespace: Option<&Namespace>, digest: &Digest) -> bool {
        self.has(namespace, digest)
    }

    /// The store's records of content beside the files that they are about; none if the store has no such records, or its
    /// files cannot be listed.
    fn content_files(&self) -> Option<ContentFiles> {
        None
    }

    /// What keeps unpacked layers.
    fn snapshotters(&self) -> Vec<Snapshotter> {
        Vec::new()
    }

    /// Whether a snapshotter keeps that snapshot for `namespace`, asked anew. True if that cannot be told.
    fn has_snapshot(&self, _namespace: &Namespace, _snapshot: &Snapshot) -> bool {
        true
    }

    /// The containers of `namespace` that run, each with the id of its first process, asked anew; none if the store knows of none.
    ///
    /// # Errors
    /// Why the store, which should know, does not say.
    fn running(&self, _namespace: &Namespace) -> Result<Option<BTreeMap<String, u32>>, String> {
        Ok(None)
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
    pub lost: Vec<(Namespace, Digest)>,
    /// Blobs of which there is a file and no record in any namespace; none if not every namespace was listed.
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
    pub namespace: &'s Namespace,
    pub digest: &'s Digest,
    pub size: u64,
    /// Whether the store has labelled it as something that refers to other content.
    pub refers: bool,
}
