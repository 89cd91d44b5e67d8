//! Reads the documents that name every file beside them, so that one signature covers all: `bundle.json` and
//! `evidence.json`.
//!
//! A document is refused if two readers could understand it differently, if it has another schema, if a list is past its
//! bound, or if a path leads out of the folder of the document.

use alloc::string::{String, ToString as _};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use assay_verifier::json::{self, JsonError, Shape};
use assay_verifier::limits;

/// The form of the SHA-256 digests that stand without their algorithm.
#[cfg(feature = "schema")]
pub(crate) const HEX_SHA256: &str = "^[0-9a-f]{64}$";

/// Reads a document of that schema.
///
/// # Errors
/// [`DocumentError`] if it is not one.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8], schema: &'static str) -> Result<T, DocumentError> {
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limits::BUNDLE_DOCUMENT_BYTES {
        return Err(DocumentError::TooLarge { bytes: bytes.len() });
    }
    #[derive(Deserialize)]
    struct Named {
        #[serde(default)]
        schema: String,
    }
    const NAMED: Shape = Shape::Object(&[("schema", &Shape::Any)]);
    let Named { schema: found } = json::read(bytes, &NAMED).map_err(DocumentError::Malformed)?;
    if found != schema {
        return Err(DocumentError::Schema { found, schema });
    }
    serde_json::from_slice(bytes).map_err(|error| DocumentError::Malformed(JsonError::new(bytes, &error)))
}

/// Checks that a document lists no more files than any real one, and only paths that `is_path` takes.
///
/// # Errors
/// [`DocumentError::TooManyFiles`], [`DocumentError::Path`]
pub(crate) fn check_paths<'p>(
    paths: impl Iterator<Item = &'p str>,
    is_path: impl Fn(&str) -> bool,
) -> Result<(), DocumentError> {
    for (count, path) in paths.enumerate() {
        if count >= limits::ARCHIVE_MEMBERS {
            return Err(DocumentError::TooManyFiles);
        }
        if !is_path(path) {
            return Err(DocumentError::Path { path: path.to_string() });
        }
    }
    Ok(())
}

/// Why bytes are not such a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// Longer than [`limits::BUNDLE_DOCUMENT_BYTES`].
    #[error("{bytes} bytes are too many")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// Not the JSON of such a document, or a member comes twice.
    #[error("malformed: {0}")]
    Malformed(JsonError),
    /// Another document, or one of a later version.
    #[error("its schema is {found:?} and not {schema}")]
    Schema {
        /// What it says.
        found: String,
        /// What it should say.
        schema: &'static str,
    },
    /// More files than [`limits::ARCHIVE_MEMBERS`].
    #[error("it lists more than {} files", limits::ARCHIVE_MEMBERS)]
    TooManyFiles,
    /// A path that leads out of the document's folder, or is not the name of a file there.
    #[error("it lists {path:?}, which is not a path of a file beside it")]
    Path {
        /// The path.
        path: String,
    },
}
