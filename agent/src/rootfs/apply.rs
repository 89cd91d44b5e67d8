//! Applies the entries of a layer to a tree as containerd does (`pkg/archive/tar.go`, `tar_opts_linux.go`), without a disk.
//!
//! The outcome is what the snapshot's folder must hold. On overlayfs that is the folder of this one layer, in which whiteouts are
//! devices and attributes; for the native snapshotter, and for the lowest layer of overlayfs, which containerd unpacks into a plain
//! folder, whiteouts take away what is there. What containerd refuses to unpack is [`Refused`].

use std::collections::HashSet;

use assay_judge::layer::{Member, MemberKind};
use assay_verifier::limits;

use super::tree::{
    Bytes, Entry, Id, Implied, Kind, TooLarge, TooManyLinks, Tree, WHITEOUT, printable, resolve,
};

/// What becomes of whiteouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whiteouts {
    /// They remove what they hide.
    Remove,
    /// They become devices 0:0 and the attribute [`OPAQUE`].
    Overlay,
}

/// The snapshots below the one that is made, the uppermost first.
pub(crate) trait Lower {
    /// The directory at `path` in the first of them that has anything there; none if that is not a directory.
    ///
    /// # Errors
    /// Why it cannot be told.
    fn directory(&mut self, path: &[Bytes]) -> Result<Option<Entry>, String>;
}

/// A layer while it is applied.
pub(crate) struct Applier<'t, 'm> {
    tree: &'t mut Tree<'m>,
    whiteouts: Whiteouts,
    lower: &'t mut dyn Lower,
    layer: u16,
    /// The paths that this layer wrote, which its opaque whiteouts do not hide. Empty on overlayfs, which needs none.
    unpacked: HashSet<Vec<u8>>,
}

impl<'t, 'm> Applier<'t, 'm> {
    pub(crate) fn new(
        tree: &'t mut Tree<'m>,
        whiteouts: Whiteouts,
        lower: &'t mut dyn Lower,
        layer: u16,
    ) -> Self {
        Self { tree, whiteouts, lower, layer, unpacked: HashSet::new() }
    }

