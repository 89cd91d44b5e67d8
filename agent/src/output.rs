//! Writes output to standard output, or to a file that is replaced whole.

use std::io::{self, Write as _};
use std::path::PathBuf;

use assay_judge::confinement::explain;
use assay_judge::replacement::Replacement;

/// Where output is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Stdout,
    File(PathBuf),
}

/// An output that is ready to be written.
pub(crate) enum Sink<'m> {
    Stdout,
    Memory(&'m mut Vec<u8>),
    File { file: Replacement, path: PathBuf },
}

impl Sink<'_> {
    /// Prepares the output, so that one that cannot be written is found before the work is done.
    ///
    /// # Errors
    /// [`OutputError`] if no file can be made there.
    pub(crate) fn open(output: &Output) -> Result<Self, OutputError> {
        let Output::File(path) = output else { return Ok(Self::Stdout) };
        let file = Replacement::open(path).map_err(|error| OutputError::new(path.clone(), error))?;
        Ok(Self::File { file, path: path.clone() })
    }

    /// Writes everything.
    ///
    /// # Errors
    /// [`OutputError`] if it could not be written whole. A file under the output's name is then as it was.
    pub(crate) fn write(self, bytes: Vec<u8>) -> Result<(), OutputError> {
        match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(&bytes).and_then(|()| stdout.flush()).map_err(OutputError::stdout)
            }
            Self::Memory(memory) => {
                *memory = bytes;
                Ok(())
            }
            Self::File { mut file, path } => {
                let written = file.write_all(&bytes).and_then(|()| file.sync());
                written.and_then(|()| file.put()).map_err(|error| OutputError::new(path, error))
            }
        }
    }
}

/// Why output cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {}", path.display(), explain(error))]
pub(crate) struct OutputError {
    path: PathBuf,
    error: io::Error,
}

impl OutputError {
    pub(crate) fn new(path: PathBuf, error: io::Error) -> Self {
        Self { path, error }
    }

    pub(crate) fn stdout(error: io::Error) -> Self {
        Self::new("standard output".into(), error)
    }
}
