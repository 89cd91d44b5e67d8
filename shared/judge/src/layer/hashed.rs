//! Hashes a stream as it is read, and bounds it.

use std::io::{self, Read};

use assay_verifier::oci::{Digest, DigestAlgorithm, Hasher};

use super::error::{LayerError, damaged};

/// A reader that hashes what goes through it.
pub(super) struct Hashed<R> {
    inner: R,
    hasher: Hasher,
    size: u64,
    /// The most bytes that it may give.
    pub(super) most: u64,
}

impl<R: Read> Hashed<R> {
    pub(super) fn new(inner: R, algorithm: DigestAlgorithm) -> Self {
        Self { inner, hasher: algorithm.hasher(), size: 0, most: u64::MAX }
    }

    pub(super) fn finish(self) -> (Digest, u64) {
        (self.hasher.finish(), self.size)
    }

    /// Gives the next `size` bytes to `take`, in pieces.
    pub(super) fn each(
        &mut self,
        mut size: u64,
        buffer: &mut [u8],
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), LayerError> {
        while size > 0 {
            let wanted = buffer.len().min(usize::try_from(size).unwrap_or(usize::MAX));
            match self.read(&mut buffer[..wanted]) {
                Ok(0) => return Err(damaged("it ends within an entry")),
                Ok(read) => {
                    take(&buffer[..read]);
                    size = size.saturating_sub(u64::try_from(read).unwrap_or(u64::MAX));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Counts the bytes of a hole, which the tar does not have, as if it gave them.
    pub(super) fn count_hole(&mut self, bytes: u64) -> Result<(), LayerError> {
        self.most = self.most.checked_sub(bytes).ok_or(LayerError::Grows)?;
        Ok(())
    }

    /// Passes over what fills the last block of an entry.
    pub(super) fn pad(&mut self, size: u64) -> Result<(), LayerError> {
        self.each(size.wrapping_neg() % BLOCK, &mut [0; 512], |_| {})
    }

    /// Fills the buffer; false if nothing more is there.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> Result<bool, LayerError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read(&mut buffer[filled..]) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => return Err(damaged("it ends within a header")),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        self.size = self.size.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        if self.size > self.most { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(read) }
    }
}

/// Bytes of a block of a tar.
pub(super) const BLOCK: u64 = 512;
