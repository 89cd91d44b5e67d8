//! Draws the site: a row for each image, a column for each node.
//!
//! A small site is a table with a symbol and a word in each cell. A large one is a drawing: passed images are a thin band, and
//! problems stand out in height as well as in colour, have a tooltip and link to their image. Neither needs a script.

use assay_report::Outcome;

use super::images::ImageEntry;
use super::mark::{Icon, Mark};
use super::node_list::NodeNames;
use crate::report::explanation;
use crate::report::model::{SiteModel, SiteNode};
use crate::report::text::{count, number};

/// Columns of a table that fit on a screen and on a sheet of paper.
const TABLE_COLUMNS: usize = 24;

/// Rows of either, fewer than there are details to link to. Images with problems come first.
const ROWS: usize = 1_000;

/// Cells of a drawing with a tooltip and a link of their own; further ones are only drawn.
const MARKED: usize = 3_000;

/// The width of a drawing, in units of the page, if its columns allow it.
const WIDTH: usize = 1_150;

/// The part of the width for the names of groups.
const GUTTER: usize = 150;

/// Letters of a group's name that fit there.
const LABEL: usize = 24;

/// The picture.
pub(super) enum Picture {
    /// There is nothing to show.
    None,
    /// A table.
    Table(Table),
    /// A drawing.
    Drawing(Drawing),
}

/// A table of symbols.
pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    pub(super) groups: Vec<Group>,
    /// Images that have no row.
    pub(super) omitted: usize,
}

/// A node.
pub(super) struct Column {
    pub(super) name: String,
    /// Why it has no symbols.
    pub(super) outcome: Option<&'static str>,
}

/// Images whose repositories lie side by side.
pub(super) struct Group {
    /// What their repositories have in common, such as `registry.example.test/team`.
    pub(super) parent: String,
    pub(super) rows: Vec<Row>,
}

/// An image.
pub(super) struct Row {
    pub(super) id: String,
    /// Its name within the group, such as `app:v1`.
    pub(super) name: String,
    pub(super) cells: Vec<Cell>,
}

/// An image on a node.
pub(super) struct Cell {
    pub(super) class: &'static str,
    pub(super) icon: Option<Icon>,
    /// The cell's word, for screen readers.
    pub(super) word: &'static str,
}

/// A drawing, in units of the page.
pub(super) struct Drawing {
    pub(super) width: usize,
    pub(super) height: usize,
    /// The whole drawing in words.
    pub(super) label: String,
    /// The names of groups that are high enough for one, each with its height.
    pub(super) labels: Vec<(usize, String)>,
    /// Where the names end and the columns begin.
    pub(super) gutter: usize,
    /// Class and outline of everything without a tooltip.
    pub(super) outlines: Vec<(&'static str, String)>,
    /// Rows, nodes that were not verified, and cells that did not pass, in drawing order.
    pub(super) areas: Vec<Area>,
    pub(super) omitted: usize,
}

/// A part of a drawing with a tooltip.
pub(super) struct Area {
    pub(super) class: &'static str,
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) title: String,
    /// The anchor that it links to.
    pub(super) href: Option<String>,
}

/// Draws the site.
pub(super) fn draw(report: &SiteModel, nodes: &NodeNames, entries: &[ImageEntry<'_>]) -> Picture {
    if entries.is_empty() {
        return Picture::None;
    }
    // images with problems come first in `entries`, so they stay
    let mut chosen: Vec<&ImageEntry<'_>> = entries.iter().take(ROWS).collect();
    let omitted = entries.len() - chosen.len();
    chosen.sort_by(|one, other| order(one).cmp(&order(other)));
    if report.nodes.len() <= TABLE_COLUMNS {
        Picture::Table(table(report, nodes, &chosen, omitted))
    } else {
        Picture::Drawing(drawing(report, nodes, &chosen, omitted))
    }
}

/// By group, then by name.
fn order<'a>(entry: &'a ImageEntry<'_>) -> (&'a str, &'a str, &'a str) {
    let (parent, name) = entry.name.rsplit_once('/').unwrap_or(("", &entry.name));
    (parent, name, &entry.id)
}

