//! Reads OCSP responses. RFC 6960.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::fmt;

use aws_lc_rs::digest;
use der::asn1::{AnyRef, BitStringRef, OctetStringRef};
use der::{Decode, DecodeValue, Sequence, SliceReader, Tag, TagNumber, Tagged as _};

use super::error::EvidenceError;
use super::reason::{RevocationReason, invalidity_date, reason};
use crate::asn1::{self, AlgorithmIdentifier, GeneralizedTime, Integer, Oid, SequenceOf, Tlv, oid};
use crate::limits;
use crate::time::UnixTime;
use crate::x509::{Certificate, DistinguishedName, Hash, SignatureAlgorithm, SignedMessage};

/// A successful OCSP response, nothing of it verified.
#[derive(Clone)]
pub(super) struct Response {
    pub(super) message: SignedMessage,
    pub(super) signature: Vec<u8>,
    pub(super) responder: ResponderId,
    pub(super) certificates: Vec<Certificate>,
    pub(super) answers: Vec<Answer>,
    /// A critical extension that is not known
    pub(super) critical_extension: Option<String>,
}

#[derive(Clone)]
pub(super) enum ResponderId {
    Name(Vec<u8>),
    KeyHash(Vec<u8>),
}

/// What a response says about one certificate.
#[derive(Clone)]
pub(super) struct Answer {
    hash: IdHash,
    pub(super) issuer_name_hash: Vec<u8>,
    pub(super) issuer_key_hash: Vec<u8>,
    pub(super) serial: Vec<u8>,
    pub(super) status: AnswerStatus,
    pub(super) this_update: UnixTime,
    pub(super) next_update: Option<UnixTime>,
    pub(super) invalid_since: Option<UnixTime>,
    pub(super) critical_extension: Option<String>,
}

/// The hash that names an issuer. SHA-1 is fine for that: the signature, not the name, says whose answer it is.
#[derive(Clone, Copy)]
enum IdHash {
    Sha1,
    Sha2(Hash),
}

#[derive(Clone, Copy)]
pub(super) enum AnswerStatus {
    Good,
    Revoked { at: UnixTime, reason: Option<RevocationReason> },
    Unknown,
}

#[derive(DecodeValue)]
struct OcspResponse<'a> {
    status: AnyRef<'a>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    bytes: Option<ResponseBytes<'a>>,
}

impl<'a> Sequence<'a> for OcspResponse<'a> {}

#[derive(DecodeValue)]
struct ResponseBytes<'a> {
    response_type: Oid<'a>,
    response: &'a OctetStringRef,
}

impl<'a> Sequence<'a> for ResponseBytes<'a> {}

#[derive(DecodeValue)]
struct BasicOcspResponse<'a> {
    data: Tlv<'a>,
    algorithm: Tlv<'a>,
    signature: BitStringRef<'a>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    certificates: Option<SequenceOf<'a>>,
}

impl<'a> Sequence<'a> for BasicOcspResponse<'a> {}

#[derive(DecodeValue)]
struct ResponseData<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    version: Option<u8>,
    responder: AnyRef<'a>,
    _produced_at: GeneralizedTime,
    responses: SequenceOf<'a>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<SequenceOf<'a>>,
}

impl<'a> Sequence<'a> for ResponseData<'a> {}

#[derive(DecodeValue)]
struct SingleResponse<'a> {
    id: CertId<'a>,
    status: AnyRef<'a>,
    this_update: GeneralizedTime,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    next_update: Option<GeneralizedTime>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<SequenceOf<'a>>,
}

impl<'a> Sequence<'a> for SingleResponse<'a> {}

#[derive(DecodeValue)]
struct CertId<'a> {
    hash_algorithm: AlgorithmIdentifier<'a>,
    issuer_name_hash: &'a OctetStringRef,
    issuer_key_hash: &'a OctetStringRef,
    serial: Integer<'a>,
}

impl<'a> Sequence<'a> for CertId<'a> {}

