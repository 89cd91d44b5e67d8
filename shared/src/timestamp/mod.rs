//! RFC 3161 timestamps. No token is accepted yet: each fails with a code that says so.

use alloc::vec::Vec;
use core::time::Duration;

use crate::codes::Code;
use crate::time::UnixTime;
use crate::x509::Certificate;

/// A verified timestamp.
#[derive(Clone, Debug)]
pub struct Timestamp {
    /// When the signature existed.
    pub time: UnixTime,
    /// How far the time may be off.
    pub accuracy: Duration,
    /// The TSA's chain, leaf first.
    pub chain: Vec<Certificate>,
}

/// Why a timestamp is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("timestamps cannot be verified by this version")]
pub struct TimestampError;

impl TimestampError {
    /// The code that reports give.
    pub fn code(&self) -> Code {
        Code::TimestampUnsupported
    }
}

impl Timestamp {
    /// Whether every certificate of the signing chain was valid when the signature existed.
    ///
    /// # Errors
    /// Always.
    pub fn covers(&self, _chain: &[Certificate]) -> Result<(), TimestampError> {
        Err(TimestampError)
    }
}

/// Verifies a token over `signed`.
///
/// # Errors
/// Always.
pub fn verify(_token: &[u8], _signed: &[u8], _anchors: &[Certificate]) -> Result<Timestamp, TimestampError> {
    Err(TimestampError)
}
