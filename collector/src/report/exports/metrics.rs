//! Exports the report as metrics in Prometheus' text exposition format, version 0.0.4, for the textfile collector of the node
//! exporter or any server of files. All metrics are gauges: each run replaces the last one.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use assay_judge::ci_commands;
use assay_report::{CleanUpResult, ExitCode, Outcome, WaiverState};

use crate::clean;
use crate::report::difference::ChangeKind;
use crate::report::model::{SiteModel, SiteNode};
use crate::report::{expiry, problems, words};

/// The metrics of the site.
pub(crate) fn render(site: &SiteModel) -> String {
    let mut out = Metrics::default();
    out.family("assay_run_info", "The run that these metrics are of; always 1.");
    out.gauge(&[("run", &clean::name(&site.run.id)), ("version", &clean::name(&site.collector))], 1);
    out.family("assay_run_started_timestamp_seconds", "When the run began.");
    out.gauge(&[], site.run.started.seconds());
    out.family("assay_run_finished_timestamp_seconds", "When the run ended.");
    out.gauge(&[], site.run.finished.seconds());
    out.family("assay_run_exit_code", "0 passed, 1 failed, 3 incomplete.");
    out.gauge(&[], site.verdict.number().into());
    nodes(&mut out, site);
    images(&mut out, site);
    out.family("assay_expiry_timestamp_seconds", "When a certificate or a revocation list expires.");
    for ending in expiry::endings(site) {
        let (subject, sha256) = (clean::name(ending.subject), clean::name(ending.sha256));
        let labels = [("kind", ending.kind), ("subject", &*subject), ("sha256", &*sha256)];
        out.gauge(&labels, ending.end.seconds());
    }
    waivers(&mut out, site);
    if let Some(difference) = &site.difference {
        out.family(
            "assay_changed_images",
            "Images that changed since the earlier run, counted on every node.",
        );
        for kind in ChangeKind::ALL {
            out.gauge(&[("change", kind.word())], number(difference.count(kind).0));
        }
    }
    out.text
}

fn nodes(out: &mut Metrics, site: &SiteModel) {
    out.family("assay_nodes", "Nodes by the outcome of the visit.");
    for outcome in Outcome::ALL {
        let many = site.nodes.iter().filter(|node| node.row.outcome == outcome).count();
        out.gauge(&[("outcome", outcome.as_str())], number(many as u64));
    }
    out.family("assay_nodes_left_behind", "Nodes whose clean-up failed or is not confirmed.");
    out.gauge(&[], number(site.left_behind()));
    let names: Vec<String> = site.nodes.iter().map(|node| clean::name(&node.row.name)).collect();
    out.family("assay_node_in_order", "1 if the node and everything on it is in order, otherwise 0.");
    for (node, name) in site.nodes.iter().zip(&names) {
        let in_order = node.verdict == ExitCode::Passed;
        out.gauge(&[("node", name), ("outcome", node.row.outcome.as_str())], in_order.into());
    }
    out.family(
        "assay_node_images",
        "Images of a node by status. A waived image also counts under its own status.",
    );
    for (node, name) in site.nodes.iter().zip(&names) {
        for (status, many) in by_status(node) {
            out.gauge(&[("node", name), ("status", status)], number(many));
        }
    }
    out.family("assay_node_clean", "1 if nothing of the visit is left on the node, otherwise 0.");
    for (node, name) in site.nodes.iter().zip(&names) {
        let clean = matches!(node.row.clean_up.result, CleanUpResult::NotNeeded | CleanUpResult::Removed);
        out.gauge(&[("node", name)], clean.into());
    }
}

fn by_status(node: &SiteNode) -> Vec<(&'static str, u64)> {
    let Some(own) = node.images else { return Vec::new() };
    vec![
        ("passed", own.passed),
        ("failed", own.failed),
        ("inconclusive", own.inconclusive),
        ("skipped", own.skipped),
        ("waived", node.waived),
    ]
}

