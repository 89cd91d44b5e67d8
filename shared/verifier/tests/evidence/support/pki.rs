//! Keys and certificates.

use assay_verifier::x509::Certificate;
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

use super::der::*;

pub(crate) const ECDSA_SHA256: &str = "1.2.840.10045.4.3.2";
pub(crate) const SHA256: &str = "2.16.840.1.101.3.4.2.1";
pub(crate) const SHA1: &str = "1.3.14.3.2.26";

pub(crate) const KEY_USAGE: &str = "2.5.29.15";
pub(crate) const BASIC_CONSTRAINTS: &str = "2.5.29.19";
pub(crate) const EXTENDED_KEY_USAGE: &str = "2.5.29.37";
pub(crate) const TIME_STAMPING: &str = "1.3.6.1.5.5.7.3.8";

/// A P-256 key.
pub(crate) struct Key(EcdsaKeyPair);

impl Key {
    pub(crate) fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    /// `SubjectPublicKeyInfo`
    pub(crate) fn info(&self) -> Vec<u8> {
        self.0.public_key().as_der().unwrap().as_ref().to_vec()
    }

    /// The content of `subjectPublicKey`.
    pub(crate) fn point(&self) -> Vec<u8> {
        self.0.public_key().as_ref().to_vec()
    }
}

/// `tbs`, its algorithm and its signature, as certificates, CRLs and OCSP responses are put together.
pub(crate) fn signed(tbs: &[u8], key: &Key) -> Vec<u8> {
    sequence(&[tbs.to_vec(), algorithm(ECDSA_SHA256), bits(&key.sign(tbs))])
}

/// A `Name` of one common name.
pub(crate) fn name(common_name: &str) -> Vec<u8> {
    sequence(&[set(&[sequence(&[oid("2.5.4.3"), utf8(common_name)])])])
}

/// A certificate to be; every field may be changed before it is issued.
#[derive(Clone)]
pub(crate) struct Template {
    pub(crate) subject: Vec<u8>,
    pub(crate) serial: u64,
    pub(crate) not_before: &'static str,
    pub(crate) not_after: &'static str,
    /// Encoded extensions by their type
    pub(crate) extensions: Vec<(&'static str, Vec<u8>)>,
}

impl Template {
    fn new(common_name: &str, serial: u64) -> Self {
        Self {
            subject: name(common_name),
            serial,
            not_before: "20200101000000Z",
            not_after: "21200101000000Z",
            extensions: Vec::new(),
        }
    }

    /// A CA that may sign certificates and CRLs.
    pub(crate) fn ca(common_name: &str, serial: u64) -> Self {
        Self::new(common_name, serial).with(BASIC_CONSTRAINTS, true, &sequence(&[boolean(true)])).with(
            KEY_USAGE,
            true,
            &tagged(0x03, &[1, 0b0000_0110]),
        )
    }

    /// A leaf that may sign.
    pub(crate) fn leaf(common_name: &str, serial: u64) -> Self {
        Self::new(common_name, serial).with(KEY_USAGE, true, &tagged(0x03, &[7, 0b1000_0000]))
    }

    /// A leaf that may sign timestamps.
    pub(crate) fn tsa(common_name: &str, serial: u64) -> Self {
        Self::leaf(common_name, serial).with(EXTENDED_KEY_USAGE, true, &sequence(&[oid(TIME_STAMPING)]))
    }

    /// Adds an extension, or puts it in the place of the one of its type.
    pub(crate) fn with(mut self, dotted: &'static str, critical: bool, value: &[u8]) -> Self {
        self.extensions.retain(|(known, _)| *known != dotted);
        self.extensions.push((dotted, extension(dotted, critical, value)));
        self
    }

    pub(crate) fn without(mut self, dotted: &str) -> Self {
        self.extensions.retain(|(known, _)| *known != dotted);
        self
    }

    /// Adds CRL distribution points, each with one URL.
    pub(crate) fn with_crls(self, urls: &[&str]) -> Self {
        let points: Vec<_> = urls.iter().map(|text| sequence(&[full_name(&[text])])).collect();
        self.with("2.5.29.31", false, &sequence(&points))
    }

    /// Adds OCSP responders.
    pub(crate) fn with_ocsp(self, urls: &[&str]) -> Self {
        let access: Vec<_> =
            urls.iter().map(|text| sequence(&[oid("1.3.6.1.5.5.7.48.1"), url(text)])).collect();
        self.with("1.3.6.1.5.5.7.1.1", false, &sequence(&access))
    }

    /// The certificate for `key`, issued by `issuer_name` with `issuer_key`.
    pub(crate) fn issue(&self, key: &Key, issuer_name: &[u8], issuer_key: &Key) -> Certificate {
        Certificate::parse(&self.der(&key.info(), issuer_name, issuer_key)).unwrap()
    }

    /// The same for any `SubjectPublicKeyInfo`, whether or not it is well-formed.
    pub(crate) fn der(&self, key: &[u8], issuer_name: &[u8], issuer_key: &Key) -> Vec<u8> {
        let extensions: Vec<_> = self.extensions.iter().map(|(_, extension)| extension).collect();
        let tbs = sequence(&[
            context(0, &integer(2)),
            integer(self.serial),
            algorithm(ECDSA_SHA256),
            issuer_name.to_vec(),
            sequence(&[generalized_time(self.not_before), generalized_time(self.not_after)]),
            self.subject.clone(),
            key.to_vec(),
            context(3, &sequence(&extensions)),
        ]);
        signed(&tbs, issuer_key)
    }
}

/// An entity: its certificate and its key.
pub(crate) struct Entity {
    pub(crate) certificate: Certificate,
    pub(crate) key: Key,
}

impl Entity {
    /// A self-signed CA.
    pub(crate) fn root(template: &Template) -> Self {
        let key = Key::new();
        Self { certificate: template.issue(&key, &template.subject, &key), key }
    }

    /// An entity that this one issues a certificate to.
    pub(crate) fn issue(&self, template: &Template) -> Self {
        let key = Key::new();
        Self { certificate: template.issue(&key, self.name(), &self.key), key }
    }

    /// Another certificate for the same key.
    pub(crate) fn cross_sign(&self, template: &Template, key: &Key) -> Certificate {
        template.issue(key, self.name(), &self.key)
    }

    pub(crate) fn name(&self) -> &[u8] {
        self.certificate.subject_der()
    }
}
