//! Decides which snapshots are compared for an image, and joins what was found in them.

use std::collections::{BTreeMap, BTreeSet};

use assay_judge::image::Image;
use assay_judge::judgement::Examined;
use assay_judge::sources::Sources;
use assay_judge::store::{Container, IdMap, Snapshot as SnapshotName, Snapshotter, Store};
use assay_report::{Namespace, Rootfs, RootfsFinding, RootfsMode, RootfsResult};
use assay_verifier::limits;
use assay_verifier::oci::{Descriptor, Digest};

use super::chain::{Chain, chains};
use super::finding::{named, sentence};
use super::lists::{List, Lists};
use super::roots::{Problem, Roots};
use super::shelf::{Form, Shelf, Shelves, open_used};
use super::stand::Stand;
use super::task::{Outcome, Task, TaskKey, Unjudged};

/// What is to be compared of one image.
#[derive(Default)]
pub(super) struct Plan {
    tasks: BTreeSet<TaskKey>,
    /// Differences that show without reading a file.
    findings: Vec<RootfsFinding>,
    /// Why something was not compared that should have been.
    unjudged: Vec<Unjudged>,
    /// Why nothing need be compared.
    unneeded: Option<String>,
    /// What each container stands on.
    stands: Vec<Stand>,
}

impl Plan {
    /// Joins what was found in an image's snapshots.
    pub(super) fn conclude(
        self,
        examined: Examined,
        tasks: &BTreeMap<TaskKey, Task>,
        outcomes: &BTreeMap<&TaskKey, Outcome>,
    ) -> Examined {
        let Self { tasks: own, mut findings, mut unjudged, unneeded, stands } = self;
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
            rootfs.lists += u64::from(!tasks[key].lists.is_empty());
            findings.extend(found.findings.iter().map(|finding| named(key, &tasks[key], finding)));
            if found.is_partial {
                let why = format!("snapshot {}: {}", key.id, found.unseen.join("; "));
                unjudged.push(Unjudged::unreadable(why));
            }
        }
        findings.sort();
        findings.dedup();
        let mut told = BTreeSet::new();
        unjudged.retain(|one| told.insert(one.why.clone()));
        let why = unjudged.first().map(|first| first.why.clone());
        let footings =
            stands.into_iter().map(|stand| stand.conclude(tasks, outcomes, why.as_deref())).collect();
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
        let mut examined = examined.with_rootfs(rootfs, more, is_needed, is_limit);
        examined.footings = footings;
        examined
    }
}

pub(super) struct Search<'s> {
    pub(super) store: &'s dyn Store,
    lists: Lists<'s>,
    pub(super) snapshotters: Vec<Snapshotter>,
    pub(super) shelves: Shelves,
    roots: Roots,
    pub(super) tasks: BTreeMap<TaskKey, Task>,
}

impl<'s> Search<'s> {
    pub(super) fn new(sources: Sources<'s>) -> Self {
        let Sources { store, bundles } = sources;
        let lists = Lists::new(bundles);
        let snapshotters = store.snapshotters();
        let shelves = open_used(&store.listing().containers, &snapshotters);
        let roots = Roots::find(store, |name| shelves.get(name)?.as_ref().ok());
        Self { store, lists, snapshotters, shelves, roots, tasks: BTreeMap::new() }
    }

