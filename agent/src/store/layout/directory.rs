//! A layout in a directory. Links are followed as long as they stay inside: Kubernetes mounts ConfigMaps that way.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use assay_shared::oci::Digest;

/// A directory that files are opened in and never outside of.
#[derive(Debug)]
pub(super) struct Directory {
    root: PathBuf,
}

impl Directory {
    /// # Errors
    /// Where the path cannot be resolved.
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        Ok(Self { root: path.canonicalize()? })
    }

    /// Opens a regular file by its path in the layout.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] where there is none; others where it leads outside or is no regular file.
    pub(super) fn open(&self, relative: &Path) -> io::Result<(File, u64)> {
        // Between this look and the opening the path may change. Nothing read is believed before its digest is checked,
        // so that whoever can change it gains nothing but reading what this process may read, and cannot see it.
        let path = self.root.join(relative).canonicalize()?;
        if !path.starts_with(&self.root) {
            return Err(io::Error::other("a link leads out of the layout"));
        }
        let metadata = path.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        Ok((File::open(&path)?, metadata.len()))
    }

    /// Opens a blob.
    ///
    /// # Errors
    /// As [`Directory::open`].
    pub(super) fn blob(&self, digest: &Digest) -> io::Result<(File, u64)> {
        // a digest is well-formed, so its hex is no path
        self.open(&Path::new("blobs").join(digest.algorithm().name()).join(digest.hex()))
    }
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
            ("..data", io::ErrorKind::Other),
            ("nothing", io::ErrorKind::NotFound),
        ] {
            assert_eq!(directory.open(Path::new(name)).unwrap_err().kind(), kind, "{name}");
        }
    }
}
