//! What an envelope claims, for a person to read, even if it is not valid. Nothing here is verified, and nothing here refuses
//! an envelope: [`Envelope::parse`](super::Envelope::parse) and `verify` alone decide.

use alloc::string::String;
use alloc::vec::Vec;

use crate::limits;
use crate::time::UnixTime;
use crate::x509::{Certificate, CertificateError};

/// The claims of an envelope, each as far as it can be read.
#[derive(Clone, Debug, Default)]
pub struct EnvelopeClaims {
    /// The algorithm's name; COSE's number if it has no name here.
    pub algorithm: Option<String>,
    /// The type of what is signed.
    pub content_type: Option<String>,
    /// The signing scheme.
    pub scheme: Option<String>,
    /// The signing time, of either scheme.
    pub signing_time: Option<UnixTime>,
    /// When the signature is not to be used any more.
    pub expiry: Option<UnixTime>,
    /// The plugin that the signer wants it verified with.
    pub plugin: Option<String>,
    /// The plugin's lowest version.
    pub plugin_min_version: Option<String>,
    /// The software that made the envelope.
    pub signing_agent: Option<String>,
    /// The certificates, leaf first.
    pub chain: Vec<Result<Certificate, CertificateError>>,
    /// What is signed.
    pub payload: Vec<u8>,
    /// The signature's bytes, which a timestamp stamps.
    pub signature: Vec<u8>,
    /// The RFC 3161 token.
    pub timestamp_token: Option<Vec<u8>>,
}

/// As many certificates as any chain may have.
pub(super) fn certificates(ders: &[Vec<u8>]) -> Vec<Result<Certificate, CertificateError>> {
    ders.iter().take(limits::CHAIN_CERTIFICATES).map(|der| Certificate::parse(der)).collect()
}
