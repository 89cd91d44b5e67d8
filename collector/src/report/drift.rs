//! Puts into words what the writable layers of an image's containers hold.

use assay_report::{ContainerUse, CoveringMount, Drift, DriftFinding, DriftResult, FileClass, Image};

use super::custody;
use super::text::{count, number};
use crate::clean;

/// What a container's writable layer holds, if there is anything to tell.
pub(super) struct ContainerDrift {
    /// The container, and how many files drifted.
    pub(super) summary: String,
    /// The files, the first ones.
    pub(super) files: Vec<String>,
    /// What is mounted over files of the image, the first ones.
    pub(super) mounts: Vec<String>,
}

/// Those containers of an image whose layers are not clean or over whose files something is mounted; the first ones.
pub(super) fn containers(image: &Image) -> Vec<ContainerDrift> {
    worth_telling(image).take(SHOWN).map(|(container, drift)| describe(container, drift)).collect()
}

/// How many containers of an image there is something to tell of.
pub(super) fn worth_telling(image: &Image) -> impl Iterator<Item = (&ContainerUse, &Drift)> {
    let drifts = image.in_use.iter().filter_map(|container| Some((container, container.drift.as_ref()?)));
    drifts.filter(|(_, drift)| drift.is_worth_telling())
}

/// The number of files that drifted.
pub(super) fn summary(drift: &Drift) -> String {
    let Drift { added, changed, deleted, .. } = drift;
    let why = drift.why.as_deref().map(clean::message).unwrap_or_default();
    match drift.result {
        DriftResult::Clean => "no drift".into(),
        DriftResult::NotRun => format!("not looked at: {why}"),
        DriftResult::Inconclusive => format!("not everything could be looked at: {why}"),
        DriftResult::Drifted => {
            let part = |many: u64, what| (many > 0).then(|| format!("{} {what}", number(many)));
            let parts = [part(*added, "added"), part(*changed, "changed"), part(*deleted, "deleted")];
            let parts = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
            let rest = if why.is_empty() {
                String::new()
            } else {
                format!("; and not everything could be looked at: {why}")
            };
            format!("{}: {parts}{rest}", count(drift.count(), "file"))
        }
    }
}

fn describe(container: &ContainerUse, drift: &Drift) -> ContainerDrift {
    let state = match drift.running {
        Some(true) => " (running)",
        Some(false) => " (not running)",
        None => "",
    };
    let file = |finding: &DriftFinding| clean::message(&finding.sentence());
    let mut files: Vec<String> = drift.findings.iter().take(SHOWN).map(file).collect();
    add_more(&mut files, drift.findings.len(), drift.more);
    let mut mounts: Vec<String> = drift.mounts.iter().take(SHOWN).map(mount).collect();
    add_more(&mut mounts, drift.mounts.len(), drift.more_mounts);
    let summary = format!("{}{state}: {}", custody::name(container), summary(drift));
    ContainerDrift { summary, files, mounts }
}

fn add_more(texts: &mut Vec<String>, listed: usize, more: u64) {
    let more = more.saturating_add(listed.saturating_sub(SHOWN) as u64);
    if more > 0 {
        texts.push(format!("and {} more", number(more)));
    }
}

fn mount(mount: &CoveringMount) -> String {
    let CoveringMount { class, destination, source, mount_type, hides } = mount;
    let what = [mount_type.as_deref(), source.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let class = match class {
        FileClass::Privileged => "the privileged program ",
        FileClass::Program => "the program ",
        FileClass::Library => "the library ",
        FileClass::Other => "",
    };
    clean::message(&format!("{destination} is mounted ({what}) and hides {class}{hides}"))
}

/// Entries of one kind that are shown.
const SHOWN: usize = 20;
