//! Reports as JUnit XML, the form that CI systems show: a `testsuite` per node, a `testcase` per image.
//!
//! | in JUnit | means |
//! |---|---|
//! | `testsuite` | a node; `name` and `package` are its name in the site file, `hostname` its own |
//! | `testcase` of `classname` *node*/*repository*, `name` *reference*@*digest* | an image |
//! | `testcase` of `classname` *node*, `name` `visit`, `coverage`, `clean-up` | whether the node was verified, whether its agent saw everything, whether the node is as it was |
//! | `failure` | failed; `type` is the reason's code, `message` the finding, the text all particulars |
//! | `error` | inconclusive, not verified, not read, not cleaned up |
//! | `skipped` | the trust policy says level `skip` |
//! | no child | passed |
//!
//! The properties of a suite, all of which are text and are left out where there is nothing to say: `format`, `run.id`,
//! `run.started`, `run.finished`, `run.verified_at`, `collector.version`, `node.outcome`, `node.address`, `node.os`,
//! `node.architecture`, `node.roles`, `node.machine_id`, `node.containerd`, `node.host_key`, `node.attempts`,
//! `agent.version`, `agent.target`, `agent.sha256`, `inputs.store`, `inputs.trust_policy.sha256`,
//! `inputs.trust_store.certificates`, `inputs.crls`, `inputs.bundle.sha256` (one for each), `coverage.namespaces`,
//! `coverage.images`, `coverage.containers`. Times are RFC 3339; the attribute `timestamp` is UTC without a zone, since
//! the schema of Apache Ant forbids one.
//!
//! Every file is valid under the two schemas that are published: Jenkins' `junit-10.xsd` and the one of Apache Ant. They
//! allow less than most programs write: no attributes on `testsuites`, no properties or output in a `testcase`.
//!
//! What comes in is cleaned (`clean`), what goes out never exceeds [`FILE_BYTES`] a file, and no suite is green that has
//! nothing to show: a node without images has an `error`, and so has a site without nodes. Where the site needs several
//! files, the first has a suite `site` whose one case is the site's verdict.

mod case;
mod suite;

use std::collections::HashSet;
use std::ops::Range;

use assay_shared::report::{NodeRow, SiteReport};
use quick_junit::{Report, SerializeError, TestSuite};

use super::clean;

/// Bytes of one file that GitLab reads: 30 MB; other systems take more.
pub const FILE_BYTES: usize = 30_000_000;

/// The site in as many files as it needs, mostly one: the first is called `stem`.xml, further ones `stem`~2.xml and so on.
///
/// # Errors
/// Where quick-junit refuses text; cleaned text is never refused.
pub fn site(report: &SiteReport, stem: &str) -> Result<Vec<(String, String)>, SerializeError> {
    files(stem, report, 0..report.nodes.len(), FILE_BYTES)
}

/// The node at `place` of the site's nodes, in the same form.
///
/// # Errors
/// As for [`site`].
pub fn node(report: &SiteReport, place: usize, stem: &str) -> Result<Vec<(String, String)>, SerializeError> {
    files(stem, report, place..place.saturating_add(1), FILE_BYTES)
}

fn files(
    stem: &str,
    report: &SiteReport,
    places: Range<usize>,
    most: usize,
) -> Result<Vec<(String, String)>, SerializeError> {
    let verdict = text(&mut suite::of_site(report))?;
    let most = most.saturating_sub(HEAD.len() + verdict.len() + FOOT.len());
    let mut bodies = vec![String::new()];
    let named = suite_names(report).into_iter().zip(&report.nodes).enumerate();
    for (id, (name, node)) in named.skip(places.start).take(places.len()) {
        for text in parts(suite::of_node(report, node, &name, id), most)? {
            match bodies.last_mut() {
                Some(body) if body.len() + text.len() <= most => body.push_str(&text),
                _ => bodies.push(text),
            }
        }
    }
    // whoever reads only the first of several files, or a file without nodes, must not see a site in order
    if report.nodes.is_empty() || bodies.len() > 1 {
        bodies.iter_mut().take(1).for_each(|first| first.insert_str(0, &verdict));
    }
    let name = |at: usize| if at == 0 { format!("{stem}.xml") } else { format!("{stem}~{}.xml", at + 1) };
    Ok(bodies.into_iter().enumerate().map(|(at, body)| (name(at), format!("{HEAD}{body}{FOOT}"))).collect())
}

/// The nodes' clean names, each once: readers keep the first of two cases of one name, which may be the good one.
fn suite_names(report: &SiteReport) -> Vec<String> {
    let mut given = HashSet::new();
    let unique = |node: &NodeRow| {
        let clean = clean::name(&node.name);
        let mut name = clean.clone();
        let mut count = 1;
        while !given.insert(name.clone()) {
            count += 1;
            name = format!("{clean} ({count})");
        }
        name
    };
    report.nodes.iter().map(unique).collect()
}

/// `suite` as XML, in parts of at most `most` bytes where it is longer than that.
fn parts(mut suite: TestSuite, most: usize) -> Result<Vec<String>, SerializeError> {
    let whole = text(&mut suite)?;
    if whole.len() <= most || suite.test_cases.len() < 2 {
        return Ok(vec![whole]);
    }
    let cases = std::mem::take(&mut suite.test_cases);
    (suite.tests, suite.failures, suite.errors, suite.skipped) = (0, 0, 0, 0);
    let (mut first, mut second) = (suite.clone(), suite);
    let half = cases.len() / 2;
    for (at, case) in cases.into_iter().enumerate() {
        if at < half {
            first.add_test_case(case)
        } else {
            second.add_test_case(case)
        };
    }
    let mut texts = parts(first, most)?;
    texts.extend(parts(second, most)?);
    Ok(texts)
}

/// `suite` as XML without the element around it: quick-junit gives that one attributes that both schemas forbid.
fn text(suite: &mut TestSuite) -> Result<String, SerializeError> {
    let mut report = Report::unnamed();
    report.test_suites.push(std::mem::replace(suite, TestSuite::new("")));
    let whole = report.to_string();
    if let Some(moved) = report.test_suites.pop() {
        *suite = moved;
    }
    let whole = whole?;
    let start = whole.find("<testsuite ").unwrap_or(0);
    let end = whole.rfind("</testsuites>").unwrap_or(whole.len());
    let inner = whole.get(start..end).unwrap_or_default().trim_end();
    Ok(format!("    {inner}\n"))
}

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n";
const FOOT: &str = "</testsuites>\n";

#[cfg(test)]
mod tests;
