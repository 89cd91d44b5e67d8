//! `assay run`: a site is visited, and what came of it is written.

use std::path::Path;

use assay_shared::report::{ExitCode, SiteReport, SiteRun};
use tokio::sync::mpsc::unbounded_channel;

use super::{CommandError, block_on};
use crate::fleet::{self, Log, Progress, Verbosity, Visits};
use crate::journal::{self, Journal};
use crate::output::{Output, OutputError};
use crate::ssh::Connect;
use crate::stop::{self, Stop};
use crate::{cli, clock, config, console};

/// Runs `assay run`.
///
/// # Errors
/// [`CommandError`]
pub fn run(options: &cli::Run) -> Result<ExitCode, CommandError> {
    let site = config::site(&options.site)?;
    let plan = config::plan(options)?;
    let waivers = config::waivers(options.waivers.as_deref(), options.at.as_deref())?;
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
    let pace = config::pace(&options.pace);
    let visits = Visits { nodes: site.nodes, plan, journal, pace, waivers };
    let report = visit_all(connector, visits, progress, &output)?;
    console::print(&crate::report::terminal::site(&report, config::look()));
    Ok(report.verdict)
}

/// Visits nodes, and writes their reports and the site's.
pub(super) fn visit_all<C: Connect>(
    connector: C,
    visits: Visits,
    progress: Progress,
    output: &Output,
) -> Result<SiteReport, CommandError> {
    let started = clock::now();
    let (id, inputs) = (visits.plan.run_id.clone(), visits.plan.payload.inputs());
    let journal = visits.journal.clone();
    let (rows, waivers) = block_on(async {
        let (stopper, stop) = Stop::new();
        tokio::spawn(stop::on_signals(stopper, console::say));
        let (events, shown) = unbounded_channel();
        let showing = tokio::spawn(progress.follow(shown));
        let visited = fleet::run(connector, visits, stop, events).await;
        // It ends with the last event; a broken display is no reason to lose the reports.
        let _ = showing.await;
        visited
    })?;
    if let Some(problem) = journal.problem() {
        console::say(&format!(
            "the journal could not be kept: {problem}; assay cleanup --site finds what is left"
        ));
    }
    let run = SiteRun { id, started, finished: clock::now() };
    let mut report = SiteReport::new(run, env!("CARGO_PKG_VERSION").to_owned(), inputs, rows);
    report.waivers = waivers;
    output.write_site(&report)?;
    Ok(report)
}
