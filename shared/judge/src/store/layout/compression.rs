//! Decompresses streams, which are told by their first bytes. Their growth and the memory for decompression are bounded.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek as _};

use assay_verifier::file_form::FileForm;
use assay_verifier::limits;
use flate2::read::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::error::ArchiveError;

/// How a file is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// A plain tar.
    None,
    /// gzip, RFC 1952.
    Gzip,
    /// Zstandard, RFC 8878.
    Zstd,
}

impl Compression {
    /// How the tar in `file` is packed. The file is at its beginning again afterwards.
    ///
    /// # Errors
    /// [`ArchiveError::NotAnArchive`]; [`ArchiveError::Damaged`] if the file cannot be read.
    pub fn detect_in(file: &mut File) -> Result<Self, ArchiveError> {
        let mut head = Vec::new();
        Read::by_ref(file).take(FORM).read_to_end(&mut head)?;
        file.rewind()?;
        Self::detect(&head).ok_or_else(|| ArchiveError::NotAnArchive(FileForm::detect(&head)))
    }

    /// Tells the packing by the first `HEAD` bytes of a file; none if they are of no kind that is read.
    pub fn detect(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            // a frame, or a frame to be skipped, as parallel compressors write first
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            _ if is_tar(head) => Some(Self::None),
            _ => None,
        }
    }
}

/// Bytes of a file that tell its packing: a tar's first header.
pub(super) const HEAD: u64 = 512;

/// Bytes of a file that tell what else it is: a whole certificate or manifest.
const FORM: u64 = 64 << 10;

/// Whether a tar begins like that: with a header of any age, or with the zeros that end it.
fn is_tar(head: &[u8]) -> bool {
    let Some(block) = head.first_chunk::<512>() else { return false };
    let header = tar::Header::from_byte_slice(block);
    let sum = |bytes: &[u8]| bytes.iter().copied().map(u32::from).sum::<u32>();
    let is_right = |right| sum(block) - sum(&header.as_old().cksum) + 8 * u32::from(b' ') == right;
    block[257..262] == *b"ustar" || sum(block) == 0 || header.cksum().is_ok_and(is_right)
}

/// How much larger than itself a compressed archive may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// As much as a real layout: [`limits::ARCHIVE_RATIO`].
    Plausible,
    /// Any size: the caller knows it before it reads.
    Any,
}

/// The content of a file or stream that is packed that way.
pub fn decompressed<'r>(
    packed: impl Read + Send + 'r,
    compression: Compression,
) -> Box<dyn Read + Send + 'r> {
    decompressed_within(packed, compression, limits::ZSTD_WINDOW_BYTES)
}

/// The same with another bound on Zstandard's window, in bytes. If that is too small, the error's kind is
/// [`io::ErrorKind::OutOfMemory`].
pub fn decompressed_within<'r>(
    packed: impl Read + Send + 'r,
    compression: Compression,
    window: u64,
) -> Box<dyn Read + Send + 'r> {
    let packed = BufReader::new(packed);
    match compression {
        Compression::None => Box::new(packed),
        Compression::Gzip => Box::new(MultiGzDecoder::new(packed)),
        Compression::Zstd => Box::new(Zstd::new(packed, window)),
    }
}

/// Refuses to read on once a stream has become implausibly larger than the `packed` bytes that it came from.
pub(super) struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R> Bounded<R> {
    pub(super) fn new(inner: R, packed: u64) -> Self {
        let left = packed.saturating_mul(limits::ARCHIVE_RATIO).saturating_add(limits::ARCHIVE_FREE_BYTES);
        Self { inner, left }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.left.checked_sub(u64::try_from(read).unwrap_or(u64::MAX)) {
            Some(left) => self.left = left,
            None => {
                return Err(io::Error::other(
                    "decompresses to an implausible size; decompress it with gzip -d or zstd -d, and use the tar",
                ));
            }
        }
        Ok(read)
    }
}

/// The content of Zstandard frames, one after the other, RFC 8878; skippable frames are skipped.
struct Zstd<R> {
    source: R,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: BufRead> Zstd<R> {
    fn new(source: R, window: u64) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(window);
        Self { source, decoder, in_frame: false }
    }

    /// Begins the next frame that holds content; false at the end.
    fn next_frame(&mut self) -> io::Result<bool> {
        loop {
            if self.source.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.decoder.reset(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    if io::copy(&mut self.source.by_ref().take(length), &mut io::sink())? != length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(FrameDecoderError::WindowSizeTooBig { requested, max }) => {
                    let why = format!(
                        "needs a window of {requested} bytes to be decompressed, and {max} are the most; decompress it with \
                         zstd -d and use the tar, or compress it again without --long and --ultra"
                    );
                    return Err(io::Error::new(io::ErrorKind::OutOfMemory, why));
                }
                Err(error) => return Err(failed(&error)),
            }
        }
    }
}

