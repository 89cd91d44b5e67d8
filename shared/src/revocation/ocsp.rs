//! A certificate against staged OCSP responses. RFC 6960.
//!
//! A response counts where it names the certificate by its issuer and serial number, is signed by the issuer or by a
//! responder that the issuer appointed, and is in force. Nothing is asked over a network, so nonces mean nothing.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use aws_lc_rs::digest;
use der::asn1::{AnyRef, BitStringRef, OctetStringRef};
use der::{Decode, DecodeValue, Sequence, SliceReader, Tag, TagNumber, Tagged as _};

use super::crl::{invalidity_date, reason};
use super::crl_check::{self, is_http, progress};
use super::{Mismatch, NotGood, Question, Revocation, RevocationReason, Unknown};
use crate::asn1::{self, AlgorithmIdentifier, GeneralizedTime, Integer, Oid, SequenceOf, Tlv, oid};
use crate::limits;
use crate::time::UnixTime;
use crate::x509::{
    Certificate, ExtendedKeyUsage, Hash, KeyUsage, SignatureAlgorithm, SignedMessage, check_issued_by, oid,
};

/// A successful OCSP response, nothing of it verified.
#[derive(Clone)]
pub(super) struct Response {
    message: SignedMessage,
    signature: Vec<u8>,
    responder: ResponderId,
    certificates: Vec<Certificate>,
    answers: Vec<Answer>,
    /// A critical extension that is not known
    critical_extension: Option<String>,
}

#[derive(Clone)]
enum ResponderId {
    Name(Vec<u8>),
    KeyHash(Vec<u8>),
}

/// What a response says about one certificate.
#[derive(Clone)]
struct Answer {
    hash: IdHash,
    issuer_name_hash: Vec<u8>,
    issuer_key_hash: Vec<u8>,
    serial: Vec<u8>,
    status: Status,
    this_update: UnixTime,
    next_update: Option<UnixTime>,
    invalid_since: Option<UnixTime>,
    critical_extension: Option<String>,
}

/// The hash that names an issuer. SHA-1 is fine for that: the signature, not the name, says whose answer it is.
#[derive(Clone, Copy)]
enum IdHash {
    Sha1,
    Sha2(Hash),
}

#[derive(Clone, Copy)]
enum Status {
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

/// Checks a certificate that names an OCSP responder against the staged responses.
pub(super) fn check(
    question: &Question<'_>,
    certificate: &Certificate,
    issuer: &Certificate,
) -> Result<(), NotGood> {
    let urls = certificate.ocsp_urls();
    if let Some(url) = urls.first()
        && !urls.iter().any(|url| is_http(url))
    {
        return Err(Unknown::UnsupportedUrl { url: url.clone() }.into());
    }
    let mut best: Option<(&str, &Answer)> = None;
    let mut why = Unknown::OcspMissing;
    for staged in question.evidence.responses() {
        let file = staged.file.as_str();
        for answer in staged.response.answers.iter().filter(|answer| answer.is_about(certificate, issuer)) {
            match staged.response.check(question, file, answer, issuer) {
                Ok(()) if best.is_none_or(|(_, best)| best.this_update < answer.this_update) => {
                    best = Some((file, answer));
                }
                Ok(()) => {}
                Err(error) if progress(&error) > progress(&why) => why = error,
                Err(_) => {}
            }
        }
    }
    let (file, answer) = best.ok_or(why)?;
    match answer.status {
        Status::Good => Ok(()),
        Status::Revoked { .. } if answer.invalid_since.is_some_and(|since| question.predates(since)) => {
            Ok(())
        }
        Status::Revoked { at, reason } => Err(NotGood::Revoked(Revocation { at, reason })),
        Status::Unknown => Err(Unknown::OcspUnknown { file: file.to_string() }.into()),
    }
}

impl Response {
    /// Whether DER is an `OCSPResponse`, good or not, rather than a CRL.
    pub(super) fn is_one(der: &[u8]) -> bool {
        let enumerated = |list: SequenceOf<'_>| list.content().first() == Some(&ENUMERATED);
        SequenceOf::from_der(der).is_ok_and(enumerated)
    }

