//! Holds the workspace's tasks behind cargo aliases (`.cargo/config.toml`), the steps of `tests/run`, and the ways to
//! build for other machines that they share.
//!
//! There are no dependencies: the first thing that anyone builds here is `cargo demo`.

pub mod agent;
pub mod demo;
pub mod target;
pub mod test;

use std::process::Command;

/// What the programs exit with where nothing was judged.
pub const USAGE: u8 = 2;

/// Runs a command to its end.
///
/// # Errors
/// What became of it, for people, where it did not end well.
pub fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name}: {status}")),
        Err(error) => Err(format!("{name}: {error}")),
    }
}
