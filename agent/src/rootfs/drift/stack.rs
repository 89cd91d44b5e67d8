//! Shows the folders of snapshots that lie on each other as one, as overlayfs does.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;

use crate::rootfs::apply::OPAQUE;
use crate::rootfs::compare::{Failure, Seen, View as _};
use crate::rootfs::shelf::Form;
use crate::rootfs::snapshot::Snapshot;
use crate::rootfs::tree::{Bytes, Found, Kind, TooManyLinks, WHITEOUT, resolve};

/// Folders of snapshots, the uppermost first.
pub(super) struct Stack {
    folders: Vec<Snapshot>,
    form: Form,
}

/// A directory of a [`Stack`]: those of the folders that it is made of, the uppermost first.
pub(super) type Directories = Vec<(usize, OwnedFd)>;

/// A file of a [`Stack`], with its place among the [`Directories`].
pub(super) struct Place {
    pub(super) at: usize,
    pub(super) seen: Seen,
}

impl Stack {
    pub(super) fn new(folders: Vec<Snapshot>, form: Form) -> Self {
        Self { folders, form }
    }

    /// The root; none of nothing.
    pub(super) fn root(&mut self) -> Result<Option<Seen>, Failure> {
        self.folders.first_mut().map(|folder| Ok(folder.root()?.0)).transpose()
    }

    /// The folder that a directory is of.
    pub(super) fn folder<'a>(
        &'a mut self,
        directories: &'a Directories,
        at: usize,
    ) -> (&'a mut Snapshot, &'a OwnedFd) {
        // places are made by this stack alone
        let (folder, directory) = &directories[at];
        (&mut self.folders[*folder], directory)
    }

    /// The directory at `path`, in which no link is followed; of nothing if no directory is there.
    pub(super) fn directories(&mut self, path: &[u8]) -> Result<Directories, Failure> {
        let mut found = Directories::new();
        for (at, folder) in self.folders.iter_mut().enumerate() {
            found.push((at, folder.root()?.1));
        }
        for name in components(path) {
            let mut inner = Directories::new();
            for (at, directory) in &found {
                let folder = &mut self.folders[*at];
                let Some(seen) = folder.look_for(directory, name)? else { continue };
                if seen.entry.kind != Kind::Directory {
                    break;
                }
                inner.push((*at, folder.open(directory, name, &seen)?));
                if is_opaque(&seen, self.form) {
                    break;
                }
            }
            found = inner;
        }
        Ok(found)
    }

    /// The file of a name in a directory.
    pub(super) fn look(&mut self, directories: &Directories, name: &[u8]) -> Result<Option<Place>, Failure> {
        for at in 0..directories.len() {
            let (folder, directory) = self.folder(directories, at);
            if let Some(seen) = folder.look_for(directory, name)? {
                let is_there = !is_whiteout(&seen, self.form);
                return Ok(is_there.then_some(Place { at, seen }));
            }
        }
        Ok(None)
    }

    /// The names in a directory.
    pub(super) fn names(&mut self, directories: &Directories) -> Result<BTreeSet<Bytes>, Failure> {
        let mut names = BTreeSet::new();
        for at in 0..directories.len() {
            let (folder, directory) = self.folder(directories, at);
            names.extend(folder.names(directory)?);
        }
        if self.form == Form::Overlayfs {
            let mut shown = BTreeSet::new();
            for name in names {
                if self.look(directories, &name)?.is_some() {
                    shown.insert(name);
                }
            }
            return Ok(shown);
        }
        Ok(names)
    }

    /// The path that `path` leads to if all links are followed inside of the stack.
    pub(super) fn resolve(&mut self, path: &[u8]) -> Result<Vec<u8>, Failure> {
        let resolved = resolve::<Unresolved>(path, |path| {
            let Some((name, parent)) = path.split_last() else { return Ok(Found::Directory) };
            let directories = self.directories(&parent.join(&b'/'))?;
            Ok(match self.look(&directories, name)?.map(|place| place.seen.entry.kind) {
                None => Found::Nothing,
                Some(Kind::Directory) => Found::Directory,
                Some(Kind::Symlink(target)) => Found::Symlink(target),
                Some(_) => Found::Other,
            })
        });
        Ok(resolved.map_err(|failure| failure.0)?.join(&b'/'))
    }
}

/// Whether a file is what overlayfs takes for the absence of one.
pub(super) fn is_whiteout(seen: &Seen, form: Form) -> bool {
    form == Form::Overlayfs && seen.entry.kind == Kind::Character(WHITEOUT)
}

/// Whether overlayfs shows nothing of a directory from below.
pub(super) fn is_opaque(seen: &Seen, form: Form) -> bool {
    form == Form::Overlayfs && seen.entry.xattrs.get(OPAQUE) == Some(b"y")
}

/// The names of a path.
fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|name| !name.is_empty())
}

struct Unresolved(Failure);

impl From<Failure> for Unresolved {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl From<TooManyLinks> for Unresolved {
    fn from(error: TooManyLinks) -> Self {
        Self(Failure::Unreadable(error.to_string()))
    }
}
