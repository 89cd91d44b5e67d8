//! Timestamp tokens.

use assay_verifier::x509::Hash;

use super::der::*;
use super::pki::{ECDSA_SHA256, Entity, SHA256};

const TST_INFO: &str = "1.2.840.113549.1.9.16.1.4";
const SIGNED_DATA: &str = "1.2.840.113549.1.7.2";

/// A token to be; every field may be changed before it is made.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) outer_type: &'static str,
    pub(crate) signed_data_version: u64,
    pub(crate) content_type: &'static str,
    pub(crate) info_version: u64,
    pub(crate) policy: &'static str,
    pub(crate) imprint_algorithm: &'static str,
    pub(crate) time: &'static str,
    /// What follows genTime in the TSTInfo, encoded
    pub(crate) after_time: Vec<u8>,
    /// Certificates, or other choices, encoded
    pub(crate) certificates: Vec<Vec<u8>>,
    /// What stands between certificates and signers, encoded
    pub(crate) crls: Vec<u8>,
    pub(crate) signer_version: u64,
    pub(crate) digest_algorithm: &'static str,
    pub(crate) signature_algorithm: Vec<u8>,
    /// Signed attributes by their type, with their values
    pub(crate) attributes: Vec<(&'static str, Vec<Vec<u8>>)>,
    /// Whether the message digest, unless `attributes` has one, is that of the content
    pub(crate) digest_is_right: bool,
    pub(crate) sort_attributes: bool,
    pub(crate) signers: usize,
}

pub(crate) const CONTENT_TYPE: &str = "1.2.840.113549.1.9.3";
pub(crate) const MESSAGE_DIGEST: &str = "1.2.840.113549.1.9.4";
pub(crate) const SIGNING_TIME: &str = "1.2.840.113549.1.9.5";
pub(crate) const SIGNING_CERTIFICATE: &str = "1.2.840.113549.1.9.16.2.12";
pub(crate) const SIGNING_CERTIFICATE_V2: &str = "1.2.840.113549.1.9.16.2.47";

impl Token {
    /// A good token of a TSA, with the certificates given.
    pub(crate) fn new(tsa: &Entity, certificates: &[&assay_verifier::x509::Certificate]) -> Self {
        Self {
            outer_type: SIGNED_DATA,
            signed_data_version: 3,
            content_type: TST_INFO,
            info_version: 1,
            policy: "1.2.3",
            imprint_algorithm: SHA256,
            time: "20240601120000Z",
            after_time: Vec::new(),
            certificates: certificates.iter().map(|certificate| certificate.der().to_vec()).collect(),
            crls: Vec::new(),
            signer_version: 1,
            digest_algorithm: SHA256,
            signature_algorithm: algorithm(ECDSA_SHA256),
            attributes: vec![
                (CONTENT_TYPE, vec![oid(TST_INFO)]),
                (SIGNING_CERTIFICATE_V2, vec![signing_certificate(&[ess_id(None, tsa, None)])]),
            ],
            digest_is_right: true,
            sort_attributes: true,
            signers: 1,
        }
    }

    /// Adds an attribute, or puts it in the place of the one of its type.
    pub(crate) fn with(mut self, dotted: &'static str, values: &[Vec<u8>]) -> Self {
        self.attributes.retain(|(known, _)| *known != dotted);
        self.attributes.push((dotted, values.to_vec()));
        self
    }

    pub(crate) fn without(mut self, dotted: &str) -> Self {
        self.attributes.retain(|(known, _)| *known != dotted);
        self
    }

    pub(crate) fn tst_info(&self, stamped: &[u8]) -> Vec<u8> {
        sequence(&[
            integer(self.info_version),
            oid(self.policy),
            sequence(&[algorithm(self.imprint_algorithm), octets(&Hash::Sha256.digest(stamped))]),
            integer(7),
            generalized_time(self.time),
            self.after_time.clone(),
        ])
    }

    /// The token over `stamped`, signed by `tsa`.
    pub(crate) fn sign(&self, stamped: &[u8], tsa: &Entity) -> Vec<u8> {
        let content = self.tst_info(stamped);
        let mut attributes = self.attributes.clone();
        if !attributes.iter().any(|(dotted, _)| *dotted == MESSAGE_DIGEST) {
            let digested: &[u8] = if self.digest_is_right { &content } else { b"other" };
            attributes.push((MESSAGE_DIGEST, vec![octets(&Hash::Sha256.digest(digested))]));
        }
        attributes.retain(|(_, values)| !values.is_empty());
        let mut attributes: Vec<_> =
            attributes.iter().map(|(dotted, values)| sequence(&[oid(dotted), set(values)])).collect();
        let mut sorted = attributes.clone();
        sorted.sort();
        let signature = tsa.key.sign(&set(&sorted));
        if self.sort_attributes {
            attributes = sorted;
        }
        let signer = sequence(&[
            integer(self.signer_version),
            sequence(&[tsa.certificate.issuer_der().to_vec(), tagged(0x02, tsa.certificate.serial())]),
            algorithm(self.digest_algorithm),
            context(0, &attributes.concat()),
            self.signature_algorithm.clone(),
            octets(&signature),
        ]);
        let signed_data = sequence(&[
            integer(self.signed_data_version),
            set(&[algorithm(self.digest_algorithm)]),
            sequence(&[oid(self.content_type), context(0, &octets(&content))]),
            context(0, &self.certificates.concat()),
            self.crls.clone(),
            set(&vec![signer; self.signers]),
        ]);
        sequence(&[oid(self.outer_type), context(0, &signed_data)])
    }
}

/// `SigningCertificateV2`
pub(crate) fn signing_certificate(ids: &[Vec<u8>]) -> Vec<u8> {
    sequence(&[sequence(ids)])
}

/// `ESSCertIDv2` of an entity's certificate.
pub(crate) fn ess_id(hash: Option<&str>, entity: &Entity, issuer_serial: Option<Vec<u8>>) -> Vec<u8> {
    sequence(&[
        hash.map(algorithm).unwrap_or_default(),
        octets(&Hash::Sha256.digest(entity.certificate.der())),
        issuer_serial.unwrap_or_default(),
    ])
}
