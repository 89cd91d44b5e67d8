//! Shows the nodes: the outcome of each visit, the problems, and what identifies the node.

use std::collections::BTreeMap;

use assay_report::{CleanUpResult, Companion, List, NodeReport, Summary};

use super::mark::Mark;
use super::node_list::NodeNames;
use crate::clean;
use crate::report::model::{SiteModel, SiteNode};
use crate::report::node_problems::NodeProblem;
use crate::report::text;
use crate::report::text::number;
use crate::report::{explanation, words};

/// A node as the page shows it.
pub(super) struct NodeView {
    /// Its place in the report.
    pub(super) place: usize,
    pub(super) name: String,
    pub(super) roles: String,
    pub(super) platform: String,
    pub(super) verdict: Mark,
    pub(super) outcome: &'static str,
    pub(super) verified: bool,
    /// Passed, failed, inconclusive and skipped images; a dash if nothing was verified.
    pub(super) counts: [Count; 4],
    pub(super) clean_up: &'static str,
    pub(super) clean_up_mark: Mark,
    pub(super) duration: String,
    pub(super) problems: Vec<NodeProblemView>,
}

/// A problem of a node.
pub(super) struct NodeProblemView {
    pub(super) title: &'static str,
    pub(super) message: String,
    /// A single particular that the message does not have. Several are listed among the problems.
    pub(super) particular: Option<String>,
    pub(super) hint: String,
}

/// The number of images of one status.
pub(super) struct Count {
    pub(super) class: &'static str,
    pub(super) text: String,
    /// For sorting.
    pub(super) number: u64,
}

