//! The chain of custody of a container: from the container down to the root certificate that its image's signature leads to.
//!
//! Each link says what it is, whether it is proven, and by what. A link whose check did not run is not proven. A chain and the
//! verdict on its image rest on the same facts: [`Image::custody_contradiction`](crate::Image::custody_contradiction) says where
//! they do not fit together.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// The chain of custody of a container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Custody {
    /// The links, from the container to the root certificate. An image that is a manifest by itself has no link for an index.
    pub links: Vec<CustodyLink>,
    /// The first link that is broken, or, if none is, the first that is not proven. Null if every link is proven.
    pub broken: Option<CustodyStep>,
}

/// A link of a chain of custody.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CustodyLink {
    /// Which link it is.
    pub step: CustodyStep,
    /// What is linked: an id, the name of a snapshot, a digest, the subject of a certificate. Empty if there is none.
    pub subject: String,
    /// Whether it is proven.
    pub state: LinkState,
    /// What was compared with what; if it is not proven, why.
    pub evidence: String,
}

/// The links of a chain of custody, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum CustodyStep {
    /// The container belongs to the image.
    Container,
    /// The snapshots that it stands on hold what the image's layers say.
    Snapshot,
    /// The layers have the digests that the manifest and its config name.
    Layers,
    /// The manifest has the digest that the index or the signature names.
    Manifest,
    /// The index lists the manifest and has the digest that the signature names.
    Index,
    /// The signature is good and names the manifest or the index.
    Signature,
    /// The signature's chain leads to a certificate that the site trusts.
    Root,
}

impl CustodyStep {
    /// Every link, from the container to the root certificate.
    pub const ALL: [Self; 7] = [
        Self::Container,
        Self::Snapshot,
        Self::Layers,
        Self::Manifest,
        Self::Index,
        Self::Signature,
        Self::Root,
    ];

    /// The link as reports write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Snapshot => "snapshot",
            Self::Layers => "layers",
            Self::Manifest => "manifest",
            Self::Index => "index",
            Self::Signature => "signature",
            Self::Root => "root",
        }
    }
}

/// Whether a link is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum LinkState {
    /// It was checked and holds.
    Proven,
    /// It was not checked, or could not be judged.
    Unproven,
    /// It was checked and does not hold.
    Broken,
}

impl LinkState {
    /// The state as reports write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Unproven => "unproven",
            Self::Broken => "broken",
        }
    }
}

impl Custody {
    /// The chain of these links, in any order.
    pub fn new(mut links: Vec<CustodyLink>) -> Self {
        links.sort_by_key(|link| link.step);
        let broken = first_broken(&links).map(|link| link.step);
        Self { links, broken }
    }

    /// The first broken link, or, if none is broken, the first that is not proven.
    pub fn first_broken(&self) -> Option<&CustodyLink> {
        first_broken(&self.links)
    }

    /// Whether every link is proven.
    pub fn is_whole(&self) -> bool {
        self.first_broken().is_none()
    }

    /// Whether it has every link once and in order, and names the first broken one.
    pub(crate) fn is_well_formed(&self) -> bool {
        let steps = || self.links.iter().map(|link| link.step);
        let is_complete = steps().eq(CustodyStep::ALL)
            || steps().eq(CustodyStep::ALL.into_iter().filter(|step| *step != CustodyStep::Index));
        is_complete && self.broken == self.first_broken().map(|link| link.step)
    }
}

fn first_broken(links: &[CustodyLink]) -> Option<&CustodyLink> {
    let first = |state| links.iter().find(|link| link.state == state);
    first(LinkState::Broken).or_else(|| first(LinkState::Unproven))
}
