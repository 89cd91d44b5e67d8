//! `assay run`: a site is visited, and what came of it is written.

use std::path::Path;

use assay_shared::report::{ExitCode, SiteReport, SiteRun};
use tokio::sync::mpsc::unbounded_channel;

use super::{CommandError, block_on};
use crate::fleet::{self, Log, Pace, Progress, Verbosity};
use crate::journal::{self, Journal};
use crate::nodes::Node;
use crate::output::{Output, OutputError};
use crate::ssh::Connect;
use crate::stop::{self, Stop};
use crate::visit::Plan;
use crate::{cli, clock, config, console};

/// Runs `assay run`.
///
/// # Errors
/// [`CommandError`]
pub fn run(options: &cli::Run) -> Result<ExitCode, CommandError> {
    let site = config::site(&options.site)?;
    let plan = config::plan(options)?;
    let connector = config::connector(&site, &options.site, &options.pace, &site.nodes)?;
    let output = Output::prepare(&options.out).map_err(CommandError::Folder)?;
    let log = output.path("run.log");
    let unwritable =
        |path: &Path, source| CommandError::Folder(OutputError::Write { path: path.to_owned(), source });
    let progress = Progress::new(
        site.nodes.len(),
        if options.quiet { Verbosity::Quiet } else { Verbosity::Normal },
        Log::create(&log).map_err(|source| unwritable(&log, source))?,
    );
    let journal =
        Journal::open(&options.out).map_err(|source| unwritable(&output.path(journal::FILE_NAME), source))?;
    let report =
        visit_all(site.nodes, connector, plan, &journal, config::pace(&options.pace), progress, &output)?;
    console::print(&crate::report::terminal::site(&report, config::look()));
    Ok(report.verdict)
}

/// Visits nodes, and writes their reports and the site's.
pub(super) fn visit_all<C: Connect>(
    nodes: Vec<Node>,
    connector: C,
    plan: Plan,
    journal: &Journal,
    pace: Pace,
    progress: Progress,
    output: &Output,
) -> Result<SiteReport, CommandError> {
    let started = clock::now();
    let (id, inputs) = (plan.run_id.clone(), plan.payload.inputs());
    let rows = block_on(async {
        let (stopper, stop) = Stop::new();
        tokio::spawn(stop::on_signals(stopper, console::say));
        let (events, shown) = unbounded_channel();
        let showing = tokio::spawn(progress.follow(shown));
        let rows = fleet::run(nodes, connector, plan, journal.clone(), stop, pace, events).await;
        // It ends with the last event; a broken display is no reason to lose the reports.
        let _ = showing.await;
        rows
    })?;
    if let Some(problem) = journal.problem() {
        console::say(&format!(
            "the journal could not be kept: {problem}; assay cleanup --site finds what is left"
        ));
    }
    let run = SiteRun { id, started, finished: clock::now() };
    let report = SiteReport::new(run, env!("CARGO_PKG_VERSION").to_owned(), inputs, rows);
    output.write_site(&report)?;
    Ok(report)
}
