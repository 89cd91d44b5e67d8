//! What takes the entries of a layer while it is read.

use assay_verifier::oci::{DigestAlgorithm, Hasher};

use super::error::LayerError;
use super::member::{Member, Sha256};

/// Takes the entries of a layer, in the order of the tar. A closure does so, and has the content of files hashed.
pub trait TakeEntries {
    /// Why an entry is refused.
    type Error: From<LayerError>;

    /// What takes the content of a file before its entry is taken. The file's size is known by then.
    fn content(&mut self, _file: &Member) -> Box<dyn TakeContent + '_> {
        Box::new(DigestAlgorithm::Sha256.hasher())
    }

    /// Takes an entry, with the bytes of its headers.
    ///
    /// # Errors
    /// Why it is refused.
    fn entry(&mut self, member: &Member, headers: &[u8]) -> Result<(), Self::Error>;
}

impl<E: From<LayerError>, F: FnMut(&Member, &[u8]) -> Result<(), E>> TakeEntries for F {
    type Error = E;

    fn entry(&mut self, member: &Member, headers: &[u8]) -> Result<(), E> {
        self(member, headers)
    }
}

/// Takes the content of one file.
pub trait TakeContent {
    /// Takes the next piece.
    fn piece(&mut self, piece: &[u8]);

    /// What stands for all pieces in the entry.
    fn finish(self: Box<Self>) -> Sha256;
}

impl TakeContent for Hasher {
    fn piece(&mut self, piece: &[u8]) {
        self.update(piece);
    }

    fn finish(self: Box<Self>) -> Sha256 {
        Sha256::of(*self)
    }
}
