//! Compares the snapshots of images with the images' layers, each snapshot once, on several threads.
//!
//! An image's snapshots are found by the chain ids of its layers in the databases of the snapshotters. On overlayfs each snapshot has the
//! files of one layer, and each is compared. With the native snapshotter the topmost one has all files, and it alone is what containers are
//! copied from. A snapshot that stands on another than the layers say is a difference as well.
//!
//! Findings only downgrade a verdict. What was not compared, for whatever reason, is said and is not a pass.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;

use assay_judge::image::{Image, is_attestation};
use assay_judge::judgement::Examined;
use assay_judge::parallel;
use assay_judge::store::{Container, IdMap, Snapshot as SnapshotName, Snapshotter, Store, docker, fetch};
use assay_report::words::count;
use assay_report::{Rootfs, RootfsDifference, RootfsFinding, RootfsMode, RootfsResult, Status};
use assay_verifier::limits;
use assay_verifier::oci::{Descriptor, Digest, Manifest, ManifestKind};

use super::apply::{Applier, CAPABILITY, OPAQUE, Problem, Whiteouts};
use super::compare::{Comparison, Difference, compare};
use super::layers::{self, LayerError};
use super::snapshot::{Folders, Snapshot, sees_overlay_attributes};
use super::tree::{Kind, Memory, TooLarge, Tree, printable};
use crate::containerd::snapshots::{self, Snapshots};
use crate::image_config;

/// Compares the snapshots of the images that `mode` names, and gives all images with what that showed.
pub(crate) fn check(
    store: &dyn Store,
    images: Vec<Examined>,
    mode: RootfsMode,
    jobs: usize,
) -> Vec<Examined> {
    let mut search = Search::new(store);
    let plans: Vec<Option<Plan>> = images
        .iter()
        .map(|examined| {
            let image = &examined.image;
            let is_wanted = mode == RootfsMode::All || !image.in_use.is_empty();
            let is_judged = image.recorded && examined.judgement.status != Status::Skipped;
            (is_wanted && is_judged).then(|| search.plan(image, mode))
        })
        .collect();
    let Search { shelves, tasks, .. } = search;
    let memory = Memory::default();
    let keys: Vec<&TaskKey> = tasks.keys().collect();
    let run = |key: &TaskKey| run(store, &tasks[key], &memory);
    let jobs = jobs.min(limits::ROOTFS_JOBS);
    let mut outcomes: BTreeMap<&TaskKey, Outcome> =
        parallel::map(jobs, keys, || (), |(), key| (key, run(key))).into_iter().collect();
    for (key, outcome) in &mut outcomes {
        // what had no room beside others may have it by itself
        if matches!(outcome, Err(Unjudged { is_memory: true, .. })) {
            *outcome = run(key);
        }
    }
    // if containerd has removed it meanwhile, missing files are not a difference
    let again: BTreeMap<&String, Option<Snapshots>> = shelves
        .iter()
        .filter_map(|(name, shelf)| Some((name, snapshots::open(&shelf.as_ref().ok()?.folder).ok()?)))
        .collect();
    let is_still_there = |key: &TaskKey, task: &Task| {
        let now = again.get(&key.snapshotter).and_then(Option::as_ref);
        now.and_then(|now| now.get(&task.name)).is_some_and(|now| now.id == key.id)
    };
    for (key, outcome) in &mut outcomes {
        let task = &tasks[key];
        if outcome.as_ref().is_ok_and(|found| !found.findings.is_empty()) && !is_still_there(key, task) {
            let why = format!("the snapshot {} was removed while it was read", key.id);
            *outcome = Err(Unjudged::unreadable(why));
        }
    }
    images
        .into_iter()
        .zip(plans)
        .map(|(examined, plan)| match plan {
            None => examined,
            Some(plan) => plan.conclude(examined, &tasks, &outcomes),
        })
        .collect()
}

/// A snapshot that is compared: its snapshotter, and the name of its folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct TaskKey {
    snapshotter: String,
    id: String,
}

/// What it takes to compare a snapshot.
struct Task {
    /// Its name in the snapshotter's database.
    name: String,
    /// The name of its folder.
    id: String,
    folder: PathBuf,
    form: Form,
    /// The folders of the snapshots below, the uppermost first.
    below: Vec<String>,
    namespace: String,
    /// What was unpacked into it, the lowest first.
    layers: Vec<(Descriptor, Digest)>,
    /// The users of the container that it is a copy for.
    copy: Option<IdMap>,
}

