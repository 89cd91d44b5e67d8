//! What the extensions of a certificate say. RFC 5280 section 4.2.
//!
//! The contents that decide something are read as strict DER. Those that decide nothing here must still be well-formed,
//! since the reference refuses a certificate in which they are not.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, OctetStringRef};
use der::{Decode as _, DecodeValue, Sequence};
use x509_parser::extensions::{GeneralName, NameConstraints, SubjectAlternativeName};
use x509_parser::prelude::{FromDer, X509Extension};

use super::certificate::{BasicConstraints, CertificateError, ExtendedKeyUsage, Extension, KeyUsage, oid};
use crate::asn1::{self, SequenceOf};

/// What the extensions say, together.
#[derive(Default)]
pub(super) struct Contents {
    pub(super) extensions: Vec<Extension>,
    pub(super) basic_constraints: Option<BasicConstraints>,
    pub(super) key_usage: Option<KeyUsage>,
    pub(super) extended_key_usage: Option<ExtendedKeyUsage>,
    pub(super) crl_urls: Vec<String>,
    pub(super) ocsp_urls: Vec<String>,
}

impl Contents {
    pub(super) fn read(parsed: &[X509Extension<'_>]) -> Result<Self, CertificateError> {
        let mut contents = Self::default();
        for extension in parsed {
            let oid = extension.oid.to_id_string();
            if contents.extensions.iter().any(|known| known.oid == oid) {
                return Err(CertificateError::DuplicateExtension { oid });
            }
            let extension = Extension { oid, critical: extension.critical, value: extension.value.to_vec() };
            contents
                .take(&extension)
                .ok_or_else(|| CertificateError::Extension { oid: extension.oid.clone() })?;
            contents.extensions.push(extension);
        }
        Ok(contents)
    }

    /// Takes in one extension; none where it is malformed.
    fn take(&mut self, extension: &Extension) -> Option<()> {
        let value = extension.value.as_slice();
        match extension.oid.as_str() {
            oid::BASIC_CONSTRAINTS => {
                let constraints = BasicConstraintsDer::from_der(value).ok()?;
                let path_length = constraints.path_length.filter(|length| i64::try_from(*length).is_ok());
                if path_length != constraints.path_length {
                    return None;
                }
                self.basic_constraints = Some(BasicConstraints { ca: constraints.ca, path_length });
            }
            oid::KEY_USAGE => {
                let usage = BitStringRef::from_der(value).ok().filter(has_zero_padding)?;
                let set = (0_u16..9).filter(|bit| usage.get(usize::from(*bit)) == Some(true));
                let bits = set.fold(0, |bits, bit| bits | 1_u16 << bit);
                self.key_usage = Some(KeyUsage { critical: extension.critical, bits });
            }
            oid::EXTENDED_KEY_USAGE => {
                let purposes = Vec::<ObjectIdentifier>::from_der(value).ok()?;
                let purposes = purposes.iter().map(ToString::to_string).collect();
                self.extended_key_usage = Some(ExtendedKeyUsage { critical: extension.critical, purposes });
            }
            oid::CRL_DISTRIBUTION_POINTS => self.crl_urls = asn1::distribution_points(value).ok()?,
            oid::AUTHORITY_INFO_ACCESS => {
                if extension.critical {
                    return None;
                }
                for access in SequenceOf::from_der(value).ok()?.iter::<AccessDescription<'_>>() {
                    let access = access.ok()?;
                    if access.method == AD_OCSP {
                        self.ocsp_urls.extend(asn1::url(access.location).ok()?);
                    }
                }
            }
            _ => check_unused(extension)?,
        }
        Some(())
    }
}

/// Whether the unused bits of a bit string are zero, as DER has it.
fn has_zero_padding(bits: &BitStringRef<'_>) -> bool {
    let unused = u32::from(bits.unused_bits());
    bits.raw_bytes().last().is_none_or(|last| last.trailing_zeros() >= unused)
}

#[derive(Sequence)]
struct BasicConstraintsDer {
    #[asn1(default = "bool::default")]
    ca: bool,
    #[asn1(optional = "true")]
    path_length: Option<u64>,
}

