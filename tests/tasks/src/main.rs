//! Workspace tasks behind the cargo aliases of `.cargo/config.toml`. No dependencies, so that they start at once.
//!
//!     cargo demo [ARGUMENTS OF assay demo]     builds both programs, then runs the demo

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let outcome = match arguments.split_first() {
        Some((task, rest)) if task == "demo" => demo(rest),
        _ => Err("usage: cargo demo [--out DIR]".to_owned()),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::from(2)
    })
}

/// Builds the agent and the collector, and lets the collector judge its demo site.
fn demo(arguments: &[String]) -> Result<ExitCode, String> {
    let programs = programs()?;
    let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--package", "assay", "--package", "assay-agent"]);
    // what is built is what is run: the same profile and folder as this program's
    if programs.file_name().is_some_and(|name| name == "release") {
        build.arg("--release");
    }
    if !run(&mut build)?.success() {
        return Err("the programs could not be built; see cargo's words above".to_owned());
    }
    let status = run(Command::new(programs.join("assay")).arg("demo").args(arguments))?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

/// The folder that this program, and so every program of the workspace, is built into.
fn programs() -> Result<PathBuf, String> {
    let own = env::current_exe().map_err(|error| format!("this program's own path: {error}"))?;
    own.parent().map(Path::to_owned).ok_or_else(|| format!("{}: no folder", own.display()))
}

fn run(command: &mut Command) -> Result<ExitStatus, String> {
    command.status().map_err(|error| format!("{}: {error}", command.get_program().display()))
}