/// How a snapshotter keeps files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Those of each layer by themselves.
    Overlayfs,
    /// Those of all layers together.
    Native,
}

type Outcome = Result<Comparison, Unjudged>;

/// Why a snapshot was not compared.
#[derive(Clone, Debug)]
struct Unjudged {
    why: String,
    is_limit: bool,
    is_memory: bool,
}

impl Unjudged {
    fn unreadable(why: String) -> Self {
        Self { why, is_limit: false, is_memory: false }
    }
}

/// A snapshotter whose folders are compared.
struct Shelf {
    folder: PathBuf,
    form: Form,
    snapshots: Snapshots,
    /// The names of snapshots, by namespace and key.
    names: BTreeMap<(String, String), Vec<String>>,
}

/// What is to be compared of one image.
#[derive(Default)]
struct Plan {
    tasks: BTreeSet<TaskKey>,
    /// Differences that show without reading a file.
    findings: Vec<RootfsFinding>,
    /// Why something was not compared that should have been.
    unjudged: Vec<Unjudged>,
    /// Why nothing need be compared.
    unneeded: Option<String>,
}

impl Plan {
    /// Joins what was found in an image's snapshots.
    fn conclude(
        self,
        examined: Examined,
        tasks: &BTreeMap<TaskKey, Task>,
        outcomes: &BTreeMap<&TaskKey, Outcome>,
    ) -> Examined {
        let Self { tasks: own, mut findings, mut unjudged, unneeded } = self;
        let mut rootfs = Rootfs::default();
        let mut more = 0;
        for key in &own {
            let found = match &outcomes[key] {
                Ok(found) => found,
                Err(why) => {
                    unjudged.push(why.clone());
                    continue;
                }
            };
            rootfs.snapshots += 1;
            rootfs.files += found.files;
            rootfs.times += found.times;
            more += found.more;
            let task = &tasks[key];
            findings.extend(found.findings.iter().map(|finding| {
                let number = finding.layer.or(if task.layers.len() == 1 { Some(0) } else { None });
                let layer = number.and_then(|number| task.layers.get(usize::from(number)));
                RootfsFinding {
                    path: printable(&finding.path),
                    kind: match finding.kind {
                        Difference::Extra => RootfsDifference::Extra,
                        Difference::Missing => RootfsDifference::Missing,
                        Difference::Changed => RootfsDifference::Changed,
                    },
                    layer: layer.map(|(layer, _)| layer.digest.clone()),
                    snapshot: key.id.clone(),
                    before: finding.before.clone(),
                    after: finding.after.clone(),
                }
            }));
            if found.is_partial {
                let why = format!("snapshot {}: {}", key.id, found.unseen.join("; "));
                unjudged.push(Unjudged::unreadable(why));
            }
        }
        findings.sort();
        more += findings.len().saturating_sub(limits::ROOTFS_FINDINGS);
        findings.truncate(limits::ROOTFS_FINDINGS);
        rootfs.differing = findings.iter().map(sentence).collect();
        rootfs.result = Some(match () {
            () if !findings.is_empty() => RootfsResult::Failed,
            () if unneeded.is_some() || (rootfs.snapshots == 0 && !unjudged.is_empty()) => {
                RootfsResult::NotRun
            }
            () if !unjudged.is_empty() => RootfsResult::Inconclusive,
            () => RootfsResult::Passed,
        });
        rootfs.findings = findings;
        let is_limit = unjudged.first().is_some_and(|first| first.is_limit);
        let is_needed = !unjudged.is_empty();
        let others = match unjudged.len() {
            0 | 1 => String::new(),
            many => format!("; and {} more", many - 1),
        };
        rootfs.why = unjudged.into_iter().next().map(|first| first.why + &others).or(unneeded);
        examined.with_rootfs(rootfs, more, is_needed, is_limit)
    }
}

/// A difference for people.
fn sentence(finding: &RootfsFinding) -> String {
    let RootfsFinding { path, kind, layer, snapshot, before, after } = finding;
    let path = if path.is_empty() { "the root directory" } else { path };
    let (before, after) = (before.as_deref().unwrap_or_default(), after.as_deref().unwrap_or_default());
    let what = match kind {
        RootfsDifference::Extra => format!("is extra: {after}"),
        RootfsDifference::Missing => format!("is missing: {before}"),
        RootfsDifference::Changed => format!("has {after} instead of {before}"),
    };
    let layer = layer.as_ref().map(|layer| format!(" of the layer {layer}")).unwrap_or_default();
    format!("{path} {what} (snapshot {snapshot}{layer})")
}

