//! The files of a run. Each appears whole or not at all: it is written beside its place and then moved there.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use assay_shared::report::SiteReport;

use crate::random;

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
    #[error("making {name}: {reason}")]
    Render {
        /// The report.
        name: &'static str,
        /// Why.
        reason: String,
    },
}

/// The folder of the node reports.
const NODES: &str = "nodes";

impl Output {
    /// Makes the folder ready: what an earlier run reported there is removed, so that nothing old passes for new.
    ///
    /// # Errors
    /// [`OutputError`]
    pub fn prepare(folder: &Path) -> Result<Self, OutputError> {
        let failed = |path: &Path, source| OutputError::Write { path: path.to_owned(), source };
        let nodes = folder.join(NODES);
        fs::create_dir_all(&nodes).map_err(|source| failed(&nodes, source))?;
        for (folder, kinds) in [(folder, &["json", "xml", "html"][..]), (nodes.as_path(), &["json"][..])] {
            for entry in fs::read_dir(folder).map_err(|source| failed(folder, source))? {
                let path = entry.map_err(|source| failed(folder, source))?.path();
                let is_kind = path.extension().is_some_and(|kind| kinds.iter().any(|known| kind == *known));
                let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
                let ours =
                    folder == nodes || stem == "report" || stem == "junit" || stem.starts_with("junit~");
                if is_kind && ours && path.is_file() {
                    fs::remove_file(&path).map_err(|source| failed(&path, source))?;
                }
            }
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// The path of a file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a node's report, byte for byte as it came.
    ///
    /// # Errors
    /// [`OutputError`]
    pub fn write_node(&self, node: &str, bytes: &[u8]) -> Result<(), OutputError> {
        self.write(&format!("{NODES}/{node}.json"), bytes)
    }

    /// Writes the site's reports.
    ///
    /// # Errors
    /// [`OutputError`]
    pub fn write_site(&self, report: &SiteReport) -> Result<(), OutputError> {
        for (name, bytes) in crate::render::files(report)? {
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
        let old = ["report.json", "junit.xml", "junit~2.xml", "report.html", "nodes/a.json"];
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
        output.write_node("a", b"{}").unwrap();
        assert_eq!(fs::read(path("nodes/a.json")).unwrap(), b"{}");
        assert_eq!(fs::read_dir(path("nodes")).unwrap().count(), 2);
    }
}
