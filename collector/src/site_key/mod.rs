//! Signs bundles and evidence with the site's own key, in DSSE envelopes ([`assay_verifier::dsse`]).
//!
//! The private key is a file in PKCS#8 or OpenSSH's form, encrypted or not. Or it stays in the SSH agent of this machine, and
//! the public key is given instead. Every signature is checked before it is returned.

mod create;
mod error;

use std::path::{Path, PathBuf};

use assay_verifier::dsse::{self, DsseEnvelope, KeyError, Signature, VerifyingKey};
use assay_verifier::limits;

use crate::transport::ssh::keys::Passphrase;
use crate::transport::ssh::{SigningError, SigningKey};

pub use create::{Created, create};
pub use error::SiteKeyError;

/// A key that signs for the site.
pub struct SiteKey {
    path: PathBuf,
    signing: SigningKey,
    public: VerifyingKey,
}

impl SiteKey {
    /// Loads a private key, or a public key whose private one the SSH agent holds.
    ///
    /// # Errors
    /// [`SiteKeyError`]
    pub fn load(path: &Path, passphrase: Passphrase<'_>) -> Result<Self, SiteKeyError> {
        let text = read(path)?;
        if let Ok(public) = VerifyingKey::read(text.as_bytes()) {
            let signing = SigningKey::in_agent(&public.to_openssh()).map_err(|error| failed(path, error))?;
            return Ok(Self { path: path.to_owned(), signing, public });
        }
        let signing = SigningKey::from_private(path, &text, passphrase)?;
        let line = signing.public_line().map_err(|error| failed(path, error))?;
        let public = VerifyingKey::read(line.as_bytes())
            .map_err(|source| SiteKeyError::Unsuitable { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), signing, public })
    }

    /// The public key, which a site puts into the folder `keys` of its trust directory.
    pub fn public(&self) -> &VerifyingKey {
        &self.public
    }

    /// Puts the payload into an envelope and signs it.
    ///
    /// # Errors
    /// [`SiteKeyError::Signing`]
    pub async fn sign(&self, payload_type: &str, payload: Vec<u8>) -> Result<DsseEnvelope, SiteKeyError> {
        let message = dsse::pre_authentication_encoding(payload_type, &payload);
        let bytes = self.signing.sign(&message).await.map_err(|error| failed(&self.path, error))?;
        if !self.public.verify(&message, &bytes) {
            let wrong = SigningError::Refused("the signature that it made does not verify".to_owned());
            return Err(failed(&self.path, wrong));
        }
        let signature = Signature { key_id: Some(self.public.id().to_owned()), bytes };
        Ok(DsseEnvelope::new(payload_type.to_owned(), payload, vec![signature]))
    }
}

/// Reads a public key of the site.
///
/// # Errors
/// [`SiteKeyError`]
pub(crate) fn public(path: &Path) -> Result<VerifyingKey, SiteKeyError> {
    VerifyingKey::read(read(path)?.as_bytes())
        .map_err(|source| SiteKeyError::Unsuitable { path: path.to_owned(), source })
}

/// Reads the text of a key file.
fn read(path: &Path) -> Result<String, SiteKeyError> {
    let unreadable = |source| SiteKeyError::Unreadable { path: path.to_owned(), source };
    let length = path.metadata().map_err(unreadable)?.len();
    if length > limits::SITE_KEY_BYTES as u64 {
        return Err(SiteKeyError::Unsuitable { path: path.to_owned(), source: KeyError::TooLarge });
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

fn failed(path: &Path, source: SigningError) -> SiteKeyError {
    SiteKeyError::Signing { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;
