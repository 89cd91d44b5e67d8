//! What the writable layer of a container holds, and what is mounted over the files of its image.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use assay_verifier::oci::Digest;
use serde::{Deserialize, Serialize};

/// What becomes of drift in writable layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum DriftMode {
    /// It is listed.
    Report,
    /// It is listed, and the image fails.
    Fail,
}

impl DriftMode {
    /// Every mode.
    pub const ALL: [Self; 2] = [Self::Report, Self::Fail];

    /// The value of `--drift`, as reports write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Fail => "fail",
        }
    }
}

/// What the writable layer of a container holds, and what is mounted over the files of its image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Drift {
    /// What looking at the layer showed.
    pub result: DriftResult,
    /// The finer code of what is wrong; null if nothing is.
    pub code: Option<String>,
    /// Why the layer was not looked at, or not all of it; null otherwise.
    pub why: Option<String>,
    /// Whether the container runs; null if the store does not know.
    pub running: Option<bool>,
    /// Files that the layers below do not have.
    pub added: u64,
    /// Files that are others than in the layers below.
    pub changed: u64,
    /// Files of the layers below that are gone. A directory counts once, whatever was in it.
    pub deleted: u64,
    /// The files: programs first, then libraries, then the rest; each kind in the order of the paths.
    pub findings: Vec<DriftFinding>,
    /// Files that are counted and not named.
    pub more: u64,
    /// What is mounted over files of the image, in the same order. A mount is no drift.
    pub mounts: Vec<CoveringMount>,
    /// Mounts that are not named.
    pub more_mounts: u64,
}

impl Drift {
    /// Drift of a layer that was not looked at.
    pub fn not_run(code: &str, why: String) -> Self {
        Self {
            result: DriftResult::NotRun,
            code: Some(code.into()),
            why: Some(why),
            running: None,
            added: 0,
            changed: 0,
            deleted: 0,
            findings: Vec::new(),
            more: 0,
            mounts: Vec::new(),
            more_mounts: 0,
        }
    }

    /// How many files drifted.
    pub fn count(&self) -> u64 {
        self.added.saturating_add(self.changed).saturating_add(self.deleted)
    }

    /// Whether there is anything to tell: the layer is not clean, or something is mounted over files of the image.
    pub fn is_worth_telling(&self) -> bool {
        self.result != DriftResult::Clean || !self.mounts.is_empty() || self.more_mounts > 0
    }
}

/// What looking at a writable layer showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum DriftResult {
    /// The container has the files of its image and no others.
    Clean,
    /// Files were added, changed or deleted.
    Drifted,
    /// No drift was found, and not everything could be read.
    Inconclusive,
    /// Nothing was looked at.
    NotRun,
}

/// A file by which a container differs from its image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DriftFinding {
    /// What kind of file it is, or was.
    pub class: FileClass,
    /// The file's path in the container. Bytes that are not printable ASCII are escaped.
    pub path: String,
    /// Whether it is added, changed or deleted.
    pub kind: DriftKind,
    /// What the layers below have, or what of it is another; null for what is added.
    pub before: Option<String>,
    /// What the container has, or what of it is another; null for what is deleted.
    pub after: Option<String>,
    /// The size of a regular file that the container has, in bytes; null otherwise.
    pub size: Option<u64>,
    /// The SHA-256 of its content; null for what is not a regular file, is too large, or changed while it was read.
    pub sha256: Option<Digest>,
}

impl DriftFinding {
    /// The finding in a few words.
    pub fn sentence(&self) -> String {
        let Self { class, path, kind, before, after, size: _, sha256 } = self;
        let path = if path.is_empty() { "the root directory" } else { path.as_str() };
        let class = match class {
            FileClass::Privileged => "privileged program, ",
            FileClass::Program => "program, ",
            FileClass::Library => "library, ",
            FileClass::Other => "",
        };
        let before = before.as_deref().unwrap_or_default();
        let after = after.as_deref().unwrap_or_default();
        let content = sha256.as_ref().filter(|digest| !after.contains(digest.as_str()));
        let content = content.map(|digest| format!(", {digest}")).unwrap_or_default();
        match kind {
            DriftKind::Added => format!("{path} is added: {class}{after}{content}"),
            DriftKind::Changed => format!("{path} is changed: {class}{after} instead of {before}{content}"),
            DriftKind::Deleted => format!("{path} is deleted: {class}{before}"),
        }
    }
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum DriftKind {
    /// The layers below do not have it.
    Added,
    /// The layers below have another.
    Changed,
    /// The layers below have it, and the container does not.
    Deleted,
}

/// What kind of file a file is, what may do most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum FileClass {
    /// A file that runs with other rights than its user's: setuid, setgid, file capabilities.
    Privileged,
    /// A file that can be run: an `x` bit, an ELF program, or `#!`.
    Program,
    /// A library: a shared object, by its content or its name.
    Library,
    /// Anything else.
    Other,
}

/// A mount that hides files of the image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CoveringMount {
    /// The first kind of what it hides.
    pub class: FileClass,
    /// Where it is in the container.
    pub destination: String,
    /// What is mounted there, such as a path of the node; null if that is not known.
    pub source: Option<String>,
    /// The type of the file system, such as `bind` or `tmpfs`; null if that is not known.
    pub mount_type: Option<String>,
    /// A file of the image that it hides, of the first kind.
    pub hides: String,
}
