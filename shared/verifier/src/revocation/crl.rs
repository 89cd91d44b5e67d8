//! Reads one certificate revocation list, and answers questions about its issuer, scope, freshness and entries. RFC 5280
//! section 5.
//!
//! A list of megabytes is read once. What is kept is the list of revoked certificates as it stands, an index into it by
//! serial number, and the hash that the signature is over. Whatever Go's parser refuses is refused here: a list of version 1,
//! and any malformed entry, even one about a certificate that is not asked about.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use der::asn1::{AnyRef, BitStringRef, OctetStringRef};
use der::{Decode, DecodeValue, Reader as _, Sequence, SliceReader, Tag};

use super::error::EvidenceMismatch;
use super::reason::{RevocationReason, invalidity_date, reason};
use crate::asn1::{self, Extension, Integer, Oid, SequenceOf, Time, Tlv, oid};
use crate::oci::Digest;
use crate::time::UnixTime;
use crate::x509::{Certificate, DistinguishedName, SignatureAlgorithm, SignatureError, SignedMessage};

/// A certificate revocation list, nothing of it verified.
#[derive(Clone)]
pub struct Crl {
    /// Digest of its DER.
    pub sha256: Digest,
    /// The issuer's name.
    pub issuer: DistinguishedName,
    pub(super) issuer_der: Vec<u8>,
    /// When it was issued.
    pub this_update: UnixTime,
    /// When the next is due.
    pub next_update: Option<UnixTime>,
    pub(super) number: Option<Number>,
    /// For a delta: the number of the base that it builds on, at least
    pub(super) delta_of: Option<Number>,
    pub(super) scope: Scope,
    /// Where deltas of this list are published: empty if it names no deltas, or only places without a URL
    pub(super) delta_urls: Vec<String>,
    /// Whether it names deltas by a name relative to its issuer, which is not supported
    pub(super) has_relative_deltas: bool,
    /// A critical extension that is not known
    pub(super) critical_extension: Option<String>,
    message: SignedMessage,
    signature: Vec<u8>,
    /// The content of `revokedCertificates`
    revoked: Vec<u8>,
    /// Where in `revoked` the entries begin, by serial number, then in the list's order
    index: Vec<u32>,
}

/// What an issuingDistributionPoint says that a list is about. RFC 5280 section 5.2.5.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Scope {
    /// The URLs of the distribution point, if one is named
    pub(super) urls: Option<Vec<String>>,
    /// Whether the distribution point's name is relative to the list's issuer, which is not supported
    pub(super) relative: bool,
    pub(super) only_leaves: bool,
    pub(super) only_cas: bool,
    pub(super) only_attribute_certificates: bool,
    pub(super) only_some_reasons: bool,
    pub(super) indirect: bool,
}

/// A CRL's number, of any length.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Number {
    length: usize,
    /// Without leading zeros
    digits: Vec<u8>,
}

/// What an entry says about a certificate.
pub(super) struct Entry {
    pub(super) revoked_at: UnixTime,
    pub(super) reason: Option<RevocationReason>,
    /// Since when the certificate is invalid. A date in another form than RFC 5280's excuses nothing, and is not here.
    pub(super) invalid_since: Option<UnixTime>,
    /// A critical extension that is not known
    pub(super) critical_extension: Option<String>,
}

#[derive(DecodeValue)]
struct CertificateList<'a> {
    tbs: Tlv<'a>,
    algorithm: Tlv<'a>,
    signature: BitStringRef<'a>,
}

impl<'a> Sequence<'a> for CertificateList<'a> {}

#[derive(DecodeValue)]
struct TbsCertList<'a> {
    version: u8,
    algorithm: Tlv<'a>,
    issuer: Tlv<'a>,
    this_update: Time,
    next_update: Option<Time>,
    revoked: Option<SequenceOf<'a>>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<SequenceOf<'a>>,
}

impl<'a> Sequence<'a> for TbsCertList<'a> {}

#[derive(DecodeValue)]
struct RevokedCertificate<'a> {
    serial: Integer<'a>,
    revoked_at: Time,
    extensions: Option<SequenceOf<'a>>,
}

impl<'a> Sequence<'a> for RevokedCertificate<'a> {}

#[derive(DecodeValue)]
struct IssuingDistributionPoint<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    distribution_point: Option<AnyRef<'a>>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    only_leaves: Option<bool>,
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT", optional = "true")]
    only_cas: Option<bool>,
    #[asn1(context_specific = "3", tag_mode = "IMPLICIT", optional = "true")]
    only_some_reasons: Option<BitStringRef<'a>>,
    #[asn1(context_specific = "4", tag_mode = "IMPLICIT", optional = "true")]
    indirect: Option<bool>,
    #[asn1(context_specific = "5", tag_mode = "IMPLICIT", optional = "true")]
    only_attribute_certificates: Option<bool>,
}

