//! The site report, `assay/site-report/v1`: every node of a site, what became of it, and its node report.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::asked::Asked;
#[cfg(feature = "schema")]
use crate::document::HEX_SHA256;
use crate::exit_code::ExitCode;
use crate::image::Image;
use crate::node::NodeReport;
use crate::verdict::{Status, Summary, Via};
use crate::waiver::{self, SiteWaivers, WaivedImage};
use assay_verifier::time::UnixTime;

/// The value of [`SiteReport::schema`].
pub const SITE_REPORT_SCHEMA: &str = "assay/site-report/v1";

/// A site report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SiteReport {
    /// Always `assay/site-report/v1`.
    #[cfg_attr(feature = "schema", schemars(extend("const" = SITE_REPORT_SCHEMA)))]
    pub schema: String,
    /// The run.
    pub run: SiteRun,
    /// The collector's version.
    pub collector: String,
    /// What was sent to the nodes.
    pub inputs: SiteInputs,
    /// What the site accepts in place of an image's own signature (`--accept`), enforced on every node's report; absent if
    /// it was not said; then each node report's own word counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<BTreeSet<Via>>,
    /// Every node of the site, sorted by name.
    pub nodes: Vec<NodeRow>,
    /// Nodes and images, counted.
    pub summary: SiteSummary,
    /// What the collector's exit code says.
    pub verdict: ExitCode,
    /// Which of the site's nodes the run was about; absent if it was about all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<Selection>,
    /// The waivers that were given; absent if none were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waivers: Option<SiteWaivers>,
}

impl SiteReport {
    /// Sorts `nodes`, counts, and finds the verdict. Waivers were applied to the rows before.
    pub fn new(run: SiteRun, collector: String, inputs: SiteInputs, mut nodes: Vec<NodeRow>) -> Self {
        nodes.sort_by(|one, other| one.name.cmp(&other.name));
        let summary = SiteSummary::count(&nodes);
        let verdict = nodes.iter().map(NodeRow::verdict).max().unwrap_or(ExitCode::Incomplete);
        let schema = SITE_REPORT_SCHEMA.into();
        Self {
            schema,
            run,
            collector,
            inputs,
            accept: None,
            nodes,
            summary,
            verdict,
            selection: None,
            waivers: None,
        }
    }
}

/// One run of the collector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SiteRun {
    /// The run's id, which every node report repeats.
    pub id: String,
    /// The name of the site, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The jump box's clock when the run began.
    pub started: UnixTime,
    /// The jump box's clock when the run ended.
    pub finished: UnixTime,
    /// What the run itself may have left in a cluster, and why; absent if it left nothing there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<String>,
}

/// Which of a site's nodes a run was about. The others have no row, and nothing is said of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Selection {
    /// Names, roles and groups; empty if none was asked for.
    pub only: Vec<String>,
    /// How many nodes were visited at most.
    pub limit: Option<u32>,
    /// How many nodes the site has.
    pub of: u64,
}

/// What was sent to the nodes, each by its SHA-256 in lower-case hex.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SiteInputs {
    /// The agents, one a platform.
    pub agents: Vec<SentFile>,
    /// The trust directory, as one archive.
    pub trust: Option<SentFile>,
    /// The signature bundles.
    pub bundles: Vec<SentFile>,
    /// The image that the pods of a run via Kubernetes have, by its digest; absent over SSH.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// What is placed on a node of each platform, file by file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub placed: Vec<PlacedFiles>,
}

/// The files that are placed in the folder of a visit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlacedFiles {
    /// The platform, such as `linux/amd64`.
    pub platform: String,
    /// The digest of `SHA256SUMS`, the file that has the digests of all others; rows name the list by it.
    #[cfg_attr(feature = "schema", schemars(extend("pattern" = HEX_SHA256)))]
    pub sums_sha256: String,
    /// The files, by their paths in the folder.
    pub files: Vec<SentFile>,
}

/// What a visit touched on its node: one new folder and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Touched {
    /// The folder.
    pub folder: String,
    /// Whether it was there before: the node makes it anew or not at all.
    pub before: Presence,
    /// The list of the files in it, as [`PlacedFiles::sums_sha256`]: the node itself hashed each file and compared. Null where
    /// the upload did not come so far.
    #[cfg_attr(feature = "schema", schemars(extend("pattern" = HEX_SHA256)))]
    pub sums_sha256: Option<String>,
    /// Whether it is there afterwards, as the node said when it was asked last.
    pub after: Presence,
    /// When that was.
    pub asked: Option<UnixTime>,
}

