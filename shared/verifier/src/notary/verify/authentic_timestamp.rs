//! The authentic timestamp: the signature was made while every certificate of its chain was valid.
//!
//! Signature specification, "Signing time" and "Timestamp verification" (notary.md 9.7, 9.8). Three ways: a signing
//! authority vouches for the time; a timestamp proves it; else the chain must be valid now. The time that a signer of the
//! scheme `notary.x509` claims counts for nothing.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use super::{Finding, Verifier};
use crate::codes::Code;
use crate::notary::envelope::{SigningScheme, VerifiedEnvelope};
use crate::notary::trust_policy::{Statement, VerifyTimestamp};
use crate::notary::trust_store::StoreType;
use crate::outcome as report;
use crate::revocation::{self, Purpose};
use crate::time::UnixTime;
use crate::timestamp;
use crate::x509::Certificate;

/// The verified timestamp, where one was asked for.
pub(super) fn check(
    envelope: &VerifiedEnvelope,
    statement: &Statement,
    verifier: &Verifier<'_>,
) -> Result<Option<report::Timestamp>, Finding> {
    let chain = envelope.chain();
    if envelope.attributes().scheme == SigningScheme::SigningAuthority {
        return check_validity(chain, envelope.attributes().signing_time).map(|()| None);
    }
    let is_asked_for = statement.stores(StoreType::Tsa).next().is_some()
        && match statement.verify_timestamp {
            VerifyTimestamp::Always => true,
            VerifyTimestamp::AfterCertExpiry => {
                chain.iter().any(|certificate| verifier.at > certificate.not_after())
            }
        };
    if is_asked_for {
        check_timestamp(envelope, statement, verifier).map(Some)
    } else {
        check_validity(chain, verifier.at).map(|()| None)
    }
}

fn check_validity(chain: &[Certificate], at: UnixTime) -> Result<(), Finding> {
    for certificate in chain {
        let subject = certificate.subject();
        if at < certificate.not_before() {
            let message =
                alloc::format!("{subject} is valid from {}, and the time is {at}", certificate.not_before());
            return Err(Finding::new(Code::CertificateNotYetValid, message));
        }
        if at > certificate.not_after() {
            let message =
                alloc::format!("{subject} expired at {}, and the time is {at}", certificate.not_after());
            return Err(Finding::new(Code::CertificateExpired, message));
        }
    }
    Ok(())
}

fn check_timestamp(
    envelope: &VerifiedEnvelope,
    statement: &Statement,
    verifier: &Verifier<'_>,
) -> Result<report::Timestamp, Finding> {
    let token = envelope.timestamp_token().ok_or_else(|| {
        Finding::new(Code::TimestampMissing, "the policy asks for a timestamp, and the signature has none")
    })?;
    let mut anchors: Vec<Certificate> = Vec::new();
    for name in statement.stores(StoreType::Tsa) {
        let certificates = verifier.trust_store.certificates(StoreType::Tsa, name).map_err(|error| {
            Finding::new(
                Code::TrustStoreUnusable,
                format!("trust store {}:{name} {error}", StoreType::Tsa.folder()),
            )
        })?;
        anchors.extend_from_slice(certificates);
    }
    let timestamp = timestamp::verify(token, envelope.signature(), &anchors)
        .map_err(|error| Finding::new(error.code(), error.to_string()))?;
    timestamp.covers(envelope.chain()).map_err(|error| Finding::new(error.code(), error.to_string()))?;
    revocation::check_chain(&timestamp.chain, Purpose::Timestamping, verifier.evidence, verifier.at, None)
        .map_err(|error| Finding::new(error.code(), error.to_string()))?;
    Ok(report::Timestamp {
        time: timestamp.time,
        accuracy: seconds(timestamp.accuracy),
        tsa: timestamp.chain.first().map(|tsa| tsa.subject().to_string()).unwrap_or_default(),
    })
}

/// A duration of whole microseconds as a number that a report reads back as it wrote it: the one nearest to the decimal.
fn seconds(duration: Duration) -> f64 {
    let decimal = format!("{}.{:06}", duration.as_secs(), duration.subsec_micros());
    decimal.parse().unwrap_or(duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accuracy_is_read_back_as_it_was_written() {
        let mut differing = 0;
        for micros in 0..20_000_u64 {
            let duration = Duration::from_micros(micros * 7_919 + 3);
            let accuracy = seconds(duration);
            let written = serde_json::to_string(&accuracy).unwrap();
            assert_eq!(
                serde_json::from_str::<f64>(&written).unwrap().to_bits(),
                accuracy.to_bits(),
                "{written}"
            );
            differing += usize::from(accuracy.to_bits() != duration.as_secs_f64().to_bits());
        }
        assert!(differing > 0);
    }
}