impl<'a> Sequence<'a> for IssuingDistributionPoint<'a> {}

#[derive(DecodeValue)]
struct AuthorityKeyIdentifier<'a> {
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    _key: Option<&'a OctetStringRef>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    _issuer: Option<SequenceOf<'a>>,
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT", optional = "true")]
    _serial: Option<Integer<'a>>,
}

impl<'a> Sequence<'a> for AuthorityKeyIdentifier<'a> {}

impl Crl {
    /// Reads a list, which must be all of `der`; `None` if it is malformed.
    pub(super) fn parse(der: &[u8]) -> Option<Self> {
        Self::read(der).ok().flatten()
    }

    fn read(der: &[u8]) -> der::Result<Option<Self>> {
        let list = CertificateList::from_der(der)?;
        let tbs = TbsCertList::from_der(list.tbs.0)?;
        let (Some(algorithm), Some(issuer), Some(signature)) = (
            SignatureAlgorithm::parse(list.algorithm.0),
            DistinguishedName::parse(tbs.issuer.0),
            list.signature.as_bytes(),
        ) else {
            return Ok(None);
        };
        if tbs.version != 1 || tbs.algorithm != list.algorithm {
            return Ok(None);
        }
        let revoked = tbs.revoked.map_or(&[][..], |revoked| revoked.content());
        let mut crl = Self {
            sha256: Digest::sha256(der),
            issuer,
            issuer_der: tbs.issuer.0.to_vec(),
            this_update: tbs.this_update.time,
            next_update: tbs.next_update.map(|next| next.time),
            number: None,
            delta_of: None,
            scope: Scope::default(),
            delta_urls: Vec::new(),
            has_relative_deltas: false,
            critical_extension: None,
            message: SignedMessage::new(algorithm, list.tbs.0),
            signature: signature.to_vec(),
            index: index(revoked)?,
            revoked: revoked.to_vec(),
        };
        for extension in asn1::extensions(tbs.extensions)? {
            crl.take_extension(&extension)?;
        }
        Ok(Some(crl))
    }

    fn take_extension(&mut self, extension: &Extension<'_>) -> der::Result<()> {
        let value = extension.value.as_bytes();
        match extension.oid {
            CRL_NUMBER => self.number = Some(Number::from_der(value)?),
            DELTA_CRL_INDICATOR => self.delta_of = Some(Number::from_der(value)?),
            ISSUING_DISTRIBUTION_POINT => self.scope = Scope::from_der(value)?,
            FRESHEST_CRL => {
                let names = asn1::distribution_point_names(value)?;
                self.has_relative_deltas = names.iter().any(Option::is_none);
                self.delta_urls = names.into_iter().flatten().flatten().collect();
            }
            // Not used: what counts is whose key made the signature. A malformed one spoils the list in the reference.
            AUTHORITY_KEY_IDENTIFIER => {
                AuthorityKeyIdentifier::from_der(value)?;
            }
            _ => {}
        }
        if extension.critical && ![DELTA_CRL_INDICATOR, ISSUING_DISTRIBUTION_POINT].contains(&extension.oid) {
            self.critical_extension.get_or_insert(extension.oid.to_string());
        }
        Ok(())
    }

    /// Checks that the holder of `issuer`'s key signed this list.
    pub(super) fn check_signature(&self, issuer: &Certificate) -> Result<(), SignatureError> {
        self.message.verify_signature(issuer.public_key(), &self.signature)
    }

    /// What the list says about a certificate, in the list's order; an error if an entry is malformed.
    pub(super) fn entries(&self, certificate: &Certificate) -> der::Result<Vec<Entry>> {
        let serial = shortest(certificate.serial());
        let serial_at = |offset: &u32| self.entry(*offset).map(|entry| entry.serial.0);
        let first = self.index.partition_point(|offset| serial_at(offset).is_ok_and(|other| other < serial));
        let mut entries = Vec::new();
        for offset in self.index.get(first..).unwrap_or_default() {
            let entry = self.entry(*offset)?;
            if entry.serial.0 != serial {
                break;
            }
            entries.push(Entry::read(&entry)?);
        }
        Ok(entries)
    }

