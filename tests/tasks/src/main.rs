//! Workspace tasks behind cargo aliases (`.cargo/config.toml`). `cargo demo` builds the two programs and runs `assay demo`;
//! `cargo agent` builds the agent that is sent to nodes.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// What the programs exit with where nothing was judged.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    match arguments.next() {
        Some(task) if task == "demo" => demo(&arguments.collect::<Vec<_>>()),
        Some(task) if task == "agent" => agent(arguments.next()),
        _ => {
            eprintln!("cargo demo [--out DIR]\ncargo agent [TARGET]");
            USAGE.into()
        }
    }
}

/// Builds assay and assay-agent in the profile that this program was built in, and runs the demo.
fn demo(arguments: &[OsString]) -> ExitCode {
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
    let mut demo = Command::new(&program);
    demo.arg("demo").args(arguments);
    // beside what is built, so that nothing of it lies among the sources
    if !arguments.iter().any(|argument| argument.to_string_lossy().starts_with("--out")) {
        let target = folder.parent().map(PathBuf::from).unwrap_or_default();
        let here = env::current_dir().unwrap_or_default();
        demo.arg("--out").arg(target.strip_prefix(here).unwrap_or(&target).join("assay-demo"));
    }
    match demo.status() {
        Ok(status) => status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1).into(),
        Err(error) => {
            eprintln!("demo: {}: {error}", program.display());
            USAGE.into()
        }
    }
}

/// What makes the agent run whatever the libc, and keeps it small: a panic ends it, so that it needs no tables to unwind by.
const AGENT_FLAGS: &str = "-C target-feature=+crt-static -C force-unwind-tables=no";

/// And of a Linux program, the addresses that are corrected at its start take two bits each, and no index of tables is kept.
const LINUX_FLAGS: &str = "-C link-arg=-Wl,-z,pack-relative-relocs,--no-eh-frame-hdr";

/// The same for what is written in C.
const C_FLAGS: &str = "-fno-asynchronous-unwind-tables -fno-unwind-tables";

/// Builds the agent for that target, glibc on this machine's architecture where none is given, and says where it is.
fn agent(target: Option<OsString>) -> ExitCode {
    let target = target.unwrap_or_else(|| format!("{}-unknown-linux-gnu", env::consts::ARCH).into());
    let name = target.to_string_lossy().into_owned();
    let linux = if name.contains("-linux-") { LINUX_FLAGS } else { "" };
    // flags of one's own, for another linker for example, come after these
    let own = env::var("RUSTFLAGS").unwrap_or_default();
    let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--profile", "agent", "--package", "assay-agent", "--target"]).arg(&target);
    build.env(format!("CFLAGS_{}", name.replace('-', "_")), C_FLAGS);
    match build.env("RUSTFLAGS", format!("{AGENT_FLAGS} {linux} {own}")).status() {
        Ok(status) if status.success() => {}
        Ok(_) => return USAGE.into(),
        Err(error) => {
            eprintln!("agent: cargo: {error}");
            return USAGE.into();
        }
    }
    let folder = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let program = PathBuf::from(folder).join(target).join("agent/assay-agent");
    match std::fs::metadata(&program) {
        Ok(file) => {
            println!("{}: {} bytes", program.display(), file.len());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("agent: {}: {error}", program.display());
            USAGE.into()
        }
    }
}
