//! A file tree over any content: what a snapshot must hold, or what a folder holds.
//!
//! Names are bytes. A file's content is its size and its SHA-256. Hard links are several names of one [`Inode`]. The tree is plain
//! data: it reads nothing. Trees that are made at once share a bound on their [`Memory`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) use assay_judge::layer::{Bytes, Device, Kind, Sha256, WHITEOUT, printable};
use assay_verifier::limits;

/// A file of any kind, without its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry<C = Sha256> {
    pub(crate) kind: Kind<C>,
    /// Permissions with setuid, setgid and sticky bits. Of no meaning for a symbolic link.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Seconds since 1970.
    pub(crate) mtime: i64,
    pub(crate) xattrs: Xattrs,
}

impl<C> Entry<C> {
    /// A file of that kind, of the user root.
    pub(crate) fn new(kind: Kind<C>, mode: u32) -> Self {
        Self { kind, mode, uid: 0, gid: 0, mtime: 0, xattrs: Xattrs::default() }
    }
}

/// Extended attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Xattrs(BTreeMap<Bytes, Bytes>);

impl Xattrs {
    pub(crate) fn insert(&mut self, name: &[u8], value: &[u8]) {
        self.0.insert(name.into(), value.into());
    }

    pub(crate) fn remove(&mut self, name: &[u8]) {
        self.0.remove(name);
    }

    /// Keeps those whose names `is_kept` says.
    pub(crate) fn retain(&mut self, is_kept: impl Fn(&[u8]) -> bool) {
        self.0.retain(|name, _| is_kept(name));
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.0.get(name).map(AsRef::as_ref)
    }

    /// In the order of their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}

/// The number of an [`Inode`] in its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id(u32);

impl Id {
    /// Its place in a list that has one of something for each inode.
    pub(crate) fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(0)
    }
}

/// A file, and of a directory the names in it.
#[derive(Debug)]
pub(crate) struct Inode {
    pub(crate) entry: Entry,
    /// Empty but in a directory.
    pub(crate) names: BTreeMap<Bytes, Id>,
    /// The number of the layer that it is from.
    pub(crate) layer: u16,
    /// Of a directory that the layer has no entry of, the same directory in the layers below.
    pub(crate) implied: Option<Box<Implied>>,
}

/// What is known of a directory that only stands in the paths of a layer's entries.
#[derive(Debug, Default)]
pub(crate) struct Implied {
    /// The same directory in the layers below, if there is one.
    pub(crate) lower: Option<Entry>,
}

/// What the trees that are made at once may take of memory, with what it takes to read their layers.
#[derive(Debug)]
pub(crate) struct Memory {
    left: AtomicUsize,
    /// The largest window of Zstandard that a layer may need.
    pub(crate) window: u64,
}

impl Memory {
    /// For trees that are made beside each other.
    pub(crate) fn shared() -> Self {
        Self { left: AtomicUsize::new(limits::ROOTFS_MEMORY_BYTES), window: limits::ROOTFS_WINDOW_BYTES }
    }

    /// For one tree at a time.
    pub(crate) fn alone() -> Self {
        Self { window: limits::ZSTD_WINDOW_BYTES, ..Self::shared() }
    }
}

/// A tree of files.
#[derive(Debug)]
pub(crate) struct Tree<'m> {
    inodes: Vec<Inode>,
    memory: &'m Memory,
    taken: usize,
}

impl Drop for Tree<'_> {
    fn drop(&mut self) {
        self.memory.left.fetch_add(self.taken, Ordering::Relaxed);
    }
}

impl<'m> Tree<'m> {
    /// The root of every tree.
    pub(crate) const ROOT: Id = Id(0);

    /// A tree of a root directory alone, as a snapshotter makes it.
    pub(crate) fn new(memory: &'m Memory) -> Self {
        let entry = Entry::new(Kind::Directory, 0o755);
        Self {
            inodes: vec![Inode { entry, names: BTreeMap::new(), layer: 0, implied: None }],
            memory,
            taken: 0,
        }
    }

