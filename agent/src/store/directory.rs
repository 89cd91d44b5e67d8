//! A layout in a directory. Links are followed as long as they stay inside: Kubernetes mounts ConfigMaps that way.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use assay_shared::oci::{Algorithm, Digest};

/// A directory that files are opened in and never outside of.
#[derive(Debug)]
pub(super) struct Directory {
    root: PathBuf,
    /// The folders of blobs by their algorithm, resolved once: layouts have thousands of blobs in one.
    blobs: HashMap<Algorithm, PathBuf>,
}

impl Directory {
    /// # Errors
    /// Where the path cannot be resolved.
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        let root = resolve(path)?;
        let blobs = [Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512]
            .into_iter()
            .filter_map(|algorithm| {
                let folder = resolve(&root.join("blobs").join(algorithm.name())).ok()?;
                folder.starts_with(&root).then_some((algorithm, folder))
            })
            .collect();
        Ok(Self { root, blobs })
    }

    /// Where it is, without links.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Opens a regular file by its path in the layout.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] where there is none, [`io::ErrorKind::Unsupported`] where it is no regular file; others
    /// where it leads outside.
    pub(super) fn open(&self, relative: &Path) -> io::Result<(File, u64)> {
        // Between this look and the opening the path may change. Nothing read is believed before its digest is checked,
        // so that whoever can change it gains nothing but reading what this process may read, and cannot see it.
        let path = resolve(&self.root.join(relative))?;
        if !path.starts_with(&self.root) {
            return Err(io::Error::other("a link leads out of the layout"));
        }
        let metadata = path.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "not a regular file"));
        }
        Ok((File::open(&path)?, metadata.len()))
    }

    /// Opens a blob.
    ///
    /// # Errors
    /// As [`Directory::open`].
    pub(super) fn blob(&self, digest: &Digest) -> io::Result<(File, u64)> {
        // a digest is well-formed, so its hex is no path
        if let Some(folder) = self.blobs.get(&digest.algorithm()) {
            let path = folder.join(digest.hex());
            let metadata = path.symlink_metadata()?;
            if metadata.is_file() {
                return Ok((File::open(path)?, metadata.len()));
            }
        }
        self.open(&Path::new("blobs").join(digest.algorithm().name()).join(digest.hex()))
    }

    /// Whether there is no file of a blob.
    pub(super) fn lacks(&self, digest: &Digest) -> bool {
        self.blob(digest).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    /// Every blob that there is a file of. Files of other names are none.
    ///
    /// # Errors
    /// Where a folder of blobs cannot be listed.
    pub(super) fn digests(&self) -> io::Result<BTreeSet<Digest>> {
        let mut digests = BTreeSet::new();
        for (algorithm, folder) in &self.blobs {
            for entry in folder.read_dir()? {
                let name = entry?.file_name();
                let digest = name.to_str().and_then(|hex| format!("{}:{hex}", algorithm.name()).parse().ok());
                digests.extend(digest);
            }
        }
        Ok(digests)
    }
}

/// The path without links.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    // what Windows says where a disk's driver cannot tell, and wine of a long path
    const INVALID_FUNCTION: i32 = 1;
    const MORE_DATA: i32 = 234;
    match path.canonicalize() {
        Err(error) if cfg!(windows) && matches!(error.raw_os_error(), Some(INVALID_FUNCTION | MORE_DATA)) => {
            unlinked(path)
        }
        resolved => resolved,
    }
}

/// The path, where nothing on it is a link.
fn unlinked(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    for part in path.ancestors() {
        if part.symlink_metadata()?.is_symlink() {
            return Err(io::Error::other("a link where links cannot be followed"));
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
        // where temporary files are may itself be behind a link
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().canonicalize().unwrap();
        symlink(".", root.join("link")).unwrap();
        assert_eq!(unlinked(&root).unwrap(), root);
        assert_eq!(unlinked(&root.join("link")).unwrap_err().kind(), io::ErrorKind::Other);
        assert_eq!(unlinked(&root.join("link/link")).unwrap_err().kind(), io::ErrorKind::Other);
        assert_eq!(unlinked(&root.join("nothing")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "tests write scratch folders")]
    fn blobs_follow_the_same_rule() {
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
        let far = Algorithm::Sha512.digest(b"f");
        std::fs::write(scratch.path().join("elsewhere").join(far.hex()), "f").unwrap();

        let directory = Directory::new(&root).unwrap();
        assert!(directory.blob(&real).is_ok() && directory.blob(&inside).is_ok());
        for (digest, kind) in
            [(outside, io::ErrorKind::Other), (far, io::ErrorKind::Other), (absent, io::ErrorKind::NotFound)]
        {
            assert_eq!(directory.blob(&digest).unwrap_err().kind(), kind);
        }
    }
}
