//! A private folder for files that nobody else is to see, removed when it is dropped, and when the program is asked to end.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::{random, stop};

/// The folders that are there.
static FOLDERS: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

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
        FOLDERS.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone());
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
        FOLDERS.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// From now on a signal that asks the program to end removes every scratch folder first, for commands that have nothing else to
/// clean up.
///
/// # Errors
/// [`io::Error`] if signals cannot be watched for.
pub(crate) fn remove_on_signals() -> io::Result<()> {
    stop::on_first_signal(|| {
        // kept: no folder is made any more
        let folders = FOLDERS.lock().unwrap_or_else(PoisonError::into_inner);
        for folder in &*folders {
            // whoever writes there may add a file meanwhile
            let gone = || std::fs::remove_dir_all(folder).is_ok() || !folder.exists();
            (0..100).any(|_| gone());
        }
        std::process::exit(stop::EXIT_CODE)
    })
}
