//! Runs a program to its end, and reads the node report that it wrote.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use assay_report::{Image, NODE_REPORT_SCHEMA, NodeReport};

/// What a program that has ended left behind.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Its exit status; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: String,
}

/// Runs `program` with `arguments` and nothing on standard input.
///
/// # Panics
/// If it cannot be started.
pub fn run<A: AsRef<OsStr>>(program: impl AsRef<Path>, arguments: impl IntoIterator<Item = A>) -> Finished {
    finish(Command::new(program.as_ref()).args(arguments))
}

/// Runs a prepared command with nothing on standard input.
///
/// # Panics
/// If it cannot be started.
pub fn finish(command: &mut Command) -> Finished {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    Finished {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Finished {
    /// Itself, where it ended with `code`.
    ///
    /// # Panics
    /// If it did not, with what it said.
    #[must_use]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "\nstderr:\n{}\nstdout:\n{}", self.stderr, self.text());
        self
    }

    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The node report on standard output.
    ///
    /// # Panics
    /// If it has none.
    pub fn report(&self) -> NodeReport {
        let report: Result<NodeReport, _> = serde_json::from_slice(&self.stdout);
        let report = report
            .unwrap_or_else(|error| panic!("no node report: {error}\n{}\n{}", self.stderr, self.text()));
        assert_eq!(report.schema, NODE_REPORT_SCHEMA);
        report
    }
}

/// The verdict as fixtures write it: `passed`, `failed/integrity`.
pub fn verdict(image: &Image) -> String {
    let status = match image.status {
        assay_report::Status::Passed => "passed",
        assay_report::Status::Failed => "failed",
        assay_report::Status::Skipped => "skipped",
        assay_report::Status::Inconclusive => "inconclusive",
    };
    match image.reason {
        Some(reason) => format!("{status}/{}", reason.as_str()),
        None => status.to_owned(),
    }
}
