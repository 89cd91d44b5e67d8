//! Reads the extensions of a certificate. RFC 5280 section 4.2.
//!
//! The contents that decide something are read as strict DER. Those that decide nothing here must still be well-formed,
//! because the reference refuses a certificate in which they are not.

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use der::asn1::{AnyRef, BitStringRef, OctetStringRef};
use der::{Decode as _, DecodeValue, Sequence};

use super::error::CertificateError;
use super::general_name::GeneralName;
use super::name_constraints::NameConstraints;
use super::oid;
use crate::asn1::{self, Oid, SequenceOf, Tlv, oid};

/// An extension as it stands in the certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// The type as a dotted object identifier.
    pub oid: String,
    /// Whether one that does not know it must refuse the certificate.
    pub critical: bool,
    /// The content of `extnValue`.
    pub value: Vec<u8>,
}

/// basicConstraints, RFC 5280 section 4.2.1.9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BasicConstraints {
    /// Whether the subject is a CA.
    pub ca: bool,
    /// How many CA certificates may stand between this one and the leaf.
    pub path_length: Option<u64>,
}

/// keyUsage, RFC 5280 section 4.2.1.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUsage {
    /// Whether the extension is critical.
    pub critical: bool,
    bits: u16,
}

/// Each is the bit of RFC 5280 of that name.
impl KeyUsage {
    pub(crate) fn digital_signature(self) -> bool {
        self.bits & 1 != 0
    }
    pub(crate) fn key_encipherment(self) -> bool {
        self.bits & (1 << 2) != 0
    }
    pub(crate) fn data_encipherment(self) -> bool {
        self.bits & (1 << 3) != 0
    }
    pub(crate) fn key_agreement(self) -> bool {
        self.bits & (1 << 4) != 0
    }
    pub(crate) fn key_cert_sign(self) -> bool {
        self.bits & (1 << 5) != 0
    }
    pub(crate) fn crl_sign(self) -> bool {
        self.bits & (1 << 6) != 0
    }
    pub(crate) fn encipher_only(self) -> bool {
        self.bits & (1 << 7) != 0
    }
    pub(crate) fn decipher_only(self) -> bool {
        self.bits & (1 << 8) != 0
    }
}

impl KeyUsage {
    /// Whether it rules out that the key signs certificates; one without any bit says nothing.
    pub(crate) fn forbids_issuing(self) -> bool {
        self.bits != 0 && !self.key_cert_sign()
    }
}

/// extKeyUsage, RFC 5280 section 4.2.1.12.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtendedKeyUsage {
    /// Whether the extension is critical.
    pub critical: bool,
    /// The purposes as dotted object identifiers, in the extension's order.
    pub purposes: Vec<String>,
}

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
    pub(super) fn read<'a>(
        parsed: impl Iterator<Item = Result<asn1::Extension<'a>, CertificateError>>,
    ) -> Result<Self, CertificateError> {
        let mut contents = Self::default();
        let mut known = BTreeSet::new();
        for extension in parsed {
            let extension = extension?;
            let oid = extension.oid.to_string();
            if !known.insert(extension.oid) {
                return Err(CertificateError::DuplicateExtension { oid });
            }
            let value = extension.value.as_bytes().to_vec();
            let extension = Extension { oid, critical: extension.critical, value };
            contents
                .take(&extension)
                .ok_or_else(|| CertificateError::Extension { oid: extension.oid.clone() })?;
            contents.extensions.push(extension);
        }
        Ok(contents)
    }

    /// Takes in one extension; `None` if it is malformed.
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
                let purposes = SequenceOf::from_der(value).ok()?;
                let purposes = purposes.iter::<Oid<'_>>().map(|purpose| Some(purpose.ok()?.to_string()));
                let purposes = purposes.collect::<Option<_>>()?;
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

/// Whether the unused bits of a bit string are zero, as DER demands.
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
    method: Oid<'a>,
    location: AnyRef<'a>,
}

impl<'a> Sequence<'a> for AccessDescription<'a> {}

/// Checks the form of an extension that decides nothing by itself.
fn check_unused(extension: &Extension) -> Option<()> {
    let value = extension.value.as_slice();
    let fits = match extension.oid.as_str() {
        // key identifiers must not be critical: RFC 5280 sections 4.2.1.1 and 4.2.1.2
        "2.5.29.35" => !extension.critical && is_list_of::<Tlv<'_>>(value),
        "2.5.29.14" => !extension.critical && <&OctetStringRef>::from_der(value).is_ok(),
        oid::SUBJECT_ALTERNATIVE_NAME => GeneralName::alternative_names(value).is_some(),
        oid::NAME_CONSTRAINTS => NameConstraints::read(value).is_some(),
        oid::CERTIFICATE_POLICIES => {
            let mut known = BTreeSet::new();
            let policies = SequenceOf::from_der(value).ok()?;
            policies
                .iter::<PolicyInformation<'_>>()
                .all(|policy| policy.is_ok_and(|policy| policy.oid.is_oid() && known.insert(policy.oid.0)))
        }
        oid::POLICY_MAPPINGS => is_list_of::<PolicyMapping<'_>>(value),
        oid::POLICY_CONSTRAINTS => PolicyConstraints::from_der(value).is_ok(),
        oid::INHIBIT_ANY_POLICY => i64::from_der(value).is_ok(),
        _ => true,
    };
    fits.then_some(())
}

fn is_list_of<'a, T: der::Decode<'a, Error = der::Error>>(value: &'a [u8]) -> bool {
    SequenceOf::from_der(value).is_ok_and(|list| list.iter::<T>().all(|item| item.is_ok()))
}

#[derive(DecodeValue)]
struct PolicyInformation<'a> {
    oid: Tlv<'a>,
    _qualifiers: Option<AnyRef<'a>>,
}

impl<'a> Sequence<'a> for PolicyInformation<'a> {}

#[derive(DecodeValue)]
struct PolicyMapping<'a> {
    _issuer: Oid<'a>,
    _subject: Oid<'a>,
}

impl<'a> Sequence<'a> for PolicyMapping<'a> {}

/// policyConstraints, RFC 5280 section 4.2.1.11
#[derive(Sequence)]
pub(super) struct PolicyConstraints {
    /// After how many certificates a policy is demanded of a path
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    pub(super) require_explicit_policy: Option<i64>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    _inhibit_policy_mapping: Option<i64>,
}

/// id-ad-ocsp, RFC 5280 section 4.2.2.1
const AD_OCSP: Oid<'static> = oid!(oid::AD_OCSP);