    pub(super) fn plan(&mut self, image: &Image, mode: RootfsMode) -> Plan {
        let mut plan = Plan::default();
        let chains = match chains(self.store, image) {
            Ok(chains) => chains,
            Err(why) => {
                plan.unjudged.push(Unjudged::unreadable(why));
                return plan;
            }
        };
        let store = self.store;
        let listing = store.listing();
        let is_own = |container: &&Container| {
            Some(&container.namespace) == image.namespace.as_ref()
                && image.in_use.binary_search(&container.usage).is_ok()
        };
        let containers: Vec<&Container> = listing.containers.iter().filter(is_own).collect();
        let mut used: BTreeSet<&str> = BTreeSet::new();
        for container in &containers {
            let shelf = match &container.snapshot {
                Some(snapshot) => open_once(&mut self.shelves, &self.snapshotters, &snapshot.snapshotter),
                None => Err("it has no snapshot".to_owned()),
            };
            let mut stand = Stand::find(store, shelf, &self.roots, &chains, container);
            match &stand.problem {
                Some(Problem::Finding(finding)) => plan.findings.push(RootfsFinding::clone(finding)),
                Some(Problem::Unknown(why)) => plan.unjudged.push(Unjudged::unreadable(why.clone())),
                None => {}
            }
            if let Some(snapshot) = &container.snapshot {
                used.insert(&snapshot.snapshotter);
            }
            if let (Some(snapshot), Some(copy), Some(ids)) =
                (&container.snapshot, &stand.copy, &container.ids)
                && stand.problem.is_none()
            {
                let of = chains.iter().find(|chain| chain.top().is_some_and(|top| ids.names_copy(copy, top)));
                let is_compared = of.is_some_and(|chain| {
                    self.plan_copy(&snapshot.snapshotter, copy, &container.namespace, chain, ids, &mut plan)
                });
                if !is_compared {
                    let why = format!(
                        "the container {} runs on {copy}, a copy of the image for the users of its own namespace, which is not \
                         compared",
                        container.usage.id
                    );
                    plan.unjudged.push(Unjudged::unreadable(why.clone()));
                    stand.problem = Some(Problem::Unknown(why));
                }
            }
            plan.stands.push(stand);
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
                        let (Some(namespace), Some(key)) = (&image.namespace, chain.top()) else {
                            return false;
                        };
                        let snapshot = SnapshotName { snapshotter: name.clone(), key: key.to_owned() };
                        self.store.has_snapshot(namespace, &snapshot)
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
        namespace: &Namespace,
        chain: &Chain,
        ids: &IdMap,
        plan: &mut Plan,
    ) -> bool {
        let Ok(shelf) = open_once(&mut self.shelves, &self.snapshotters, name) else { return false };
        let found = shelf.names.get(&(namespace.clone(), copy.to_owned()));
        let Some([found]) = found.map(Vec::as_slice) else { return false };
        let Some(row) = shelf.snapshots.get(found) else { return false };
        let below = match row.parent.as_ref().map(|top| shelf.below(top, namespace, chain)) {
            Some(Ok(below)) => below,
            Some(Err(finding)) => {
                plan.findings.push(*finding);
                return true;
            }
            None => return false,
        };
        let lists = match lists_of(self.store, &self.lists, namespace, &chain.layers) {
            Ok(lists) => lists,
            Err(why) => {
                plan.unjudged.push(Unjudged::unreadable(why));
                return true;
            }
        };
        let key = TaskKey { snapshotter: name.to_owned(), id: row.id.clone() };
        plan.tasks.insert(key.clone());
        self.tasks.entry(key).or_insert_with(|| Task {
            name: found.clone(),
            id: row.id.clone(),
            folder: shelf.folder.clone(),
            form: shelf.form,
            below: below.into_iter().map(|(_, id)| id).collect(),
            namespace: namespace.clone(),
            layers: chain.layers.clone(),
            lists,
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
        let shelf = open_once(&mut self.shelves, &self.snapshotters, name)?;
        let Some(namespace) = &image.namespace else { return Ok(false) };
        let mut is_found = false;
        for chain in chains {
            let Some(top) = chain.top() else { continue };
            for found in shelf.names.get(&(namespace.clone(), top.to_owned())).into_iter().flatten() {
                is_found = true;
                match shelf.below(found, namespace, chain) {
                    Ok(rows) => add_tasks(
                        self.store,
                        &self.lists,
                        name,
                        shelf,
                        namespace,
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

fn open_once<'s>(
    shelves: &'s mut Shelves,
    snapshotters: &[Snapshotter],
    name: &str,
) -> Result<&'s Shelf, String> {
    let shelf = shelves.entry(name.to_owned()).or_insert_with(|| Shelf::open(name, snapshotters));
    shelf.as_ref().map_err(String::clone)
}

#[expect(clippy::too_many_arguments, reason = "it is a part of one function")]
fn add_tasks(
    store: &dyn Store,
    lists: &Lists<'_>,
    snapshotter: &str,
    shelf: &Shelf,
    namespace: &Namespace,
    chain: &Chain,
    rows: &[(String, String)],
    tasks: &mut BTreeMap<TaskKey, Task>,
    plan: &mut Plan,
) {
    let ids: Vec<String> = rows.iter().map(|(_, id)| id.clone()).collect();
    let mut add = |at: usize, layers: &[(Descriptor, Digest)]| {
        let (name, id) = &rows[at];
        let key = TaskKey { snapshotter: snapshotter.to_owned(), id: id.clone() };
        let lists = match lists_of(store, lists, namespace, layers) {
            Ok(lists) => lists,
            // another image may have the same files in a blob that is there
            Err(_) if tasks.contains_key(&key) => BTreeMap::new(),
            Err(why) => return plan.unjudged.push(Unjudged::unreadable(why)),
        };
        plan.tasks.insert(key.clone());
        tasks.entry(key).or_insert_with(|| Task {
            name: name.clone(),
            id: id.clone(),
            folder: shelf.folder.clone(),
            form: shelf.form,
            below: ids[at + 1..].to_vec(),
            namespace: namespace.clone(),
            layers: layers.to_vec(),
            lists,
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

/// The lists of those layers that the store does not have, by their places.
///
/// # Errors
/// Why one of them cannot be compared with.
fn lists_of(
    store: &dyn Store,
    lists: &Lists<'_>,
    namespace: &Namespace,
    layers: &[(Descriptor, Digest)],
) -> Result<BTreeMap<usize, List>, String> {
    let gone = layers.iter().enumerate().filter(|(_, (layer, _))| !store.has(Some(namespace), &layer.digest));
    gone.map(|(at, (layer, diff_id))| Ok((at, lists.find(layer, diff_id)?))).collect()
}
