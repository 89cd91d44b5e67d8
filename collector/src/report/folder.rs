//! The folder that the files of a report are written to, and the errors of writing them.

use std::io;

/// A folder for the files of a report.
pub trait Folder {
    /// A file that is being written.
    type File: io::Write;

    /// Begins the file at a path below the folder, written with `/`. It appears only once it is kept.
    ///
    /// # Errors
    /// If the system refuses.
    fn create(&self, name: &str) -> io::Result<Self::File>;

    /// Puts a complete file in its place.
    ///
    /// # Errors
    /// If the system refuses.
    fn keep(&self, file: Self::File) -> io::Result<()>;
}

pub(super) fn write<F: Folder>(
    folder: &F,
    name: &str,
    fill: impl FnOnce(&mut F::File) -> Result<(), ReportError>,
) -> Result<(), ReportError> {
    let mut file = create(folder, name)?;
    fill(&mut file)?;
    keep(folder, name, file)
}

pub(super) fn create<F: Folder>(folder: &F, name: &str) -> Result<F::File, ReportError> {
    folder.create(name).map_err(|source| ReportError::write(name, source))
}

pub(super) fn keep<F: Folder>(folder: &F, name: &str, file: F::File) -> Result<(), ReportError> {
    folder.keep(file).map_err(|source| ReportError::write(name, source))
}

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file cannot be written.
    #[error("cannot write {name}")]
    Write {
        /// The file.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// JSON cannot hold a value. Not known to happen.
    #[error("the report cannot be written as JSON")]
    Json(#[source] serde_json::Error),
    /// XML cannot hold a text. Not known to happen.
    #[error("the report cannot be written as JUnit XML")]
    Junit(#[source] quick_junit::SerializeError),
    /// The template did not render. Not known to happen.
    #[error("the report cannot be written as HTML")]
    Html(#[source] askama::Error),
}

impl ReportError {
    pub(super) fn write(name: &str, source: io::Error) -> Self {
        Self::Write { name: name.to_owned(), source }
    }

    pub(super) fn json(name: &str, error: serde_json::Error) -> Self {
        if error.is_io() { Self::write(name, error.into()) } else { Self::Json(error) }
    }
}