#[derive(DecodeValue)]
struct RevokedInfo<'a> {
    at: GeneralizedTime,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    reason: Option<Tlv<'a>>,
}

impl<'a> Sequence<'a> for RevokedInfo<'a> {}

impl Response {
    /// Whether DER is an `OCSPResponse`, good or not, rather than a CRL.
    pub(super) fn is_one(der: &[u8]) -> bool {
        let enumerated = |list: SequenceOf<'_>| list.content().first() == Some(&ENUMERATED);
        SequenceOf::from_der(der).is_ok_and(enumerated)
    }

    /// Reads a response, which must be all of `der`.
    pub(super) fn parse(der: &[u8]) -> Result<Self, EvidenceError> {
        let limit = limits::OCSP_RESPONSE_BYTES;
        if der.len() > limit {
            return Err(EvidenceError::TooLarge { limit: u64::try_from(limit).unwrap_or(u64::MAX) });
        }
        let outer = OcspResponse::from_der(der).map_err(|_| EvidenceError::OcspResponse)?;
        if outer.status.tag() == Tag::Enumerated && outer.status.value() != SUCCESSFUL {
            return Err(EvidenceError::OcspRefused { status: refusal(outer.status.value()) });
        }
        Self::read(&outer).ok_or(EvidenceError::OcspResponse)
    }

    /// Reads a successful response; `None` if it is malformed.
    fn read(outer: &OcspResponse<'_>) -> Option<Self> {
        let bytes = outer.bytes.as_ref().filter(|bytes| bytes.response_type == OCSP_BASIC)?;
        if outer.status.tag() != Tag::Enumerated {
            return None;
        }
        let basic = BasicOcspResponse::from_der(bytes.response.as_bytes()).ok()?;
        let data = ResponseData::from_der(basic.data.0).ok()?;
        if data.version.unwrap_or(0) != 0 {
            return None;
        }
        let mut certificates = Vec::new();
        for certificate in basic.certificates.iter().flat_map(SequenceOf::iter::<Tlv<'_>>) {
            if certificates.len() >= limits::OCSP_CERTIFICATES {
                return None;
            }
            certificates.push(Certificate::parse(certificate.ok()?.0).ok()?);
        }
        let mut answers = Vec::new();
        for answer in data.responses.iter::<SingleResponse<'_>>() {
            answers.push(Answer::read(&answer.ok()?)?);
        }
        Some(Self {
            message: SignedMessage::new(SignatureAlgorithm::parse(basic.algorithm.0)?, basic.data.0),
            signature: basic.signature.as_bytes()?.to_vec(),
            responder: ResponderId::read(data.responder)?,
            certificates,
            answers,
            critical_extension: critical(&asn1::extensions(data.extensions).ok()?),
        })
    }
}

impl ResponderId {
    fn read(id: AnyRef<'_>) -> Option<Self> {
        const BY_NAME: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(1) };
        const BY_KEY: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(2) };
        match id.tag() {
            BY_NAME => Some(Self::Name(id.value().to_vec())),
            BY_KEY => {
                let hash = <&OctetStringRef>::from_der(id.value()).ok()?;
                Some(Self::KeyHash(hash.as_bytes().to_vec()))
            }
            _ => None,
        }
    }

    pub(super) fn names(&self, certificate: &Certificate) -> bool {
        match self {
            Self::Name(name) => certificate.subject_der() == name,
            Self::KeyHash(hash) => IdHash::Sha1.digest(certificate.public_key().bytes()) == *hash,
        }
    }
}

