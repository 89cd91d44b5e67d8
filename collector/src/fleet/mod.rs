//! Many visits at once, bounded. Every node ends with a row, whatever happened to it; none stops another.

mod progress;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use assay_shared::report::{CleanUpResult, NodeRow, Outcome, SiteWaivers};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

pub use progress::{Log, Progress, Verbosity};

use crate::journal::Journal;
use crate::nodes::Node;
use crate::ssh::Connect;
use crate::stop::Stop;
use crate::visit::{Failure, Plan, row_of, visit};

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
        Self { concurrency: 16, retries: 2, back_off: Duration::from_secs(2) }
    }
}

/// What there is to do.
#[derive(Debug)]
pub struct Visits {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// What each visit does.
    pub plan: Plan,
    /// Where it is recorded.
    pub journal: Journal,
    /// How the fleet is visited.
    pub pace: Pace,
    /// The exceptions that the site granted.
    pub waivers: Option<SiteWaivers>,
}

/// What happens as it happens.
#[derive(Clone, Debug)]
pub enum Event {
    /// A node is about to be visited.
    Started {
        /// The node.
        node: String,
    },
    /// A node could not be reached and is tried again.
    Retried {
        /// The node.
        node: String,
        /// Why.
        message: String,
        /// How long until then.
        wait: Duration,
    },
    /// A node is done.
    Finished(Box<NodeRow>),
}

/// Visits every node. Rows come in the order of `nodes`, and the waivers with what became of them.
pub async fn run<C: Connect>(
    connector: C,
    visits: Visits,
    stop: Stop,
    events: UnboundedSender<Event>,
) -> (Vec<NodeRow>, Option<SiteWaivers>) {
    let Visits { nodes, plan, journal, pace, waivers } = visits;
    let waivers = Mutex::new(waivers);
    let shared = Arc::new(Fleet { connector, plan, journal, stop, pace, waivers, events });
    let mut visited: Vec<Option<NodeRow>> = nodes.iter().map(|_| None).collect();
    let mut waiting = nodes.iter().cloned().enumerate();
    let mut running = JoinSet::new();
    loop {
        while running.len() < pace.concurrency.max(1)
            && !shared.stop.is_requested()
            && let Some((number, node)) = waiting.next()
        {
            let shared = Arc::clone(&shared);
            running.spawn(async move { (number, shared.node(&node).await) });
        }
        match running.join_next().await {
            Some(Ok((number, done))) => {
                if let Some(place) = visited.get_mut(number) {
                    *place = Some(done);
                }
            }
            // A visit that broke off inside this program has its row below.
            Some(Err(_)) => {}
            None => break,
        }
    }
    let stopped = shared.stop.is_requested();
    let finish = |(node, done): (&Node, Option<NodeRow>)| {
        done.unwrap_or_else(|| {
            let row = unfinished(node, stopped);
            let _ = shared.events.send(Event::Finished(Box::new(row.clone())));
            row
        })
    };
    let rows = nodes.iter().zip(visited).map(finish).collect();
    let waivers = shared.waivers.lock().unwrap_or_else(PoisonError::into_inner).take();
    (rows, waivers)
}

struct Fleet<C> {
    connector: C,
    plan: Plan,
    journal: Journal,
    stop: Stop,
    pace: Pace,
    waivers: Mutex<Option<SiteWaivers>>,
    events: UnboundedSender<Event>,
}

impl<C: Connect> Fleet<C> {
    async fn node(&self, node: &Node) -> NodeRow {
        // Nobody listening is no reason to stop.
        let _ = self.events.send(Event::Started { node: node.name.clone() });
        let mut attempt = 1;
        let mut back_off = self.pace.back_off;
        let started = crate::clock::now();
        let mut row = loop {
            let row = visit(&self.connector, node, &self.plan, &self.journal, &self.stop, attempt).await;
            let may_pass = row.outcome == Outcome::Unreachable
                && matches!(row.clean_up.result, CleanUpResult::NotNeeded | CleanUpResult::Removed);
            if !may_pass || attempt > self.pace.retries || self.stop.is_requested() {
                break row;
            }
            let wait = jittered(back_off);
            let message = row.message.clone().unwrap_or_default();
            let _ = self.events.send(Event::Retried { node: node.name.clone(), message, wait });
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.stop.requested() => break row,
            }
            attempt += 1;
            back_off = back_off.saturating_mul(3);
        };
        row.started = Some(started);
        if let Some(waivers) = self.waivers.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            waivers.apply(&mut row);
        }
        let _ = self.events.send(Event::Finished(Box::new(row.clone())));
        row
    }
}

/// Between half and one and a half times as long, so that nodes behind one switch do not all come back at once.
fn jittered(wait: Duration) -> Duration {
    let random = u32::from_str_radix(&crate::random::hex(2), 16).unwrap_or(0);
    wait.mul_f64(0.5 + f64::from(random) / f64::from(u16::MAX))
}

fn unfinished(node: &Node, stopped: bool) -> NodeRow {
    let mut row = row_of(node);
    let failure = Failure::interrupted();
    row.outcome = failure.outcome;
    row.message = Some(if stopped { failure.message } else { "the visit broke off inside assay".to_owned() });
    row.hint = failure.hint;
    if !stopped {
        row.clean_up.result = CleanUpResult::Unknown;
    }
    row
}
