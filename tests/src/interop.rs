//! Unpacks the images that notation signed, kept in `fixtures/interop/`, and finds the program itself if it is there.

use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use tempfile::TempDir;

use crate::packages;

/// `fixtures/interop/notation.tar.gz` in a scratch folder.
#[derive(Debug)]
pub struct Kept {
    folder: TempDir,
}

impl Kept {
    /// Unpacks it.
    ///
    /// # Panics
    /// If it cannot be read.
    pub fn unpack() -> Self {
        let folder = tempfile::tempdir().expect("scratch folder");
        let packed = std::fs::File::open(Path::new(assay_fixtures::FIXTURES).join("interop/notation.tar.gz"));
        let tar = GzDecoder::new(packed.expect("fixtures/interop/notation.tar.gz"));
        tar::Archive::new(tar).unpack(folder.path()).expect("a tar archive");
        Self { folder }
    }

    /// The layout of the images and notation's signatures.
    pub fn layout(&self) -> PathBuf {
        self.folder.path().join("layout")
    }

    /// The trust directory under which all of them are good.
    pub fn trust(&self) -> PathBuf {
        self.folder.path().join("trust")
    }
}

/// The notation program; `None`, after saying so, if it is not there.
///
/// It comes as a Go module only, which a machine may not be able to fetch: the one peer that tests go on without. What it
/// signed is kept, and compared in any case.
pub fn notation() -> Option<PathBuf> {
    packages::go_program("NOTATION", "notation")
}