fn images(out: &mut Metrics, site: &SiteModel) {
    let images = site.summary.images;
    out.family(
        "assay_images",
        "Images by status, counted on every node. A waived image also counts under its own status.",
    );
    for (status, many) in [
        ("passed", images.passed),
        ("failed", images.failed),
        ("inconclusive", images.inconclusive),
        ("skipped", images.skipped),
        ("waived", site.summary.waived),
    ] {
        out.gauge(&[("status", status)], number(many));
    }
    out.family("assay_different_images", "Different images, each digest once.");
    let digests: BTreeSet<_> = site.results.iter().map(|judged| &judged.image.digest).collect();
    out.gauge(&[], number(digests.len() as u64));
    out.family("assay_problem_nodes", "Nodes with a problem, by its code.");
    for problem in problems::by_reason(site) {
        let severity = if problem.severity == ExitCode::Failed { "failed" } else { "inconclusive" };
        let nodes = problem.extent().1 as u64;
        out.gauge(&[("code", problem.code), ("severity", severity)], number(nodes));
    }
}

fn waivers(out: &mut Metrics, site: &SiteModel) {
    let Some(given) = &site.waivers else { return };
    out.family("assay_waiver_expires_timestamp_seconds", "When a waiver expires.");
    let labels = |waiver: &assay_report::Waiver| {
        [
            ("image", clean::name(&waiver.image)),
            ("node", waiver.node.as_deref().map(clean::name).unwrap_or_default()),
            ("approver", clean::name(&waiver.approver)),
            ("state", words::waiver(waiver.state).to_owned()),
        ]
    };
    for waiver in &given.waivers {
        let labels = labels(waiver);
        let labels = labels.each_ref().map(|(name, value)| (*name, value.as_str()));
        out.gauge(&labels, waiver.expires.seconds());
    }
    out.family("assay_waivers", "Waivers by state.");
    for state in [WaiverState::Applied, WaiverState::Unused, WaiverState::Expired] {
        let many = given.waivers.iter().filter(|waiver| waiver.state == state).count();
        out.gauge(&[("state", words::waiver(state))], number(many as u64));
    }
}

/// The text, to which families are added.
#[derive(Default)]
struct Metrics {
    text: String,
    name: &'static str,
    /// The labels of this family so far. A series may occur only once.
    given: BTreeSet<String>,
}

impl Metrics {
    fn family(&mut self, name: &'static str, help: &str) {
        self.name = name;
        self.given.clear();
        // writing to a String cannot fail
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} gauge");
    }

    fn gauge(&mut self, labels: &[(&str, &str)], value: i64) {
        let mut text = rendered_labels(labels, "");
        // names may become equal when they are cleaned; they are numbered then
        let mut count = 1_u32;
        while !self.given.insert(text.clone()) {
            count += 1;
            text = rendered_labels(labels, &count.to_string());
        }
        let _ = writeln!(self.text, "{}{text} {value}", self.name);
    }
}

fn rendered_labels(labels: &[(&str, &str)], twin: &str) -> String {
    let twin = Some(("twin", twin)).filter(|(_, value)| !value.is_empty());
    let all: Vec<String> = labels
        .iter()
        .copied()
        .chain(twin)
        .map(|(name, value)| {
            let value = ci_commands::escape(value).replace('\\', "\\\\").replace('"', "\\\"");
            format!("{name}=\"{value}\"")
        })
        .collect();
    if all.is_empty() { String::new() } else { format!("{{{}}}", all.join(",")) }
}

fn number(many: u64) -> i64 {
    i64::try_from(many).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn writes_every_series_once_with_a_number() {
        for report in [sample::site(), sample::every_outcome(), sample::hostile(), sample::large(30, 20)] {
            let text = render(&SiteModel::from(&report));
            let mut seen = BTreeSet::new();
            for line in text.lines().filter(|line| !line.starts_with('#')) {
                let (series, value) = line.rsplit_once(' ').unwrap();
                assert!(seen.insert(series), "{series}");
                value.parse::<i64>().unwrap();
            }
            assert!(seen.len() > 40);
        }
    }

    #[test]
    fn counts_are_those_of_the_report() {
        let report = sample::site();
        let text = render(&SiteModel::from(&report));
        let failed = format!("assay_images{{status=\"failed\"}} {}\n", report.summary.images.failed);
        assert!(text.contains(&failed));
        assert!(text.contains("assay_run_exit_code 1\n"));
        assert!(text.contains("assay_node_in_order{node=\"worker-1\",outcome=\"verified\"} 0\n"));
    }
}
