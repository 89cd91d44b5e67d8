//! Looks at the writable layers of all containers, each once, and gives the images with what that showed.

use std::collections::BTreeMap;

use assay_judge::judgement::Examined;
use assay_judge::parallel;
use assay_judge::store::{Container, Store, docker};
use assay_report::{CoveringMount, Drift, DriftKind, DriftMode, DriftResult, Namespace};
use assay_verifier::codes::Code;
use assay_verifier::limits;

use super::layer::{Found, Layer, MountPoints};
use super::mounts::{self, beside, covering, targets};
use super::stack::Stack;
use crate::containerd::snapshots;
use crate::rootfs::compare::Failure;
use crate::rootfs::finding::sentence;
use crate::rootfs::mounted::Line;
use crate::rootfs::roots::{self, Problem, RootMount, Roots};
use crate::rootfs::shelf::{Form, Shelf, Shelves, open_used, place};

/// Looks at the writable layers of the containers of the images. Findings only downgrade a verdict, and only if `mode` says so.
pub(crate) fn check(store: &dyn Store, images: Vec<Examined>, mode: DriftMode, jobs: usize) -> Vec<Examined> {
    let listing = store.listing();
    let shelves = open_used(&listing.containers, &store.snapshotters());
    let roots = Roots::find(store, |name| shelves.get(name)?.as_ref().ok());
    let containers: Vec<&Container> = listing.containers.iter().collect();
    let jobs = jobs.min(limits::DRIFT_JOBS);
    let looked = parallel::map(
        jobs,
        containers,
        || (),
        |(), container| (container, look(container, &shelves, &roots)),
    );
    let running = roots::running(store);
    let drifts: BTreeMap<(Option<&Namespace>, &str), (Drift, bool)> = looked
        .into_iter()
        .map(|(container, (drift, is_limit))| {
            let (namespace, id) = (&container.namespace, container.usage.id.as_str());
            let runs = running.get(namespace).and_then(|said| said.as_ref().ok()?.as_ref());
            let drift = Drift { running: runs.map(|ids| ids.contains_key(id)), ..drift };
            ((Some(namespace), id), (drift, is_limit))
        })
        .collect();
    let with_drift = |examined: Examined| {
        let namespace = examined.image.namespace.clone();
        examined.with_drift(mode, |id| drifts.get(&(namespace.as_ref(), id)).cloned())
    };
    images.into_iter().map(with_drift).collect()
}

/// Looks at the writable layer of one container; and whether a bound was met.
fn look(container: &Container, shelves: &Shelves, roots: &Roots) -> (Drift, bool) {
    let not_run = |why| (Drift::not_run(Code::WritableLayerUnread.as_str(), why), false);
    let writable = match Writable::new(container, shelves) {
        Ok(writable) => writable,
        Err(why) => return not_run(why),
    };
    let others = match roots.of(container) {
        Ok(RootMount::Seen(others)) => others,
        Ok(RootMount::Absent | RootMount::Unseen) => Vec::new(),
        Err(Problem::Unknown(why)) => return not_run(why),
        Err(Problem::Finding(finding)) => return not_run(sentence(&finding)),
    };
    let mut looked = writable.look(container, &others);
    // a container that works moves files all the time
    if looked.as_ref().is_ok_and(|(found, _)| found.has_only_moved) {
        looked = writable.look(container, &others);
    }
    match looked {
        Err(failure) => not_run(format!("the snapshot {}: {failure}", writable.id)),
        Ok(_) if !writable.is_still_there() => {
            not_run(format!("the snapshot {} was removed while it was read", writable.id))
        }
        Ok((found, mounts)) => {
            let is_limit = found.is_limit;
            (report(found, mounts), is_limit)
        }
    }
}

/// The snapshot that a container writes to.
struct Writable<'s> {
    shelf: &'s Shelf,
    /// Its name in the snapshotter's database.
    name: String,
    /// The name of its folder.
    id: String,
    /// The folders of the snapshots below, the uppermost first.
    below: Vec<String>,
    /// Whether the uppermost one below is Docker's for this container.
    has_init: bool,
    /// Whether the files below have the owners that the container gives them.
    is_copy: bool,
}

