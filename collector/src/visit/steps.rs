//! Visits one node: prepare, upload, run, gather, clean up.
//!
//! Clean-up runs whatever happened before it, over a new connection if the first one was lost. What it could not do is in the row
//! and in the journal.

use std::ops::RangeInclusive;

use assay_report::{
    Asked, CleanUpResult, ExitCode, NodeReport, NodeRow, Outcome, Presence, Touched, canonical_store,
};
use assay_verifier::time::UnixTime;

use super::clean_up;
use super::gather;
use super::payload::Shipment;
use super::plan::VisitPlan;
use super::row::unvisited_row;
use crate::errors::with_sources;
use crate::journal::{FolderRecord, Journal};
use crate::nodes::{Node, Os, Platform};
use crate::stop::Stop;
use crate::transport::{AgentRun, ConnectError, Failure, Host, Preparation, RunEnd, Upload};
use crate::{clean, clock, random};

/// How far a visit has come, for the row and the clean-up.
struct VisitState<'a> {
    record: FolderRecord<'a>,
    /// The folder that was made.
    folder: Option<String>,
    /// The digest of the list of files that the node has compared with what it received.
    uploaded: Option<String>,
    /// What its agent was asked.
    asked: Option<Asked>,
}

/// Visits one node over the connection that `connecting` brings. It always returns a row, whatever happens.
pub(crate) async fn visit<H: Host>(
    connecting: impl Future<Output = Result<H, ConnectError>>,
    node: &Node,
    plan: &VisitPlan,
    journal: &Journal,
    stop: &Stop,
    attempt: u32,
) -> NodeRow {
    let mut row = unvisited_row(node);
    row.attempts = attempt;
    row.started = Some(clock::now());

    let connected = tokio::select! {
        connected = connecting => connected.map_err(Failure::from),
        () = stop.requested() => Err(Failure::interrupted()),
    };
    let result = match connected {
        Err(failure) => Err(failure),
        Ok(mut host) => {
            // The name contains the run's id, and cannot be guessed before the folder is made.
            let name = format!("assay-{}-{}", plan.run_id, random::hex(8));
            let record = FolderRecord::new(journal, &node.name, &name);
            let mut state = VisitState { record, folder: None, uploaded: None, asked: None };
            let result = tokio::select! {
                result = steps(&mut host, node, plan, &mut state) => result,
                () = stop.requested() => Err(Failure::interrupted()),
            };
            let facts = host.facts().clone();
            row.os = node.os.or(facts.platform.map(|platform| platform.os)).map(|os| os.to_string());
            row.clock_skew = facts.clock_skew;
            row.asked = state.asked;
            if state.record.may_exist() {
                let lost = result.as_ref().is_err_and(|failure| failure.lost);
                let folder = state.folder.as_deref();
                row.clean_up = clean_up::after_visit(&mut host, lost, plan, &name, folder).await;
                // A pod brings its own folders, and takes them with it.
                if facts.pod.is_none() {
                    row.touched = touched(state.folder, state.uploaded, row.clean_up.result);
                }
            }
            host.close().await;
            let is_gone = matches!(row.clean_up.result, CleanUpResult::Removed | CleanUpResult::NotNeeded);
            state.record.end(is_gone).await;
            (row.message, row.hint) = clock_remark(plan, facts.clock_skew);
            row.host_key = facts.host_key;
            row.pod = facts.pod;
            result
        }
    };
    match result {
        Ok(report) => {
            row.outcome = Outcome::Verified;
            row.report = Some(report);
        }
        Err(failure) => {
            row.outcome = failure.outcome;
            row.message = Some(clean::block(&failure.message, clean::MESSAGE));
            row.hint = failure.hint;
        }
    }
    row.finished = Some(clock::now());
    row
}

