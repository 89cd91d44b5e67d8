//! `cargo demo`: builds the two programs and runs `assay demo`.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use crate::run;
use crate::target::cargo;

/// What the demo is made of: both programs, without what speaks to nodes, daemons and registries.
pub(crate) const PROGRAMS: [&str; 6] =
    ["--no-default-features", "--package", "assay", "--package", "assay-agent", "--bins"];

/// Builds assay and assay-agent in the profile for the demo, and runs the demo. Gives its exit code.
///
/// # Errors
/// Why it cannot be run, for people.
pub fn demo(arguments: &[OsString]) -> Result<u8, String> {
    let own = env::current_exe().map_err(|error| format!("the place of this program is unknown: {error}"))?;
    // target/<profile>/assay-tasks
    let target: PathBuf = own.ancestors().nth(2).map(PathBuf::from).unwrap_or_default();
    let mut build = Command::new(cargo());
    build.args(["build", "--profile", "demo"]).args(PROGRAMS);
    run(&mut build)?;
    let program = target.join("demo").join(format!("assay{}", env::consts::EXE_SUFFIX));
    let mut demo = Command::new(&program);
    demo.arg("demo").args(arguments);
    // beside what is built, so that nothing of it lies among the sources
    if !arguments.iter().any(|argument| argument.to_string_lossy().starts_with("--out")) {
        let here = env::current_dir().unwrap_or_default();
        demo.arg("--out").arg(target.strip_prefix(here).unwrap_or(&target).join("assay-demo"));
    }
    let status = demo.status().map_err(|error| format!("{}: {error}", program.display()))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
