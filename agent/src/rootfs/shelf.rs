//! Reads which snapshots a snapshotter has, and which stands on which.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use assay_judge::store::{Container, Snapshotter};
use assay_report::{Namespace, RootfsDifference, RootfsFinding};

use super::chain::Chain;
use super::compare::Failure;
use super::mounted::Mounted;
use super::snapshot::{Snapshot, sees_overlay_attributes};
use crate::containerd::snapshots::{self, Snapshots};

/// How a snapshotter keeps files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Those of each layer by themselves.
    Overlayfs,
    /// Those of all layers together.
    Native,
}

impl Form {
    /// Opens the folder of a snapshot in that of its snapshotter.
    pub(super) fn open(self, snapshotter: &Path, id: &str) -> Result<Snapshot, Failure> {
        let parts: &[&str] = match self {
            Self::Overlayfs => &["snapshots", id, "fs"],
            Self::Native => &["snapshots", id],
        };
        let at = || snapshotter.join(parts.join("/"));
        Snapshot::open(snapshotter, parts).map_err(|failure| match failure {
            Failure::Unreadable(why) => Failure::Unreadable(format!("{}: {why}", at().display())),
            failure => failure,
        })
    }
}

/// A snapshotter whose folders are compared.
pub(super) struct Shelf {
    pub(super) folder: PathBuf,
    pub(super) form: Form,
    pub(super) snapshots: Snapshots,
    /// The names of snapshots, by namespace and key.
    pub(super) names: BTreeMap<(Namespace, String), Vec<String>>,
    pub(super) mounted: Mounted,
}

impl Shelf {
    pub(super) fn open(name: &str, snapshotters: &[Snapshotter]) -> Result<Self, String> {
        let form = match name {
            "overlayfs" => Form::Overlayfs,
            "native" => Form::Native,
            other => {
                return Err(format!(
                    "the snapshotter {other} is not known; the folders of overlayfs and native are compared"
                ));
            }
        };
        if form == Form::Overlayfs && !sees_overlay_attributes() {
            return Err(format!(
                "{name} depends on attributes that the kernel shows only to root with CAP_SYS_ADMIN, which this process does not have"
            ));
        }
        let folder = snapshotters.iter().find(|one| one.name == name).and_then(|one| one.folder.clone());
        let folder =
            folder.ok_or_else(|| format!("where the snapshotter {name} keeps its folders is not known"))?;
        // if it is root's, all files in it have the owners that the layers say
        let owner = std::fs::metadata(folder.join("snapshots")).map_or(0, |metadata| metadata.uid());
        if owner != 0 {
            return Err(format!(
                "the snapshotter {name} is the user {owner}'s: where containerd runs in a user namespace, files have other owners than the layers say"
            ));
        }
        let snapshots = snapshots::open(&folder)?.unwrap_or_default();
        let mut names: BTreeMap<(Namespace, String), Vec<String>> = BTreeMap::new();
        for name in snapshots.keys() {
            if let Some(place) = place(name) {
                names.entry(place).or_default().push(name.clone());
            }
        }
        names.values_mut().for_each(|names| names.sort());
        let mounted = Mounted::find(&folder)?;
        Ok(Self { folder, form, snapshots, names, mounted })
    }

    /// Opens the folder of a snapshot.
    pub(super) fn open_folder(&self, id: &str) -> Result<Snapshot, Failure> {
        self.form.open(&self.folder, id)
    }

    /// The snapshots that one stands on, itself first, each with its name and its folder.
    pub(super) fn below(
        &self,
        top: &str,
        namespace: &Namespace,
        chain: &Chain,
    ) -> Result<Vec<(String, String)>, Box<RootfsFinding>> {
        let mut rows: Vec<(String, String)> = Vec::new();
        let mut next = Some(top.to_owned());
        for key in chain.keys.iter().rev() {
            let expected = (namespace.clone(), key.to_string());
            let found = next.as_ref().and_then(|name| Some((name, self.snapshots.get(name)?)));
            match found {
                Some((name, row)) if place(name).as_ref() == Some(&expected) => {
                    rows.push((name.clone(), row.id.clone()));
                    next = row.parent.clone();
                }
                _ => return Err(wrong_parent(&rows, Some(key.as_str()), next)),
            }
        }
        if next.is_some() { Err(wrong_parent(&rows, None, next)) } else { Ok(rows) }
    }
}

/// Snapshotters by their names, each opened once, or why it cannot be looked into.
pub(super) type Shelves = BTreeMap<String, Result<Shelf, String>>;

/// Opens the snapshotters that containers use.
pub(super) fn open_used(containers: &[Container], snapshotters: &[Snapshotter]) -> Shelves {
    let mut shelves = Shelves::new();
    for snapshot in containers.iter().filter_map(|container| container.snapshot.as_ref()) {
        let name = &snapshot.snapshotter;
        shelves.entry(name.clone()).or_insert_with(|| Shelf::open(name, snapshotters));
    }
    shelves
}

/// That a snapshot does not stand on what the layers say.
pub(super) fn wrong_parent(
    rows: &[(String, String)],
    expected: Option<&str>,
    found: Option<String>,
) -> Box<RootfsFinding> {
    let stands_on = |name: Option<String>| match name {
        Some(name) => format!("stands on {name}"),
        None => "stands on nothing".to_owned(),
    };
    Box::new(RootfsFinding {
        path: String::new(),
        kind: RootfsDifference::Changed,
        layer: None,
        snapshot: rows.last().map_or_else(String::new, |(_, id)| id.clone()),
        before: Some(stands_on(expected.map(str::to_owned))),
        after: Some(stands_on(found)),
    })
}

/// The namespace and the key in the name of a snapshot.
pub(super) fn place(name: &str) -> Option<(Namespace, String)> {
    let mut parts = name.splitn(3, '/');
    let (namespace, _, key) = (parts.next()?, parts.next()?, parts.next()?);
    Some((Namespace::new(namespace)?, key.to_owned()))
}
