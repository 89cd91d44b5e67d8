//! Visits many nodes, a bounded number of them at once. Every node ends with a row, whatever happens to it, and none stops
//! another.
//!
//! A visit holds one of `concurrency` slots. A node that does not answer, or that waits for its next try, gives its slot up:
//! unreachable nodes do not hold a slot. The result of a visit goes to disk ([`ResultStore`]) and is dropped from memory.

mod event;
mod json_lines;
mod progress;
mod results;
mod selection;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use assay_report::{CleanUpResult, NodeRow, Outcome, SiteWaivers};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinSet;

pub(crate) use event::{Event, Finished};
pub(crate) use json_lines::{run_finished, run_started};
pub(crate) use progress::{Log, Progress, Verbosity};
pub(crate) use results::{ResultStore, RunId};
pub(crate) use selection::{Unmatched, select};

use crate::journal::Journal;
use crate::nodes::Node;
use crate::report::machines::Machines;
use crate::stop::Stop;
use crate::transport::{Connect, ConnectError, Failure};
use crate::visit::{VisitPlan, unvisited_row, visit};

/// When nodes that could not be reached are tried again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryPolicy {
    /// How often a node that could not be reached is tried again.
    pub retries: u32,
    /// How long before the first retry; each further one waits three times as long.
    pub back_off: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { retries: 2, back_off: Duration::from_secs(2) }
    }
}

/// How many nodes are visited at once by default.
pub(crate) const CONCURRENCY: usize = 32;

/// How long a node may take to answer before it gives its slot up. Other nodes on the same network answer in milliseconds.
const PATIENCE: Duration = Duration::from_secs(3);

/// How many times `concurrency` nodes are begun at most: those that hold a slot, do not answer yet, or wait for their next try.
const BEGUN: usize = 2;

/// The visits of a run.
#[derive(Debug)]
pub(crate) struct Visits {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// What each visit does.
    pub plan: VisitPlan,
    /// The run.
    pub run: RunId,
    /// Where it is recorded.
    pub journal: Journal,
    /// Where results go.
    pub results: ResultStore,
    /// How many nodes are visited at once.
    pub concurrency: usize,
    /// When nodes are tried again.
    pub retry: RetryPolicy,
    /// The exceptions that the site granted, so that what they cover is not shown as bad.
    pub waivers: Option<SiteWaivers>,
    /// The machines of the rows that exist already.
    pub machines: Machines,
}

/// Visits every node and stores its result. Returns the rows that could not be stored, those of nodes whose visit did not end
/// among them, the machines of all rows, and what the run itself may have left, for people.
pub(crate) async fn run<C: Connect>(
    connector: C,
    visits: Visits,
    stop: Stop,
    events: UnboundedSender<Event>,
) -> (Vec<NodeRow>, Machines, Option<String>) {
    let Visits { nodes, plan, run, journal, results, concurrency, retry, waivers, machines } = visits;
    let (concurrency, waivers) = (concurrency.max(1), Mutex::new(waivers));
    let (slots, machines) = (Semaphore::new(concurrency), Mutex::new(machines));
    let fleet =
        Fleet { connector, plan, run, journal, results, stop, retry, slots, waivers, machines, events };
    let fleet = Arc::new(fleet);
    let mut open: Vec<Option<Node>> = nodes.iter().cloned().map(Some).collect();
    let mut rows = Vec::new();
    let mut waiting = nodes.into_iter().enumerate();
    let mut running = JoinSet::new();
    loop {
        while running.len() < concurrency.saturating_mul(BEGUN)
            && !fleet.stop.is_requested()
            && let Some((number, node)) = waiting.next()
        {
            let fleet = Arc::clone(&fleet);
            running.spawn(async move { (number, fleet.visit_node(&node).await) });
        }
        match running.join_next().await {
            Some(Ok((number, not_stored))) => {
                rows.extend(not_stored);
                if let Some(node) = open.get_mut(number) {
                    *node = None;
                }
            }
            // The row of a visit that broke off inside this program is made below.
            Some(Err(_)) => {}
            None => break,
        }
    }
    let stopped = fleet.stop.is_requested();
    for node in open.into_iter().flatten() {
        let row = unfinished(&node, stopped);
        fleet.tell(Event::Finished(Box::new(Finished::from(&row))));
        rows.push(row);
    }
    let left = fleet.connector.finish(&fleet.plan.run_id).await.err();
    let machines = std::mem::take(&mut *fleet.machines.lock().unwrap_or_else(PoisonError::into_inner));
    (rows, machines, left)
}