struct Search<'s> {
    store: &'s dyn Store,
    snapshotters: Vec<Snapshotter>,
    shelves: BTreeMap<String, Result<Shelf, String>>,
    tasks: BTreeMap<TaskKey, Task>,
}

/// The layers of an image's manifest, the lowest first, with what containerd calls their snapshots.
struct Chain {
    layers: Vec<(Descriptor, Digest)>,
    keys: Vec<Digest>,
}

impl<'s> Search<'s> {
    fn new(store: &'s dyn Store) -> Self {
        Self { store, snapshotters: store.snapshotters(), shelves: BTreeMap::new(), tasks: BTreeMap::new() }
    }

    fn plan(&mut self, image: &Image, mode: RootfsMode) -> Plan {
        let mut plan = Plan::default();
        let chains = match chains(self.store, image) {
            Ok(chains) => chains,
            Err(why) => {
                plan.unjudged.push(Unjudged::unreadable(why));
                return plan;
            }
        };
        let listing = self.store.listing();
        let is_own = |container: &&Container| {
            container.namespace == image.namespace && image.in_use.binary_search(&container.usage).is_ok()
        };
        let containers: Vec<&Container> = listing.containers.iter().filter(is_own).collect();
        let mut used: BTreeSet<&str> = BTreeSet::new();
        for container in &containers {
            let Some(snapshot) = &container.snapshot else { continue };
            used.insert(&snapshot.snapshotter);
            let parent = listing
                .snapshots
                .get(&(image.namespace.clone(), snapshot.clone()))
                .and_then(Option::as_deref);
            let is_top = |parent: &str| chains.iter().any(|chain| chain.top() == Some(parent));
            let is_plain = match parent {
                None => chains.iter().any(|chain| chain.keys.is_empty()),
                Some(parent) => is_top(parent) || docker::is_init(container, parent),
            };
            let is_compared = match (parent, &container.ids) {
                (Some(copy), Some(ids)) if !is_plain => {
                    let of =
                        chains.iter().find(|chain| chain.top().is_some_and(|top| ids.names_copy(copy, top)));
                    of.is_some_and(|chain| {
                        self.plan_copy(&snapshot.snapshotter, copy, image, chain, ids, &mut plan)
                    })
                }
                _ => is_plain,
            };
            if !is_compared {
                plan.unjudged.push(Unjudged::unreadable(format!(
                    "the container {} runs on {}, a copy of the image for the users of its own namespace, which is not compared",
                    container.usage.id,
                    parent.unwrap_or("nothing"),
                )));
            }
        }
        let mut names: BTreeSet<String> = used.iter().map(|name| (*name).to_owned()).collect();
        if mode == RootfsMode::All {
            names.extend(self.snapshotters.iter().map(|snapshotter| snapshotter.name.clone()));
        }
        let has_layers = chains.iter().any(|chain| !chain.keys.is_empty());
        let mut is_found = false;
        for name in names {
            match self.plan_in(&name, image, &chains, &mut plan) {
                Ok(true) => is_found = true,
                Ok(false) if used.contains(&*name) && has_layers => {
                    let why = format!("its layers are not unpacked in {name}, where its containers run");
                    plan.unjudged.push(Unjudged::unreadable(why));
                }
                Ok(false) => {}
                // one that may have it, and cannot be looked into
                Err(why) => {
                    let may_have = |chain: &Chain| {
                        let Some(key) = chain.top().map(str::to_owned) else { return false };
                        self.store
                            .has_snapshot(&image.namespace, &SnapshotName { snapshotter: name.clone(), key })
                    };
                    if used.contains(&*name) || chains.iter().any(may_have) {
                        plan.unjudged.push(Unjudged::unreadable(why));
                    }
                }
            }
        }
        if !is_found && plan.unjudged.is_empty() && plan.findings.is_empty() {
            let has_no_layers = !chains.is_empty() && !has_layers;
            if image.in_use.is_empty() {
                plan.unneeded = Some("it is not unpacked".into());
            } else if !has_no_layers {
                let why = "containers use it, and what it is unpacked into is not known";
                plan.unjudged.push(Unjudged::unreadable(why.into()));
            }
        }
        plan
    }

