//! One visit: prepare → upload → run → gather → clean up, over one connection.
//!
//! Clean-up runs whatever happened before it, and over a new connection where the first was lost. What it could not do is
//! in the row and in the journal.

mod clean_up;
mod deploy;
mod dialect;
mod embedded;
pub mod gather;
mod payload;
mod platform;
mod posix;
mod powershell;
mod refusal;
mod run;
mod steps;

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::time::Duration;

use assay_report::{
    Asked, CleanUp, CleanUpResult, NodeReport, NodeRow, Outcome, Presence, Touched, canonical_store,
};
use assay_verifier::oci::Digest;
use assay_verifier::time::UnixTime;

pub use clean_up::{ANY_FOLDER, clean_up, not_said};
pub use dialect::Dialect;
pub use embedded::{Damaged, EMBEDDED, Embedded};
pub use payload::{Payload, PayloadError, Shipment, bundle_files, trust_archive};
pub use platform::{AgentError, Architecture, Platform, agents, agents_in, embedded_agents};
pub use posix::quote;
pub(crate) use posix::{CANNOT_RUN, FOLDER_LEFT, NO_PLACE, NOT_UNPACKED, OTHER_BYTES};
pub(crate) use steps::Step;

use crate::clean;
use crate::clock;
use crate::journal::{Journal, State};
use crate::nodes::{Node, Os, Sudo};
use crate::stop::Stop;
use crate::transport::{Connect, ConnectError, Session, SessionError};

/// What every visit of a run does.
#[derive(Debug)]
pub struct Plan {
    /// The run's id.
    pub run_id: String,
    /// What is sent.
    pub payload: Payload,
    /// What every agent is asked; a visit adds its nonce, and the time where the node's clock is off.
    pub asked: Asked,
    /// How long each step may take.
    pub limits: Limits,
}

impl Plan {
    /// The digest of everything that a node's verdicts rest on: what is sent, what is asked, and the node as the site file
    /// has it, for at another address or behind another login is another machine.
    ///
    /// # Errors
    /// Where one of them is no JSON, such as a path that is no text.
    pub fn inputs_of(&self, node: &Node) -> serde_json::Result<String> {
        let text = serde_json::to_vec(&(self.payload.inputs(), &self.asked, node))?;
        Ok(Digest::sha256(&text).hex().to_owned())
    }
}

/// How long the steps of a visit may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Preparing and cleaning up, each.
    pub step: Duration,
    /// Uploading: for a slow link and a large bundle.
    pub upload: Duration,
    /// The agent's run.
    pub run: Duration,
    /// What comes on top of that for the way home of its report: 64 MiB at five megabits a second.
    pub gather: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            step: Duration::from_secs(120),
            upload: Duration::from_secs(1800),
            run: Duration::from_secs(900),
            gather: Duration::from_secs(120),
        }
    }
}

/// What [`deploy`] needs to know to find a place on the node.
struct Prepare<'a> {
    sudo: Sudo,
    name: &'a str,
    needed: u64,
    platforms: &'a [Platform],
}

/// Why a visit brought no report.
#[derive(Debug)]
pub struct Failure {
    /// What becomes of the row.
    pub outcome: Outcome,
    /// For people.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// Whether the connection is gone.
    pub lost: bool,
}

impl Failure {
    fn new(outcome: Outcome, message: String, hint: &str) -> Self {
        Self { outcome, message, hint: Some(hint.to_owned()), lost: false }
    }

    /// The run was stopped.
    pub fn interrupted() -> Self {
        Self::new(
            Outcome::Interrupted,
            "the run was stopped before this node was finished".to_owned(),
            "run again",
        )
    }

