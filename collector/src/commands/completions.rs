//! `assay completions`: writes a script that lets a shell complete command lines.

use assay_report::ExitCode;

use crate::{cli, console};

pub use clap_complete::Shell;

/// Runs `assay completions`.
pub fn completions(options: &cli::Completions) -> ExitCode {
    console::print_own(&String::from_utf8_lossy(&completion_script(options.shell)));
    ExitCode::Passed
}

/// The script for a shell.
pub fn completion_script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "assay", &mut script);
    script
}
