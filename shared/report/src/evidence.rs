//! Reads and writes `evidence.json`, `assay/evidence/v1`: what a pack of evidence holds, and which file is what.
//!
//! The document names every other file of the pack with its digest, so that one DSSE envelope over it ([`SIGNATURE`]) covers
//! all of them, as in a bundle ([`crate::bundle`]). A document that two readers could understand differently is refused, and
//! so is a path that leads out of the pack.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::bundle::{CarriedFile, Tool, is_plain_path};
use crate::document::{self, DocumentError};

/// The value of [`EvidenceManifest::schema`].
pub const EVIDENCE_SCHEMA: &str = "assay/evidence/v1";

/// The document's name in a pack.
pub const DOCUMENT: &str = "evidence.json";

/// The name of the DSSE envelope over the document. It and the document are the two files that the document does not list.
pub const SIGNATURE: &str = "evidence.json.dsse";

/// The type of the envelope's payload, which is the document byte for byte.
pub const PAYLOAD_TYPE: &str = "application/vnd.assay.evidence.v1+json";

/// The site report with its node reports, as the run wrote it.
pub const REPORT: &str = "report.json";

/// The trust directory, as one archive: the very bytes whose digest the site report names.
pub const TRUST: &str = "trust.tar";

/// What a pack holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceManifest {
    /// [`EVIDENCE_SCHEMA`]
    pub schema: String,
    /// What made it.
    pub tool: Tool,
    /// The version of what compresses: as long as it stays the same, the same members give the same bytes. 0 in packs of
    /// programs that did not say.
    #[serde(default)]
    pub packing: u32,
    /// The run that it is of.
    pub run: String,
    /// The bundles as they were sent to the nodes, in the order given.
    pub bundles: Vec<String>,
    /// The nodes that were verified, sorted by name.
    pub nodes: Vec<EvidenceNode>,
    /// Every other file of the pack, sorted by path.
    pub files: Vec<CarriedFile>,
}

/// A node's files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceNode {
    /// The node's name in the site report.
    pub name: String,
    /// The envelope of the statement about it ([`crate::statement`]).
    pub statement: String,
}

impl EvidenceManifest {
    /// Reads the document.
    ///
    /// # Errors
    /// [`DocumentError`] if it is not one, is of another version, or says what no pack can be.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        let manifest: Self = document::read(bytes, EVIDENCE_SCHEMA)?;
        let statements = manifest.nodes.iter().map(|node| &node.statement);
        let paths = manifest.files.iter().map(|file| &file.path).chain(&manifest.bundles).chain(statements);
        document::check_paths(paths.map(String::as_str), is_listed_path)?;
        Ok(manifest)
    }

    /// The document's bytes.
    ///
    /// # Errors
    /// Never in practice: the document has no maps.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// Whether a path may be that of a member. Names of nodes are written with `%`, hex and `~` for other letters.
pub fn is_listed_path(path: &str) -> bool {
    is_plain_path(&path.replace(['%', '~'], "_")) && ![DOCUMENT, SIGNATURE].contains(&path)
}
