//! Renders what a run found: JSON, JUnit, HTML, SARIF, OSCAL, CSV, Prometheus metrics, and text for the terminal.
//!
//! Rendering is pure: nodes are added one after the other, and the same report always gives the same bytes. A node is forgotten
//! once it is written; a [`SiteModel`] keeps what differs between nodes. Everything that a node, a registry or an operator wrote
//! is treated as hostile and goes through `clean` before it is shown; only JSON holds it unchanged. Nothing is
//! shown as passed unless it was verified: the report of a node whose visit failed is not shown at all.

mod custody;
pub mod difference;
pub mod discrepancy;
mod drift;
pub(crate) mod explanation;
mod exports;
mod folder;
mod html;
pub(crate) mod json;
mod junit;
pub mod terminal;
pub(crate) mod words;

mod expiry;
pub mod machines;
mod model;
pub(crate) mod names;
mod node_problems;
mod problems;
pub(crate) mod rows;
#[cfg(test)]
pub(crate) mod sample;
pub(crate) mod text;
mod verdict;

use std::collections::BTreeSet;
use std::io::Write as _;

use assay_report::{ExitCode, NodeRow, Selection, SiteInputs, SiteRun, SiteWaivers, Via};

use self::difference::Baseline;
use self::exports::{csv, metrics, oscal, sarif};
pub use self::folder::{Folder, ReportError};
use self::folder::{create, keep, write};
use self::machines::Machines;
pub use self::model::SiteModel;

/// Everything of a report that is known before its nodes.
pub struct ReportHeader {
    /// The run.
    pub run: SiteRun,
    /// The collector's version.
    pub collector: String,
    /// What was sent to the nodes.
    pub inputs: SiteInputs,
    /// What is accepted in place of an image's own signature; none if the run did not say.
    pub accept: Option<BTreeSet<Via>>,
    /// The machines of all rows.
    pub machines: Machines,
    /// The waivers to apply.
    pub waivers: Option<SiteWaivers>,
    /// An earlier run to compare with.
    pub baseline: Option<Baseline>,
    /// The nodes that the run was about, if not all of the site.
    pub selection: Option<Selection>,
}

/// Writes every file of a run's report, and returns the model of the site. `rows` are sorted by name; each is taken after the
/// one before it has been written.
///
/// | path | content |
/// |---|---|
/// | `report.json` | the site, for programs and for comparing two runs |
/// | `report.html` | the site, for people |
/// | `junit.xml` | the site, for CI; if it is too large for one file, `junit~2.xml` and so on follow |
/// | `junit/NODE.xml` | one node, for CI that shows each node separately |
/// | `nodes/NODE.json` | a node's own report |
/// | `report.sarif` | the problems, for tools that import SARIF 2.1.0 |
/// | `oscal-assessment-results.json` | the results for controls of NIST SP 800-53, for tools that import OSCAL |
/// | `report.csv` | a row for each image on each node, for spreadsheets and checklists |
/// | `metrics.prom` | counts and expiry times, for Prometheus |
///
/// NODE is the node's name. Everything except letters, digits, `-`, `_` and inner points is written as `%` and hex.
///
/// # Errors
/// [`ReportError`]
pub fn write_all<F: Folder>(
    folder: &F,
    head: ReportHeader,
    rows: impl IntoIterator<Item = NodeRow>,
) -> Result<SiteModel, ReportError> {
    let ReportHeader { run, collector, inputs, accept, machines, waivers, baseline, selection } = head;
    // Counts of earlier stages are ignored.
    let mut waivers = waivers.map(|given| SiteWaivers::new(given.sha256, given.judged_at, given.waivers));
    let mut site = SiteModel::new(run.clone(), collector.clone(), inputs, waivers.clone());
    site.selection = selection;
    site.accept = accept;
    let mut difference = baseline.map(difference::Comparison::new);
    let mut whole = {
        let file = create(folder, SITE)?;
        json::SiteWriter::begin(file, &site.without_nodes())
            .map_err(|error| ReportError::json(SITE, error))?
    };
    let mut table =
        csv::Table::begin(create(folder, TABLE)?).map_err(|source| ReportError::write(TABLE, source))?;
    let mut names = names::FileNames::default();
    let mut suites = junit::Suites::new(&run, &collector, junit::FILE_BYTES);
    let mut junit = junit::Files::begin(folder, "junit".into(), junit::FILE_BYTES)?;
    for mut row in rows {
        row.same_machine = machines.others(&row.name);
        if let Some(waivers) = &mut waivers {
            waivers.apply(&mut row);
        }
        let name = names.give(&row.name);
        whole.add(&row).map_err(|error| ReportError::json(SITE, error))?;
        if let Some(own) = row.accepted() {
            let path = format!("nodes/{name}.json");
            write(folder, &path, |file| {
                json::node(file, own).map_err(|error| ReportError::json(&path, error))
            })?;
        }
        let mut apart = junit::Files::begin(folder, format!("junit/{name}"), junit::FILE_BYTES)?;
        for suite in suites.node_suite(&row).map_err(ReportError::Junit)? {
            junit.add(&suite)?;
            apart.add(&suite)?;
        }
        apart.end(&run, row.verdict(), 1)?;
        table.add(&row).map_err(|source| ReportError::write(TABLE, source))?;
        if let Some(difference) = &mut difference {
            difference.add(&row);
        }
        site.add(row, name);
    }
    if run.left.is_some() {
        site.verdict = site.verdict.max(ExitCode::Incomplete);
    }
    site.waivers = waivers;
    site.difference = difference.map(difference::Comparison::end);
    junit.end(&run, site.verdict, site.nodes.len())?;
    let file = whole.end(&site.without_nodes()).map_err(|error| ReportError::json(SITE, error))?;
    keep(folder, SITE, file)?;
    keep(folder, TABLE, table.end().map_err(|source| ReportError::write(TABLE, source))?)?;
    write(folder, "report.html", |file| {
        let page = html::render(&site).map_err(ReportError::Html)?;
        file.write_all(page.as_bytes()).map_err(|source| ReportError::write("report.html", source))
    })?;
    write(folder, "report.sarif", |file| {
        sarif::write(file, &site).map_err(|error| ReportError::json("report.sarif", error))
    })?;
    write(folder, OSCAL, |file| oscal::write(file, &site).map_err(|error| ReportError::json(OSCAL, error)))?;
    write(folder, "metrics.prom", |file| {
        file.write_all(metrics::render(&site).as_bytes())
            .map_err(|source| ReportError::write("metrics.prom", source))
    })?;
    Ok(site)
}

const SITE: &str = "report.json";
const TABLE: &str = "report.csv";
const OSCAL: &str = "oscal-assessment-results.json";

#[cfg(test)]
mod tests;
