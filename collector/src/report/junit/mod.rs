//! Reports as JUnit XML, the form that CI systems show: a `testsuite` per node, a `testcase` per image.
//!
//! | in JUnit | means |
//! |---|---|
//! | `testsuite` | a node; `name` and `package` are its name in the site file, `hostname` its own |
//! | `testcase` of `classname` *node*/*repository*, `name` *reference*@*digest* | an image |
//! | `testcase` of `classname` *node*, `name` `visit`, `coverage`, `clean-up` | whether the node was verified, whether its agent saw everything, whether the node is as it was |
//! | `failure` | failed; `type` is the reason's code, `message` the finding on that node, the text all particulars, the node's name first |
//! | `error` | inconclusive, not verified, not read, not cleaned up |
//! | `skipped` | the trust policy says level `skip` |
//! | no child | passed |
//!
//! In `classname` a point is written `%2E` and a percent sign `%25`.
//!
//! The properties of a suite, all of which are text and are left out where there is nothing to say: `format`, `run.id`,
//! `run.site`, `run.started`, `run.finished`, `run.verified_at`, `collector.version`, `node.outcome`, `node.address`, `node.os`,
//! `node.architecture`, `node.roles`, `node.machine_id`, `node.containerd`, `node.host_key`, `node.attempts`,
//! `agent.version`, `agent.target`, `agent.sha256`, `asked.accept`, `asked.content`, `asked.images`, `asked.namespaces`,
//! `asked.at`, `inputs.store`, `inputs.trust_policy.sha256`,
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
use std::io;

use assay_judge::ci_commands;
use assay_report::{ExitCode, NodeRow, SiteRun};
use quick_junit::{Report, SerializeError, TestSuite};

use crate::clean;
use crate::report::folder::{Folder, ReportError, create, keep};

/// Bytes of one file that GitLab reads: 30 MB; other systems take more.
pub(super) const FILE_BYTES: usize = 30_000_000;

/// Makes suites of nodes, one after the other.
pub(super) struct Suites<'a> {
    run: &'a SiteRun,
    collector: &'a str,
    most: usize,
    names: HashSet<String>,
}

impl<'a> Suites<'a> {
    /// Suites of a run, in parts that fit into files of `most` bytes.
    pub(super) fn new(run: &'a SiteRun, collector: &'a str, most: usize) -> Self {
        Self { run, collector, most, names: HashSet::new() }
    }

    /// The suite of the next node, mostly in one part.
    ///
    /// # Errors
    /// Where quick-junit refuses text; cleaned text is never refused.
    pub(super) fn node_suite(&mut self, node: &NodeRow) -> Result<Vec<String>, SerializeError> {
        let id = self.names.len();
        let name = self.name(node);
        let suite = suite::node_suite(self.run, self.collector, node, &name, id);
        parts(suite, self.most.saturating_sub(HEAD.len() + VERDICT + FOOT.len()))
    }

    /// The node's clean name, once: readers keep the first of two cases of one name, which may be the good one.
    fn name(&mut self, node: &NodeRow) -> String {
        let clean = clean::name(&node.name);
        let mut name = clean.clone();
        let mut count = 1;
        while !self.names.insert(name.clone()) {
            count += 1;
            name = format!("{clean} ({count})");
        }
        name
    }
}

/// Writes suites into as many files as they need, mostly one: the first is called `stem`.xml, further ones `stem`~2.xml
/// and so on.
pub(super) struct Files<'a, F: Folder> {
    folder: &'a F,
    stem: String,
    most: usize,
    first: Open<F::File>,
    /// The last of several.
    last: Option<Open<F::File>>,
    count: usize,
}

/// A file that suites are being written to.
struct Open<W> {
    name: String,
    file: W,
    bytes: usize,
}

impl<'a, F: Folder> Files<'a, F> {
    /// Begins the first file. None will have more than `most` bytes.
    ///
    /// # Errors
    /// [`ReportError::Write`]
    pub(super) fn begin(folder: &'a F, stem: String, most: usize) -> Result<Self, ReportError> {
        let first = Open::begin(folder, format!("{stem}.xml"))?;
        Ok(Self { folder, stem, most, first, last: None, count: 1 })
    }

    /// Adds a suite, or a part of one.
    ///
    /// # Errors
    /// [`ReportError::Write`]
    pub(super) fn add(&mut self, suite: &str) -> Result<(), ReportError> {
        let most = self.most.saturating_sub(VERDICT + FOOT.len());
        let open = self.last.as_mut().unwrap_or(&mut self.first);
        if open.bytes == HEAD.len() || open.bytes + suite.len() <= most {
            return open.write(suite);
        }
        self.count += 1;
        let mut next = Open::begin(self.folder, format!("{}~{}.xml", self.stem, self.count))?;
        next.write(suite)?;
        match self.last.replace(next) {
            Some(full) => full.end(self.folder),
            None => Ok(()),
        }
    }

    /// Ends the files. Whoever reads only the first of several, or one without nodes, must not see something in order that
    /// is not: it ends with a suite of the verdict.
    ///
    /// # Errors
    /// [`ReportError`]
    pub(super) fn end(mut self, run: &SiteRun, verdict: ExitCode, nodes: usize) -> Result<(), ReportError> {
        if self.last.is_some() || nodes == 0 {
            let text = text(&mut suite::verdict_suite(run, verdict, nodes)).map_err(ReportError::Junit)?;
            self.first.write(&text)?;
        }
        self.first.end(self.folder)?;
        self.last.map_or(Ok(()), |last| last.end(self.folder))
    }
}

impl<W: io::Write> Open<W> {
    fn begin(folder: &impl Folder<File = W>, name: String) -> Result<Self, ReportError> {
        let file = create(folder, &name)?;
        let mut open = Self { name, file, bytes: 0 };
        open.write(HEAD)?;
        Ok(open)
    }

    fn write(&mut self, text: &str) -> Result<(), ReportError> {
        self.bytes += text.len();
        self.file.write_all(text.as_bytes()).map_err(|source| ReportError::write(&self.name, source))
    }

    fn end(mut self, folder: &impl Folder<File = W>) -> Result<(), ReportError> {
        self.write(FOOT)?;
        keep(folder, &self.name, self.file)
    }
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
    Ok(format!("    {}\n", ci_commands::escape(inner)))
}

/// Bytes kept free for the suite of the verdict.
const VERDICT: usize = 2_000;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n";
const FOOT: &str = "</testsuites>\n";

#[cfg(test)]
mod tests;
