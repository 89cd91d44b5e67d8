//! Collects the files for a trust directory, compares them with what is there, and writes them one by one, the policy last.
//! Each file is written whole or not at all.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::TrustEditError;
use crate::files;
use crate::output::OutputError;

/// Files by their place in the trust directory.
#[derive(Debug, Default)]
pub(super) struct Changes(BTreeMap<PathBuf, Change>);

#[derive(Debug)]
struct Change {
    bytes: Vec<u8>,
    /// Whether it replaces what is there, as a policy with one statement more does.
    replaces: bool,
}

impl Changes {
    /// A file that is new to the directory.
    pub(super) fn add(&mut self, place: PathBuf, bytes: Vec<u8>) -> Result<(), TrustEditError> {
        match self.0.get(&place) {
            Some(known) if known.bytes != bytes => Err(TrustEditError::SameName { path: place }),
            _ => {
                self.0.insert(place, Change { bytes, replaces: false });
                Ok(())
            }
        }
    }

    /// A file whose new content was made from the old.
    pub(super) fn replace(&mut self, place: PathBuf, bytes: Vec<u8>) {
        self.0.insert(place, Change { bytes, replaces: true });
    }

    /// Writes what is not there yet; with `force` also over what is there.
    pub(super) fn write(self, directory: &Path, force: bool) -> Result<(), TrustEditError> {
        let mut missing = Vec::new();
        for (place, change) in self.0 {
            let path = directory.join(&place);
            match fs::read(&path) {
                Ok(there) if there == change.bytes => {}
                Ok(_) if force || change.replaces => missing.push((path, change.bytes)),
                Ok(_) => return Err(TrustEditError::Exists { path }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push((path, change.bytes)),
                Err(source) => return Err(TrustEditError::Unreadable { path, source }),
            }
        }
        // without a policy a directory trusts nothing
        missing.sort_by_key(|(path, _)| path.parent() == Some(directory));
        for (path, bytes) in missing {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)
                    .map_err(|source| OutputError::Write { path: folder.to_owned(), source })?;
            }
            files::write(&path, &bytes).map_err(|source| OutputError::Write { path, source })?;
        }
        Ok(())
    }
}

/// Whether a trust directory can be made there: there is nothing, an empty folder, or `force`.
pub(super) fn require_free(directory: &Path, force: bool) -> Result<(), TrustEditError> {
    let occupied = match fs::read_dir(directory) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(source) => return Err(TrustEditError::Unreadable { path: directory.to_owned(), source }),
    };
    if occupied && !force { Err(TrustEditError::NotEmpty { path: directory.to_owned() }) } else { Ok(()) }
}
