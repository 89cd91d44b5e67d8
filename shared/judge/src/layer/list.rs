//! Writes and reads the list of a layer's files, from which the layer's entries are read without the layer.
//!
//! A list is the layer's tar in which the 32 bytes of each file's SHA-256 stand in place of its content and padding. Headers are
//! those of the tar, byte for byte, so that a list and its layer are read by the same code and mean the same. Before the first
//! header is a line, `assay/layer-files/v1 LAYER DIFF_ID`, with the digests of the blob and of the tar. After the last entry are two
//! blocks of zeros and the number of entries in eight bytes, the highest first. All of it is one gzip member without a time, so
//! that equal layers give equal lists.

use std::io::{self, Read, Write};

use assay_report::bundle::CarriedLayerFiles;
use assay_verifier::limits;
use assay_verifier::oci::{Descriptor, Digest, DigestAlgorithm};
use flate2::{Compression, GzBuilder};

use super::entries::{Content, entries};
use super::error::{LayerError, damaged};
use super::hashed::Hashed;
use super::member::{Kind, Member, MemberKind};
use super::read::read_within;
use crate::store::members::{self, decompressed};

/// Writes the list of the layer that `stream` should be, and gives the number of its entries.
///
/// # Errors
/// [`ListError`]; what was written is then of no use.
pub fn write_list(
    stream: impl Read + Send,
    layer: &Descriptor,
    diff_id: &Digest,
    out: &mut dyn Write,
) -> Result<u64, ListError> {
    write_within(stream, layer, diff_id, out, limits::LAYER_LIST_BYTES)
}

fn write_within(
    stream: impl Read + Send,
    layer: &Descriptor,
    diff_id: &Digest,
    out: &mut dyn Write,
    most: u64,
) -> Result<u64, ListError> {
    let out = Bounded { inner: out, left: most };
    let mut packed = GzBuilder::new().mtime(0).write(out, Compression::default());
    packed.write_all(format!("{VERSION} {} {diff_id}\n", layer.digest).as_bytes())?;
    let mut write = |member: &Member, headers: &[u8]| -> Result<(), ListError> {
        packed.write_all(headers)?;
        if let MemberKind::Plain(Kind::File { content, .. }) = &member.kind {
            packed.write_all(&content.0)?;
        }
        Ok(())
    };
    let count = read_within(stream, layer, diff_id, limits::ZSTD_WINDOW_BYTES, &mut write)?;
    packed.write_all(&[0; END])?;
    packed.write_all(&count.to_be_bytes())?;
    packed.finish()?;
    Ok(count)
}

/// Reads the list that `stream` should be, and hands every entry of the layer to `take` in the order of the tar.
///
/// # Errors
/// [`LayerError`] as `E`; what `take` refuses. What was taken is then of no use.
pub fn read_list<E: From<LayerError>>(
    stream: impl Read + Send,
    list: &CarriedLayerFiles,
    take: impl FnMut(&Member) -> Result<(), E>,
) -> Result<(), E> {
    if list.size > limits::LAYER_LIST_BYTES {
        return Err(LayerError::Grows.into());
    }
    // one byte more than there should be is enough to know that there are more
    let mut packed = Hashed::new(stream.take(list.size.saturating_add(1)), list.list.algorithm());
    let taken = unpack(&mut packed, list, take);
    io::copy(&mut packed, &mut io::sink()).map_err(LayerError::from)?;
    let (found, size) = packed.finish();
    if found != list.list || size != list.size {
        return Err(LayerError::Blob { expected: list.list.clone(), found }.into());
    }
    taken
}

fn unpack<E: From<LayerError>>(
    packed: &mut (impl Read + Send),
    list: &CarriedLayerFiles,
    mut take: impl FnMut(&Member) -> Result<(), E>,
) -> Result<(), E> {
    let content = decompressed(packed, members::Compression::Gzip);
    let mut content = Hashed::new(content, DigestAlgorithm::Sha256);
    content.most = list.size.saturating_mul(limits::LAYER_RATIO).saturating_add(limits::LAYER_FREE_BYTES);
    check_head(&first_line(&mut content)?, list)?;
    let count = entries(&mut content, Content::Digest, &mut |member: &Member, _: &[u8]| take(member))?;
    let mut end = [0; 8];
    let is_whole = content.fill(&mut end)? && u64::from_be_bytes(end) == count && list.entries == count;
    let more = io::copy(&mut content, &mut io::sink()).map_err(LayerError::from)?;
    if is_whole && more == 0 {
        Ok(())
    } else {
        Err(damaged("the list has not the entries that it counts").into())
    }
}

