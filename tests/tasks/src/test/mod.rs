//! `tests/run`: every test there is, as steps that run beside each other where they can.

mod programs;
mod schedule;
mod steps;

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread::available_parallelism;
use std::time::Instant;

use crate::target;
use schedule::Verdict;

/// What all steps share.
pub(crate) struct Place {
    /// The workspace.
    root: PathBuf,
    /// Where everything is put that a run needs: `target/tests`.
    work: PathBuf,
    /// Programs that were found or built, by the environment variables that name them to tests.
    variables: Mutex<BTreeMap<String, OsString>>,
}

/// One step as it runs, with the file that its programs write to.
pub(crate) struct Job<'a> {
    place: &'a Place,
    log: File,
}

impl Place {
    fn variable(&self, name: &str) -> Option<OsString> {
        let known = self.variables.lock().expect("no step panics with it").get(name).cloned();
        known.or_else(|| env::var_os(name).filter(|value| !value.is_empty()))
    }

    fn set_variable(&self, name: &str, value: impl Into<OsString>) {
        self.variables.lock().expect("no step panics with it").insert(name.to_owned(), value.into());
    }

    /// The value of that variable, or a place beside the workspace.
    fn folder(&self, variable: &str, default: &str) -> PathBuf {
        self.variable(variable).map_or_else(|| self.root.join(default), PathBuf::from)
    }
}

impl Job<'_> {
    /// A program of the step: it runs in the workspace, finds what was built for tests, and writes to the step's log.
    fn command(&self, program: impl Into<OsString>) -> io::Result<Command> {
        let path = env::var_os("PATH").unwrap_or_default();
        let path = [self.place.work.join("bin")].into_iter().chain(env::split_paths(&path));
        let mut command = Command::new(program.into());
        command.current_dir(&self.place.root).stdin(Stdio::null());
        command.stdout(self.log.try_clone()?).stderr(self.log.try_clone()?);
        command.env("PATH", env::join_paths(path).map_err(io::Error::other)?);
        command.envs(&*self.place.variables.lock().expect("no step panics with it"));
        Ok(command)
    }

    fn cargo(&self, arguments: &[&str]) -> io::Result<Command> {
        let mut command = self.command(target::cargo())?;
        command.args(arguments);
        Ok(command)
    }
}

/// Runs every step and prints how each came out. Gives the exit code.
///
/// # Errors
/// What is missing before any step can run, for people.
pub fn test() -> Result<u8, String> {
    let begun = Instant::now();
    let root = env::current_dir().map_err(|error| format!("the current folder is unknown: {error}"))?;
    let work = root.join("target/tests");
    for folder in ["bin", "logs"] {
        let folder = work.join(folder);
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let cores = available_parallelism().map_or(2, usize::from);
    let place = Place { root, work, variables: Mutex::default() };
    if place.variable("RUST_TEST_THREADS").is_none() {
        place.set_variable("RUST_TEST_THREADS", (cores * 2).to_string());
    }
    // The other steps mean nothing without these.
    let mut results = schedule::carry_out(steps::foundations(), &place, 1);
    let stands = results.iter().all(|result| matches!(result.verdict, Verdict::Passed));
    if stands {
        // tests wait for daemons most of their time, so that there is room for more of them than there are cores
        results.extend(schedule::carry_out(steps::all(), &place, cores + 2));
    }
    let failures = results.iter().filter(|result| matches!(result.verdict, Verdict::Failed(_))).count();
    println!("\n=== summary ===");
    for result in &results {
        print!("{result}");
    }
    println!("{failures} failed, {} s", begun.elapsed().as_secs());
    Ok(match (stands, failures) {
        (false, _) => crate::USAGE,
        (true, 0) => 0,
        (true, _) => 1,
    })
}
