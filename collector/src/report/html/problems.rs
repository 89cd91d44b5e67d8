//! Shows the problems, grouped by reason, and what to do.

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

/// Cases of one reason that are shown. The list of images has all of them.
const CASES: usize = 200;

/// Codes of one reason that are explained.
const CODES: usize = 20;

/// A reason.
pub(super) struct ProblemView {
    pub(super) code: &'static str,
    pub(super) mark: Mark,
    pub(super) explanation: Explanation,
    /// What to do in general, unless every case says it.
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
    /// Its name, and the anchor of its details if they are on the page.
    pub(super) image: Option<(String, Option<String>)>,
    pub(super) digest: String,
    pub(super) message: String,
    /// Empty if it only repeats the advice of the reason.
    pub(super) hint: String,
    pub(super) particulars: Vec<String>,
    pub(super) nodes: NodeList,
}

/// The code of a check.
pub(super) struct CodeView {
    pub(super) code: String,
    /// What happened and what to do; empty if this version does not know the code.
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
        // the advice for the reason or for a code is not repeated for each image
        let is_known =
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
                    hint: if is_known(&case.hint) { String::new() } else { case.hint },
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
