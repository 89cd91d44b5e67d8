//! Why a layer or its list cannot be read.

use std::io;

use assay_verifier::oci::Digest;

use super::member::printable;

/// Why a layer cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The blob is not what the manifest names.
    #[error("the blob {expected} is {found}")]
    Blob {
        /// The digest in the manifest.
        expected: Digest,
        /// The digest of the bytes.
        found: Digest,
    },
    /// The tar is not what the config names.
    #[error("the config names {expected} for the unpacked layer, and it is {found}")]
    DiffId {
        /// The digest in the config.
        expected: Digest,
        /// The digest of the bytes.
        found: Digest,
    },
    /// It cannot be read as a tar.
    #[error("it cannot be read as a layer: {0}")]
    Damaged(String),
    /// It needs more memory to be decompressed than there is for it.
    #[error("it {0}")]
    Window(String),
    /// It decompresses to too much.
    #[error("it decompresses to an implausible size")]
    Grows,
    /// It is a list of a later version.
    #[error(
        "the list of its files is of the version {0:?}, which is not known; verify with the version of assay that made the bundle"
    )]
    Version(String),
    /// It is the list of another layer.
    #[error(
        "the list of its files is that of the layer {layer} with the diff_id {diff_id}; make the bundle again with --rootfs"
    )]
    OtherLayer {
        /// The digest of that layer.
        layer: String,
        /// The digest of its tar.
        diff_id: String,
    },
    /// containerd does not unpack one of its entries either, so that no snapshot of it is right.
    #[error("containerd does not unpack its entry {}: {why}", printable(path))]
    Refused {
        /// The entry's path.
        path: Vec<u8>,
        /// Why.
        why: Unsupported,
    },
}

impl From<io::Error> for LayerError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::FileTooLarge => Self::Grows,
            io::ErrorKind::OutOfMemory => Self::Window(error.to_string()),
            _ => Self::Damaged(error.to_string()),
        }
    }
}

/// Why containerd does not unpack an entry, whatever was unpacked before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// It is neither a file nor a directory, a link, a device or a FIFO.
    #[error("entries of its type are not supported")]
    Type,
    /// A number is past what Linux takes.
    #[error("a number that is too large")]
    Number,
}

pub(super) fn damaged(why: &str) -> LayerError {
    LayerError::Damaged(why.to_owned())
}
