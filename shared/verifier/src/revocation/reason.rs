//! Why a certificate is revoked and since when it is invalid, as CRLs and OCSP responses write it. RFC 5280 section 5.3.

use core::fmt;

use der::asn1::AnyRef;
use der::{Decode as _, Tag, Tagged as _};

use crate::asn1::GeneralizedTime;
use crate::time::UnixTime;

/// Why a certificate was revoked: a `CRLReason` of RFC 5280 section 5.3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RevocationReason(pub u8);

impl RevocationReason {
    /// Revoked for the time being.
    pub(crate) const CERTIFICATE_HOLD: Self = Self(6);
    /// Revoked no more.
    pub(crate) const REMOVE_FROM_CRL: Self = Self(8);
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0 => "unspecified",
            1 => "keyCompromise",
            2 => "cACompromise",
            3 => "affiliationChanged",
            4 => "superseded",
            5 => "cessationOfOperation",
            6 => "certificateHold",
            8 => "removeFromCRL",
            9 => "privilegeWithdrawn",
            10 => "aACompromise",
            other => return write!(f, "reason {other}"),
        })
    }
}

/// Reads a `CRLReason`.
pub(super) fn reason(der: &[u8]) -> der::Result<RevocationReason> {
    let any = AnyRef::from_der(der)?;
    match (any.tag(), any.value()) {
        (Tag::Enumerated, [code]) => Ok(RevocationReason(*code)),
        _ => Err(Tag::Enumerated.value_error().into()),
    }
}

/// Reads an `InvalidityDate`, RFC 5280 section 5.3.2.
pub(super) fn invalidity_date(der: &[u8]) -> Option<UnixTime> {
    GeneralizedTime::from_der(der).ok().map(|time| time.0)
}
