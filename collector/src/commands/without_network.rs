//! Says that this program was built without the feature `network`, in place of the commands that need it.

use assay_report::ExitCode;

use super::error::CommandError;
use crate::cli;

/// This program lacks what the command needs.
#[derive(Debug, thiserror::Error)]
#[error(
    "this build has no assay {command}: the feature network was left out; build assay with its default features"
)]
pub struct NetworkError {
    /// The command.
    command: &'static str,
}

/// Does nothing.
///
/// # Errors
/// [`NetworkError`], always.
pub fn bundle(_: &cli::Bundle) -> Result<ExitCode, CommandError> {
    Err(NetworkError { command: "bundle" }.into())
}

/// Does nothing.
///
/// # Errors
/// [`NetworkError`], always.
pub fn cleanup(_: &cli::Cleanup) -> Result<ExitCode, CommandError> {
    Err(NetworkError { command: "cleanup" }.into())
}

/// Does nothing.
///
/// # Errors
/// [`NetworkError`], always.
pub fn evidence(_: &cli::Evidence) -> Result<ExitCode, CommandError> {
    Err(NetworkError { command: "evidence" }.into())
}

/// Does nothing.
///
/// # Errors
/// [`NetworkError`], always.
pub fn nodes(_: &cli::Nodes) -> Result<ExitCode, CommandError> {
    Err(NetworkError { command: "nodes" }.into())
}

/// Does nothing.
///
/// # Errors
/// [`NetworkError`], always.
pub fn run(_: &cli::Run) -> Result<ExitCode, CommandError> {
    Err(NetworkError { command: "run" }.into())
}

/// Does nothing.
///
/// # Errors
/// [`NetworkError`], always.
pub fn site_key(_: &cli::SiteKey) -> Result<ExitCode, CommandError> {
    Err(NetworkError { command: "site-key" }.into())
}