    /// A step could not be run to its end.
    fn step(step: &str, error: &SessionError) -> Self {
        let (outcome, hint) = match error {
            SessionError::Lost(_) => (Outcome::Unreachable, "see that the node and the link to it stay up"),
            SessionError::TimedOut(_) => {
                (Outcome::TimedOut, "see what keeps the node busy; --time-limit gives more time")
            }
            SessionError::OutputTooLarge(_) => {
                (Outcome::BadReport, "see what the node's shell prints at login")
            }
            SessionError::NoSession(_) => (
                Outcome::ShellRefused,
                "its SSH server allows this login no session: set MaxSessions to 1 or more in its sshd_config",
            ),
            SessionError::Refused(_) => {
                (Outcome::ShellRefused, "let the login run commands: its shell, ForceCommand")
            }
            SessionError::Input(_) => (Outcome::UploadFailed, "leave the files alone while the run lasts"),
        };
        let lost = matches!(error, SessionError::Lost(_));
        Self { lost, ..Self::new(outcome, format!("{step}: {}", with_sources(error)), hint) }
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let (outcome, hint) = meaning(&error);
        Self { lost: true, ..Self::new(outcome, with_sources(&error), &hint) }
    }
}

fn meaning(error: &ConnectError) -> (Outcome, Cow<'static, str>) {
    let (outcome, hint) = match error {
        ConnectError::Unreachable { .. } | ConnectError::TimedOut { .. } => {
            (Outcome::Unreachable, "see that the node is up, and its address and port in the site file")
        }
        ConnectError::NoCommonAlgorithm { option: None, .. } => {
            (Outcome::Unreachable, "its SSH server has only algorithms that are no longer safe; update it")
        }
        ConnectError::NoCommonAlgorithm { option: Some(option), ours, .. } => {
            let hint = format!("allow one of this side's in {option} of its sshd_config: {ours}");
            return (Outcome::Unreachable, hint.into());
        }
        ConnectError::NotForwarded { jump, forbidden: true, .. } => {
            let hint = format!(
                "let the jump host {jump} forward: AllowTcpForwarding, DisableForwarding and PermitOpen in its sshd_config; \
                 restrict, no-port-forwarding and permitopen= in its authorized_keys"
            );
            return (Outcome::Unreachable, hint.into());
        }
        ConnectError::NotForwarded { jump, .. } => {
            let hint = format!("see from the jump host {jump} whether the node's address and port answer");
            return (Outcome::Unreachable, hint.into());
        }
        ConnectError::HostKeyUnknown { .. } => (
            Outcome::HostKeyUnknown,
            "compare the fingerprint on the node's console, then put it into known_hosts or host_key",
        ),
        ConnectError::HostKeyChanged { .. } => (
            Outcome::HostKeyMismatch,
            "the node was reinstalled, or another machine answers in its place; find out which before trusting it",
        ),
        ConnectError::HostKeyRevoked { .. } => {
            (Outcome::HostKeyMismatch, "give the node a new host key; the revoked one may be in other hands")
        }
        ConnectError::HostCertificate { .. } => {
            (Outcome::HostKeyMismatch, "renew the node's host certificate, or list its key in known_hosts")
        }
        ConnectError::AuthRefused { accepted, .. } if !accepted.is_empty() => (
            Outcome::AuthRefused,
            "let the key alone be enough for this login (AuthenticationMethods publickey in the node's sshd_config): nobody answers questions in the middle of a run",
        ),
        ConnectError::AuthRefused { methods, .. } if !methods.is_empty() => (
            Outcome::AuthRefused,
            "let the node's SSH server take keys for this login (PubkeyAuthentication)",
        ),
        ConnectError::AuthRefused { untried: 1.., .. } => (
            Outcome::AuthRefused,
            "name the right key with identity in the site file: SSH servers hang up after a few keys (MaxAuthTries)",
        ),
        ConnectError::AuthRefused { .. } => {
            (Outcome::AuthRefused, "see user and identity in the site file, and authorized_keys on the node")
        }
        ConnectError::Agent(_) => (Outcome::AuthRefused, "see ssh-add -l, or name a key file with identity"),
        ConnectError::Jump { source, .. } => return meaning(source),
    };
    (outcome, hint.into())
}

/// An error and what caused it, in one line. A cause that the words before it end with is not said again.
pub fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.ends_with(cause.trim_end()) {
            text += &format!(": {cause}");
        }
        source = error.source();
    }
    text
}

