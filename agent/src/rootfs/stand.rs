//! Finds what a container stands on: its own snapshot, by the snapshotter's records, and those below it, down to the lowest layer.

use std::collections::{BTreeMap, BTreeSet};

use assay_judge::footing::{Footing, FootingManifest, LinkFact};
use assay_judge::store::{Container, Snapshot as SnapshotName, Store, docker};
use assay_report::words::count;
use assay_report::{LinkState, Namespace};

use super::chain::Chain;
use super::finding::{named, sentence};
use super::roots::{Problem, RootMount, Roots};
use super::shelf::{Form, Shelf, place, wrong_parent};
use super::task::{Outcome, Task, TaskKey};

/// What a container stands on.
pub(super) struct Stand {
    container: String,
    image: Option<String>,
    /// Its own snapshot: the snapshotter, and the key.
    snapshot: String,
    manifest: Option<FootingManifest>,
    /// The layers in words.
    layers: String,
    /// The snapshots that must be compared.
    keys: BTreeSet<TaskKey>,
    /// The copy of the image's files for the container's own users, which it stands on.
    pub(super) copy: Option<String>,
    /// Whether Docker's snapshot for the container lies between its own and the image's.
    has_init: bool,
    /// Whether its own snapshot was removed meanwhile.
    is_gone: bool,
    root: RootMount,
    pub(super) problem: Option<Problem>,
}

/// The way from a container's own snapshot down.
struct Way<'w> {
    shelf: &'w Shelf,
    snapshotter: &'w str,
    namespace: &'w Namespace,
    /// The snapshot between the container's own and the image's, if there is one.
    between: Option<&'w str>,
    chain: &'w Chain,
}

impl Stand {
    /// What `container` stands on, of the layers in `chains`. `shelf` is its snapshotter.
    pub(super) fn find(
        store: &dyn Store,
        shelf: Result<&Shelf, String>,
        roots: &Roots,
        chains: &[Chain],
        container: &Container,
    ) -> Self {
        let mut stand = Self {
            container: container.usage.id.clone(),
            image: container.image.clone(),
            snapshot: String::new(),
            manifest: None,
            layers: String::new(),
            keys: BTreeSet::new(),
            copy: None,
            has_init: false,
            is_gone: false,
            root: RootMount::Absent,
            problem: None,
        };
        let looked = stand.look(store, shelf, chains, container).and_then(|()| roots.of(container));
        match looked {
            Ok(root) => stand.root = root,
            Err(problem) => stand.problem = Some(problem),
        }
        stand
    }

    fn look(
        &mut self,
        store: &dyn Store,
        shelf: Result<&Shelf, String>,
        chains: &[Chain],
        container: &Container,
    ) -> Result<(), Problem> {
        let unknown = |what: &str| Problem::Unknown(format!("the container {} {what}", container.usage.id));
        let own = container.snapshot.as_ref().ok_or_else(|| unknown("names no snapshot"))?;
        self.snapshot = format!("{}/{}", own.snapshotter, own.key);
        let parent_of = |key: &str| {
            let name = SnapshotName { snapshotter: own.snapshotter.clone(), key: key.to_owned() };
            store.listing().snapshots.get(&(container.namespace.clone(), name)).map(Option::as_deref)
        };
        let parent = parent_of(&own.key).ok_or_else(|| unknown("has no snapshot in the store"))?;
        let on_top = |top: Option<&str>| chains.iter().find(|chain| chain.top() == top);
        let copied = |copy: &str| {
            let ids = container.ids.as_ref()?;
            chains.iter().find(|chain| chain.top().is_some_and(|top| ids.names_copy(copy, top)))
        };
        let chain = match parent {
            Some(init) if docker::is_init(container, init) => {
                self.has_init = true;
                parent_of(init).and_then(on_top)
            }
            parent => on_top(parent).or_else(|| {
                let chain = copied(parent?)?;
                self.copy = parent.map(str::to_owned);
                Some(chain)
            }),
        };
        let chain = chain.ok_or_else(|| {
            let on = parent.unwrap_or("nothing");
            unknown(&format!("stands on {on}, which is not of the image's layers"))
        })?;
        self.manifest = Some(FootingManifest {
            descriptor: chain.manifest.clone(),
            config: chain.config.clone(),
            layers: chain.layers.iter().map(|(layer, _)| layer.digest.clone()).collect(),
        });
        self.layers = match chain.top() {
            Some(top) => format!("{}, chain id {top}", count(chain.layers.len(), "layer")),
            None => "no layers".to_owned(),
        };
        let between = parent.filter(|_| self.has_init || self.copy.is_some());
        let shelf = shelf.map_err(Problem::Unknown)?;
        let names = |key: &str| {
            shelf
                .names
                .get(&(container.namespace.clone(), key.to_owned()))
                .map(Vec::as_slice)
                .unwrap_or_default()
        };
        let way =
            Way { shelf, snapshotter: &own.snapshotter, namespace: &container.namespace, between, chain };
        if names(&own.key).is_empty() {
            if store.has_snapshot(&container.namespace, own) {
                let what = format!("has the snapshot {}, which {} does not have", own.key, own.snapshotter);
                return Err(unknown(&what));
            }
            self.is_gone = true;
            let Some(next) = between.or(chain.top()) else { return Ok(()) };
            if names(next).is_empty() {
                return Err(unknown(&format!(
                    "stood on {next}, which was removed meanwhile, as was its own snapshot"
                )));
            }
            return names(next).iter().try_for_each(|name| self.descend(&way, Vec::new(), Some(name)));
        }
        names(&own.key).iter().try_for_each(|name| {
            let Some(row) = shelf.snapshots.get(name) else { return Err(unknown("has no snapshot")) };
            let trail = vec![(name.clone(), row.id.clone())];
            self.descend(&way, trail, row.parent.as_ref())
        })
    }

