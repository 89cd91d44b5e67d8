//! Opens the files of a folder of documents and blobs: a layout, or a containerd root.
//!
//! Links are followed as long as they stay inside: Kubernetes mounts ConfigMaps that way. A blob may be anywhere, since its digest
//! tells whether it is the right one: layouts of Bazel are trees of links, and content may be on another disk. Nothing else of
//! a layout is read from outside.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use assay_verifier::limits;
use assay_verifier::oci::{Digest, DigestAlgorithm};
use assay_verifier::revocation::is_litter;
use walkdir::WalkDir;

use super::paths::{self, BLOBS, blob_digest};

/// A folder of documents and blobs.
#[derive(Debug)]
pub struct Directory {
    root: PathBuf,
}

/// A link that is not followed, or not to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "its {} is a link to {}, which is {} {COPY}, which follows links, and use the copy",
    link.display(),
    target.display(),
    if *is_there { "outside; copy the whole folder with" } else { "not there; copy the whole folder anew with" },
)]
pub(crate) struct StrayLink {
    /// The link, by its path in the folder.
    pub(crate) link: PathBuf,
    /// What it leads to.
    pub(crate) target: PathBuf,
    /// Whether there is anything.
    pub(crate) is_there: bool,
}

impl Directory {
    /// The folder at `path`.
    ///
    /// # Errors
    /// [`io::Error`] if the path cannot be resolved; a `StrayLink` in it if the blobs are behind a link that leads nowhere.
    pub fn new(path: &Path) -> io::Result<Self> {
        let directory = Self { root: resolve(path)? };
        for algorithm in ALGORITHMS {
            let folder = Path::new(BLOBS).join(algorithm.name());
            if is_absent(&directory.root.join(&folder))
                && let Some(link) = directory.dangling(&folder)
            {
                return Err(io::Error::other(link));
            }
        }
        Ok(directory)
    }

    /// A folder in it, wherever that is.
    ///
    /// # Errors
    /// As [`Directory::new`], and a `StrayLink` if it is behind a link that leads nowhere.
    pub fn folder(&self, relative: &Path) -> io::Result<Self> {
        Self::new(&self.root.join(relative)).map_err(|error| self.named(error, relative))
    }

    /// Where it is, without links.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Opens a regular file in it, wherever that is.
    ///
    /// # Errors
    /// As `Directory::open`, but that links may lead outside.
    pub fn open_anywhere(&self, relative: &Path) -> io::Result<File> {
        let path = self.root.join(relative);
        regular(&path).and_then(|_| File::open(&path)).map_err(|error| self.named(error, relative))
    }

    /// An error about a path, which names the link that leads nowhere.
    fn named(&self, error: io::Error, relative: &Path) -> io::Error {
        match error.kind() {
            io::ErrorKind::NotFound => self.dangling(relative).map_or(error, io::Error::other),
            _ => error,
        }
    }

    /// Opens a regular file that is not a blob, by its path in the folder. Gives its size too.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is none, [`io::ErrorKind::Unsupported`] if it is not a regular file; a
    /// [`StrayLink`] in another error if it is behind a link that leads outside or nowhere.
    pub(crate) fn open(&self, relative: &Path) -> io::Result<(File, u64)> {
        // The path may change before the file is opened. Somebody who can change it could write the file just as well.
        let path = self.inside(relative)?;
        let size = regular(&path)?;
        Ok((File::open(path)?, size))
    }

    /// Where a path in the folder is, without links.
    fn inside(&self, relative: &Path) -> io::Result<PathBuf> {
        let error = match resolve(&self.root.join(relative)) {
            Ok(path) if path.starts_with(&self.root) => return Ok(path),
            Ok(_) => io::Error::other("a link leads outside"),
            Err(error) => error,
        };
        Err(self.strays(relative).next().map_or(error, io::Error::other))
    }

    /// The links on a path in the folder that lead outside or nowhere.
    fn strays(&self, relative: &Path) -> impl Iterator<Item = StrayLink> {
        let mut link = PathBuf::new();
        relative.components().filter_map(move |part| {
            link.push(part);
            let path = self.root.join(&link);
            let target = path.read_link().ok()?;
            let (target, is_there) = match resolve(&path) {
                Ok(target) if target.starts_with(&self.root) => return None,
                Ok(target) => (target, true),
                Err(_) => (target, false),
            };
            Some(StrayLink { link: link.clone(), target, is_there })
        })
    }

    /// The link on a path in the folder that leads nowhere.
    fn dangling(&self, relative: &Path) -> Option<StrayLink> {
        self.strays(relative).find(|link| !link.is_there)
    }

