//! Runs a program to its end.

use std::process::{Command, Output};

/// Runs a command, which must exit with `code`.
#[track_caller]
pub(crate) fn finish(command: &mut Command, code: i32) -> Output {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    output
}