struct Fleet<C> {
    connector: C,
    plan: VisitPlan,
    run: RunId,
    journal: Journal,
    results: ResultStore,
    stop: Stop,
    retry: RetryPolicy,
    slots: Semaphore,
    waivers: Mutex<Option<SiteWaivers>>,
    machines: Mutex<Machines>,
    events: UnboundedSender<Event>,
}

impl<C: Connect> Fleet<C> {
    /// Visits a node until there is a result. Returns the row if it could not be stored.
    async fn visit_node(&self, node: &Node) -> Option<NodeRow> {
        let mut attempt = 1;
        let mut back_off = self.retry.back_off;
        let mut slot = self.slot().await;
        let started = crate::clock::now();
        let mut row = loop {
            if self.stop.is_requested() {
                break unfinished(node, true);
            }
            self.tell(Event::Started { node: node.name.clone(), attempt });
            let connecting = self.connect(node, &mut slot);
            let row = visit(connecting, node, &self.plan, &self.journal, &self.stop, attempt).await;
            let outcome_may_pass = matches!(
                row.outcome,
                Outcome::Unreachable | Outcome::NodeNotReady | Outcome::ImageUnavailable | Outcome::Evicted
            );
            let may_pass = outcome_may_pass
                && matches!(row.clean_up.result, CleanUpResult::NotNeeded | CleanUpResult::Removed);
            if !may_pass || attempt > self.retry.retries || self.stop.is_requested() {
                break row;
            }
            let wait = jittered(back_off);
            let message = row.message.clone().unwrap_or_default();
            self.tell(Event::Retried { node: node.name.clone(), message, wait });
            drop(slot.take());
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.stop.requested() => break row,
            }
            slot = self.slot().await;
            attempt += 1;
            back_off = back_off.saturating_mul(3);
        };
        row.started = row.started.map(|_| started);
        self.finish(node, row).await
    }

    /// Reaches a node. One that does not answer loses its slot to others until it does.
    async fn connect<'a>(
        &'a self,
        node: &Node,
        slot: &mut Option<SemaphorePermit<'a>>,
    ) -> Result<C::Host, ConnectError> {
        let connecting = self.connector.connect(node);
        tokio::pin!(connecting);
        tokio::select! {
            connected = &mut connecting => return connected,
            () = tokio::time::sleep(PATIENCE) => *slot = None,
        }
        let connected = connecting.await;
        if connected.is_ok() {
            *slot = self.slot().await;
        }
        connected
    }

    /// A slot among those that are visited at once; first come, first served.
    async fn slot(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed. If it were, the visit would still be made, as one too many.
        self.slots.acquire().await.ok()
    }

    /// Applies waivers to the row of a node, stores it and announces it.
    async fn finish(&self, node: &Node, mut row: NodeRow) -> Option<NodeRow> {
        if let Some(waivers) = self.waivers.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            waivers.apply(&mut row);
        }
        self.machines.lock().unwrap_or_else(PoisonError::into_inner).add(&row);
        let mut finished = Finished::from(&row);
        let (results, run, inputs) = (self.results.clone(), self.run.clone(), self.plan.inputs_digest(node));
        // Waiting for the disk would hold up the other nodes.
        let written = tokio::task::spawn_blocking(move || results.put(&run, &inputs?, &row)).await;
        let written = written.map_err(std::io::Error::other).and_then(|written| written);
        let not_stored = written.err().map(|error| results::lost_result(node, &error));
        if let Some(row) = &not_stored {
            finished = Finished { clean_up: finished.clean_up, ..Finished::from(row) };
        }
        let not_stored = not_stored.map(|row| NodeRow { clean_up: finished.clean_up.clone(), ..row });
        self.tell(Event::Finished(Box::new(finished)));
        not_stored
    }
}

impl<C> Fleet<C> {
    fn tell(&self, event: Event) {
        // The run goes on even if nothing listens any more.
        let _ = self.events.send(event);
    }
}

/// Between half and one and a half times as long, so that nodes behind one switch do not all come back at once.
fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(0.5 + crate::random::fraction())
}

fn unfinished(node: &Node, stopped: bool) -> NodeRow {
    let mut row = unvisited_row(node);
    let failure = Failure::interrupted();
    row.outcome = failure.outcome;
    row.message = Some(if stopped { failure.message } else { "the visit broke off inside assay".to_owned() });
    row.hint = failure.hint;
    if !stopped {
        row.clean_up.result = CleanUpResult::Unknown;
    }
    row
}
