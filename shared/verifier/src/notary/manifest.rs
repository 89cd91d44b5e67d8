//! Recognizes signature manifests, and says whose signature each is and where its envelope is.
//!
//! Signature specification, "Storage". Both image-manifest forms and the withdrawn artifact manifest are read.

use alloc::boxed::Box;

use crate::codes::Code;
use crate::notary;
use crate::oci::{Descriptor, Manifest, ManifestKind, media_type};

/// A manifest that is a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureManifest {
    /// The artifact that it says it signs; what it really signs stands in the payload.
    pub subject: Descriptor,
    /// The envelope.
    pub envelope: Descriptor,
}

impl SignatureManifest {
    /// Whether `manifest`, of that media type, is a signature, and if so of what.
    ///
    /// # Errors
    /// [`SignatureManifestError`] if it is a signature with a subject and not exactly one envelope.
    pub fn read(media_type: &str, manifest: &Manifest) -> Result<Option<Self>, SignatureManifestError> {
        let Some(subject) = &manifest.subject else { return Ok(None) };
        let artifact_type =
            manifest.artifact_type.as_deref().filter(|artifact_type| !artifact_type.is_empty());
        let config_type = manifest.config.as_ref().map(|config| config.media_type.as_str());
        let (is_signature, envelopes) = match ManifestKind::from_media_type(media_type) {
            Some(ManifestKind::Image) if media_type == media_type::OCI_MANIFEST => (
                matches!(
                    (artifact_type, config_type),
                    (None | Some(notary::media_type::SIGNATURE), Some(notary::media_type::SIGNATURE))
                        | (Some(notary::media_type::SIGNATURE), Some(media_type::OCI_EMPTY))
                ),
                &manifest.layers,
            ),
            Some(ManifestKind::Artifact) => {
                (artifact_type == Some(notary::media_type::SIGNATURE), &manifest.blobs)
            }
            _ => (false, &manifest.layers),
        };
        if !is_signature {
            return Ok(None);
        }
        match envelopes.as_slice() {
            [envelope] => Ok(Some(Self { subject: subject.clone(), envelope: envelope.clone() })),
            _ => {
                Err(SignatureManifestError { subject: Box::new(subject.clone()), envelopes: envelopes.len() })
            }
        }
    }
}

/// A signature manifest without exactly one envelope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature manifest must have one envelope, and has {envelopes}")]
pub struct SignatureManifestError {
    /// The artifact that it says it signs.
    pub subject: Box<Descriptor>,
    /// How many envelopes there are.
    pub envelopes: usize,
}

impl SignatureManifestError {
    /// The code that reports give.
    pub fn code(&self) -> Code {
        Code::SignatureManifest
    }
}