impl<'s> Writable<'s> {
    fn new(container: &Container, shelves: &'s Shelves) -> Result<Self, String> {
        let snapshot = container.snapshot.as_ref().ok_or("the container has no snapshot")?;
        let shelf = shelves.get(snapshot.snapshotter.as_str()).ok_or("the snapshotter is not known")?;
        let shelf = shelf.as_ref().map_err(String::clone)?;
        let key = (container.namespace.clone(), snapshot.key.clone());
        let name = match shelf.names.get(&key).map(Vec::as_slice) {
            Some([name]) => name.clone(),
            _ => return Err(format!("{} does not have the snapshot {}", snapshot.snapshotter, snapshot.key)),
        };
        let mut ids = Vec::new();
        let mut keys = Vec::new();
        let mut next = Some(&name);
        while let Some(name) = next {
            let row = shelf.snapshots.get(name).filter(|_| ids.len() <= limits::SNAPSHOT_DEPTH);
            let row = row.ok_or_else(|| format!("the snapshot {name}, on which it stands, is not known"))?;
            ids.push(row.id.clone());
            keys.push(place(name).map(|(_, key)| key).unwrap_or_default());
            next = row.parent.as_ref();
        }
        let has_init = keys.get(1).is_some_and(|key| docker::is_init(container, key));
        let is_copy = match (&container.ids, &keys[..]) {
            (Some(ids), [_, copy, of, ..]) => ids.names_copy(copy, of),
            _ => false,
        };
        let below = ids.split_off(1);
        Ok(Self { shelf, name, id: ids.swap_remove(0), below, has_init, is_copy })
    }

    /// `others` are the mounts that its first process sees.
    fn look(&self, container: &Container, others: &[Line]) -> Result<(Found, Vec<CoveringMount>), Failure> {
        let mut found = Found::default();
        let own = [self.id.clone()];
        let mounts = container.mounts.as_deref().unwrap_or_default();
        if container.mounts.is_none() {
            let why = Failure::Unreadable("what is mounted into the container is not known".into());
            found.unseen(b"the container's specification", &why);
        }
        let mut view = self.stack(&[&own[..], &self.below].concat())?;
        let mut targets = targets(mounts, &mut view, &mut found);
        let ids = container.ids.as_ref();
        let root = ids.map_or((0, 0), |ids| ids.to_host(0, 0));
        let points = MountPoints {
            paths: targets.iter().map(|(path, _)| path.clone()).collect(),
            root,
            ..MountPoints::default()
        };
        let shift = ids.filter(|_| !self.is_copy);
        let form = self.shelf.form;
        let mut compare = |own: &[String], below: &[String], points: &MountPoints| {
            let (own, below) = (self.stack(own)?, self.stack(below)?);
            Layer { own, below, form, shift, points, found: &mut found }.compare();
            Ok(())
        };
        compare(&own, &self.below, &points)?;
        if self.has_init {
            compare(&self.below[..1], &self.below[1..], &MountPoints::of_docker(root))?;
        }
        // Docker's mount points are not of the image
        let mut image = self.stack(&self.below[usize::from(self.has_init)..])?;
        let others = beside(others, &targets);
        targets.extend(mounts::targets(&others, &mut view, &mut found));
        let covering = covering(&targets, &mut image).unwrap_or_else(|failure| {
            found.unseen(b"what is mounted over the image", &failure);
            Vec::new()
        });
        Ok((found, covering))
    }

    /// The folders of snapshots; natively each has the files of all below.
    fn stack(&self, ids: &[String]) -> Result<Stack, Failure> {
        let most = if self.shelf.form == Form::Native { 1 } else { usize::MAX };
        let folders = ids.iter().take(most).map(|id| self.shelf.open_folder(id));
        Ok(Stack::new(folders.collect::<Result<_, _>>()?, self.shelf.form))
    }

    fn is_still_there(&self) -> bool {
        let now = snapshots::open(&self.shelf.folder).ok().flatten();
        now.as_ref().and_then(|now| now.get(&self.name)).is_some_and(|now| now.id == self.id)
    }
}

fn report(found: Found, mut mounts: Vec<CoveringMount>) -> Drift {
    let count = |kind| found.counts.get(&kind).copied().unwrap_or(0);
    let (added, changed, deleted) =
        (count(DriftKind::Added), count(DriftKind::Changed), count(DriftKind::Deleted));
    let result = match () {
        () if added + changed + deleted > 0 => DriftResult::Drifted,
        () if !found.unseen.is_empty() => DriftResult::Inconclusive,
        () => DriftResult::Clean,
    };
    let code = match result {
        DriftResult::Clean => None,
        DriftResult::Drifted => Some(Code::WritableLayerDiffers),
        DriftResult::Inconclusive | DriftResult::NotRun => Some(Code::WritableLayerUnread),
    };
    let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let more_mounts = number(mounts.len().saturating_sub(limits::DRIFT_FINDINGS));
    mounts.truncate(limits::DRIFT_FINDINGS);
    Drift {
        result,
        code: code.map(|code| code.as_str().to_owned()),
        why: (!found.unseen.is_empty()).then(|| found.unseen.join("; ")),
        running: None,
        added,
        changed,
        deleted,
        more: (added + changed + deleted).saturating_sub(number(found.findings.len())),
        findings: found.findings.into_iter().collect(),
        mounts,
        more_mounts,
    }
}