/// Whether something is on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Presence {
    /// It is not.
    Absent,
    /// It is.
    Present,
    /// The node could not be asked.
    Unknown,
}

/// A file that was sent to nodes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SentFile {
    /// What it is: an agent's platform such as `linux/amd64`, otherwise the file's name.
    pub name: String,
    /// Its digest.
    #[cfg_attr(feature = "schema", schemars(extend("pattern" = HEX_SHA256)))]
    pub sha256: String,
    /// Its size in bytes.
    pub size: u64,
}

/// One node of the site.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NodeRow {
    /// The name in the site file.
    pub name: String,
    /// Where it was reached; null if its report was gathered another way.
    pub address: Option<String>,
    /// `linux` or `windows`, if known.
    pub os: Option<String>,
    /// Such as `control-plane`.
    pub roles: Vec<String>,
    /// What became of the visit.
    pub outcome: Outcome,
    /// The outcome for people.
    pub message: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// When the visit began.
    pub started: Option<UnixTime>,
    /// When the visit ended.
    pub finished: Option<UnixTime>,
    /// Fingerprint of the host key that was verified, `SHA256:…`.
    pub host_key: Option<String>,
    /// Seconds that the node's clock is ahead of the jump box's, negative if it is behind; null if it did not say.
    #[serde(default)]
    pub clock_skew: Option<i64>,
    /// What became of what the visit left on the node.
    pub clean_up: CleanUp,
    /// What its agent was asked; absent if its report was gathered another way, or nothing was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// The store in the site file, the agent's `--store`; absent if none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// Other rows of the same machine; absent if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_machine: Option<SameMachine>,
    /// What the visit touched there; absent if nothing was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub touched: Option<Touched>,
    /// The pod that carried out the visit; absent over SSH, or if the report was gathered another way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodVisit>,
    /// The node's own report.
    pub report: Option<NodeReport>,
    /// The images that waivers cover, sorted by namespace, then digest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waived: Vec<WaivedImage>,
}

impl SiteWaivers {
    /// Applies the waivers to a node's images, and counts.
    pub fn apply(&mut self, row: &mut NodeRow) {
        row.waived = row.accepted().map(|report| self.cover(&row.name, &report.images)).unwrap_or_default();
    }
}

impl NodeRow {
    /// The waiver that covers an image of this node.
    pub fn waiver(&self, image: &Image) -> Option<&WaivedImage> {
        waiver::covering(&self.waived, image)
    }

    /// The node's report, if it was accepted: only an accepted report counts or is shown.
    pub fn accepted(&self) -> Option<&NodeReport> {
        self.report.as_ref().filter(|_| self.outcome == Outcome::Verified)
    }

    /// What the node contributes to the site's verdict: the worst of its images that no waiver covers, of the visit, of
    /// what the agent could not see, and of the clean-up.
    pub fn verdict(&self) -> ExitCode {
        let report = self.accepted().map_or(ExitCode::Incomplete, |report| {
            let status =
                |image: &Image| if self.waiver(image).is_some() { Status::Passed } else { image.status };
            ExitCode::from_statuses(report.images.iter().map(status)).max(report.coverage.verdict())
        });
        let clean_up = match self.clean_up.result {
            CleanUpResult::NotNeeded | CleanUpResult::Removed => ExitCode::Passed,
            CleanUpResult::Failed | CleanUpResult::Unknown => ExitCode::Incomplete,
        };
        let twins = self.same_machine.as_ref().map(|_| ExitCode::Incomplete);
        report.max(clean_up).max(twins.unwrap_or(ExitCode::Passed))
    }
}

/// Rows that one machine seems to have answered for. Either the site file names a machine twice, and another that was meant
/// is not visited at all; or machines are copies of each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SameMachine {
    /// The other rows, sorted by name; the first of many.
    pub nodes: Vec<String>,
    /// How many other rows there are.
    pub count: u64,
    /// Whether they have the machine's id in common.
    pub machine_id: bool,
    /// Whether they have the host key in common.
    pub host_key: bool,
}

/// How a visit came to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Transport {
    /// As a pod, through the API server of a Kubernetes cluster.
    Kubernetes,
}

