//! Compares what a container has with what the snapshots below it have.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;

use assay_judge::store::IdMap;
use assay_report::{DriftFinding, DriftKind, FileClass};
use assay_verifier::limits;

use super::class::{HEAD, class};
use super::stack::{Directories, Place, Stack, is_opaque, is_whiteout};
use crate::rootfs::apply::{OPAQUE, push};
use crate::rootfs::compare::{Failure, Seen, View as _, attributes, described};
use crate::rootfs::shelf::Form;
use crate::rootfs::snapshot::Snapshot;
use crate::rootfs::tree::{Bytes, Entry, Kind, Sha256, printable};

/// What looking at a writable layer showed.
#[derive(Default)]
pub(super) struct Found {
    /// What comes first in the order of a report, at most [`limits::DRIFT_FINDINGS`].
    pub(super) findings: BTreeSet<DriftFinding>,
    pub(super) counts: BTreeMap<DriftKind, u64>,
    /// What could not be seen, with why; the first few.
    pub(super) unseen: Vec<String>,
    /// Whether a bound was met.
    pub(super) is_limit: bool,
    /// Whether all that could not be seen has changed while it was read.
    pub(super) has_only_moved: bool,
    entries: u64,
    bytes: u64,
}

impl Found {
    pub(super) fn unseen(&mut self, path: &[u8], failure: &Failure) {
        self.has_only_moved = *failure == Failure::Changed && (self.unseen.is_empty() || self.has_only_moved);
        if self.unseen.len() < UNSEEN {
            let path = if path.is_empty() { "the root directory".to_owned() } else { printable(path) };
            self.unseen.push(format!("{path}: {failure}"));
        }
    }

    pub(super) fn limit(&mut self, why: String) {
        self.is_limit = true;
        self.has_only_moved = false;
        self.unseen.insert(0, why);
        self.unseen.truncate(UNSEEN);
    }

    fn find(&mut self, finding: DriftFinding) {
        *self.counts.entry(finding.kind).or_default() += 1;
        self.findings.insert(finding);
        if self.findings.len() > limits::DRIFT_FINDINGS {
            self.findings.pop_last();
        }
    }
}

/// What is named of what could not be seen: one reason stands for many files.
const UNSEEN: usize = 8;

/// The files and directories that a runtime makes for mounts. It may make them where they lack, and they are empty.
#[derive(Default)]
pub(super) struct MountPoints {
    pub(super) paths: BTreeSet<Vec<u8>>,
    /// Links that Docker's daemon makes, with where they lead.
    pub(super) links: BTreeMap<Vec<u8>, Bytes>,
    /// The user and the group that the host takes for root of the container.
    pub(super) root: (u32, u32),
}

impl MountPoints {
    /// What Docker's daemon makes in the snapshot that it puts between an image and a container (`daemon/initlayer`).
    pub(super) fn of_docker(root: (u32, u32)) -> Self {
        const PATHS: [&str; 10] = [
            ".dockerenv",
            "dev/console",
            "dev/pts",
            "dev/shm",
            "etc/hostname",
            "etc/hosts",
            "etc/mtab",
            "etc/resolv.conf",
            "proc",
            "sys",
        ];
        let paths = PATHS.iter().map(|path| path.as_bytes().to_vec()).collect();
        let links = BTreeMap::from([(b"etc/mtab".to_vec(), Bytes::from(*b"/proc/mounts"))]);
        Self { paths, links, root }
    }

    pub(super) fn have(&self, path: &[u8], entry: &Entry<()>) -> bool {
        let is_plain = entry.mode & 0o6022 == 0
            && entry.xattrs.iter().next().is_none()
            && [(0, 0), self.root].contains(&(entry.uid, entry.gid));
        let is_above = |target: &Vec<u8>| {
            target.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        };
        match &entry.kind {
            Kind::File { size: 0, .. } => is_plain && self.paths.contains(path),
            Kind::Directory => is_plain && self.paths.iter().any(is_above),
            Kind::Symlink(target) => self.links.get(path) == Some(target),
            _ => false,
        }
    }
}

