//! A finished folder into the output: moved as it is, or in a tar, plain or compressed. Equal folders give equal bytes.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use flate2::{Compression, GzBuilder, write::GzEncoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use crate::ssh::Input;
use crate::visit::archive::{self, Archive, ArchiveError};

/// What the output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// A folder.
    Folder,
    /// `.tar`
    Tar,
    /// `.tar.gz`, `.tgz`
    Gzip,
    /// `.tar.zst`, `.tzst`
    Zstd,
}

impl Packing {
    /// What a path's name asks for.
    pub fn of(path: &Path) -> Self {
        let name =
            path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
        if ends(&[".tar"]) {
            Self::Tar
        } else if ends(&[".tar.gz", ".tgz"]) {
            Self::Gzip
        } else if ends(&[".tar.zst", ".tzst"]) {
            Self::Zstd
        } else {
            Self::Folder
        }
    }

    /// Writes the files `names` of `folder`, in that order, as the new file `path`. A [`Packing::Folder`] is written by
    /// moving it.
    ///
    /// # Errors
    /// [`ArchiveError`] where a file cannot be read or written; then `path` may be there in part.
    pub(super) fn write(self, folder: &Path, names: &[String], path: &Path) -> Result<(), ArchiveError> {
        let mut packed = Archive::default();
        for name in names {
            packed.add(name, 0o644, &archive::file(&folder.join(name))?)?;
        }
        self.pack(&packed.finish(), path)
    }

    /// Writes a tar as the new file `path`.
    ///
    /// # Errors
    /// [`ArchiveError`] where a file in it cannot be read or `path` written; then `path` may be there in part.
    pub(crate) fn pack(self, tar: &Input, path: &Path) -> Result<(), ArchiveError> {
        let failed = |source| ArchiveError::Unreadable { path: path.to_owned(), source };
        let mut sink = Sink::new(self, File::create_new(path).map_err(failed)?);
        let mut written = Ok(());
        tar.read(|bytes| {
            if written.is_ok() {
                written = sink.write_all(bytes);
            }
        })
        .map_err(failed)?;
        written.and_then(|()| sink.finish()).map_err(failed)
    }
}

/// Where a tar goes.
enum Sink {
    Plain(File),
    Gzip(Box<GzEncoder<File>>),
    Zstd { file: File, chunk: Vec<u8> },
}

/// Bytes of a Zstandard frame before compression. Frames stand one after the other, so that memory does not grow with the
/// bundle.
const FRAME: usize = 4 << 20;

impl Sink {
    fn new(packing: Packing, file: File) -> Self {
        match packing {
            Packing::Folder | Packing::Tar => Self::Plain(file),
            Packing::Gzip => {
                Self::Gzip(Box::new(GzBuilder::new().mtime(0).write(file, Compression::default())))
            }
            Packing::Zstd => Self::Zstd { file, chunk: Vec::with_capacity(FRAME) },
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.sync_all(),
            Self::Gzip(encoder) => encoder.finish()?.sync_all(),
            Self::Zstd { mut file, chunk } => {
                file.write_all(&compress_to_vec(&chunk[..], CompressionLevel::Fastest))?;
                file.sync_all()
            }
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Zstd { file, chunk } => {
                let taken = bytes.len().min(FRAME - chunk.len());
                chunk.extend_from_slice(bytes.get(..taken).unwrap_or_default());
                if chunk.len() == FRAME {
                    file.write_all(&compress_to_vec(&chunk[..], CompressionLevel::Fastest))?;
                    chunk.clear();
                }
                Ok(taken)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Moves a finished folder or file to its place. A file that is there is replaced, a folder only where it is empty.
pub(super) fn put_in_place(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_packing() {
        for (name, packing) in [
            ("site.tar", Packing::Tar),
            ("a/SITE.TAR.ZST", Packing::Zstd),
            ("site.tgz", Packing::Gzip),
            ("site.tar.gz", Packing::Gzip),
            ("site", Packing::Folder),
            ("tar", Packing::Folder),
        ] {
            assert_eq!(Packing::of(Path::new(name)), packing, "{name}");
        }
    }
}
