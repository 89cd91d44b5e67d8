//! Compares the snapshots of images with the images' layers, each snapshot once, on several threads.
//!
//! An image's snapshots are found by the chain ids of its layers in the databases of the snapshotters. On overlayfs each snapshot has the
//! files of one layer, and each is compared. With the native snapshotter the topmost one has all files, and it alone is what containers are
//! copied from. A snapshot that stands on another than the layers say is a difference as well.
//!
//! Findings only downgrade a verdict. What was not compared, for whatever reason, is said and is not a pass.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use assay_judge::judgement::Examined;
use assay_judge::parallel;
use assay_judge::sources::Sources;
use assay_report::{RootfsMode, Status};
use assay_verifier::limits;

use super::plan::{Plan, Search};
use super::task::{Outcome, Task, TaskKey, Unjudged, compare_snapshot};
use super::tree::Memory;
use crate::containerd::snapshots::{self, Snapshots};

/// Compares the snapshots of the images that `mode` names, and gives all images with what that showed.
pub(crate) fn check(
    sources: Sources<'_>,
    images: Vec<Examined>,
    mode: RootfsMode,
    jobs: usize,
) -> Vec<Examined> {
    let mut search = Search::new(sources);
    let planned: Vec<(Examined, Option<Plan>)> = images
        .into_iter()
        .map(|examined| {
            let image = &examined.image;
            let is_wanted = mode == RootfsMode::All || !image.in_use.is_empty();
            let is_judged = image.target.recorded().is_some() && examined.judgement.status != Status::Skipped;
            let plan = (is_wanted && is_judged).then(|| search.plan(image, mode));
            (examined, plan)
        })
        .collect();
    let Search { shelves, tasks, .. } = search;
    let (shared, alone) = (Memory::shared(), Memory::alone());
    let mut keys: Vec<&TaskKey> = tasks.keys().collect();
    // the largest first, so that none is left for one thread in the end
    keys.sort_by_key(|key| {
        Reverse(tasks[key].layers.iter().map(|(layer, _)| layer.size).fold(0, u64::saturating_add))
    });
    let run = |key: &TaskKey, memory: &Memory| compare_snapshot(sources, &tasks[key], memory);
    let jobs = jobs.min(limits::ROOTFS_JOBS);
    let mut outcomes: BTreeMap<&TaskKey, Outcome> =
        parallel::map(jobs, keys, || (), |(), key| (key, run(key, &shared))).into_iter().collect();
    for (key, outcome) in &mut outcomes {
        // what had no room beside others may have it by itself
        if matches!(outcome, Err(Unjudged { is_memory: true, .. })) {
            *outcome = run(key, &alone);
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
    planned
        .into_iter()
        .map(|(examined, plan)| match plan {
            None => examined,
            Some(plan) => plan.conclude(examined, &tasks, &outcomes),
        })
        .collect()
}