    /// The tree as it is so far.
    pub(crate) fn tree(&mut self) -> &mut Tree<'m> {
        self.tree
    }

    /// Applies one entry, in the order of the tar.
    ///
    /// # Errors
    /// [`Problem`]
    pub(crate) fn apply(&mut self, member: &Member) -> Result<(), Problem> {
        let (parent, base) = self.place(&member.path)?;
        let base = &base[..];
        if matches!(base, b"" | b"." | b"..") {
            // the root keeps what the snapshotter gave it
            return Ok(());
        }
        if parent.len() >= limits::ROOTFS_DEPTH {
            return Err(TooLarge::Depth.into());
        }
        let directory = self.make_parents(&parent).map_err(|problem| problem.at(&member.path))?;
        if let Some(hidden) = base.strip_prefix(b".wh.") {
            return self.whiteout(directory, &parent, base, hidden, member);
        }
        self.write(directory, &parent, base, member)
    }

    /// The directory that an entry goes into, and its name there. For the root directory itself the name is empty, `.` or `..`.
    ///
    /// # Errors
    /// [`Problem`]
    pub(crate) fn place(&self, path: &[u8]) -> Result<(Vec<Bytes>, Bytes), Problem> {
        if path.len() > limits::ROOTFS_PATH_BYTES {
            return Err(TooLarge::Path.into());
        }
        let clean = clean(path);
        let (parent, base) = split(&clean);
        let parent = self.resolve(parent).map_err(|_| Problem::refused(path, Refusal::Links))?;
        Ok((parent, base.into()))
    }

    fn resolve(&self, path: &[u8]) -> Result<Vec<Bytes>, TooManyLinks> {
        resolve(path, |path| Ok(self.tree.look(path)))
    }

    /// The directory at `path`, made where it is not there yet.
    fn make_parents(&mut self, path: &[Bytes]) -> Result<Id, Problem> {
        let mut id = Tree::ROOT;
        for (at, name) in path.iter().enumerate() {
            let there = self.tree.inode(id).names.get(name).copied();
            id = match there {
                Some(there) if self.tree.inode(there).entry.kind == Kind::Directory => there,
                Some(_) => return Err(Problem::refused(b"", Refusal::NotADirectory)),
                None => {
                    let path = &path[..=at];
                    let lower = self.lower.directory(path).map_err(Problem::Lower)?;
                    let made = self.tree.add(id, name, Entry::new(Kind::Directory, 0o755), self.layer)?;
                    self.tree.inode_mut(made).implied = Some(Box::new(Implied { lower }));
                    made
                }
            };
        }
        Ok(id)
    }

    fn whiteout(
        &mut self,
        directory: Id,
        parent: &[Bytes],
        base: &[u8],
        hidden: &[u8],
        member: &Member,
    ) -> Result<(), Problem> {
        let is_opaque = base == b".wh..wh..opq";
        if !is_opaque && matches!(hidden, b"" | b"." | b"..") {
            return Err(Problem::refused(&member.path, Refusal::Whiteout));
        }
        match (self.whiteouts, is_opaque) {
            (Whiteouts::Remove, true) => {
                let mut path = join(parent);
                self.remove_lower(directory, &mut path);
            }
            (Whiteouts::Remove, false) => self.tree.remove(directory, hidden),
            (Whiteouts::Overlay, true) => self.tree.inode_mut(directory).entry.xattrs.insert(OPAQUE, b"y"),
            (Whiteouts::Overlay, false) => {
                if self.tree.inode(directory).names.contains_key(hidden) {
                    return Err(Problem::refused(&member.path, Refusal::WhiteoutOfOwn));
                }
                let mut entry = Entry::new(Kind::Character(WHITEOUT), 0);
                (entry.uid, entry.gid) = (member.uid, member.gid);
                self.tree.add(directory, hidden, entry, self.layer)?;
            }
        }
        Ok(())
    }

    /// Removes everything below a directory that this layer has not written. A directory that was only implied goes, with all
    /// that is in it.
    fn remove_lower(&mut self, directory: Id, path: &mut Vec<u8>) {
        let names: Vec<(Bytes, Id)> =
            self.tree.inode(directory).names.iter().map(|(name, id)| (name.clone(), *id)).collect();
        for (name, id) in names {
            let length = path.len();
            push(path, &name);
            if !self.unpacked.contains(path) {
                self.tree.remove(directory, &name);
            } else {
                self.remove_lower(id, path);
            }
            path.truncate(length);
        }
    }

    fn write(
        &mut self,
        directory: Id,
        parent: &[Bytes],
        base: &[u8],
        member: &Member,
    ) -> Result<(), Problem> {
        let refused = |why| Problem::refused(&member.path, why);
        if base.len() > NAME_BYTES {
            return Err(refused(Refusal::Name));
        }
        let there = self.tree.inode(directory).names.get(base).copied();
        let is_directory = matches!(member.kind, MemberKind::Plain(Kind::Directory));
        let merged = there.filter(|id| is_directory && self.tree.inode(*id).entry.kind == Kind::Directory);
        if there.is_some() && merged.is_none() {
            self.tree.remove(directory, base);
        }
        let id = match &member.kind {
            MemberKind::GlobalHeader => None,
            MemberKind::Plain(kind) => Some(match merged {
                Some(id) => id,
                None => self.tree.add(directory, base, Entry::new(kind.clone(), 0), self.layer)?,
            }),
            MemberKind::HardLink(target) => {
                let id = self.link_target(target).map_err(refused)?;
                self.tree.link(directory, base, id)?;
                Some(id)
            }
        };
        if let Some(id) = id {
            self.attributes(id, member)?;
        }
        if self.whiteouts == Whiteouts::Remove {
            let mut path = join(parent);
            push(&mut path, base);
            self.tree.take(PATH_BYTES + path.len())?;
            self.unpacked.insert(path);
        }
        Ok(())
    }

    /// The file that a hard link is one more name of. A link at its end is not followed.
    fn link_target(&self, target: &[u8]) -> Result<Id, Refusal> {
        let (parent, base) = split(target);
        let mut path = self.resolve(parent).map_err(|_| Refusal::Links)?;
        match base {
            b"" | b"." => {}
            b".." => drop(path.pop()),
            base => path.push(base.into()),
        }
        let id = self.tree.get(&path).ok_or(Refusal::LinkToNothing)?;
        match self.tree.inode(id).entry.kind {
            Kind::Directory => Err(Refusal::LinkToDirectory),
            _ => Ok(id),
        }
    }

    /// Owner, extended attributes and mode, in containerd's order.
    fn attributes(&mut self, id: Id, member: &Member) -> Result<(), Problem> {
        let bytes = |(name, value): &(Vec<u8>, Vec<u8>)| XATTR_BYTES + name.len() + value.len();
        self.tree.take(member.xattrs.iter().map(bytes).sum())?;
        let inode = self.tree.inode_mut(id);
        inode.layer = self.layer;
        inode.implied = None;
        let entry = &mut inode.entry;
        (entry.uid, entry.gid, entry.mtime) = (member.uid, member.gid, member.mtime);
        if entry.kind != Kind::Directory {
            // the kernel takes capabilities from what gets an owner, another name of the file included
            entry.xattrs.remove(CAPABILITY);
        }
        for (name, value) in &member.xattrs {
            let may_have = matches!(entry.kind, Kind::Directory | Kind::File { .. });
            if name.starts_with(b"trusted.") || (name.starts_with(b"user.") && !may_have) {
                continue;
            }
            entry.xattrs.insert(name, value);
        }
        if !matches!(entry.kind, Kind::Symlink(_)) {
            entry.mode = member.mode & 0o7777;
        }
        Ok(())
    }
}