    /// Plans a copy of the image's files for a container's own users; false if it cannot be compared.
    fn plan_copy(
        &mut self,
        name: &str,
        copy: &str,
        image: &Image,
        chain: &Chain,
        ids: &IdMap,
        plan: &mut Plan,
    ) -> bool {
        let snapshotters = &self.snapshotters;
        let shelf = self.shelves.entry(name.to_owned()).or_insert_with(|| Shelf::open(name, snapshotters));
        // natively, names of one file are shifted once for each name
        let Some(shelf) = shelf.as_ref().ok().filter(|shelf| shelf.form == Form::Overlayfs) else {
            return false;
        };
        let found = shelf.names.get(&(image.namespace.clone(), copy.to_owned()));
        let Some([found]) = found.map(Vec::as_slice) else { return false };
        let Some(row) = shelf.snapshots.get(found) else { return false };
        let below = match row.parent.as_ref().map(|top| shelf.below(top, &image.namespace, chain)) {
            Some(Ok(below)) => below,
            Some(Err(finding)) => {
                plan.findings.push(*finding);
                return true;
            }
            None => return false,
        };
        if !chain.layers.iter().all(|(layer, _)| self.store.has(&image.namespace, &layer.digest)) {
            // that is said of the layers themselves
            return true;
        }
        let key = TaskKey { snapshotter: name.to_owned(), id: row.id.clone() };
        plan.tasks.insert(key.clone());
        self.tasks.entry(key).or_insert_with(|| Task {
            name: found.clone(),
            id: row.id.clone(),
            folder: shelf.folder.clone(),
            form: shelf.form,
            below: below.into_iter().map(|(_, id)| id).collect(),
            namespace: image.namespace.clone(),
            layers: chain.layers.clone(),
            copy: Some(ids.clone()),
        });
        true
    }

    /// Plans what one snapshotter has of an image; whether that is anything.
    fn plan_in(
        &mut self,
        name: &str,
        image: &Image,
        chains: &[Chain],
        plan: &mut Plan,
    ) -> Result<bool, String> {
        let snapshotters = &self.snapshotters;
        let shelf = self.shelves.entry(name.to_owned()).or_insert_with(|| Shelf::open(name, snapshotters));
        let shelf = shelf.as_ref().map_err(String::clone)?;
        let mut is_found = false;
        for chain in chains {
            let Some(top) = chain.top() else { continue };
            for found in shelf.names.get(&(image.namespace.clone(), top.to_owned())).into_iter().flatten() {
                is_found = true;
                match shelf.below(found, &image.namespace, chain) {
                    Ok(rows) => add_tasks(
                        self.store,
                        name,
                        shelf,
                        &image.namespace,
                        chain,
                        &rows,
                        &mut self.tasks,
                        plan,
                    ),
                    Err(finding) => plan.findings.push(*finding),
                }
            }
        }
        Ok(is_found)
    }
}

impl Chain {
    fn top(&self) -> Option<&str> {
        self.keys.last().map(Digest::as_str)
    }
}

impl Shelf {
    fn open(name: &str, snapshotters: &[Snapshotter]) -> Result<Self, String> {
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
        let snapshots = snapshots::open(&folder)?.unwrap_or_default();
        let mut names: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for name in snapshots.keys() {
            if let Some(place) = place(name) {
                names.entry(place).or_default().push(name.clone());
            }
        }
        names.values_mut().for_each(|names| names.sort());
        Ok(Self { folder, form, snapshots, names })
    }

    /// The snapshots that one stands on, itself first, each with its name and its folder.
    fn below(
        &self,
        top: &str,
        namespace: &str,
        chain: &Chain,
    ) -> Result<Vec<(String, String)>, Box<RootfsFinding>> {
        let mut rows: Vec<(String, String)> = Vec::new();
        let mut next = Some(top.to_owned());
        for key in chain.keys.iter().rev() {
            let expected = (namespace.to_owned(), key.to_string());
            let found = next.as_ref().and_then(|name| Some((name, self.snapshots.get(name)?)));
            match found {
                Some((name, row)) if place(name).as_ref() == Some(&expected) => {
                    rows.push((name.clone(), row.id.clone()));
                    next = row.parent.clone();
                }
                _ => return Err(wrong_parent(&rows, Some(key), next)),
            }
        }
        if next.is_some() { Err(wrong_parent(&rows, None, next)) } else { Ok(rows) }
    }
}

