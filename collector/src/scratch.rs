//! A private folder for files that nobody else is to see, removed when it is dropped.

use std::io;
use std::path::{Path, PathBuf};

use crate::random;

/// A private folder that goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Makes the folder where the system keeps such things.
    ///
    /// # Errors
    /// [`io::Error`]
    pub(crate) fn new() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("assay-{}", random::hex(8)));
        let builder = &mut std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(builder, 0o700);
        builder.create(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It is in the folder for such things; what cannot be removed goes with them.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
