//! Why an envelope fails the integrity check.

use alloc::string::String;

use super::attributes::AttributeError;
use crate::codes::Code;
use crate::file_form::FileForm;
use crate::json::JsonError;
use crate::x509::{CertificateError, ChainError};

/// Why an envelope fails the integrity check.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// Longer than [`ENVELOPE_BYTES`](crate::limits::ENVELOPE_BYTES).
    #[error("the envelope has {bytes} bytes")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// No reader for the media type.
    #[error("the envelope's media type {media_type:?} is not application/jose+json or application/cose")]
    MediaType {
        /// The media type.
        media_type: String,
    },
    /// Not of the envelope's form.
    #[error("the envelope is malformed: {what}")]
    Malformed {
        /// What is not as it must be.
        what: &'static str,
    },
    /// Not JSON, or JSON that readers understand differently.
    #[error("the envelope is malformed: {part}{error}")]
    Json {
        /// Where in the envelope, as the beginning of a sentence; empty for all of it.
        part: &'static str,
        /// Why.
        error: JsonError,
    },
    /// Of another form than its media type says.
    #[error("the envelope is not {media_type}, as its manifest says; it is {is}")]
    Form {
        /// What it is.
        is: FileForm,
        /// The media type.
        media_type: String,
    },
    /// The algorithm is missing or not one of the six.
    #[error("the envelope names no algorithm that the specification allows")]
    Algorithm,
    /// The signed attributes break a rule.
    #[error(transparent)]
    Attribute(#[from] AttributeError),
    /// There is no certificate chain in the unprotected header.
    #[error("the envelope carries no certificate chain")]
    NoChain,
    /// A certificate is malformed.
    #[error("certificate {at}: {error}")]
    Certificate {
        /// Its position, counted from the leaf.
        at: usize,
        /// Why.
        error: CertificateError,
    },
    /// The signing key may not sign.
    #[error("a key of kind {key} may not sign")]
    SigningKey {
        /// The kind of key.
        key: String,
    },
    /// The algorithm is not the one that the key demands.
    #[error("the envelope names {algorithm}, and its key demands {implied}")]
    AlgorithmOfKey {
        /// What the envelope names.
        algorithm: &'static str,
        /// What the key demands.
        implied: &'static str,
    },
    /// The signature is wrong.
    #[error("the signature was not made with the signing certificate's key over these bytes")]
    Signature,
    /// The chain is not one.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

impl EnvelopeError {
    /// The code that reports give.
    pub fn code(&self) -> Code {
        match self {
            Self::TooLarge { .. } => Code::EnvelopeTooLarge,
            Self::MediaType { .. } => Code::EnvelopeMediaType,
            Self::Malformed { .. } | Self::Json { .. } | Self::Form { .. } => Code::EnvelopeMalformed,
            Self::Algorithm => Code::AlgorithmNotAllowed,
            Self::Attribute(error) => error.code(),
            Self::NoChain => Code::ChainMissing,
            Self::Certificate { .. } => Code::CertificateMalformed,
            Self::SigningKey { .. } => Code::SigningKey,
            Self::AlgorithmOfKey { .. } => Code::AlgorithmOfKey,
            Self::Signature => Code::SignatureWrong,
            Self::Chain(error) => error.code(),
        }
    }
}
