//! Compares a tree with what is really there, seen through a [`View`], and names what is extra, missing and changed.
//!
//! Compared of every file: type, permissions with setuid, setgid and sticky bits, owner, size and content, a link's target, a
//! device's numbers, which names share one file, and extended attributes that decide what a process sees or may do. Passed over, since
//! they differ in sound snapshots: times of directories, sizes of directories, and attributes that the kernel or the site's
//! own security modules write ([`matters`]). Times of files that differ are counted.
//!
//! Nothing is read here but through the view, so that a tree in memory can be compared as well.

use std::collections::{BTreeSet, HashMap};

use assay_verifier::limits;

use super::apply::{CAPABILITY, OPAQUE, push};
use super::tree::{Bytes, Entry, Id, Kind, Sha256, Tree, printable};

/// Where files are seen, one directory at a time.
pub(crate) trait View {
    /// A directory that can be looked into.
    type Directory;

    /// The root.
    ///
    /// # Errors
    /// [`Failure`]
    fn root(&mut self) -> Result<(Seen, Self::Directory), Failure>;

    /// The names in a directory, in any order.
    ///
    /// # Errors
    /// [`Failure`]
    fn names(&mut self, directory: &Self::Directory) -> Result<Vec<Bytes>, Failure>;

    /// The file of a name.
    ///
    /// # Errors
    /// [`Failure`]
    fn look(&mut self, directory: &Self::Directory, name: &[u8]) -> Result<Seen, Failure>;

    /// The directory of a name, which was seen as one.
    ///
    /// # Errors
    /// [`Failure`]
    fn open(
        &mut self,
        directory: &Self::Directory,
        name: &[u8],
        seen: &Seen,
    ) -> Result<Self::Directory, Failure>;

    /// The digest of a regular file's content.
    ///
    /// # Errors
    /// [`Failure`]
    fn content(&mut self, directory: &Self::Directory, name: &[u8], seen: &Seen) -> Result<Sha256, Failure>;
}

/// A file that is there. Its content is read only if that matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) entry: Entry<()>,
    /// What tells that two names are of one file.
    pub(crate) file: FileId,
    /// How many names the file has; two stand for any number above one.
    pub(crate) links: u64,
    /// What changes when the file does.
    pub(crate) version: [i64; 4],
}

/// A file system and a file of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct FileId(pub(crate) u64, pub(crate) u64);

/// Why something was not seen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    #[error("it changed while it was read")]
    Changed,
}

/// What a comparison showed.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    /// In the order of their paths, at most [`limits::ROOTFS_FINDINGS`].
    pub(crate) findings: Vec<Finding>,
    /// How many more there are.
    pub(crate) more: usize,
    /// What could not be seen, with why; the first few.
    pub(crate) unseen: Vec<String>,
    /// Whether anything was not seen.
    pub(crate) is_partial: bool,
    /// Files that were looked at.
    pub(crate) files: u64,
    /// Bytes of content that were read.
    pub(crate) bytes: u64,
    /// Files whose time of change differs, which is information only.
    pub(crate) times: u64,
}

/// A difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) path: Vec<u8>,
    pub(crate) kind: Difference,
    /// The number of the layer that the path is from; none for what is in no layer.
    pub(crate) layer: Option<u16>,
    /// What should be there.
    pub(crate) before: Option<String>,
    /// What is there.
    pub(crate) after: Option<String>,
}

/// What is wrong with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Difference {
    /// It is there and should not be.
    Extra,
    /// It is not there and should be.
    Missing,
    /// It is there and is another.
    Changed,
}

/// How the files came where they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// They were unpacked.
    Unpacked,
    /// Their owners were changed as well. Files may lack their setuid and setgid bits, which the kernel takes from what gets an owner
    /// and containerd before 2 does not give back.
    Shifted,
    /// Their owners were changed on overlayfs, which copied them first: names of one file may have become files by themselves as well.
    Copied,
}

