//! Reads the CMS `SignedData` around a `TSTInfo`: content, certificates and signers. RFC 5652 section 5.
//!
//! Version 3 with content id-ct-TSTInfo, X.509 certificates only, signers named by issuer and serial number. Whatever else
//! the reference implementation refuses is refused here too, for instance lists of CRLs and attribute certificates.

use alloc::string::ToString as _;
use alloc::vec::Vec;

use der::asn1::{AnyRef, OctetStringRef};
use der::{Decode as _, DecodeValue, Sequence, Tag, TagNumber, Tagged as _};

use super::error::TimestampError;
use crate::asn1::{AlgorithmIdentifier, Integer, Oid, SequenceOf, SetOf, Time, Tlv, oid};
use crate::limits;
use crate::time::UnixTime;
use crate::x509::{Certificate, Hash, SignatureAlgorithm, verify_signature};

/// A timestamp token's signed data, nothing of it verified.
pub(super) struct SignedData<'a> {
    /// The DER of the `TSTInfo`.
    pub(super) content: &'a [u8],
    /// In the token's order, which means nothing.
    pub(super) certificates: Vec<Certificate>,
    pub(super) signers: Vec<SignerInfo<'a>>,
}

#[derive(DecodeValue)]
struct ContentInfo<'a> {
    content_type: Oid<'a>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    content: Tlv<'a>,
}

impl<'a> Sequence<'a> for ContentInfo<'a> {}

#[derive(DecodeValue)]
struct SignedDataFields<'a> {
    version: u8,
    digest_algorithms: SetOf<'a>,
    encapsulated: EncapsulatedContentInfo<'a>,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    certificates: Option<SetOf<'a>>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    crls: Option<SetOf<'a>>,
    signer_infos: SetOf<'a>,
}

impl<'a> Sequence<'a> for SignedDataFields<'a> {}

#[derive(DecodeValue)]
struct EncapsulatedContentInfo<'a> {
    content_type: Oid<'a>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    content: Option<&'a OctetStringRef>,
}

impl<'a> Sequence<'a> for EncapsulatedContentInfo<'a> {}

/// `SignerInfo`: one signature over the content.
#[derive(DecodeValue)]
pub(super) struct SignerInfo<'a> {
    version: u8,
    signer: IssuerAndSerialNumber<'a>,
    digest_algorithm: AlgorithmIdentifier<'a>,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    signed_attributes: Option<SetOf<'a>>,
    signature_algorithm: Tlv<'a>,
    signature: &'a OctetStringRef,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    unsigned_attributes: Option<SetOf<'a>>,
}

impl<'a> Sequence<'a> for SignerInfo<'a> {}

/// `IssuerAndSerialNumber`, which names a certificate.
#[derive(DecodeValue)]
struct IssuerAndSerialNumber<'a> {
    issuer: Tlv<'a>,
    serial_number: Integer<'a>,
}

impl<'a> Sequence<'a> for IssuerAndSerialNumber<'a> {}

#[derive(DecodeValue)]
struct Attribute<'a> {
    oid: Oid<'a>,
    values: SetOf<'a>,
}

impl<'a> Sequence<'a> for Attribute<'a> {}

impl<'a> SignedData<'a> {
    /// Reads a token, a `ContentInfo` in DER.
    pub(super) fn parse(der: &'a [u8]) -> Result<Self, TimestampError> {
        match Self::parse_readable(der)? {
            (data, None) => Ok(data),
            (_, Some(error)) => Err(error),
        }
    }