/// That a snapshot does not stand on what the layers say.
fn wrong_parent(
    rows: &[(String, String)],
    expected: Option<&Digest>,
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
        before: Some(stands_on(expected.map(Digest::to_string))),
        after: Some(stands_on(found)),
    })
}

/// The namespace and the key in the name of a snapshot.
fn place(name: &str) -> Option<(String, String)> {
    let mut parts = name.splitn(3, '/');
    let (namespace, _, key) = (parts.next()?, parts.next()?, parts.next()?);
    Some((namespace.to_owned(), key.to_owned()))
}

#[expect(clippy::too_many_arguments, reason = "it is a part of one function")]
fn add_tasks(
    store: &dyn Store,
    snapshotter: &str,
    shelf: &Shelf,
    namespace: &str,
    chain: &Chain,
    rows: &[(String, String)],
    tasks: &mut BTreeMap<TaskKey, Task>,
    plan: &mut Plan,
) {
    let is_there = |(layer, _): &&(Descriptor, Digest)| store.has(namespace, &layer.digest);
    let discarded = |layer: &Descriptor| {
        Unjudged::unreadable(format!(
            "the layer {} is not in the store any more; containerd discards layers that are unpacked where discard_unpacked_layers is set",
            layer.digest
        ))
    };
    let ids: Vec<String> = rows.iter().map(|(_, id)| id.clone()).collect();
    let mut add = |at: usize, layers: &[(Descriptor, Digest)]| {
        let (name, id) = &rows[at];
        let key = TaskKey { snapshotter: snapshotter.to_owned(), id: id.clone() };
        if let Some((layer, _)) = layers.iter().find(|layer| !is_there(layer)) {
            // another image may have the same files in a blob that is there
            if !tasks.contains_key(&key) {
                return plan.unjudged.push(discarded(layer));
            }
        }
        plan.tasks.insert(key.clone());
        tasks.entry(key).or_insert_with(|| Task {
            name: name.clone(),
            id: id.clone(),
            folder: shelf.folder.clone(),
            form: shelf.form,
            below: ids[at + 1..].to_vec(),
            namespace: namespace.to_owned(),
            layers: layers.to_vec(),
            copy: None,
        });
    };
    match shelf.form {
        // the uppermost snapshot is the first of the rows, and its layer the last
        Form::Overlayfs => {
            for (at, layer) in chain.layers.iter().rev().enumerate() {
                add(at, std::slice::from_ref(layer));
            }
        }
        Form::Native => add(0, &chain.layers),
    }
}

/// The layers of every manifest of an image that is there and has any.
fn chains(store: &dyn Store, image: &Image) -> Result<Vec<Chain>, String> {
    let mut found = Vec::new();
    let mut open = vec![(image.target.clone(), 1)];
    let mut visited = HashSet::new();
    while let Some((descriptor, depth)) = open.pop() {
        if !visited.insert((descriptor.digest.clone(), descriptor.size)) {
            continue;
        }
        if depth > limits::INDEX_DEPTH || visited.len() > limits::INDEX_ENTRIES {
            return Err(format!("{} is nested too deep or among too many blobs", descriptor.digest));
        }
        let Some(kind) = ManifestKind::from_media_type(&descriptor.media_type) else { continue };
        // manifests of other platforms are not there; that of the image itself is, or its content is not judged
        if is_attestation(&descriptor) || !store.has(&image.namespace, &descriptor.digest) {
            continue;
        }
        let read = |descriptor: &Descriptor| {
            fetch(store, &image.namespace, descriptor, limits::MANIFEST_BYTES)
                .map_err(|error| format!("{} {error}", descriptor.digest))
        };
        let manifest =
            Manifest::parse(&read(&descriptor)?).map_err(|error| format!("{} {error}", descriptor.digest))?;
        if kind == ManifestKind::Index {
            open.extend(manifest.manifests.into_iter().map(|entry| (entry, depth + 1)));
            continue;
        }
        let Some(config) = &manifest.config else { continue };
        if !store.has(&image.namespace, &config.digest) {
            return Err(format!("the config {} is not in the store", config.digest));
        }
        let diff_ids = image_config::diff_ids(&read(config)?)
            .map_err(|error| format!("the config {} is malformed: {error}", config.digest))?;
        let Some(diff_ids) = diff_ids else { continue };
        if diff_ids.len() != manifest.layers.len() {
            return Err(format!(
                "{} has {}, and its config names {}",
                descriptor.digest,
                count(manifest.layers.len(), "layer"),
                diff_ids.len()
            ));
        }
        let mut keys: Vec<Digest> = Vec::new();
        for diff_id in &diff_ids {
            keys.push(image_config::chain_id(keys.last(), diff_id));
        }
        found.push(Chain { layers: manifest.layers.into_iter().zip(diff_ids).collect(), keys });
    }
    Ok(found)
}

