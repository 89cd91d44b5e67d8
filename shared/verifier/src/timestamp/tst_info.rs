//! Reads `TSTInfo`, which a TSA signs: which bytes existed when, within which accuracy. RFC 3161 section 2.4.2.

use alloc::string::{String, ToString as _};
use core::time::Duration;

use der::asn1::{AnyRef, OctetStringRef};
use der::{Decode as _, DecodeValue, FixedTag, Header, Reader, Sequence, Tag};

use super::error::TimestampError;
use crate::asn1::{self, AlgorithmIdentifier, Integer, Oid, SequenceOf, oid};
use crate::time::UnixTime;
use crate::x509::Hash;

/// `TSTInfo`. The serial number, the nonce and the TSA's name are read and mean nothing here.
#[derive(DecodeValue)]
pub(super) struct TstInfo<'a> {
    version: u8,
    policy: Oid<'a>,
    message_imprint: MessageImprint<'a>,
    _serial_number: Integer<'a>,
    gen_time: GenTime,
    accuracy: Option<Accuracy>,
    #[asn1(default = "Default::default")]
    _ordering: bool,
    _nonce: Option<Integer<'a>>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    _tsa: Option<AnyRef<'a>>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    extensions: Option<SequenceOf<'a>>,
}

impl<'a> Sequence<'a> for TstInfo<'a> {}

#[derive(DecodeValue)]
struct MessageImprint<'a> {
    hash_algorithm: AlgorithmIdentifier<'a>,
    hashed_message: &'a OctetStringRef,
}

impl<'a> Sequence<'a> for MessageImprint<'a> {}

/// `Accuracy`. The bound of `seconds` is that of its type: a wide accuracy only makes a timestamp harder to pass.
#[derive(DecodeValue)]
struct Accuracy {
    seconds: Option<u32>,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    millis: Option<u16>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    micros: Option<u16>,
}

impl<'a> Sequence<'a> for Accuracy {}

/// `genTime`: a `GeneralizedTime` that may have a fraction.
struct GenTime(UnixTime);

impl FixedTag for GenTime {
    const TAG: Tag = Tag::GeneralizedTime;
}

impl<'a> DecodeValue<'a> for GenTime {
    type Error = der::Error;

    fn decode_value<R: Reader<'a>>(reader: &mut R, header: Header) -> der::Result<Self> {
        let bytes = reader.read_slice(header.length())?;
        let time = asn1::generalized_time_with_fraction(bytes);
        time.map(Self).ok_or_else(|| Tag::GeneralizedTime.value_error().into())
    }
}

impl<'a> TstInfo<'a> {
    pub(super) fn parse(der: &'a [u8]) -> Result<Self, TimestampError> {
        let malformed = |_| TimestampError::Malformed { what: "TSTInfo" };
        let info = Self::from_der(der).map_err(malformed)?;
        if info.version != 1 {
            return Err(TimestampError::Version { what: "TSTInfo", version: info.version });
        }
        // None is known. RFC 3161 leaves what a critical one means to RFC 2459: who does not know it refuses.
        let extensions = asn1::extensions(info.extensions).map_err(malformed)?;
        match extensions.iter().find(|extension| extension.critical) {
            Some(extension) => Err(TimestampError::CriticalExtension { oid: extension.oid.to_string() }),
            None => Ok(info),
        }
    }

    /// When the signature existed.
    pub(super) fn time(&self) -> UnixTime {
        self.gen_time.0
    }

    /// The TSA's policy, dotted.
    pub(super) fn policy(&self) -> String {
        self.policy.to_string()
    }

    /// Checks that the timestamp is one of `signed`.
    pub(super) fn check_imprint(&self, signed: &[u8]) -> Result<(), TimestampError> {
        let oid = self.message_imprint.hash_algorithm.algorithm.to_string();
        let hash = Hash::from_oid(&oid).ok_or(TimestampError::ImprintAlgorithm { oid })?;
        if hash.digest(signed) == self.message_imprint.hashed_message.as_bytes() {
            Ok(())
        } else {
            Err(TimestampError::ImprintMismatch)
        }
    }

    /// How far the time may be off: as the token says; if it says nothing, one second under ETSI's best-practices policy (EN 319
    /// 421 demands at least that), otherwise nothing.
    pub(super) fn accuracy(&self) -> Result<Duration, TimestampError> {
        let part = |value: Option<u16>| match value {
            None => Ok(0),
            Some(value @ 1..=999) => Ok(u64::from(value)),
            Some(_) => Err(TimestampError::Accuracy),
        };
        let accuracy = match &self.accuracy {
            None => Duration::ZERO,
            Some(accuracy) => Duration::from_secs(accuracy.seconds.unwrap_or(0).into())
                .saturating_add(Duration::from_millis(part(accuracy.millis)?))
                .saturating_add(Duration::from_micros(part(accuracy.micros)?)),
        };
        if accuracy.is_zero() && self.policy == BEST_PRACTICES_POLICY {
            return Ok(Duration::from_secs(1));
        }
        Ok(accuracy)
    }
}

/// itu-t(0) identified-organization(4) etsi(0) time-stamp-policy(2023) policy-identifiers(1) best-practices-ts-policy(1)
const BEST_PRACTICES_POLICY: Oid<'static> = oid!("0.4.0.2023.1.1");