/// The pod that carried out a visit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PodVisit {
    /// How the visit came to the node.
    pub via: Transport,
    /// The id of the node's object in the cluster. Another machine that joins under the same name has another.
    pub node_uid: String,
    /// The namespace of the job and its pod.
    pub namespace: String,
    /// The job.
    pub job: Option<String>,
    /// The pod; null if there was none.
    pub pod: Option<String>,
    /// The image that was asked for, by its digest.
    pub image: String,
    /// The image that the container ran, as the node's container runtime names it; null if it did not start.
    pub image_id: Option<String>,
}

/// What became of the visit to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Outcome {
    /// The agent ran and its report was accepted.
    Verified,
    /// No connection, or the connection was lost.
    Unreachable,
    /// The host key is not the one that is known.
    HostKeyMismatch,
    /// No host key is known for the node.
    HostKeyUnknown,
    /// The login was refused.
    AuthRefused,
    /// `sudo` was refused.
    SudoRefused,
    /// The login's shell does not run commands: it answers with words, or not at all.
    ShellRefused,
    /// A step took longer than it may.
    TimedOut,
    /// No agent for the node's platform.
    Unsupported,
    /// The upload failed: disk full, read-only, or other bytes arrived.
    UploadFailed,
    /// The agent could not be run, was killed, or judged nothing.
    AgentFailed,
    /// The report is malformed, too large, or not of this run.
    BadReport,
    /// The run was stopped before this node was finished.
    Interrupted,
    /// The API server does not allow a step of the visit.
    Forbidden,
    /// The cluster has no such node, or the node is not ready.
    NodeNotReady,
    /// The API server or the node refuses the pod.
    PodRefused,
    /// The pod's image cannot be had on the node.
    ImageUnavailable,
    /// The pod was evicted or deleted before it ended.
    Evicted,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 18] = [
        Self::Verified,
        Self::Unreachable,
        Self::HostKeyMismatch,
        Self::HostKeyUnknown,
        Self::AuthRefused,
        Self::SudoRefused,
        Self::ShellRefused,
        Self::TimedOut,
        Self::Unsupported,
        Self::UploadFailed,
        Self::AgentFailed,
        Self::BadReport,
        Self::Interrupted,
        Self::Forbidden,
        Self::NodeNotReady,
        Self::PodRefused,
        Self::ImageUnavailable,
        Self::Evicted,
    ];

    /// The outcome as reports write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Unreachable => "unreachable",
            Self::HostKeyMismatch => "host-key-mismatch",
            Self::HostKeyUnknown => "host-key-unknown",
            Self::AuthRefused => "auth-refused",
            Self::SudoRefused => "sudo-refused",
            Self::ShellRefused => "shell-refused",
            Self::TimedOut => "timed-out",
            Self::Unsupported => "unsupported",
            Self::UploadFailed => "upload-failed",
            Self::AgentFailed => "agent-failed",
            Self::BadReport => "bad-report",
            Self::Interrupted => "interrupted",
            Self::Forbidden => "forbidden",
            Self::NodeNotReady => "node-not-ready",
            Self::PodRefused => "pod-refused",
            Self::ImageUnavailable => "image-unavailable",
            Self::Evicted => "evicted",
        }
    }
}

/// What became of what the visit left on the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CleanUp {
    /// How it came out.
    pub result: CleanUpResult,
    /// The folder, if one was made.
    pub folder: Option<String>,
    /// What went wrong.
    pub message: Option<String>,
}

/// How clean-up came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum CleanUpResult {
    /// Nothing was put on the node.
    NotNeeded,
    /// Everything was removed, and the node was asked whether it is gone.
    Removed,
    /// The node still has it.
    Failed,
    /// The node could not be asked.
    Unknown,
}

/// Nodes and images, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SiteSummary {
    /// Nodes of the site.
    pub nodes: u64,
    /// Nodes whose report was accepted.
    pub verified: u64,
    /// Images of all nodes, by status.
    pub images: Summary,
    /// How many of the failed and inconclusive ones waivers cover.
    #[serde(default)]
    pub waived: u64,
}

impl SiteSummary {
    fn count(nodes: &[NodeRow]) -> Self {
        let mut summary = Self::default();
        nodes.iter().for_each(|node| summary.add(node));
        summary
    }

    /// Counts a node.
    pub fn add(&mut self, node: &NodeRow) {
        self.nodes = self.nodes.saturating_add(1);
        if node.outcome == Outcome::Verified {
            self.verified = self.verified.saturating_add(1);
        }
        if let Some(report) = node.accepted() {
            report.images.iter().for_each(|image| self.images.add(image.status));
        }
        self.waived = self.waived.saturating_add(u64::try_from(node.waived.len()).unwrap_or(u64::MAX));
    }
}
