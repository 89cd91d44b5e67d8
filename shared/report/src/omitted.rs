//! How much a report leaves out of its lists, because it is bounded.

use alloc::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A list of a report that may be cut, by the name of its member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the member of its name")]
pub enum List {
    Carried,
    Chain,
    Companions,
    Crls,
    Custody,
    Differing,
    Enumerated,
    Findings,
    Images,
    InUse,
    Mismatched,
    Namespaces,
    Platforms,
    References,
    Signatures,
    TrustStore,
    Unlisted,
    Unreadable,
    UnusableEvidence,
    UserMetadata,
    Warnings,
}

/// How many entries were left out of lists, because a report is bounded; a list that is whole is not named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Omitted(BTreeMap<List, u64>);

impl Omitted {
    /// How many entries of that list are missing.
    pub fn count(&self, list: List) -> u64 {
        self.0.get(&list).copied().unwrap_or(0)
    }

    /// Whether every list is whole.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Counts entries that are left out.
    pub fn add(&mut self, list: List, entries: usize) {
        if entries > 0 {
            let count = self.0.entry(list).or_default();
            *count = count.saturating_add(u64::try_from(entries).unwrap_or(u64::MAX));
        }
    }
}
