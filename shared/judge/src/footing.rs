//! Says what the containers of an image stand on. The comparison of snapshots makes it.

use assay_report::LinkState;
use assay_verifier::oci::{Descriptor, Digest};

/// What a container stands on.
#[derive(Clone, Debug)]
pub struct Footing {
    /// containerd's id of the container.
    pub container: String,
    /// The image's name in the container's record.
    pub image: Option<String>,
    /// The container's snapshot, and whether those that it stands on hold what the layers say.
    pub snapshot: LinkFact,
    /// The layers, and whether they were read and are the right ones.
    pub layers: LinkFact,
    /// The manifest that has the layers; none if that is not known.
    pub manifest: Option<FootingManifest>,
}

/// The manifest whose layers a container stands on. It was read and matches its digest, and so does its config.
#[derive(Clone, Debug)]
pub struct FootingManifest {
    pub descriptor: Descriptor,
    pub config: Digest,
    pub layers: Vec<Digest>,
}

/// What is known of one link.
#[derive(Clone, Debug)]
pub struct LinkFact {
    pub subject: String,
    pub state: LinkState,
    pub evidence: String,
}

impl LinkFact {
    pub fn new(subject: impl Into<String>, state: LinkState, evidence: impl Into<String>) -> Self {
        Self { subject: subject.into(), state, evidence: evidence.into() }
    }
}
