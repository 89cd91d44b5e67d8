//! Progress for people, on standard error: a bar on a terminal, a line a node elsewhere, nothing but the failures when
//! quiet. The same lines with their times go to `run.log`.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::time::Duration;

use assay_shared::report::{CleanUpResult, ExitCode, NodeRow, Outcome};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::mpsc::UnboundedReceiver;

use super::Event;
use crate::report::clean;
use crate::{clock, console};

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// Nothing; the log has it.
    Silent,
    /// Only what is wrong.
    Quiet,
    /// Every node.
    Normal,
}

/// The log of a run.
#[derive(Debug)]
pub struct Log(Option<File>);

impl Log {
    /// Begins the log at `path`.
    ///
    /// # Errors
    /// [`io::Error`]
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self(Some(File::create(path)?)))
    }

    /// A log that is not kept.
    pub fn none() -> Self {
        Self(None)
    }

    fn line(&mut self, line: &str) {
        if let Some(file) = &mut self.0
            && writeln!(file, "{} {line}", clock::now()).is_err()
        {
            // A full disk shows where the reports are written; the log is no reason to stop.
            self.0 = None;
        }
    }
}

/// Shows events as they come.
pub struct Progress {
    bar: ProgressBar,
    verbosity: Verbosity,
    log: Log,
}

impl Progress {
    /// Progress over so many nodes.
    pub fn new(nodes: usize, verbosity: Verbosity, log: Log) -> Self {
        let shown = verbosity == Verbosity::Normal && io::stderr().is_terminal();
        let bar = ProgressBar::new(nodes as u64);
        bar.set_draw_target(if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() });
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} nodes {elapsed} {wide_msg}") {
            bar.set_style(style);
        }
        if shown {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self { bar, verbosity, log }
    }

    /// Shows events until there are no more.
    pub async fn follow(mut self, mut events: UnboundedReceiver<Event>) {
        while let Some(event) = events.recv().await {
            self.show(&event);
        }
        self.bar.finish_and_clear();
    }

    fn show(&mut self, event: &Event) {
        match event {
            Event::Started { node } => {
                self.bar.set_message(node.clone());
                self.log.line(&format!("{node}: visiting"));
            }
            Event::Retried { node, message, wait } => {
                let line = format!("{node}: {message}; again in {:.1} s", wait.as_secs_f64());
                self.log.line(&one_line(&line));
                self.say(&line, false);
            }
            Event::Finished(row) => {
                self.bar.inc(1);
                let bad = row.verdict() != ExitCode::Passed;
                let line = finished(row);
                self.log.line(&one_line(&line));
                self.say(&line, bad);
            }
        }
    }

    /// A bar on a terminal shows what is well by itself.
    fn say(&self, line: &str, bad: bool) {
        let wanted = match self.verbosity {
            Verbosity::Silent => false,
            Verbosity::Quiet => bad,
            Verbosity::Normal => bad || self.bar.is_hidden(),
        };
        if !wanted {
            return;
        }
        let line = one_line(line);
        if self.bar.is_hidden() {
            console::say(&line);
        } else {
            self.bar.println(line);
        }
    }
}

fn finished(row: &NodeRow) -> String {
    let mut line = format!("{}: {}", row.name, row.outcome.as_str());
    if let (Outcome::Verified, Some(report)) = (row.outcome, &row.report) {
        let summary = report.summary;
        line += &format!(
            ", {} passed, {} failed, {} skipped, {} inconclusive",
            summary.passed, summary.failed, summary.skipped, summary.inconclusive
        );
    }
    if !row.waived.is_empty() {
        line += &format!(", {} waived", row.waived.len());
    }
    for message in [&row.message, &row.hint].into_iter().flatten() {
        line += &format!("; {message}");
    }
    if matches!(row.clean_up.result, CleanUpResult::Failed | CleanUpResult::Unknown) {
        let folder = row.clean_up.folder.as_deref().unwrap_or("what was uploaded");
        line += &format!("; {folder} may still be there");
        if let Some(message) = &row.clean_up.message {
            line += &format!(": {message}");
        }
    }
    line
}

/// One line, whatever a node's message holds.
fn one_line(line: &str) -> String {
    clean::message(&line.replace(['\n', '\t'], " "))
}