    /// Goes down from the snapshots in `trail` to the lowest.
    fn descend<'w>(
        &mut self,
        way: &Way<'w>,
        mut trail: Vec<(String, String)>,
        mut below: Option<&'w String>,
    ) -> Result<(), Problem> {
        let Way { shelf, snapshotter, namespace, between, chain } = *way;
        let task = |id: &str| TaskKey { snapshotter: snapshotter.to_owned(), id: id.to_owned() };
        let is = |name: Option<&String>, key: &str| {
            name.and_then(|name| place(name)).is_some_and(|(of, found)| of == *namespace && found == key)
        };
        let wrong = |trail: &[(String, String)], expected, found: Option<&String>| {
            Err(Problem::Finding(wrong_parent(trail, expected, found.cloned())))
        };
        if let Some(between) = between {
            let row = below.filter(|name| is(Some(name), between)).and_then(|name| shelf.snapshots.get(name));
            let Some(row) = row else { return wrong(&trail, Some(between), below) };
            if self.copy.is_some() {
                self.keys.insert(task(&row.id));
            }
            trail.push((between.to_owned(), row.id.clone()));
            below = row.parent.as_ref();
        }
        match (chain.top(), below) {
            (None, None) => Ok(()),
            (Some(top), Some(name)) if is(below, top) => {
                let rows = shelf.below(name, namespace, chain).map_err(Problem::Finding)?;
                let compared = match shelf.form {
                    Form::Overlayfs => rows.len(),
                    Form::Native => 1,
                };
                self.keys.extend(rows.iter().take(compared).map(|(_, id)| task(id)));
                Ok(())
            }
            (top, found) => wrong(&trail, top, found),
        }
    }

    /// The footing, once the snapshots were compared. `why` says why some were not.
    pub(super) fn conclude(
        self,
        tasks: &BTreeMap<TaskKey, Task>,
        outcomes: &BTreeMap<&TaskKey, Outcome>,
        why: Option<&str>,
    ) -> Footing {
        let Self {
            container,
            image,
            snapshot,
            manifest,
            layers,
            keys,
            copy,
            has_init,
            is_gone,
            root,
            problem,
        } = self;
        let uncompared = why.unwrap_or("it was not compared");
        let (state, evidence, unread) = match problem {
            Some(Problem::Finding(finding)) => (
                LinkState::Broken,
                sentence(&finding),
                Some("the snapshots are not those of the layers".into()),
            ),
            Some(Problem::Unknown(why)) => (LinkState::Unproven, why.clone(), Some(why)),
            None => {
                let (mut state, mut evidence, mut unread) = (LinkState::Proven, String::new(), None);
                let mut worsen = |to: LinkState, why: String| {
                    if state < to {
                        (state, evidence) = (to, why);
                    }
                };
                let mut files = 0;
                for key in &keys {
                    match outcomes.get(key) {
                        Some(Ok(found)) => {
                            files += found.files;
                            if let Some(first) = found.findings.first() {
                                worsen(LinkState::Broken, sentence(&named(key, &tasks[key], first)));
                            }
                            if found.is_partial {
                                let unseen = found.unseen.join("; ");
                                worsen(LinkState::Unproven, format!("snapshot {}: {unseen}", key.id));
                            }
                        }
                        other => {
                            let why = match other {
                                Some(Err(error)) => error.why.as_str(),
                                _ => uncompared,
                            };
                            worsen(LinkState::Unproven, format!("snapshot {}: {why}", key.id));
                            unread.get_or_insert_with(|| why.to_owned());
                        }
                    }
                }
                if state == LinkState::Proven {
                    evidence = whole(keys.len(), files, copy.is_some(), has_init, is_gone, &root);
                }
                (state, evidence, unread)
            }
        };
        let layers = match unread {
            Some(why) => LinkFact::new(layers, LinkState::Unproven, why),
            None => {
                let is_listed =
                    keys.iter().any(|key| tasks.get(key).is_some_and(|task| !task.lists.is_empty()));
                let list =
                    if is_listed { ", in the store or by the list of its files in a bundle" } else { "" };
                let evidence = format!(
                    "each has the digest that the manifest names and the diff_id that its config names{list}"
                );
                LinkFact::new(layers, LinkState::Proven, evidence)
            }
        };
        let snapshot = LinkFact::new(snapshot, state, evidence);
        Footing { container, image, snapshot, layers, manifest }
    }
}

/// What was compared, if nothing differs.
fn whole(
    snapshots: usize,
    files: u64,
    is_copy: bool,
    has_init: bool,
    is_gone: bool,
    root: &RootMount,
) -> String {
    let mut evidence = match snapshots {
        0 => "it stands on no other snapshot, and the image has no layers".to_owned(),
        _ => {
            let (below, files) = (count(snapshots, "snapshot"), count(files, "file"));
            format!("it stands on {below}, whose {files} are those of the layers")
        }
    };
    if is_copy {
        evidence.push_str("; one is a copy for the users of the container's own namespace");
    }
    if has_init {
        evidence.push_str("; Docker's snapshot of mount points between them is not compared");
    }
    if is_gone {
        evidence.push_str("; its own was removed meanwhile");
    }
    match root {
        RootMount::Seen(_) => evidence.push_str("; its root is mounted on them"),
        RootMount::Unseen => {
            evidence.push_str("; no mount of them is seen, so that it does not run or its mounts are hidden");
        }
        RootMount::Absent => {}
    }
    evidence
}
