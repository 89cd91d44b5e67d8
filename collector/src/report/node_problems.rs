//! Finds what is wrong with a node apart from its images: the visit failed, files were left on it, or its agent could not account
//! for everything. Every report shows these problems, so they are found in one place.

use assay_report::{
    CleanUpResult, Contradiction, Coverage, Effect, ExitCode, List, Namespace, NodeRow, Outcome, SameMachine,
};

use super::explanation::{self, Explanation};
use crate::clean;

/// What a problem is about. Each subject is a test case in JUnit, which passes if there is no problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// The visit: was the node verified?
    Visit,
    /// The agent's coverage: did it see everything?
    Coverage,
    /// The clean-up: is the node as it was before?
    CleanUp,
}

impl Subject {
    /// Every subject, in the order of a visit.
    pub(super) const ALL: [Self; 3] = [Self::Visit, Self::Coverage, Self::CleanUp];

    /// The subject as reports write it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Visit => "visit",
            Self::Coverage => "coverage",
            Self::CleanUp => "clean-up",
        }
    }
}

/// Something that keeps a node from being verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NodeProblem {
    /// What it is about.
    pub(super) subject: Subject,
    /// What it does to the verdict: [`ExitCode::Failed`] or [`ExitCode::Incomplete`].
    pub(super) severity: ExitCode,
    /// A stable code.
    pub(super) code: &'static str,
    /// The explanation of the code.
    pub(super) explanation: Explanation,
    /// What is wrong, in one line, cleaned.
    pub(super) message: String,
    /// What to do, cleaned.
    pub(super) hint: String,
    /// Particulars, cleaned, at most [`PARTICULARS`].
    pub(super) particulars: Vec<String>,
}

/// Particulars of one problem that are shown. A hostile node may report any number.
const PARTICULARS: usize = 50;

/// The problems of `node`, in the order of [`Subject`]; none if it was verified and left clean.
pub(super) fn find(node: &NodeRow) -> Vec<NodeProblem> {
    let mut problems = Vec::new();
    let found = |subject, severity, code, explanation: Explanation, message: Option<&str>| NodeProblem {
        subject,
        severity,
        code,
        explanation,
        message: clean::message_or(message, explanation.what),
        hint: explanation.todo.into(),
        particulars: Vec::new(),
    };
    let visit =
        |code, explanation, message| found(Subject::Visit, ExitCode::Incomplete, code, explanation, message);

    match (node.outcome, node.accepted()) {
        (Outcome::Verified, Some(report)) => {
            if report.images.is_empty() {
                problems.push(visit("no-images", explanation::EMPTY, None));
            }
            problems.extend(coverage(&report.coverage));
        }
        // a verified node must have a report
        (Outcome::Verified, None) => {
            let code = Outcome::BadReport;
            problems.push(visit(code.as_str(), explanation::outcome(code), node.message.as_deref()));
        }
        (outcome, _) => {
            let mut problem = visit(outcome.as_str(), explanation::outcome(outcome), node.message.as_deref());
            problem.hint = clean::message_or(node.hint.as_deref(), problem.explanation.todo);
            problems.push(problem);
        }
    }

    if let Some(SameMachine { nodes, count, machine_id, host_key }) = &node.same_machine {
        let what = match (machine_id, host_key) {
            (true, true) => "machine id and host key",
            (true, false) => "machine id",
            _ => "host key",
        };
        let named: Vec<String> = nodes.iter().map(|name| clean::name(name)).collect();
        let more = count.saturating_sub(named.len() as u64);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let message = format!("the same {what} as {}{more}", named.join(", "));
        problems.push(visit("same-machine", explanation::SAME_MACHINE, Some(&message)));
    }

    let (code, explanation) = match node.clean_up.result {
        CleanUpResult::NotNeeded | CleanUpResult::Removed => return problems,
        CleanUpResult::Failed => ("clean-up-failed", explanation::NOT_CLEANED),
        CleanUpResult::Unknown => ("clean-up-unknown", explanation::CLEANING_UNKNOWN),
    };
    let mut problem =
        found(Subject::CleanUp, ExitCode::Incomplete, code, explanation, node.clean_up.message.as_deref());
    problem.particulars = node.clean_up.folder.iter().map(|folder| clean::name(folder)).collect();
    problems.push(problem);
    problems
}

