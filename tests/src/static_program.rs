//! Builds programs that need nothing beside them: one that sleeps, for images, and the agent as it travels.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::program::finish;

/// The bytes of a static executable that sleeps until it is ended.
///
/// # Panics
/// If the compiler that builds these tests cannot be run.
pub fn sleeper() -> &'static [u8] {
    static SLEEPER: OnceLock<Vec<u8>> = OnceLock::new();
    let text = "fn main() { loop { std::thread::sleep(std::time::Duration::from_secs(3600)) } }";
    SLEEPER.get_or_init(|| compile(text))
}

/// The agent that is sent to nodes of this machine's kind, built once: not what the other tests run, but what nodes get.
///
/// # Panics
/// If it cannot be built.
pub fn agent() -> &'static Path {
    static AGENT: OnceLock<PathBuf> = OnceLock::new();
    AGENT.get_or_init(|| agent_for(&format!("{}-unknown-linux-gnu", std::env::consts::ARCH)))
}

/// The same for nodes of another kind.
///
/// # Panics
/// As [`agent`].
pub fn agent_for(target: &str) -> PathBuf {
    task(&["agent", target]);
    let windows = target.contains("-windows-");
    built(target, if windows { "agent/assay-agent.exe" } else { "agent/assay-agent" })
}

/// Has cargo do one of the workspace's tasks.
///
/// # Panics
/// If it cannot.
pub fn task(arguments: &[&str]) {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let _ = finish(command.current_dir(ROOT).args(arguments)).expect_code(0);
}

/// What a task built for a target.
///
/// # Panics
/// If it is not there.
pub fn built(target: &str, name: &str) -> PathBuf {
    let folder = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let program = Path::new(ROOT).join(folder).join(target).join(name);
    program.canonicalize().unwrap_or_else(|error| panic!("{name} for {target}: {error}"))
}

/// The workspace.
pub(crate) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The bytes of a static executable of that text in Rust.
///
/// # Panics
/// As [`sleeper`].
pub fn compile(text: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("scratch folder");
    let source = folder.path().join("program.rs");
    let program = folder.path().join("program");
    std::fs::write(&source, text).expect("scratch folder");
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(compiler);
    command.args([
        "--edition",
        "2024",
        "-C",
        "target-feature=+crt-static",
        "-C",
        "opt-level=s",
        "-C",
        "strip=symbols",
    ]);
    let _ = finish(command.arg(&source).arg("-o").arg(&program)).expect_code(0);
    std::fs::read(program).expect("the compiler wrote it")
}
