//! Shows progress to people on standard error. On a terminal a progress line shows counts, and problems are printed above it as they
//! happen; otherwise there is a line for each node. When quiet only problems are printed. Every line goes to `run.log` with its time.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use assay_judge::ci_commands;
use assay_report::{CleanUpResult, ExitCode, Outcome};
use tokio::sync::mpsc::UnboundedReceiver;

use super::{Event, Finished, json_lines};
use crate::bar::Bar;
use crate::clean;
use crate::{clock, console};

/// How much is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verbosity {
    /// Nothing; the log has it.
    Silent,
    /// Only what is wrong.
    Quiet,
    /// Every node.
    Normal,
}

/// The log of a run.
#[derive(Debug)]
pub(crate) struct Log(Option<File>);

impl Log {
    /// Opens the log at `path`, and continues it if `go_on` is set.
    ///
    /// # Errors
    /// [`io::Error`]
    pub(crate) fn open(path: &Path, go_on: bool) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.create(true).write(true).append(go_on).truncate(!go_on).open(path)?;
        Ok(Self(Some(file)))
    }

    fn line(&mut self, line: &str) {
        if let Some(file) = &mut self.0
            && writeln!(file, "{} {}", clock::now(), ci_commands::escape(line)).is_err()
        {
            // If the disk is full, writing the reports fails too. The run does not stop because of the log.
            self.0 = None;
        }
    }
}

/// Shows events as they come.
pub(crate) struct Progress {
    bar: Bar,
    verbosity: Verbosity,
    log: Log,
    /// Whether events are also printed for programs, on standard output.
    lines: bool,
    /// Whether anything was printed above the progress line.
    said: bool,
    counts: Counts,
}

/// The numbers of nodes that are not finished, or have problems.
#[derive(Default)]
struct Counts {
    visited: u64,
    failed: u64,
    others: BTreeMap<&'static str, u64>,
}

impl Progress {
    /// Shows progress over this many nodes, to programs as well if `lines` is set.
    pub(crate) fn new(nodes: usize, verbosity: Verbosity, log: Log, lines: bool) -> Self {
        let bar = Bar::new("nodes", nodes, verbosity == Verbosity::Normal);
        Self { bar, verbosity, log, lines, said: false, counts: Counts::default() }
    }

    /// Shows events until the last one.
    pub(crate) async fn follow(mut self, mut events: UnboundedReceiver<Event>) {
        while let Some(event) = events.recv().await {
            if self.lines {
                json_lines::event(&event);
            }
            self.show(&event);
            self.bar.show(self.counts.parts());
        }
        self.bar.end();
        if self.said && !self.bar.is_hidden() {
            console::say("");
        }
    }

    fn show(&mut self, event: &Event) {
        match event {
            Event::Started { node, attempt } => {
                self.counts.visited += 1;
                let again = if *attempt > 1 { format!(" again, try {attempt}") } else { String::new() };
                self.log.line(&format!("{node}: visiting{again}"));
            }
            Event::Retried { node, message, wait } => {
                self.counts.visited = self.counts.visited.saturating_sub(1);
                let line = format!("{node}: {message}; again in {:.1} s", wait.as_secs_f64());
                self.log.line(&one_line(&line));
                self.say(&line, false);
            }
            Event::Finished(finished) => {
                self.bar.step();
                self.counts.finished(finished);
                let line = line(finished);
                let hint = finished.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
                self.log.line(&one_line(&format!("{line}{hint}")));
                self.say(&line, finished.verdict != ExitCode::Passed);
            }
        }
    }

    /// On a terminal the progress line shows nodes without problems.
    fn say(&mut self, line: &str, bad: bool) {
        let wanted = match self.verbosity {
            Verbosity::Silent => false,
            Verbosity::Quiet => bad,
            Verbosity::Normal => bad || self.bar.is_hidden(),
        };
        if !wanted {
            return;
        }
        self.said = true;
        self.bar.say(&one_line(line));
    }
}

impl Counts {
    fn finished(&mut self, finished: &Finished) {
        self.visited = self.visited.saturating_sub(1);
        match (finished.outcome, finished.verdict) {
            (Outcome::Verified, ExitCode::Passed) => {}
            (Outcome::Verified, ExitCode::Failed) => self.failed += 1,
            (Outcome::Verified, _) => *self.others.entry("incomplete").or_default() += 1,
            (outcome, _) => *self.others.entry(outcome.as_str()).or_default() += 1,
        }
    }

    /// Problems come first, because there may not be room for all.
    fn parts(&self) -> Vec<String> {
        let failed = (self.failed > 0).then(|| format!("{} failed", self.failed));
        let others = self.others.iter().map(|(what, nodes)| format!("{nodes} {what}"));
        failed.into_iter().chain(others).chain([format!("{} being visited", self.visited)]).collect()
    }
}

fn line(finished: &Finished) -> String {
    let mut line = format!("{}: {}", finished.node, finished.outcome.as_str());
    if let Some(images) = finished.images {
        let counts = [
            (images.passed, "passed"),
            (images.failed, "failed"),
            (images.inconclusive, "inconclusive"),
            (images.skipped, "skipped"),
            (finished.waived as u64, "waived"),
        ];
        for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
            line += &format!(", {count} {what}");
        }
        if counts.iter().all(|(count, _)| *count == 0) {
            line += ", no images";
        }
    }
    if let Some(message) = &finished.message {
        line += &format!("; {message}");
    }
    let clean_up = &finished.clean_up;
    if matches!(clean_up.result, CleanUpResult::Failed | CleanUpResult::Unknown) {
        let folder = clean_up.folder.as_deref().unwrap_or("what was uploaded");
        line += &format!("; {folder} may still be there");
        if let Some(message) = &clean_up.message {
            line += &format!(": {message}");
        }
    }
    line
}

/// One line, whatever a node's message holds.
fn one_line(line: &str) -> String {
    clean::message(&line.replace(['\n', '\t'], " "))
}