    /// Counts bytes that the tree, or what belongs to it, will take.
    ///
    /// # Errors
    /// [`TooLarge::Memory`]
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), TooLarge> {
        let taken = self
            .memory
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        taken.map_err(|_| TooLarge::Memory)?;
        self.taken += bytes;
        Ok(())
    }

    /// Gives back bytes that were taken and are free again.
    pub(crate) fn give_back(&mut self, bytes: usize) {
        self.taken -= bytes;
        self.memory.left.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn memory(&self) -> &'m Memory {
        self.memory
    }

    pub(crate) fn inode(&self, id: Id) -> &Inode {
        // ids are made by this tree alone, which never removes an inode
        &self.inodes[id.index()]
    }

    pub(crate) fn inode_mut(&mut self, id: Id) -> &mut Inode {
        &mut self.inodes[id.index()]
    }

    /// The file at that path.
    pub(crate) fn get(&self, path: &[Bytes]) -> Option<Id> {
        path.iter().try_fold(Self::ROOT, |id, name| self.inode(id).names.get(name).copied())
    }

    /// Adds a file to a directory, in place of what had that name.
    ///
    /// # Errors
    /// [`TooLarge`]
    pub(crate) fn add(
        &mut self,
        directory: Id,
        name: &[u8],
        entry: Entry,
        layer: u16,
    ) -> Result<Id, TooLarge> {
        let target = if let Kind::Symlink(target) = &entry.kind { target.len() } else { 0 };
        self.take(INODE_BYTES + target)?;
        let id = Id(u32::try_from(self.inodes.len()).map_err(|_| TooLarge::Memory)?);
        self.inodes.push(Inode { entry, names: BTreeMap::new(), layer, implied: None });
        self.link(directory, name, id)?;
        Ok(id)
    }

    /// Gives a file one more name.
    ///
    /// # Errors
    /// [`TooLarge`]
    pub(crate) fn link(&mut self, directory: Id, name: &[u8], id: Id) -> Result<(), TooLarge> {
        self.take(NAME_BYTES + name.len())?;
        self.inode_mut(directory).names.insert(name.into(), id);
        Ok(())
    }

    /// Takes a name away, with everything under it.
    pub(crate) fn remove(&mut self, directory: Id, name: &[u8]) {
        self.inode_mut(directory).names.remove(name);
    }

    /// Lays the folder of the next layer over this tree, as overlayfs shows both. Names of one file become files by themselves.
    ///
    /// # Errors
    /// [`TooLarge`]
    pub(crate) fn lay_over(&mut self, upper: &Tree<'_>, opaque: &[u8]) -> Result<(), TooLarge> {
        self.lay(Self::ROOT, upper, Self::ROOT, opaque)
    }

    fn lay(&mut self, into: Id, upper: &Tree<'_>, from: Id, opaque: &[u8]) -> Result<(), TooLarge> {
        let above = upper.inode(from);
        if above.entry.xattrs.get(opaque).is_some() {
            self.inode_mut(into).names.clear();
        }
        let (entry, layer) = (above.entry.clone(), above.layer);
        let implied =
            above.implied.as_ref().map(|implied| Box::new(Implied { lower: implied.lower.clone() }));
        let inode = self.inode_mut(into);
        (inode.entry, inode.layer, inode.implied) = (entry, layer, implied);
        inode.entry.xattrs.remove(opaque);
        for (name, id) in &above.names {
            let above = upper.inode(*id);
            match above.entry.kind {
                Kind::Character(WHITEOUT) => self.remove(into, name),
                Kind::Directory => {
                    let there = self.inode(into).names.get(name).copied();
                    let inner = match there.filter(|id| self.inode(*id).entry.kind == Kind::Directory) {
                        Some(inner) => inner,
                        None => self.add(into, name, above.entry.clone(), above.layer)?,
                    };
                    self.lay(inner, upper, *id, opaque)?;
                }
                _ => drop(self.add(into, name, above.entry.clone(), above.layer)?),
            }
        }
        Ok(())
    }

    /// Makes each name of a symbolic link, a device or a FIFO a file by itself. containerd does so wherever it copies a snapshot
    /// (continuity, `fs/copy.go`).
    ///
    /// # Errors
    /// [`TooLarge`]
    pub(crate) fn split_special_files(&mut self) -> Result<(), TooLarge> {
        let names = self.names_of_files();
        let is_shared = |id: Id| {
            let kind = &self.inode(id).entry.kind;
            names[id.index()] > 1 && !matches!(kind, Kind::File { .. })
        };
        let mut further = Vec::new();
        let mut seen = BTreeSet::new();
        for directory in (0..).map(Id).take(self.inodes.len()) {
            for (name, id) in &self.inode(directory).names {
                if is_shared(*id) && !seen.insert(*id) {
                    further.push((directory, name.clone(), *id));
                }
            }
        }
        for (directory, name, id) in further {
            let (entry, layer) = (self.inode(id).entry.clone(), self.inode(id).layer);
            self.add(directory, &name, entry, layer)?;
        }
        Ok(())
    }

    /// How many names each file has, by [`Id::index`]; directories have none here.
    pub(crate) fn names_of_files(&self) -> Vec<u16> {
        let mut names = vec![0; self.inodes.len()];
        self.count_names(Self::ROOT, &mut names);
        names
    }

    fn count_names(&self, directory: Id, names: &mut [u16]) {
        for id in self.inode(directory).names.values() {
            match self.inode(*id).entry.kind {
                Kind::Directory => self.count_names(*id, names),
                _ => names[id.index()] = names[id.index()].saturating_add(1),
            }
        }
    }

    /// Changes every file once for each of its names, and what is known of directories that are implied.
    pub(crate) fn each_entry(&mut self, change: impl Fn(&mut Entry)) {
        let names = self.names_of_files();
        for (inode, names) in self.inodes.iter_mut().zip(names) {
            (0..names.max(1)).for_each(|_| change(&mut inode.entry));
            inode.implied.iter_mut().filter_map(|implied| implied.lower.as_mut()).for_each(&change);
        }
    }

    /// What is at a path, without following a link at its end.
    pub(crate) fn look(&self, path: &[Bytes]) -> Found {
        match self.get(path).map(|id| &self.inode(id).entry.kind) {
            None => Found::Nothing,
            Some(Kind::Directory) => Found::Directory,
            Some(Kind::Symlink(target)) => Found::Symlink(target.clone()),
            Some(_) => Found::Other,
        }
    }
}