async fn steps(
    host: &mut impl Host,
    node: &Node,
    plan: &VisitPlan,
    state: &mut VisitState<'_>,
) -> Result<NodeReport, Failure> {
    let platforms: Vec<Platform> = plan.payload.platforms().collect();
    let sizes = platforms.iter().filter_map(|platform| plan.payload.shipment(*platform));
    // What is unpacked, on Windows the archive beside it, and some space to spare.
    let needed = sizes.map(|shipment| shipment.archive.size()).max().unwrap_or(0) + (1 << 20);
    let request =
        Preparation { name: state.record.name(), needed, platforms: &platforms, limit: plan.limits.step };
    let prepared = host.prepare(&request, &mut state.record).await?;
    state.folder = Some(prepared.folder.clone());
    state.record.made(&prepared.folder).await;

    // The platform is one of those that the host was given.
    let shipment = plan
        .payload
        .shipment(prepared.platform)
        .ok_or_else(|| Failure::unsupported(&prepared.platform.to_string(), &platforms))?;
    let Shipment { archive, sums_sha256, agent_sha256, .. } = shipment;
    host.upload(&Upload { folder: &prepared.folder, archive, sums_sha256, limit: plan.limits.upload })
        .await?;
    state.uploaded = Some(sums_sha256.clone());

    let at = judged_at(plan, host.facts().clock_skew);
    let asked = Asked { at, nonce: Some(random::hex(16)), ..plan.asked.clone() };
    state.asked = Some(asked.clone());
    let began = clock::now();
    let (report, exit) = run(host, node, plan, &prepared.folder, &asked).await?;
    let expected = gather::Expected {
        run_id: plan.run_id.clone(),
        agent_sha256: agent_sha256.clone(),
        bundles: plan.payload.bundle_digests().map(str::to_owned).collect(),
        policies: plan.payload.policy_digests().to_vec(),
        judged: at.map_or_else(|| around(began), |at| at..=at),
        store: canonical_store(node.store.as_deref(), prepared.platform.os == Os::Windows),
        asked,
        platform: prepared.platform,
    };
    // Reading tens of megabytes of JSON would hold up the other nodes' connections.
    let _reader = gather::READERS.acquire().await;
    let read = tokio::task::spawn_blocking(move || gather::accept(&report, exit, &expected));
    let hint = "the report is not used; check whether the node can be trusted";
    match read.await {
        Ok(Ok(report)) => Ok(report),
        Ok(Err(error)) => Err(Failure::new(Outcome::BadReport, with_sources(&error), hint)),
        Err(error) => Err(Failure::new(Outcome::BadReport, format!("reading the report: {error}"), hint)),
    }
}

/// Runs the agent. Returns its report and its exit status.
async fn run(
    host: &mut impl Host,
    node: &Node,
    plan: &VisitPlan,
    folder: &str,
    asked: &Asked,
) -> Result<(Vec<u8>, u32), Failure> {
    let arguments = arguments(node, plan, asked);
    let (limit, gather) = (plan.limits.run, plan.limits.gather);
    let ran = host.run(&AgentRun { folder, arguments: &arguments, limit, gather }).await?;
    let complaint = ran.complaint;
    let failed = |message| {
        let hint = "the message is from the agent or the node's system; see the node's log for more";
        Failure::new(Outcome::AgentFailed, message, hint)
    };
    Err(match ran.end {
        RunEnd::Exited(code) if gather::has_judged(code) => {
            if !ran.report.is_empty() {
                return Ok((ran.report, code));
            }
            failed(format!("the agent gave no report: {complaint}"))
        }
        RunEnd::Exited(code) if code == u32::from(ExitCode::Usage.number()) => Failure::new(
            Outcome::AgentFailed,
            format!("the agent rejected its command line or its inputs: {complaint}"),
            "the message is from the agent; if --agent names one that is older than this assay, leave --agent out",
        ),
        RunEnd::TimedOut => Failure::new(
            Outcome::TimedOut,
            format!("the agent did not finish within {} s", limit.as_secs()),
            "give it more time with --time-limit, or check what keeps the node busy",
        ),
        RunEnd::Killed(signal) => failed(format!("the agent was killed by signal {signal}: {complaint}")),
        RunEnd::Exited(_) | RunEnd::Unknown => {
            failed(format!("the agent did not judge anything: {complaint}"))
        }
    })
}

