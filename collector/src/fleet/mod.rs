//! Many visits at once, bounded. Every node ends with a row, whatever happened to it; none stops another.
//!
//! A visit holds one of `concurrency` places. A node that does not answer gives its place up while it is waited for, and so
//! does one that waits for its next try: the dead delay nobody. What came of a visit goes to disk (`kept`) and is forgotten.

mod event;
mod json_lines;
mod kept;
mod progress;
mod selection;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use assay_report::{CleanUpResult, NodeRow, Outcome, SiteWaivers};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinSet;

pub use event::{Event, Finished};
pub(crate) use json_lines::{run_finished, run_started};
pub use kept::{Kept, RunOf};
pub use progress::{Log, Progress, Verbosity};
pub use selection::{Unmatched, select};

use crate::journal::Journal;
use crate::nodes::Node;
use crate::report::machines::Machines;
use crate::stop::Stop;
use crate::transport::{Connect, ConnectError, Failure};
use crate::visit::{VisitPlan, unvisited_row, visit};

/// How a fleet is visited.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How many nodes at once.
    pub concurrency: usize,
    /// How often a node that could not be reached is tried again.
    pub retries: u32,
    /// How long before the first retry; each further one waits three times as long.
    pub back_off: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { concurrency: 32, retries: 2, back_off: Duration::from_secs(2) }
    }
}

/// How long a node may take to answer before it gives its place up. The others on one network answer in milliseconds.
const PATIENCE: Duration = Duration::from_secs(3);

/// How many times `concurrency` nodes are begun at most: with places, without an answer, and between two tries.
const BEGUN: usize = 2;

/// What there is to do.
#[derive(Debug)]
pub struct Visits {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// What each visit does.
    pub plan: VisitPlan,
    /// The run.
    pub run: RunOf,
    /// Where it is recorded.
    pub journal: Journal,
    /// Where results are kept.
    pub kept: Kept,
    /// How the fleet is visited.
    pub pace: Pace,
    /// The exceptions that the site granted, so that what they cover is not shown as bad.
    pub waivers: Option<SiteWaivers>,
    /// The machines of the rows that there are already.
    pub machines: Machines,
}

/// Visits every node, and keeps what comes of each. Rows that are not kept are returned, of nodes that were not visited to
/// an end, and which machines all rows are of.
pub async fn run<C: Connect>(
    connector: C,
    visits: Visits,
    stop: Stop,
    events: UnboundedSender<Event>,
) -> (Vec<NodeRow>, Machines) {
    let Visits { nodes, plan, run, journal, kept, pace, waivers, machines } = visits;
    let (concurrency, waivers) = (pace.concurrency.max(1), Mutex::new(waivers));
    let (places, machines) = (Semaphore::new(concurrency), Mutex::new(machines));
    let fleet = Fleet { connector, plan, run, journal, kept, stop, pace, places, waivers, machines, events };
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
            running.spawn(async move { (number, fleet.node(&node).await) });
        }
        match running.join_next().await {
            Some(Ok((number, not_kept))) => {
                rows.extend(not_kept);
                if let Some(place) = open.get_mut(number) {
                    *place = None;
                }
            }
            // A visit that broke off inside this program has its row below.
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
    let machines = std::mem::take(&mut *fleet.machines.lock().unwrap_or_else(PoisonError::into_inner));
    (rows, machines)
}

struct Fleet<C> {
    connector: C,
    plan: VisitPlan,
    run: RunOf,
    journal: Journal,
    kept: Kept,
    stop: Stop,
    pace: Pace,
    places: Semaphore,
    waivers: Mutex<Option<SiteWaivers>>,
    machines: Mutex<Machines>,
    events: UnboundedSender<Event>,
}

impl<C: Connect> Fleet<C> {
    /// Visits a node until something comes of it; its row where that could not be kept.
    async fn node(&self, node: &Node) -> Option<NodeRow> {
        let mut attempt = 1;
        let mut back_off = self.pace.back_off;
        let mut place = self.place().await;
        let started = crate::clock::now();
        let mut row = loop {
            if self.stop.is_requested() {
                break unfinished(node, true);
            }
            self.tell(Event::Started { node: node.name.clone(), attempt });
            let connecting = self.connect(node, &mut place);
            let row = visit(connecting, node, &self.plan, &self.journal, &self.stop, attempt).await;
            let may_pass = row.outcome == Outcome::Unreachable
                && matches!(row.clean_up.result, CleanUpResult::NotNeeded | CleanUpResult::Removed);
            if !may_pass || attempt > self.pace.retries || self.stop.is_requested() {
                break row;
            }
            let wait = jittered(back_off);
            let message = row.message.clone().unwrap_or_default();
            self.tell(Event::Retried { node: node.name.clone(), message, wait });
            drop(place.take());
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.stop.requested() => break row,
            }
            place = self.place().await;
            attempt += 1;
            back_off = back_off.saturating_mul(3);
        };
        row.started = row.started.map(|_| started);
        self.finish(node, row).await
    }

    /// Reaches a node; one that keeps silent loses its place to others until it answers.
    async fn connect<'a>(
        &'a self,
        node: &Node,
        place: &mut Option<SemaphorePermit<'a>>,
    ) -> Result<C::Host, ConnectError> {
        let connecting = self.connector.connect(node);
        tokio::pin!(connecting);
        tokio::select! {
            connected = &mut connecting => return connected,
            () = tokio::time::sleep(PATIENCE) => *place = None,
        }
        let connected = connecting.await;
        if connected.is_ok() {
            *place = self.place().await;
        }
        connected
    }

    /// A place among those that are visited at once; first come, first served.
    async fn place(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed; without one a visit would be one too many, and still be made.
        self.places.acquire().await.ok()
    }

    /// Tells what came of a node, and keeps it.
    async fn finish(&self, node: &Node, mut row: NodeRow) -> Option<NodeRow> {
        if let Some(waivers) = self.waivers.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            waivers.apply(&mut row);
        }
        self.machines.lock().unwrap_or_else(PoisonError::into_inner).add(&row);
        let mut finished = Finished::from(&row);
        let (kept, run, inputs) = (self.kept.clone(), self.run.clone(), self.plan.inputs_digest(node));
        // Waiting for the disk would hold up the other nodes.
        let written = tokio::task::spawn_blocking(move || kept.put(&run, &inputs?, &row)).await;
        let written = written.map_err(std::io::Error::other).and_then(|written| written);
        let not_kept = written.err().map(|error| kept::lost(node, &error));
        if let Some(row) = &not_kept {
            finished = Finished { clean_up: finished.clean_up, ..Finished::from(row) };
        }
        let not_kept = not_kept.map(|row| NodeRow { clean_up: finished.clean_up.clone(), ..row });
        self.tell(Event::Finished(Box::new(finished)));
        not_kept
    }
}

impl<C> Fleet<C> {
    /// Nobody listening is no reason to stop.
    fn tell(&self, event: Event) {
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