/// Compares what `view` shows with what should be there.
pub(crate) fn compare(expected: &Tree<'_>, view: &mut impl View, made: Made) -> Comparison {
    let mut walk = Walk {
        expected,
        view,
        names: expected.names_of_files(),
        made,
        ids: HashMap::new(),
        files: HashMap::new(),
        found: Comparison::default(),
    };
    let mut path = Vec::new();
    match walk.view.root() {
        Ok((seen, directory)) => {
            walk.found.files += 1;
            walk.attributes(&path, Tree::ROOT, &seen, Vec::new());
            walk.directory(&mut path, Tree::ROOT, &directory);
        }
        Err(failure) => walk.unseen(&path, &failure),
    }
    walk.found
}

struct Walk<'t, 'm, V> {
    expected: &'t Tree<'m>,
    view: &'t mut V,
    names: Vec<u16>,
    made: Made,
    /// The file that was seen under a name of each that should have several.
    ids: HashMap<Id, FileId>,
    /// Of each file that has several names, which it should be, and its content.
    files: HashMap<FileId, (Id, Option<Sha256>)>,
    found: Comparison,
}

impl<V: View> Walk<'_, '_, V> {
    fn directory(&mut self, path: &mut Vec<u8>, id: Id, directory: &V::Directory) {
        let there: BTreeSet<Bytes> = match self.view.names(directory) {
            Ok(names) => names.into_iter().collect(),
            Err(failure) => return self.unseen(path, &failure),
        };
        let expected = self.expected;
        let names = &expected.inode(id).names;
        let extra = there.iter().filter(|name| !names.contains_key(*name)).map(|name| (name, None));
        let mut all: Vec<(&Bytes, Option<Id>)> =
            names.iter().map(|(name, id)| (name, Some(*id))).chain(extra).collect();
        all.sort_unstable_by_key(|(name, _)| *name);
        for (name, id) in all {
            let length = path.len();
            push(path, name);
            match id {
                Some(id) if !there.contains(name) => self.missing(path, id),
                Some(id) => self.file(path, id, directory, name),
                None => self.extra(path, directory, name),
            }
            path.truncate(length);
        }
    }

    fn missing(&mut self, path: &[u8], id: Id) {
        let inode = self.expected.inode(id);
        let before = described(&inode.entry, |sha256| format!(" {sha256}"));
        self.find(path, Difference::Missing, Some(inode.layer), Some(before), None);
    }

    fn extra(&mut self, path: &[u8], directory: &V::Directory, name: &[u8]) {
        self.found.files += 1;
        match self.view.look(directory, name) {
            Ok(seen) => {
                let after = described(&seen.entry, |()| String::new());
                self.find(path, Difference::Extra, None, None, Some(after));
            }
            Err(failure) => self.unseen(path, &failure),
        }
    }