/// A writable layer and what it lies on.
pub(super) struct Layer<'l> {
    pub(super) own: Stack,
    pub(super) below: Stack,
    pub(super) form: Form,
    /// By what the owners of the files below are shifted for the container.
    pub(super) shift: Option<&'l IdMap>,
    pub(super) points: &'l MountPoints,
    pub(super) found: &'l mut Found,
}

impl Layer<'_> {
    /// Compares everything.
    pub(super) fn compare(&mut self) {
        self.root();
        // directories that are still to come; whether the layer has all that is in them
        let mut rest: Vec<(Vec<u8>, bool)> = vec![(Vec::new(), self.form == Form::Native)];
        let mut bytes = 0;
        while let Some((path, is_whole)) = rest.pop() {
            bytes -= path.len();
            let before = rest.len();
            if self.directory(&path, is_whole, &mut rest).is_break() {
                return;
            }
            bytes += rest[before..].iter().map(|(path, _)| path.len()).sum::<usize>();
            if bytes > limits::ROOTFS_DIRECTORY_BYTES {
                return self.found.limit(format!(
                    "it has too many directories beside each other; the limit is {} bytes of their paths",
                    limits::ROOTFS_DIRECTORY_BYTES
                ));
            }
        }
    }

    /// The root of a writable layer has the mode that the snapshotter makes it with, and no attributes from below.
    fn root(&mut self) {
        let compared = (|| {
            let (Some(own), Some(mut lower)) = (self.own.root()?, self.below.root()?) else { return Ok(()) };
            self.shift(&mut lower);
            if own.entry.mode == 0o755 {
                lower.entry.mode = own.entry.mode;
            }
            if own.entry.xattrs.iter().next().is_none() {
                lower.entry.xattrs.retain(|_| false);
            }
            self.both(&[], b"", None, &own, &lower, None)
        })();
        if let Err(failure) = compared {
            self.found.unseen(&[], &failure);
        }
    }

    fn directory(
        &mut self,
        path: &[u8],
        is_whole: bool,
        rest: &mut Vec<(Vec<u8>, bool)>,
    ) -> std::ops::ControlFlow<()> {
        use std::ops::ControlFlow::{Break, Continue};
        let listed = (|| {
            let own = self.own.directories(path)?;
            if own.is_empty() {
                return Err(Failure::Changed);
            }
            let (folder, directory) = self.own.folder(&own, 0);
            let names: BTreeSet<Bytes> = folder.names(directory)?.into_iter().collect();
            Ok((own, names, self.below.directories(path)?))
        })();
        let (own, names, below) = match listed {
            Ok(listed) => listed,
            Err(failure) => {
                self.found.unseen(path, &failure);
                return Continue(());
            }
        };
        let mut path = path.to_vec();
        for name in &names {
            self.found.entries += 1;
            if self.found.entries > limits::DRIFT_ENTRIES {
                let why = format!("it has more files than the {} that are looked at", limits::DRIFT_ENTRIES);
                self.found.limit(why);
                return Break(());
            }
            let length = path.len();
            push(&mut path, name);
            match self.entry(&path, name, &own, &below) {
                Ok(None) => {}
                // each directory is reached from the root, so that a deep one costs as many calls
                Ok(Some(_)) if is_deepest(&path) => self.found.limit(format!(
                    "{}: it is nested too deep; the limit is {} directories",
                    printable(&path),
                    limits::ROOTFS_DEPTH
                )),
                Ok(Some(is_opaque)) => rest.push((path.clone(), is_whole || is_opaque)),
                Err(failure) => self.found.unseen(&path, &failure),
            }
            path.truncate(length);
        }
        if is_whole && !below.is_empty() {
            self.hidden(&mut path, &names, &below);
        }
        Continue(())
    }

    /// Looks at a name of the layer. Gives for a directory whether it hides what is below.
    fn entry(
        &mut self,
        path: &[u8],
        name: &[u8],
        own: &Directories,
        below: &Directories,
    ) -> Result<Option<bool>, Failure> {
        let (folder, directory) = self.own.folder(own, 0);
        let mut seen = folder.look(directory, name)?;
        let lower = self.below.look(below, name)?.map(|mut place| {
            self.shift(&mut place.seen);
            place
        });
        if is_whiteout(&seen, self.form) {
            if let Some(lower) = lower {
                self.deleted(path, name, below, &lower)?;
            }
            return Ok(None);
        }
        let is_directory = seen.entry.kind == Kind::Directory;
        let hides = is_directory && is_opaque(&seen, self.form);
        if self.form == Form::Overlayfs {
            seen.entry.xattrs.remove(OPAQUE);
            if elsewhere(&seen) {
                let why = "overlayfs takes what it holds from another place of the layers below";
                self.found.unseen(path, &Failure::Unreadable(why.into()));
            }
        }
        match lower {
            None if self.points.have(path, &seen.entry) => {}
            None => {
                let sha256 = self.sha256(own, name, &seen);
                let after = described(&seen.entry, |()| String::new());
                let class = self.class_of_own(own, name, &seen)?;
                self.find(path, DriftKind::Added, class, None, Some(after), Some((&seen, sha256)));
            }
            Some(lower) => self.both(path, name, Some(own), &seen, &lower.seen, Some((below, &lower)))?,
        }
        Ok(is_directory.then_some(hides))
    }

    /// Compares a file that both have.
    fn both(
        &mut self,
        path: &[u8],
        name: &[u8],
        own: Option<&Directories>,
        seen: &Seen,
        lower: &Seen,
        place: Option<(&Directories, &Place)>,
    ) -> Result<(), Failure> {
        let mut differing: Vec<(String, String)> = Vec::new();
        let mut sha256 = None;
        match (&lower.entry.kind, &seen.entry.kind) {
            (Kind::File { size, .. }, Kind::File { size: there, .. }) if size != there => {
                differing.push((format!("{size} bytes"), format!("{there} bytes")));
            }
            (Kind::File { size, .. }, Kind::File { .. }) => {
                if let (Some(own), Some((below, place))) = (own, place)
                    && *size > 0
                    && !elsewhere(seen)
                {
                    let (before, after) = self.contents(name, own, seen, below, place)?;
                    if before != after {
                        differing.push((before.to_string(), after.to_string()));
                    }
                    sha256 = Some(after);
                }
            }
            (Kind::Symlink(target), Kind::Symlink(there)) if target != there => {
                differing.push((format!("to {}", printable(target)), format!("to {}", printable(there))));
            }
            (one, other) if one == other || matches!((one, other), (Kind::Symlink(_), Kind::Symlink(_))) => {}
            _ => {
                let [before, after] = [lower, seen].map(|seen| described(&seen.entry, |()| String::new()));
                differing.push((before, after));
            }
        }
        let is_same_kind =
            std::mem::discriminant(&lower.entry.kind) == std::mem::discriminant(&seen.entry.kind);
        if is_same_kind {
            differing.append(&mut attributes(&lower.entry, &seen.entry));
        }
        if differing.is_empty() {
            return Ok(());
        }
        let (before, after): (Vec<String>, Vec<String>) = differing.into_iter().unzip();
        let mut kind = FileClass::Other;
        if let (Some(own), Some((below, place))) = (own, place) {
            sha256 = sha256.or_else(|| self.sha256(own, name, seen));
            kind = self.class_of_own(own, name, seen)?.min(self.class_below(below, name, place)?);
        }
        let (before, after) = (Some(before.join(", ")), Some(after.join(", ")));
        self.find(path, DriftKind::Changed, kind, before, after, Some((seen, sha256)));
        Ok(())
    }

    /// Names what is below a directory that has everything there is, and that it does not have.
    fn hidden(&mut self, path: &mut Vec<u8>, names: &BTreeSet<Bytes>, below: &Directories) {
        let all = match self.below.names(below) {
            Ok(all) => all,
            Err(failure) => return self.found.unseen(path, &failure),
        };
        for name in all.difference(names) {
            let length = path.len();
            push(path, name);
            let gone = (|| {
                if let Some(lower) = self.below.look(below, name)? {
                    self.deleted(path, name, below, &lower)?;
                }
                Ok(())
            })();
            if let Err(failure) = gone {
                self.found.unseen(path, &failure);
            }
            path.truncate(length);
        }
    }

    fn deleted(
        &mut self,
        path: &[u8],
        name: &[u8],
        below: &Directories,
        lower: &Place,
    ) -> Result<(), Failure> {
        let before = described(&lower.seen.entry, |()| String::new());
        let class = self.class_below(below, name, lower)?;
        self.find(path, DriftKind::Deleted, class, Some(before), None, None);
        Ok(())
    }

    fn find(
        &mut self,
        path: &[u8],
        kind: DriftKind,
        class: FileClass,
        before: Option<String>,
        after: Option<String>,
        own: Option<(&Seen, Option<Sha256>)>,
    ) {
        let size = own.and_then(|(seen, _)| match seen.entry.kind {
            Kind::File { size, .. } => Some(size),
            _ => None,
        });
        // a digest is written as one is read
        let sha256 = own.and_then(|(_, sha256)| sha256?.to_string().parse().ok());
        self.found.find(DriftFinding { class, path: printable(path), kind, before, after, size, sha256 });
    }

    /// The digest of a file that drifted. That it did does not depend on it.
    fn sha256(&mut self, own: &Directories, name: &[u8], seen: &Seen) -> Option<Sha256> {
        let Kind::File { size, .. } = seen.entry.kind else { return None };
        if size > limits::DRIFT_FILE_BYTES || elsewhere(seen) {
            return None;
        }
        self.take(size).ok()?;
        let (folder, directory) = self.own.folder(own, 0);
        folder.content(directory, name, seen).ok()
    }

    /// The digests of a file below and of the container's own.
    fn contents(
        &mut self,
        name: &[u8],
        own: &Directories,
        seen: &Seen,
        below: &Directories,
        place: &Place,
    ) -> Result<(Sha256, Sha256), Failure> {
        if let Kind::File { size, .. } = seen.entry.kind {
            self.take(size.saturating_mul(2))?;
        }
        let (folder, directory) = self.below.folder(below, place.at);
        let before = folder.content(directory, name, &place.seen)?;
        let (folder, directory) = self.own.folder(own, 0);
        Ok((before, folder.content(directory, name, seen)?))
    }

    /// Counts bytes that are hashed.
    fn take(&mut self, bytes: u64) -> Result<(), Failure> {
        let taken = self.found.bytes.saturating_add(bytes);
        if taken > limits::DRIFT_BYTES {
            self.found.is_limit = true;
            return Err(Failure::Unreadable(format!("only {} bytes are hashed", limits::DRIFT_BYTES)));
        }
        self.found.bytes = taken;
        Ok(())
    }

    fn class_of_own(&mut self, own: &Directories, name: &[u8], seen: &Seen) -> Result<FileClass, Failure> {
        let (folder, directory) = self.own.folder(own, 0);
        class_in(folder, directory, name, seen)
    }

    fn class_below(&mut self, below: &Directories, name: &[u8], place: &Place) -> Result<FileClass, Failure> {
        let (folder, directory) = self.below.folder(below, place.at);
        class_in(folder, directory, name, &place.seen)
    }

    /// Makes of what is below what the container sees.
    fn shift(&self, lower: &mut Seen) {
        let entry = &mut lower.entry;
        if self.form == Form::Overlayfs {
            // attributes of the administrator's are not copied
            entry.xattrs.retain(|name| !name.starts_with(b"trusted."));
        }
        if let Some(ids) = self.shift {
            (entry.uid, entry.gid) = ids.to_host(entry.uid, entry.gid);
        }
    }
}

/// Whether nothing is looked at in a directory, because of its depth.
pub(super) fn is_deepest(path: &[u8]) -> bool {
    path.iter().filter(|byte| **byte == b'/').count() >= limits::ROOTFS_DEPTH
}

/// What kind of file a file is.
pub(super) fn class_in(
    folder: &mut Snapshot,
    directory: &OwnedFd,
    name: &[u8],
    seen: &Seen,
) -> Result<FileClass, Failure> {
    let head = match seen.entry.kind {
        Kind::File { size: 1.., .. } => folder.head::<HEAD>(directory, name, seen)?,
        _ => Vec::new(),
    };
    Ok(class(name, &seen.entry, &head))
}

/// Whether overlayfs shows a file of another path or another layer.
fn elsewhere(seen: &Seen) -> bool {
    let has = |name: &[u8]| seen.entry.xattrs.get(name).is_some();
    has(b"trusted.overlay.redirect") || has(b"trusted.overlay.metacopy")
}