#[derive(DecodeValue)]
struct AccessDescription<'a> {
    method: ObjectIdentifier,
    location: AnyRef<'a>,
}

impl<'a> Sequence<'a> for AccessDescription<'a> {}

/// Checks the form of an extension that decides nothing here.
fn check_unused(extension: &Extension) -> Option<()> {
    let value = extension.value.as_slice();
    let fits = match extension.oid.as_str() {
        // key identifiers must not be critical: RFC 5280 sections 4.2.1.1 and 4.2.1.2
        "2.5.29.35" => {
            !extension.critical && AnyRef::from_der(value).is_ok_and(|any| any.sequence(skip_all).is_ok())
        }
        "2.5.29.14" => !extension.critical && <&OctetStringRef>::from_der(value).is_ok(),
        "2.5.29.17" => {
            let names = whole::<SubjectAlternativeName<'_>>(value)?;
            names.general_names.iter().all(is_well_formed)
        }
        oid::NAME_CONSTRAINTS => {
            let constraints = whole::<NameConstraints<'_>>(value)?;
            let subtrees = [constraints.permitted_subtrees, constraints.excluded_subtrees];
            subtrees.iter().flatten().any(|subtrees| !subtrees.is_empty())
        }
        "2.5.29.32" => {
            let policies = Vec::<PolicyDer<'_>>::from_der(value).ok()?;
            let repeated = policies
                .iter()
                .enumerate()
                .any(|(at, policy)| policies.iter().take(at).any(|other| other.oid == policy.oid));
            !repeated
        }
        "2.5.29.33" => Vec::<PolicyMappingDer>::from_der(value).is_ok(),
        "2.5.29.36" => PolicyConstraintsDer::from_der(value).is_ok(),
        "2.5.29.54" => <u64 as der::Decode>::from_der(value).is_ok(),
        _ => true,
    };
    fits.then_some(())
}

#[derive(Sequence)]
struct PolicyDer<'a> {
    oid: ObjectIdentifier,
    #[asn1(optional = "true")]
    _qualifiers: Option<AnyRef<'a>>,
}

#[derive(Sequence)]
struct PolicyMappingDer {
    _issuer: ObjectIdentifier,
    _subject: ObjectIdentifier,
}

#[derive(Sequence)]
struct PolicyConstraintsDer {
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    _require_explicit_policy: Option<i64>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    _inhibit_policy_mapping: Option<i64>,
}

fn skip_all<'a>(reader: &mut impl der::Reader<'a>) -> Result<(), der::Error> {
    while !reader.is_finished() {
        reader.tlv_bytes()?;
    }
    Ok(())
}

/// A value that x509-parser reads, which must be all of `bytes`.
fn whole<'a, T: FromDer<'a, x509_parser::error::X509Error>>(bytes: &'a [u8]) -> Option<T> {
    let (rest, value) = T::from_der(bytes).ok()?;
    rest.is_empty().then_some(value)
}

/// The forms of RFC 5280 section 4.2.1.6 that readers check.
fn is_well_formed(name: &GeneralName<'_>) -> bool {
    match name {
        GeneralName::RFC822Name(text) | GeneralName::DNSName(text) => text.is_ascii(),
        GeneralName::URI(text) => is_uri(text),
        GeneralName::IPAddress(bytes) => matches!(bytes.len(), 4 | 16),
        // a string of these kinds that is not ASCII, or an address of another length
        GeneralName::Invalid(tag, _) => !matches!(tag.0, 1 | 2 | 6 | 7),
        _ => true,
    }
}

/// Printable ASCII with well-formed percent escapes, and no host with empty labels. RFC 3986, no more than certificates need.
fn is_uri(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'%' => match after.split_first_chunk() {
                Some((&[high, low], after)) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    rest = after;
                }
                _ => return false,
            },
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => return false,
            byte if !byte.is_ascii_graphic() => return false,
            _ => {}
        }
    }
    let host =
        text.split_once("//").map_or("", |(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default());
    host.is_empty() || host.split('.').all(|label| !label.is_empty())
}

/// id-ad-ocsp, RFC 5280 section 4.2.2.1
const AD_OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap(oid::AD_OCSP);
