//! Exports the report as a table (RFC 4180) for spreadsheets and checklists: a row for each image on each node, and a row for each
//! node without images.
//!
//! `finding` uses the terms of DISA's checklists: `open` for an image that failed, waived or not; `not_a_finding` for an image that
//! passed; `not_reviewed` for everything else, including nodes that were not verified.

use std::io;

use assay_judge::ci_commands;
use assay_report::{Image, Namespace, NodeRow, Reason};

use crate::clean;
use crate::report::{names, words};

/// The columns, in order.
const COLUMNS: [&str; 14] = [
    "node",
    "address",
    "outcome",
    "namespace",
    "image",
    "digest",
    "status",
    "finding",
    "waived",
    "reason",
    "codes",
    "message",
    "signer",
    "verified_at",
];

/// A table that is being written.
pub(crate) struct Table<W: io::Write>(csv::Writer<W>);

impl<W: io::Write> Table<W> {
    /// Begins the table.
    ///
    /// # Errors
    /// If `out` cannot be written to.
    pub(crate) fn begin(out: W) -> io::Result<Self> {
        let mut table = Self(csv::Writer::from_writer(out));
        table.0.write_record(COLUMNS)?;
        Ok(table)
    }

    /// Adds a node, to which waivers have been applied.
    ///
    /// # Errors
    /// If the file cannot be written to.
    pub(crate) fn add(&mut self, node: &NodeRow) -> io::Result<()> {
        let images = node.accepted().map_or(&[][..], |own| &own.images);
        if images.is_empty() {
            return self.row(node, None);
        }
        images.iter().try_for_each(|image| self.row(node, Some(image)))
    }

    /// Ends the table.
    ///
    /// # Errors
    /// If the file cannot be written to.
    pub(crate) fn end(self) -> io::Result<W> {
        self.0.into_inner().map_err(csv::IntoInnerError::into_error)
    }

    fn row(&mut self, node: &NodeRow, image: Option<&Image>) -> io::Result<()> {
        let cell = |text: fn(&Image) -> String| image.map(text).unwrap_or_default();
        let verified_at = node.accepted().map(|own| own.run.verified_at.to_string());
        let waived = image.and_then(|image| node.waiver(image)).map(|waiver| clean::name(&waiver.approver));
        let message = match image {
            Some(image) => image.message.as_deref(),
            None => node.message.as_deref(),
        };
        let cells: [String; COLUMNS.len()] = [
            clean::name(&node.name),
            node.address.as_deref().map(clean::name).unwrap_or_default(),
            node.outcome.as_str().to_owned(),
            cell(|image| clean::name(Namespace::text(image.namespace.as_ref()))),
            cell(|image| clean::name(names::reference(image))),
            cell(|image| image.digest.to_string()),
            cell(|image| words::status(image.status).to_owned()),
            image.map_or(words::NOT_REVIEWED, |image| words::checklist_status(image.status)).to_owned(),
            waived.unwrap_or_default(),
            cell(|image| image.reason.map_or("", Reason::as_str).to_owned()),
            cell(|image| words::codes(image).join(" ")),
            message.map(clean::message).unwrap_or_default(),
            cell(|image| {
                let signer = image.signatures.iter().find_map(|signature| signature.signer.as_deref());
                signer.map(clean::name).unwrap_or_default()
            }),
            verified_at.unwrap_or_default(),
        ];
        self.0.write_record(cells.iter().map(|cell| plain(cell)))?;
        Ok(())
    }
}

/// A cell that is neither a formula to a spreadsheet nor a command to a CI system. Formulas begin with one of these letters.
fn plain(cell: &str) -> String {
    let cell = ci_commands::escape(cell);
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell.into_owned() }
}

#[cfg(test)]
mod tests {
    use assay_report::{Outcome, SiteReport};

    use super::*;
    use crate::report::sample;

    fn read(report: &SiteReport) -> Vec<Vec<String>> {
        let mut table = Table::begin(Vec::new()).unwrap();
        report.nodes.iter().for_each(|node| table.add(node).unwrap());
        let bytes = table.end().unwrap();
        let mut reader = csv::Reader::from_reader(&bytes[..]);
        assert_eq!(reader.headers().unwrap(), &COLUMNS[..]);
        reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn has_a_row_for_each_image_and_satisfies_only_what_was_verified() {
        for report in [sample::site(), sample::waived(), sample::every_outcome(), sample::hostile()] {
            let rows = read(&report);
            let images = |node: &NodeRow| node.accepted().map_or(1, |own| own.images.len().max(1));
            assert_eq!(rows.len(), report.nodes.iter().map(images).sum::<usize>());
            for row in &rows {
                let expected = match row[6].as_str() {
                    "failed" => "open",
                    "passed" => "not_a_finding",
                    _ => "not_reviewed",
                };
                assert_eq!(row[7], expected);
                assert!(row[2] == Outcome::Verified.as_str() || row[7] == "not_reviewed");
                assert!(row.iter().all(|cell| !cell.starts_with(['=', '+', '-', '@'])));
            }
        }
        let rows = read(&sample::waived());
        assert!(rows.iter().any(|row| row[7] == "open" && row[8].starts_with("J. Doe")));
    }

    #[test]
    fn cells_are_not_formulas() {
        assert_eq!(plain("=1+1"), "'=1+1");
        assert_eq!(plain("@SUM(A1)"), "'@SUM(A1)");
        assert_eq!(plain("registry.example.test/a"), "registry.example.test/a");
    }
}
