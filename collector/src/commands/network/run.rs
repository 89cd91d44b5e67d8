//! `assay run`: visits a site and writes its reports.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use assay_report::{ExitCode, NodeRow, Selection};
use assay_verifier::time::UnixTime;

use crate::commands::error::CommandError;
use crate::commands::visits::{RunContext, RunPlan, carry_out};
use crate::fleet::{self, Log, Progress, ResultStore, RunId, Verbosity};
use crate::journal::{self, Journal};
use crate::nodes::Node;
use crate::output::{OutputError, RunFolder};
use crate::report::SiteModel;
use crate::report::text::count;
use crate::transport::ssh::Connector;
use crate::transport::ssh::targets::{self, Purpose, TargetError};
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
    let accepted = |node: &Node, plan: &VisitPlan| earlier.as_ref()?.accepted(node, plan);
    let mut run_plan = RunPlan::new(nodes, plan, accepted, options.limit);
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
struct EarlierRun {
    results: ResultStore,
    /// When visits must have ended whose results still count.
    within: RangeInclusive<UnixTime>,
    /// Where nodes are and which host keys are known now. If that cannot be found out, no earlier result counts.
    hosts: Result<Connector, TargetError>,
}

impl EarlierRun {
    /// The result of a node, if it still counts.
    fn accepted(&self, node: &Node, plan: &VisitPlan) -> Option<(RunId, NodeRow)> {
        let inputs = plan.inputs_digest(node).ok()?;
        let (run, row) = self.results.accepted(&node.name, &inputs, &self.within)?;
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
