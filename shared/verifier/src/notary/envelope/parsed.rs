//! A parsed envelope, and the check of its signature.

use alloc::string::ToString as _;
use alloc::vec::Vec;

use aws_lc_rs::signature::UnparsedPublicKey;

use super::algorithm::EnvelopeAlgorithm;
use super::attributes::SignedAttributes;
use super::error::EnvelopeError;
use crate::limits;
use crate::x509::{Certificate, ChainError, check_code_signing_chain};

/// A signature envelope, parsed and not trusted.
#[derive(Clone, Debug)]
pub struct Envelope {
    pub(super) algorithm: EnvelopeAlgorithm,
    pub(super) signed_bytes: Vec<u8>,
    pub(super) signature: Vec<u8>,
    pub(super) chain: Vec<Certificate>,
    pub(super) attributes: SignedAttributes,
    pub(super) payload: Vec<u8>,
    pub(super) timestamp_token: Option<Vec<u8>>,
}

impl Envelope {
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
    pub(crate) fn leaf(&self) -> Option<&Certificate> {
        self.0.chain.first()
    }

    /// What the signer signed beside the payload.
    pub fn attributes(&self) -> &SignedAttributes {
        &self.0.attributes
    }

    /// The signed payload.
    pub(crate) fn payload(&self) -> &[u8] {
        &self.0.payload
    }

    /// The signature's bytes, which a timestamp stamps.
    pub(crate) fn signature(&self) -> &[u8] {
        &self.0.signature
    }

    /// The RFC 3161 token over the signature; it protects itself.
    pub(crate) fn timestamp_token(&self) -> Option<&[u8]> {
        self.0.timestamp_token()
    }
}

/// Parses the certificates of an envelope, leaf first.
pub(super) fn parse_chain(ders: &[Vec<u8>]) -> Result<Vec<Certificate>, EnvelopeError> {
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
