//! `assay run`: visits a site and writes its reports.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use assay_report::{ExitCode, NodeRow, Selection, SiteRun, SiteWaivers};
use assay_verifier::time::UnixTime;
use tokio::sync::mpsc::unbounded_channel;

use super::error::CommandError;
use super::runtime::block_on;
use crate::config::ConfigError;
use crate::fleet::{
    self, Event, Finished, Log, Progress, ResultStore, RetryPolicy, RunId, Verbosity, Visits,
};
use crate::journal::{self, Journal};
use crate::nodes::Node;
use crate::output::{OutputError, RunFolder};
use crate::report::difference::Baseline;
use crate::report::machines::Machines;
use crate::report::text::count;
use crate::report::{ReportHeader, SiteModel};
use crate::stop::{self, Stop};
use crate::transport::Connect;
use crate::transport::ssh::Connector;
use crate::transport::ssh::targets::{self, Purpose};
use crate::visit::VisitPlan;
use crate::{cli, clock, config, console};

/// Runs `assay run`.
///
/// # Errors
/// [`CommandError`]
pub fn run(options: &cli::Run) -> Result<ExitCode, CommandError> {
    let site = config::site(&options.site)?;
    let plan = config::plan(options)?;
    let waivers = config::waivers(options.waivers.as_deref(), options.at.as_deref())?;
    // The baseline may be in the folder that is cleared below.
    let baseline = config::baseline(options.baseline.as_deref())?;
    let of = site.nodes.len() as u64;
    let connector = |nodes: &[Node]| {
        targets::connector(&site, &options.site, &options.pace, &options.access, nodes, Purpose::Visit)
    };
    let nodes = fleet::select(site.nodes.clone(), &options.only)?;
    if options.dry_run {
        let targets = connector(&nodes)?;
        console::print(&super::dry_run::text(options, &nodes, &targets, &plan));
        return Ok(ExitCode::Passed);
    }
    let unwritable =
        |path: &Path, source| CommandError::Folder(OutputError::Write { path: path.to_owned(), source });
    // Earlier results are looked at before anybody is asked for a password.
    let earlier = options.resume.then(|| EarlierRun {
        results: ResultStore::at(&options.out),
        within: within(options.resume_within),
        hosts: targets::connector(
            &site,
            &options.site,
            &options.pace,
            &options.access,
            &nodes,
            Purpose::HostKeys,
        ),
    });
    let mut run_plan = RunPlan::new(nodes, plan, earlier.as_ref(), options.limit);
    let connector = connector(&run_plan.to_visit)?;
    let output = RunFolder::prepare(&options.out).map_err(CommandError::Folder)?;
    let (log, journal) = (output.path("run.log"), output.path(journal::FILE_NAME));
    let verbosity = if options.quiet { Verbosity::Quiet } else { Verbosity::Normal };
    let progress = Progress::new(
        run_plan.nodes.len(),
        verbosity,
        Log::open(&log, options.resume).map_err(|source| unwritable(&log, source))?,
        options.json_lines,
    );
    let context = RunContext {
        results: ResultStore::open(&options.out, options.resume)
            .map_err(|source| unwritable(&options.out, source))?,
        journal: Journal::open(&options.out).map_err(|source| unwritable(&journal, source))?,
        concurrency: usize::from(options.pace.concurrency),
        retry: config::retry_policy(&options.pace),
        waivers,
        baseline,
    };
    if options.json_lines {
        fleet::run_started(&run_plan.run.id, run_plan.nodes.len(), context.concurrency);
    }
    let selected = !options.only.is_empty() || options.limit.is_some();
    run_plan.site = options.site_name.clone().or(site.name);
    run_plan.selection = selected.then(|| Selection { only: options.only.clone(), limit: options.limit, of });
    let site = carry_out(run_plan, connector, context, progress, &output)?;
    if options.json_lines {
        fleet::run_finished(&site.run.id, site.verdict, site.summary, &options.out);
    } else {
        console::print(&crate::report::terminal::render(&site, config::look()));
    }
    say_what_is_next(&site, options, &output);
    Ok(site.verdict)
}

/// Says where the report is and what is left to do.
fn say_what_is_next(site: &SiteModel, options: &cli::Run, output: &RunFolder) {
    if !options.quiet || site.verdict != ExitCode::Passed {
        console::say(&format!("The report to look at: {}", output.path("report.html").display()));
    }
    let not_verified = site.summary.nodes - site.summary.verified;
    if not_verified > 0 {
        let nodes = count(not_verified, "node");
        console::say(&format!(
            "{nodes} not verified: run the same command with --resume to visit what is missing"
        ));
    }
    let left = site.left_behind();
    if left > 0 {
        let (site, out) = (options.site.display(), options.out.display());
        console::say(&format!(
            "{} not cleaned up: run assay cleanup --site {site} --out {out}",
            count(left, "node")
        ));
    }
}