fn first_line(content: &mut Hashed<impl Read>) -> Result<Vec<u8>, LayerError> {
    let mut line = Vec::new();
    let mut byte = [0];
    while content.fill(&mut byte)? {
        match byte {
            [b'\n'] => return Ok(line),
            _ if line.len() >= HEAD => break,
            [byte] => line.push(byte),
        }
    }
    Err(damaged("the list has no first line"))
}

fn check_head(line: &[u8], list: &CarriedLayerFiles) -> Result<(), LayerError> {
    let line = std::str::from_utf8(line).map_err(|_| damaged("the first line of the list is not text"))?;
    let mut words = line.splitn(3, ' ').map(str::to_owned);
    let mut word = || words.next().unwrap_or_default();
    let (version, layer, diff_id) = (word(), word(), word());
    if version != VERSION {
        return Err(LayerError::Version(version));
    }
    if layer != list.layer.as_str() || diff_id != list.diff_id.as_str() {
        return Err(LayerError::OtherLayer { layer, diff_id });
    }
    Ok(())
}

/// A writer that takes so many bytes.
struct Bounded<'w> {
    inner: &'w mut dyn Write,
    left: u64,
}

impl Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        let left = self.left.checked_sub(u64::try_from(written).unwrap_or(u64::MAX));
        self.left = left.ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// What every list begins with.
const VERSION: &str = "assay/layer-files/v1";

/// Bytes of a first line: a version and two digests of the longest kind.
const HEAD: usize = 512;

/// Bytes of zeros that end a tar.
const END: usize = 1_024;

/// The list of a layer's files cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The layer cannot be read.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// The list takes more bytes than any real one.
    #[error(
        "the list of its files takes more than {} bytes; make the bundle without --rootfs",
        limits::LAYER_LIST_BYTES
    )]
    TooLarge,
    /// The list cannot be written.
    #[error("the list of its files cannot be written")]
    Write(#[source] io::Error),
}

impl From<io::Error> for ListError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::FileTooLarge => Self::TooLarge,
            _ => Self::Write(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A layer without entries, and its digest.
    fn empty() -> (Vec<u8>, Descriptor) {
        let tar = vec![0; END];
        let layer =
            Descriptor::new("application/vnd.oci.image.layer.v1.tar", Digest::sha256(&tar), END as u64);
        (tar, layer)
    }

    #[test]
    fn a_list_that_is_larger_than_any_real_one_is_not_made() {
        let (tar, layer) = empty();
        let write = |most| {
            let mut list = Vec::new();
            write_within(&*tar, &layer, &layer.digest, &mut list, most).map(|_| list)
        };
        let size = write(limits::LAYER_LIST_BYTES).unwrap().len() as u64;
        assert_eq!(write(size).unwrap().len() as u64, size);
        assert!(matches!(write(size - 1), Err(ListError::TooLarge)));
    }

    #[test]
    fn a_list_that_is_larger_than_any_real_one_is_not_read() {
        let (tar, layer) = empty();
        let mut bytes = Vec::new();
        let entries = write_list(&*tar, &layer, &layer.digest, &mut bytes).unwrap();
        let read = |size: u64| {
            let list = CarriedLayerFiles {
                layer: layer.digest.clone(),
                diff_id: layer.digest.clone(),
                list: Digest::sha256(&bytes),
                size,
                entries,
            };
            read_list(&*bytes, &list, |_| -> Result<(), LayerError> { Ok(()) })
        };
        assert!(read(bytes.len() as u64).is_ok());
        // within the bound, it is read to its end, which is too early
        assert!(matches!(read(limits::LAYER_LIST_BYTES), Err(LayerError::Blob { .. })));
        assert!(matches!(read(limits::LAYER_LIST_BYTES + 1), Err(LayerError::Grows)));
    }
}
