//! A private folder for temporary files. It is removed when it is dropped, and when a signal ends the program.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

use crate::stop;

/// The folders that exist.
static FOLDERS: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A private folder that is removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Scratch(TempDir);

impl Scratch {
    /// Makes the folder among the system's temporary files.
    ///
    /// # Errors
    /// [`io::Error`]
    pub(crate) fn new() -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("assay-").tempdir()?;
        FOLDERS.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.path().to_owned());
        Ok(Self(folder))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It is unlisted only when it is gone, so that a signal in between removes it. What cannot be removed stays among the
        // system's temporary files.
        let _ = std::fs::remove_dir_all(self.path());
        FOLDERS.lock().unwrap_or_else(PoisonError::into_inner).remove(self.path());
    }
}

/// From now on a signal that asks the program to end removes every scratch folder first. For commands that have nothing else to
/// clean up.
///
/// # Errors
/// [`io::Error`] if signals cannot be watched for.
pub(crate) fn remove_on_signals() -> io::Result<()> {
    stop::on_first_signal(|| {
        // The lock is kept, so no further folder is made.
        let folders = FOLDERS.lock().unwrap_or_else(PoisonError::into_inner);
        for folder in &*folders {
            // Another thread may still write files there.
            let gone = || std::fs::remove_dir_all(folder).is_ok() || !folder.exists();
            (0..100).any(|_| gone());
        }
        std::process::exit(stop::EXIT_CODE)
    })
}
