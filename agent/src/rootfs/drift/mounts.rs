//! Finds where a container's mounts are, and names those that hide files of its image.

use assay_judge::store::Mount;
use assay_report::{CoveringMount, FileClass};
use assay_verifier::limits;

use super::class::class;
use super::layer::{Found, class_in, is_deepest};
use super::stack::Stack;
use crate::rootfs::apply::push;
use crate::rootfs::compare::Failure;
use crate::rootfs::mounted::Line;
use crate::rootfs::tree::{Kind, printable};

/// Where each mount is once all links are followed. `found` gets those of which that cannot be told.
pub(super) fn targets<'m>(
    mounts: &'m [Mount],
    view: &mut Stack,
    found: &mut Found,
) -> Vec<(Vec<u8>, &'m Mount)> {
    if mounts.len() > limits::DRIFT_MOUNTS {
        found.limit(format!("it has more mounts than the {} that are looked at", limits::DRIFT_MOUNTS));
    }
    let mut targets = Vec::new();
    for mount in mounts.iter().take(limits::DRIFT_MOUNTS) {
        match view.resolve(mount.destination.as_bytes()) {
            Ok(path) => targets.push((path, mount)),
            Err(failure) => found.unseen(mount.destination.as_bytes(), &failure),
        }
    }
    targets
}

/// The mounts that a container's first process sees and that are neither at `targets` nor below: what was mounted after the start.
pub(super) fn beside(mounts: &[Line], targets: &[(Vec<u8>, &Mount)]) -> Vec<Mount> {
    let is_within = |path: &[u8], target: &[u8]| {
        target.is_empty()
            || path.strip_prefix(target).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    };
    let is_known = |line: &&Line| {
        let path = line.point.trim_start_matches('/').as_bytes();
        targets.iter().any(|(target, _)| is_within(path, target))
    };
    let mount = |line: &Line| {
        let (device, root) = &line.place;
        let source = format!("{root} of the file system {device}, not by the container's specification");
        Mount { destination: line.point.clone(), source: Some(source), mount_type: None }
    };
    mounts.iter().filter(|line| !is_known(line)).map(mount).collect()
}

/// The mounts that hide something of the image, in the order of a report.
pub(super) fn covering(
    targets: &[(Vec<u8>, &Mount)],
    below: &mut Stack,
) -> Result<Vec<CoveringMount>, Failure> {
    let mut found = Vec::new();
    let mut left = limits::DRIFT_COVERED;
    for (path, mount) in targets {
        if let Some((class, hides)) = hidden(path, below, &mut left)? {
            found.push(CoveringMount {
                class,
                destination: printable(mount.destination.as_bytes()),
                source: mount.source.as_ref().map(|source| printable(source.as_bytes())),
                mount_type: mount.mount_type.as_ref().map(|text| printable(text.as_bytes())),
                hides: printable(&hides),
            });
        }
    }
    found.sort();
    Ok(found)
}

/// The first kind of what is at or under a path, with one such file; none if nothing is hidden, as under an empty directory.
fn hidden(path: &[u8], below: &mut Stack, left: &mut usize) -> Result<Option<(FileClass, Vec<u8>)>, Failure> {
    let (parent, name) = match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&path[..0], path),
    };
    if !name.is_empty() {
        let directories = below.directories(parent)?;
        let Some(place) = below.look(&directories, name)? else { return Ok(None) };
        if place.seen.entry.kind != Kind::Directory {
            let (folder, directory) = below.folder(&directories, place.at);
            return Ok(Some((class_in(folder, directory, name, &place.seen)?, path.to_vec())));
        }
    }
    let mut best: Option<(FileClass, Vec<u8>)> = None;
    let mut rest = vec![path.to_vec()];
    while let Some(path) = rest.pop() {
        let directories = below.directories(&path)?;
        for name in below.names(&directories)? {
            let Some(place) = below.look(&directories, &name)? else { continue };
            let mut path = path.clone();
            push(&mut path, &name);
            // the content is not read: what lies in a directory of programs has its bit
            let kind = class(&name, &place.seen.entry, &[]);
            if best.as_ref().is_none_or(|(first, _)| kind < *first) {
                best = Some((kind, path.clone()));
            }
            *left = left.saturating_sub(1);
            if *left == 0 || kind <= FileClass::Program {
                return Ok(best);
            }
            if place.seen.entry.kind == Kind::Directory && !is_deepest(&path) {
                rest.push(path);
            }
        }
    }
    Ok(best)
}
