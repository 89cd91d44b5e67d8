//! An image that is about to be pulled as a store: its name and its descriptor, and no byte of it yet.

use assay_report::Namespace;
use assay_verifier::oci::{Descriptor, Digest};

use super::{Blob, BlobError, Listing, Manifests, Record, Store};

/// A store of one record and no blobs.
pub struct Pulled {
    listing: Listing,
}

impl Pulled {
    /// The image `target`, pulled by that name.
    pub fn new(name: &str, target: Descriptor) -> Self {
        // containerd does not say for which of its namespaces it pulls
        let record = Record::new(None, name, target);
        Self { listing: Listing { records: vec![record], ..Listing::default() } }
    }
}

impl Store for Pulled {
    fn listing(&self) -> &Listing {
        &self.listing
    }

    fn open(&self, _: Option<&Namespace>, _: &Digest) -> Result<Blob<'_>, BlobError> {
        Err(BlobError::Absent)
    }

    /// Anything that an index lists may come with it: the client chooses the platforms and does not tell.
    fn has(&self, _: Option<&Namespace>, _: &Digest) -> bool {
        true
    }

    fn manifests(&self) -> Manifests<'_> {
        Manifests::Roots(&[])
    }
}