/// The attribute by which overlayfs does not merge a directory with those below.
pub(crate) const OPAQUE: &[u8] = b"trusted.overlay.opaque";

/// The attribute that holds the capabilities of a program.
pub(crate) const CAPABILITY: &[u8] = b"security.capability";

/// Bytes that an extended attribute and a remembered path take, beside their letters.
const XATTR_BYTES: usize = 128;
const PATH_BYTES: usize = 64;

/// Bytes of one name that Linux takes.
const NAME_BYTES: usize = 255;

/// Why a layer cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    /// containerd does not unpack it either, so that no snapshot of it is right.
    #[error("containerd does not unpack its entry {}: {why}", printable(path))]
    Refused { path: Vec<u8>, why: Refusal },
    /// It is past a bound.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The snapshots below cannot be read.
    #[error("{0}")]
    Lower(String),
}

impl Problem {
    fn refused(path: &[u8], why: Refusal) -> Self {
        Self::Refused { path: path.to_vec(), why }
    }

    /// The same problem with an entry that was not named.
    fn at(self, path: &[u8]) -> Self {
        match self {
            Self::Refused { why, .. } => Self::refused(path, why),
            other => other,
        }
    }
}

/// Why containerd does not unpack an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{TooManyLinks}")]
    Links,
    #[error("a part of its path is not a directory")]
    NotADirectory,
    #[error("a whiteout of nothing that can have a name")]
    Whiteout,
    #[error("a whiteout of what the same layer has")]
    WhiteoutOfOwn,
    #[error("a name of more than {NAME_BYTES} bytes")]
    Name,
    #[error("a hard link to what the layer does not have yet")]
    LinkToNothing,
    #[error("a hard link to a directory")]
    LinkToDirectory,
}

/// A path without `.`, empty parts and `..` after a name, as Go's `filepath.Clean`.
fn clean(path: &[u8]) -> Vec<u8> {
    let is_rooted = path.first() == Some(&b'/');
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match (part, parts.last()) {
            (b"" | b".", _) => {}
            (b"..", Some(last)) if *last != b".." => drop(parts.pop()),
            (b"..", None) if is_rooted => {}
            _ => parts.push(part),
        }
    }
    let mut clean = if is_rooted { vec![b'/'] } else { Vec::new() };
    clean.extend(parts.join(&b'/'));
    if clean.is_empty() { b".".to_vec() } else { clean }
}

/// What is before the last slash, and what is after it.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    path.split_at(path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1))
}

fn join(path: &[Bytes]) -> Vec<u8> {
    path.join(&b'/')
}

/// Adds one more name to a path.
pub(crate) fn push(path: &mut Vec<u8>, name: &[u8]) {
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend(name);
}
