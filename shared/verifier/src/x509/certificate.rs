//! Reads one certificate into the parts that verification asks for. RFC 5280 section 4.
//!
//! Everything is read as strict DER: no trailing bytes, minimal lengths, both algorithm identifiers equal. A duplicate
//! extension, a malformed one of a type that the reference reads, or a negative serial number makes the whole certificate
//! malformed, and so does anything that x509-parser reads differently.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use der::{Reader as _, SliceReader};

use super::error::CertificateError;
use super::extensions::{BasicConstraints, Contents, ExtendedKeyUsage, Extension, KeyUsage};
use super::name::DistinguishedName;
use super::second_reading;
use super::signature::{PublicKey, SignatureAlgorithm};
use super::structure::Structure;
use crate::limits;
use crate::oci::Digest;
use crate::time::UnixTime;

/// A certificate. Cheap to clone; equal when the DER is equal.
#[derive(Clone)]
pub struct Certificate(Arc<Parts>);

struct Parts {
    der: Vec<u8>,
    tbs: Vec<u8>,
    sha256: Digest,
    serial: Vec<u8>,
    issuer_der: Vec<u8>,
    subject_der: Vec<u8>,
    issuer: DistinguishedName,
    subject: DistinguishedName,
    not_before: UnixTime,
    not_after: UnixTime,
    public_key: PublicKey,
    public_key_info: Vec<u8>,
    signature_algorithm: SignatureAlgorithm,
    signature: Vec<u8>,
    is_v3: bool,
    extensions: Vec<Extension>,
    basic_constraints: Option<BasicConstraints>,
    key_usage: Option<KeyUsage>,
    extended_key_usage: Option<ExtendedKeyUsage>,
    crl_urls: Vec<String>,
    ocsp_urls: Vec<String>,
}

impl Certificate {
    /// Reads one certificate, which must be all of `der`.
    ///
    /// # Errors
    /// [`CertificateError`] if it is malformed or past [`limits::CERTIFICATE_BYTES`].
    pub fn parse(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > limits::CERTIFICATE_BYTES {
            return Err(CertificateError::TooLarge { bytes: der.len() });
        }
        let structure = Structure::read(der)?;
        second_reading::check(der, &structure)?;
        let name = |der| DistinguishedName::parse(der).ok_or(CertificateError::Name);
        let contents = Contents::read(structure.extensions())?;
        Ok(Self(Arc::new(Parts {
            sha256: Digest::sha256(der),
            serial: structure.serial.to_vec(),
            issuer: name(structure.issuer)?,
            subject: name(structure.subject)?,
            not_before: structure.validity.not_before.time,
            not_after: structure.validity.not_after.time,
            public_key: PublicKey::from_der(structure.public_key_info).ok_or(CertificateError::PublicKey)?,
            signature_algorithm: SignatureAlgorithm::parse(structure.algorithm)
                .ok_or(CertificateError::Structure)?,
            is_v3: structure.is_v3,
            tbs: structure.tbs.to_vec(),
            issuer_der: structure.issuer.to_vec(),
            subject_der: structure.subject.to_vec(),
            public_key_info: structure.public_key_info.to_vec(),
            signature: structure.signature.to_vec(),
            der: der.to_vec(),
            extensions: contents.extensions,
            basic_constraints: contents.basic_constraints,
            key_usage: contents.key_usage,
            extended_key_usage: contents.extended_key_usage,
            crl_urls: contents.crl_urls,
            ocsp_urls: contents.ocsp_urls,
        })))
    }

    /// Reads certificates that stand one after another with nothing between them.
    ///
    /// # Errors
    /// [`CertificateError`] if anything in `der` is not a certificate.
    pub(crate) fn parse_sequence(der: &[u8]) -> Result<Vec<Self>, CertificateError> {
        let mut reader = SliceReader::new(der).map_err(|_| CertificateError::Structure)?;
        let mut certificates = Vec::new();
        while !reader.is_finished() {
            certificates.push(Self::parse(reader.tlv_bytes().map_err(|_| CertificateError::Structure)?)?);
        }
        Ok(certificates)
    }

    /// The whole certificate, DER.
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// What the issuer signed, DER.
    pub(crate) fn tbs(&self) -> &[u8] {
        &self.0.tbs
    }

    /// The SHA-256 of the DER: the certificate's thumbprint.
    pub fn sha256(&self) -> &Digest {
        &self.0.sha256
    }

    /// The serial number's content octets.
    pub fn serial(&self) -> &[u8] {
        &self.0.serial
    }

    /// The issuer's name, DER; this is what names are compared by.
    pub fn issuer_der(&self) -> &[u8] {
        &self.0.issuer_der
    }

    /// The subject's name, DER; this is what names are compared by.
    pub fn subject_der(&self) -> &[u8] {
        &self.0.subject_der
    }

    /// The issuer's name.
    pub fn issuer(&self) -> &DistinguishedName {
        &self.0.issuer
    }

    /// The subject's name.
    pub fn subject(&self) -> &DistinguishedName {
        &self.0.subject
    }

    /// The first second of its validity.
    pub fn not_before(&self) -> UnixTime {
        self.0.not_before
    }

    /// The last second of its validity.
    pub fn not_after(&self) -> UnixTime {
        self.0.not_after
    }

    /// Whether `at` is within its validity, both ends included.
    pub(crate) fn is_valid_at(&self, at: UnixTime) -> bool {
        self.not_before() <= at && at <= self.not_after()
    }

    /// The subject's key.
    pub(crate) fn public_key(&self) -> &PublicKey {
        &self.0.public_key
    }

    /// `SubjectPublicKeyInfo`, DER.
    pub(crate) fn public_key_info(&self) -> &[u8] {
        &self.0.public_key_info
    }

    /// The algorithm of the issuer's signature.
    pub(crate) fn signature_algorithm(&self) -> &SignatureAlgorithm {
        &self.0.signature_algorithm
    }

    /// The issuer's signature.
    pub(crate) fn signature(&self) -> &[u8] {
        &self.0.signature
    }

    /// Whether it is of version 3.
    pub(crate) fn is_v3(&self) -> bool {
        self.0.is_v3
    }

    /// basicConstraints.
    pub(crate) fn basic_constraints(&self) -> Option<BasicConstraints> {
        self.0.basic_constraints
    }

    /// keyUsage.
    pub(crate) fn key_usage(&self) -> Option<KeyUsage> {
        self.0.key_usage
    }

    /// extKeyUsage.
    pub fn extended_key_usage(&self) -> Option<&ExtendedKeyUsage> {
        self.0.extended_key_usage.as_ref()
    }

    /// Every URL of cRLDistributionPoints, in order.
    pub fn crl_urls(&self) -> &[String] {
        &self.0.crl_urls
    }

    /// Every OCSP URL of authorityInfoAccess, in order.
    pub fn ocsp_urls(&self) -> &[String] {
        &self.0.ocsp_urls
    }

    /// All extensions, in order; no type occurs twice.
    pub(crate) fn extensions(&self) -> &[Extension] {
        &self.0.extensions
    }

    /// The extension of a type.
    pub(crate) fn extension(&self, oid: &str) -> Option<&Extension> {
        self.0.extensions.iter().find(|extension| extension.oid == oid)
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der() == other.der()
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({} {})", self.subject(), self.sha256())
    }
}
