//! What a run found, as files and text: JSON, JUnit, HTML, a table for the terminal.
//!
//! Pure: a [`SiteReport`] goes in, bytes come out, and the same report gives the same bytes. Whatever a node, a registry or
//! an operator wrote is taken for hostile and goes through [`clean`] before it is shown; JSON alone holds it as it is.
//! Nothing is shown as passed that was not verified: a report from a node whose visit did not end well is not shown at all.

pub mod clean;
pub mod html;
pub mod json;
pub mod junit;
pub mod words;

mod findings;
mod names;
mod problems;
#[cfg(test)]
mod sample;

use assay_shared::report::SiteReport;

/// Every file of the report of a run, one after the other: a path below the run's folder, with `/`, and its bytes.
///
/// | path | what |
/// |---|---|
/// | `report.json` | the site, for programs and for comparing two runs |
/// | `report.html` | the site, for people |
/// | `junit.xml` | the site, for CI; where it is too large for one file, `junit~2.xml` and so on beside it |
/// | `junit/NODE.xml` | one node, for CI that shows nodes apart |
/// | `nodes/NODE.json` | a node's own report |
///
/// A file is made when it is asked for, so that not all are in memory at once. NODE is the node's name, with everything
/// that is not a letter, a digit, `-`, `_` or an inner point written as `%` and hex.
pub fn write_all(report: &SiteReport) -> impl Iterator<Item = Result<(String, Vec<u8>), ReportError>> + '_ {
    let mut names = names::FileNames::default();
    let nodes: Vec<String> = report.nodes.iter().map(|node| names.give(&node.name)).collect();
    let own = report.nodes.iter().zip(nodes.clone()).filter_map(|(node, name)| {
        let own = node.accepted()?;
        Some(json::node(own).map(|bytes| (format!("nodes/{name}.json"), bytes)).map_err(ReportError::Json))
    });
    let suites = report
        .nodes
        .iter()
        .zip(nodes)
        .flat_map(move |(node, name)| files(junit::node(report, node, &format!("junit/{name}"))));
    std::iter::once_with(move || {
        json::site(report).map(|bytes| ("report.json".into(), bytes)).map_err(ReportError::Json)
    })
    .chain(std::iter::once_with(move || {
        html::site(report).map(|page| ("report.html".into(), page.into_bytes())).map_err(ReportError::Html)
    }))
    .chain(std::iter::once_with(move || files(junit::site(report, "junit"))).flatten())
    .chain(suites)
    .chain(own)
}

type Junit = Result<Vec<(String, String)>, quick_junit::SerializeError>;

fn files(made: Junit) -> Vec<Result<(String, Vec<u8>), ReportError>> {
    match made {
        Ok(files) => files.into_iter().map(|(name, text)| Ok((name, text.into_bytes()))).collect(),
        Err(error) => vec![Err(ReportError::Junit(error))],
    }
}

/// Why a report could not be written. None of these is known to happen.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A value that JSON cannot hold.
    #[error("the report cannot be written as JSON")]
    Json(#[source] serde_json::Error),
    /// Text that XML cannot hold.
    #[error("the report cannot be written as JUnit XML")]
    Junit(#[source] quick_junit::SerializeError),
    /// The template did not render.
    #[error("the report cannot be written as HTML")]
    Html(#[source] askama::Error),
}
