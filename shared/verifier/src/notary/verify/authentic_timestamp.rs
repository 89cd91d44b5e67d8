//! Checks the authentic timestamp: the signature was made while every certificate of its chain was valid.
//!
//! Signature specification, "Signing time" and "Timestamp verification". There are three ways: a signing authority vouches
//! for the time; a timestamp proves it; otherwise the chain must be valid now. The time that a signer of the scheme
//! `notary.x509` claims does not count.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::verifier::Verifier;
use crate::codes::Code;
use crate::notary::envelope::{SigningScheme, VerifiedEnvelope};
use crate::notary::trust_policy::{Statement, VerifyTimestamp};
use crate::notary::trust_store::StoreType;
use crate::outcome::Finding;
use crate::revocation::{self, Purpose};
use crate::time::UnixTime;
use crate::timestamp::{self, Timestamp};
use crate::x509::Certificate;

/// The verified timestamp, if one was asked for.
pub(super) fn check(
    envelope: &VerifiedEnvelope,
    statement: &Statement,
    verifier: &Verifier<'_>,
) -> Result<Option<Timestamp>, Finding> {
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
) -> Result<Timestamp, Finding> {
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
    Ok(timestamp)
}