    /// The bytes of a blob, wherever it is, and how many there are. The caller checks them against the digest.
    ///
    /// # Errors
    /// As `Directory::open`, but that links may lead outside.
    pub fn blob(&self, digest: &Digest) -> io::Result<(Box<dyn Read + Send>, u64)> {
        let relative = blob_path(digest);
        let path = self.root.join(&relative);
        Ok(match regular(&path).map_err(|error| self.named(error, &relative))? {
            // the kernel's own files have a size of zero, and reading one may block for ever
            0 => (Box::new(io::empty()), 0),
            size => (Box::new(File::open(path)?), size),
        })
    }

    /// Whether a path leads outside.
    pub fn leads_outside(&self, path: &Path) -> bool {
        resolve(path).is_ok_and(|path| !path.starts_with(&self.root))
    }

    /// Whether a blob has no file.
    pub fn lacks(&self, digest: &Digest) -> bool {
        is_absent(&self.root.join(blob_path(digest)))
    }

    /// Every blob that has a file. Files with other names are not blobs.
    ///
    /// # Errors
    /// [`io::Error`] if a folder of blobs cannot be listed.
    pub fn digests(&self) -> io::Result<BTreeSet<Digest>> {
        let mut digests = BTreeSet::new();
        for algorithm in ALGORITHMS {
            let entries = match self.root.join(BLOBS).join(algorithm.name()).read_dir() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                entries => entries?,
            };
            for entry in entries {
                let entry = entry?;
                if entry.file_type()?.is_symlink() && is_absent(&entry.path()) {
                    continue;
                }
                let name = entry.file_name();
                let digest = name.to_str().and_then(|hex| format!("{}:{hex}", algorithm.name()).parse().ok());
                digests.extend(digest);
            }
        }
        Ok(digests)
    }

    /// The paths of all files, sorted, links counting as what they lead to. What operating systems leave in folders unasked,
    /// and the hidden folders that Kubernetes keeps the files of a mount in, are left out.
    ///
    /// # Errors
    /// [`io::Error`] if a folder cannot be read, or if something else than files and folders is there; a `StrayLink` in it if
    /// a link of anything but blobs leads outside or nowhere.
    pub fn files(&self) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        self.each_below(Path::new(""), |path, found| found.map(|()| files.push(path)))?;
        files.sort_unstable();
        Ok(files)
    }

    /// Hands the same paths, those in one folder, to `take`, each with what is wrong with it.
    ///
    /// # Errors
    /// What `take` refuses; [`io::Error`] if there are more than any real layout has.
    pub(crate) fn each_below(
        &self,
        folder: &Path,
        mut take: impl FnMut(PathBuf, io::Result<()>) -> io::Result<()>,
    ) -> io::Result<()> {
        let begin = self.root.join(folder);
        if begin.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Ok(());
        }
        let relative = |path: &Path| path.strip_prefix(&self.root).unwrap_or(path).to_owned();
        let mut walk = WalkDir::new(&begin).follow_links(true).into_iter();
        let (mut count, mut linked) = (0_usize, 0);
        let mut is_behind_links = false;
        while let Some(entry) = walk.next() {
            count += 1;
            if count > limits::ARCHIVE_MEMBERS || linked > limits::LINKED_FOLDERS {
                return Err(io::Error::other("more files and links than any real layout has"));
            }
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    let path = relative(error.path().unwrap_or(&begin));
                    let stray = self.strays(&path).next();
                    take(path, Err(stray.map_or_else(|| error.into(), io::Error::other)))?;
                    continue;
                }
            };
            let path = relative(entry.path());
            let (is_folder, is_file) = (entry.file_type().is_dir(), entry.file_type().is_file());
            is_behind_links |= entry.path_is_symlink();
            linked += usize::from(is_folder && entry.path_is_symlink());
            let is_unasked = is_unasked(&path, is_folder);
            let found = match is_behind_links && !is_unasked && !is_of_blobs(&path, is_folder) {
                true => self.inside(&path).map(drop),
                false => Ok(()),
            };
            if is_folder && (is_unasked || found.is_err()) {
                walk.skip_current_dir();
            }
            match found {
                _ if is_unasked => {}
                Ok(()) if is_folder => {}
                Ok(()) if !is_file => take(path, Err(not_regular()))?,
                found => take(path, found)?,
            }
        }
        Ok(())
    }
}

/// Whether an error is about a link that is not followed.
pub fn is_stray(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<StrayLink>)
}

/// What copies a folder with what its links lead to.
const COPY: &str = if cfg!(windows) { "robocopy /E" } else { "cp -rL" };

const ALGORITHMS: [DigestAlgorithm; 3] =
    [DigestAlgorithm::Sha256, DigestAlgorithm::Sha384, DigestAlgorithm::Sha512];

