//! Chooses the subcommand of `assay kubernetes`.

use assay_report::ExitCode;

use super::cleanup::cleanup;
use super::image::image;
use super::manifest::manifest;
use crate::cli::{self, KubernetesCommand};
use crate::commands::error::CommandError;

/// Runs `assay kubernetes`.
///
/// # Errors
/// [`CommandError`]
pub fn kubernetes(options: &cli::Kubernetes) -> Result<ExitCode, CommandError> {
    match &options.command {
        KubernetesCommand::Image(options) => image(options),
        KubernetesCommand::Manifest(options) => manifest(options),
        KubernetesCommand::Cleanup(options) => cleanup(options),
    }
}
