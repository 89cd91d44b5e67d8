//! Groups everything that is wrong at a site by its reason. Reports show these groups first.
//!
//! The same problem of the same image on many nodes is one case that names the nodes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use assay_report::{CheckResult, ExitCode, Image};
use assay_verifier::oci::Digest;

use super::custody;
use super::explanation::{Explanation, image_reason};
use super::model::SiteModel;
use crate::clean;

/// One reason, and everything that it applies to.
pub(super) struct Problem<'a> {
    /// The reason's code.
    pub(super) code: &'static str,
    /// What it does to the verdict: [`ExitCode::Failed`] or [`ExitCode::Incomplete`].
    pub(super) severity: ExitCode,
    /// The explanation of the reason.
    pub(super) explanation: Explanation,
    /// What to do in general; none if every case has advice of its own, which knows the cause better.
    pub(super) todo: Option<&'static str>,
    /// The cases: images by name, then nodes.
    pub(super) cases: Vec<Case<'a>>,
    /// The codes of the checks that failed for these images.
    pub(super) checks: BTreeSet<&'a str>,
}

impl Problem<'_> {
    /// The numbers of different images and nodes.
    pub(super) fn extent(&self) -> (usize, usize) {
        let images: BTreeSet<&Digest> =
            self.cases.iter().filter_map(|case| case.image).map(|image| &image.digest).collect();
        let nodes: BTreeSet<usize> = self.cases.iter().flat_map(|case| case.nodes.iter().copied()).collect();
        (images.len(), nodes.len())
    }
}

/// One image, or the nodes themselves.
pub(super) struct Case<'a> {
    /// The image as one of the nodes reports it; none if the case is about nodes.
    pub(super) image: Option<&'a Image>,
    /// What is wrong, cleaned.
    pub(super) message: String,
    /// What to do, cleaned.
    pub(super) hint: String,
    /// More particulars, cleaned.
    pub(super) particulars: Vec<String>,
    /// The nodes, by their place in the report, ascending.
    pub(super) nodes: Vec<usize>,
}

/// All problems: failures first, then those with the most cases.
pub(super) fn by_reason(site: &SiteModel) -> Vec<Problem<'_>> {
    let mut problems: BTreeMap<(ExitCode, &'static str), Group<'_>> = BTreeMap::new();
    for (at, node) in site.nodes.iter().enumerate() {
        for problem in &node.problems {
            let group = problems
                .entry((problem.severity, problem.code))
                .or_insert_with(|| Group::new(problem.explanation));
            let found = (problem.message.clone(), problem.hint.clone(), problem.particulars.clone());
            group.add(None, found, &[at]);
        }
    }
    for judged in &site.results {
        let (Some(severity), image) = (judged.severity(), &judged.image) else { continue };
        let (code, explanation) = image_reason(image);
        let group = problems.entry((severity, code)).or_insert_with(|| Group::new(explanation));
        let message = clean::message_or(image.message.as_deref(), explanation.what);
        let hint = clean::message_or(image.hint.as_deref(), explanation.todo);
        group.add(Some(image), (message, hint, custody::broken(image)), &judged.nodes);
        group.checks.extend(codes(image));
    }
    let mut problems: Vec<Problem<'_>> = problems
        .into_iter()
        .map(|((severity, code), Group { explanation, mut cases, checks, .. })| {
            let name =
                |case: &Case<'_>| case.image.map(|image| (super::names::short(image), image.digest.clone()));
            cases.sort_by_cached_key(|case| (case.image.is_none(), name(case), case.nodes.clone()));
            let todo = cases.iter().any(|case| case.hint == explanation.todo).then_some(explanation.todo);
            Problem { code, severity, explanation, todo, cases, checks }
        })
        .collect();
    problems
        .sort_by_key(|problem| (std::cmp::Reverse((problem.severity, problem.cases.len())), problem.code));
    problems
}

/// The codes of the checks that did not pass for an image's signatures.
fn codes(image: &Image) -> impl Iterator<Item = &str> {
    image.signatures.iter().flat_map(|signature| {
        let five = signature.checks.named().into_iter().map(|(_, check)| (check.result, &check.code));
        five.chain([(signature.target.result, &signature.target.code)])
            .filter(|(result, _)| matches!(result, CheckResult::Failed | CheckResult::Inconclusive))
            .filter_map(|(_, code)| code.as_deref())
    })
}

struct Group<'a> {
    explanation: Explanation,
    cases: Vec<Case<'a>>,
    checks: BTreeSet<&'a str>,
    /// The places in `cases`, by image, message and hint.
    known: HashMap<(Option<&'a Digest>, String, String), usize>,
}

impl<'a> Group<'a> {
    fn new(explanation: Explanation) -> Self {
        Self { explanation, cases: Vec::new(), checks: BTreeSet::new(), known: HashMap::new() }
    }

    fn add(&mut self, image: Option<&'a Image>, found: (String, String, Vec<String>), nodes: &[usize]) {
        let (message, hint, particulars) = found;
        let key = (image.map(|image| &image.digest), message.clone(), hint.clone());
        let next = self.cases.len();
        let at = *self.known.entry(key).or_insert(next);
        match self.cases.get_mut(at) {
            Some(case) => {
                // one node may have the image in two namespaces
                case.nodes.extend(nodes);
                case.nodes.sort_unstable();
                case.nodes.dedup();
                if case.particulars != particulars {
                    case.particulars.extend(particulars);
                    case.particulars.dedup();
                    case.particulars.truncate(PARTICULARS);
                }
            }
            None => self.cases.push(Case { image, message, hint, particulars, nodes: nodes.to_vec() }),
        }
    }
}

/// Particulars that one case keeps for all its nodes.
const PARTICULARS: usize = 50;

#[cfg(test)]
mod tests {
    use assay_report::Status;

    use super::*;
    use crate::report::{node_problems, sample};

    #[test]
    fn puts_every_problem_into_exactly_one_group() {
        for report in [sample::site(), sample::every_outcome(), sample::hostile(), sample::large(60, 40)] {
            let site = SiteModel::from(&report);
            let problems = by_reason(&site);
            for (at, node) in report.nodes.iter().enumerate() {
                for image in node.accepted().iter().flat_map(|own| &own.images) {
                    let found = problems.iter().flat_map(|problem| &problem.cases).filter(|case| {
                        case.nodes.contains(&at)
                            && case.image.is_some_and(|other| other.digest == image.digest)
                    });
                    let not_in_order = matches!(image.status, Status::Failed | Status::Inconclusive);
                    assert_eq!(found.count(), usize::from(not_in_order), "{}", image.digest);
                }
                let found = problems.iter().filter(|problem| {
                    problem.cases.iter().any(|case| case.image.is_none() && case.nodes.contains(&at))
                });
                assert_eq!(found.count(), node_problems::find(node).len());
            }
            let worst = problems.iter().map(|problem| problem.severity).max();
            assert_eq!(worst.unwrap_or(ExitCode::Passed), report.verdict);
        }
        assert!(by_reason(&SiteModel::from(&sample::all_passed())).is_empty());
    }

    #[test]
    fn the_same_problem_on_many_nodes_is_one_case() {
        let report = sample::large(200, 100);
        let images: usize = report
            .nodes
            .iter()
            .filter_map(|node| node.accepted())
            .map(|own| own.summary.failed as usize)
            .sum();
        let site = SiteModel::from(&report);
        let problems = by_reason(&site);
        let cases: usize = problems.iter().map(|problem| problem.cases.len()).sum();
        assert!(images > 200 && cases < 20, "{images} images, {cases} cases");
        assert_eq!(problems[0].severity, ExitCode::Failed);
    }
}
