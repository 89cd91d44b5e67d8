//! The files of a run. Each appears whole or not at all: it is written beside its place and then moved there.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use assay_shared::report::SiteReport;

use crate::random;
use crate::report::{self, ReportError};

/// The folder that a run's files go to.
#[derive(Clone, Debug)]
pub struct Output {
    folder: PathBuf,
}

/// A file cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The system says no.
    #[error("{}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A report cannot be made.
    #[error(transparent)]
    Render(#[from] ReportError),
}

/// The folders in it, and the endings of the reports there; in the folder itself those that begin so are reports.
const FOLDERS: [(&str, &str); 2] = [("nodes", "json"), ("junit", "xml")];
const REPORTS: [&str; 3] = ["report.json", "report.html", "junit.xml"];

impl Output {
    /// Makes the folder ready: what an earlier run reported there is removed, so that nothing old passes for new.
    ///
    /// # Errors
    /// [`OutputError`]
    pub fn prepare(folder: &Path) -> Result<Self, OutputError> {
        for (name, ending) in FOLDERS {
            let folder = folder.join(name);
            fs::create_dir_all(&folder).map_err(|source| failed(&folder, source))?;
            remove(&folder, |name| name.strip_suffix(ending).is_some_and(|rest| rest.ends_with('.')))?;
        }
        remove(folder, |name| {
            REPORTS.contains(&name) || (name.starts_with("junit~") && name.ends_with(".xml"))
        })?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// The path of a file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes the site's reports.
    ///
    /// # Errors
    /// [`OutputError`]
    pub fn write_site(&self, report: &SiteReport) -> Result<(), OutputError> {
        for file in report::write_all(report) {
            let (name, bytes) = file?;
            self.write(&name, &bytes)?;
        }
        Ok(())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), OutputError> {
        let path = self.path(name);
        let beside = self.path(&format!("{name}.{}.part", random::hex(4)));
        write_whole(&beside, &path, bytes).map_err(|source| {
            // What is half written helps nobody; where it cannot be removed either, the error says where it is.
            let _ = fs::remove_file(&beside);
            OutputError::Write { path, source }
        })
    }
}

/// Removes the files of a folder whose names are ours.
fn remove(folder: &Path, ours: impl Fn(&str) -> bool) -> Result<(), OutputError> {
    for entry in fs::read_dir(folder).map_err(|source| failed(folder, source))? {
        let path = entry.map_err(|source| failed(folder, source))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if name.is_some_and(&ours) && path.is_file() {
            fs::remove_file(&path).map_err(|source| failed(&path, source))?;
        }
    }
    Ok(())
}

fn failed(path: &Path, source: io::Error) -> OutputError {
    OutputError::Write { path: path.to_owned(), source }
}

fn write_whole(beside: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(beside, path)
}

#[cfg(test)]
mod tests {
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
        let output = Output::prepare(folder.path()).unwrap();
        for name in old {
            assert!(!path(name).exists(), "{name}");
        }
        for name in kept {
            assert!(path(name).exists(), "{name}");
        }
        output.write("nodes/a.json", b"{}").unwrap();
        assert_eq!(fs::read(path("nodes/a.json")).unwrap(), b"{}");
        assert_eq!(fs::read_dir(path("nodes")).unwrap().count(), 2);
    }
}
