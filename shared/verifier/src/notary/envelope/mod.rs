//! Signature envelopes: bytes in, a parsed but untrusted [`Envelope`] out; after [`Envelope::verify`] a
//! [`VerifiedEnvelope`], the only way to the facts that the signer vouches for.
//!
//! Signature specification, "Signature Envelope"; RFC 7515 for JWS, RFC 9052 for COSE. Where the reference's readers are
//! lenient, these are not (README, "Stricter than notation").

mod attributes;
mod cbor;
mod claims;
mod cose;
mod jws;

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use aws_lc_rs::signature::{self as lc, UnparsedPublicKey, VerificationAlgorithm};

pub use attributes::{AttributeError, SignedAttributes, SigningScheme};
pub use claims::EnvelopeClaims;

use crate::codes::Code;
use crate::file_form::FileForm;
use crate::json::{self, JsonError};
use crate::limits;
use crate::oci::media_type;
use crate::x509::{
    Certificate, CertificateError, ChainError, KeyAlgorithm, PublicKey, check_code_signing_chain,
};

/// A signature envelope, parsed and not trusted.
#[derive(Clone, Debug)]
pub struct Envelope {
    algorithm: EnvelopeAlgorithm,
    signed_bytes: Vec<u8>,
    signature: Vec<u8>,
    chain: Vec<Certificate>,
    attributes: SignedAttributes,
    payload: Vec<u8>,
    timestamp_token: Option<Vec<u8>>,
    signing_agent: Option<String>,
}

