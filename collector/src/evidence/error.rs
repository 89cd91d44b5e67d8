//! Why evidence cannot be packed, and why a file is not evidence.

use std::io;
use std::path::PathBuf;

use assay_judge::store::members;
use assay_report::bundle::FileError;
use assay_report::document::DocumentError;
use assay_report::evidence::{DOCUMENT, SIGNATURE};
use assay_verifier::dsse::{DsseError, VerifyError};

use crate::archive::ArchiveError;
use crate::site_key::SiteKeyError;
use crate::visit::PayloadError;

/// Evidence cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// There is no report.
    #[error("{}: {source}; --report is the folder that assay run or assay report wrote to", path.display())]
    NoReport {
        /// Where it should be.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The report is none.
    #[error("{}: {source}", path.display())]
    Report {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// No node was verified.
    #[error("{}: no node was verified, so there is nothing to give evidence of", path.display())]
    NoNode {
        /// The report.
        path: PathBuf,
    },
    /// The trust directory has changed since.
    #[error("the trust directory is not the one that was sent to the nodes; give that one, or run again")]
    OtherTrust,
    /// A node was verified with other bundles.
    #[error("node {node} was verified with other bundles; give those, in the same order, as --bundle")]
    OtherBundles {
        /// The node.
        node: String,
    },
    /// The trust directory or a bundle cannot be read.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// A file cannot be read or written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The key does not sign.
    #[error(transparent)]
    Key(#[from] SiteKeyError),
    /// A file cannot be read.
    #[error("{0}")]
    Read(#[source] io::Error),
    /// The file cannot be put in its place.
    #[error("{}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Why a file is not the evidence that a key vouches for.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnpackError {
    /// It is damaged, or cannot be read.
    #[error("{0}")]
    Unreadable(io::Error),
    /// It is no archive, or one that is damaged or past a limit.
    #[error("it {0}")]
    Members(#[from] members::ArchiveError),
    /// A member that no pack has, or that does not come where it should.
    #[error("its member {name} is none that a pack of evidence has there")]
    Name {
        /// The member.
        name: String,
    },
    /// A member that every pack has, at its beginning.
    #[error("its member {name} is not where it should be")]
    Missing {
        /// The member.
        name: &'static str,
    },
    /// The envelope is none.
    #[error("{SIGNATURE}: {0}")]
    Envelope(#[from] DsseError),
    /// No key vouches for it.
    #[error("{SIGNATURE}: {0}")]
    Signature(#[from] VerifyError),
    /// The envelope is around another document.
    #[error("{SIGNATURE} is of another {DOCUMENT}")]
    OtherDocument,
    /// The document is none.
    #[error("{DOCUMENT}: {0}")]
    Document(#[from] DocumentError),
    /// A member is not the one that was signed.
    #[error("{0}")]
    File(#[from] FileError),
    /// Something between the members, or in the compression, was changed.
    #[error(
        "every member is as it was signed, and the file is not what packing them gives: a header, padding, the compression or \
         the end of the file was changed"
    )]
    OtherBytes,
    /// A member cannot be packed again.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

impl From<io::Error> for UnpackError {
    /// What is wrong with a member comes out of reading it.
    fn from(error: io::Error) -> Self {
        error.downcast::<members::ArchiveError>().map_or_else(Self::Unreadable, Self::Members)
    }
}
