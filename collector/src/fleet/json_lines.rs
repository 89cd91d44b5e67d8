//! Events for programs, `assay/events/v1`: one JSON object a line on standard output, each with `event` and `time`, the
//! jump box's clock. Members may be added; a reader passes over events and members that it does not know.
//!
//! ```text
//! {"event":"run-started","time":…,"schema":"assay/events/v1","run":ID,"nodes":N,"concurrency":N}
//! {"event":"node-started","time":…,"node":NAME,"attempt":1}
//! {"event":"node-retried","time":…,"node":NAME,"message":…,"wait_seconds":2.7}
//! {"event":"node-finished","time":…,"node":NAME,"outcome":"verified","verdict":"passed|failed|incomplete","attempts":1,
//!  "started":…,"finished":…,"images":{"passed":…,"failed":…,"skipped":…,"inconclusive":…}|null,"waived":0,
//!  "message":…|null,"hint":…|null,"clean_up":{"result":"removed","folder":…|null,"message":…|null}}
//! {"event":"run-finished","time":…,"run":ID,"verdict":…,"exit_code":0,"nodes":N,"verified":N,"images":{…},"waived":0,
//!  "reports":FOLDER}
//! ```
//!
//! `node-finished` comes once for each node of the run, also for those that `--resume` did not visit again. Texts are those of
//! the site report: cleaned of control characters, but not escaped for any other use. What a CI system would obey (`##vso[…]`,
//! `::error::`) is written with JSON escapes.

use std::path::Path;

use assay_report::{CleanUp, ExitCode, Outcome, SiteSummary, Summary};
use assay_verifier::time::UnixTime;
use serde::Serialize;

use super::Event;
use crate::{clock, console};

/// The value of `schema` in the first line.
const SCHEMA: &str = "assay/events/v1";

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Line<'a> {
    RunStarted {
        time: UnixTime,
        schema: &'static str,
        run: &'a str,
        nodes: usize,
        concurrency: usize,
    },
    NodeStarted {
        time: UnixTime,
        node: &'a str,
        attempt: u32,
    },
    NodeRetried {
        time: UnixTime,
        node: &'a str,
        message: &'a str,
        wait_seconds: f64,
    },
    NodeFinished {
        time: UnixTime,
        node: &'a str,
        outcome: Outcome,
        verdict: ExitCode,
        attempts: u32,
        started: Option<UnixTime>,
        finished: Option<UnixTime>,
        images: Option<Summary>,
        waived: usize,
        message: Option<&'a str>,
        hint: Option<&'a str>,
        clean_up: &'a CleanUp,
    },
    RunFinished {
        time: UnixTime,
        run: &'a str,
        verdict: ExitCode,
        exit_code: u8,
        nodes: u64,
        verified: u64,
        images: Summary,
        waived: u64,
        reports: &'a str,
    },
}

fn write(line: &Line<'_>) {
    console::print_json_line(line);
}

/// The first line.
pub(crate) fn run_started(run: &str, nodes: usize, concurrency: usize) {
    write(&Line::RunStarted { time: clock::now(), schema: SCHEMA, run, nodes, concurrency });
}

/// A line for an event.
pub(super) fn event(event: &Event) {
    let time = clock::now();
    write(&match event {
        Event::Started { node, attempt } => Line::NodeStarted { time, node, attempt: *attempt },
        Event::Retried { node, message, wait } => {
            Line::NodeRetried { time, node, message, wait_seconds: wait.as_secs_f64() }
        }
        Event::Finished(done) => Line::NodeFinished {
            time,
            node: &done.node,
            outcome: done.outcome,
            verdict: done.verdict,
            attempts: done.attempts,
            started: done.started,
            finished: done.finished,
            images: done.images,
            waived: done.waived,
            message: done.message.as_deref(),
            hint: done.hint.as_deref(),
            clean_up: &done.clean_up,
        },
    });
}

/// The last line, once the reports are written.
pub(crate) fn run_finished(run: &str, verdict: ExitCode, summary: SiteSummary, reports: &Path) {
    write(&Line::RunFinished {
        time: clock::now(),
        run,
        verdict,
        exit_code: verdict.number(),
        nodes: summary.nodes,
        verified: summary.verified,
        images: summary.images,
        waived: summary.waived,
        reports: &reports.to_string_lossy(),
    });
}
