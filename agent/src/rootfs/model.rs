//! Shows a tree as if it were on a disk, for tests and fuzz targets.

use super::apply::Lower;
use super::compare::{Failure, FileId, Seen, View};
use super::tree::{Bytes, Entry, Id, Kind, Sha256, Tree};

/// Nothing below.
pub(super) struct Nothing;

impl Lower for Nothing {
    fn directory(&mut self, _: &[Bytes]) -> Result<Option<Entry>, String> {
        Ok(None)
    }
}

/// A tree seen as if it were on a disk.
pub(super) struct Seeing<'t, 'm>(pub(super) &'t Tree<'m>);

impl Seeing<'_, '_> {
    fn seen(&self, id: Id) -> Seen {
        let Entry { kind, mode, uid, gid, mtime, xattrs } = self.0.inode(id).entry.clone();
        let kind = match kind {
            Kind::Directory => Kind::Directory,
            Kind::File { size, .. } => Kind::File { size, content: () },
            Kind::Symlink(target) => Kind::Symlink(target),
            Kind::Character(device) => Kind::Character(device),
            Kind::Block(device) => Kind::Block(device),
            Kind::Fifo => Kind::Fifo,
            Kind::Socket => Kind::Socket,
        };
        let entry = Entry { kind, mode, uid, gid, mtime, xattrs };
        Seen {
            entry,
            file: FileId(0, u64::try_from(id.index()).unwrap_or(u64::MAX)),
            links: 2,
            version: [0; 4],
        }
    }
}

impl View for Seeing<'_, '_> {
    type Directory = Id;

    fn root(&mut self) -> Result<(Seen, Id), Failure> {
        Ok((self.seen(Tree::ROOT), Tree::ROOT))
    }

    fn names(&mut self, directory: &Id) -> Result<Vec<Bytes>, Failure> {
        Ok(self.0.inode(*directory).names.keys().rev().cloned().collect())
    }

    fn look(&mut self, directory: &Id, name: &[u8]) -> Result<Seen, Failure> {
        Ok(self.seen(self.0.inode(*directory).names[name]))
    }

    fn open(&mut self, directory: &Id, name: &[u8], _: &Seen) -> Result<Id, Failure> {
        Ok(self.0.inode(*directory).names[name])
    }

    fn content(&mut self, directory: &Id, name: &[u8], _: &Seen) -> Result<Sha256, Failure> {
        match &self.0.inode(self.0.inode(*directory).names[name]).entry.kind {
            Kind::File { content, .. } => Ok(*content),
            _ => Err(Failure::Changed),
        }
    }
}
