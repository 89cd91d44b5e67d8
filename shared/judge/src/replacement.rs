//! Replaces the content of a file, so that a reader finds it whole or not at all.
//!
//! The content is written to a new file beside the destination, which is then moved there (`tempfile` does both). Links are
//! followed, so that the file they lead to is replaced. A file that is replaced keeps its mode. Anything that is not a file, such as
//! a pipe, a device or this program's own output, is never replaced: it is opened and written to.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// New content that is being written. If it is dropped, an existing file stays as it was.
pub struct Replacement(To);

enum To {
    Beside { file: BufWriter<NamedTempFile>, place: PathBuf, before: Option<Permissions> },
    Into(BufWriter<File>),
}

/// What a path leads to.
enum Destination {
    /// A file that exists or not.
    File(PathBuf, Option<Permissions>),
    /// Anything else that can be written to.
    Other(PathBuf),
}

/// Links that are followed one after the other: as many as Linux follows (path_resolution(7)).
const LINKS: usize = 40;

impl Replacement {
    /// Prepares to write to `path`, so that a destination that cannot be written to is found before the work is done. Opening a
    /// pipe waits for its reader.
    ///
    /// # Errors
    /// [`io::Error`] if `path` is a folder, or if the system refuses.
    pub fn open(path: &Path) -> io::Result<Self> {
        if let Some(open) = open_already(path) {
            return Ok(Self(To::Into(BufWriter::new(open))));
        }
        match destination(path)? {
            Destination::Other(path) => {
                let is_file = path.metadata().is_ok_and(|metadata| metadata.is_file());
                let open = OpenOptions::new().write(true).truncate(is_file).open(path)?;
                Ok(Self(To::Into(BufWriter::new(open))))
            }
            Destination::File(place, before) => {
                let mut name = tempfile::Builder::new();
                name.prefix(".assay-").suffix(".part");
                let file = name.make_in(folder_of(&place), |path| create(path, before.is_some()))?;
                Ok(Self(To::Beside { file: BufWriter::new(file), place, before }))
            }
        }
    }

    /// Waits until what was written is on the disk, if it goes to a disk.
    ///
    /// # Errors
    /// [`io::Error`]
    pub fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        match &self.0 {
            To::Beside { file, .. } => file.get_ref().as_file().sync_all(),
            To::Into(_) => Ok(()),
        }
    }

    /// Moves the content to its destination.
    ///
    /// # Errors
    /// [`io::Error`]. An existing file is then as it was.
    pub fn put(self) -> io::Result<()> {
        match self.0 {
            To::Into(mut file) => file.flush(),
            To::Beside { file, place, before } => {
                let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
                if let Some(before) = before {
                    file.as_file().set_permissions(before)?;
                }
                file.persist(place).map(drop).map_err(|error| error.error)
            }
        }
    }
}

impl Write for Replacement {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            To::Beside { file, .. } => file.write(bytes),
            To::Into(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            To::Beside { file, .. } => file.flush(),
            To::Into(file) => file.flush(),
        }
    }
}

fn destination(path: &Path) -> io::Result<Destination> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        if is_device_of_windows(&path) {
            return Ok(Destination::Other(path));
        }
        if path.file_name().is_none() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let found = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Destination::File(path, None));
            }
            found => found?,
        };
        if found.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if found.is_file() {
            return Ok(Destination::File(path, Some(found.permissions())));
        }
        let folder = folder_of(&path);
        // the kernel's links to open files are not followed by their names
        let is_kernels = || folder.canonicalize().is_ok_and(|folder| folder.starts_with("/proc"));
        if !found.is_symlink() || is_kernels() {
            return Ok(Destination::Other(path));
        }
        // a link that the system does not follow, such as another user's in `/tmp`, is not followed here either
        match path.metadata() {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => path = folder.join(fs::read_link(&path)?),
        }
    }
    Err(io::Error::other("too many links"))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// This program's standard output or error, if `path` leads to the same file. What others wrote there before stays.
#[cfg(unix)]
fn open_already(path: &Path) -> Option<File> {
    use std::os::fd::{AsFd as _, BorrowedFd};
    use std::os::unix::fs::MetadataExt as _;
    let wanted = path.metadata().ok()?;
    let same = |open: BorrowedFd<'_>| {
        let open = File::from(open.try_clone_to_owned().ok()?);
        let found = open.metadata().ok()?;
        ((found.dev(), found.ino()) == (wanted.dev(), wanted.ino())).then_some(open)
    };
    same(io::stdout().as_fd()).or_else(|| same(io::stderr().as_fd()))
}

#[cfg(not(unix))]
fn open_already(_: &Path) -> Option<File> {
    None
}

/// Creates a file with the mode that `umask` leaves. If it replaces another file, only its owner may read it until it gets that
/// file's mode. On Windows it has its folder's access list. (Unlike `tempfile`'s own, the error keeps the system's number.)
fn create(path: &Path, replaces: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, if replaces { 0o600 } else { 0o666 });
    #[cfg(not(unix))]
    let _ = replaces;
    options.open(path)
}

