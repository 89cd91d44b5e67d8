//! Finds programs that tests need and cargo cannot bring: each by the Debian package that has it.

use std::io::Write as _;
use std::path::PathBuf;

/// The path of `program`.
///
/// # Panics
/// If it is not installed, with what to install.
pub fn program(program: &str, package: &str) -> PathBuf {
    find(program).unwrap_or_else(|| {
        panic!("{program} is not installed: apt-get install -y --no-install-recommends {package}")
    })
}

/// The path of `program`, if it is installed.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let more = ["/usr/local/sbin".into(), "/usr/sbin".into(), "/sbin".into(), home.join("go/bin")];
    std::env::split_paths(&path).chain(more).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// A program that comes as a Go module only, which a machine may not be able to fetch: the one that `variable` names, else the
/// one that is installed; none, with a word about it, if there is none.
pub fn go_program(variable: &str, name: &str) -> Option<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from);
    let found = named.or_else(|| find(name));
    if found.is_none() {
        not_run(&format!("what needs {name}. tests/run says how to get it; {variable} names it."));
    }
    found
}

/// Says what a test that passes has not looked at, past the test harness, which keeps what such tests print to itself.
pub fn not_run(what: &str) {
    // If this fails, nobody can be told.
    let _ = writeln!(std::io::stderr(), "NOT RUN: {what}");
}

/// Stops the test where it does not run as root, which containerd, mounts and namespaces need.
///
/// # Panics
/// If this process is not root's.
pub fn need_root() {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .and_then(|ids| ids.split_whitespace().nth(1));
    assert_eq!(effective, Some("0"), "this test starts containerd or sshd and needs root");
}