    /// The same with those certificates alone that can be read, and why the first of the others cannot.
    pub(super) fn parse_readable(der: &'a [u8]) -> Result<(Self, Option<TimestampError>), TimestampError> {
        let content_info = ContentInfo::from_der(der).map_err(malformed("ContentInfo"))?;
        if content_info.content_type != SIGNED_DATA {
            return Err(TimestampError::ContentType { oid: content_info.content_type.to_string() });
        }
        let fields = SignedDataFields::from_der(content_info.content.0).map_err(malformed("SignedData"))?;
        // Said again, and bindingly, by each signer; here it need only be readable.
        for algorithm in fields.digest_algorithms.iter::<AlgorithmIdentifier<'_>>() {
            algorithm.map_err(malformed("SignedData"))?;
        }
        if fields.version != 3 {
            return Err(TimestampError::Version { what: "SignedData", version: fields.version });
        }
        if fields.encapsulated.content_type != TST_INFO {
            return Err(TimestampError::ContentType { oid: fields.encapsulated.content_type.to_string() });
        }
        let content = fields.encapsulated.content.ok_or(TimestampError::Malformed { what: "SignedData" })?;
        // The reference cannot read the CRLs that a token may carry; what they would prove is staged instead.
        if fields.crls.is_some_and(|crls| !crls.content().is_empty()) {
            return Err(TimestampError::Malformed { what: "list of CRLs" });
        }
        let (certificates, unreadable) = certificates(fields.certificates)?;
        let data = Self { content: content.as_bytes(), certificates, signers: signers(fields.signer_infos)? };
        Ok((data, unreadable))
    }
}

/// The certificates that can be read, and why the first of the others cannot.
fn certificates(
    set: Option<SetOf<'_>>,
) -> Result<(Vec<Certificate>, Option<TimestampError>), TimestampError> {
    let mut certificates = Vec::new();
    let mut unreadable = None;
    for (at, choice) in set.iter().flat_map(SetOf::iter::<Tlv<'_>>).enumerate() {
        let choice = choice.map_err(malformed("list of certificates"))?;
        if at >= limits::TIMESTAMP_CERTIFICATES {
            return Err(TimestampError::TooMany { what: "certificates" });
        }
        let is_x509 = choice.0.first().is_some_and(|tag| *tag == SEQUENCE);
        let certificate = if is_x509 {
            Certificate::parse(choice.0).map_err(|error| TimestampError::Certificate { error })
        } else {
            Err(TimestampError::NotX509)
        };
        match certificate {
            Ok(certificate) => certificates.push(certificate),
            Err(error) => unreadable = unreadable.or(Some(error)),
        }
    }
    Ok((certificates, unreadable))
}

