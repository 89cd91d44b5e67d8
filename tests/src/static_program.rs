//! A program that runs in an image with nothing else in it, and sleeps.

use std::process::Command;
use std::sync::OnceLock;

use crate::program::finish;

/// The bytes of a static executable that sleeps until it is ended.
///
/// # Panics
/// Where the compiler that builds these tests cannot be run.
pub fn sleeper() -> &'static [u8] {
    static SLEEPER: OnceLock<Vec<u8>> = OnceLock::new();
    SLEEPER.get_or_init(compile)
}

fn compile() -> Vec<u8> {
    let folder = tempfile::tempdir().expect("scratch folder");
    let source = folder.path().join("sleeper.rs");
    let program = folder.path().join("sleeper");
    let text = "fn main() { loop { std::thread::sleep(std::time::Duration::from_secs(3600)) } }";
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