fn coverage(coverage: &Coverage) -> Vec<NodeProblem> {
    let mut problems = Vec::new();
    let mut add = |severity, code, explanation: Explanation, particulars: Vec<String>, omitted: u64| {
        let all = omitted.saturating_add(particulars.len() as u64);
        let message = match particulars.as_slice() {
            [] => return,
            [only] if omitted == 0 => only.clone(),
            [first, ..] => format!("{all} of them, the first: {first}"),
        };
        let mut shown = particulars;
        shown.truncate(PARTICULARS);
        let more = all.saturating_sub(shown.len() as u64);
        if omitted > 0 {
            shown.push(format!("and {more} more, {omitted} of which are left out of the node's report"));
        } else if more > 0 {
            shown.push(format!("and {more} more; the node's report lists all of them"));
        }
        let hint = explanation.todo.into();
        problems.push(NodeProblem {
            subject: Subject::Coverage,
            severity,
            code,
            explanation,
            message,
            hint,
            particulars: shown,
        });
    };
    let unlisted = coverage.unlisted_containers().map(|container| {
        let image = container.name.as_deref().unwrap_or("an unknown image");
        clean::message(&format!(
            "container {}{} runs {image}",
            container.id,
            within(container.namespace.as_ref())
        ))
    });
    let reason = assay_report::Reason::InUseUnlisted;
    add(ExitCode::Failed, reason.as_str(), explanation::reason(reason), unlisted.collect(), 0);
    let unreadable =
        coverage.unreadable.iter().map(|part| clean::message(&format!("{}: {}", part.what, part.why)));
    add(
        ExitCode::Incomplete,
        "unreadable-store",
        explanation::COVERAGE,
        unreadable.collect(),
        coverage.omitted.count(List::Unreadable),
    );
    for (effect, severity) in
        [(Effect::Failed, ExitCode::Failed), (Effect::Inconclusive, ExitCode::Incomplete)]
    {
        let contradictions = coverage.cross_check.findings.iter().filter(|one| one.effect == effect);
        add(
            severity,
            "store-contradiction",
            explanation::CONTRADICTION,
            contradictions.map(particular).collect(),
            0,
        );
    }
    problems
}

fn particular(contradiction: &Contradiction) -> String {
    let Contradiction { code, namespace, id, message, .. } = contradiction;
    clean::message(&format!("{code}: {id}{}: {message}", within(namespace.as_ref())))
}

/// Where something is, behind its name; nothing in a store without namespaces.
fn within(namespace: Option<&Namespace>) -> String {
    namespace.map_or_else(String::new, |namespace| format!(" in namespace {namespace}"))
}

#[cfg(test)]
mod tests {
    use assay_report::ExitCode;

    use super::*;
    use crate::report::sample;

    #[test]
    fn problems_and_images_together_give_the_verdict_of_the_node() {
        let mut nodes = sample::every_outcome().nodes;
        nodes.extend(sample::site().nodes);
        nodes.extend(sample::hostile().nodes);
        assert!(nodes.len() > 15);
        let mut seen = std::collections::BTreeSet::new();
        let same = SameMachine { nodes: vec!["other".into()], count: 3, machine_id: true, host_key: false };
        let twins: Vec<NodeRow> =
            nodes.iter().cloned().map(|node| NodeRow { same_machine: Some(same.clone()), ..node }).collect();
        nodes.extend(twins);
        for mut node in nodes {
            for result in [CleanUpResult::Removed, CleanUpResult::Failed, CleanUpResult::Unknown] {
                node.clean_up.result = result;
                let images = node.accepted().map_or(&[][..], |report| &report.images);
                let worst_image = images.iter().map(|image| ExitCode::from(image.status)).max();
                let found = find(&node);
                let worst_problem = found.iter().map(|problem| problem.severity).max();
                assert_eq!(
                    worst_image.max(worst_problem).unwrap_or(ExitCode::Passed),
                    node.verdict(),
                    "{}",
                    node.name
                );
                seen.extend(found.iter().map(|problem| problem.code));
            }
        }
        for code in [
            "no-images",
            "same-machine",
            "in-use-unlisted",
            "unreadable-store",
            "store-contradiction",
            "clean-up-failed",
            "bad-report",
        ] {
            assert!(seen.contains(code), "{code}");
        }
        for code in seen {
            assert!(explanation::all().any(|(known, _)| known == code), "{code} is not explained");
        }
    }

    #[test]
    fn ignores_the_images_of_a_node_that_was_not_verified() {
        let mut node = sample::site().nodes.remove(0);
        node.outcome = Outcome::BadReport;
        assert!(node.report.is_some());
        assert_eq!(node.verdict(), ExitCode::Incomplete);
        assert_eq!(find(&node)[0].code, "bad-report");
    }

    #[test]
    fn does_not_take_a_node_without_a_report_as_verified() {
        let mut node = sample::site().nodes.remove(0);
        node.report = None;
        assert_eq!(node.verdict(), ExitCode::Incomplete);
        assert_eq!(find(&node)[0].code, "bad-report");
    }
}
