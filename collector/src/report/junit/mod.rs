//! Renders reports as JUnit XML for CI systems: a `testsuite` for each node, a `testcase` for each image.
//!
//! | in JUnit | meaning |
//! |---|---|
//! | `testsuite` | a node; `name` and `package` are its name in the site file, `hostname` is its own |
//! | `testcase` of `classname` *node*/*repository*, `name` *reference*@*digest* | an image |
//! | `testcase` of `classname` *node*, `name` `visit`, `coverage`, `clean-up` | whether the node was verified, whether its agent saw everything, whether the node is as it was before |
//! | `failure` | failed; `type` is the reason's code, `message` what is wrong, the text all particulars, beginning with the node's name |
//! | `error` | inconclusive, not verified, not read, not cleaned up |
//! | `skipped` | the trust policy says level `skip` |
//! | no child | passed |
//!
//! `system-out` of a suite names what the writable layers of the node's containers hold, if that was asked for.
//!
//! In `classname` a point is written `%2E` and a percent sign `%25`.
//!
//! The properties of a suite are text, and are left out if they are empty: `format`, `run.id`,
//! `run.site`, `run.started`, `run.finished`, `run.verified_at`, `collector.version`, `node.outcome`, `node.address`, `node.os`,
//! `node.architecture`, `node.roles`, `node.machine_id`, `node.containerd`, `node.host_key`, `node.via`, `node.pod`, `node.pod_image`,
//! `node.attempts`,
//! `agent.version`, `agent.target`, `agent.sha256`, `asked.accept`, `asked.content`, `asked.images`, `asked.namespaces`,
//! `asked.at`, `inputs.store`, `inputs.trust_policy.sha256`,
//! `inputs.trust_store.certificates`, `inputs.crls`, `inputs.bundle.sha256` (one for each), `coverage.namespaces`,
//! `coverage.images`, `coverage.containers`. Times are RFC 3339; the attribute `timestamp` is UTC without a zone, because
//! the schema of Apache Ant forbids one.
//!
//! Every file is valid under the two published schemas, Jenkins' `junit-10.xsd` and the one of Apache Ant. They allow less than
//! most programs write: `testsuites` has no attributes, and a `testcase` has no properties or output.
//!
//! All text is cleaned ([`clean`]), and no file exceeds [`FILE_BYTES`]. A suite with nothing to show never passes: a node without
//! images has an `error`, and so has a site without nodes. If the site needs several files, the first one has a suite `site`,
//! whose only case is the site's verdict.

mod case;
mod suite;

use std::collections::HashSet;
use std::io;

use assay_judge::ci_commands;
use assay_report::{ExitCode, NodeRow, SiteRun};
use quick_junit::{Report, SerializeError, TestSuite};

use crate::clean;
use crate::report::folder::{Folder, ReportError, create, keep};

/// The bytes of a file that GitLab reads, 30 MB. Other systems read more.
pub(super) const FILE_BYTES: usize = 30_000_000;

/// Renders the suites of nodes, one after the other.
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

    /// The suite of the next node, usually in one part.
    ///
    /// # Errors
    /// If quick-junit refuses a text. It never refuses cleaned text.
    pub(super) fn node_suite(&mut self, node: &NodeRow) -> Result<Vec<String>, SerializeError> {
        let id = self.names.len();
        let name = self.name(node);
        let suite = suite::node_suite(self.run, self.collector, node, &name, id);
        parts(suite, self.most.saturating_sub(HEAD.len() + VERDICT + FOOT.len()))
    }

    /// The node's cleaned name, made unique: readers keep only the first of two cases with one name, which may be the passed one.
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

/// Writes suites to as many files as they need, usually one. The first is `stem`.xml, the next `stem`~2.xml, and so on.
pub(super) struct Files<'a, F: Folder> {
    folder: &'a F,
    stem: String,
    most: usize,
    first: Open<F::File>,
    /// The last file, if there are several.
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
    /// Begins the first file. No file will have more than `most` bytes.
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

    /// Ends the files. The first of several files, and a file without nodes, must not look passed on its own, so it ends with a
    /// suite of the verdict.
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

/// `suite` as XML, in parts of at most `most` bytes.
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

/// `suite` as XML without the element around it, to which quick-junit adds attributes that both schemas forbid.
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

/// Bytes reserved for the suite of the verdict.
const VERDICT: usize = 2_000;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n";
const FOOT: &str = "</testsuites>\n";

#[cfg(test)]
mod tests;