/// Bytes that an inode takes, with the room that its list keeps for more.
const INODE_BYTES: usize = 240;

/// Bytes that a name takes in its directory, beside its letters.
const NAME_BYTES: usize = 80;

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    Directory,
    Symlink(Bytes),
    Other,
}

/// Follows every link of a path inside of its root, as containerd's `fs.RootPath` does: an absolute target begins at the root,
/// `..` does not leave it, and what is not there is no link. `look` says what is at a path that has no links before its end.
///
/// # Errors
/// `E` of `look`, and [`TooManyLinks`] as `E`.
pub(crate) fn resolve<E: From<TooManyLinks>>(
    path: &[u8],
    mut look: impl FnMut(&[Bytes]) -> Result<Found, E>,
) -> Result<Vec<Bytes>, E> {
    // the components that are still to come, the next one last
    let mut rest: Vec<Bytes> = Vec::new();
    let push = |rest: &mut Vec<Bytes>, path: &[u8]| {
        rest.extend(path.split(|byte| *byte == b'/').rev().filter(|name| !name.is_empty()).map(Bytes::from));
    };
    push(&mut rest, path);
    let mut resolved: Vec<Bytes> = Vec::new();
    let mut links = 0;
    while let Some(name) = rest.pop() {
        match &*name {
            b"." => continue,
            b".." => {
                resolved.pop();
                continue;
            }
            _ => resolved.push(name),
        }
        if let Found::Symlink(target) = look(&resolved)? {
            links += 1;
            if links > LINKS {
                return Err(TooManyLinks.into());
            }
            resolved.pop();
            if target.first() == Some(&b'/') {
                resolved.clear();
            }
            push(&mut rest, &target);
        }
    }
    Ok(resolved)
}

/// Links that containerd follows in one path.
const LINKS: usize = 255;

/// A path goes through more than [`LINKS`] links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the path goes through more than {LINKS} symbolic links")]
pub(crate) struct TooManyLinks;

/// A tree is past a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooLarge {
    #[error(
        "its files take more than the {} bytes of memory that there are for them",
        limits::ROOTFS_MEMORY_BYTES
    )]
    Memory,
    #[error("its directories are more than {} deep", limits::ROOTFS_DEPTH)]
    Depth,
    #[error("it has a path of more than {} bytes", limits::ROOTFS_PATH_BYTES)]
    Path,
}
