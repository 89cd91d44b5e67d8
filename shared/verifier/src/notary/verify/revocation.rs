//! Revocation: no certificate of the signing chain is revoked. "Unknown" is a failure like "revoked" (notary.md 9.9).

use alloc::string::ToString;

use super::{Verifier, authentic_signing_time};
use crate::notary::envelope::VerifiedEnvelope;
use crate::outcome::Finding;
use crate::revocation::{Purpose, check_chain};

pub(super) fn check(envelope: &VerifiedEnvelope, verifier: &Verifier<'_>) -> Result<(), Finding> {
    let authentic_time = authentic_signing_time(envelope);
    check_chain(envelope.chain(), Purpose::CodeSigning, verifier.evidence, verifier.at, authentic_time)
        .map_err(|error| Finding::new(error.code(), error.to_string()))
}
