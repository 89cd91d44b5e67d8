//! Reads blobs and hashes them before they are believed.

use std::io::Read as _;

use assay_report::Namespace;
use assay_report::words::count;
use assay_verifier::json;
use assay_verifier::limits;
use assay_verifier::oci::{Descriptor, Digest};

use super::blob::{BlobContent, BlobError};
use super::image_store::Store;

/// The bytes that `descriptor` names, which are small: read whole, and both size and digest checked.
///
/// # Errors
/// [`BlobError`]; [`BlobError::TooLarge`] by what the descriptor says, before anything is read.
pub fn fetch(
    store: &dyn Store,
    namespace: Option<&Namespace>,
    descriptor: &Descriptor,
    limit: u64,
) -> Result<Vec<u8>, BlobError> {
    if descriptor.size > limit {
        return Err(BlobError::TooLarge { limit });
    }
    let blob = store.open(namespace, &descriptor.digest)?;
    let stream = match blob.content {
        BlobContent::Stream(stream) => stream,
        // an archive that was streamed keeps what is small or looks like a manifest or an envelope
        BlobContent::Hashed(found) => {
            compare(&descriptor.digest, descriptor.size, &found, blob.size)?;
            return Err(BlobError::TooLarge { limit });
        }
    };
    same_size(descriptor.size, blob.size)?;
    let mut bytes = Vec::with_capacity(usize::try_from(blob.size).unwrap_or(0));
    stream.take(descriptor.size.saturating_add(1)).read_to_end(&mut bytes)?;
    let found = descriptor.digest.algorithm().digest(&bytes);
    compare(&descriptor.digest, descriptor.size, &found, u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
    Ok(bytes)
}

/// The bytes of a small blob, unchecked.
///
/// # Errors
/// [`BlobError`]; [`BlobError::TooLarge`] if there are more than `limit`.
pub fn read_unchecked(
    store: &dyn Store,
    namespace: Option<&Namespace>,
    digest: &Digest,
    limit: u64,
) -> Result<Vec<u8>, BlobError> {
    let blob = store.open(namespace, digest)?;
    match blob.content {
        BlobContent::Hashed(found) if found != *digest => {
            Err(BlobError::Mismatch { found: found.to_string() })
        }
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

/// Whether a blob of unknown type may be a manifest: it is a JSON object, or it cannot be read.
pub fn may_be_manifest(store: &dyn Store, namespace: Option<&Namespace>, digest: &Digest) -> bool {
    match read_unchecked(store, namespace, digest, limits::MANIFEST_BYTES) {
        Ok(bytes) => json::is_object(&bytes),
        // no manifest is so large
        Err(BlobError::TooLarge { .. }) => false,
        Err(_) => true,
    }
}

/// Whether a blob has this digest and `expected` bytes, read in pieces of `buffer`'s length. A blob of another size is not
/// read at all, and none is read further than one byte past its size: one that grows has an end all the same.
///
/// # Errors
/// [`BlobError`] if it is not, or if it cannot be read.
pub fn verify(
    store: &dyn Store,
    namespace: Option<&Namespace>,
    digest: &Digest,
    expected: u64,
    buffer: &mut [u8],
) -> Result<(), BlobError> {
    let blob = store.open(namespace, digest)?;
    let stream = match blob.content {
        BlobContent::Stream(stream) => stream,
        BlobContent::Hashed(found) => return compare(digest, expected, &found, blob.size),
    };
    same_size(expected, blob.size)?;
    let mut stream = stream.take(expected.saturating_add(1));
    let mut hasher = digest.algorithm().hasher();
    let mut size = 0_u64;
    loop {
        match stream.read(buffer) {
            Ok(0) => return compare(digest, expected, &hasher.finish(), size),
            Ok(read) => {
                hasher.update(&buffer[..read]);
                size = size.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn compare(digest: &Digest, size: u64, found: &Digest, found_size: u64) -> Result<(), BlobError> {
    same_size(size, found_size)?;
    if found == digest { Ok(()) } else { Err(BlobError::Mismatch { found: found.to_string() }) }
}

/// Said in the same words however much of a blob was read: a store may know its size beforehand or not.
fn same_size(expected: u64, found: u64) -> Result<(), BlobError> {
    match found.cmp(&expected) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => {
            Err(BlobError::Mismatch { found: format!("{} instead of {expected}", count(found, "byte")) })
        }
        std::cmp::Ordering::Greater => {
            Err(BlobError::Mismatch { found: format!("more than {}", count(expected, "byte")) })
        }
    }
}