impl fmt::Display for ResponderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => match DistinguishedName::parse(name) {
                Some(name) => name.fmt(f),
                None => f.write_str("whose name is malformed"),
            },
            Self::KeyHash(hash) => {
                f.write_str("with the key ")?;
                hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

impl Answer {
    /// The certificate that it is about.
    pub(super) fn about(&self) -> (&[u8], &[u8], &[u8]) {
        (&self.serial, &self.issuer_name_hash, &self.issuer_key_hash)
    }

    /// The order of answers by time. Of two of one time the one that says less comes last, so that it decides.
    pub(super) fn order(&self) -> (UnixTime, Reverse<Option<UnixTime>>, bool) {
        (self.this_update, Reverse(self.next_update), !matches!(self.status, AnswerStatus::Good))
    }

    fn read(answer: &SingleResponse<'_>) -> Option<Self> {
        let extensions = asn1::extensions(answer.extensions).ok()?;
        let invalid_since = extensions.iter().find(|extension| extension.oid == INVALIDITY_DATE);
        let invalid_since = invalid_since.and_then(|date| invalidity_date(date.value.as_bytes()));
        Some(Self {
            hash: IdHash::from_oid(answer.id.hash_algorithm.algorithm)?,
            issuer_name_hash: answer.id.issuer_name_hash.as_bytes().to_vec(),
            issuer_key_hash: answer.id.issuer_key_hash.as_bytes().to_vec(),
            serial: answer.id.serial.0.to_vec(),
            status: AnswerStatus::read(answer.status)?,
            this_update: answer.this_update.0,
            next_update: answer.next_update.map(|next| next.0),
            invalid_since,
            critical_extension: critical(&extensions),
        })
    }

    pub(super) fn is_about(&self, certificate: &Certificate, issuer: &Certificate) -> bool {
        self.serial == certificate.serial()
            && self.issuer_name_hash == self.hash.digest(certificate.issuer_der())
            && self.issuer_key_hash == self.hash.digest(issuer.public_key().bytes())
    }
}

impl AnswerStatus {
    /// Reads a `CertStatus`; the tagging of all but `revoked` leaves nothing inside.
    fn read(status: AnyRef<'_>) -> Option<Self> {
        const REVOKED: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(1) };
        match status.tag() {
            REVOKED => {
                let mut reader = SliceReader::new(status.value()).ok()?;
                let header =
                    der::Header::new(Tag::Sequence, der::Length::try_from(status.value().len()).ok()?);
                let info = RevokedInfo::decode_value(&mut reader, header).ok()?;
                let reason = info.reason.map(|der| reason(der.0)).transpose().ok()?;
                der::Reader::is_finished(&reader).then_some(Self::Revoked { at: info.at.0, reason })
            }
            Tag::ContextSpecific { constructed: false, number } if status.value().is_empty() => {
                match number.value() {
                    0 => Some(Self::Good),
                    2 => Some(Self::Unknown),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

impl IdHash {
    fn from_oid(oid: Oid<'_>) -> Option<Self> {
        if oid == SHA_1 { Some(Self::Sha1) } else { Hash::from_oid(&oid.to_string()).map(Self::Sha2) }
    }

    fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref().to_vec(),
            Self::Sha2(hash) => hash.digest(bytes),
        }
    }
}

fn critical(extensions: &[asn1::Extension<'_>]) -> Option<String> {
    extensions.iter().find(|extension| extension.critical).map(|extension| extension.oid.to_string())
}

/// What an `OCSPResponseStatus` says that is not `successful`. RFC 6960 section 4.2.1.
fn refusal(status: &[u8]) -> &'static str {
    match status {
        [1] => "malformedRequest",
        [2] => "internalError",
        [3] => "tryLater",
        [5] => "sigRequired",
        [6] => "unauthorized",
        _ => "a status that does not exist",
    }
}

/// The identifier octet of an `ENUMERATED`, with which an `OCSPResponse` begins and no CRL does
const ENUMERATED: u8 = 0x0a;
/// `OCSPResponseStatus`
const SUCCESSFUL: [u8; 1] = [0];
/// id-pkix-ocsp-basic, RFC 6960 section 4.2.1
const OCSP_BASIC: Oid<'static> = oid!("1.3.6.1.5.5.7.48.1.1");
/// invalidityDate, RFC 5280 section 5.3.2
const INVALIDITY_DATE: Oid<'static> = oid!("2.5.29.24");
/// id-sha1, RFC 3279 section 2.2.1
const SHA_1: Oid<'static> = oid!("1.3.14.3.2.26");
