//! What a store lists: records of images, containers, and what could not be listed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use assay_report::{ContainerUse, Enumerated, Namespace, Node, Unreadable};
use assay_verifier::oci::Descriptor;

use super::id_map::IdMap;
use super::mount::Mount;

/// What a store has.
#[derive(Debug, Default)]
pub struct Listing {
    /// The namespaces that were listed, sorted.
    pub namespaces: Vec<Namespace>,
    pub records: Vec<Record>,
    pub containers: Vec<Container>,
    /// Every snapshot of the snapshotters that the containers of a namespace use, each with its parent's key.
    pub snapshots: BTreeMap<(Namespace, Snapshot), Option<String>>,
    /// What was enumerated of each namespace, sorted.
    pub enumerated: Vec<Enumerated>,
    /// The system whose images are kept, if it is known; otherwise that of this machine.
    pub os: Option<String>,
    /// containerd's version.
    pub containerd: Option<String>,
    /// What could not be listed.
    pub unreadable: Vec<Unreadable>,
}

impl Listing {
    /// Whether what is there is for machines like `node`.
    pub fn is_for(&self, node: &Node) -> bool {
        self.os.as_ref().is_none_or(|os| *os == node.os)
    }
}

/// A name that points at an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// None in a layout.
    pub namespace: Option<Namespace>,
    pub name: String,
    pub target: Descriptor,
    /// Whether the store says that it belongs to an image.
    pub marked: bool,
}

impl Record {
    /// A record that the store does not mark.
    pub fn new(namespace: Option<Namespace>, name: &str, target: Descriptor) -> Self {
        Self { namespace, name: name.to_owned(), target, marked: false }
    }
}

/// A container, running or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    pub namespace: Namespace,
    /// The name of the image record that it was made from; none for a container without an image.
    pub image: Option<String>,
    /// What its file system is; none for one that brings its own.
    pub snapshot: Option<Snapshot>,
    /// Its user namespace; none if its specification cannot be read.
    pub ids: Option<IdMap>,
    /// What is mounted into it; none if its specification cannot be read.
    pub mounts: Option<Vec<Mount>>,
    pub usage: ContainerUse,
}

/// A part of containerd that keeps unpacked layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshotter {
    pub name: String,
    /// Its folder, if it is known.
    pub folder: Option<PathBuf>,
}

/// A snapshot by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Snapshot {
    pub snapshotter: String,
    pub key: String,
}