fn signers(set: SetOf<'_>) -> Result<Vec<SignerInfo<'_>>, TimestampError> {
    let mut signers = Vec::new();
    for signer in set.iter() {
        if signers.len() >= limits::TIMESTAMP_SIGNERS {
            return Err(TimestampError::TooMany { what: "signers" });
        }
        let signer: SignerInfo<'_> = signer.map_err(malformed("SignerInfo"))?;
        for attribute in signer.unsigned_attributes.iter().flat_map(SetOf::iter::<Attribute<'_>>) {
            attribute.map_err(malformed("unsigned attributes"))?;
        }
        signers.push(signer);
    }
    Ok(signers)
}

impl<'a> SignerInfo<'a> {
    /// The signer's certificate: the one of the token that the signer names, and that it vouches for in the signed
    /// attributes. RFC 5035 section 3: of the signing certificates that it lists, the first.
    pub(super) fn certificate<'c>(
        &self,
        certificates: &'c [Certificate],
    ) -> Result<&'c Certificate, TimestampError> {
        if self.version != 1 {
            return Err(TimestampError::Version { what: "SignerInfo", version: self.version });
        }
        let certificate = certificates
            .iter()
            .find(|certificate| self.names(certificate))
            .ok_or(TimestampError::SignerCertificateMissing)?;
        SigningCertificate::read(self.attribute(SIGNING_CERTIFICATE_V2, "signingCertificateV2")?)?
            .check(certificate)?;
        Ok(certificate)
    }

    /// Whether the signer names this certificate as its own.
    pub(super) fn names(&self, certificate: &Certificate) -> bool {
        certificate.issuer_der() == self.signer.issuer.0
            && certificate.serial() == self.signer.serial_number.0
    }

    /// Checks that the signer signed `content` with the key of `certificate`. RFC 5652 sections 5.4 and 5.6.
    pub(super) fn check_signature(
        &self,
        content: &[u8],
        certificate: &Certificate,
    ) -> Result<(), TimestampError> {
        let content_type = self.attribute(CONTENT_TYPE, "contentType")?;
        if Oid::from_der(content_type.0).ok() != Some(TST_INFO) {
            return Err(TimestampError::Attribute { name: "contentType" });
        }
        let hash = self.digest_algorithm()?;
        let digest = self.attribute(MESSAGE_DIGEST, "messageDigest")?;
        let digest = <&OctetStringRef>::from_der(digest.0)
            .map_err(|_| TimestampError::Attribute { name: "messageDigest" })?;
        if digest.as_bytes() != hash.digest(content) {
            return Err(TimestampError::MessageDigest);
        }
        let algorithm = self.signature_algorithm(hash)?;
        let signed = self.signed_attributes_der()?;
        verify_signature(certificate.public_key(), &algorithm, &signed, self.signature.as_bytes())
            .map_err(|error| TimestampError::Signature { error })
    }

    /// The content of the signing-time attribute, if there is one.
    pub(super) fn signing_time(&self) -> Result<Option<UnixTime>, TimestampError> {
        const NAME: &str = "signingTime";
        match self.attribute(SIGNING_TIME, NAME) {
            Err(TimestampError::AttributeMissing { .. }) => Ok(None),
            Err(error) => Err(error),
            Ok(value) => match Time::from_der(value.0) {
                Ok(time) => Ok(Some(time.time)),
                Err(_) => Err(TimestampError::Attribute { name: NAME }),
            },
        }
    }

    /// The one value of the one signed attribute of that type.
    fn attribute(&self, oid: Oid<'_>, name: &'static str) -> Result<Tlv<'a>, TimestampError> {
        let wrong = || TimestampError::Attribute { name };
        let mut found = None;
        for attribute in self.signed_attributes.iter().flat_map(SetOf::iter::<Attribute<'_>>) {
            let attribute = attribute.map_err(malformed("signed attributes"))?;
            if attribute.oid == oid && found.replace(attribute.values).is_some() {
                return Err(wrong());
            }
        }
        let values: SetOf<'a> = found.ok_or(TimestampError::AttributeMissing { name })?;
        let mut values = values.iter::<Tlv<'a>>();
        match (values.next(), values.next()) {
            (Some(Ok(value)), None) => Ok(value),
            _ => Err(wrong()),
        }
    }

    fn digest_algorithm(&self) -> Result<Hash, TimestampError> {
        let oid = self.digest_algorithm.algorithm.to_string();
        Hash::from_oid(&oid).ok_or(TimestampError::Algorithm { oid })
    }

    /// The signature's algorithm: rsaEncryption goes with the digest algorithm, the others name their hash.
    fn signature_algorithm(&self, digest: Hash) -> Result<SignatureAlgorithm, TimestampError> {
        let identifier = AlgorithmIdentifier::from_der(self.signature_algorithm.0)
            .map_err(malformed("signature algorithm"))?;
        if identifier.algorithm == RSA_ENCRYPTION {
            return Ok(SignatureAlgorithm::RsaPkcs1(digest));
        }
        let algorithm = SignatureAlgorithm::parse(self.signature_algorithm.0);
        match algorithm.ok_or(TimestampError::Malformed { what: "signature algorithm" })? {
            algorithm @ (SignatureAlgorithm::RsaPkcs1(_) | SignatureAlgorithm::Ecdsa(_)) => Ok(algorithm),
            SignatureAlgorithm::RsaPss(hash) if hash == digest => Ok(SignatureAlgorithm::RsaPss(hash)),
            _ => Err(TimestampError::Algorithm { oid: identifier.algorithm.to_string() }),
        }
    }

    /// What the signature is over: the signed attributes as a DER `SET OF`, sorted.
    fn signed_attributes_der(&self) -> Result<Vec<u8>, TimestampError> {
        let mut attributes = Vec::new();
        for attribute in self.signed_attributes.iter().flat_map(SetOf::iter::<Tlv<'_>>) {
            attributes.push(attribute.map_err(malformed("signed attributes"))?.0);
        }
        attributes.sort_unstable();
        let content = attributes.concat();
        let header = der::Header::new(
            Tag::Set,
            der::Length::try_from(content.len()).map_err(malformed("signed attributes"))?,
        );
        let mut set = der::Encode::to_der(&header).map_err(malformed("signed attributes"))?;
        set.extend_from_slice(&content);
        Ok(set)
    }
}

