//! Reads a layer's tar once, from front to back.
//!
//! The tar may be plain, gzip or Zstandard. Both of its digests are checked: that of the blob, which the manifest names, and
//! that of the tar, which the config names as `diff_id`. Nothing that was read counts before both are right.

use std::io::{self, BufReader, Read};

use assay_verifier::limits;
use assay_verifier::oci::{Descriptor, Digest};

use super::entries::{BUFFER_BYTES, Content, entries};
use super::error::LayerError;
use super::hashed::Hashed;
use super::member::Member;
use super::take::TakeEntries;
use crate::store::members::{Compression, decompressed_within};

/// Reads the layer that `stream` should be, and hands every entry to `take` in the order of the tar. A file's content is its
/// digest by then.
///
/// # Errors
/// [`LayerError`] as `E`; what `take` refuses. What was taken is then of no use.
pub fn read<E: From<LayerError>>(
    stream: impl Read + Send,
    descriptor: &Descriptor,
    diff_id: &Digest,
    mut take: impl FnMut(&Member) -> Result<(), E>,
) -> Result<(), E> {
    let window = limits::ZSTD_WINDOW_BYTES;
    read_within(stream, descriptor, diff_id, window, &mut |member: &Member, _: &[u8]| take(member))
        .map(|_| ())
}

/// The same for any taker, with a bound on Zstandard's window, in bytes. Gives the number of entries.
///
/// # Errors
/// As [`read`]; [`LayerError::Window`] if the layer needs a larger window.
pub fn read_within<T: TakeEntries>(
    stream: impl Read + Send,
    descriptor: &Descriptor,
    diff_id: &Digest,
    window: u64,
    taker: &mut T,
) -> Result<u64, T::Error> {
    // one byte more than there should be is enough to know that there are more
    let mut packed =
        Hashed::new(stream.take(descriptor.size.saturating_add(1)), descriptor.digest.algorithm());
    let taken = unpack(&mut packed, descriptor.size, diff_id, window, taker);
    // of a blob that is not the signed one, it matters little what is in it
    io::copy(&mut packed, &mut io::sink()).map_err(LayerError::from)?;
    let (found, size) = packed.finish();
    if found != descriptor.digest || size != descriptor.size {
        return Err(LayerError::Blob { expected: descriptor.digest.clone(), found }.into());
    }
    taken
}

/// `size` is that of the blob.
fn unpack<T: TakeEntries>(
    packed: &mut (impl Read + Send),
    size: u64,
    diff_id: &Digest,
    window: u64,
    taker: &mut T,
) -> Result<u64, T::Error> {
    let mut head = Vec::new();
    packed.by_ref().take(MAGIC).read_to_end(&mut head).map_err(LayerError::from)?;
    // what is not compressed is a tar, whatever it begins with
    let compression = Compression::detect(&head).unwrap_or(Compression::None);
    let content = decompressed_within(io::Cursor::new(head).chain(packed), compression, window);
    // headers are short, and a call of the decoder for each is dear
    let mut tar = Hashed::new(BufReader::with_capacity(BUFFER_BYTES, content), diff_id.algorithm());
    tar.most = size.saturating_mul(limits::LAYER_RATIO).saturating_add(limits::LAYER_FREE_BYTES);
    let count = entries(&mut tar, Content::Bytes, taker)?;
    // what follows the end of the tar is part of its digest
    io::copy(&mut tar, &mut io::sink()).map_err(LayerError::from)?;
    match tar.finish() {
        (found, _) if found == *diff_id => Ok(count),
        (found, _) => Err(LayerError::DiffId { expected: diff_id.clone(), found }.into()),
    }
}

/// Bytes that tell how a layer is packed.
const MAGIC: u64 = 4;