/// A signature algorithm of an envelope. Signature specification, "Signature Algorithm Requirements".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvelopeAlgorithm {
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
    /// The only algorithm that a key may be used with; none for keys that may not sign.
    pub fn for_key(key: &PublicKey) -> Option<Self> {
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
    pub fn name(self) -> &'static str {
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
    fn verifier(self) -> &'static dyn VerificationAlgorithm {
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

impl Envelope {
    /// Reads the envelope of a media type.
    ///
    /// # Errors
    /// [`EnvelopeError`] where it is not an envelope of the Notary Project.
    pub fn parse(media_type: &str, bytes: &[u8]) -> Result<Self, EnvelopeError> {
        if bytes.len() > limits::ENVELOPE_BYTES {
            return Err(EnvelopeError::TooLarge { bytes: bytes.len() });
        }
        let (parsed, begins_right) = match media_type {
            media_type::JWS_ENVELOPE => (jws::parse(bytes), json::is_object(bytes)),
            media_type::COSE_ENVELOPE => (cose::parse(bytes), bytes.starts_with(&cose::HEAD)),
            other => return Err(EnvelopeError::MediaType { media_type: other.to_string() }),
        };
        parsed.map_err(|error| match FileForm::detect(bytes) {
            is if !begins_right && !matches!(is, FileForm::Text | FileForm::Unknown) => {
                EnvelopeError::Form { is, media_type: media_type.to_string() }
            }
            _ => error,
        })
    }

    /// Checks the signature, that the algorithm is the one the signing key demands, and that the chain is one. Whether
    /// the chain is trusted is another question.
    ///
    /// # Errors
    /// [`EnvelopeError`]: the specification's integrity check fails.
    pub fn verify(self) -> Result<VerifiedEnvelope, EnvelopeError> {
        let leaf = self.chain.first().ok_or(EnvelopeError::NoChain)?;
        let key = leaf.public_key();
        let implied = EnvelopeAlgorithm::for_key(key)
            .ok_or_else(|| EnvelopeError::SigningKey { key: key.algorithm().to_string() })?;
        if implied != self.algorithm {
            return Err(EnvelopeError::AlgorithmOfKey {
                algorithm: self.algorithm.name(),
                implied: implied.name(),
            });
        }
        UnparsedPublicKey::new(implied.verifier(), key.bytes())
            .verify(&self.signed_bytes, &self.signature)
            .map_err(|_| EnvelopeError::Signature)?;
        check_code_signing_chain(&self.chain)?;
        Ok(VerifiedEnvelope(self))
    }

    /// The certificates that the envelope carries, leaf first. Nothing vouches for them before [`Envelope::verify`].
    pub fn unverified_chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// What the envelope claims. Nothing vouches for it before [`Envelope::verify`].
    pub fn unverified_attributes(&self) -> &SignedAttributes {
        &self.attributes
    }

    /// The payload as it stands in the envelope. Nothing vouches for it before [`Envelope::verify`].
    pub fn unverified_payload(&self) -> &[u8] {
        &self.payload
    }

    /// The algorithm that the envelope names.
    pub fn algorithm(&self) -> EnvelopeAlgorithm {
        self.algorithm
    }

    /// The software that made the envelope, as it says itself; nothing protects this.
    pub fn signing_agent(&self) -> Option<&str> {
        self.signing_agent.as_deref()
    }

    /// The signature's bytes, which a timestamp stamps. Nothing says that they are right before [`Envelope::verify`].
    pub fn unverified_signature(&self) -> &[u8] {
        &self.signature
    }

    /// The RFC 3161 token over the signature; it protects itself.
    pub fn timestamp_token(&self) -> Option<&[u8]> {
        self.timestamp_token.as_deref()
    }
}

/// An envelope whose signature, algorithm and chain are right. Made by [`Envelope::verify`] alone.
#[derive(Clone, Debug)]
pub struct VerifiedEnvelope(Envelope);

impl VerifiedEnvelope {
    /// The chain, leaf first, complete to a self-signed root.
    pub fn chain(&self) -> &[Certificate] {
        &self.0.chain
    }

    /// The signing certificate.
    pub fn leaf(&self) -> Option<&Certificate> {
        self.0.chain.first()
    }

    /// What the signer signed beside the payload.
    pub fn attributes(&self) -> &SignedAttributes {
        &self.0.attributes
    }

    /// The signed payload.
    pub fn payload(&self) -> &[u8] {
        &self.0.payload
    }

    /// The signature's bytes, which a timestamp stamps.
    pub fn signature(&self) -> &[u8] {
        &self.0.signature
    }

    /// The RFC 3161 token over the signature; it protects itself.
    pub fn timestamp_token(&self) -> Option<&[u8]> {
        self.0.timestamp_token()
    }
}

/// Parses the certificates of an envelope, leaf first.
fn parse_chain(ders: &[Vec<u8>]) -> Result<Vec<Certificate>, EnvelopeError> {
    if ders.is_empty() {
        return Err(EnvelopeError::NoChain);
    }
    if ders.len() > limits::CHAIN_CERTIFICATES {
        return Err(ChainError::TooLong { certificates: ders.len() }.into());
    }
    let parse = |(at, der): (usize, &Vec<u8>)| {
        Certificate::parse(der).map_err(|error| EnvelopeError::Certificate { at, error })
    };
    ders.iter().enumerate().map(parse).collect()
}

/// Why an envelope fails the integrity check.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// Longer than [`limits::ENVELOPE_BYTES`].
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

#[cfg(test)]
mod tests {
    use super::*;

    use crate::file_form::Packer;

    const JWS: &[u8] = include_bytes!("../../../../../fixtures/fuzz/envelope.jws");

    #[test]
    fn an_envelope_of_another_format_than_its_media_type_is_called_by_its_name() {
        let cose = [&[0xd2, 0x84][..], &[0x40; 10]].concat();
        let page = b"<html><title>Sign in</title></html>";
        for (media_type, bytes, is) in [
            (media_type::JWS_ENVELOPE, &cose[..], FileForm::Cose),
            (media_type::COSE_ENVELOPE, JWS, FileForm::Json),
            (media_type::JWS_ENVELOPE, page, FileForm::WebPage),
            (media_type::COSE_ENVELOPE, page, FileForm::WebPage),
            (media_type::JWS_ENVELOPE, b"\x1f\x8b\x08", FileForm::Packed(Packer::Gzip)),
            (media_type::COSE_ENVELOPE, b"\x1f\x8b\x08", FileForm::Packed(Packer::Gzip)),
            (media_type::JWS_ENVELOPE, b"eyJhbGciOiJQUzI1NiJ9.e30.AA", FileForm::Token),
        ] {
            let error = Envelope::parse(media_type, bytes).unwrap_err();
            assert_eq!(error.code(), Code::EnvelopeMalformed);
            assert_eq!(error, EnvelopeError::Form { is, media_type: media_type.to_string() });
        }
        assert!(Envelope::parse(media_type::JWS_ENVELOPE, JWS).is_ok());
        let marked = [b"\xef\xbb\xbf", JWS].concat();
        let error = Envelope::parse(media_type::JWS_ENVELOPE, &marked).unwrap_err();
        let is = FileForm::Marked;
        assert_eq!(error, EnvelopeError::Form { is, media_type: media_type::JWS_ENVELOPE.into() });
    }
}
