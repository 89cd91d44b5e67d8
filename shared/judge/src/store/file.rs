//! Reads at an offset of a file without moving its position, so that many threads may read at once.

use std::fs::File;
use std::io;

/// Reads from the byte at `offset` on, as [`std::io::Read::read`] does.
///
/// # Errors
/// What the operating system says.
#[cfg(unix)]
pub fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

/// Reads from the byte at `offset` on, as [`std::io::Read::read`] does.
///
/// # Errors
/// What the operating system says.
#[cfg(windows)]
pub fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}
