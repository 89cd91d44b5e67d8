//! The outer structure of a certificate, down to each name, key and extension, as strict DER. RFC 5280 section 4.1.
//!
//! x509-parser, which reads the contents, skips the tags of much that it takes for granted. What is malformed here is
//! malformed for the reference too.

use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier};
use der::{Decode, DecodeValue, Reader, Sequence, Tag, Tagged as _};

use crate::asn1::{AlgorithmIdentifier, Extension, Integer, SequenceOf, SetOf, Time, Tlv};

/// The raw parts of a certificate, each a slice of it.
pub(super) struct Structure<'a> {
    pub(super) tbs: &'a [u8],
    pub(super) inner_algorithm: &'a [u8],
    pub(super) outer_algorithm: &'a [u8],
    pub(super) issuer: &'a [u8],
    pub(super) subject: &'a [u8],
    pub(super) public_key_info: &'a [u8],
    pub(super) signature: &'a [u8],
}

#[derive(DecodeValue)]
struct Certificate<'a> {
    tbs: Tlv<'a>,
    algorithm: Tlv<'a>,
    signature: BitStringRef<'a>,
}

impl<'a> Sequence<'a> for Certificate<'a> {}

#[derive(DecodeValue)]
struct TbsCertificate<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    _version: Option<u8>,
    _serial_number: Integer<'a>,
    algorithm: Tlv<'a>,
    issuer: Name<'a>,
    _validity: Validity,
    subject: Name<'a>,
    public_key_info: Tlv<'a>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    _issuer_unique_id: Option<BitStringRef<'a>>,
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT", optional = "true")]
    _subject_unique_id: Option<BitStringRef<'a>>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<SequenceOf<'a>>,
}

impl<'a> Sequence<'a> for TbsCertificate<'a> {}

#[derive(DecodeValue)]
struct Validity {
    _not_before: Time,
    _not_after: Time,
}

impl<'a> Sequence<'a> for Validity {}

#[derive(DecodeValue)]
struct SubjectPublicKeyInfo<'a> {
    algorithm: AlgorithmIdentifier<'a>,
    key: BitStringRef<'a>,
}

impl<'a> Sequence<'a> for SubjectPublicKeyInfo<'a> {}

#[derive(DecodeValue)]
struct RsaPublicKey<'a> {
    modulus: Integer<'a>,
    exponent: Integer<'a>,
}

impl<'a> Sequence<'a> for RsaPublicKey<'a> {}

/// A `Name`, whole, each attribute a type and a value.
struct Name<'a>(&'a [u8]);

#[derive(DecodeValue)]
struct Attribute<'a> {
    _oid: ObjectIdentifier,
    value: AnyRef<'a>,
}

impl<'a> Sequence<'a> for Attribute<'a> {}

impl<'a> Decode<'a> for Name<'a> {
    type Error = der::Error;

    fn decode<R: Reader<'a>>(reader: &mut R) -> der::Result<Self> {
        let der = reader.tlv_bytes()?;
        for relative_name in SequenceOf::from_der(der)?.iter::<SetOf<'_>>() {
            for attribute in relative_name?.iter::<Attribute<'_>>() {
                if !is_string(attribute?.value.tag()) {
                    return Err(Tag::Sequence.value_error().into());
                }
            }
        }
        Ok(Self(der))
    }
}

/// Whether values of this type are text; their letters are checked where they are read.
fn is_string(tag: Tag) -> bool {
    matches!(
        tag,
        Tag::Utf8String
            | Tag::PrintableString
            | Tag::NumericString
            | Tag::Ia5String
            | Tag::TeletexString
            | Tag::BmpString
    )
}

impl<'a> Structure<'a> {
    /// Reads the certificate that is all of `der`.
    pub(super) fn read(der: &'a [u8]) -> der::Result<Self> {
        let certificate = Certificate::from_der(der)?;
        let tbs = TbsCertificate::from_der(certificate.tbs.0)?;
        AlgorithmIdentifier::from_der(tbs.algorithm.0)?;
        for extension in tbs.extensions.iter().flat_map(SequenceOf::iter::<Extension<'_>>) {
            extension?;
        }
        check_public_key(tbs.public_key_info.0)?;
        Ok(Self {
            tbs: certificate.tbs.0,
            inner_algorithm: tbs.algorithm.0,
            outer_algorithm: certificate.algorithm.0,
            issuer: tbs.issuer.0,
            subject: tbs.subject.0,
            public_key_info: tbs.public_key_info.0,
            signature: certificate.signature.as_bytes().ok_or(Tag::BitString.value_error())?,
        })
    }
}

/// Checks the form of a `SubjectPublicKeyInfo`, of an RSA key in it, and of an EC key's curve: RFC 3279 section 2.3.
fn check_public_key(der: &[u8]) -> der::Result<()> {
    let info = SubjectPublicKeyInfo::from_der(der)?;
    let key = info.key.as_bytes().ok_or(Tag::BitString.value_error())?;
    match (info.algorithm.algorithm, info.algorithm.parameters) {
        (RSA_ENCRYPTION, Some(parameters)) if parameters.is_null() => {
            let key = RsaPublicKey::from_der(key)?;
            if key.modulus.is_positive() && key.exponent.is_positive() {
                Ok(())
            } else {
                Err(Tag::Integer.value_error().into())
            }
        }
        (RSA_ENCRYPTION, _) => Err(Tag::Null.value_error().into()),
        (EC_PUBLIC_KEY, Some(curve)) => curve.decode_as::<ObjectIdentifier>().map(|_| ()),
        _ => Ok(()),
    }
}

/// rsaEncryption
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// id-ecPublicKey
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
