//! Revocation. No evidence is read yet: a certificate that names a CRL or an OCSP responder has an unknown status.

use alloc::vec::Vec;

use crate::codes::Code;
use crate::report::CrlInput;
use crate::time::UnixTime;
use crate::x509::Certificate;

/// What the chain is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Signing artifacts
    CodeSigning,
    /// Signing timestamps
    Timestamping,
}

/// CRLs and OCSP responses.
#[derive(Clone, Debug, Default)]
pub struct Evidence;

/// Why a file is no evidence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("revocation evidence is not read by this version")]
pub struct EvidenceError;

impl Evidence {
    /// Adds a file.
    ///
    /// # Errors
    /// Always.
    pub fn add_file(&mut self, _name: &str, _bytes: &[u8]) -> Result<(), EvidenceError> {
        Err(EvidenceError)
    }

    /// The CRLs.
    pub fn crls(&self) -> Vec<CrlInput> {
        Vec::new()
    }
}

/// Why a chain is not known to be good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the revocation status of a certificate is unknown")]
pub struct RevocationError;

impl RevocationError {
    /// The code that reports give.
    pub fn code(&self) -> Code {
        Code::RevocationUnknown
    }
}

/// Checks that no certificate of the chain but the root can be revoked.
///
/// # Errors
/// [`RevocationError`] where one names a CRL or an OCSP responder.
pub fn check_chain(
    chain: &[Certificate],
    _purpose: Purpose,
    _evidence: &Evidence,
    _at: UnixTime,
    _authentic_signing_time: Option<UnixTime>,
) -> Result<(), RevocationError> {
    let names_source =
        |certificate: &Certificate| !certificate.crl_urls().is_empty() || !certificate.ocsp_urls().is_empty();
    let below_root = chain.split_last().map_or(&[][..], |(_, below)| below);
    if below_root.iter().any(names_source) { Err(RevocationError) } else { Ok(()) }
}
