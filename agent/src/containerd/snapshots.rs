//! Reads the database of a snapshotter: the snapshots that it keeps, each with its folder's number and its parent.
//!
//! The layout is containerd's own, `core/snapshots/storage/bolt.go`, the same from 1.0 to 2.x: `v1/snapshots/<name>/{id,parent}`. A name is
//! `<namespace>/<number>/<key>` (`core/metadata/snapshot.go`).

use std::collections::HashMap;
use std::path::Path;

use assay_judge::store::directory::Directory;

use super::bolt::{self, BoltError, Item, Pages};
use super::metadata::{text, unsigned};

/// The snapshots of a snapshotter, by their names.
pub(crate) type Snapshots = HashMap<String, StoredSnapshot>;

/// A snapshot as its snapshotter keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredSnapshot {
    /// The name of its folder.
    pub(crate) id: String,
    /// The name of the snapshot that it stands on.
    pub(crate) parent: Option<String>,
}

/// Reads the database in the folder of a snapshotter; none if there is none.
///
/// # Errors
/// Why it cannot be read, for people.
pub(crate) fn open(folder: &Path) -> Result<Option<Snapshots>, String> {
    let at = |why: &dyn std::fmt::Display| format!("{}: {why}", folder.join(DATABASE).display());
    let opened = Directory::new(folder).and_then(|directory| directory.open_anywhere(Path::new(DATABASE)));
    match opened {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at(&assay_judge::confinement::explain(&error))),
        Ok(file) => read(&file).map(Some).map_err(|flaw| at(&flaw)),
    }
}

/// Where a snapshotter keeps its database.
const DATABASE: &str = "metadata.db";

fn read<P: Pages + ?Sized>(file: &P) -> Result<Snapshots, BoltError> {
    bolt::read(file, |root| {
        let mut found = Snapshots::new();
        root.each(|key, item| {
            let (b"v1", Item::Bucket(version)) = (key, item) else { return Ok(()) };
            version.each(|key, item| {
                // beside it are names by the names of their parents
                let (b"snapshots", Item::Bucket(snapshots)) = (key, item) else { return Ok(()) };
                snapshots.each(|key, item| {
                    let Item::Bucket(snapshot) = item else { return Ok(()) };
                    let (mut id, mut parent) = (None, None);
                    snapshot.each(|key, item| {
                        match (key, item) {
                            (b"id", Item::Value(value)) => id = unsigned(value).map(|(id, _)| id.to_string()),
                            (b"parent", Item::Value(value)) => parent = Some(text(value)),
                            _ => {}
                        }
                        Ok(())
                    })?;
                    let parent = parent.filter(|parent| !parent.is_empty());
                    found.extend(id.map(|id| (text(key), StoredSnapshot { id, parent })));
                    Ok(())
                })
            })
        })?;
        Ok(found)
    })
}

/// Reads bytes as a database, whatever they are.
pub(crate) fn fuzz(bytes: &[u8]) {
    let _ = read(bytes);
}
