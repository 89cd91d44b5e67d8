//! Verifies RFC 3161 timestamps: when a signature existed, how exactly that is known, and the TSA's chain.
//!
//! Signature specification, "Timestamp countersignature"; RFC 3161, 5652, 5816. The order of the checks is that of
//! [`verify`]; a token that fails one proves nothing. Whether the TSA's certificates are revoked is checked elsewhere
//! ([`crate::revocation`]).

mod ber;
mod error;
mod path;
mod signed_data;
mod tst_info;

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::time::Duration;

pub use error::TimestampError;
pub use path::PathError;
use signed_data::{SignedData, SignerInfo};
use tst_info::TstInfo;

use crate::limits;
use crate::time::UnixTime;
use crate::x509::Certificate;

/// A verified timestamp: the signature existed at some point between [`Self::time`] less and plus [`Self::accuracy`].
#[derive(Clone, Debug)]
pub struct Timestamp {
    /// When the signature existed.
    pub time: UnixTime,
    /// How far the time may be off.
    pub accuracy: Duration,
    /// The TSA's chain, leaf first, the trusted root last.
    pub chain: Vec<Certificate>,
}

/// Verifies that `token` is a timestamp of `signed` by a TSA whose chain ends at one of `anchors`.
///
/// Everything about the TSA's certificates is judged at the time of the timestamp: one that has expired since was good
/// when it signed.
///
/// # Errors
/// The first [`TimestampError`] that is met; if the token has several signers and none is good, that of the last.
pub fn verify(token: &[u8], signed: &[u8], anchors: &[Certificate]) -> Result<Timestamp, TimestampError> {
    let der = readable(token)?;
    let data = SignedData::parse(&der)?;

    let info = TstInfo::parse(data.content)?;
    info.check_imprint(signed)?;
    let (time, accuracy) = (info.time(), info.accuracy()?);

    if anchors.is_empty() {
        return Err(TimestampError::NoAnchors);
    }
    let mut last = TimestampError::NoSigner;
    for signer in &data.signers {
        match verify_signer(signer, &data, anchors, time) {
            Ok(chain) => return Ok(Timestamp { time, accuracy, chain }),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The certificates that a token carries, in its order, whether trusted or not: to learn what evidence they will demand.
///
/// # Errors
/// [`TimestampError`] if the token cannot be read.
pub fn unverified_certificates(token: &[u8]) -> Result<Vec<Certificate>, TimestampError> {
    let der = readable(token)?;
    Ok(SignedData::parse(&der)?.certificates)
}

/// A token in DER.
fn readable(token: &[u8]) -> Result<Vec<u8>, TimestampError> {
    if token.len() > limits::TIMESTAMP_TOKEN_BYTES {
        return Err(TimestampError::TooLarge { bytes: token.len() });
    }
    ber::to_der(token).ok_or(TimestampError::Malformed { what: "BER" })
}

/// What a token says of itself. Nothing vouches for it; [`verify`] is what decides.
#[derive(Clone, Debug)]
pub struct TimestampClaims {
    /// When the TSA says that it made the stamp.
    pub time: UnixTime,
    /// How far the time may be off.
    pub accuracy: Duration,
    /// The policy of the TSA, a dotted object identifier.
    pub policy: String,
    /// Whether the stamp is of the bytes that were asked about.
    pub is_of: bool,
    /// The certificates that the token carries, in no order: those that can be read.
    pub certificates: Vec<Certificate>,
    /// Which of them the token's signers name as their own, by position: the TSA's.
    pub signers: Vec<usize>,
    /// Why a certificate of the token cannot be read.
    pub unreadable: Option<TimestampError>,
}

/// Reads what `token` claims, and whether it claims it of `signed`.
///
/// # Errors
/// [`TimestampError`] if it is too large or malformed.
pub fn claims(token: &[u8], signed: &[u8]) -> Result<TimestampClaims, TimestampError> {
    let der = readable(token)?;
    let (data, unreadable) = SignedData::parse_readable(&der)?;
    let info = TstInfo::parse(data.content)?;
    let is_signer = |certificate: &Certificate| data.signers.iter().any(|signer| signer.names(certificate));
    let signers = data.certificates.iter().enumerate().filter(|(_, one)| is_signer(one));
    Ok(TimestampClaims {
        signers: signers.map(|(at, _)| at).collect(),
        unreadable,
        time: info.time(),
        accuracy: info.accuracy()?,
        policy: info.policy(),
        is_of: info.check_imprint(signed).is_ok(),
        certificates: data.certificates,
    })
}

/// One signer of a token: its certificate, its signature, and the chain to a trusted root.
fn verify_signer(
    signer: &SignerInfo<'_>,
    data: &SignedData<'_>,
    anchors: &[Certificate],
    time: UnixTime,
) -> Result<Vec<Certificate>, TimestampError> {
    let certificate = signer.certificate(&data.certificates)?;
    signer.check_signature(data.content, certificate)?;
    let times: Vec<UnixTime> = [Some(time), signer.signing_time()?].into_iter().flatten().collect();
    path::find(certificate, &data.certificates, anchors, &times).map_err(TimestampError::Path)
}

impl Timestamp {
    /// Checks that every certificate of the signing chain was valid whenever within the accuracy the signature was made.
    ///
    /// # Errors
    /// [`TimestampError::OutsideValidity`] with the first certificate that was not.
    pub fn covers(&self, chain: &[Certificate]) -> Result<(), TimestampError> {
        let earliest = self.time.earlier(self.accuracy);
        let latest = self.time.later(self.accuracy);
        for certificate in chain {
            let covered = earliest.is_some_and(|time| time >= certificate.not_before())
                && latest.is_some_and(|time| time <= certificate.not_after());
            if !covered {
                return Err(TimestampError::OutsideValidity {
                    subject: certificate.subject().to_string(),
                    not_before: certificate.not_before(),
                    not_after: certificate.not_after(),
                    time: self.time,
                    accuracy: self.accuracy,
                });
            }
        }
        Ok(())
    }
}
