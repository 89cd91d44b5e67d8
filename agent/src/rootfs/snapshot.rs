//! Reads the folder of an unpacked snapshot without ever leaving it, and without writing, mounting or locking anything.
//!
//! Directories are walked by descriptors, one name at a time, and no link is followed. Where the kernel has `openat2`, it also
//! refuses what is mounted over a path. Only regular files and directories are opened; FIFOs and devices never are. What changed
//! while it was read is a [`Failure::Changed`]. Times of access are left alone where the kernel allows that.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::path::Path;

use assay_verifier::limits;
use assay_verifier::oci::DigestAlgorithm;
use rustix::buffer::spare_capacity;
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RawDir, ResolveFlags, Stat, fstat, lgetxattr, llistxattr, major,
    minor, openat, openat2, readlinkat, statat,
};
use rustix::io::Errno;

use super::apply::Lower;
use super::compare::{Failure, FileId, Seen, View, matters};
use super::tree::{Bytes, Device, Entry, Found, Kind, Sha256, Xattrs, resolve};

/// The folder of a snapshot.
pub(crate) struct Snapshot {
    root: OwnedFd,
    buffer: Vec<u8>,
    /// What its files' content is told by.
    pub(super) told_by: ToldBy,
}

/// What the content of files is told by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ToldBy {
    /// Its SHA-256.
    Digest,
    /// The [`identity`] of the file.
    Identity,
}

impl Snapshot {
    /// Opens the folder `parts` in the folder of a snapshotter. The way to the latter may have links; it is the site's own.
    ///
    /// # Errors
    /// [`Failure::Unreadable`]
    pub(crate) fn open(snapshotter: &Path, parts: &[&str]) -> Result<Self, Failure> {
        let mut root =
            openat(CWD, snapshotter, DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(unreadable)?;
        for part in parts {
            root = openat(&root, *part, DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
                .map_err(unreadable)?;
        }
        Ok(Self { root, buffer: Vec::new(), told_by: ToldBy::Digest })
    }

    fn seen(&mut self, directory: &OwnedFd, name: &[u8], stat: &Stat) -> Result<Seen, Failure> {
        let number = |number: i64| u64::try_from(number).unwrap_or(0);
        let device = || Device(major(stat.st_rdev), minor(stat.st_rdev));
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Kind::Directory,
            FileType::RegularFile => Kind::File { size: number(stat.st_size), content: () },
            FileType::Symlink => {
                let target = readlinkat(directory, name, Vec::new()).map_err(failure)?;
                Kind::Symlink(target.into_bytes().into())
            }
            FileType::CharacterDevice => Kind::Character(device()),
            FileType::BlockDevice => Kind::Block(device()),
            FileType::Fifo => Kind::Fifo,
            FileType::Socket => Kind::Socket,
            FileType::Unknown => return Err(Failure::Unreadable("it is of a type that is not known".into())),
        };
        Ok(Seen {
            entry: Entry {
                kind,
                mode: stat.st_mode & 0o7777,
                uid: stat.st_uid,
                gid: stat.st_gid,
                mtime: stat.st_mtime,
                xattrs: xattrs(directory, name)?,
            },
            file: FileId(stat.st_dev, stat.st_ino),
            links: u64::from(stat.st_nlink > 1) + 1,
            version: version(stat),
        })
    }
}

impl Snapshot {
    /// The file of a name, if there is one.
    pub(super) fn look_for(&mut self, directory: &OwnedFd, name: &[u8]) -> Result<Option<Seen>, Failure> {
        match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(None),
            stat => Ok(Some(self.seen(directory, name, &stat.map_err(failure)?)?)),
        }
    }

    /// The first bytes of a regular file, fewer if it has fewer.
    pub(super) fn head<const N: usize>(
        &mut self,
        directory: &OwnedFd,
        name: &[u8],
        seen: &Seen,
    ) -> Result<Vec<u8>, Failure> {
        let file = File::from(open(directory, name, OFlags::RDONLY | OFlags::NONBLOCK)?);
        let stat = fstat(&file).map_err(failure)?;
        let is_same = FileId(stat.st_dev, stat.st_ino) == seen.file
            && FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        if !is_same {
            return Err(Failure::Changed);
        }
        let mut head = Vec::with_capacity(N);
        let most = u64::try_from(N).unwrap_or(u64::MAX);
        file.take(most).read_to_end(&mut head).map_err(|error| Failure::Unreadable(error.to_string()))?;
        Ok(head)
    }
}

