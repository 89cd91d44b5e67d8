//! `assay completions`: what a shell completes command lines by.

use assay_shared::report::ExitCode;

use crate::{cli, console};

/// Runs `assay completions`.
pub fn completions(options: &cli::Completions) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut cli::command(), "assay", &mut script);
    console::print(&String::from_utf8_lossy(&script));
    ExitCode::Passed
}