/// An earlier run that is continued.
pub(super) struct EarlierRun {
    results: ResultStore,
    /// When visits must have ended whose results still count.
    within: RangeInclusive<UnixTime>,
    /// Where nodes are and which host keys are known now. If that cannot be found out, no earlier result counts.
    hosts: Result<Connector, ConfigError>,
}

impl EarlierRun {
    /// The result of a node, if it still counts.
    fn accepted(&self, node: &Node, inputs: &str) -> Option<(RunId, NodeRow)> {
        let (run, row) = self.results.accepted(&node.name, inputs, &self.within)?;
        let host_key = row.host_key.as_deref()?;
        let hosts = self.hosts.as_ref().ok()?;
        hosts.may_show(&node.name, host_key).then_some((run, row))
    }
}

/// The times from `age` ago until now.
fn within(age: Duration) -> RangeInclusive<UnixTime> {
    let now = clock::now();
    now.earlier(age).or_else(|| UnixTime::from_seconds(0)).unwrap_or(now)..=now
}

/// What a run is about.
pub(super) struct RunPlan {
    /// The nodes that it reports on, sorted by name.
    nodes: Vec<Node>,
    /// Those that have no result yet.
    to_visit: Vec<Node>,
    /// The results of the others.
    resumed: Vec<Finished>,
    run: RunId,
    /// What the site is called.
    site: Option<String>,
    plan: VisitPlan,
    /// The machines behind the results that exist already.
    machines: Machines,
    selection: Option<Selection>,
}

impl RunPlan {
    /// Plans visits to all `nodes`, or to those without an accepted earlier result, `limit` at most. If there are earlier
    /// results, this run continues theirs under its id.
    pub(super) fn new(
        nodes: Vec<Node>,
        mut plan: VisitPlan,
        earlier: Option<&EarlierRun>,
        limit: Option<u32>,
    ) -> Self {
        let mut run = RunId { id: plan.run_id.clone(), started: clock::now() };
        let (mut to_visit, mut resumed, mut machines) = (Vec::new(), Vec::new(), Machines::default());
        let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let mut reported = Vec::new();
        for node in nodes {
            match earlier.and_then(|earlier| earlier.accepted(&node, &plan.inputs_digest(&node).ok()?)) {
                Some((earlier_run, row)) => {
                    run = earlier_run;
                    machines.add(&row);
                    resumed.push(Finished::from(&row));
                }
                None if to_visit.len() < limit => to_visit.push(node.clone()),
                None => continue,
            }
            reported.push(node);
        }
        plan.run_id.clone_from(&run.id);
        Self { nodes: reported, to_visit, resumed, run, site: None, plan, machines, selection: None }
    }
}

/// What a run needs on this machine.
pub(super) struct RunContext {
    pub(super) results: ResultStore,
    pub(super) journal: Journal,
    pub(super) concurrency: usize,
    pub(super) retry: RetryPolicy,
    pub(super) waivers: Option<SiteWaivers>,
    pub(super) baseline: Option<Baseline>,
}

/// Visits nodes, and writes their reports and the site's.
pub(super) fn carry_out<C: Connect>(
    run_plan: RunPlan,
    connector: C,
    context: RunContext,
    progress: Progress,
    output: &RunFolder,
) -> Result<SiteModel, CommandError> {
    let RunPlan { nodes, to_visit, resumed, run, site, plan, machines, selection } = run_plan;
    let RunContext { results, journal, concurrency, retry, waivers, baseline } = context;
    let (inputs, accept) = (plan.payload.inputs(), Some(plan.asked.accept.clone()));
    let visits = Visits {
        nodes: to_visit,
        plan,
        run: run.clone(),
        journal: journal.clone(),
        results: results.clone(),
        concurrency,
        retry,
        waivers: waivers.clone(),
        machines,
    };
    let (not_stored, machines) = block_on(async {
        let (stopper, stop) = Stop::new();
        tokio::spawn(stop::on_signals(stopper, console::say));
        let (events, shown) = unbounded_channel();
        for finished in resumed {
            // The run goes on even if nothing listens any more.
            let _ = events.send(Event::Finished(Box::new(finished)));
        }
        let showing = tokio::spawn(progress.follow(shown));
        let rows = fleet::run(connector, visits, stop, events).await;
        // It ends with the last event. If the display breaks, the reports are still written.
        let _ = showing.await;
        rows
    })?;
    if let Some(problem) = journal.problem() {
        console::say(&format!(
            "the journal could not be written: {problem}; assay cleanup --site finds what is left"
        ));
    }
    let mut not_stored: BTreeMap<String, NodeRow> =
        not_stored.into_iter().map(|row| (row.name.clone(), row)).collect();
    let rows = nodes.iter().map(|node| not_stored.remove(&node.name).unwrap_or_else(|| results.row(node)));
    let run = SiteRun { id: run.id, site, started: run.started, finished: clock::now() };
    let collector = env!("CARGO_PKG_VERSION").to_owned();
    Ok(output.write_site(
        ReportHeader { run, collector, inputs, accept, machines, waivers, baseline, selection },
        rows,
    )?)
}
