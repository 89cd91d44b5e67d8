//! Why bytes are not a certificate.

use alloc::string::String;

/// Why bytes are not a certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Longer than [`CERTIFICATE_BYTES`](crate::limits::CERTIFICATE_BYTES).
    #[error("certificate of {bytes} bytes is too large")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// Not the DER of a certificate, or followed by other bytes.
    #[error("not the DER of one certificate")]
    Structure,
    /// The serial number is negative or empty.
    #[error("serial number is negative")]
    Serial,
    /// A name holds a malformed string.
    #[error("malformed name")]
    Name,
    /// A time is out of range.
    #[error("malformed validity")]
    Validity,
    /// The public key is malformed.
    #[error("malformed public key")]
    PublicKey,
    /// An extension that matters is malformed.
    #[error("malformed extension {oid}")]
    Extension {
        /// Its type.
        oid: String,
    },
    /// An extension occurs twice.
    #[error("extension {oid} occurs twice")]
    DuplicateExtension {
        /// Its type.
        oid: String,
    },
}