fn unverified(node: &SiteNode) -> Option<&'static str> {
    (node.row.outcome != Outcome::Verified).then(|| explanation::outcome(node.row.outcome).title)
}

fn table(report: &SiteModel, nodes: &NodeNames, chosen: &[&ImageEntry<'_>], omitted: usize) -> Table {
    let columns: Vec<Column> = report
        .nodes
        .iter()
        .enumerate()
        .map(|(at, node)| Column { name: nodes.name(at).to_owned(), outcome: unverified(node) })
        .collect();
    let mut groups: Vec<Group> = Vec::new();
    for entry in chosen {
        let cells =
            columns.iter().enumerate().map(|(at, column)| match (column.outcome, entry.cells.get(&at)) {
                (Some(_), _) => Cell { class: "unverified", icon: None, word: "not verified" },
                (None, None) => Cell { class: "absent", icon: None, word: "not on this node" },
                (None, Some(mark)) => {
                    Cell { class: mark.class(), icon: Some(mark.icon()), word: mark.word() }
                }
            });
        let (parent, name) = entry.name.rsplit_once('/').unwrap_or(("", &entry.name));
        let row = Row { id: entry.id.clone(), name: name.to_owned(), cells: cells.collect() };
        match groups.last_mut() {
            Some(group) if group.parent == parent => group.rows.push(row),
            _ => groups.push(Group { parent: parent.to_owned(), rows: vec![row] }),
        }
    }
    Table { columns, groups, omitted }
}

fn drawing(report: &SiteModel, nodes: &NodeNames, chosen: &[&ImageEntry<'_>], omitted: usize) -> Drawing {
    let columns = report.nodes.len();
    let wide = ((WIDTH - GUTTER) / columns).clamp(2, 14);
    let high = (600 / chosen.len()).clamp(6, 14);
    let (width, height) = (GUTTER + columns * wide, chosen.len() * high);
    let left = |at: usize| GUTTER + at * wide;
    let mut areas = Vec::new();
    for (at, node) in report.nodes.iter().enumerate() {
        if let Some(outcome) = unverified(node) {
            let title = format!("{}: {outcome}", nodes.name(at));
            areas.push(Area {
                class: "unverified",
                x: left(at),
                y: 0,
                width: wide,
                height,
                title,
                href: None,
            });
        }
    }
    let mut outlines: [(Mark, String); 5] =
        [Mark::Passed, Mark::Skipped, Mark::Waived, Mark::Inconclusive, Mark::Failed]
            .map(|mark| (mark, String::new()));
    let mut marked = Vec::new();
    for (row, entry) in chosen.iter().enumerate() {
        let y = row * high;
        let title =
            format!("{}: on {}, worst {}", entry.name, count(entry.cells.len(), "node"), entry.mark.word());
        let href = Some(entry.id.clone());
        areas.push(Area { class: "row", x: 0, y, width, height: high, title, href });
        for (first, last, mark) in runs(entry) {
            if matches!(mark, Mark::Failed | Mark::Inconclusive) && marked.len() + (last - first) < MARKED {
                for at in first..=last {
                    let title = format!("{} on {}: {}", entry.name, nodes.name(at), mark.word());
                    // a column of two units is too narrow to click
                    let (x, width) = if wide < 4 { (left(at) - 1, wide + 2) } else { (left(at), wide) };
                    let href = Some(entry.id.clone());
                    marked.push(Area { class: mark.class(), x, y, width, height: high, title, href });
                }
                continue;
            }
            let (top, band) = match mark {
                Mark::Failed => (0, high),
                Mark::Inconclusive => (high / 4, high - high / 4),
                Mark::Skipped | Mark::NotRun => (high / 2, 1),
                Mark::Waived => (high / 2 - 1, 3),
                Mark::Passed => (high / 4, high / 2),
            };
            if let Some((_, outline)) = outlines.iter_mut().find(|(known, _)| *known == mark) {
                let (x, length) = (left(first), (last - first + 1) * wide);
                outline.push_str(&format!("M{x} {}h{length}v{band}h-{length}z", y + top));
            }
        }
    }
    areas.append(&mut marked);
    let outlines = outlines.into_iter().filter(|(_, outline)| !outline.is_empty());
    Drawing {
        width,
        height,
        label: label(report, chosen),
        labels: labels(chosen, high),
        gutter: GUTTER,
        outlines: outlines.map(|(mark, outline)| (mark.class(), outline)).collect(),
        areas,
        omitted,
    }
}

/// The names of groups, at the foot of their first row if the previous name leaves room.
fn labels(chosen: &[&ImageEntry<'_>], high: usize) -> Vec<(usize, String)> {
    let mut labels: Vec<(usize, String)> = Vec::new();
    let mut last: Option<(&str, usize)> = None;
    for (row, entry) in chosen.iter().enumerate() {
        let (parent, _, _) = order(entry);
        let y = row * high + high.max(9);
        let (known, room) = last.map_or((None, true), |(known, at)| (Some(known), y >= at + 11));
        if known == Some(parent) || !room {
            continue;
        }
        last = Some((parent, y));
        let short: String = parent.rsplit('/').next().unwrap_or(parent).chars().take(LABEL).collect();
        labels.push((y, short));
    }
    labels
}

/// Runs of neighbouring nodes with the same result of an image: first, last, mark.
fn runs(entry: &ImageEntry<'_>) -> Vec<(usize, usize, Mark)> {
    let mut runs: Vec<(usize, usize, Mark)> = Vec::new();
    for (node, mark) in &entry.cells {
        match runs.last_mut() {
            Some((_, last, known)) if *last + 1 == *node && known == mark => *last = *node,
            _ => runs.push((*node, *node, *mark)),
        }
    }
    runs
}

fn label(report: &SiteModel, chosen: &[&ImageEntry<'_>]) -> String {
    let affected = |mark: Mark| number(chosen.iter().filter(|entry| entry.mark == mark).count() as u64);
    format!(
        "{} on {}: {} failed somewhere, {} inconclusive somewhere, {} passed wherever they are",
        count(chosen.len(), "image"),
        count(report.nodes.len(), "node"),
        affected(Mark::Failed),
        affected(Mark::Inconclusive),
        affected(Mark::Passed),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::html::images;
    use crate::report::sample;

    #[test]
    fn a_small_site_is_a_table_that_shows_every_cell() {
        let report = SiteModel::from(&sample::site());
        let (nodes, entries) = (NodeNames::new(&report.nodes), images::entries(&report));
        let Picture::Table(table) = draw(&report, &nodes, &entries) else { panic!("not a table") };
        let cells = table.groups.iter().flat_map(|group| &group.rows).flat_map(|row| &row.cells);
        let shown = cells.filter(|cell| cell.icon.is_some()).count();
        assert_eq!(shown, entries.iter().map(|entry| entry.cells.len()).sum::<usize>());
    }

    #[test]
    fn a_large_site_is_a_drawing_with_a_tooltip_for_every_problem() {
        let report = SiteModel::from(&sample::large(120, 90));
        let (nodes, entries) = (NodeNames::new(&report.nodes), images::entries(&report));
        let Picture::Drawing(drawing) = draw(&report, &nodes, &entries) else { panic!("not a drawing") };
        let count = |class: &str| drawing.areas.iter().filter(|area| area.class == class).count();
        let failed =
            entries.iter().flat_map(|entry| entry.cells.values()).filter(|mark| **mark == Mark::Failed);
        assert_eq!(count("failed"), failed.count());
        assert_eq!(count("row"), entries.len());
        assert_eq!(
            count("unverified"),
            report.nodes.iter().filter(|node| unverified(node).is_some()).count()
        );
        assert!(drawing.areas.iter().all(|area| area.x + area.width <= drawing.width + 1));
    }

    #[test]
    fn runs_join_neighbours_that_came_to_the_same() {
        let report = SiteModel::from(&sample::large(120, 90));
        let entries = images::entries(&report);
        let cells: usize = entries.iter().map(|entry| entry.cells.len()).sum();
        let joined: usize = entries.iter().map(|entry| runs(entry).len()).sum();
        assert!(joined * 2 < cells, "{joined} of {cells}");
        assert_eq!(
            entries.iter().flat_map(runs).map(|(first, last, _)| last - first + 1).sum::<usize>(),
            cells
        );
    }
}
