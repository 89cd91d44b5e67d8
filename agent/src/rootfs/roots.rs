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

/// The containers that run, by namespace, each with the id of its first process; none where the store knows of none, or why it does
/// not say.
pub(super) type Running<'s> = BTreeMap<&'s Namespace, Result<Option<BTreeMap<String, u32>>, String>>;

/// Asks what runs now.
pub(super) fn running(store: &dyn Store) -> Running<'_> {
    store.listing().namespaces.iter().map(|namespace| (namespace, store.running(namespace))).collect()
}

/// Whether a container runs, as far as that can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Runs<'r> {
    /// It does, and this is its first process.
    As(u32),
    /// It does not.
    Not,
    /// The store knows of nothing that runs.
    Unknown,
    /// The store should know and does not say, for this reason.
    Unsaid(&'r str),
}

impl<'r> Runs<'r> {
    fn find(running: &'r Running<'_>, container: &Container) -> Self {
        match running.get(&container.namespace) {
            Some(Ok(Some(processes))) => {
                processes.get(&container.usage.id).map_or(Self::Not, |id| Self::As(*id))
            }
            Some(Err(why)) => Self::Unsaid(why),
            Some(Ok(None)) | None => Self::Unknown,
        }
    }
}

/// The mounts of all containers whose snapshotters could be looked into, by namespace and id.
pub(super) struct Roots(BTreeMap<(Namespace, String), Result<RootMount, Problem>>);

impl Roots {
    /// Looks at the mounts. `shelf` is a snapshotter by its name.
    pub(super) fn find<'s>(store: &dyn Store, shelf: impl Fn(&str) -> Option<&'s Shelf>) -> Self {
        let listing = store.listing();
        let look = |running: &Running<'_>, container: &Container| {
            let runs = Runs::find(running, container);
            let own = container.snapshot.as_ref()?;
            let shelf = shelf(&own.snapshotter)?;
            let names = shelf.names.get(&(container.namespace.clone(), own.key.clone()))?;
            let looked: Result<Vec<RootMount>, Problem> =
                names.iter().map(|name| look(shelf, container, name, runs)).collect();
            Some(looked.map(|found| found.into_iter().next().unwrap_or(RootMount::Absent)))
        };
        let first = running(store);
        let mut found: Vec<(&Container, Result<RootMount, Problem>)> = listing
            .containers
            .iter()
            .filter_map(|container| Some((container, look(&first, container)?)))
            .collect();
        if found.iter().any(|(_, looked)| looked.is_err()) {
            // some may have ended meanwhile, and others may have the ids of their processes
            let now = running(store);
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

/// Looks at the mounts of a container whose own snapshot has that name.
fn look(shelf: &Shelf, container: &Container, name: &str, runs: Runs<'_>) -> Result<RootMount, Problem> {
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
    let process = match runs {
        Runs::Unknown if overlays.is_empty() => return Ok(RootMount::Unseen),
        Runs::Unknown => return Ok(RootMount::Seen(Vec::new())),
        Runs::Unsaid(why) => {
            return Err(unknown(&format!("may run, because containerd does not say what runs: {why}")));
        }
        Runs::Not => return Ok(RootMount::Absent),
        Runs::As(process) => process,
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use assay_judge::store::Snapshot;
    use assay_report::ContainerUse;

    use super::*;
    use crate::containerd::snapshots::StoredSnapshot;
    use crate::rootfs::mounted::Mounted;

    #[test]
    fn what_containerd_does_not_say_is_not_taken_for_what_does_not_run() {
        let namespace = Namespace::new("k8s.io").unwrap();
        let folder = Path::new("/none");
        let shelf = Shelf {
            folder: folder.to_owned(),
            form: Form::Overlayfs,
            snapshots: [("own".to_owned(), StoredSnapshot { id: "1".to_owned(), parent: None })].into(),
            names: BTreeMap::new(),
            mounted: Mounted::find(folder).unwrap(),
        };
        let container = Container {
            namespace: namespace.clone(),
            image: None,
            snapshot: Some(Snapshot { snapshotter: "overlayfs".to_owned(), key: "own".to_owned() }),
            ids: None,
            mounts: None,
            usage: ContainerUse { id: "app".to_owned(), ..ContainerUse::default() },
        };
        let looked = |said: Result<Option<BTreeMap<String, u32>>, String>| {
            let running = BTreeMap::from([(&namespace, said)]);
            look(&shelf, &container, "own", Runs::find(&running, &container))
        };
        assert_eq!(looked(Ok(None)).unwrap(), RootMount::Unseen);
        assert_eq!(looked(Ok(Some(BTreeMap::new()))).unwrap(), RootMount::Absent);
        for said in [Err("no answer".to_owned()), Ok(Some(BTreeMap::from([("app".to_owned(), u32::MAX)])))] {
            assert!(matches!(looked(said), Err(Problem::Unknown(_))));
        }
    }
}
