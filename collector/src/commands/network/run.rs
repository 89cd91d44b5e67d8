//! `assay run`: visits a site and writes its reports.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use assay_report::{ExitCode, NodeRow, Selection, SiteWaivers};
use assay_verifier::time::UnixTime;

use super::error::NetworkError;
use crate::commands::error::CommandError;
use crate::commands::visits::{RunContext, RunPlan, carry_out};
use crate::fleet::{self, Log, Progress, ResultStore, RunId, Verbosity};
use crate::journal::{self, Journal};
use crate::nodes::Node;
use crate::output::{OutputError, RunFolder};
use crate::report::SiteModel;
use crate::report::difference::Baseline;
use crate::report::text::count;
use crate::transport::Connect;
use crate::transport::ssh::targets::{self, Purpose};
use crate::visit::VisitPlan;
use crate::{cli, clock, config, console};

/// Runs `assay run`.
///
/// # Errors
/// [`CommandError`]
pub fn run(options: &cli::Run) -> Result<ExitCode, CommandError> {
    #[cfg(feature = "kubernetes")]
    if options.cluster.via == cli::Via::Kubernetes {
        return super::cluster_run::run(options);
    }
    let site_file = options.site.as_deref().ok_or(NetworkError::NoSite)?;
    let site = config::site(site_file)?;
    let plan = config::plan(options)?;
    let given = Given::read(options)?;
    let of = site.nodes.len() as u64;
    let connector = |nodes: &[Node]| {
        targets::connector(&site, site_file, &options.pace, &options.access, nodes, Purpose::Visit)
    };
    let nodes = fleet::select(site.nodes.clone(), &options.only)?;
    if options.dry_run {
        let targets = connector(&nodes)?;
        console::print(&super::dry_run::text(options, &nodes, &targets, &plan));
        return Ok(ExitCode::Passed);
    }
    // Earlier results are looked at before anybody is asked for a password.
    let hosts =
        targets::connector(&site, site_file, &options.pace, &options.access, &nodes, Purpose::HostKeys);
    // If it cannot be found out which host keys are known now, no earlier result counts.
    let same_host = |node: &Node, row: &NodeRow| {
        let shown = row.host_key.as_deref().zip(hosts.as_ref().ok());
        shown.is_some_and(|(host_key, hosts)| hosts.may_show(&node.name, host_key))
    };
    let mut run_plan = RunPlan::new(nodes, plan, earlier_results(options, &same_host), options.limit);
    let connector = connector(&run_plan.to_visit)?;
    run_plan.site = site.name;
    let clean_up = || format!("assay cleanup --site {}", site_file.display());
    visit_all(options, given, run_plan, connector, of, &clean_up)
}

/// What is read before anything is written: a baseline may be in the folder that is cleared.
pub(super) struct Given {
    waivers: Option<SiteWaivers>,
    baseline: Option<Baseline>,
}

impl Given {
    pub(super) fn read(options: &cli::Run) -> Result<Self, CommandError> {
        let waivers = config::waivers(options.waivers.as_deref(), options.at.as_deref())?;
        Ok(Self { waivers, baseline: config::baseline(options.baseline.as_deref())? })
    }
}

/// Visits the nodes of a plan and writes their reports. `of` is the number of the site's nodes, `clean_up` the command that removes what
/// is left.
pub(super) fn visit_all<C: Connect>(
    options: &cli::Run,
    given: Given,
    mut run_plan: RunPlan,
    connector: C,
    of: u64,
    clean_up: &dyn Fn() -> String,
) -> Result<ExitCode, CommandError> {
    let unwritable =
        |path: &Path, source| CommandError::Folder(OutputError::Write { path: path.to_owned(), source });
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
        waivers: given.waivers,
        baseline: given.baseline,
    };
    if options.json_lines {
        fleet::run_started(&run_plan.run.id, run_plan.nodes.len(), context.concurrency);
    }
    let selected = !options.only.is_empty() || options.limit.is_some();
    run_plan.site = options.site_name.clone().or(run_plan.site);
    run_plan.selection = selected.then(|| Selection { only: options.only.clone(), limit: options.limit, of });
    let site = carry_out(run_plan, connector, context, progress, &output)?;
    if options.json_lines {
        fleet::run_finished(&site.run.id, site.verdict, site.summary, &options.out);
    } else {
        console::print(&crate::report::terminal::render(&site, config::look()));
    }
    say_what_is_next(&site, options, &output, clean_up);
    Ok(site.verdict)
}

/// Says where the report is and what is left to do.
fn say_what_is_next(site: &SiteModel, options: &cli::Run, output: &RunFolder, clean_up: &dyn Fn() -> String) {
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
    let out = options.out.display();
    let left = site.left_behind();
    if left > 0 {
        console::say(&format!("{} not cleaned up: run {} --out {out}", count(left, "node"), clean_up()));
    } else if let Some(left) = &site.run.left {
        console::say(&format!("{left}; run {} --out {out}", clean_up()));
    }
}

/// The results of an earlier run that still count, if one is continued: those of visits to what is the `same_host` now.
pub(super) fn earlier_results<'a>(
    options: &'a cli::Run,
    same_host: &'a dyn Fn(&Node, &NodeRow) -> bool,
) -> impl Fn(&Node, &VisitPlan) -> Option<(RunId, NodeRow)> + 'a {
    let earlier = options.resume.then(|| (ResultStore::at(&options.out), within(options.resume_within)));
    move |node, plan| {
        let (results, within) = earlier.as_ref()?;
        let inputs = plan.inputs_digest(node).ok()?;
        let (run, row) = results.accepted(&node.name, &inputs, within)?;
        same_host(node, &row).then_some((run, row))
    }
}

/// The times from `age` ago until now.
fn within(age: Duration) -> RangeInclusive<UnixTime> {
    let now = clock::now();
    now.earlier(age).or_else(|| UnixTime::from_seconds(0)).unwrap_or(now)..=now
}
