//! Compares a certificate with what x509-parser reads.
//!
//! [`Structure`] is our own reading, strict DER. A second reader that shares no code with it must find the same parts, so
//! that a certificate which two readers understand differently is refused rather than half understood.

use x509_parser::certificate::{X509Certificate, X509CertificateParser};
use x509_parser::nom::Parser as _;
use x509_parser::time::ASN1Time;
use x509_parser::x509::X509Version;

use super::error::CertificateError;
use super::structure::Structure;
use crate::time::UnixTime;

/// Checks that x509-parser finds in `der` what `structure` is.
///
/// # Errors
/// [`CertificateError::Structure`] if it does not.
pub(super) fn check(der: &[u8], structure: &Structure<'_>) -> Result<(), CertificateError> {
    // what is in the extensions is read once, by our own reader, after the rules of Go's
    let mut parser = X509CertificateParser::new().with_deep_parse_extensions(false);
    match parser.parse(der) {
        Ok(([], other)) if is_same(&other, structure) => Ok(()),
        _ => Err(CertificateError::Structure),
    }
}

fn is_same(other: &X509Certificate<'_>, structure: &Structure<'_>) -> bool {
    let validity = &structure.validity;
    other.tbs_certificate.as_ref() == structure.tbs
        && (other.version == X509Version::V3) == structure.is_v3
        && other.raw_serial() == structure.serial
        && other.issuer.as_raw() == structure.issuer
        && is_at(other.validity.not_before, validity.not_before.time)
        && is_at(other.validity.not_after, validity.not_after.time)
        && other.subject.as_raw() == structure.subject
        && other.subject_pki.raw == structure.public_key_info
        && *other.signature_value.data == *structure.signature
        && has_extensions(other, structure)
}

fn is_at(other: ASN1Time, time: UnixTime) -> bool {
    UnixTime::from_seconds(other.timestamp()) == Some(time)
}

fn has_extensions(other: &X509Certificate<'_>, structure: &Structure<'_>) -> bool {
    let mut others = other.extensions().iter();
    let all = structure.extensions().all(|extension| {
        extension.is_ok_and(|own| {
            others.next().is_some_and(|other| {
                other.oid.as_bytes() == own.oid.as_bytes()
                    && other.critical == own.critical
                    && other.value == own.value.as_bytes()
            })
        })
    });
    all && others.next().is_none()
}
