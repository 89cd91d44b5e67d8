//! Puts a difference of a snapshot into the terms of reports.

use assay_report::{RootfsDifference, RootfsFinding};

use super::compare::{Difference, Finding};
use super::task::{Task, TaskKey};
use super::tree::printable;

/// A difference in the snapshot of `task`.
pub(super) fn named(key: &TaskKey, task: &Task, finding: &Finding) -> RootfsFinding {
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
}

/// A difference for people.
pub(super) fn sentence(finding: &RootfsFinding) -> String {
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
