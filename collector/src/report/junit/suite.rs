//! Makes the test suite of a node.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use assay_report::{ExitCode, NodeReport, NodeRow, SiteRun};
use assay_verifier::time::UnixTime;
use quick_junit::{NonSuccessKind, Property, TestCase, TestCaseStatus, TestSuite};

use super::case;
use crate::clean;
use crate::report::node_problems::{self, NodeProblem, Subject};
use crate::report::{drift, explanation, names};

/// The suite of `node`, called `name`: cases for the node itself, then its images.
pub(super) fn node_suite(run: &SiteRun, collector: &str, node: &NodeRow, name: &str, id: usize) -> TestSuite {
    let own = node.accepted();
    let hostname = own.and_then(|own| own.node.hostname.as_deref()).map(clean::name);
    let started = node.started.unwrap_or(run.started);
    let finished = node.finished.unwrap_or(started);
    let mut suite = new(name, hostname.as_deref(), id, (started, finished));
    suite.add_properties(properties(run, collector, node));

    let found = node_problems::find(node);
    for subject in Subject::ALL {
        // what was not checked must not look passed
        if subject == Subject::Coverage && own.is_none() {
            continue;
        }
        suite.add_test_case(subject_case(name, subject, &found));
    }
    // a reader may keep only the first of two cases with one name
    let mut names = HashSet::new();
    let mut counts = HashMap::<String, u32>::new();
    for image in own.iter().flat_map(|own| &own.images) {
        let mut case = case::image_case(name, image, node.waiver(image));
        let full = names::full(image);
        let count = counts.entry(full.clone()).or_default();
        while !names.insert(case.name.to_string()) {
            *count += 1;
            case.name = format!("{full} ({})", *count + 1).into();
        }
        suite.add_test_case(case);
    }
    suite.set_system_out(drifted(own));
    suite
}

/// What the writable layers of the node's containers hold, whatever the verdict: a case has no output.
fn drifted(report: Option<&NodeReport>) -> String {
    let mut text = String::new();
    for image in report.iter().flat_map(|own| &own.images) {
        for container in drift::containers(image) {
            text.push_str(&format!("{}\n  {}\n", names::full(image), container.summary));
            for line in container.files.iter().chain(&container.mounts) {
                text.push_str(&format!("    {line}\n"));
            }
        }
        if text.len() > clean::BLOCK {
            break;
        }
    }
    clean::block(&text, clean::BLOCK)
}

/// A suite of one case: the verdict on all `nodes` nodes.
pub(super) fn verdict_suite(run: &SiteRun, verdict: ExitCode, nodes: usize) -> TestSuite {
    let mut suite = new("site", None, 0, (run.started, run.finished));
    let kind = match verdict {
        _ if nodes == 0 => Some(NonSuccessKind::Error),
        ExitCode::Passed => None,
        ExitCode::Failed => Some(NonSuccessKind::Failure),
        ExitCode::Incomplete | ExitCode::Usage => Some(NonSuccessKind::Error),
    };
    let status = kind.map_or_else(TestCaseStatus::success, |kind| {
        let mut status = TestCaseStatus::non_success(kind);
        if nodes == 0 {
            status
                .set_type("no-nodes")
                .set_message(explanation::NO_NODES.what)
                .set_description(explanation::NO_NODES.todo);
        } else {
            let message = "there are problems; the nodes are in this file and the files beside it";
            status.set_type("site").set_message(message);
        }
        status
    });
    suite.add_test_case(case::new("verdict", "site", status));
    suite
}

/// A suite with the attributes that both schemas allow and Apache Ant's requires.
fn new(
    name: &str,
    hostname: Option<&str>,
    id: usize,
    (started, finished): (UnixTime, UnixTime),
) -> TestSuite {
    let or_dash = |text: &str| if text.trim().is_empty() { "-".to_owned() } else { text.to_owned() };
    let mut suite = TestSuite::new(or_dash(name));
    for (attribute, value) in [
        ("timestamp", without_zone(started)),
        ("hostname", or_dash(hostname.unwrap_or(name))),
        ("package", or_dash(name)),
        ("id", id.to_string()),
    ] {
        suite.extra.insert(attribute.into(), value.into());
    }
    let seconds = finished.seconds().saturating_sub(started.seconds());
    suite.set_time(Duration::from_secs(seconds.try_into().unwrap_or(0)));
    suite.add_property(Property::new("format", "assay/junit/v1"));
    suite.set_system_out("");
    suite.set_system_err("");
    suite
}

