//! Why a site key cannot be made or used.

use std::io;
use std::path::PathBuf;

use assay_verifier::dsse::KeyError;

use crate::transport::ssh::SigningError;
use crate::transport::ssh::keys::KeyError as KeyFileError;

/// A site key cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum SiteKeyError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no private key, or its passphrase is not known.
    #[error(transparent)]
    Private(#[from] KeyFileError),
    /// It is a key of a kind that signs no envelopes.
    #[error("{}: {source}", path.display())]
    Unsuitable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KeyError,
    },
    /// It did not sign.
    #[error("{}: {source}", path.display())]
    Signing {
        /// The file.
        path: PathBuf,
        /// Why.
        source: SigningError,
    },
    /// A new key would be written over a file.
    #[error("{}: there is a file already; keys are never overwritten, so give another name", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A new key cannot be written.
    #[error("{}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The crypto library made no key.
    #[error("no key could be generated")]
    Generate,
}
