//! Weighs what single lists and answers say of a certificate.

use alloc::vec::Vec;
use core::cmp::Reverse;

use super::crl::Crl;
use super::error::Unknown;
use super::reason::RevocationReason;
use crate::time::UnixTime;

/// Why a certificate does not count as good.
#[derive(Clone)]
pub(super) enum NotGood {
    Revoked(Revocation),
    Unknown(Unknown),
}

/// That a certificate is revoked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Revocation {
    pub(super) at: UnixTime,
    pub(super) reason: Option<RevocationReason>,
}

impl From<Unknown> for NotGood {
    fn from(why: Unknown) -> Self {
        Self::Unknown(why)
    }
}

/// What one list or answer, validly signed, says of a certificate.
pub(super) struct StatusInfo<'a> {
    /// The list; `None` for an OCSP answer.
    pub(super) list: Option<&'a Crl>,
    pub(super) issued: UnixTime,
    /// Whether its silence means that the certificate is good, as far as its series has not gone on.
    pub(super) counts_as_good: bool,
    pub(super) status: CertStatus,
}

/// What a list or an answer says.
pub(super) enum CertStatus {
    /// No revocation.
    NotRevoked,
    /// Revoked for good.
    Revoked(Revocation),
    /// Revoked for the time being.
    OnHold(Revocation),
    /// On hold no more.
    Released { at: UnixTime },
    /// The responder does not know the certificate.
    NotKnown,
}

/// Checks that no statement revokes the certificate, the first revocation counting, and that all of them were understood.
pub(super) fn not_revoked(statements: &[&StatusInfo<'_>], spoiled: Option<&Unknown>) -> Result<(), NotGood> {
    let revocations = statements.iter().filter_map(|statement| match statement.status {
        CertStatus::Revoked(revocation) => Some(revocation),
        _ => None,
    });
    if let Some(first) = revocations.min() {
        return Err(NotGood::Revoked(first));
    }
    if let Some(why) = spoiled {
        return Err(why.clone().into());
    }
    // what is newest lifts most
    let mut newest_first: Vec<&StatusInfo<'_>> = statements.to_vec();
    newest_first.sort_by_key(|statement| Reverse(statement.issued));
    for statement in statements {
        if let CertStatus::OnHold(held) = &statement.status
            && !newest_first.iter().any(|newer| newer.lifts(statement, held))
        {
            return Err(NotGood::Revoked(*held));
        }
    }
    Ok(())
}

impl Crl {
    /// Whether it is newer than another list of its issuer. Numbers of different scopes have nothing to do with each other.
    fn is_newer_than(&self, other: &Self) -> bool {
        match (&self.number, &other.number) {
            (Some(number), Some(old)) if self.scope == other.scope => {
                (number, self.this_update) > (old, other.this_update)
            }
            _ => self.this_update > other.this_update,
        }
    }
}

impl StatusInfo<'_> {
    /// Whether the certificate that `older` has on hold is on hold no more as of this statement.
    fn lifts(&self, older: &Self, held: &Revocation) -> bool {
        let is_newer = match (self.list, older.list) {
            (Some(list), Some(older)) => list.is_newer_than(older),
            _ => self.issued > older.issued,
        };
        if !self.counts_as_good || !is_newer {
            return false;
        }
        // A complete list says all that there is to say; a delta repeats what changed since its base, so that its silence means
        // something to deltas that do not go back further.
        let is_complete = match self.list.and_then(|list| Some((list, list.delta_of.as_ref()?))) {
            None => true,
            Some((delta, of)) => older.list.is_some_and(|older| {
                older.scope == delta.scope && older.delta_of.as_ref().is_some_and(|older_of| of <= older_of)
            }),
        };
        match self.status {
            CertStatus::NotRevoked => is_complete,
            // of a base and its delta the reference goes by these times
            CertStatus::Released { at } => is_complete || held.at < at,
            CertStatus::Revoked(_) | CertStatus::OnHold(_) | CertStatus::NotKnown => false,
        }
    }
}