/// The path of a blob with the system's separators.
fn blob_path(digest: &Digest) -> PathBuf {
    paths::blob_path(digest).split('/').collect()
}

/// A path in a folder as layouts have it. Letters that are not Unicode are replaced.
pub(crate) fn name(path: &Path) -> String {
    path.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// Whether a path is of a blob, or of a folder of blobs.
fn is_of_blobs(path: &Path, is_folder: bool) -> bool {
    match path.strip_prefix(BLOBS) {
        Ok(rest) if is_folder => {
            rest.as_os_str().is_empty() || ALGORITHMS.iter().any(|one| rest == Path::new(one.name()))
        }
        _ => !is_folder && blob_digest(&name(path)).is_some(),
    }
}

/// Whether a file or folder is there unasked.
fn is_unasked(path: &Path, is_folder: bool) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    (!is_folder && is_litter(&name)) || (name.starts_with("..") && path.parent() == Some(Path::new("")))
}

/// The size of the regular file at `path`, behind any links. Nothing else is opened, since opening a pipe may block for ever.
fn regular(path: &Path) -> io::Result<u64> {
    let metadata = path.metadata()?;
    if metadata.is_file() { Ok(metadata.len()) } else { Err(not_regular()) }
}

fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "not a regular file")
}

/// Whether there is nothing at `path`, or only a link that leads nowhere.
fn is_absent(path: &Path) -> bool {
    path.metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// The path without links.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    // what Windows says if a disk's driver cannot tell, and wine of a long path
    const INVALID_FUNCTION: i32 = 1;
    const MORE_DATA: i32 = 234;
    match path.canonicalize() {
        Err(error) if cfg!(windows) && matches!(error.raw_os_error(), Some(INVALID_FUNCTION | MORE_DATA)) => {
            unlinked(path)
        }
        resolved => resolved,
    }
}

