//! Unpacks the demo's recorded site.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// `fixtures/demo/site.tar` in a scratch folder.
#[derive(Debug)]
pub struct DemoSite {
    folder: TempDir,
}

impl DemoSite {
    /// Unpacks it.
    ///
    /// # Panics
    /// If it cannot be read.
    pub fn unpack() -> Self {
        let folder = tempfile::tempdir().expect("scratch folder");
        let archive = std::fs::File::open(Path::new(assay_fixtures::FIXTURES).join("demo/site.tar"));
        tar::Archive::new(archive.expect("fixtures/demo/site.tar"))
            .unpack(folder.path())
            .expect("a tar archive");
        Self { folder }
    }

    /// A path in the site.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The time to judge at.
    ///
    /// # Panics
    /// If the site has none.
    pub fn at(&self) -> String {
        std::fs::read_to_string(self.path("at")).expect("the site has a time").trim().to_owned()
    }

    /// What is expected: node, reference, verdict.
    ///
    /// # Panics
    /// If the site does not say.
    pub fn expected(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        let text = std::fs::read(self.path("expected.json")).expect("the site says what is expected");
        serde_json::from_slice(&text).expect("node, reference, verdict")
    }
}