fn subject_case(node: &str, subject: Subject, found: &[NodeProblem]) -> TestCase {
    let about: Vec<&NodeProblem> = found.iter().filter(|problem| problem.subject == subject).collect();
    let worst = about.iter().max_by_key(|problem| problem.severity);
    let status = match worst {
        None => TestCaseStatus::success(),
        Some(worst) => {
            let kind = match worst.severity {
                ExitCode::Failed => NonSuccessKind::Failure,
                _ => NonSuccessKind::Error,
            };
            let mut text = String::new();
            for problem in &about {
                text.push_str(&format!("{}: {}\n", problem.code, problem.message));
                for particular in &problem.particulars {
                    text.push_str(&format!("  {particular}\n"));
                }
                text.push_str(&format!("What to do: {}\n", problem.hint));
            }
            case::not_in_order(kind, node, worst.code, &worst.message, &text)
        }
    };
    case::new(subject.as_str(), node, status)
}

fn properties(run: &SiteRun, collector: &str, node: &NodeRow) -> Vec<Property> {
    let mut properties = Vec::new();
    let mut add = |name: &str, value: Option<&str>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            properties.push(Property::new(name, clean::name(value)));
        }
    };
    add("run.id", Some(&run.id));
    add("run.site", run.site.as_deref());
    add("run.started", Some(&run.started.to_string()));
    add("run.finished", Some(&run.finished.to_string()));
    add("collector.version", Some(collector));
    add("node.outcome", Some(node.outcome.as_str()));
    add("node.address", node.address.as_deref());
    add("node.roles", Some(&node.roles.join(",")));
    add("node.host_key", node.host_key.as_deref());
    if let Some(pod) = &node.pod {
        add("node.via", Some("kubernetes"));
        add("node.pod", pod.pod.as_deref());
        add("node.pod_image", pod.image_id.as_deref().or(Some(&pod.image)));
    }
    add("node.attempts", Some(&node.attempts.to_string()));
    let Some(own) = node.accepted() else {
        add("node.os", node.os.as_deref());
        return properties;
    };
    add("run.verified_at", Some(&own.run.verified_at.to_string()));
    add("node.os", Some(&own.node.os));
    add("node.architecture", Some(&own.node.architecture));
    add("node.machine_id", own.node.machine_id.as_deref());
    add("node.containerd", own.node.containerd.as_deref());
    add("agent.version", Some(&own.agent.version));
    add("agent.target", Some(&own.agent.target));
    add("agent.sha256", own.agent.sha256.as_deref());
    if let Some(asked) = &own.asked {
        let list = |all: Vec<&str>| all.join(",");
        add("asked.accept", Some(&list(asked.accept.iter().map(|via| via.as_str()).collect())));
        add("asked.content", Some(asked.content.as_str()));
        add("asked.images", Some(&list(asked.images.iter().map(String::as_str).collect())));
        add("asked.namespaces", Some(&list(asked.namespaces.iter().map(String::as_str).collect())));
        add("asked.at", asked.at.map(|at| at.to_string()).as_deref());
    }
    add("inputs.store", Some(&own.inputs.store));
    add("inputs.trust_policy.sha256", Some(&own.inputs.trust_policy.sha256));
    add("inputs.trust_store.certificates", Some(&own.inputs.trust_store.len().to_string()));
    add("inputs.crls", Some(&own.inputs.crls.len().to_string()));
    for bundle in own.inputs.bundles.iter().take(BUNDLES) {
        add("inputs.bundle.sha256", Some(&bundle.sha256));
    }
    add("coverage.namespaces", Some(&own.coverage.namespaces.join(",")));
    add("coverage.images", Some(&own.coverage.images.to_string()));
    add("coverage.containers", Some(&own.coverage.containers.to_string()));
    properties
}

/// Bundles that are named. Real sites have one or two, a hostile report may have any number.
const BUNDLES: usize = 20;

/// `2026-01-31T12:00:00`, in UTC.
fn without_zone(time: UnixTime) -> String {
    let text = time.to_string();
    text.get(..19).unwrap_or_default().to_owned()
}
