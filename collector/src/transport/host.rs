//! The steps of a visit, as every transport offers them. A transport decides how a step is carried out; the visit decides
//! which steps there are and what becomes of the node's row.

use std::time::Duration;

use assay_report::PodVisit;

use super::error::{ConnectError, SessionError};
use super::failure::Failure;
use super::input::Input;
use crate::journal::FolderRecord;
use crate::nodes::{Node, Platform};

/// A way to reach nodes.
pub(crate) trait Connect: Send + Sync + 'static {
    /// A node that was reached.
    type Host: Host;

    /// Reaches a node.
    fn connect(&self, node: &Node) -> impl Future<Output = Result<Self::Host, ConnectError>> + Send;

    /// Removes what the visits of a run shared, once all of them have ended.
    ///
    /// # Errors
    /// What may be left, and why, for people.
    fn finish(&self, run_id: &str) -> impl Future<Output = Result<(), String>> + Send {
        let _ = run_id;
        async { Ok(()) }
    }
}

/// A node that was reached.
///
/// Dropping the future of a step abandons the step; the host can still carry out others.
pub(crate) trait Host: Send {
    /// What is known of the node so far, also after a step that failed or was abandoned.
    fn facts(&self) -> &NodeFacts;

    /// Finds out what the node is, and makes a private folder there. `record` learns before the folder is made that it may
    /// exist from now on, and afterwards if it certainly does not.
    fn prepare(
        &mut self,
        request: &Preparation<'_>,
        record: &mut FolderRecord<'_>,
    ) -> impl Future<Output = Result<Prepared, Failure>> + Send;

    /// Unpacks an archive in the folder, compares every file with its digest, and checks that the agent runs there.
    fn upload(&mut self, upload: &Upload<'_>) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Runs the agent in the folder and brings its report.
    fn run(&mut self, run: &AgentRun<'_>) -> impl Future<Output = Result<Ran, Failure>> + Send;

    /// Ends what still runs in the folders, removes them, and checks that they are gone.
    fn clean_up(
        &mut self,
        folders: &Folders,
        limit: Duration,
    ) -> impl Future<Output = Result<CleanedUp, SessionError>> + Send;

    /// Reaches the node again over a new connection. What was found out about the node stays known.
    fn reconnect(&mut self) -> impl Future<Output = Result<(), ConnectError>> + Send;

    /// Closes the connection.
    fn close(&mut self) -> impl Future<Output = ()> + Send;
}

/// What is known of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NodeFacts {
    /// The fingerprint of the host key that was verified, if the transport has host keys.
    pub host_key: Option<String>,
    /// What the node runs on.
    pub platform: Option<Platform>,
    /// Seconds that the node's clock is ahead of this machine's.
    pub clock_skew: Option<i64>,
    /// The pod that carries out the visit, if one does.
    pub pod: Option<PodVisit>,
}

/// What [`Host::prepare`] needs to know to find a place on the node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Preparation<'a> {
    /// The folder's name.
    pub name: &'a str,
    /// How many bytes it must have room for.
    pub needed: u64,
    /// The platforms that there are agents for.
    pub platforms: &'a [Platform],
    /// How long it may take.
    pub limit: Duration,
}

/// A folder that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prepared {
    /// Its path on the node.
    pub folder: String,
    /// What the node runs on.
    pub platform: Platform,
}

/// What goes into a folder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Upload<'a> {
    /// The folder's path.
    pub folder: &'a str,
    /// A tar archive with the agent and `SHA256SUMS`, which lists the digests of all its other files.
    pub archive: &'a Input,
    /// The digest of `SHA256SUMS` in lower-case hex.
    pub sums_sha256: &'a str,
    /// How long it may take.
    pub limit: Duration,
}

/// One run of the agent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AgentRun<'a> {
    /// The folder's path.
    pub folder: &'a str,
    /// The agent's arguments, without `--output`.
    pub arguments: &'a [String],
    /// How long the agent may run.
    pub limit: Duration,
    /// How long its report may take on top of that to arrive.
    pub gather: Duration,
}

/// What a run of the agent left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    /// How it ended.
    pub end: RunEnd,
    /// The report, as far as one came.
    pub report: Vec<u8>,
    /// What the agent or the node's system said, cleaned for people; never empty.
    pub complaint: String,
}

/// How a run of the agent ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RunEnd {
    /// It exited with this status.
    Exited(u32),
    /// A signal killed it.
    Killed(String),
    /// It was ended because it took too long.
    TimedOut,
    /// The node did not say; never a success.
    Unknown,
}

/// Which folders a clean-up is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Folders {
    /// The folder of this name, which one visit has made.
    OfVisit(String),
    /// The folders of all visits that no longer run.
    OfAnyVisit,
}

impl Folders {
    /// The name of the one visit's folder.
    pub(crate) fn visit(&self) -> Option<&str> {
        match self {
            Self::OfVisit(name) => Some(name),
            Self::OfAnyVisit => None,
        }
    }
}

/// What a node says after a clean-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CleanedUp {
    /// Nothing is left.
    Clean {
        /// The folder that was there.
        removed: Option<String>,
    },
    /// Something may be left.
    Left {
        /// The folder that is still there, if the node names it.
        folder: Option<String>,
        /// Why it is, for people.
        message: String,
    },
    /// The node runs nothing that a visit asks for. Nothing is there from a login that never could run anything; whether one
    /// that once could has left something is unknown.
    NotRun {
        /// What the node says instead.
        words: String,
    },
}
