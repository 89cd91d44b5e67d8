//! Writes files whole or not at all: a file is written beside its place and then moved there.

use std::io::{self, Write as _};
use std::path::Path;

use assay_judge::replacement::Replacement;

/// Writes a file. One that is there is replaced.
///
/// # Errors
/// [`io::Error`]; then a file that was there is unchanged.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = Replacement::open(path)?;
    file.write_all(bytes)?;
    put(file)
}

/// Puts a file in its place once its content is on the disk.
///
/// # Errors
/// [`io::Error`]; then a file that was there is unchanged.
pub(crate) fn put(mut file: Replacement) -> io::Result<()> {
    file.sync()?;
    file.put()
}
