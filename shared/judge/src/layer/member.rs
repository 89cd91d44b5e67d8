//! An entry of a layer's tar.

use std::fmt;

use assay_verifier::oci::Hasher;

/// One entry of a layer's tar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its path, as the tar has it.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: MemberKind,
    /// Permissions with setuid, setgid and sticky bits.
    pub mode: u32,
    /// The user that owns it.
    pub uid: u32,
    /// The group that owns it.
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: i64,
    /// Extended attributes by name.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What an entry of a tar is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberKind {
    /// A file of this kind.
    Plain(Kind),
    /// One more name of the file at this path.
    HardLink(Vec<u8>),
    /// Records for the entries that follow, which containerd ignores but for the entry's own name.
    GlobalHeader,
}

/// What a name stands for. `C` is what is known of a file's content beside its size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind<C = Sha256> {
    Directory,
    File { size: u64, content: C },
    Symlink(Bytes),
    Character(Device),
    Block(Device),
    Fifo,
    Socket,
}

impl<C> Kind<C> {
    /// The kind in a word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::File { .. } => "file",
            Self::Symlink(_) => "symbolic link",
            Self::Character(WHITEOUT) => "whiteout",
            Self::Character(_) => "character device",
            Self::Block(_) => "block device",
            Self::Fifo => "FIFO",
            Self::Socket => "socket",
        }
    }
}

/// One component of a path, or a link's target.
pub type Bytes = Box<[u8]>;

/// A device's numbers, major and minor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device(pub u32, pub u32);

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0, self.1)
    }
}

/// The device that overlayfs takes for the absence of a file. Linux, Documentation/filesystems/overlayfs.rst.
pub const WHITEOUT: Device = Device(0, 0);

/// The SHA-256 of a file's content.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sha256(pub [u8; 32]);

impl Sha256 {
    /// The digest of all that `hasher` was given.
    pub fn of(hasher: Hasher) -> Self {
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(hasher.finish_bytes()).for_each(|(to, byte)| *to = byte);
        Self(bytes)
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A path for people: what is not UTF-8 or printable is escaped, so that two paths never look the same.
pub fn printable(path: &[u8]) -> String {
    path.escape_ascii().to_string().replace("\\\\", "\\")
}