/// What is known of the node so far, for the row and the clean-up.
#[derive(Debug, Default)]
struct Traces {
    dialect: Option<Dialect>,
    platform: Option<Platform>,
    folder: Option<String>,
    /// The digest of the list of files that the node has compared with what it has.
    uploaded: Option<String>,
    /// Whether the journal names the folder.
    recorded: bool,
    /// Whether a command was sent that may have left something.
    touched: bool,
    /// Seconds that the node's clock is ahead of this machine's.
    clock_skew: Option<i64>,
    /// What its agent was asked.
    asked: Option<Asked>,
}

/// Visits one node over the connection that `connecting` brings; `connector` is for another where that is lost. Whatever
/// happens there, this returns.
pub async fn visit<C: Connect>(
    connector: &C,
    connecting: impl Future<Output = Result<C::Session, ConnectError>>,
    node: &Node,
    plan: &Plan,
    journal: &Journal,
    stop: &Stop,
    attempt: u32,
) -> NodeRow {
    let started = clock::now();
    let mut row = row_of(node);
    row.attempts = attempt;
    row.started = Some(started);

    let connected = tokio::select! {
        connected = connecting => connected.map_err(Failure::from),
        () = stop.requested() => Err(Failure::interrupted()),
    };
    let failure = match connected {
        Err(failure) => Some(failure),
        Ok(mut session) => {
            row.host_key = session.host_key().map(str::to_owned);
            // The name carries the run, and nobody can guess it before the folder is made.
            let name = format!("assay-{}-{}", plan.run_id, crate::random::hex(8));
            let mut traces = Traces::default();
            let result = tokio::select! {
                result = steps(&mut session, node, plan, journal, &name, &mut traces) => result,
                () = stop.requested() => Err(Failure::interrupted()),
            };
            row.os = node.os.or(traces.platform.map(|platform| platform.os)).map(|os| os.to_string());
            row.clock_skew = traces.clock_skew;
            row.asked = traces.asked.take();
            if traces.touched {
                let lost = result.as_ref().is_err_and(|failure| failure.lost);
                let session = (!lost).then_some(session);
                row.clean_up = clean_up::after_visit(connector, session, node, plan, &traces, &name).await;
                row.touched = touched(traces.folder.take(), traces.uploaded.take(), row.clean_up.result);
            } else {
                session.close().await;
            }
            if traces.recorded {
                let state = match row.clean_up.result {
                    CleanUpResult::Removed | CleanUpResult::NotNeeded => State::Removed,
                    CleanUpResult::Failed | CleanUpResult::Unknown => State::Left,
                };
                journal.record(&node.name, &name, state).await;
            }
            match result {
                Ok(report) => {
                    row.outcome = Outcome::Verified;
                    (row.message, row.hint) = clock_remark(plan, traces.clock_skew);
                    row.report = Some(report);
                    None
                }
                Err(failure) => Some(failure),
            }
        }
    };
    if let Some(failure) = failure {
        row.outcome = failure.outcome;
        row.message = Some(clean::block(&failure.message, clean::MESSAGE));
        row.hint = failure.hint;
    }
    row.finished = Some(clock::now());
    row
}

/// The record of the one folder that a visit makes.
fn touched(folder: Option<String>, sums_sha256: Option<String>, clean_up: CleanUpResult) -> Option<Touched> {
    let after = match clean_up {
        CleanUpResult::Removed | CleanUpResult::NotNeeded => Presence::Absent,
        CleanUpResult::Failed => Presence::Present,
        CleanUpResult::Unknown => Presence::Unknown,
    };
    // `mkdir` takes no folder that is there.
    let before = Presence::Absent;
    let asked = (after != Presence::Unknown).then(clock::now);
    folder.map(|folder| Touched { folder, before, sums_sha256, after, asked })
}

