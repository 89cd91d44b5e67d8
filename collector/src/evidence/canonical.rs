//! Checks that a file of evidence is, byte for byte, what packing its members gives.
//!
//! A tar has one form. A compressed tar has the same bytes for as long as the compressors stay the same ([`COMPRESSOR_VERSION`]). A file that
//! was compressed by other compressors must have what every packer wrote: one gzip member or Zstandard frames with its header,
//! nothing between them and nothing after them.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::path::Path;

use assay_judge::store::members::{self, Compression};
use flate2::bufread::GzDecoder;

use super::error::UnpackError;
use crate::bundle::{COMPRESSOR_VERSION, Packing};
use crate::transport::Input;

/// The header of every gzip member that a packer wrote: deflate, without name, time or system.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// The header of every Zstandard frame that a packer wrote: a window, without size, checksum or dictionary.
const ZSTD_HEADER: [u8; 6] = [0x28, 0xb5, 0x2f, 0xfd, 0, 0x38];

/// Checks the file at `path` against the tar of its members. `form` is the form of the compressors that the file names.
///
/// # Errors
/// [`UnpackError::OtherBytes`] if a byte differs; other errors if one cannot be read.
pub(super) fn check(path: &Path, tar: &Input, form: u32) -> Result<(), UnpackError> {
    let mut file = File::open(path)?;
    let compression = Compression::detect_in(&mut file)?;
    let packing = match compression {
        Compression::None => Packing::Tar,
        Compression::Gzip => Packing::Gzip,
        Compression::Zstd => Packing::Zstd,
    };
    if packing == Packing::Tar || form == COMPRESSOR_VERSION {
        return compare(packing, tar, BufReader::new(file));
    }
    let is_ours = match compression {
        Compression::Gzip => is_one_gzip_member(BufReader::new(File::open(path)?)),
        _ => are_zstd_frames(BufReader::new(File::open(path)?)),
    };
    if !is_ours? {
        return Err(UnpackError::OtherBytes);
    }
    compare(Packing::Tar, tar, members::decompressed(file, compression))
}

/// Checks that packing the tar gives exactly the bytes of `file`.
fn compare(packing: Packing, tar: &Input, file: impl Read) -> Result<(), UnpackError> {
    let mut comparer = Comparer { file, buffer: Vec::new(), differs: false };
    packing.write_to(tar, &mut comparer)?;
    let Comparer { mut file, differs, .. } = comparer;
    if differs || file.read(&mut [0])? != 0 { Err(UnpackError::OtherBytes) } else { Ok(()) }
}

/// A writer that compares what is written to it with a file.
struct Comparer<R> {
    file: R,
    buffer: Vec<u8>,
    differs: bool,
}

impl<R: Read> Write for Comparer<R> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.differs {
            self.buffer.resize(bytes.len(), 0);
            match self.file.read_exact(&mut self.buffer) {
                Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
                read => self.differs = read.is_err() || self.buffer != bytes,
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_one_gzip_member(mut file: BufReader<File>) -> io::Result<bool> {
    if !file.fill_buf()?.starts_with(&GZIP_HEADER) {
        return Ok(false);
    }
    let mut member = GzDecoder::new(file);
    io::copy(&mut member, &mut io::sink())?;
    Ok(member.into_inner().fill_buf()?.is_empty())
}

/// RFC 8878, 3.1.1: the headers of frames and of the blocks in them.
fn are_zstd_frames(mut file: BufReader<File>) -> io::Result<bool> {
    while !file.fill_buf()?.is_empty() {
        let mut header = [0; ZSTD_HEADER.len()];
        file.read_exact(&mut header)?;
        if header != ZSTD_HEADER {
            return Ok(false);
        }
        let mut is_last = false;
        while !is_last {
            let mut block = [0; 4];
            file.read_exact(&mut block[..3])?;
            let block = u32::from_le_bytes(block);
            is_last = block & 1 == 1;
            // a block of one repeated byte stores that byte once
            let size = if block >> 1 & 3 == 1 { 1 } else { u64::from(block >> 3) };
            if io::copy(&mut (&mut file).take(size), &mut io::sink())? != size {
                return Ok(false);
            }
        }
    }
    Ok(true)
}