/// What identifies a node and its run.
pub(super) struct RecordView {
    pub(super) name: String,
    /// Heading and text.
    pub(super) facts: Vec<(&'static str, String)>,
}

/// Every node.
pub(super) fn views(report: &SiteModel, nodes: &NodeNames) -> Vec<NodeView> {
    report.nodes.iter().enumerate().map(|(place, node)| view(place, node, nodes)).collect()
}

fn view(place: usize, node: &SiteNode, nodes: &NodeNames) -> NodeView {
    let (own, row) = (node.accepted(), &node.row);
    let platform = match own {
        Some(own) => format!("{}/{}", clean::line(&own.node.os, 32), clean::line(&own.node.architecture, 32)),
        None => row.os.as_deref().map_or_else(|| "–".into(), |os| clean::line(os, 32)),
    };
    let summary = node.images;
    let count = |class, pick: fn(Summary) -> u64| Count {
        class: if summary.is_some_and(|summary| pick(summary) > 0) { class } else { "none" },
        text: summary.map_or_else(|| "–".into(), |summary| number(pick(summary))),
        number: summary.map_or(0, pick),
    };
    NodeView {
        place,
        name: nodes.name(place).to_owned(),
        roles: clean::line(&row.roles.join(", "), 100),
        platform,
        verdict: node.verdict.into(),
        outcome: explanation::outcome(row.outcome).title,
        verified: own.is_some(),
        counts: [
            count("passed", |summary| summary.passed),
            count("failed", |summary| summary.failed),
            count("inconclusive", |summary| summary.inconclusive),
            count("skipped", |summary| summary.skipped),
        ],
        clean_up: words::clean_up(row.clean_up.result),
        clean_up_mark: match row.clean_up.result {
            CleanUpResult::Removed => Mark::Passed,
            CleanUpResult::NotNeeded => Mark::NotRun,
            CleanUpResult::Failed => Mark::Failed,
            CleanUpResult::Unknown => Mark::Inconclusive,
        },
        duration: match (row.started, row.finished) {
            (Some(started), Some(finished)) => text::duration(started, finished),
            _ => "–".into(),
        },
        problems: node.problems.iter().map(problem_view).collect(),
    }
}

/// What the node's report left out, apart from what it left out of images.
fn left_out(own: &NodeReport) -> String {
    let lists = [
        (&own.omitted, List::Images, "images"),
        (&own.omitted, List::Carried, "carried blobs"),
        (&own.inputs.omitted, List::TrustStore, "trusted certificates"),
        (&own.inputs.omitted, List::Crls, "revocation lists"),
        (&own.inputs.omitted, List::UnusableEvidence, "files of unusable evidence"),
        (&own.inputs.omitted, List::Warnings, "warnings"),
        (&own.coverage.omitted, List::Namespaces, "namespaces"),
        (&own.coverage.omitted, List::Enumerated, "counts of namespaces"),
        (&own.coverage.omitted, List::Unlisted, "unlisted manifests and containers"),
        (&own.coverage.omitted, List::Companions, "companions of images"),
        (&own.coverage.omitted, List::Unreadable, "unreadable parts"),
        (&own.coverage.omitted, List::Findings, "contradictions"),
    ];
    let missing = lists.into_iter().map(|(omitted, list, what)| (omitted.count(list), what));
    let texts = missing.filter(|(more, _)| *more > 0).map(|(more, what)| format!("{} {what}", number(more)));
    texts.collect::<Vec<_>>().join(", ")
}

/// Kinds of manifests that are named; the others are only counted.
const KINDS: usize = 8;

/// The companions of images by kind, the most frequent first.
fn companions(companions: &[Companion]) -> String {
    let mut counts = BTreeMap::<&str, u64>::new();
    companions.iter().for_each(|one| *counts.entry(&one.kind).or_default() += 1);
    let mut kinds: Vec<(&str, u64)> = counts.into_iter().collect();
    kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let others: u64 = kinds.iter().skip(KINDS).map(|(_, count)| count).sum();
    let named = kinds.iter().take(KINDS).map(|(kind, count)| format!("{} {kind}", number(*count)));
    let others = (others > 0).then(|| format!("{} of other kinds", number(others)));
    named.chain(others).collect::<Vec<_>>().join(", ")
}

fn problem_view(problem: &NodeProblem) -> NodeProblemView {
    let particular = match problem.particulars.as_slice() {
        [only] if *only != problem.message => Some(only.clone()),
        _ => None,
    };
    let (message, hint) = (problem.message.clone(), problem.hint.clone());
    NodeProblemView { title: problem.explanation.title, message, particular, hint }
}

/// What an auditor compares: which node was visited, what ran there, and under which policy.
pub(super) fn records(report: &SiteModel, nodes: &NodeNames) -> Vec<RecordView> {
    let record = |(place, node): (usize, &SiteNode)| {
        let row = &node.row;
        let mut facts = Vec::new();
        let mut fact = |name, value: Option<&str>| {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                facts.push((name, clean::name(value)));
            }
        };
        fact("Address", row.address.as_deref());
        fact("Host key", row.host_key.as_deref());
        if let Some(pod) = &row.pod {
            let name = pod.pod.as_deref().or(pod.job.as_deref()).unwrap_or_default();
            fact("Via Kubernetes", Some(&format!("{}/{name}", pod.namespace)));
            fact("Image of the pod", pod.image_id.as_deref().or(Some(&pod.image)));
        }
        fact("Attempts", Some(&row.attempts.to_string()));
        if let Some(own) = node.accepted() {
            fact("Host name", own.node.hostname.as_deref());
            fact("Machine id", own.node.machine_id.as_deref());
            fact("Verified at", Some(&text::time(own.run.verified_at)));
            fact("containerd", own.node.containerd.as_deref());
            fact("Store", Some(&own.inputs.store));
            if let Some(asked) = &own.asked {
                let accept: Vec<&str> = asked.accept.iter().map(|via| via.as_str()).collect();
                fact("Accepted", Some(&accept.join(", ")));
                fact("Content", Some(asked.content.as_str()));
                let only: Vec<&str> =
                    asked.images.iter().chain(&asked.namespaces).map(String::as_str).collect();
                fact("Only", Some(&only.join(", ")));
            }
            fact("Namespaces", Some(&own.coverage.namespaces.join(", ")));
            fact("Containers", Some(&number(own.coverage.containers)));
            fact("Companions of images", Some(&companions(&own.coverage.companions)));
            fact("Agent", Some(&format!("{} {}", own.agent.version, own.agent.target)));
            fact("Agent SHA-256", own.agent.sha256.as_deref());
            fact("Left out of its report", Some(&left_out(own)));
            fact("Trust policy SHA-256", Some(&own.inputs.trust_policy.sha256));
        }
        RecordView { name: nodes.name(place).to_owned(), facts }
    };
    report.nodes.iter().enumerate().map(record).collect()
}