fn arguments(node: &Node, plan: &VisitPlan, asked: &Asked) -> Vec<String> {
    let mut arguments = vec!["verify".to_owned()];
    if let Some(store) = &node.store {
        arguments.push(format!("--store={store}"));
    }
    arguments.push(format!("--trust={}", plan.payload.trust_path()));
    arguments.extend(plan.payload.bundle_paths().map(|path| format!("--signatures={path}")));
    arguments.extend(asked_arguments(asked));
    // the node's own work goes first
    arguments.push("--nice".to_owned());
    arguments.push(format!("--run-id={}", plan.run_id));
    arguments
}

/// The agent's options that say what it is asked.
pub(crate) fn asked_arguments(asked: &Asked) -> Vec<String> {
    let Asked { nonce, accept, content, images, namespaces, evidence, at, rootfs, drift } = asked;
    let mut arguments = Vec::new();
    arguments.extend(at.map(|at| format!("--at={at}")));
    arguments.push(format!("--content={}", content.as_str()));
    arguments.extend(rootfs.map(|mode| format!("--rootfs={}", mode.as_str())));
    arguments.extend(drift.map(|mode| format!("--drift={}", mode.as_str())));
    arguments.extend(accept.iter().map(|via| format!("--accept={}", via.as_str())));
    arguments.extend(images.iter().map(|image| format!("--image={image}")));
    arguments.extend(namespaces.iter().map(|namespace| format!("--namespace={namespace}")));
    arguments.extend(evidence.then(|| "--evidence".to_owned()));
    arguments.extend(nonce.iter().map(|nonce| format!("--nonce={nonce}")));
    arguments
}

/// What the row says of the one folder that a visit makes.
fn touched(folder: Option<String>, sums_sha256: Option<String>, clean_up: CleanUpResult) -> Option<Touched> {
    let after = match clean_up {
        CleanUpResult::Removed | CleanUpResult::NotNeeded => Presence::Absent,
        CleanUpResult::Failed => Presence::Present,
        CleanUpResult::Unknown => Presence::Unknown,
    };
    // A folder that exists already is never used.
    let before = Presence::Absent;
    let asked = (after != Presence::Unknown).then(clock::now);
    folder.map(|folder| Touched { folder, before, sums_sha256, after, asked })
}

/// Seconds by which two clocks may differ and still agree; the time that the answer takes is included.
const SAME_CLOCK: i64 = 300;

/// The time to judge a node's images at: the one that was asked for, otherwise the node's own. A node whose clock is off would
/// judge validity at the wrong time and pass what has expired. It is given this machine's time, and so is a node that does not
/// tell its own.
fn judged_at(plan: &VisitPlan, clock_skew: Option<i64>) -> Option<UnixTime> {
    let same = clock_skew.is_some_and(|skew| skew.abs() <= SAME_CLOCK);
    plan.asked.at.or_else(|| (!same).then(clock::now))
}

/// When a node that goes by its own clock may have judged, if it began then and has ended now.
fn around(began: UnixTime) -> RangeInclusive<UnixTime> {
    let (tolerance, now) = (gather::CLOCKS_DIFFER, clock::now());
    began.earlier(tolerance).unwrap_or(began)..=now.later(tolerance).unwrap_or(now)
}

/// The message and the hint about a clock that is off.
fn clock_remark(plan: &VisitPlan, clock_skew: Option<i64>) -> (Option<String>, Option<String>) {
    let Some(skew) = clock_skew.filter(|skew| skew.abs() > SAME_CLOCK) else {
        return (None, None);
    };
    let judged = if plan.asked.at.is_some() { "the time that was given" } else { "this machine's time" };
    let direction = if skew < 0 { "behind" } else { "ahead of" };
    let message = format!(
        "the node's clock is {} s {direction} this machine's; its images were judged at {judged}",
        skew.unsigned_abs()
    );
    (
        Some(message),
        Some("set the node's clock: otherwise what it verifies by itself goes wrong too".to_owned()),
    )
}