    fn entry(&self, offset: u32) -> der::Result<RevokedCertificate<'_>> {
        let at = usize::try_from(offset).ok();
        let bytes = at.and_then(|at| self.revoked.get(at..)).unwrap_or_default();
        RevokedCertificate::decode(&mut SliceReader::new(bytes)?)
    }
}

/// Where the entries of `revoked` begin, sorted by serial number; entries of one certificate keep their order. Reads every
/// entry, so that a malformed one is found now.
fn index(revoked: &[u8]) -> der::Result<Vec<u32>> {
    let mut reader = SliceReader::new(revoked)?;
    let mut entries: Vec<(&[u8], u32)> = Vec::new();
    while !reader.is_finished() {
        let offset = u32::from(reader.position());
        let entry = RevokedCertificate::decode(&mut reader)?;
        if entry.extensions.is_some() {
            Entry::read(&entry)?;
        }
        entries.push((entry.serial.0, offset));
    }
    entries.sort();
    Ok(entries.into_iter().map(|(_, offset)| offset).collect())
}

impl Entry {
    fn read(entry: &RevokedCertificate<'_>) -> der::Result<Self> {
        let mut read = Self {
            revoked_at: entry.revoked_at.time,
            reason: None,
            invalid_since: None,
            critical_extension: None,
        };
        for extension in asn1::extensions(entry.extensions)? {
            let value = extension.value.as_bytes();
            match extension.oid {
                REASON_CODE => read.reason = Some(reason(value)?),
                INVALIDITY_DATE => read.invalid_since = invalidity_date(value),
                _ => {}
            }
            if extension.critical && extension.oid != INVALIDITY_DATE {
                read.critical_extension.get_or_insert(extension.oid.to_string());
            }
        }
        Ok(read)
    }
}

impl Number {
    fn from_der(der: &[u8]) -> der::Result<Self> {
        let Integer(bytes) = Integer::from_der(der)?;
        if bytes.first().is_some_and(|first| *first >= 0x80) {
            return Err(Tag::Integer.value_error().into());
        }
        let digits: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
        Ok(Self { length: digits.len(), digits })
    }
}

impl Scope {
    /// Why no list of this scope can prove that a certificate is good.
    pub(super) fn unsupported(&self) -> Option<EvidenceMismatch> {
        if self.indirect {
            Some(EvidenceMismatch::Indirect)
        } else if self.only_some_reasons {
            Some(EvidenceMismatch::Reasons)
        } else if self.only_attribute_certificates {
            Some(EvidenceMismatch::Kind)
        } else if self.relative {
            Some(EvidenceMismatch::RelativeName)
        } else {
            None
        }
    }

    fn from_der(der: &[u8]) -> der::Result<Self> {
        let point = IssuingDistributionPoint::from_der(der)?;
        let is_set = |flag: Option<bool>| flag.unwrap_or(false);
        let name = point.distribution_point.map(asn1::distribution_point_urls).transpose()?;
        Ok(Self {
            relative: matches!(name, Some(None)),
            urls: name.flatten(),
            only_leaves: is_set(point.only_leaves),
            only_cas: is_set(point.only_cas),
            only_attribute_certificates: is_set(point.only_attribute_certificates),
            only_some_reasons: point.only_some_reasons.is_some(),
            indirect: is_set(point.indirect),
        })
    }
}

/// An integer's content octets in their only DER form.
fn shortest(mut integer: &[u8]) -> &[u8] {
    while let [0, second, ..] = integer
        && *second < 0x80
    {
        integer = integer.get(1..).unwrap_or_default();
    }
    integer
}

/// cRLNumber, RFC 5280 section 5.2.3
const CRL_NUMBER: Oid<'static> = oid!("2.5.29.20");
/// reasonCode, RFC 5280 section 5.3.1
const REASON_CODE: Oid<'static> = oid!("2.5.29.21");
/// invalidityDate, RFC 5280 section 5.3.2
const INVALIDITY_DATE: Oid<'static> = oid!("2.5.29.24");
/// deltaCRLIndicator, RFC 5280 section 5.2.4
const DELTA_CRL_INDICATOR: Oid<'static> = oid!("2.5.29.27");
/// issuingDistributionPoint, RFC 5280 section 5.2.5
const ISSUING_DISTRIBUTION_POINT: Oid<'static> = oid!("2.5.29.28");
/// authorityKeyIdentifier, RFC 5280 section 5.2.1
const AUTHORITY_KEY_IDENTIFIER: Oid<'static> = oid!("2.5.29.35");
/// freshestCRL, RFC 5280 section 5.2.6
const FRESHEST_CRL: Oid<'static> = oid!("2.5.29.46");
