//! What is asked about every certificate.

use super::evidence::RevocationEvidence;
use crate::time::UnixTime;

/// What is asked of every certificate.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) evidence: &'a RevocationEvidence,
    pub(super) at: UnixTime,
    pub(super) authentic_signing_time: Option<UnixTime>,
}

impl Question<'_> {
    /// Whether what was revoked or became invalid at `invalid_since` was good when the signature was made.
    pub(super) fn predates(&self, invalid_since: UnixTime) -> bool {
        self.authentic_signing_time.is_some_and(|signed| signed < invalid_since)
    }
}
