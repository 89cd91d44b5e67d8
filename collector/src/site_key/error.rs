//! The errors of making and using a site key.

use std::io;
use std::path::PathBuf;

use assay_verifier::dsse::KeyError;

use crate::transport::ssh::SigningError;
use crate::transport::ssh::keys::KeyError as KeyFileError;

/// Why a site key cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum SiteKeyError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not a private key, or its passphrase is not known.
    #[error(transparent)]
    Private(#[from] KeyFileError),
    /// A key of this kind does not sign envelopes.
    #[error("{} cannot be a site key", path.display())]
    Unsuitable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KeyError,
    },
    /// The key did not sign.
    #[error("{} does not sign", path.display())]
    Signing {
        /// The file.
        path: PathBuf,
        /// Why.
        source: SigningError,
    },
    /// A new key would overwrite a file.
    #[error("{} exists already, and keys are never overwritten; give another name", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A new key cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The crypto library did not generate a key.
    #[error("the crypto library did not generate a key")]
    Generate,
}
