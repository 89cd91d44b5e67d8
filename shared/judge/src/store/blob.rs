//! Blobs as a store hands them out, and why it may not.

use std::io::Read;

use assay_verifier::oci::Digest;

use crate::confinement::explain;

/// A blob that was found; its bytes are not yet known to be what its digest says.
pub struct Blob<'s> {
    pub size: u64,
    pub content: BlobContent<'s>,
}

pub enum BlobContent<'s> {
    /// The bytes.
    Stream(Box<dyn Read + Send + 's>),
    /// The digest of the bytes, which streamed by and cannot be read again.
    Hashed(Digest),
}

/// The true digest and size of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hashed {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

impl Hashed {
    /// The digest and size of `bytes`.
    pub(crate) fn sha256(bytes: &[u8]) -> Self {
        Self { digest: Digest::sha256(bytes), size: u64::try_from(bytes.len()).unwrap_or(u64::MAX) }
    }
}

/// Why the bytes of a blob cannot be read or believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    #[error("is not in the store")]
    Absent,
    #[error("cannot be read: {why}")]
    Unreadable { why: String },
    #[error("is larger than the {limit} bytes that are read of such a blob")]
    TooLarge { limit: u64 },
    #[error("is {found} in the store")]
    Mismatch { found: String },
}

impl BlobError {
    /// The error for a blob that the store lists: it was not discarded, so its absence makes it unreadable.
    pub fn of_listed(self) -> Self {
        match self {
            Self::Absent => Self::Unreadable { why: "the store lists it, and it is gone".to_owned() },
            other => other,
        }
    }
}

impl From<std::io::Error> for BlobError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::Absent,
            _ => Self::Unreadable { why: explain(&error) },
        }
    }
}
