//! Compares the content of files with that of a snapshot while their layer is read, so that neither is hashed for that.
//!
//! If a file on the disk has the bytes of an entry, its [`identity`] takes the place of the SHA-256 in the tree: it names this one file
//! as it was when it was read. A [`Snapshot`] that tells files by identity gives the same for as long as the file does not
//! change. So equal content is shown, and nothing else: whatever is found apart from that has to be found again by digests.

use std::os::fd::OwnedFd;

use assay_judge::layer::TakeContent;

use super::snapshot::{OpenFile, Snapshot};
use super::tree::{Bytes, Sha256};

/// A snapshot whose files are read beside a layer.
pub(super) struct Beside<'s> {
    snapshot: &'s mut Snapshot,
    /// The directory that was opened last: the entries of a tar mostly follow their directory.
    directory: Option<(Vec<Bytes>, OwnedFd)>,
}

impl<'s> Beside<'s> {
    pub(super) fn new(snapshot: &'s mut Snapshot) -> Self {
        Self { snapshot, directory: None }
    }

    /// What compares the content of an entry with that of the file in its place.
    pub(super) fn content(&mut self, parent: Vec<Bytes>, name: &[u8], size: u64) -> Box<dyn TakeContent> {
        Box::new(Compared { file: self.open(parent, name, size), buffer: Vec::new() })
    }

    /// The regular file of that size, if it is there and can be read.
    fn open(&mut self, parent: Vec<Bytes>, name: &[u8], size: u64) -> Option<OpenFile> {
        let directory = match self.directory.take() {
            Some((path, directory)) if path == parent => directory,
            _ => self.snapshot.directory(&parent).ok()?,
        };
        let file = OpenFile::find(&directory, name, size).ok();
        self.directory = Some((parent, directory));
        file
    }
}

/// Compares the content of one file.
struct Compared {
    /// None once it is not the same.
    file: Option<OpenFile>,
    buffer: Vec<u8>,
}

impl TakeContent for Compared {
    fn piece(&mut self, piece: &[u8]) {
        let Some(file) = &mut self.file else { return };
        self.buffer.resize(self.buffer.len().max(piece.len()), 0);
        let there = &mut self.buffer[..piece.len()];
        if file.read_all(there).is_err() || there != piece {
            self.file = None;
        }
    }

    fn finish(self: Box<Self>) -> Sha256 {
        self.file.and_then(|file| file.identity().ok()).unwrap_or(UNEQUAL)
    }
}

/// The identity of no file.
const UNEQUAL: Sha256 = Sha256([0; 32]);
