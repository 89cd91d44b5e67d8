//! Compressed streams, told by their first bytes, bounded in how much larger than themselves they may become.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek as _};

use assay_shared::limits;
use flate2::read::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The tar that a file is, however it is packed, bounded in what it may become; none where it is no archive.
///
/// # Errors
/// [`io::Error`] where the file cannot be read.
pub fn unpacked(mut file: File) -> io::Result<Option<Box<dyn Read + Send>>> {
    let packed = file.metadata()?.len();
    let mut head = Vec::new();
    Read::by_ref(&mut file).take(512).read_to_end(&mut head)?;
    file.rewind()?;
    let file = BufReader::new(file);
    Ok(Packing::of(&head).map(|packing| -> Box<dyn Read + Send> {
        match packing {
            Packing::Tar => Box::new(file),
            Packing::Gzip => Box::new(Bounded::new(MultiGzDecoder::new(file), packed)),
            Packing::Zstd => Box::new(Bounded::new(Zstd::new(file), packed)),
        }
    }))
}

/// How a file is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Tar,
    Gzip,
    Zstd,
}

impl Packing {
    /// Tells the packing by the first bytes of a file; none where they are of no kind that is read.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            // a frame, or a frame to be skipped, as parallel compressors write first
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            _ if head.get(257..262) == Some(b"ustar") => Some(Self::Tar),
            _ => None,
        }
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
            None => return Err(io::Error::other("decompresses to an implausible size")),
        }
        Ok(read)
    }
}

/// The content of Zstandard frames, one after the other, RFC 8878; skippable frames are skipped.
pub(super) struct Zstd<R> {
    source: R,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: BufRead> Zstd<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, decoder: FrameDecoder::new(), in_frame: false }
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
                Err(error) => return Err(io::Error::other(error.to_string())),
            }
        }
    }
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
                    .map_err(|error| io::Error::other(error.to_string()))?;
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
        assert_eq!(Packing::of(&tar), Some(Packing::Tar));
        assert_eq!(Packing::of(&[0x1f, 0x8b, 8]), Some(Packing::Gzip));
        assert_eq!(Packing::of(&[0x28, 0xb5, 0x2f, 0xfd, 0]), Some(Packing::Zstd));
        assert_eq!(Packing::of(&[0x5e, 0x2a, 0x4d, 0x18]), Some(Packing::Zstd));
        assert_eq!(Packing::of(b"PK\x03\x04"), None);
        assert_eq!(Packing::of(b""), None);
    }

    #[test]
    fn zstd_reads_all_frames_and_skips_the_skippable() {
        let text = b"one frame after the other ".repeat(20_000);
        let frame = compress_to_vec(&text[..], CompressionLevel::Fastest);
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"any"].concat();
        let stream = [&skippable[..], &frame, &skippable, &frame].concat();
        let mut read = Vec::new();
        Zstd::new(&stream[..]).read_to_end(&mut read).unwrap();
        assert!(read == [&text[..], &text].concat());
    }

    #[test]
    fn cut_zstd_is_an_error() {
        let frame = compress_to_vec(&b"some text that is cut".repeat(100)[..], CompressionLevel::Fastest);
        for length in 1..frame.len() {
            assert!(Zstd::new(&frame[..length]).read_to_end(&mut Vec::new()).is_err(), "{length}");
        }
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
