//! A store in memory, for tests.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use assay_report::Namespace;
use assay_verifier::oci::{Descriptor, Digest};

use super::{Blob, BlobContent, BlobError, Listing, Manifests, Store};

/// A store whose blobs are named by the digest that they are found under.
#[derive(Default)]
pub struct Memory {
    pub blobs: HashMap<Digest, Vec<u8>>,
    pub unreadable: HashSet<Digest>,
    pub listing: Listing,
    pub opened: Mutex<Vec<Digest>>,
}

impl Memory {
    pub fn put(&mut self, media_type: &str, content: &[u8]) -> Descriptor {
        let digest = Digest::sha256(content);
        self.blobs.insert(digest.clone(), content.to_vec());
        Descriptor::new(media_type, digest, content.len() as u64)
    }
}

impl Store for Memory {
    fn listing(&self) -> &Listing {
        &self.listing
    }

    fn open(&self, _: Option<&Namespace>, digest: &Digest) -> Result<Blob<'_>, BlobError> {
        if self.unreadable.contains(digest) {
            return Err(BlobError::Unreadable { why: "no permission".into() });
        }
        let content = self.blobs.get(digest).ok_or(BlobError::Absent)?;
        self.opened.lock().unwrap().push(digest.clone());
        Ok(Blob { size: content.len() as u64, content: BlobContent::Stream(Box::new(&content[..])) })
    }

    fn has(&self, _: Option<&Namespace>, digest: &Digest) -> bool {
        self.blobs.contains_key(digest)
    }

    fn manifests(&self) -> Manifests<'_> {
        Manifests::Roots(&[])
    }
}
