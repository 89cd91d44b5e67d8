//! `cargo demo`: builds the two programs and runs `assay demo`.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use crate::{run, target};

/// Builds assay and assay-agent in the profile that this program was built in, and runs the demo. Gives its exit code.
///
/// # Errors
/// Why it cannot be run, for people.
pub fn demo(arguments: &[OsString]) -> Result<u8, String> {
    let own = env::current_exe().map_err(|error| format!("the place of this program is unknown: {error}"))?;
    // target/<profile>/assay-tasks: the others are built beside it.
    let folder: PathBuf = own.parent().map(PathBuf::from).unwrap_or_default();
    let mut build = Command::new(target::cargo());
    build.args(["build", "--package", "assay", "--package", "assay-agent", "--bins"]);
    if folder.file_name().is_some_and(|profile| profile == "release") {
        build.arg("--release");
    }
    run(&mut build)?;
    let program = folder.join(format!("assay{}", env::consts::EXE_SUFFIX));
    let mut demo = Command::new(&program);
    demo.arg("demo").args(arguments);
    // beside what is built, so that nothing of it lies among the sources
    if !arguments.iter().any(|argument| argument.to_string_lossy().starts_with("--out")) {
        let target = folder.parent().map(PathBuf::from).unwrap_or_default();
        let here = env::current_dir().unwrap_or_default();
        demo.arg("--out").arg(target.strip_prefix(here).unwrap_or(&target).join("assay-demo"));
    }
    let status = demo.status().map_err(|error| format!("{}: {error}", program.display()))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