/// The path, if nothing on it is a link.
fn unlinked(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    for part in path.ancestors() {
        if part.symlink_metadata()?.is_symlink() {
            return Err(io::Error::other("a link on a system whose links cannot be followed"));
        }
    }
    Ok(path)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "tests write scratch folders")]
    fn links_inside_are_followed_and_links_out_are_not() {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().join("layout");
        std::fs::create_dir_all(root.join("..data")).unwrap();
        std::fs::write(root.join("..data/index.json"), "{}").unwrap();
        std::fs::write(scratch.path().join("secret"), "s").unwrap();
        symlink("..data/index.json", root.join("index.json")).unwrap();
        symlink("../secret", root.join("out")).unwrap();
        symlink("/dev/zero", root.join("device")).unwrap();
        let directory = Directory::new(&root).unwrap();
        assert_eq!(directory.open(Path::new("index.json")).unwrap().1, 2);
        for (name, kind) in [
            ("out", io::ErrorKind::Other),
            ("device", io::ErrorKind::Other),
            ("..data", io::ErrorKind::Unsupported),
            ("nothing", io::ErrorKind::NotFound),
        ] {
            assert_eq!(directory.open(Path::new(name)).unwrap_err().kind(), kind, "{name}");
        }
    }

    #[test]
    fn where_links_cannot_be_followed_there_may_be_none() {
        // the folder for temporary files may itself be behind a link
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().canonicalize().unwrap();
        symlink(".", root.join("link")).unwrap();
        assert_eq!(unlinked(&root).unwrap(), root);
        assert_eq!(unlinked(&root.join("link")).unwrap_err().kind(), io::ErrorKind::Other);
        assert_eq!(unlinked(&root.join("link/link")).unwrap_err().kind(), io::ErrorKind::Other);
        assert_eq!(unlinked(&root.join("nothing")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    fn stray(error: &io::Error) -> &StrayLink {
        error.get_ref().unwrap().downcast_ref().unwrap()
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "tests write scratch folders")]
    fn a_blob_may_be_anywhere() {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().join("layout");
        let blobs = root.join("blobs/sha256");
        std::fs::create_dir_all(&blobs).unwrap();
        let [real, inside, outside, absent] = [b"r", b"i", b"o", b"a"].map(|bytes| Digest::sha256(bytes));
        std::fs::write(blobs.join(real.hex()), "r").unwrap();
        symlink(real.hex(), blobs.join(inside.hex())).unwrap();
        std::fs::write(scratch.path().join("secret"), "s").unwrap();
        symlink("../../../secret", blobs.join(outside.hex())).unwrap();
        // an algorithm's whole folder that leads out
        std::fs::create_dir(scratch.path().join("elsewhere")).unwrap();
        symlink("../../elsewhere", root.join("blobs/sha512")).unwrap();
        let far = DigestAlgorithm::Sha512.digest(b"f");
        std::fs::write(scratch.path().join("elsewhere").join(far.hex()), "f").unwrap();

        // not a file, a file of the kernel's, nothing
        let [device, kernel, dangling] = [b"d", b"k", b"n"].map(|bytes| Digest::sha256(bytes));
        symlink("/dev/zero", blobs.join(device.hex())).unwrap();
        symlink("/proc/kmsg", blobs.join(kernel.hex())).unwrap();
        symlink("gone", blobs.join(dangling.hex())).unwrap();

        let directory = Directory::new(&root).unwrap();
        for (digest, bytes) in [(&real, "r"), (&inside, "r"), (&outside, "s"), (&far, "f"), (&kernel, "")] {
            let (blob, size) = directory.blob(digest).unwrap();
            assert_eq!((io::read_to_string(blob).unwrap().as_str(), size), (bytes, bytes.len() as u64));
        }
        let error = |digest| directory.blob(digest).err().unwrap();
        assert_eq!(error(&absent).kind(), io::ErrorKind::NotFound);
        assert_eq!(error(&device).kind(), io::ErrorKind::Unsupported);
        let link = blob_path(&dangling);
        assert_eq!(*stray(&error(&dangling)), StrayLink { link, target: "gone".into(), is_there: false });
        assert!(directory.lacks(&dangling) && directory.lacks(&absent) && !directory.lacks(&far));
        assert_eq!(directory.digests().unwrap(), [real, inside, outside, far, device, kernel].into());
        assert!(directory.files().is_err(), "a device");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "tests write scratch folders")]
    fn blobs_behind_a_link_that_leads_nowhere_are_missed_at_once() {
        for folder in ["blobs", "blobs/sha256"] {
            let root = tempfile::tempdir().unwrap();
            let link = root.path().join(folder);
            std::fs::create_dir_all(link.parent().unwrap()).unwrap();
            symlink("/absent/disk", &link).unwrap();
            let error = Directory::new(root.path()).unwrap_err();
            let expected = StrayLink { link: folder.into(), target: "/absent/disk".into(), is_there: false };
            assert_eq!(*stray(&error), expected);
        }
    }

    /// Files are found behind links that stay inside, once for each path. Links that lead in circles or outside are not followed.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "tests write scratch folders")]
    fn files_are_found_behind_links() {
        let scratch = tempfile::tempdir().unwrap();
        let (root, outside) = (scratch.path().join("layout"), scratch.path().join("outside"));
        let blob = Digest::sha256(b"b");
        for folder in [root.join("..2026/crls"), outside.join("sha256"), outside.join("deep")] {
            std::fs::create_dir_all(folder).unwrap();
        }
        std::fs::write(root.join("..2026/crls/a"), "").unwrap();
        std::fs::write(root.join("..2026/index.json"), "").unwrap();
        std::fs::write(root.join(".DS_Store"), "").unwrap();
        std::fs::write(outside.join("sha256").join(blob.hex()), "b").unwrap();
        for (to, name) in [
            ("..2026", "..data"),
            ("..data/crls", "crls"),
            ("..data/index.json", "index.json"),
            ("../outside", "blobs"),
        ] {
            symlink(to, root.join(name)).unwrap();
        }
        let directory = Directory::new(&root).unwrap();
        let found = [blob_path(&blob), "crls/a".into(), "index.json".into()];
        assert_eq!(
            directory.files().unwrap_err().get_ref().unwrap().downcast_ref(),
            Some(&StrayLink {
                link: "blobs".into(),
                target: outside.join("deep").canonicalize().unwrap().parent().unwrap().to_owned(),
                is_there: true,
            })
        );
        std::fs::remove_dir(outside.join("deep")).unwrap();
        assert_eq!(directory.files().unwrap(), found);
        for to in [".", "/", "/etc/passwd", "gone", "round"] {
            symlink(to, root.join("round")).unwrap();
            assert!(directory.files().is_err(), "{to}");
            std::fs::remove_file(root.join("round")).unwrap();
        }
        assert_eq!(directory.files().unwrap(), found);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "tests write scratch folders")]
    fn folders_behind_links_are_bounded() {
        let root = tempfile::tempdir().unwrap();
        let directory = Directory::new(root.path()).unwrap();
        std::fs::create_dir(root.path().join("folder")).unwrap();
        std::fs::write(root.path().join("folder/file"), "").unwrap();
        for number in 0..limits::LINKED_FOLDERS {
            symlink("folder", root.path().join(number.to_string())).unwrap();
        }
        assert_eq!(directory.files().unwrap().len(), limits::LINKED_FOLDERS + 1);
        symlink("folder", root.path().join("more")).unwrap();
        assert!(directory.files().is_err());
    }
}
