//! The folder that a run writes its files to.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use assay_judge::replacement::Replacement;
use assay_report::NodeRow;

use crate::files;
use crate::lock::{FolderLock, LockError};
use crate::report::{self, Folder, ReportError, ReportHeader, SiteModel};

/// The folder that a run's files go to.
#[derive(Clone, Debug)]
pub struct RunFolder {
    folder: PathBuf,
    _lock: Arc<FolderLock>,
}

/// A file cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The system refuses.
    #[error("{}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another run uses the folder.
    #[error(transparent)]
    Locked(#[from] LockError),
    /// A report cannot be made.
    #[error(transparent)]
    Render(#[from] ReportError),
}

/// The folders in it with the endings of the reports there, and the reports in the folder itself.
const FOLDERS: [(&str, &str); 2] = [("nodes", "json"), ("junit", "xml")];
const REPORTS: [&str; 7] = [
    "report.json",
    "report.csv",
    "report.html",
    "junit.xml",
    "report.sarif",
    "oscal-assessment-results.json",
    "metrics.prom",
];

impl RunFolder {
    /// Prepares the folder for this run alone. The reports of an earlier run are removed, so that they are not taken for new ones.
    ///
    /// # Errors
    /// [`OutputError`]
    pub fn prepare(folder: &Path) -> Result<Self, OutputError> {
        Self::prepare_keeping(folder, &[])
    }

    /// [`RunFolder::prepare`], but the files `kept` stay, because they are still to be read.
    ///
    /// # Errors
    /// [`OutputError`]
    pub fn prepare_keeping(folder: &Path, kept: &[PathBuf]) -> Result<Self, OutputError> {
        let lock = FolderLock::take(folder)?;
        let kept: BTreeSet<PathBuf> = kept.iter().filter_map(|path| path.canonicalize().ok()).collect();
        for (name, ending) in FOLDERS {
            let folder = folder.join(name);
            fs::create_dir_all(&folder).map_err(|source| failed(&folder, source))?;
            remove(&folder, &kept, |name| name.strip_suffix(ending).is_some_and(|rest| rest.ends_with('.')))?;
        }
        remove(folder, &kept, |name| {
            REPORTS.contains(&name) || (name.starts_with("junit~") && name.ends_with(".xml"))
        })?;
        Ok(Self { folder: folder.to_owned(), _lock: Arc::new(lock) })
    }

    /// The path of a file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes the site's reports, and returns what they say.
    ///
    /// # Errors
    /// [`OutputError`]
    pub fn write_site(
        &self,
        head: ReportHeader,
        rows: impl IntoIterator<Item = NodeRow>,
    ) -> Result<SiteModel, OutputError> {
        report::write_all(self, head, rows).map_err(|error| match error {
            ReportError::Write { name, source } => OutputError::Write { path: self.path(&name), source },
            other => OutputError::Render(other),
        })
    }
}

impl Folder for RunFolder {
    type File = Replacement;

    fn create(&self, name: &str) -> io::Result<Replacement> {
        Replacement::open(&self.path(name))
    }

    fn keep(&self, file: Replacement) -> io::Result<()> {
        files::put(file)
    }
}

/// Removes the files of a folder whose names are those of reports.
fn remove(folder: &Path, kept: &BTreeSet<PathBuf>, ours: impl Fn(&str) -> bool) -> Result<(), OutputError> {
    for entry in fs::read_dir(folder).map_err(|source| failed(folder, source))? {
        let path = entry.map_err(|source| failed(folder, source))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let is_kept = || path.canonicalize().is_ok_and(|path| kept.contains(&path));
        if name.is_some_and(&ours) && path.is_file() && !is_kept() {
            // A link stays, so that what is written next goes where it leads.
            path.canonicalize().and_then(fs::remove_file).map_err(|source| failed(&path, source))?;
        }
    }
    Ok(())
}

fn failed(path: &Path, source: io::Error) -> OutputError {
    OutputError::Write { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_an_earlier_run_reported_goes_and_the_rest_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("nodes")).unwrap();
        fs::create_dir(path("junit")).unwrap();
        let old = ["report.json", "junit.xml", "junit~2.xml", "report.html", "nodes/a.json", "junit/a.xml"];
        let kept = ["journal.jsonl", "run.log", "notes.json", "site.toml", "nodes/readme.txt"];
        for name in old.iter().chain(&kept) {
            fs::write(path(name), "x").unwrap();
        }
        let output = RunFolder::prepare(folder.path()).unwrap();
        for name in old {
            assert!(!path(name).exists(), "{name}");
        }
        for name in kept {
            assert!(path(name).exists(), "{name}");
        }
        let mut part = output.create("nodes/a.json").unwrap();
        part.write_all(b"{}").unwrap();
        assert!(!path("nodes/a.json").exists());
        output.keep(part).unwrap();
        drop(output.create("nodes/b.json").unwrap());
        assert_eq!(fs::read(path("nodes/a.json")).unwrap(), b"{}");
        assert_eq!(fs::read_dir(path("nodes")).unwrap().count(), 2);
    }
}
