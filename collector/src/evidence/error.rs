//! The errors of packing and unpacking evidence.

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

/// Why evidence cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// There is no report.
    #[error("cannot read {}; give --report the folder that assay run or assay report wrote to", path.display())]
    NoReport {
        /// Where it should be.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is not a site report.
    #[error("{} is not a site report", path.display())]
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
    /// The trust directory has changed since the run.
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
    #[error("cannot read what is to be packed")]
    Read(#[source] io::Error),
}

/// Why a file is not evidence that a key vouches for.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnpackError {
    /// The file is damaged or cannot be read.
    #[error("the file cannot be read; copy or fetch it again")]
    Unreadable(#[source] io::Error),
    /// The file is not an archive, or it is damaged or exceeds a limit.
    #[error("the file cannot be unpacked; copy or fetch it again")]
    Members(#[from] members::ArchiveError),
    /// A member that evidence does not have, or that is not in its place.
    #[error("evidence has no member {name} at this place; do not pack it by hand, and fetch it again")]
    Name {
        /// The member.
        name: String,
    },
    /// A member that all evidence begins with.
    #[error("the member {name} is not where it should be; do not pack evidence by hand, and fetch it again")]
    Missing {
        /// The member.
        name: &'static str,
    },
    /// The envelope is invalid.
    #[error("{SIGNATURE} is not a valid DSSE envelope; fetch the evidence again")]
    Envelope(#[from] DsseError),
    /// No key vouches for the list of members.
    #[error(
        "{SIGNATURE} does not verify; give the key of the site that signed it, or find out who changed the evidence"
    )]
    Signature(#[from] VerifyError),
    /// The envelope is around another document.
    #[error("{SIGNATURE} signs another {DOCUMENT}; fetch the evidence again")]
    OtherDocument,
    /// The list of members is invalid.
    #[error("{DOCUMENT} is invalid; pack the evidence again")]
    Document(#[from] DocumentError),
    /// A member is not the one that was signed.
    #[error(transparent)]
    File(#[from] FileError),
    /// Something between the members, or in the compression, was changed.
    #[error(
        "every member is as it was signed, but packing them does not give this file: a header, padding, the compression or the \
         end of the file was changed"
    )]
    OtherBytes,
    /// A member cannot be packed again.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

impl From<io::Error> for UnpackError {
    /// Reading a member reports what is wrong with the archive.
    fn from(error: io::Error) -> Self {
        error.downcast::<members::ArchiveError>().map_or_else(Self::Unreadable, Self::Members)
    }
}
