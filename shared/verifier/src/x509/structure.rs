//! Reads the outer structure of a certificate, down to each name, key and extension, as strict DER. RFC 5280 section 4.1.
//!
//! Whatever Go's parser refuses is refused here.

use der::asn1::BitStringRef;
use der::{Decode as _, DecodeValue, Sequence};

use super::error::CertificateError;
use crate::asn1::{Extension, Integer, SequenceOf, Time, Tlv};

/// The raw parts of a certificate, each a slice of it.
pub(super) struct Structure<'a> {
    pub(super) tbs: &'a [u8],
    pub(super) is_v3: bool,
    pub(super) serial: &'a [u8],
    pub(super) algorithm: &'a [u8],
    pub(super) issuer: &'a [u8],
    pub(super) validity: Validity,
    pub(super) subject: &'a [u8],
    pub(super) public_key_info: &'a [u8],
    pub(super) extensions: Option<SequenceOf<'a>>,
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
    version: Option<u8>,
    serial_number: Integer<'a>,
    algorithm: Tlv<'a>,
    issuer: Tlv<'a>,
    validity: Tlv<'a>,
    subject: Tlv<'a>,
    public_key_info: Tlv<'a>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    _issuer_unique_id: Option<BitStringRef<'a>>,
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT", optional = "true")]
    _subject_unique_id: Option<BitStringRef<'a>>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<SequenceOf<'a>>,
}

impl<'a> Sequence<'a> for TbsCertificate<'a> {}

/// `Validity`
#[derive(DecodeValue)]
pub(super) struct Validity {
    pub(super) not_before: Time,
    pub(super) not_after: Time,
}

impl<'a> Sequence<'a> for Validity {}

impl<'a> Structure<'a> {
    /// Reads the certificate that is all of `der`.
    pub(super) fn read(der: &'a [u8]) -> Result<Self, CertificateError> {
        let malformed = |_| CertificateError::Structure;
        let certificate = Certificate::from_der(der).map_err(malformed)?;
        let tbs = TbsCertificate::from_der(certificate.tbs.0).map_err(malformed)?;
        let version = tbs.version.unwrap_or(0);
        // RFC 5280 section 4.1.2.1; extensions of older versions would be overlooked by other readers
        if version > V3 || version != V3 && tbs.extensions.is_some() || tbs.algorithm != certificate.algorithm
        {
            return Err(CertificateError::Structure);
        }
        if tbs.serial_number.0.first().is_none_or(|first| first & 0x80 != 0) {
            return Err(CertificateError::Serial);
        }
        Ok(Self {
            tbs: certificate.tbs.0,
            is_v3: version == V3,
            serial: tbs.serial_number.0,
            algorithm: tbs.algorithm.0,
            issuer: tbs.issuer.0,
            validity: Validity::from_der(tbs.validity.0).map_err(|_| CertificateError::Validity)?,
            subject: tbs.subject.0,
            public_key_info: tbs.public_key_info.0,
            extensions: tbs.extensions,
            signature: certificate.signature.as_bytes().ok_or(CertificateError::Structure)?,
        })
    }

    /// The extensions, in order.
    pub(super) fn extensions(
        &self,
    ) -> impl Iterator<Item = Result<Extension<'a>, CertificateError>> + use<'a> {
        let list = self.extensions;
        list.into_iter()
            .flat_map(|list| list.iter::<Extension<'a>>())
            .map(|extension| extension.map_err(|_| CertificateError::Structure))
    }
}

/// Version 3 as it is encoded.
const V3: u8 = 2;