    /// Reads a response, which must be all of `der`; none where it is malformed or does not answer.
    pub(super) fn parse(der: &[u8]) -> Option<Self> {
        if der.len() > limits::OCSP_RESPONSE_BYTES {
            return None;
        }
        let outer = OcspResponse::from_der(der).ok()?;
        let bytes = outer.bytes.filter(|bytes| bytes.response_type == OCSP_BASIC)?;
        if outer.status.tag() != Tag::Enumerated || outer.status.value() != SUCCESSFUL {
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

    /// Checks that an answer of this response counts.
    fn check(
        &self,
        question: &Question<'_>,
        file: &str,
        answer: &Answer,
        issuer: &Certificate,
    ) -> Result<(), Unknown> {
        let file = || file.to_string();
        let signer = self.signer(question, issuer).map_err(|not_it| match not_it {
            None => Unknown::NotForCertificate { file: file(), mismatch: Mismatch::Issuer },
            Some(other) => Unknown::SignerNotAllowed { file: file(), signer: other.subject().to_string() },
        })?;
        self.message
            .verify_signature(signer.public_key(), &self.signature)
            .map_err(|error| Unknown::Signature { file: file(), error })?;
        if let Some(oid) = self.critical_extension.as_ref().or(answer.critical_extension.as_ref()) {
            return Err(Unknown::CriticalExtension { file: file(), oid: oid.clone() });
        }
        let next_update = answer.next_update.ok_or_else(|| Unknown::NoNextUpdate { file: file() })?;
        if answer.this_update > question.at {
            return Err(Unknown::NotYetValid { file: file(), this_update: answer.this_update });
        }
        if next_update < question.at { Err(Unknown::Stale { file: file(), next_update }) } else { Ok(()) }
    }

    /// The certificate that the response says signed it: the issuer's, or one that the issuer appointed. The error is the
    /// certificate that may not sign, where there is one.
    fn signer<'a>(
        &'a self,
        question: &Question<'_>,
        issuer: &'a Certificate,
    ) -> Result<&'a Certificate, Option<&'a Certificate>> {
        if self.responder.names(issuer) {
            return Ok(issuer);
        }
        let responder =
            self.certificates.iter().find(|certificate| self.responder.names(certificate)).ok_or(None)?;
        let signs_ocsp =
            |usage: &ExtendedKeyUsage| usage.purposes.iter().any(|purpose| purpose == oid::OCSP_SIGNING);
        let may_sign = responder.extended_key_usage().is_some_and(signs_ocsp)
            && responder.key_usage().is_none_or(KeyUsage::digital_signature)
            && responder.is_valid_at(question.at)
            && check_issued_by(responder, issuer).is_ok();
        // Whoever may say what is revoked may not be revoked: its issuer says that it need not be asked, or a CRL says so.
        let is_good = || {
            responder.extension(OCSP_NO_CHECK).is_some()
                || (crl_check::has_points(responder) && crl_check::check(question, responder, issuer).is_ok())
        };
        if may_sign && is_good() { Ok(responder) } else { Err(Some(responder)) }
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

    fn names(&self, certificate: &Certificate) -> bool {
        match self {
            Self::Name(name) => certificate.subject_der() == name,
            Self::KeyHash(hash) => IdHash::Sha1.digest(certificate.public_key().bytes()) == *hash,
        }
    }
}

impl Answer {
    fn read(answer: &SingleResponse<'_>) -> Option<Self> {
        let extensions = asn1::extensions(answer.extensions).ok()?;
        let invalid_since = match extensions.iter().find(|extension| extension.oid == INVALIDITY_DATE) {
            Some(extension) => Some(invalidity_date(extension.value.as_bytes())?),
            None => None,
        };
        Some(Self {
            hash: IdHash::of(answer.id.hash_algorithm.algorithm)?,
            issuer_name_hash: answer.id.issuer_name_hash.as_bytes().to_vec(),
            issuer_key_hash: answer.id.issuer_key_hash.as_bytes().to_vec(),
            serial: answer.id.serial.0.to_vec(),
            status: Status::read(answer.status)?,
            this_update: answer.this_update.0,
            next_update: answer.next_update.map(|next| next.0),
            invalid_since,
            critical_extension: critical(&extensions),
        })
    }

    fn is_about(&self, certificate: &Certificate, issuer: &Certificate) -> bool {
        self.serial == certificate.serial()
            && self.issuer_name_hash == self.hash.digest(certificate.issuer_der())
            && self.issuer_key_hash == self.hash.digest(issuer.public_key().bytes())
    }
}

impl Status {
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
    fn of(oid: Oid<'_>) -> Option<Self> {
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

/// The identifier octet of an `ENUMERATED`, with which an `OCSPResponse` begins and no CRL does
const ENUMERATED: u8 = 0x0a;
/// `OCSPResponseStatus`
const SUCCESSFUL: [u8; 1] = [0];
/// id-pkix-ocsp-basic, RFC 6960 section 4.2.1
const OCSP_BASIC: Oid<'static> = oid!("1.3.6.1.5.5.7.48.1.1");
/// id-pkix-ocsp-nocheck, RFC 6960 section 4.2.2.2.1
const OCSP_NO_CHECK: &str = "1.3.6.1.5.5.7.48.1.5";
/// invalidityDate, RFC 5280 section 5.3.2
const INVALIDITY_DATE: Oid<'static> = oid!("2.5.29.24");
/// id-sha1, RFC 3279 section 2.2.1
const SHA_1: Oid<'static> = oid!("1.3.14.3.2.26");
