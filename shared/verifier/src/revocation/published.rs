//! What a CRL says of itself, and where CRLs are published: for a program that fetches them. Nothing here is verified, and no
//! verdict depends on it.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::crl::Crl;
use super::error::EvidenceError;
use super::evidence::RevocationEvidence;
use crate::time::UnixTime;
use crate::x509::Certificate;

/// What a CRL says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedCrl {
    /// The issuer's name, RFC 4514.
    pub issuer: String,
    /// When it was issued.
    pub this_update: UnixTime,
    /// When the next is due.
    pub next_update: Option<UnixTime>,
    /// Whether it is a delta.
    pub is_delta: bool,
    /// Where its deltas are published: those of `http` alone, which verification reads.
    pub delta_urls: Vec<String>,
}

impl PublishedCrl {
    /// Reads what a distribution point gave out: one CRL, in DER or PEM.
    ///
    /// # Errors
    /// [`EvidenceError`] if verification could not read it either, or it is not one CRL.
    pub fn parse(bytes: &[u8]) -> Result<Self, EvidenceError> {
        let mut evidence = RevocationEvidence::default();
        evidence.add_file("published", bytes)?;
        let [staged] = evidence.staged_crls() else { return Err(EvidenceError::Crl) };
        Ok(Self::describe(&staged.crl))
    }

    fn describe(crl: &Crl) -> Self {
        Self {
            issuer: crl.issuer.to_string(),
            this_update: crl.this_update,
            next_update: crl.next_update,
            is_delta: crl.delta_of.is_some(),
            delta_urls: crl.delta_urls.iter().filter(|url| is_http(url)).cloned().collect(),
        }
    }
}

/// Where the CRLs of a certificate are published: the URLs of `http` alone, which verification reads.
pub fn crl_urls(certificate: &Certificate) -> impl Iterator<Item = &str> {
    certificate.crl_urls().iter().map(String::as_str).filter(|url| is_http(url))
}

/// Whether a URL is one that the reference would fetch.
pub(super) fn is_http(url: &str) -> bool {
    url.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"))
}