/// `SigningCertificateV2`, RFC 5035 section 3.
#[derive(DecodeValue)]
struct SigningCertificateV2<'a> {
    certificates: SequenceOf<'a>,
    _policies: Option<SequenceOf<'a>>,
}

impl<'a> Sequence<'a> for SigningCertificateV2<'a> {}

/// `ESSCertIDv2`, RFC 5035 section 4.
#[derive(DecodeValue)]
struct SigningCertificate<'a> {
    hash_algorithm: Option<AlgorithmIdentifier<'a>>,
    hash: &'a OctetStringRef,
    issuer_serial: Option<IssuerSerial<'a>>,
}

impl<'a> Sequence<'a> for SigningCertificate<'a> {}

/// `IssuerSerial`, RFC 5035 section 5.
#[derive(DecodeValue)]
struct IssuerSerial<'a> {
    issuer: SequenceOf<'a>,
    serial_number: Integer<'a>,
}

impl<'a> Sequence<'a> for IssuerSerial<'a> {}

impl<'a> SigningCertificate<'a> {
    /// Reads the first certificate that a `SigningCertificateV2` lists.
    fn read(attribute: Tlv<'a>) -> Result<Self, TimestampError> {
        let wrong = TimestampError::Attribute { name: "signingCertificateV2" };
        let Ok(list) = SigningCertificateV2::from_der(attribute.0) else { return Err(wrong) };
        list.certificates.iter().next().and_then(Result::ok).ok_or(wrong)
    }

    fn check(&self, certificate: &Certificate) -> Result<(), TimestampError> {
        let hash = match &self.hash_algorithm {
            None => Hash::Sha256,
            Some(identifier) => {
                let oid = identifier.algorithm.to_string();
                Hash::from_oid(&oid).ok_or(TimestampError::Algorithm { oid })?
            }
        };
        let names_it = self.issuer_serial.as_ref().is_none_or(|name| name.names(certificate));
        if names_it && hash.digest(certificate.der()) == self.hash.as_bytes() {
            Ok(())
        } else {
            Err(TimestampError::SigningCertificate)
        }
    }
}

impl IssuerSerial<'_> {
    /// Whether this names `certificate`; the issuer must be one directory name.
    fn names(&self, certificate: &Certificate) -> bool {
        const DIRECTORY_NAME: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(4) };
        let mut names = self.issuer.iter::<AnyRef<'_>>();
        let issuer = match (names.next(), names.next()) {
            (Some(Ok(name)), None) if name.tag() == DIRECTORY_NAME => name,
            _ => return false,
        };
        issuer.value() == certificate.issuer_der() && self.serial_number.0 == certificate.serial()
    }
}

fn malformed(what: &'static str) -> impl Fn(der::Error) -> TimestampError {
    move |_| TimestampError::Malformed { what }
}

/// id-signedData, RFC 5652 section 5.1
const SIGNED_DATA: Oid<'static> = oid!("1.2.840.113549.1.7.2");
/// id-ct-TSTInfo, RFC 3161 section 2.4.2
const TST_INFO: Oid<'static> = oid!("1.2.840.113549.1.9.16.1.4");
/// id-contentType, RFC 5652 section 11.1
const CONTENT_TYPE: Oid<'static> = oid!("1.2.840.113549.1.9.3");
/// id-messageDigest, RFC 5652 section 11.2
const MESSAGE_DIGEST: Oid<'static> = oid!("1.2.840.113549.1.9.4");
/// id-signingTime, RFC 5652 section 11.3
const SIGNING_TIME: Oid<'static> = oid!("1.2.840.113549.1.9.5");
/// id-aa-signingCertificateV2, RFC 5035 section 3
const SIGNING_CERTIFICATE_V2: Oid<'static> = oid!("1.2.840.113549.1.9.16.2.47");
/// rsaEncryption, RFC 3370 section 3.2
const RSA_ENCRYPTION: Oid<'static> = oid!("1.2.840.113549.1.1.1");

/// The identifier octet of a `SEQUENCE`, which an X.509 certificate is; every other choice has a tag of its own
const SEQUENCE: u8 = 0x30;
