//! Why an archive or a layout cannot be read.

use std::fmt;
use std::io;
use std::path::PathBuf;

use assay_verifier::file_form::FileForm;
use assay_verifier::json::JsonError;
use assay_verifier::limits;

use crate::confinement::explain;
use crate::store::form::{StoreForm, why};

/// Why a path is not a layout.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct LayoutError {
    /// The path.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: LayoutProblem,
}

/// What is wrong with a layout.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutProblem {
    /// It is absent or cannot be read.
    #[error("{}", explain(.0))]
    Unreadable(io::Error),
    /// A device, a pipe or a socket.
    #[error("it is neither a folder nor a file; give the folder or the archive of a layout")]
    NeitherFileNorDirectory,
    /// It is not a tar, or the tar is damaged.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// There is no `oci-layout`.
    #[error("it is not an OCI image layout: {}", why(.0.as_ref()))]
    NoOciLayout(Option<StoreForm>),
    /// `oci-layout` says something else than version 1.0.0.
    #[error(
        "its oci-layout does not say version 1.0.0, the only one that is known; write the layout again, with oras or assay"
    )]
    Version,
    /// There is no `index.json`.
    #[error("it is not a whole OCI image layout, because index.json is missing; copy or write it again")]
    NoIndex,
    /// `index.json` is larger than [`limits::LAYOUT_INDEX_BYTES`].
    #[error(
        "its index.json is larger than {} bytes; split the layout into several",
        limits::LAYOUT_INDEX_BYTES
    )]
    IndexTooLarge,
    /// `index.json` lists more than [`limits::LAYOUT_ENTRIES`].
    #[error(
        "its index.json lists more than {} manifests; split the layout into several",
        limits::LAYOUT_ENTRIES
    )]
    TooManyEntries,
    /// `index.json` lists [`limits::BAD_ENTRIES`] things that are not descriptors.
    #[error(
        "its index.json lists too many entries that are not descriptors ({}); write the layout again",
        limits::BAD_ENTRIES
    )]
    TooManyBadEntries,
    /// `index.json` is not an index.
    #[error("its index.json is malformed, so copy or write the layout again: {0}")]
    IndexMalformed(JsonError),
}

impl From<io::Error> for LayoutProblem {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

/// Why a file is not the archive that it should be.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A file that is not a tar, gzip or Zstandard.
    #[error("it must be a folder or a tar, tar.gz or tar.zst, and it is {}", single(.0))]
    NotAnArchive(FileForm),
    /// A compressed file with something else than a tar in it.
    #[error(
        "it is compressed, and what is in it is {} and not a tar; pack the folder of the layout as tar.gz or tar.zst",
        single(.0)
    )]
    NotATar(FileForm),
    /// The tar or its compression is damaged, or the file cannot be read.
    #[error(
        "it is damaged or cannot be read{}, so copy or fetch it again: {error}",
        position.as_ref().map_or_else(String::new, |position| format!(" {position}"))
    )]
    Damaged {
        /// How far it was read; none if it was not opened.
        position: Option<Position>,
        /// What is wrong.
        error: io::Error,
    },
    /// The file ends within the archive.
    #[error("it is cut short {0}; copy or fetch it again")]
    CutShort(Position),
    /// A member that matters is a link or a device.
    #[error(
        "its member {name} is not a regular file; if it is a link, pack the layout again with tar --dereference \
         --hard-dereference"
    )]
    NotRegular {
        /// The member.
        name: String,
    },
    /// A member has holes, for which there are several ways to write them down.
    #[error(
        "its member {name} is sparse; pack the layout again without --sparse (-S; with bsdtar --no-read-sparse)"
    )]
    Sparse {
        /// The member.
        name: String,
    },
    /// A member that matters comes twice.
    #[error("it has its member {name} twice; pack it again")]
    Twice {
        /// The member.
        name: String,
    },
    /// A member is larger than any real one.
    #[error(
        "its member {name} is larger than {limit} bytes, which no real layout has; write the layout again"
    )]
    TooLarge {
        /// The member.
        name: String,
        /// What is read of such a member.
        limit: u64,
    },
    /// More than [`limits::ARCHIVE_MEMBERS`].
    #[error("it has more than {} members; split it into several", limits::ARCHIVE_MEMBERS)]
    TooManyMembers,
    /// More than [`limits::ARCHIVE_KEPT_BYTES`].
    #[error(
        "it has more than {} bytes of manifests, envelopes, CRLs and names of files, which are kept in memory; unpack it, or use a \
         plain tar",
        limits::ARCHIVE_KEPT_BYTES
    )]
    TooMuchToKeep,
}

/// The form of a single file, and what to do.
fn single(form: &FileForm) -> String {
    match form {
        FileForm::Json => {
            "JSON, a single document of those that a layout has; give the whole layout".to_owned()
        }
        form => form.to_string(),
    }
}

impl From<io::Error> for ArchiveError {
    /// What a `Member` was read for has its place already.
    fn from(error: io::Error) -> Self {
        error.downcast().unwrap_or_else(|error| Self::Damaged { position: None, error })
    }
}

/// How far an archive can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Bytes of the tar, unpacked.
    pub(crate) at: u64,
    /// The last member; none before the first.
    pub(crate) member: Option<String>,
    /// Whether that is within its content, and not behind it.
    pub(crate) is_within: bool,
}

impl Position {
    /// What an error of reading on from here means.
    pub(super) fn explain(self, error: io::Error) -> ArchiveError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => ArchiveError::CutShort(self),
            _ => ArchiveError::Damaged { position: Some(self), error },
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after {} bytes of its tar, ", self.at)?;
        match &self.member {
            None => f.write_str("before its first member"),
            Some(name) if self.is_within => write!(f, "within its member {name}"),
            Some(name) => write!(f, "behind its member {name}"),
        }
    }
}
