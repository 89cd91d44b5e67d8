//! Carries out the visits of a run, over whichever transport, and writes the reports.

use std::collections::BTreeMap;

use assay_report::{NodeRow, Selection, SiteRun, SiteWaivers};
use tokio::sync::mpsc::unbounded_channel;

use super::error::CommandError;
use super::runtime::block_on;
use crate::fleet::{self, Event, Finished, Progress, ResultStore, RetryPolicy, RunId, Visits};
use crate::journal::Journal;
use crate::nodes::Node;
use crate::output::RunFolder;
use crate::report::difference::Baseline;
use crate::report::machines::Machines;
use crate::report::{ReportHeader, SiteModel};
use crate::stop::{self, Stop};
use crate::transport::Connect;
use crate::visit::VisitPlan;
use crate::{clock, console};

/// What a run is about.
pub(crate) struct RunPlan {
    /// The nodes that it reports on, sorted by name.
    pub(crate) nodes: Vec<Node>,
    /// Those that have no result yet.
    pub(crate) to_visit: Vec<Node>,
    /// The results of the others.
    resumed: Vec<Finished>,
    pub(crate) run: RunId,
    /// What the site is called.
    pub(crate) site: Option<String>,
    pub(crate) plan: VisitPlan,
    /// The machines behind the results that exist already.
    machines: Machines,
    pub(crate) selection: Option<Selection>,
}

impl RunPlan {
    /// Plans visits to all `nodes` for which `earlier` gives no result of an earlier run, `limit` at most. If it gives any,
    /// this run continues that one under its id.
    pub(crate) fn new(
        nodes: Vec<Node>,
        mut plan: VisitPlan,
        earlier: impl Fn(&Node, &VisitPlan) -> Option<(RunId, NodeRow)>,
        limit: Option<u32>,
    ) -> Self {
        let mut run = RunId { id: plan.run_id.clone(), started: clock::now() };
        let (mut to_visit, mut resumed, mut machines) = (Vec::new(), Vec::new(), Machines::default());
        let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let mut reported = Vec::new();
        for node in nodes {
            match earlier(&node, &plan) {
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
pub(crate) struct RunContext {
    pub(crate) results: ResultStore,
    pub(crate) journal: Journal,
    pub(crate) concurrency: usize,
    pub(crate) retry: RetryPolicy,
    pub(crate) waivers: Option<SiteWaivers>,
    pub(crate) baseline: Option<Baseline>,
}

/// Visits nodes, and writes their reports and the site's.
pub(crate) fn carry_out<C: Connect>(
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
    let (not_stored, machines, left) = block_on(async {
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
    let run = SiteRun { id: run.id, site, started: run.started, finished: clock::now(), left };
    let collector = env!("CARGO_PKG_VERSION").to_owned();
    Ok(output.write_site(
        ReportHeader { run, collector, inputs, accept, machines, waivers, baseline, selection },
        rows,
    )?)
}