    fn file(&mut self, path: &mut Vec<u8>, id: Id, directory: &V::Directory, name: &[u8]) {
        self.found.files += 1;
        let seen = match self.view.look(directory, name) {
            Ok(seen) => seen,
            Err(failure) => return self.unseen(path, &failure),
        };
        let expected = self.expected;
        let entry = &expected.inode(id).entry;
        let mut differing = Vec::new();
        match (&entry.kind, &seen.entry.kind) {
            (Kind::Directory, Kind::Directory) => {
                self.attributes(path, id, &seen, differing);
                match self.view.open(directory, name, &seen) {
                    Ok(inner) => self.directory(path, id, &inner),
                    Err(failure) => self.unseen(path, &failure),
                }
                return;
            }
            (Kind::File { size, content }, Kind::File { size: there, .. }) => {
                if size != there {
                    differing.push((format!("{size} bytes, {content}"), format!("{there} bytes")));
                } else if *size > 0 {
                    match self.content(id, directory, name, &seen) {
                        Ok(found) if found == *content => {}
                        Ok(found) => differing.push((content.to_string(), found.to_string())),
                        Err(failure) => self.unseen(path, &failure),
                    }
                }
                self.found.times += u64::from(entry.mtime != seen.entry.mtime);
            }
            (Kind::Symlink(target), Kind::Symlink(there)) if target != there => {
                differing.push((format!("to {}", printable(target)), format!("to {}", printable(there))));
            }
            (Kind::Character(device), Kind::Character(there)) | (Kind::Block(device), Kind::Block(there)) => {
                if device != there {
                    differing.push((format!("device {device}"), format!("device {there}")));
                }
            }
            (Kind::Symlink(_), Kind::Symlink(_))
            | (Kind::Fifo, Kind::Fifo)
            | (Kind::Socket, Kind::Socket) => {}
            _ => {
                let texts = (
                    described(entry, |sha256| format!(" {sha256}")),
                    described(&seen.entry, |()| String::new()),
                );
                let layer = Some(expected.inode(id).layer);
                return self.find(path, Difference::Changed, layer, Some(texts.0), Some(texts.1));
            }
        }
        if self.made != Made::Copied {
            self.same_file(id, &seen, &mut differing);
        }
        self.attributes(path, id, &seen, differing);
    }

    /// The digest of a file's content, which is read once however many names it has.
    fn content(
        &mut self,
        id: Id,
        directory: &V::Directory,
        name: &[u8],
        seen: &Seen,
    ) -> Result<Sha256, Failure> {
        if let Some((_, Some(known))) = self.files.get(&seen.file) {
            return Ok(*known);
        }
        let content = self.view.content(directory, name, seen)?;
        if let Kind::File { size, .. } = seen.entry.kind {
            self.found.bytes = self.found.bytes.saturating_add(size);
        }
        if seen.links > 1 {
            self.files.insert(seen.file, (id, Some(content)));
        }
        Ok(content)
    }

    /// Whether the names of one file are names of one file.
    fn same_file(&mut self, id: Id, seen: &Seen, differing: &mut Vec<(String, String)>) {
        if seen.links > 1 {
            let (first, _) = self.files.entry(seen.file).or_insert((id, None));
            if *first != id {
                differing.push(("a file by itself".into(), "one file with another path".into()));
            }
        }
        if self.names.get(id.index()).is_some_and(|names| *names > 1)
            && *self.ids.entry(id).or_insert(seen.file) != seen.file
        {
            differing.push(("one file with another path".into(), "a file by itself".into()));
        }
    }

    /// Compares what every kind of file has, and writes down all that differs of one path.
    fn attributes(&mut self, path: &[u8], id: Id, seen: &Seen, mut differing: Vec<(String, String)>) {
        let inode = self.expected.inode(id);
        let mut found = attributes(&inode.entry, &seen.entry);
        if self.made != Made::Unpacked && matches!(inode.entry.kind, Kind::File { .. }) {
            let mut cleared = inode.entry.clone();
            cleared.mode &= !0o6000;
            if attributes(&cleared, &seen.entry).is_empty() {
                found.clear();
            }
        }
        if let Some(lower) = inode.implied.as_ref().and_then(|implied| implied.lower.as_ref()) {
            // containerd gives it the attributes that it has below, unless it unpacks layers side by side; a whiteout adds its own
            let mut copied = lower.clone();
            inode.entry.xattrs.iter().for_each(|(name, value)| copied.xattrs.insert(name, value));
            if attributes(&copied, &seen.entry).is_empty() {
                found.clear();
            }
        }
        differing.append(&mut found);
        if !differing.is_empty() {
            let (before, after): (Vec<String>, Vec<String>) = differing.into_iter().unzip();
            let layer = Some(inode.layer);
            self.find(path, Difference::Changed, layer, Some(before.join(", ")), Some(after.join(", ")));
        }
    }