/// The row of a node that nothing has become of yet.
pub fn row_of(node: &Node) -> NodeRow {
    NodeRow {
        name: node.name.clone(),
        address: Some(match node.port() {
            22 => node.address.clone(),
            port if node.address.contains(':') => format!("[{}]:{port}", node.address),
            port => format!("{}:{port}", node.address),
        }),
        os: node.os.map(|os| os.to_string()),
        roles: node.roles.clone(),
        outcome: Outcome::Interrupted,
        message: None,
        hint: None,
        attempts: 0,
        started: None,
        finished: None,
        host_key: None,
        clock_skew: None,
        asked: None,
        store: node.store.clone(),
        same_machine: None,
        clean_up: CleanUp { result: CleanUpResult::NotNeeded, folder: None, message: None },
        touched: None,
        report: None,
        waived: Vec::new(),
    }
}

async fn steps(
    session: &mut impl Session,
    node: &Node,
    plan: &Plan,
    journal: &Journal,
    name: &str,
    traces: &mut Traces,
) -> Result<NodeReport, Failure> {
    let deployed = deploy::deploy(session, node, plan, journal, name, traces).await?;
    let at = judged_at(plan, traces.clock_skew);
    let asked = Asked { at, nonce: Some(crate::random::hex(16)), ..plan.asked.clone() };
    traces.asked = Some(asked.clone());
    let began = clock::now();
    let ran = run::run(session, node, plan, &deployed, &asked).await?;
    let expected = gather::Expected {
        run_id: plan.run_id.clone(),
        agent_sha256: deployed.shipment.agent_sha256.clone(),
        bundles: plan.payload.bundle_digests().map(str::to_owned).collect(),
        policies: plan.payload.policy_digests().to_vec(),
        judged: at.map_or_else(|| around(began), |at| at..=at),
        store: canonical_store(node.store.as_deref(), deployed.platform.os == Os::Windows),
        asked,
        platform: deployed.platform,
    };
    // Reading tens of megabytes of JSON would hold up the other nodes' connections.
    let _reader = gather::READERS.acquire().await;
    let read = tokio::task::spawn_blocking(move || gather::accept(&ran.report, ran.exit, &expected));
    let hint = "nothing of it is believed; see whether the node can be trusted";
    match read.await {
        Ok(Ok(report)) => Ok(report),
        Ok(Err(error)) => Err(Failure::new(Outcome::BadReport, error.to_string(), hint)),
        Err(error) => Err(Failure::new(Outcome::BadReport, format!("reading the report: {error}"), hint)),
    }
}

/// Seconds within which clocks agree, the time of the way included.
const SAME_CLOCK: i64 = 300;

/// The time that a node's images are judged at: what was asked for, else the node's own. A node whose clock is off would
/// judge validity at the wrong time, and let pass what has expired: it is given this machine's time, and so is one that does not tell its own.
fn judged_at(plan: &Plan, clock_skew: Option<i64>) -> Option<UnixTime> {
    let same = clock_skew.is_some_and(|skew| skew.abs() <= SAME_CLOCK);
    plan.asked.at.or_else(|| (!same).then(clock::now))
}

/// When a node that goes by its own clock may say that it judged, having begun then and ended now.
fn around(began: UnixTime) -> RangeInclusive<UnixTime> {
    let (tolerance, now) = (gather::CLOCKS_DIFFER, clock::now());
    began.earlier(tolerance).unwrap_or(began)..=now.later(tolerance).unwrap_or(now)
}

/// What there is to say of a clock that is off.
fn clock_remark(plan: &Plan, clock_skew: Option<i64>) -> (Option<String>, Option<String>) {
    let Some(skew) = clock_skew.filter(|skew| skew.abs() > SAME_CLOCK) else {
        return (None, None);
    };
    let judged = if plan.asked.at.is_some() { "the time that was given" } else { "this machine's time" };
    let direction = if skew < 0 { "behind" } else { "ahead of" };
    let message = format!(
        "the node's clock is {} s {direction} this machine's; its images were judged at {judged}",
        skew.unsigned_abs()
    );
    (Some(message), Some("set the node's clock: what else it verifies by itself goes wrong".to_owned()))
}