impl View for Snapshot {
    type Directory = OwnedFd;

    fn root(&mut self) -> Result<(Seen, OwnedFd), Failure> {
        let root = self.root.try_clone().map_err(|error| Failure::Unreadable(error.to_string()))?;
        let stat = fstat(&root).map_err(failure)?;
        Ok((self.seen(&root, b".", &stat)?, root))
    }

    fn names(&mut self, directory: &OwnedFd) -> Result<Vec<Bytes>, Failure> {
        let mut names = Vec::new();
        let mut bytes = 0;
        let mut buffer = Vec::with_capacity(LISTING_BYTES);
        let mut entries = RawDir::new(directory, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(failure)?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            bytes += name.len() + NAME_BYTES;
            if bytes > limits::ROOTFS_DIRECTORY_BYTES {
                return Err(Failure::Unreadable("it has more names than any real directory".into()));
            }
            names.push(name.into());
        }
        Ok(names)
    }

    fn look(&mut self, directory: &OwnedFd, name: &[u8]) -> Result<Seen, Failure> {
        let stat = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failure)?;
        self.seen(directory, name, &stat)
    }

    fn open(&mut self, directory: &OwnedFd, name: &[u8], seen: &Seen) -> Result<OwnedFd, Failure> {
        let inner = open(directory, name, DIRECTORY)?;
        let stat = fstat(&inner).map_err(failure)?;
        if FileId(stat.st_dev, stat.st_ino) == seen.file { Ok(inner) } else { Err(Failure::Changed) }
    }

    fn content(&mut self, directory: &OwnedFd, name: &[u8], seen: &Seen) -> Result<Sha256, Failure> {
        let Kind::File { size, .. } = seen.entry.kind else { return Err(Failure::Changed) };
        if self.told_by == ToldBy::Identity {
            return Ok(identity(seen.file, &seen.version));
        }
        let mut file = OpenFile::open(directory, name, seen.file, size, seen.version)?;
        self.buffer.resize(BUFFER_BYTES, 0);
        let mut hasher = DigestAlgorithm::Sha256.hasher();
        let mut left = size;
        while left > 0 {
            let piece = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            file.read_all(&mut self.buffer[..piece])?;
            hasher.update(&self.buffer[..piece]);
            left = left.saturating_sub(u64::try_from(piece).unwrap_or(u64::MAX));
        }
        file.check()?;
        Ok(Sha256::of(hasher))
    }
}

/// A regular file that is read from front to back, and what it was before that.
pub(super) struct OpenFile {
    file: File,
    id: FileId,
    size: u64,
    version: [i64; 4],
}

impl OpenFile {
    fn open(
        directory: &OwnedFd,
        name: &[u8],
        id: FileId,
        size: u64,
        version: [i64; 4],
    ) -> Result<Self, Failure> {
        let file = File::from(open(directory, name, OFlags::RDONLY | OFlags::NONBLOCK)?);
        let open = Self { file, id, size, version };
        open.check().map(|()| open)
    }

    /// Opens the regular file of that name, which has that size.
    pub(super) fn find(directory: &OwnedFd, name: &[u8], size: u64) -> Result<Self, Failure> {
        let stat = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failure)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Failure::Changed);
        }
        Self::open(directory, name, FileId(stat.st_dev, stat.st_ino), size, version(&stat))
    }

    /// Fills the buffer with what comes next.
    pub(super) fn read_all(&mut self, buffer: &mut [u8]) -> Result<(), Failure> {
        self.file.read_exact(buffer).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Failure::Changed,
            _ => Failure::Unreadable(error.to_string()),
        })
    }

    /// The identity of the file, if it has not changed.
    pub(super) fn identity(&self) -> Result<Sha256, Failure> {
        self.check().map(|()| identity(self.id, &self.version))
    }

    fn check(&self) -> Result<(), Failure> {
        let stat = fstat(&self.file).map_err(failure)?;
        let is_same = FileId(stat.st_dev, stat.st_ino) == self.id
            && FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
            && u64::try_from(stat.st_size) == Ok(self.size)
            && version(&stat) == self.version;
        if is_same { Ok(()) } else { Err(Failure::Changed) }
    }
}