    fn find(
        &mut self,
        path: &[u8],
        kind: Difference,
        layer: Option<u16>,
        before: Option<String>,
        after: Option<String>,
    ) {
        if self.found.findings.len() < limits::ROOTFS_FINDINGS {
            self.found.findings.push(Finding { path: path.to_vec(), kind, layer, before, after });
        } else {
            self.found.more += 1;
        }
    }

    fn unseen(&mut self, path: &[u8], failure: &Failure) {
        self.found.is_partial = true;
        if self.found.unseen.len() < UNSEEN {
            let path = if path.is_empty() { "its root".to_owned() } else { printable(path) };
            self.found.unseen.push(format!("{path}: {failure}"));
        }
    }
}

/// What is named of what could not be seen: one reason stands for many files.
const UNSEEN: usize = 8;

/// What differs in permissions, owner and extended attributes.
pub(super) fn attributes<C, D>(expected: &Entry<C>, seen: &Entry<D>) -> Vec<(String, String)> {
    let mut differing = Vec::new();
    let is_link = matches!(expected.kind, Kind::Symlink(_));
    if !is_link && expected.mode != seen.mode {
        differing.push((format!("mode {:04o}", expected.mode), format!("mode {:04o}", seen.mode)));
    }
    if (expected.uid, expected.gid) != (seen.uid, seen.gid) {
        let owner = |uid, gid| format!("owner {uid}:{gid}");
        differing.push((owner(expected.uid, expected.gid), owner(seen.uid, seen.gid)));
    }
    let names: BTreeSet<&[u8]> = expected
        .xattrs
        .iter()
        .chain(seen.xattrs.iter())
        .map(|(name, _)| name)
        .filter(|name| matters(name))
        .collect();
    for name in names {
        let values = [expected.xattrs.get(name), seen.xattrs.get(name)];
        if values[0] != values[1] {
            let text = |value: Option<&[u8]>| match value {
                None => format!("no attribute {}", printable(name)),
                Some(value) => {
                    let end = value.len().min(XATTR_SHOWN);
                    let hex: String = value[..end].iter().map(|byte| format!("{byte:02x}")).collect();
                    let more = if end < value.len() { "…" } else { "" };
                    format!("attribute {} 0x{hex}{more}", printable(name))
                }
            };
            let [before, after] = values.map(text);
            differing.push((before, after));
        }
    }
    differing
}

/// Bytes of an attribute's value that are shown.
const XATTR_SHOWN: usize = 32;

/// Whether an extended attribute decides what a process sees or may do, and is from the layer alone.
///
/// Others are passed over: `security.selinux`, `security.ima`, `security.evm` and their like are written by the node's own security
/// modules, `trusted.overlay.origin`, `impure`, `nlink`, `upper` and `uuid` by the kernel where overlayfs copied a file up.
pub(crate) fn matters(name: &[u8]) -> bool {
    // those by which overlayfs shows something else than what is in the folder
    let overlay = name.strip_prefix(b"trusted.overlay.").or_else(|| name.strip_prefix(b"user.overlay."));
    if let Some(overlay) = overlay {
        return matches!(overlay, b"opaque" | b"redirect" | b"metacopy" | b"whiteout" | b"whiteouts");
    }
    name == CAPABILITY
        || name == OPAQUE
        || name.starts_with(b"user.")
        || matches!(name, b"system.posix_acl_access" | b"system.posix_acl_default")
}

/// A file in a few words.
pub(super) fn described<C>(entry: &Entry<C>, content: impl Fn(&C) -> String) -> String {
    let Entry { kind, mode, uid, gid, .. } = entry;
    let more = match kind {
        Kind::File { size, content: of } => format!(" of {size} bytes{}", content(of)),
        Kind::Symlink(target) => format!(" to {}", printable(target)),
        Kind::Character(device) | Kind::Block(device) => format!(" {device}"),
        Kind::Directory | Kind::Fifo | Kind::Socket => String::new(),
    };
    format!("{}{more}, mode {mode:04o}, owner {uid}:{gid}", kind.word())
}
