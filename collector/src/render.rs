//! The site's reports as files, and the table for the terminal.

use assay_shared::report::SiteReport;

use crate::output::OutputError;

/// The files of a site report, by name.
///
/// # Errors
/// [`OutputError::Render`]
pub fn files(report: &SiteReport) -> Result<Vec<(String, Vec<u8>)>, OutputError> {
    let failed =
        |error: serde_json::Error| OutputError::Render { name: "report.json", reason: error.to_string() };
    Ok(vec![("report.json".to_owned(), serde_json::to_vec_pretty(report).map_err(failed)?)])
}

/// The table for the terminal.
pub fn table(report: &SiteReport) -> String {
    format!("{} nodes, {:?}\n", report.nodes.len(), report.verdict)
}
