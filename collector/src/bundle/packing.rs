//! Puts a finished folder in the output: moves it, or packs it in a tar, plain or compressed. Equal folders give equal bytes.

use std::io::{self, Write};
use std::path::Path;

use assay_judge::replacement::Replacement;
use flate2::{Compression, GzBuilder, write::GzEncoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use crate::archive::{self, Archive, ArchiveError};
use crate::transport::Input;

/// What the output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
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
    pub(crate) fn from_name(path: &Path) -> Self {
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

    /// Writes the files `names` of `folder`, in that order, as the file `path`. A [`Packing::Folder`] is written by
    /// moving it.
    ///
    /// # Errors
    /// [`ArchiveError`] if a file cannot be read or written; then nothing is at `path` that was not before.
    pub(super) fn write(self, folder: &Path, names: &[String], path: &Path) -> Result<(), ArchiveError> {
        let mut packed = Archive::default();
        for name in names {
            packed.add(name, 0o644, &archive::file(&folder.join(name))?)?;
        }
        self.pack(&packed.finish(), path)
    }

    /// Writes a tar as the file `path`.
    ///
    /// # Errors
    /// [`ArchiveError`] if a file in it cannot be read or `path` written; then nothing is at `path` that was not before.
    pub(crate) fn pack(self, tar: &Input, path: &Path) -> Result<(), ArchiveError> {
        let failed = |source| ArchiveError::Unreadable { path: path.to_owned(), source };
        let mut file = Replacement::open(path).map_err(failed)?;
        self.write_to(tar, &mut file).and_then(|()| file.sync()).and_then(|()| file.put()).map_err(failed)
    }

    /// Writes a tar, packed.
    ///
    /// # Errors
    /// [`io::Error`] if a file in it cannot be read or `out` cannot be written.
    pub(crate) fn write_to(self, tar: &Input, out: &mut dyn Write) -> io::Result<()> {
        let mut sink = Sink::new(self, out);
        let mut written = Ok(());
        tar.read(|bytes| {
            if written.is_ok() {
                written = sink.write_all(bytes);
            }
        })?;
        written.and_then(|()| sink.finish())
    }
}

/// The version of the compressors. It changes if the same tar would become other bytes.
pub(crate) const COMPRESSOR_VERSION: u32 = 1;

/// Where a tar goes, in pieces of [`PIECE`] bytes: what a compressor makes of the same bytes depends on how they come.
struct Sink<'w> {
    piece: Vec<u8>,
    packer: Packer<'w>,
}

enum Packer<'w> {
    Plain(&'w mut dyn Write),
    Gzip(Box<GzEncoder<&'w mut dyn Write>>),
    Zstd(&'w mut dyn Write),
}

/// Bytes of a piece, and so of a Zstandard frame before compression. Frames stand one after the other, so that memory does not
/// grow with the bundle.
const PIECE: usize = 4 << 20;

impl<'w> Sink<'w> {
    fn new(packing: Packing, out: &'w mut dyn Write) -> Self {
        let packer = match packing {
            Packing::Folder | Packing::Tar => Packer::Plain(out),
            Packing::Gzip => {
                Packer::Gzip(Box::new(GzBuilder::new().mtime(0).write(out, Compression::default())))
            }
            Packing::Zstd => Packer::Zstd(out),
        };
        Self { piece: Vec::with_capacity(PIECE), packer }
    }

    fn pack_piece(&mut self) -> io::Result<()> {
        match &mut self.packer {
            Packer::Plain(out) => out.write_all(&self.piece),
            Packer::Gzip(encoder) => encoder.write_all(&self.piece),
            Packer::Zstd(out) => out.write_all(&compress_to_vec(&self.piece[..], CompressionLevel::Fastest)),
        }?;
        self.piece.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        self.pack_piece()?;
        match self.packer {
            Packer::Gzip(encoder) => encoder.finish().map(|_| ()),
            Packer::Plain(_) | Packer::Zstd(_) => Ok(()),
        }
    }
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(bytes.get(..taken).unwrap_or_default());
        if self.piece.len() == PIECE {
            self.pack_piece()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use assay_verifier::oci::Digest;

    use super::*;

    /// Files of evidence that were packed with this [`COMPRESSOR_VERSION`] are compared with what is written here. Other bytes need another
    /// number, and theirs is then held to the form alone.
    #[test]
    fn the_same_tar_is_compressed_to_the_same_bytes_for_ever() {
        // text that repeats itself at many distances, longer than a piece
        let mut state = 1_u32;
        let mut text = Vec::new();
        while text.len() < PIECE + PIECE / 2 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            text.extend_from_slice(format!("{:x} ", (state >> 16) % 4_096).as_bytes());
        }
        for (packing, golden) in [
            (Packing::Gzip, "ecfe0edaa95157edab616ad548fdee24d8a52aa1f4f2b1c60b271411b8b90c64"),
            (Packing::Zstd, "da5492b37cb635bc74bd6263d05baf174fc141f674b1ff4320e919b5945b731a"),
        ] {
            let [at_once, in_parts] = [text.len(), 1_000].map(|length| {
                let mut tar = Input::default();
                text.chunks(length).for_each(|part| tar.bytes(part));
                let mut packed = Vec::new();
                packing.write_to(&tar, &mut packed).unwrap();
                Digest::sha256(&packed)
            });
            assert_eq!(at_once, in_parts, "{packing:?}");
            assert_eq!(at_once.hex(), golden, "{packing:?}: raise COMPRESSOR_VERSION");
        }
    }

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
            assert_eq!(Packing::from_name(Path::new(name)), packing, "{name}");
        }
    }
}
