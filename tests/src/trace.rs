//! Lists what a program asks of the kernel, by strace(1).

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::packages;
use crate::program::{Finished, finish};

/// A system call as strace prints it, `name(arguments) = result`.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its name.
    pub name: String,
    /// The rest of the line.
    pub rest: String,
}

impl Call {
    /// Whether a thread is started.
    pub fn is_thread(&self) -> bool {
        self.name.starts_with("clone") && self.rest.contains("CLONE_THREAD")
    }

    /// Whether it was strace that answered, as it was told to.
    pub fn is_injected(&self) -> bool {
        self.rest.ends_with("(INJECTED)")
    }
}

/// Runs a prepared command under `strace` with these options, and gives what it asked for, all its threads together.
///
/// # Panics
/// If strace is not installed, or cannot trace.
pub fn traced(options: &[&str], command: &Command) -> (Finished, Vec<Call>) {
    let folder = tempfile::tempdir().expect("scratch folder");
    let mut strace = Command::new(packages::program("strace", "strace"));
    // a file for each thread, so that no call is told in two halves
    strace.args(["--follow-forks", "--output-separately", "--quiet=all", "--string-limit=200", "--output"]);
    strace
        .arg(folder.path().join("calls"))
        .args(options)
        .arg("--")
        .arg(command.get_program())
        .args(command.get_args());
    if let Some(current) = command.get_current_dir() {
        strace.current_dir(current);
    }
    let done = finish(&mut strace);
    let calls = calls(folder.path());
    assert!(!calls.is_empty(), "strace: {}", done.stderr);
    (done, calls)
}

/// Whether nothing is asked for but to look, and what `more` names; files are written only where a path begins with one of
/// `written`, and nothing is started but the program and its threads.
///
/// # Panics
/// If something else is.
pub fn only_looks(calls: &[Call], more: &[&str], written: &[&Path]) {
    let mut opened = 0;
    for call in calls {
        let name = call.name.as_str();
        let ours = written.iter().any(|path| call.rest.contains(&format!("\"{}", path.display())));
        assert!(LOOKING.contains(&name) || more.contains(&name), "{call:?}");
        match name {
            "clone" | "clone3" => assert!(call.is_thread(), "{call:?}"),
            "open" | "openat" => {
                opened += 1;
                let reads = call.rest.contains("O_RDONLY") && !call.rest.contains("O_CREAT");
                assert!(reads || ours, "{call:?}");
            }
            _ if name.starts_with("rename") || name.starts_with("unlink") => assert!(ours, "{call:?}"),
            _ => {}
        }
    }
    assert!(opened > 10, "{opened} files");
    assert_eq!(calls.iter().filter(|call| call.name == "execve").count(), 1);
}

fn calls(folder: &Path) -> Vec<Call> {
    let mut calls = Vec::new();
    for file in fs::read_dir(folder).expect("scratch folder") {
        let text = fs::read(file.expect("scratch folder").path()).expect("strace wrote it");
        for line in String::from_utf8_lossy(&text).lines() {
            if let Some((name, rest)) = line.split_once('(') {
                calls.push(Call { name: name.to_owned(), rest: rest.to_owned() });
            }
        }
    }
    calls
}

/// What may be asked for of files, sockets and processes where nothing is changed, connected to or started.
const LOOKING: &[&str] = &[
    "access",
    "clone",
    "clone3",
    "execve",
    "exit",
    "exit_group",
    "faccessat",
    "faccessat2",
    "getcwd",
    "lstat",
    "newfstatat",
    "open",
    "openat",
    "readlink",
    "readlinkat",
    "stat",
    "statfs",
    "statx",
];

/// What may be asked of a socket that is connected to.
pub const TALKING: &[&str] = &[
    "connect",
    "getpeername",
    "getsockname",
    "getsockopt",
    "recvfrom",
    "recvmsg",
    "sendmsg",
    "sendto",
    "setsockopt",
    "shutdown",
    "socket",
];

/// What is traced: everything that is about files by name, sockets and processes, and a second way to open both.
pub const EVERYTHING: &str = "trace=%file,%network,%process,?io_uring_setup,?memfd_create";
