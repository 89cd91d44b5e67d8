//! Remembers which lists an issuer signed and what the status of a certificate is. A run asks the same for every image.
//!
//! This only saves time: an answer is kept under everything that it depends on, and one that is not kept is computed again.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use spin::Mutex;

use super::status::NotGood;
use crate::limits;
use crate::oci::Digest;
use crate::time::UnixTime;
use crate::x509::SignatureError;

/// Which of an issuer's lists its key signed, in the order in which the lists were staged.
pub(super) type Signatures = Arc<Vec<Result<(), SignatureError>>>;

/// What a certificate's status depends on, beside the evidence.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StatusKey {
    pub(super) certificate: Digest,
    pub(super) issuer: Digest,
    pub(super) at: UnixTime,
    pub(super) authentic_signing_time: Option<UnixTime>,
}

#[derive(Default)]
pub(super) struct Memo {
    signatures: Mutex<Bounded<Digest, Signatures>>,
    statuses: Mutex<Bounded<StatusKey, Result<(), NotGood>>>,
}

/// A map that takes no more once it is full: otherwise someone who makes up issuers could fill the memory.
struct Bounded<K, V> {
    map: BTreeMap<K, V>,
    weight: usize,
}

impl<K, V> Default for Bounded<K, V> {
    fn default() -> Self {
        Self { map: BTreeMap::new(), weight: 0 }
    }
}

impl<K: Ord, V> Bounded<K, V> {
    fn insert(&mut self, key: K, value: V, weight: usize) {
        let weight = self.weight.saturating_add(weight);
        if weight <= limits::EVIDENCE_MEMO {
            self.weight = weight;
            self.map.insert(key, value);
        }
    }
}

impl Memo {
    /// The signatures of an issuer's lists, checked now unless they were before. No thread waits for another's check.
    pub(super) fn signatures(
        &self,
        issuer: &Digest,
        check: impl FnOnce() -> Vec<Result<(), SignatureError>>,
    ) -> Signatures {
        if let Some(known) = self.signatures.lock().map.get(issuer) {
            return Arc::clone(known);
        }
        let checked = Arc::new(check());
        let weight = checked.len().saturating_add(1);
        self.signatures.lock().insert(issuer.clone(), Arc::clone(&checked), weight);
        checked
    }

    /// A certificate's status, found out now unless it was before.
    pub(super) fn status(
        &self,
        key: StatusKey,
        find_out: impl FnOnce() -> Result<(), NotGood>,
    ) -> Result<(), NotGood> {
        if let Some(known) = self.statuses.lock().map.get(&key) {
            return known.clone();
        }
        let status = find_out();
        self.statuses.lock().insert(key, status.clone(), 1);
        status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_memo_keeps_no_more() {
        let mut bounded = Bounded::default();
        bounded.insert(0, "fits", limits::EVIDENCE_MEMO);
        bounded.insert(1, "does not", 1);
        assert_eq!(bounded.map.into_values().collect::<Vec<_>>(), ["fits"]);
    }
}