/// Compares one snapshot.
fn run(store: &dyn Store, task: &Task, memory: &Memory) -> Outcome {
    let mut snapshot = task.open(&task.id)?;
    let tree = match &task.copy {
        None => {
            let mut tree = Tree::new(memory);
            // on overlayfs, whiteouts of the lowest layer have nothing to hide, and containerd unpacks it into a plain folder
            let is_upper = task.form == Form::Overlayfs && !task.below.is_empty();
            let below = if is_upper { &task.below[..] } else { &[] };
            for number in 0..task.layers.len() {
                apply(store, task, number, is_upper, below, &mut tree)?;
            }
            tree
        }
        Some(ids) => copied(store, task, ids, memory)?,
    };
    Ok(compare(&tree, &mut snapshot, task.copy.is_some()))
}

impl Task {
    fn open(&self, id: &str) -> Result<Snapshot, Unjudged> {
        let parts: &[&str] = match self.form {
            Form::Overlayfs => &["snapshots", id, "fs"],
            Form::Native => &["snapshots", id],
        };
        let at = || self.folder.join(parts.join("/"));
        Snapshot::open(&self.folder, parts)
            .map_err(|failure| Unjudged::unreadable(format!("{}: {failure}", at().display())))
    }
}

/// Applies a layer to the tree of its snapshot, which stands on those `below`.
fn apply(
    store: &dyn Store,
    task: &Task,
    number: usize,
    is_upper: bool,
    below: &[String],
    tree: &mut Tree<'_>,
) -> Result<(), Unjudged> {
    let (layer, diff_id) = &task.layers[number];
    let unread =
        |why: &dyn std::fmt::Display| Unjudged::unreadable(format!("the layer {}: {why}", layer.digest));
    let blob = store.open(&task.namespace, &layer.digest).map_err(|error| unread(&error))?;
    let number = u16::try_from(number).map_err(|_| unread(&"there are too many below it"))?;
    let whiteouts = if is_upper { Whiteouts::Overlay } else { Whiteouts::Remove };
    let mut lower = Folders(below.iter().map(|id| task.open(id)).collect::<Result<_, _>>()?);
    let mut applier = Applier::new(tree, whiteouts, &mut lower, number);
    layers::apply(blob, layer, diff_id, &mut applier).map_err(|error| Unjudged {
        is_limit: matches!(error, LayerError::Grows | LayerError::Problem(Problem::TooLarge(_))),
        is_memory: matches!(error, LayerError::Problem(Problem::TooLarge(TooLarge::Memory))),
        ..unread(&error)
    })
}

/// What the copy of an image's files for the users of a container must hold: containerd mounts the snapshots and gives every file
/// another owner, so that overlayfs copies all that it shows.
fn copied<'m>(store: &dyn Store, task: &Task, ids: &IdMap, memory: &'m Memory) -> Result<Tree<'m>, Unjudged> {
    let mut all = Tree::new(memory);
    for number in 0..task.layers.len() {
        let mut folder = Tree::new(memory);
        // the uppermost snapshot below is the first
        let below = &task.below[task.layers.len() - number..];
        apply(store, task, number, number > 0, below, &mut folder)?;
        all.lay_over(&folder, OPAQUE).map_err(|error| Unjudged {
            is_limit: true,
            is_memory: true,
            ..Unjudged::unreadable(error.to_string())
        })?;
    }
    all.each_entry(|entry| {
        (entry.uid, entry.gid) = ids.to_host(entry.uid, entry.gid);
        if entry.kind != Kind::Directory {
            entry.xattrs.remove(CAPABILITY);
        }
    });
    Ok(all)
}
