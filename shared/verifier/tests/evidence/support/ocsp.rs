//! OCSP responses.

use assay_verifier::x509::{Certificate, Hash};
use aws_lc_rs::digest;

use super::der::*;
use super::pki::{ECDSA_SHA256, Entity, SHA1, SHA256};

/// A response about one certificate to be; every field may be changed before it is signed.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) response_status: u8,
    pub(crate) id_hash: &'static str,
    pub(crate) serial: Vec<u8>,
    /// Encoded `CertStatus`
    pub(crate) status: Vec<u8>,
    pub(crate) this_update: &'static str,
    pub(crate) next_update: Option<&'static str>,
    /// Encoded extensions of the answer
    pub(crate) extensions: Vec<Vec<u8>>,
    /// Whether the responder is named by the hash of its key
    pub(crate) by_key: bool,
    /// Certificates sent along
    pub(crate) certificates: Vec<Certificate>,
}

impl Answer {
    /// That a certificate is good, in the first half of 2024.
    pub(crate) fn good(certificate: &Certificate) -> Self {
        Self {
            response_status: 0,
            id_hash: SHA1,
            serial: certificate.serial().to_vec(),
            status: context_primitive(0, &[]),
            this_update: "20240101000000Z",
            next_update: Some("20240701000000Z"),
            extensions: Vec::new(),
            by_key: false,
            certificates: Vec::new(),
        }
    }

    /// Signs as `responder` an answer about a certificate of `issuer`.
    pub(crate) fn sign(&self, issuer: &Entity, responder: &Entity) -> Vec<u8> {
        let hash = |bytes: &[u8]| match self.id_hash {
            SHA256 => Hash::Sha256.digest(bytes),
            _ => sha1(bytes),
        };
        let next_update = self.next_update.map(|at| context(0, &generalized_time(at))).unwrap_or_default();
        let extensions =
            if self.extensions.is_empty() { Vec::new() } else { context(1, &sequence(&self.extensions)) };
        let single = sequence(&[
            sequence(&[
                algorithm(self.id_hash),
                octets(&hash(issuer.name())),
                octets(&hash(&issuer.key.point())),
                tagged(0x02, &self.serial),
            ]),
            self.status.clone(),
            generalized_time(self.this_update),
            next_update,
            extensions,
        ]);
        let responder_id = if self.by_key {
            context(2, &octets(&sha1(&responder.key.point())))
        } else {
            context(1, responder.name())
        };
        let data = sequence(&[responder_id, generalized_time(self.this_update), sequence(&[single])]);
        let certificates: Vec<_> = self.certificates.iter().map(Certificate::der).collect();
        let certificates =
            if certificates.is_empty() { Vec::new() } else { context(0, &sequence(&certificates)) };
        let basic = sequence(&[
            data.clone(),
            algorithm(ECDSA_SHA256),
            bits(&responder.key.sign(&data)),
            certificates,
        ]);
        let bytes = sequence(&[oid("1.3.6.1.5.5.7.48.1.1"), octets(&basic)]);
        sequence(&[enumerated(self.response_status), context(0, &bytes)])
    }
}

/// The `CertStatus` of a revoked certificate.
pub(crate) fn revoked(at: &str, reason: Option<u8>) -> Vec<u8> {
    let reason = reason.map(|code| context(0, &enumerated(code))).unwrap_or_default();
    context(1, &[generalized_time(at), reason].concat())
}

/// The `CertStatus` of a certificate that the responder does not know.
pub(crate) fn unknown() -> Vec<u8> {
    context_primitive(2, &[])
}

fn sha1(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref().to_vec()
}
