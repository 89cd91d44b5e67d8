//! What all shells have in common: the steps that they have scripts for, and the words and exit statuses by which a script says
//! how far it came.
//!
//! A script prints lines that begin with `assay-`. An exit status alone is never taken for success.

use std::io;
use std::time::Duration;

use crate::nodes::Platform;
use crate::transport::host::{Folders, Preparation, Upload};
use crate::transport::input::Input;
use crate::transport::output::{Exit, Output};

/// There is no place for the folder.
pub(crate) const NO_PLACE: u32 = 41;
/// The archive could not be unpacked.
pub(super) const NOT_UNPACKED: u32 = 42;
/// Other bytes arrived.
pub(crate) const OTHER_BYTES: u32 = 43;
/// The folder is still there.
pub(crate) const FOLDER_LEFT: u32 = 44;
/// A process still runs in the folder.
pub(crate) const PROCESS_LEFT: u32 = 45;
/// The agent cannot be run here.
pub(crate) const CANNOT_RUN: u32 = 46;
/// A visit runs in the folder.
pub(crate) const VISIT_RUNS: u32 = 47;
/// The folder was made. No other program ends with this status, so a shell that hides what is printed can be told from one
/// that runs nothing.
pub(super) const MADE: u32 = 48;
/// The script may not start other programs.
pub(crate) const NO_PROGRAMS: u32 = 49;

/// The folders of every visit, as a pattern for file names.
pub(super) const ANY_FOLDER: &str = "assay-????????T??????Z-????????????????-????????????????";

/// A command for a shell, and what it reads.
#[derive(Debug)]
pub(crate) struct Script {
    /// The command.
    pub(crate) text: String,
    /// What it reads.
    pub(crate) input: Option<Input>,
}

/// A shell that nodes have.
pub(crate) trait Shell: Send + Sync {
    /// Says what the node is and what time it is there, and makes the folder.
    fn prepare(&self, request: &Preparation<'_>) -> Script;

    /// Unpacks what it reads in the folder, compares every file with its digest, and checks that the agent runs.
    ///
    /// # Errors
    /// [`io::Error`] if what is sent cannot be read here.
    fn upload(&self, upload: &Upload<'_>) -> io::Result<Script>;

    /// Runs the agent in its folder. Its report follows the line `mark`.
    fn run(&self, folder: &str, mark: &str, arguments: &[String], limit: Duration) -> Script;

    /// Ends every process in the folders, removes them, and checks that they are gone.
    fn clean_up(&self, folders: &Folders) -> Script;

    /// The platform that a line `assay-node …` names, or its own words if no agent is built for it.
    fn platform<'a>(&self, line: &'a str) -> Option<Result<Platform, &'a str>>;

    /// The folder that a line `assay-folder …` names, if it has the exact form that [`Shell::prepare`] makes.
    fn folder<'a>(&self, line: &'a str, name: &str) -> Option<&'a str>;

    /// Whether [`Shell::prepare`] may have made a folder.
    fn may_have_made(&self, output: &Output) -> bool {
        has_run(output)
    }

    /// Whether `sudo` did not let the script begin.
    fn is_stopped_by_sudo(&self, _stdout: &str) -> bool {
        false
    }

    /// What to do if programs may not be run, by what the node says that forbids them.
    fn forbidden_hint(&self, stdout: &str) -> String;
}

/// Whether a script has run, as far as a command that came to its end can tell: each script prints a line before it does
/// anything, and ends with a status of its own once it has made something. If it was killed, it may have run.
pub(crate) fn has_run(output: &Output) -> bool {
    let printed = String::from_utf8_lossy(&output.stdout).lines().any(|line| line.starts_with("assay-"));
    printed
        || match output.exit {
            Exit::Code(code) => (NO_PLACE..=NO_PROGRAMS).contains(&code),
            Exit::Signal(_) | Exit::Unknown => true,
        }
}
