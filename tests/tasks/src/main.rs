//! Workspace tasks behind cargo aliases (`.cargo/config.toml`). `cargo demo` builds the two programs and runs `assay demo`.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// What the programs exit with where nothing was judged.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    match arguments.next() {
        Some(task) if task == "demo" => demo(arguments.collect()),
        _ => {
            eprintln!("cargo demo [--out DIR]");
            USAGE.into()
        }
    }
}

/// Builds assay and assay-agent in the profile that this program was built in, and runs the demo.
fn demo(arguments: Vec<OsString>) -> ExitCode {
    let Ok(own) = env::current_exe() else {
        eprintln!("demo: the place of this program is unknown");
        return USAGE.into();
    };
    // target/<profile>/assay-tasks: the others are built beside it.
    let folder: PathBuf = own.parent().map(PathBuf::from).unwrap_or_default();
    let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--package", "assay", "--package", "assay-agent", "--bins"]);
    if folder.file_name().is_some_and(|profile| profile == "release") {
        build.arg("--release");
    }
    match build.status() {
        Ok(status) if status.success() => {}
        Ok(_) => return USAGE.into(),
        Err(error) => {
            eprintln!("demo: cargo: {error}");
            return USAGE.into();
        }
    }
    let program = folder.join(format!("assay{}", env::consts::EXE_SUFFIX));
    match Command::new(&program).arg("demo").args(arguments).status() {
        Ok(status) => status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1).into(),
        Err(error) => {
            eprintln!("demo: {}: {error}", program.display());
            USAGE.into()
        }
    }
}
