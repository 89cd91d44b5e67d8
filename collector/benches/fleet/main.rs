//! The collector's budgets, measured and never asserted: five hundred simulated nodes for breadth, real sshd in network
//! namespaces for depth, beside the loop of `ssh` and `scp` that does the same by hand and beside pssh.
//!
//!     cargo bench -p assay --bench fleet                 both; as root, with openssh, iproute2 and pssh
//!     cargo bench -p assay --bench fleet -- breadth      500 nodes in one process, 64 at once
//!     cargo bench -p assay --bench fleet -- depth        real sshd, real agent
//!     ASSAY_AGENT=/path                                  the agent to send; the static release is what sites send
//!     FLEET_NODES=500 FLEET_IMAGES=40 FLEET_PEERS=12     sizes
#![expect(clippy::disallowed_methods, reason = "a benchmark runs programs and reads the clock")]

mod breadth;
mod depth;
mod simulated;

use std::path::PathBuf;
use std::process::{Child, ExitCode};
use std::time::Duration;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [role, rest @ ..] = arguments.as_slice()
        && role == simulated::ROLE
    {
        return simulated::serve(rest);
    }
    let wanted = |part: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == part);
    if wanted("breadth") {
        breadth::measure();
    }
    if wanted("depth") {
        depth::measure();
    }
    ExitCode::SUCCESS
}

/// A number from the environment.
fn size(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The agent to send: named, or beside the collector.
fn agent() -> PathBuf {
    std::env::var_os("ASSAY_AGENT").map_or_else(
        || PathBuf::from(env!("CARGO_BIN_EXE_assay")).with_file_name("assay-agent"),
        PathBuf::from,
    )
}

/// The collector.
fn collector() -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_assay"));
    command.env_remove("SSH_AUTH_SOCK");
    command
}

/// A folder for one measurement.
fn scratch() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("fleet-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .expect("a scratch folder")
}

/// Waits for a program, and gives the most memory that it ever had, in MiB.
fn peak_memory(child: &mut Child) -> f64 {
    let mut peak = 0;
    while child.try_wait().expect("a child").is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u32>().ok());
        peak = peak.max(now.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(10));
    }
    f64::from(peak) / 1024.0
}

/// Makes a key pair.
fn key(path: &std::path::Path) {
    let mut command = std::process::Command::new("ssh-keygen");
    let done = command.args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]).arg(path).status();
    assert!(done.is_ok_and(|status| status.success()), "ssh-keygen, of openssh-client");
}
