//! Blobs: bytes by digest, hashed before they are believed.

use std::io::Read;

use assay_shared::oci::{Descriptor, Digest};

use super::Store;

/// A blob that was found; its bytes are not yet known to be what its digest says.
pub(crate) struct Blob<'s> {
    pub(crate) size: u64,
    pub(crate) content: BlobContent<'s>,
}

pub(crate) enum BlobContent<'s> {
    /// The bytes.
    Stream(Box<dyn Read + Send + 's>),
    /// What the bytes hashed to when they streamed by; they are no longer to be had.
    Hashed(Digest),
}

/// The true digest and size of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hashed {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

/// Why the bytes of a blob are not to be had or not to be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BlobError {
    #[error("is not in the store")]
    Absent,
    #[error("cannot be read: {why}")]
    Unreadable { why: String },
    #[error("is larger than the {limit} bytes that are read of such a blob")]
    TooLarge { limit: u64 },
    #[error("is {found} in the store")]
    Mismatch { found: String },
}

impl From<std::io::Error> for BlobError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::Absent,
            _ => Self::Unreadable { why: error.to_string() },
        }
    }
}

/// The bytes that `descriptor` names, which are small: read whole, and both size and digest checked.
///
/// # Errors
/// [`BlobError`]; [`BlobError::TooLarge`] by what the descriptor says, before anything is read.
pub(crate) fn fetch(
    store: &dyn Store,
    namespace: &str,
    descriptor: &Descriptor,
    limit: u64,
) -> Result<Vec<u8>, BlobError> {
    if descriptor.size > limit {
        return Err(BlobError::TooLarge { limit });
    }
    let bytes = read_unchecked(store, namespace, &descriptor.digest, limit)?;
    let found = descriptor.digest.algorithm().digest(&bytes);
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    check(descriptor, &Hashed { digest: found, size })?;
    Ok(bytes)
}

/// The bytes of a small blob, unchecked.
///
/// # Errors
/// [`BlobError`]; [`BlobError::TooLarge`] where there are more than `limit`.
pub(crate) fn read_unchecked(
    store: &dyn Store,
    namespace: &str,
    digest: &Digest,
    limit: u64,
) -> Result<Vec<u8>, BlobError> {
    let blob = store.open(namespace, digest)?;
    match blob.content {
        // an archive that was streamed keeps what is small or looks like a manifest or an envelope
        BlobContent::Hashed(found) if found != *digest => Err(mismatch(&found, blob.size)),
        BlobContent::Hashed(_) => Err(BlobError::TooLarge { limit }),
        _ if blob.size > limit => Err(BlobError::TooLarge { limit }),
        BlobContent::Stream(stream) => {
            let mut bytes = Vec::with_capacity(usize::try_from(blob.size).unwrap_or(0));
            stream.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
            let whole = u64::try_from(bytes.len()).unwrap_or(u64::MAX) <= limit;
            if whole { Ok(bytes) } else { Err(BlobError::TooLarge { limit }) }
        }
    }
}

/// What a blob of any size hashes to, read in pieces of `buffer`'s length.
///
/// # Errors
/// [`BlobError::Absent`] or [`BlobError::Unreadable`].
pub(crate) fn hash(
    store: &dyn Store,
    namespace: &str,
    digest: &Digest,
    buffer: &mut [u8],
) -> Result<Hashed, BlobError> {
    let blob = store.open(namespace, digest)?;
    match blob.content {
        BlobContent::Hashed(digest) => Ok(Hashed { digest, size: blob.size }),
        BlobContent::Stream(mut stream) => {
            let mut hasher = digest.algorithm().hasher();
            let mut size = 0_u64;
            loop {
                match stream.read(buffer) {
                    Ok(0) => return Ok(Hashed { digest: hasher.finish(), size }),
                    Ok(read) => {
                        hasher.update(&buffer[..read]);
                        size = size.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
}

/// Whether a blob is what `descriptor` says.
///
/// # Errors
/// [`BlobError::Mismatch`] with what it is instead.
pub(crate) fn check(descriptor: &Descriptor, found: &Hashed) -> Result<(), BlobError> {
    if found.digest == descriptor.digest && found.size == descriptor.size {
        Ok(())
    } else {
        Err(mismatch(&found.digest, found.size))
    }
}

fn mismatch(digest: &Digest, size: u64) -> BlobError {
    BlobError::Mismatch { found: format!("{digest}, {size} bytes") }
}
