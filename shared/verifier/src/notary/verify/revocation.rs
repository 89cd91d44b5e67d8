//! Checks that no certificate of the signing chain is revoked. An unknown status fails like a revocation.

use alloc::string::ToString;

use super::verifier::Verifier;
use crate::notary::envelope::{SigningScheme, VerifiedEnvelope};
use crate::outcome::Finding;
use crate::revocation::{Purpose, check_chain};
use crate::time::UnixTime;

pub(super) fn check(envelope: &VerifiedEnvelope, verifier: &Verifier<'_>) -> Result<(), Finding> {
    let authentic_time = authentic_signing_time(envelope);
    check_chain(envelope.chain(), Purpose::CodeSigning, verifier.evidence, verifier.at, authentic_time)
        .map_err(|error| Finding::new(error.code(), error.to_string()))
}

/// The authentic signing time that revocation may be judged by: only a signing authority vouches for one.
fn authentic_signing_time(envelope: &VerifiedEnvelope) -> Option<UnixTime> {
    let attributes = envelope.attributes();
    (attributes.scheme == SigningScheme::SigningAuthority).then_some(attributes.signing_time)
}