/// Whether a path names a device: `NUL`, `CON` and the like, in any folder and with any ending, or anything in the namespace of
/// devices.
fn is_device_of_windows(path: &Path) -> bool {
    if !cfg!(windows) {
        return false;
    }
    let name = path.file_stem().unwrap_or_default().to_string_lossy().trim_end().to_ascii_uppercase();
    let is_numbered =
        |kind| name.strip_prefix(kind).is_some_and(|number| matches!(number.as_bytes(), [b'0'..=b'9']));
    path.as_os_str().to_string_lossy().replace('/', "\\").starts_with(r"\\.\")
        || matches!(&*name, "NUL" | "CON" | "PRN" | "AUX" | "CONIN$" | "CONOUT$")
        || is_numbered("COM")
        || is_numbered("LPT")
}

#[cfg(test)]
#[cfg_attr(unix, expect(clippy::disallowed_methods, reason = "tests write scratch folders"))]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) -> io::Result<()> {
        let mut new = Replacement::open(path)?;
        new.write_all(text.as_bytes())?;
        new.sync()?;
        new.put()
    }

    #[test]
    fn replaces_a_file_whole_or_not_at_all() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("report.json");
        drop(Replacement::open(&path).unwrap());
        assert_eq!(scratch.path().read_dir().unwrap().count(), 0);
        for text in ["a longer text", "short"] {
            let mut new = Replacement::open(&path).unwrap();
            new.write_all(text.as_bytes()).unwrap();
            let before = fs::read(&path).unwrap_or_default();
            assert!(before.is_empty() || before == b"a longer text");
            new.put().unwrap();
            assert_eq!(fs::read(&path).unwrap(), text.as_bytes());
        }
        assert_eq!(scratch.path().read_dir().unwrap().count(), 1);
        let absent = write(&scratch.path().join("absent/report"), "").unwrap_err();
        assert_eq!(absent.kind(), io::ErrorKind::NotFound);
        assert!(absent.raw_os_error().is_some(), "{absent}");
        for folder in [scratch.path(), Path::new(".."), Path::new("/")] {
            assert_eq!(write(folder, "").unwrap_err().kind(), io::ErrorKind::IsADirectory);
        }
    }

    #[cfg(unix)]
    #[test]
    fn follows_links_and_keeps_them() {
        use std::os::unix::fs::symlink;
        let scratch = tempfile::tempdir().unwrap();
        let path = |name: &str| scratch.path().join(name);
        fs::create_dir(path("inner")).unwrap();
        symlink("inner/link", path("link")).unwrap();
        symlink("../file", path("inner/link")).unwrap();
        symlink("round", path("round")).unwrap();
        // The target of the link is missing first, and is there later.
        for text in ["new", "replaced"] {
            write(&path("link"), text).unwrap();
            assert!(path("link").is_symlink() && path("inner/link").is_symlink());
            assert!(!path("file").is_symlink());
            assert_eq!(fs::read_to_string(path("file")).unwrap(), text);
        }
        assert!(write(&path("round"), "").is_err());
        assert!(path("round").is_symlink());
    }

    #[cfg(unix)]
    #[test]
    fn keeps_modes_and_obeys_umask_for_new_files() {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
        let scratch = tempfile::tempdir().unwrap();
        let path = |name: &str| scratch.path().join(name);
        let mode = |name: &str| path(name).metadata().unwrap().mode() & 0o7777;
        File::create(path("as umask says")).unwrap();
        write(&path("new"), "").unwrap();
        assert_eq!(mode("new"), mode("as umask says"));
        for wanted in [0o600, 0o644, 0o664, 0o400, 0o755] {
            fs::set_permissions(path("new"), Permissions::from_mode(wanted)).unwrap();
            write(&path("new"), "").unwrap();
            assert_eq!(mode("new"), wanted);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn writes_into_what_is_not_a_file() {
        use std::os::unix::fs::FileTypeExt as _;
        let scratch = tempfile::tempdir().unwrap();
        let path = |name: &str| scratch.path().join(name);
        write(Path::new("/dev/null"), "text").unwrap();
        assert!(fs::symlink_metadata("/dev/null").unwrap().file_type().is_char_device());
        std::os::unix::fs::symlink("/dev/null", path("null")).unwrap();
        write(&path("null"), "text").unwrap();
        assert!(path("null").is_symlink());

        let pipe = path("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read_to_string(pipe).unwrap()
        });
        write(&pipe, "text").unwrap();
        assert_eq!(reader.join().unwrap(), "text");
        assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());

        // an open file by its number, as shells pass it
        let open = File::create(path("open")).unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&open);
        for place in ["/dev/fd", "/proc/self/fd"] {
            write(Path::new(&format!("{place}/{number}")), place).unwrap();
            assert_eq!(fs::read_to_string(path("open")).unwrap(), place);
            assert!(open.metadata().unwrap().len() > 0, "it is the very file");
        }
    }

    #[cfg(windows)]
    #[test]
    fn devices_are_written_to_and_not_replaced() {
        for name in ["NUL", "nul.json", r"\\.\NUL"] {
            write(Path::new(name), "text").unwrap();
        }
    }
}