/// An error of the decoder; of the kind for an early end if the source ends too early.
fn failed(error: &FrameDecoderError) -> io::Error {
    let ends = |cause: &(dyn Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof)
    };
    let mut kind = io::ErrorKind::Other;
    let mut cause = error.source();
    while let Some(error) = cause {
        if ends(error) {
            kind = io::ErrorKind::UnexpectedEof;
        }
        cause = error.source();
    }
    io::Error::new(kind, error.to_string())
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.in_frame {
                if !self.next_frame()? {
                    return Ok(0);
                }
                self.in_frame = true;
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBytes(buffer.len()))
                    .map_err(|error| failed(&error))?;
            }
            match self.decoder.read(buffer)? {
                0 => self.in_frame = false,
                read => return Ok(read),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    #[test]
    fn packings_are_told_by_magic() {
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        assert_eq!(Compression::detect(&tar), Some(Compression::None));
        assert_eq!(Compression::detect(&[0x1f, 0x8b, 8]), Some(Compression::Gzip));
        assert_eq!(Compression::detect(&[0x28, 0xb5, 0x2f, 0xfd, 0]), Some(Compression::Zstd));
        assert_eq!(Compression::detect(&[0x5e, 0x2a, 0x4d, 0x18]), Some(Compression::Zstd));
        assert_eq!(Compression::detect(b"PK\x03\x04"), None);
        assert_eq!(Compression::detect(b""), None);
    }

    #[test]
    fn zstd_reads_all_frames_and_skips_the_skippable() {
        let text = b"one frame after the other ".repeat(20_000);
        let frame = compress_to_vec(&text[..], CompressionLevel::Fastest);
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"any"].concat();
        let stream = [&skippable[..], &frame, &skippable, &frame].concat();
        let mut read = Vec::new();
        Zstd::new(&stream[..], limits::ZSTD_WINDOW_BYTES).read_to_end(&mut read).unwrap();
        assert!(read == [&text[..], &text].concat());
    }

    #[test]
    fn cut_zstd_is_an_error() {
        let frame = compress_to_vec(&b"some text that is cut".repeat(100)[..], CompressionLevel::Fastest);
        for length in 1..frame.len() {
            let cut = Zstd::new(&frame[..length], limits::ZSTD_WINDOW_BYTES)
                .read_to_end(&mut Vec::new())
                .unwrap_err();
            assert_eq!(cut.kind(), io::ErrorKind::UnexpectedEof, "{length}");
        }
    }

    /// A frame of one block, with that window.
    fn frame(window: u8, block: &[u8]) -> Vec<u8> {
        let header = (u32::try_from(block.len()).unwrap() << 3 | 2 << 1 | 1).to_le_bytes();
        [&[0x28, 0xb5, 0x2f, 0xfd, 0, window][..], &header[..3], block].concat()
    }

    /// No bytes: no literals and no sequences.
    const EMPTY: &[u8] = &[0, 0];

    #[test]
    fn windows_are_bounded_in_every_frame() {
        let most = u8::try_from(limits::ZSTD_WINDOW_BYTES.ilog2() - 10).unwrap() << 3;
        let read = |stream: &[u8]| Zstd::new(stream, limits::ZSTD_WINDOW_BYTES).read_to_end(&mut Vec::new());
        assert_eq!(read(&frame(most, EMPTY)).unwrap(), 0);
        assert_eq!(read(&frame(most, EMPTY).repeat(3)).unwrap(), 0);
        // A frame in one segment has its own size as its window.
        let whole =
            [&[0x28, 0xb5, 0x2f, 0xfd, 0xe0][..], &(limits::ZSTD_WINDOW_BYTES + 1).to_le_bytes()].concat();
        for over in [frame(most + 1, EMPTY), frame(0xff, EMPTY), whole] {
            assert!(read(&over).is_err());
            assert!(read(&[frame(most, EMPTY), over].concat()).is_err());
        }
    }

    /// Sixty matches of the longest kind, in 130 bytes: a block has 128 KiB at most.
    #[test]
    fn blocks_are_bounded() {
        let repeated = [&[0x28, 0xb5, 0x2f, 0xfd, 0, 0x38, 10 << 3 | 1 << 1, 0, 0, b'a'][..]].concat();
        let block = |matches: u8, bits: &[u8]| {
            // no literals; each code stands once: no literal before a match, the second last offset, the longest matches
            let block = [&[0, matches, 0x54, 0, 0, 52][..], bits, &[1]].concat();
            let frame = frame(0x38, &block);
            [&repeated, &frame[6..]].concat()
        };
        let read = |stream: &[u8]| Zstd::new(stream, limits::ZSTD_WINDOW_BYTES).read_to_end(&mut Vec::new());
        assert_eq!(read(&block(1, &[0, 0])).unwrap(), 10 + 65_539);
        assert!(read(&block(60, &[0xff; 120])).is_err());
    }

    #[test]
    fn growth_is_bounded() {
        let allowed = limits::ARCHIVE_RATIO + limits::ARCHIVE_FREE_BYTES;
        let mut inside = Bounded::new(io::repeat(0).take(allowed), 1);
        assert_eq!(io::copy(&mut inside, &mut io::sink()).unwrap(), allowed);
        let mut over = Bounded::new(io::repeat(0).take(allowed + 1), 1);
        assert!(io::copy(&mut over, &mut io::sink()).is_err());
    }
}