/// What names one file for as long as it does not change, in the form of a digest.
fn identity(FileId(device, inode): FileId, version: &[i64; 4]) -> Sha256 {
    let mut hasher = DigestAlgorithm::Sha256.hasher();
    [device, inode].iter().for_each(|number| hasher.update(&number.to_le_bytes()));
    version.iter().for_each(|number| hasher.update(&number.to_le_bytes()));
    Sha256::of(hasher)
}

/// The folders of the snapshots below one, the uppermost first.
pub(crate) struct Folders(pub(crate) Vec<Snapshot>);

impl Lower for Folders {
    fn directory(&mut self, path: &[Bytes]) -> Result<Option<Entry>, String> {
        let joined = path.join(&b'/');
        for snapshot in &mut self.0 {
            let found = snapshot.find(&joined).map_err(|failure| {
                format!("{} in the snapshot below: {failure}", super::tree::printable(&joined))
            })?;
            match found {
                None => {}
                Some(Seen {
                    entry: Entry { kind: Kind::Directory, mode, uid, gid, mtime, mut xattrs },
                    ..
                }) => {
                    // attributes of the administrator's are not copied
                    xattrs.retain(|name| !name.starts_with(b"trusted."));
                    return Ok(Some(Entry { kind: Kind::Directory, mode, uid, gid, mtime, xattrs }));
                }
                Some(_) => return Ok(None),
            }
        }
        Ok(None)
    }
}

impl Snapshot {
    /// What is at a path whose links are followed inside of the folder; none if nothing is there.
    fn find(&mut self, path: &[u8]) -> Result<Option<Seen>, Failure> {
        let resolved = resolve::<LookFailure>(path, |path| {
            Ok(match self.at(path)?.map(|seen| seen.entry.kind) {
                None => Found::Nothing,
                Some(Kind::Directory) => Found::Directory,
                Some(Kind::Symlink(target)) => Found::Symlink(target),
                Some(_) => Found::Other,
            })
        });
        self.at(&resolved.map_err(|failure| failure.0)?)
    }

    /// The directory at a path without links.
    pub(super) fn directory(&mut self, path: &[Bytes]) -> Result<OwnedFd, Failure> {
        let root = self.root.try_clone().map_err(|error| Failure::Unreadable(error.to_string()))?;
        path.iter().try_fold(root, |directory, name| open(&directory, name, DIRECTORY))
    }

    /// What is at a path without links before its end.
    fn at(&mut self, path: &[Bytes]) -> Result<Option<Seen>, Failure> {
        let (mut seen, mut directory) = self.root()?;
        for (at, name) in path.iter().enumerate() {
            seen = match self.look_for(&directory, name)? {
                None => return Ok(None),
                Some(seen) => seen,
            };
            if at + 1 < path.len() {
                match seen.entry.kind {
                    Kind::Directory => directory = self.open(&directory, name, &seen)?,
                    _ => return Ok(None),
                }
            }
        }
        Ok(Some(seen))
    }
}

struct LookFailure(Failure);

