//! `assay run`: a site is visited, and what came of it is written.

use std::path::Path;

use assay_shared::report::{ExitCode, SiteRun};
use tokio::sync::mpsc::unbounded_channel;

use super::{CommandError, block_on};
use crate::fleet::{self, Log, Progress, Verbosity, Visits};
use crate::journal::{self, Journal};
use crate::output::{Output, OutputError};
use crate::reach::{self, Purpose};
use crate::report::difference::Baseline;
use crate::report::{Head, Site};
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
    // before the folder is made ready, which may be where it is
    let baseline = config::baseline(options.baseline.as_deref())?;
    let connector =
        reach::connector(&site, &options.site, &options.pace, &options.access, &site.nodes, Purpose::Visit)?;
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
    let site = visit_all(connector, visits, progress, &output, baseline)?;
    console::print(&crate::report::terminal::site(&site, config::look()));
    Ok(site.verdict)
}

/// Visits nodes, and writes their reports and the site's.
pub(super) fn visit_all<C: Connect>(
    connector: C,
    visits: Visits,
    progress: Progress,
    output: &Output,
    baseline: Option<Baseline>,
) -> Result<Site, CommandError> {
    let started = clock::now();
    let (id, inputs) = (visits.plan.run_id.clone(), visits.plan.payload.inputs());
    let journal = visits.journal.clone();
    let (mut rows, waivers) = block_on(async {
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
    rows.sort_by(|one, other| one.name.cmp(&other.name));
    let head = Head { run, collector: env!("CARGO_PKG_VERSION").to_owned(), inputs, waivers, baseline };
    Ok(output.write_site(head, rows)?)
}
