//! Reads the text of `kubectl get nodes -o wide`: a header, then a row for each node. A file may contain the lists of several
//! clusters, each with its own header. Columns are found by the position of the header's words, because cells may contain blanks
//! (`Windows Server 2022 Datacenter`) and there may be more columns (`-L`).

use std::collections::BTreeSet;

use super::error::{NodeListError, NodeListProblem};
use super::node::{ClusterNode, ListedNode};
use crate::nodes::platform::Os;

pub(super) fn read(text: &str) -> Result<Vec<ClusterNode>, NodeListError> {
    let mut header: Option<Header> = None;
    let mut nodes = Vec::new();
    let mut seen = BTreeSet::new();
    for (line, row) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let at = |problem| NodeListError { line, problem, quoted: Some(quoted(row)) };
        match &header {
            Some(header) if !Header::begins(row) => nodes.push(header.node(row, &mut seen).map_err(at)?),
            _ => header = Some(Header::read(row).map_err(at)?),
        }
    }
    match header {
        Some(_) => Ok(nodes),
        None => Err(NodeListError { line: 1, problem: NodeListProblem::NoHeader, quoted: None }),
    }
}

/// Letters of a refused line that its error shows.
const QUOTED: usize = 120;

fn quoted(row: &str) -> String {
    let mut quoted = row.trim_end().to_owned();
    if let Some((end, _)) = quoted.char_indices().nth(QUOTED) {
        quoted.truncate(end);
        quoted.push('…');
    }
    quoted
}

/// Where each column begins, in letters.
struct Header(Vec<(String, usize)>);

impl Header {
    /// Whether a line is a header: Kubernetes allows no capital letters in the names of nodes.
    fn begins(line: &str) -> bool {
        line.split_whitespace().next() == Some("NAME")
    }

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

    fn node(&self, row: &str, seen: &mut BTreeSet<String>) -> Result<ClusterNode, NodeListProblem> {
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
        let said = ListedNode {
            // kubectl writes node/NAME if it lists several kinds of objects, or with --show-kind
            name: cell("NAME").map(|name| name.strip_prefix("node/").unwrap_or(name)).unwrap_or_default(),
            uid: None,
            addresses: ["INTERNAL-IP", "EXTERNAL-IP"].into_iter().filter_map(cell).collect(),
            os: cell("OS-IMAGE").map(|image| if image.contains("Windows") { Os::Windows } else { Os::Linux }),
            roles: cell("ROLES").map(|roles| roles.split(',').collect()).unwrap_or_default(),
            remarks,
        };
        Ok(said.check(seen)?)
    }
}
