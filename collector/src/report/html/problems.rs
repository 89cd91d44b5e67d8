//! What is not in order, as the page puts it.

use std::collections::{HashMap, HashSet};

use assay_verifier::codes::Code;
use assay_verifier::oci::Digest;

use super::details::ImageView;
use super::images::ImageEntry;
use super::mark::Mark;
use super::node_list::{NodeList, NodeNames};
use crate::clean;
use crate::report::explanation::Explanation;
use crate::report::model::SiteModel;
use crate::report::text::count;
use crate::report::{names, problems};

/// Cases of one reason that are shown; the images below show them all.
const CASES: usize = 200;

/// Codes of one reason that are explained.
const CODES: usize = 20;

/// A reason.
pub(super) struct ProblemView {
    pub(super) code: &'static str,
    pub(super) mark: Mark,
    pub(super) explanation: Explanation,
    /// What to do in general, where not each case says it.
    pub(super) todo: Option<&'static str>,
    /// Such as `2 images on 3 nodes`.
    pub(super) extent: String,
    pub(super) about_images: bool,
    pub(super) cases: Vec<CaseView>,
    pub(super) omitted: usize,
    pub(super) checks: Vec<CodeView>,
}

/// An image, or nodes.
pub(super) struct CaseView {
    /// Its name and, where its details are on the page, their anchor.
    pub(super) image: Option<(String, Option<String>)>,
    pub(super) digest: String,
    pub(super) message: String,
    /// Empty where it says no more than the reason does.
    pub(super) hint: String,
    pub(super) particulars: Vec<String>,
    pub(super) nodes: NodeList,
}

/// A check's code.
pub(super) struct CodeView {
    pub(super) code: String,
    /// What happened and what to do; empty for a code that this version does not know.
    pub(super) what: &'static str,
    pub(super) todo: &'static str,
}

pub(super) fn views(
    report: &SiteModel,
    nodes: &NodeNames,
    images: &[ImageView],
    entries: &[ImageEntry<'_>],
) -> Vec<ProblemView> {
    let shown: HashSet<&str> = images.iter().map(|image| image.id.as_str()).collect();
    let anchors: HashMap<&Digest, &str> = entries
        .iter()
        .filter(|entry| shown.contains(entry.id.as_str()))
        .filter_map(|entry| entry.results.first().map(|judged| (&judged.image.digest, entry.id.as_str())))
        .collect();
    let view = |problem: problems::Problem<'_>| {
        let (images, on_nodes) = problem.extent();
        let on = count(on_nodes, "node");
        let checks: Vec<CodeView> = problem.checks.iter().take(CODES).map(|code| explained(code)).collect();
        // what is said once of the reason or of a code need not be said of each image
        let is_said =
            |hint: &str| hint == problem.explanation.todo || checks.iter().any(|check| check.todo == hint);
        ProblemView {
            code: problem.code,
            mark: problem.severity.into(),
            explanation: problem.explanation,
            todo: problem.todo,
            extent: if images == 0 { on } else { format!("{} on {on}", count(images, "image")) },
            about_images: images > 0,
            omitted: problem.cases.len().saturating_sub(CASES),
            cases: problem
                .cases
                .into_iter()
                .take(CASES)
                .map(|case| CaseView {
                    image: case.image.map(|image| {
                        (names::short(image), anchors.get(&image.digest).map(|anchor| (*anchor).to_owned()))
                    }),
                    digest: case.image.map(names::short_digest).unwrap_or_default(),
                    hint: if is_said(&case.hint) { String::new() } else { case.hint },
                    particulars: if case.particulars == [case.message.as_str()] {
                        Vec::new()
                    } else {
                        case.particulars
                    },
                    message: case.message,
                    nodes: nodes.list(&case.nodes),
                })
                .collect(),
            checks,
        }
    };
    problems::by_reason(report).into_iter().map(view).collect()
}

fn explained(code: &str) -> CodeView {
    let known = Code::ALL.iter().find(|known| known.as_str() == code);
    CodeView {
        code: clean::name(code),
        what: known.map_or("", |known| known.what()),
        todo: known.map_or("", |known| known.what_to_do()),
    }
}
