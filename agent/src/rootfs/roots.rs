//! Says of every container whether its root is mounted on the snapshots that its own snapshot stands on.
//!
//! A container's own folder may be mounted on other folders than those that the snapshotter's records name: by hand, or since the records
//! changed. The mounts that this process sees are looked at, and those that the container's first process sees.

use std::collections::BTreeMap;

use assay_judge::store::{Container, Store};
use assay_report::{Namespace, RootfsDifference, RootfsFinding};
use assay_verifier::limits;

use super::mounted::{Line, Overlay, Process, each_mount, within};
use super::shelf::{Form, Shelf};

/// How the root of a container is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RootMount {
    /// On the snapshots that its own stands on. With what its first process sees mounted that is not named by the specification.
    Seen(Vec<Line>),
    /// Not at all: it does not run.
    Absent,
    /// That is not seen, and it is not known whether it runs.
    Unseen,
}

/// Why it is not proven that a container stands on the image's layers.
#[derive(Clone, Debug)]
pub(super) enum Problem {
    /// It stands on something else.
    Finding(Box<RootfsFinding>),
    /// It cannot be told.
    Unknown(String),
}

/// The mounts of all containers whose snapshotters could be looked into, by namespace and id.
pub(super) struct Roots(BTreeMap<(Namespace, String), Result<RootMount, Problem>>);

impl Roots {
    /// Looks at the mounts. `shelf` is a snapshotter by its name.
    pub(super) fn find<'s>(store: &dyn Store, shelf: impl Fn(&str) -> Option<&'s Shelf>) -> Self {
        let listing = store.listing();
        let running = || -> BTreeMap<&Namespace, Option<BTreeMap<String, u32>>> {
            listing.namespaces.iter().map(|namespace| (namespace, store.running(namespace))).collect()
        };
        let look = |running: &BTreeMap<&Namespace, Option<BTreeMap<String, u32>>>, container: &Container| {
            let processes = running.get(&container.namespace).and_then(Option::as_ref);
            let process = processes.map(|processes| processes.get(&container.usage.id).copied());
            let own = container.snapshot.as_ref()?;
            let shelf = shelf(&own.snapshotter)?;
            let names = shelf.names.get(&(container.namespace.clone(), own.key.clone()))?;
            let looked: Result<Vec<RootMount>, Problem> =
                names.iter().map(|name| look(shelf, container, name, process)).collect();
            Some(looked.map(|found| found.into_iter().next().unwrap_or(RootMount::Absent)))
        };
        let first = running();
        let mut found: Vec<(&Container, Result<RootMount, Problem>)> = listing
            .containers
            .iter()
            .filter_map(|container| Some((container, look(&first, container)?)))
            .collect();
        if found.iter().any(|(_, looked)| looked.is_err()) {
            // some may have ended meanwhile, and others may have the ids of their processes
            let now = running();
            for (container, looked) in found.iter_mut().filter(|(_, looked)| looked.is_err()) {
                *looked = look(&now, container).unwrap_or(Ok(RootMount::Absent));
            }
        }
        let key = |container: &Container| (container.namespace.clone(), container.usage.id.clone());
        Self(found.into_iter().map(|(container, looked)| (key(container), looked)).collect())
    }

    /// How the root of a container is mounted; absent if its snapshot is not there.
    pub(super) fn of(&self, container: &Container) -> Result<RootMount, Problem> {
        let key = (container.namespace.clone(), container.usage.id.clone());
        self.0.get(&key).cloned().unwrap_or(Ok(RootMount::Absent))
    }
}

/// Looks at the mounts of a container whose own snapshot has that name. `process` is its first one if it runs, and none if that is not
/// known.
fn look(
    shelf: &Shelf,
    container: &Container,
    name: &str,
    process: Option<Option<u32>>,
) -> Result<RootMount, Problem> {
    let unknown = |what: &str| Problem::Unknown(format!("the container {} {what}", container.usage.id));
    let mut ids = Vec::new();
    let mut next = Some(name);
    while let Some(name) = next {
        let row = shelf.snapshots.get(name).filter(|_| ids.len() <= limits::SNAPSHOT_DEPTH);
        let row = row.ok_or_else(|| unknown("stands on a snapshot that is not known"))?;
        ids.push(row.id.clone());
        next = row.parent.as_deref();
    }
    let Some((own, below)) = ids.split_first() else { return Err(unknown("has no snapshot")) };
    let check = |overlay: &Overlay| match () {
        () if shelf.mounted.shows(overlay, below) => Ok(()),
        () if overlay.is_shifted() => Err(unknown(&format!(
            "is mounted on folders whose names do not tell which they are: {}",
            overlay.lower()
        ))),
        () => Err(Problem::Finding(Box::new(RootfsFinding {
            path: String::new(),
            kind: RootfsDifference::Changed,
            layer: None,
            snapshot: own.clone(),
            before: Some(format!("a mount of the snapshots {}", below.join(", "))),
            after: Some(format!("a mount of {}", overlay.lower())),
        }))),
    };
    let overlays = shelf.mounted.overlays(own);
    overlays.iter().try_for_each(check)?;
    let process = match process {
        None if overlays.is_empty() => return Ok(RootMount::Unseen),
        None => return Ok(RootMount::Seen(Vec::new())),
        Some(None) => return Ok(RootMount::Absent),
        Some(Some(process)) => process,
    };
    let (mut roots, mut others) = (Vec::new(), Vec::new());
    let is_specified = |line: &Line| {
        let mut mounts = container.mounts.iter().flatten();
        mounts.any(|mount| within(&line.point, &mount.destination).is_some())
    };
    let read = each_mount(Process::Other(process), |line| {
        if line.point == "/" {
            roots.push(line);
        } else if others.len() <= limits::DRIFT_MOUNTS && !is_specified(&line) {
            others.push(line);
        }
    });
    match read {
        Ok(()) if roots.is_empty() => return Err(unknown("runs, and its root is not seen")),
        Ok(()) => {}
        Err(_) if !overlays.is_empty() => return Ok(RootMount::Seen(Vec::new())),
        Err(why) => {
            let needed = "the agent has to see the processes of the node, or the mounts of containerd";
            return Err(unknown(&format!("runs, and how its root is mounted is not seen: {why}; {needed}")));
        }
    }
    let folder = match shelf.form {
        Form::Overlayfs => format!("{own}/fs"),
        Form::Native => own.clone(),
    };
    // a single folder is mounted by itself
    let is_single = shelf.form == Form::Native || below.is_empty();
    for root in &roots {
        match &root.overlay {
            Some(overlay) if shelf.mounted.written_by(overlay).as_ref() == Some(own) => check(overlay)?,
            None if is_single && shelf.mounted.is_folder(root, &folder) => {}
            _ => {
                let what =
                    format!("runs in the process {process}, whose root is not the container's snapshot");
                return Err(unknown(&what));
            }
        }
    }
    Ok(RootMount::Seen(others))
}
