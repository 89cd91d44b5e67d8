//! Compares one snapshot with the layers that were unpacked into it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use assay_judge::layer;
use assay_judge::sources::Sources;
use assay_judge::store::{IdMap, Store as _};
use assay_report::Namespace;
use assay_verifier::oci::{Descriptor, Digest};

use super::apply::{Applier, CAPABILITY, OPAQUE, Problem, Whiteouts};
use super::compare::{Comparison, Made, compare};
use super::layers::{self, LayerError};
use super::lists::List;
use super::shelf::Form;
use super::snapshot::{Folders, Snapshot, ToldBy};
use super::tree::{Kind, Memory, TooLarge, Tree};

/// A snapshot that is compared: its snapshotter, and the name of its folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TaskKey {
    pub(super) snapshotter: String,
    pub(super) id: String,
}

/// What it takes to compare a snapshot.
pub(super) struct Task {
    /// Its name in the snapshotter's database.
    pub(super) name: String,
    /// The name of its folder.
    pub(super) id: String,
    pub(super) folder: PathBuf,
    pub(super) form: Form,
    /// The folders of the snapshots below, the uppermost first.
    pub(super) below: Vec<String>,
    pub(super) namespace: Namespace,
    /// What was unpacked into it, the lowest first.
    pub(super) layers: Vec<(Descriptor, Digest)>,
    /// Lists of the layers that are not in the store, by their places in `layers`.
    pub(super) lists: BTreeMap<usize, List>,
    /// The users of the container that it is a copy for.
    pub(super) copy: Option<IdMap>,
}

pub(super) type Outcome = Result<Comparison, Unjudged>;

/// Why a snapshot was not compared.
#[derive(Clone, Debug)]
pub(super) struct Unjudged {
    pub(super) why: String,
    pub(super) is_limit: bool,
    pub(super) is_memory: bool,
}

impl Unjudged {
    pub(super) fn unreadable(why: String) -> Self {
        Self { why, is_limit: false, is_memory: false }
    }
}

/// Compares one snapshot.
pub(super) fn compare_snapshot(sources: Sources<'_>, task: &Task, memory: &Memory) -> Outcome {
    // lists have digests alone, and the names of one file are files by themselves in what overlayfs copied
    let has_contents = task.lists.is_empty() && (task.copy.is_none() || task.form == Form::Native);
    if has_contents {
        let found = compare_by(ToldBy::Identity, sources, task, memory)?;
        if found.findings.is_empty() && !found.is_partial {
            return Ok(found);
        }
    }
    compare_by(ToldBy::Digest, sources, task, memory)
}

fn compare_by(told_by: ToldBy, sources: Sources<'_>, task: &Task, memory: &Memory) -> Outcome {
    let mut snapshot = task.open(&task.id)?;
    snapshot.told_by = told_by;
    let mut tree = Tree::new(memory);
    let made = match (&task.copy, task.form) {
        (Some(_), Form::Overlayfs) => {
            shown(sources, task, &mut tree)?;
            Made::Copied
        }
        (copy, _) => {
            // on overlayfs, whiteouts of the lowest layer have nothing to hide, and containerd unpacks it into a plain folder
            let is_upper = task.form == Form::Overlayfs && !task.below.is_empty();
            let below = if is_upper { &task.below[..] } else { &[] };
            for number in 0..task.layers.len() {
                if number > 0 {
                    tree.split_special_files().map_err(no_room)?;
                }
                let beside = (told_by == ToldBy::Identity).then_some(&mut snapshot);
                apply(sources, task, number, is_upper, below, &mut tree, beside)?;
            }
            match copy {
                None => Made::Unpacked,
                Some(_) => {
                    tree.split_special_files().map_err(no_room)?;
                    Made::Shifted
                }
            }
        }
    };
    if let Some(ids) = &task.copy {
        // containerd goes from path to path, and shifts a file once for each of its names
        tree.each_entry(|entry| {
            (entry.uid, entry.gid) = ids.to_host(entry.uid, entry.gid);
            if entry.kind != Kind::Directory {
                entry.xattrs.remove(CAPABILITY);
            }
        });
    }
    Ok(compare(&tree, &mut snapshot, made))
}

impl Task {
    fn open(&self, id: &str) -> Result<Snapshot, Unjudged> {
        self.form.open(&self.folder, id).map_err(|failure| Unjudged::unreadable(failure.to_string()))
    }
}

/// Applies a layer to the tree of its snapshot, which stands on those `below`. That snapshot may be read `beside` it.
fn apply(
    sources: Sources<'_>,
    task: &Task,
    number: usize,
    is_upper: bool,
    below: &[String],
    tree: &mut Tree<'_>,
    beside: Option<&mut Snapshot>,
) -> Result<(), Unjudged> {
    let (layer, diff_id) = &task.layers[number];
    let list = task.lists.get(&number).map(|list| (list, &sources.bundles[list.bundle]));
    let by = list.map(|(_, bundle)| format!(" by the list of its files in {}", bundle.path().display()));
    let by = by.unwrap_or_default();
    let unread =
        |why: &dyn fmt::Display| Unjudged::unreadable(format!("the layer {}{by}: {why}", layer.digest));
    let number = u16::try_from(number).map_err(|_| unread(&"there are too many below it"))?;
    let whiteouts = if is_upper { Whiteouts::Overlay } else { Whiteouts::Remove };
    let mut lower = Folders(below.iter().map(|id| task.open(id)).collect::<Result<_, _>>()?);
    let mut applier = Applier::new(tree, whiteouts, &mut lower, number);
    let applied = match list {
        None => {
            let blob =
                sources.store.open(Some(&task.namespace), &layer.digest).map_err(|error| unread(&error))?;
            layers::apply(blob, layer, diff_id, &mut applier, beside)
        }
        Some((List { carried, .. }, bundle)) => {
            let blob = bundle.layout.open(None, &carried.list);
            let blob = blob.map_err(|error| unread(&format_args!("the blob {} {error}", carried.list)))?;
            layers::apply_list(blob, carried, &mut applier)
        }
    };
    applied.map_err(|error| Unjudged {
        is_limit: matches!(
            error,
            LayerError::Layer(layer::LayerError::Grows | layer::LayerError::Window(_))
                | LayerError::Problem(Problem::TooLarge(_))
        ),
        is_memory: matches!(
            error,
            LayerError::Layer(layer::LayerError::Window(_))
                | LayerError::Problem(Problem::TooLarge(TooLarge::Memory))
        ),
        ..unread(&error)
    })
}

/// What overlayfs shows of an image's snapshots. For the users of a container, containerd mounts them and gives every file another
/// owner, so that overlayfs copies all that it shows.
fn shown(sources: Sources<'_>, task: &Task, all: &mut Tree<'_>) -> Result<(), Unjudged> {
    for number in 0..task.layers.len() {
        let mut folder = Tree::new(all.memory());
        // the uppermost snapshot below is the first
        let below = &task.below[task.layers.len() - number..];
        apply(sources, task, number, number > 0, below, &mut folder, None)?;
        all.lay_over(&folder, OPAQUE).map_err(no_room)?;
    }
    Ok(())
}

fn no_room(error: TooLarge) -> Unjudged {
    Unjudged { is_limit: true, is_memory: true, ..Unjudged::unreadable(error.to_string()) }
}
