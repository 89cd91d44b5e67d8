//! What the tasks that fetch a bundle share: where they fetch from, what they keep, and what they report.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use assay_report::bundle::{Gap, GapKind};
use assay_verifier::oci::Digest;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;

use super::demand::Trusting;
use super::staging::{BundleContent, Staging, StagingError};
use super::wanted::WantList;
use crate::registry::Registries;

/// What happens while a bundle is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FetchEvent {
    /// An image is done, with so many signatures.
    Image {
        /// What it is called.
        name: String,
        /// How many.
        signatures: usize,
    },
    /// The list of a layer's files is done.
    LayerFiles {
        /// The layer.
        layer: Digest,
    },
    /// A CRL is done.
    Crl {
        /// Where it was published.
        url: String,
    },
    /// So many CRLs will be fetched.
    Crls(usize),
    /// Something cannot be fetched.
    Gap(Gap),
    /// Something that a person may want to know, and that is not missing.
    Note(String),
}

/// What all tasks share.
pub(super) struct Carrier {
    pub(super) registries: Arc<Registries>,
    pub(super) staging: Arc<Staging>,
    pub(super) events: UnboundedSender<FetchEvent>,
    pub(super) wanted: Arc<WantList>,
    pub(super) crls: bool,
    pub(super) trusting: Option<Trusting>,
    /// Who may make the list of a layer.
    pub(super) listing: Semaphore,
    /// The layers whose lists are made or were.
    pub(super) listed: Mutex<BTreeSet<(Digest, Digest)>>,
    pub(super) content: Mutex<BundleContent>,
    /// Where CRLs are published that signatures will demand, and a signature that does.
    pub(super) urls: Mutex<BTreeMap<String, String>>,
}

impl Carrier {
    pub(super) fn keep(&self, digest: &Digest, bytes: &[u8]) -> Result<(), StagingError> {
        if self.content().blobs.insert(digest.clone()) {
            self.staging.add_blob(digest, bytes)?;
        }
        Ok(())
    }

    pub(super) fn content(&self) -> MutexGuard<'_, BundleContent> {
        lock(&self.content)
    }

    pub(super) fn listed(&self) -> MutexGuard<'_, BTreeSet<(Digest, Digest)>> {
        lock(&self.listed)
    }

    pub(super) fn gap(&self, kind: GapKind, what: &str, why: String) {
        let gap = Gap { kind, what: what.to_owned(), why };
        self.content().gaps.push(gap.clone());
        self.say(FetchEvent::Gap(gap));
    }

    /// Names what is of no use to any verifier, so that nothing is missing without it.
    pub(super) fn leave_out(&self, kind: GapKind, what: &str, why: String) {
        self.note(format!("{what}: {why}"));
        self.content().left_out.push(Gap { kind, what: what.to_owned(), why });
    }

    pub(super) fn note(&self, text: String) {
        self.say(FetchEvent::Note(text));
    }

    pub(super) fn say(&self, event: FetchEvent) {
        // fetching goes on if nothing listens
        let _ = self.events.send(event);
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
