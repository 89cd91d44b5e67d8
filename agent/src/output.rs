//! Where output goes: standard output, or a file that is replaced whole.

use std::io::{self, Write as _};
use std::path::PathBuf;

use assay_judge::confinement::explain;
use assay_judge::replacement::Replacement;

use crate::config::Output;

/// Where output goes.
pub(crate) enum Sink {
    Stdout,
    File { file: Replacement, path: PathBuf },
}

impl Sink {
    /// Makes ready to write, so that an output that cannot be is found before the work is done.
    ///
    /// # Errors
    /// [`OutputError`] where no file can be made there.
    pub(crate) fn open(output: &Output) -> Result<Self, OutputError> {
        let Output::File(path) = output else { return Ok(Self::Stdout) };
        let file = Replacement::open(path).map_err(|error| OutputError { path: path.clone(), error })?;
        Ok(Self::File { file, path: path.clone() })
    }

    /// Writes everything.
    ///
    /// # Errors
    /// [`OutputError`] where it could not be written whole; then a file under the output's name is as it was.
    pub(crate) fn write(self, bytes: &[u8]) -> Result<(), OutputError> {
        let (outcome, path) = match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                (stdout.write_all(bytes).and_then(|()| stdout.flush()), "standard output".into())
            }
            Self::File { mut file, path } => {
                let written = file.write_all(bytes).and_then(|()| file.sync());
                (written.and_then(|()| file.put()), path)
            }
        };
        outcome.map_err(|error| OutputError { path, error })
    }
}

/// Why output cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {}", path.display(), explain(error))]
pub(crate) struct OutputError {
    /// Where to.
    pub path: PathBuf,
    /// Why not.
    pub error: io::Error,
}
