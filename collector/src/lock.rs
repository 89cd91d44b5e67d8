//! Locks a folder, so that only one run at a time writes to it. A run holds the lock until the program ends.
//!
//! The lock is the operating system's, on a file in the folder, so it disappears with its process, however that
//! ends. The file stays; it says who held the lock last.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::clean;
use crate::clock;

/// The lock's name in a run's folder.
const FILE_NAME: &str = ".assay.lock";

/// The lock on a folder, held until it is dropped.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _file: File,
}

/// A folder cannot be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another program holds the lock.
    #[error("{}: {holder} still writes there; wait until it ends, or give another folder", folder.display())]
    Held {
        /// The folder.
        folder: PathBuf,
        /// Who holds it.
        holder: String,
    },
    /// The system refuses.
    #[error("{}", path.display())]
    System {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl FolderLock {
    /// Creates the folder if it does not exist, and locks it. On a file system without locks it stays unlocked.
    ///
    /// # Errors
    /// [`LockError`]
    pub(crate) fn take(folder: &Path) -> Result<Self, LockError> {
        let path = folder.join(FILE_NAME);
        let failed = |source| LockError::System { path: path.clone(), source };
        fs::create_dir_all(folder).map_err(failed)?;
        let mut options = OpenOptions::new();
        let mut file =
            options.create(true).truncate(false).read(true).write(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {
                let holder = format!("assay, process {}, since {},", std::process::id(), clock::now());
                file.set_len(0).and_then(|()| file.write_all(holder.as_bytes())).map_err(failed)?;
            }
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held { folder: folder.to_owned(), holder: holder(&path) });
            }
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        Ok(Self { _file: file })
    }
}

/// Who holds a lock, as far as its file says. On Windows other programs cannot read it.
fn holder(path: &Path) -> String {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(200).read_to_string(&mut text));
    match read {
        Ok(length) if length > 0 => clean::name(&text),
        _ => "another assay".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_one_runs_until_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("new/out");
        let first = FolderLock::take(&out).unwrap();
        let second = FolderLock::take(&out).unwrap_err();
        assert!(matches!(second, LockError::Held { .. }), "{second}");
        #[cfg(unix)]
        assert!(second.to_string().contains(&format!("process {}", std::process::id())));
        FolderLock::take(&folder.path().join("other")).unwrap();
        drop(first);
        FolderLock::take(&out).unwrap();
    }
}
