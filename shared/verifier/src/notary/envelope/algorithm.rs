//! Signature algorithms of envelopes, and which key each goes with.

use aws_lc_rs::signature::{self as lc, VerificationAlgorithm};

use crate::x509::{KeyAlgorithm, PublicKey};

/// A signature algorithm of an envelope. Signature specification, "Signature Algorithm Requirements".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EnvelopeAlgorithm {
    /// RSASSA-PSS with SHA-256, for RSA keys of 2048 bits
    Ps256,
    /// RSASSA-PSS with SHA-384, for RSA keys of 3072 bits
    Ps384,
    /// RSASSA-PSS with SHA-512, for RSA keys of 4096 bits
    Ps512,
    /// ECDSA with SHA-256, for P-256 keys
    Es256,
    /// ECDSA with SHA-384, for P-384 keys
    Es384,
    /// ECDSA with SHA-512, for P-521 keys
    Es512,
}

impl EnvelopeAlgorithm {
    /// The only algorithm that a key may be used with; `None` for keys that may not sign.
    pub(super) fn for_key(key: &PublicKey) -> Option<Self> {
        Some(match key.algorithm() {
            KeyAlgorithm::Rsa { bits: 2048 } => Self::Ps256,
            KeyAlgorithm::Rsa { bits: 3072 } => Self::Ps384,
            KeyAlgorithm::Rsa { bits: 4096 } => Self::Ps512,
            KeyAlgorithm::P256 => Self::Es256,
            KeyAlgorithm::P384 => Self::Es384,
            KeyAlgorithm::P521 => Self::Es512,
            _ => return None,
        })
    }

    /// The name of RFC 7518.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
        }
    }

    /// PSS salts are as long as the hash; ECDSA signatures are r and s side by side.
    pub(super) fn verifier(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::Ps256 => &lc::RSA_PSS_2048_8192_SHA256,
            Self::Ps384 => &lc::RSA_PSS_2048_8192_SHA384,
            Self::Ps512 => &lc::RSA_PSS_2048_8192_SHA512,
            Self::Es256 => &lc::ECDSA_P256_SHA256_FIXED,
            Self::Es384 => &lc::ECDSA_P384_SHA384_FIXED,
            Self::Es512 => &lc::ECDSA_P521_SHA512_FIXED,
        }
    }
}
