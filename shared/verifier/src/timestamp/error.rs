//! Why a timestamp is not accepted.

use alloc::string::String;
use core::time::Duration;

use super::path::PathError;
use crate::codes::Code;
use crate::time::UnixTime;
use crate::x509::{CertificateError, ChainError, SignatureError};

/// Why a timestamp is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimestampError {
    /// Longer than [`TIMESTAMP_TOKEN_BYTES`](crate::limits::TIMESTAMP_TOKEN_BYTES).
    #[error("timestamp token of {bytes} bytes is too large")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// A part of the token is not what RFC 3161 and RFC 5652 say.
    #[error("timestamp token with malformed {what}")]
    Malformed {
        /// Which part.
        what: &'static str,
    },
    /// A part of the token is of another version.
    #[error("timestamp token with {what} of version {version}, which is not supported")]
    Version {
        /// Which part.
        what: &'static str,
        /// Its version.
        version: u8,
    },
    /// The token, or what it signs, is of another type.
    #[error("timestamp token with content of type {oid}")]
    ContentType {
        /// The type.
        oid: String,
    },
    /// More of something than the verifier looks at.
    #[error("timestamp token with too many {what}")]
    TooMany {
        /// What.
        what: &'static str,
    },
    /// Something among the token's certificates is not an X.509 certificate, for instance an attribute certificate.
    #[error("timestamp token with a certificate that is not of X.509")]
    NotX509,
    /// A certificate of the token is malformed.
    #[error("timestamp token with a malformed certificate: {error}")]
    Certificate {
        /// Why.
        error: CertificateError,
    },
    /// A critical extension of the timestamp is not known.
    #[error("timestamp with the critical extension {oid}, which is not known")]
    CriticalExtension {
        /// The extension.
        oid: String,
    },
    /// The hash of what is stamped is not accepted, such as SHA-1.
    #[error("timestamp over a hash of type {oid}, which is not accepted")]
    ImprintAlgorithm {
        /// The hash function.
        oid: String,
    },
    /// The timestamp is one of other bytes than this signature.
    #[error("timestamp of something other than this signature")]
    ImprintMismatch,
    /// The accuracy is out of range.
    #[error("timestamp whose accuracy is out of range")]
    Accuracy,
    /// There are no trusted roots.
    #[error("no timestamping root is trusted")]
    NoAnchors,
    /// The token has no signer.
    #[error("timestamp token without a signer")]
    NoSigner,
    /// The signer's certificate is not in the token.
    #[error("timestamp token without its signer's certificate")]
    SignerCertificateMissing,
    /// A signed attribute is missing.
    #[error("timestamp token without the signed attribute {name}")]
    AttributeMissing {
        /// Which.
        name: &'static str,
    },
    /// A signed attribute is malformed, occurs twice, or says something else than it must.
    #[error("timestamp token with a wrong signed attribute {name}")]
    Attribute {
        /// Which.
        name: &'static str,
    },
    /// The signed attribute signingCertificateV2 names another certificate than the signer's.
    #[error("timestamp token whose signer vouches for another certificate")]
    SigningCertificate,
    /// The signed digest is not that of the content.
    #[error("timestamp token whose content was changed")]
    MessageDigest,
    /// A hash or signature algorithm is not accepted.
    #[error("timestamp token made with algorithm {oid}, which is not accepted")]
    Algorithm {
        /// The algorithm.
        oid: String,
    },
    /// The signature is wrong.
    #[error("timestamp token: {error}")]
    Signature {
        /// Why.
        error: SignatureError,
    },
    /// No path from the signer to a trusted root holds.
    #[error("timestamp token: {0}")]
    Path(PathError),
    /// A certificate of the signing chain was not valid throughout the time that the timestamp allows.
    #[error("{subject} is valid from {not_before} to {not_after}, and the timestamp is of {time} ± {} s", accuracy.as_secs_f64())]
    OutsideValidity {
        /// Whose certificate.
        subject: String,
        /// The first second of its validity.
        not_before: UnixTime,
        /// The last second of its validity.
        not_after: UnixTime,
        /// The time of the timestamp.
        time: UnixTime,
        /// How far it may be off.
        accuracy: Duration,
    },
}

impl TimestampError {
    /// The code that reports give.
    pub fn code(&self) -> Code {
        match self {
            Self::TooLarge { .. } | Self::TooMany { .. } => Code::TimestampTooLarge,
            Self::Malformed { .. }
            | Self::Version { .. }
            | Self::ContentType { .. }
            | Self::CriticalExtension { .. }
            | Self::Accuracy => Code::TimestampMalformed,
            Self::NotX509 | Self::Certificate { .. } => Code::TimestampCertificateMalformed,
            Self::ImprintAlgorithm { .. } | Self::Algorithm { .. } => Code::TimestampAlgorithm,
            Self::ImprintMismatch => Code::TimestampImprintMismatch,
            Self::NoAnchors => Code::TimestampNoAnchor,
            Self::NoSigner | Self::SignerCertificateMissing => Code::TimestampSignerMissing,
            Self::AttributeMissing { .. } | Self::Attribute { .. } => Code::TimestampAttribute,
            Self::SigningCertificate => Code::TimestampSigningCertificate,
            Self::MessageDigest | Self::Signature { error: SignatureError::Wrong } => {
                Code::TimestampSignatureWrong
            }
            Self::Signature { .. } => Code::TimestampAlgorithm,
            Self::Path(error) => error.code(),
            Self::OutsideValidity { .. } => Code::TimestampOutsideValidity,
        }
    }
}

impl PathError {
    fn code(&self) -> Code {
        match self {
            Self::NotValidAt { .. } => Code::TimestampCertificateNotValid,
            Self::Constraint(_) | Self::Chain { error: ChainError::Requirement { .. } } => {
                Code::TimestampCertificateUnsuitable
            }
            Self::Chain {
                error:
                    ChainError::Signature {
                        error:
                            SignatureError::UnsupportedAlgorithm { .. } | SignatureError::UnsuitableKey { .. },
                        ..
                    },
            } => Code::TimestampAlgorithm,
            Self::Untrusted { .. } | Self::Chain { .. } | Self::TooManyPaths => Code::TimestampUntrusted,
        }
    }
}
