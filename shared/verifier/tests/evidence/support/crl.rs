//! Certificate revocation lists.

use super::der::*;
use super::pki::{ECDSA_SHA256, Entity, signed};

pub(crate) use assay_fixtures::certificate::pem;

pub(crate) const CRL_NUMBER: &str = "2.5.29.20";
pub(crate) const REASON_CODE: &str = "2.5.29.21";
pub(crate) const INVALIDITY_DATE: &str = "2.5.29.24";
pub(crate) const DELTA_CRL_INDICATOR: &str = "2.5.29.27";
pub(crate) const ISSUING_DISTRIBUTION_POINT: &str = "2.5.29.28";
pub(crate) const FRESHEST_CRL: &str = "2.5.29.46";

/// A CRL to be; every field may be changed before it is signed.
#[derive(Clone)]
pub(crate) struct List {
    pub(crate) version: Vec<u8>,
    pub(crate) this_update: &'static str,
    pub(crate) next_update: Option<&'static str>,
    /// Encoded entries
    pub(crate) entries: Vec<Vec<u8>>,
    /// Encoded extensions by their type
    pub(crate) extensions: Vec<(&'static str, Vec<u8>)>,
}

impl List {
    /// A list of nobody, of the first half of 2024.
    pub(crate) fn new(number: u64) -> Self {
        Self {
            version: integer(1),
            this_update: "20240101000000Z",
            next_update: Some("20240701000000Z"),
            entries: Vec::new(),
            extensions: Vec::new(),
        }
        .with(CRL_NUMBER, false, &integer(number))
    }

    /// Adds an extension, or puts it in the place of the one of its type.
    pub(crate) fn with(mut self, dotted: &'static str, critical: bool, value: &[u8]) -> Self {
        self = self.without(dotted);
        self.extensions.push((dotted, extension(dotted, critical, value)));
        self
    }

    pub(crate) fn without(mut self, dotted: &str) -> Self {
        self.extensions.retain(|(known, _)| *known != dotted);
        self
    }

    /// Names where deltas of this list are.
    pub(crate) fn with_deltas_at(self, urls: &[&str]) -> Self {
        self.with(FRESHEST_CRL, false, &sequence(&[sequence(&[full_name(urls)])]))
    }

    /// Makes the list a delta of the base of that number or a later one.
    pub(crate) fn delta_of(self, number: u64) -> Self {
        self.with(DELTA_CRL_INDICATOR, true, &integer(number))
    }

    /// Says what the list is about, by the fields of an `IssuingDistributionPoint`.
    pub(crate) fn about(self, fields: &[Vec<u8>]) -> Self {
        self.with(ISSUING_DISTRIBUTION_POINT, true, &sequence(fields))
    }

    /// Lists a certificate.
    pub(crate) fn listing(mut self, serial: u64, at: &str, extensions: &[Vec<u8>]) -> Self {
        let extensions = if extensions.is_empty() { Vec::new() } else { sequence(extensions) };
        self.entries.push(sequence(&[integer(serial), generalized_time(at), extensions]));
        self
    }

    pub(crate) fn sign(&self, issuer: &Entity) -> Vec<u8> {
        let extensions: Vec<_> = self.extensions.iter().map(|(_, extension)| extension).collect();
        let extensions = if extensions.is_empty() { Vec::new() } else { context(0, &sequence(&extensions)) };
        let tbs = sequence(&[
            self.version.clone(),
            algorithm(ECDSA_SHA256),
            issuer.name().to_vec(),
            generalized_time(self.this_update),
            self.next_update.map(generalized_time).unwrap_or_default(),
            if self.entries.is_empty() { Vec::new() } else { sequence(&self.entries) },
            extensions,
        ]);
        signed(&tbs, &issuer.key)
    }
}

/// The reason of an entry.
pub(crate) fn because(code: u8) -> Vec<u8> {
    extension(REASON_CODE, false, &enumerated(code))
}

/// The invalidity date of an entry.
pub(crate) fn invalid_since(at: &str) -> Vec<u8> {
    extension(INVALIDITY_DATE, false, &generalized_time(at))
}
