//! The text of `kubectl get nodes -o wide`: a header, then a row a node. Columns are found by where the header's words stand,
//! since cells have blanks in them (`Windows Server 2022 Datacenter`) and more columns may be there (`-L`).

use std::collections::BTreeSet;

use super::{Found, NodeListError, NodeListProblem, Said};
use crate::nodes::Os;

pub(super) fn read(text: &str) -> Result<Vec<Found>, NodeListError> {
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let (line, header) = lines.next().unwrap_or((1, ""));
    let header = Header::read(header).map_err(|problem| NodeListError { line, problem })?;
    let mut seen = BTreeSet::new();
    lines
        .map(|(line, row)| header.node(row, &mut seen).map_err(|problem| NodeListError { line, problem }))
        .collect()
}

/// Where each column begins, in letters.
struct Header(Vec<(String, usize)>);

impl Header {
    fn read(line: &str) -> Result<Self, NodeListProblem> {
        let mut columns: Vec<(String, usize)> = Vec::new();
        let mut before = ' ';
        for (at, c) in line.chars().enumerate() {
            match columns.last_mut() {
                _ if c == ' ' || c == '\r' => {}
                Some((word, _)) if before != ' ' => word.push(c),
                _ => columns.push((c.into(), at)),
            }
            before = c;
        }
        match columns.first() {
            Some((word, 0)) if word == "NAME" => {}
            _ => return Err(NodeListProblem::NoHeader),
        }
        for needed in ["ROLES", "INTERNAL-IP", "OS-IMAGE"] {
            if !columns.iter().any(|(word, _)| word == needed) {
                return Err(NodeListProblem::NoColumn(needed));
            }
        }
        Ok(Self(columns))
    }

    /// A row's cells, by column.
    fn cells<'a>(&self, row: &'a str) -> Option<Vec<(&str, &'a str)>> {
        let mut cells = Vec::new();
        let mut rest = row;
        for (number, (word, from)) in self.0.iter().enumerate() {
            let cell = match self.0.get(number + 1) {
                Some((_, next)) => {
                    let width = next.checked_sub(*from)?;
                    let end = rest.char_indices().nth(width).map_or(rest.len(), |(at, _)| at);
                    let (cell, after) = rest.split_at_checked(end)?;
                    // Cells are filled up to the next column, so a letter before it belongs to neither.
                    if !after.is_empty() && !cell.ends_with(' ') {
                        return None;
                    }
                    rest = after;
                    cell
                }
                None => rest,
            };
            cells.push((word.as_str(), cell.trim_end()));
        }
        // A cell begins where its column does.
        cells.iter().all(|(_, cell)| !cell.starts_with([' ', '\t'])).then_some(cells)
    }

    fn node(&self, row: &str, seen: &mut BTreeSet<String>) -> Result<Found, NodeListProblem> {
        let cells = self.cells(row).ok_or(NodeListProblem::Columns)?;
        let cell = |name: &str| {
            let found = cells.iter().find(|(word, _)| *word == name).map(|(_, cell)| *cell);
            found.filter(|cell| !matches!(*cell, "" | "<none>" | "<unknown>"))
        };
        let status = cell("STATUS").unwrap_or_default();
        let remarks = if status.split(',').any(|word| word == "NotReady") {
            vec!["NotReady".to_owned()]
        } else {
            Vec::new()
        };
        let said = Said {
            name: cell("NAME").unwrap_or_default(),
            addresses: ["INTERNAL-IP", "EXTERNAL-IP"].into_iter().filter_map(cell).collect(),
            os: cell("OS-IMAGE").map(|image| if image.contains("Windows") { Os::Windows } else { Os::Linux }),
            roles: cell("ROLES").map(|roles| roles.split(',').collect()).unwrap_or_default(),
            remarks,
        };
        Ok(said.check(seen)?)
    }
}