impl From<Failure> for LookFailure {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl From<super::tree::TooManyLinks> for LookFailure {
    fn from(error: super::tree::TooManyLinks) -> Self {
        Self(Failure::Unreadable(error.to_string()))
    }
}

/// Whether this process sees the attributes by which overlayfs hides and redirects: the kernel shows them only to the
/// system's administrator. To others it says that they are not there.
pub(crate) fn sees_overlay_attributes() -> bool {
    const CAP_SYS_ADMIN: u32 = 21;
    let read = |path: &str| {
        let mut text = String::new();
        File::open(path).ok()?.take(16 << 10).read_to_string(&mut text).ok()?;
        Some(text)
    };
    let capable = || {
        let status = read("/proc/self/status")?;
        let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
        Some(u64::from_str_radix(effective.trim(), 16).ok()? >> CAP_SYS_ADMIN & 1 == 1)
    };
    // users of another namespace than the first are not the system's
    let first = || Some(read("/proc/self/uid_map")?.split_whitespace().eq(["0", "0", "4294967295"]));
    capable() == Some(true) && first() == Some(true)
}

fn version(stat: &Stat) -> [i64; 4] {
    // nanoseconds are under a thousand million
    let nanoseconds = |value| i64::try_from(value).unwrap_or(i64::MAX);
    [stat.st_mtime, nanoseconds(stat.st_mtime_nsec), stat.st_ctime, nanoseconds(stat.st_ctime_nsec)]
}

/// Opens one name in a directory, whatever the kernel has for that.
fn open(directory: impl AsFd, name: &[u8], flags: OFlags) -> Result<OwnedFd, Failure> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV;
    let once = |flags| match openat2(&directory, name, flags, Mode::empty(), resolve) {
        // a kernel before 5.6, or a filter of system calls that does not know it: a single name leads nowhere else either
        Err(Errno::NOSYS | Errno::PERM) => openat(&directory, name, flags, Mode::empty()),
        opened => opened,
    };
    match once(flags | OFlags::NOATIME) {
        // only the owner of a file, or a process that may act as the owner, can keep its time of access
        Err(Errno::PERM) => once(flags),
        opened => opened,
    }
    .map_err(|error| match error {
        Errno::XDEV => Failure::Unreadable("something is mounted over it".into()),
        Errno::LOOP | Errno::AGAIN => Failure::Changed,
        error => failure(error),
    })
}

/// The extended attributes of a name that matter.
fn xattrs(directory: &OwnedFd, name: &[u8]) -> Result<Xattrs, Failure> {
    // no call takes a directory and a name together, and none takes a descriptor that only names a file
    let mut path = format!("/proc/self/fd/{}/", directory.as_raw_fd()).into_bytes();
    path.extend(name);
    let mut xattrs = Xattrs::default();
    let mut names = Vec::with_capacity(XATTR_NAMES);
    match llistxattr(&*path, spare_capacity(&mut names)) {
        Ok(_) => {}
        Err(Errno::NOTSUP) => return Ok(xattrs),
        Err(Errno::RANGE) => {
            names.reserve(limits::XATTR_BYTES);
            llistxattr(&*path, spare_capacity(&mut names)).map_err(failure)?;
        }
        Err(error) => return Err(failure(error)),
    }
    for attribute in names.split(|byte| *byte == 0).filter(|name| matters(name)) {
        let mut value = Vec::with_capacity(XATTR_NAMES);
        match lgetxattr(&*path, attribute, spare_capacity(&mut value)) {
            Err(Errno::RANGE) => {
                value.reserve(limits::XATTR_BYTES);
                lgetxattr(&*path, attribute, spare_capacity(&mut value)).map_err(failure)?
            }
            read => read.map_err(failure)?,
        };
        xattrs.insert(attribute, &value);
    }
    Ok(xattrs)
}

/// What is gone was there when its directory was listed.
fn failure(error: Errno) -> Failure {
    match error {
        Errno::NOENT | Errno::NOTDIR => Failure::Changed,
        error => unreadable(error),
    }
}

fn unreadable(error: Errno) -> Failure {
    let hint = match error {
        Errno::ACCESS | Errno::PERM => "; the agent needs root's rights, or CAP_DAC_READ_SEARCH",
        _ => "",
    };
    Failure::Unreadable(format!("{}{hint}", std::io::Error::from(error)))
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY);

/// Long enough to make few calls, short enough to stay in the cache.
const BUFFER_BYTES: usize = 64 << 10;

/// Bytes of one call's part of a directory.
const LISTING_BYTES: usize = 32 << 10;

/// Bytes that a name takes beside its letters.
const NAME_BYTES: usize = 32;

/// Bytes of names and of a value that most files do with.
const XATTR_NAMES: usize = 256;
