//! Renders a report for the terminal: the verdict, a table of the nodes, the problems and what to do.
//!
//! Everything is said in words; colour only repeats it. A large site is cut, with a count of what was left out; the other reports
//! have everything. All escape sequences come from this module: text of nodes has been cleaned of them (`clean`).

use std::ffi::OsStr;

use assay_report::{ExitCode, Summary};
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

use super::difference::{Difference, NodeChange};
use super::model::{SiteModel, SiteNode};
use super::problems::{self, Problem};
use super::text::count;
use super::{drift, names, text, verdict, words};
use crate::clean;

/// A site of up to this many nodes is listed in full; of a larger one, only the nodes with problems.
const ALL_NODES: usize = 40;

/// Nodes with problems that are listed.
const NODES: usize = 100;

/// Cases of one reason that are listed.
const CASES: usize = 12;

/// Node names of one case that are listed.
const NAMES: usize = 6;

/// Columns, unless the terminal says how many it has.
const WIDTH: u16 = 100;

/// Narrower text cannot be read.
const NARROWEST: u16 = 20;

/// A narrower table of seven columns cannot be read.
const NARROWEST_TABLE: u16 = 60;

/// The width and the colours of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Columns.
    pub width: u16,
    /// Whether colour is wanted.
    pub colour: bool,
}

impl Look {
    /// Uses colour only on a terminal, and only if the variable `NO_COLOR` is empty (no-color.org). The width is the terminal's,
    /// within limits.
    pub fn new(is_terminal: bool, no_color: Option<&OsStr>, columns: Option<u16>) -> Self {
        let colour = is_terminal && no_color.is_none_or(OsStr::is_empty);
        Self { width: columns.filter(|_| is_terminal).unwrap_or(WIDTH).clamp(NARROWEST, 200), colour }
    }

    pub(crate) fn paint(self, verdict: ExitCode, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let colour = match verdict {
            ExitCode::Passed => 32,
            ExitCode::Failed => 31,
            ExitCode::Incomplete | ExitCode::Usage => 33,
        };
        format!("\u{1b}[1;{colour}m{text}\u{1b}[0m")
    }
}

/// The report of the site.
pub fn render(report: &SiteModel, look: Look) -> String {
    let mut out = String::new();
    out.push_str(&look.paint(report.verdict, verdict::word(report.verdict)));
    out.push('\n');
    for sentence in verdict::sentences(report) {
        wrap(&mut out, 2, &sentence, look);
    }
    out.push('\n');
    out.push_str(&nodes(report, look));
    for problem in problems::by_reason(report) {
        out.push('\n');
        out.push_str(&one_problem(report, &problem, look));
    }
    out.push_str(&drifted(report, look));
    if let Some(difference) = &report.difference {
        out.push('\n');
        out.push_str(&changes(report, difference, look));
    }
    out.push_str(&waivers(report, look));
    let run = &report.run;
    let (id, took) = (clean::name(&run.id), text::duration(run.started, run.finished));
    let site = run.site.as_deref().map(|name| format!("{}: ", clean::line(name, 60))).unwrap_or_default();
    out.push('\n');
    wrap(&mut out, 0, &format!("{site}Run {id}, {}, {took}", text::time(run.started)), look);
    // not every terminal has the narrow space that groups digits
    out.replace('\u{202f}', " ")
}

fn nodes(report: &SiteModel, look: Look) -> String {
    let mut table = table(look);
    table.set_header(["NODE", "VISIT", "PASSED", "FAILED", "INCONCL.", "SKIPPED", "CLEAN-UP"]);
    for column in 2..6 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let all = report.nodes.len() <= ALL_NODES;
    let chosen = report.nodes.iter().filter(|node| all || node.verdict != ExitCode::Passed).take(NODES);
    let (mut shown, mut lines) = (0, String::new());
    for node in chosen {
        shown += 1;
        let number =
            |pick: fn(Summary) -> u64| node.images.map_or_else(|| "-".into(), |own| pick(own).to_string());
        if look.width < NARROWEST_TABLE {
            wrap(&mut lines, 0, &in_a_line(node), look);
            continue;
        }
        table.add_row([
            Cell::new(clean::line(&node.row.name, 60)),
            Cell::new(node.row.outcome.as_str()),
            Cell::new(number(|own| own.passed)),
            Cell::new(number(|own| own.failed)),
            Cell::new(number(|own| own.inconclusive)),
            Cell::new(number(|own| own.skipped)),
            Cell::new(words::clean_up(node.row.clean_up.result)),
        ]);
    }
    if shown == 0 {
        return format!("{} in order\n", count(report.nodes.len(), "node"));
    }
    let mut text = if lines.is_empty() { format!("{}\n", table.trim_fmt()) } else { lines };
    let bad = report.nodes.iter().filter(|node| node.verdict != ExitCode::Passed).count();
    if !all {
        if bad < report.nodes.len() {
            text.push_str(&format!("and {} in order\n", count(report.nodes.len() - bad, "node")));
        }
        if bad > shown {
            text.push_str(&format!("and {} more not in order\n", bad - shown));
        }
    }
    text
}

fn one_problem(report: &SiteModel, problem: &Problem<'_>, look: Look) -> String {
    let (images, on_nodes) = problem.extent();
    let on = count(on_nodes, "node");
    let extent = if images == 0 { on } else { format!("{} on {on}", count(images, "image")) };
    let mut out = String::new();
    wrap(&mut out, 0, &format!("{} [{}], {extent}", problem.explanation.title, problem.code), look);
    // titles are short, so they are not wrapped
    out =
        out.replacen(problem.explanation.title, &look.paint(problem.severity, problem.explanation.title), 1);
    for case in problem.cases.iter().take(CASES) {
        let nodes = node_names(report, &case.nodes);
        let subject = match case.image {
            Some(image) => format!("{}  {}  on {nodes}", names::short(image), names::short_digest(image)),
            None => nodes,
        };
        wrap(&mut out, 2, &subject, look);
        wrap(&mut out, 6, &case.message, look);
        for particular in case.particulars.iter().take(CASES).filter(|line| **line != case.message) {
            wrap(&mut out, 6, particular, look);
        }
        if case.hint != problem.explanation.todo {
            wrap(&mut out, 6, &format!("hint: {}", case.hint), look);
        }
    }
    let more = problem.cases.len().saturating_sub(CASES);
    if more > 0 {
        wrap(&mut out, 2, &format!("and {more} more"), look);
    }
    if let Some(todo) = problem.todo {
        wrap(&mut out, 2, &format!("What to do: {todo}"), look);
    }
    out
}

/// The images whose containers are not clean, if writable layers were looked at, each with its containers; empty if there are none.
fn drifted(report: &SiteModel, look: Look) -> String {
    let mut out = String::new();
    let told = report.results.iter().filter(|judged| drift::worth_telling(&judged.image).next().is_some());
    let (mut shown, mut more) = (0, 0);
    for judged in told {
        if shown == CASES {
            more += 1;
            continue;
        }
        shown += 1;
        let (image, nodes) = (&judged.image, node_names(report, &judged.nodes));
        let subject = format!("{}  {}  on {nodes}", names::short(image), names::short_digest(image));
        wrap(&mut out, 2, &subject, look);
        let containers = drift::containers(image);
        for container in containers.iter().take(NAMES) {
            wrap(&mut out, 6, &container.summary, look);
            for line in container.files.iter().take(NAMES).chain(container.mounts.iter().take(NAMES)) {
                wrap(&mut out, 8, line, look);
            }
        }
        if containers.len() > NAMES {
            wrap(&mut out, 6, &format!("and {}", count(containers.len() - NAMES, "more container")), look);
        }
    }
    if more > 0 {
        wrap(&mut out, 2, &format!("and {}", count(more, "more image")), look);
    }
    if out.is_empty() {
        return out;
    }
    let mut heading = "\n".to_owned();
    wrap(&mut heading, 0, "What containers wrote, and what is mounted over their images", look);
    heading + &out
}

/// What changed since an earlier run: counts, and the names of what became worse.
fn changes(report: &SiteModel, difference: &Difference, look: Look) -> String {
    let mut out = String::new();
    wrap(&mut out, 0, &difference.sentence(), look);
    let worse: Vec<_> = difference.images.iter().filter(|change| change.is_worse()).collect();
    for change in worse.iter().take(CASES) {
        let (kind, on) = (change.kind.word(), node_names(report, &change.nodes));
        wrap(&mut out, 2, &format!("{kind}: {}  {}  on {on}", change.name, change.standing()), look);
    }
    if worse.len() > CASES {
        wrap(&mut out, 2, &format!("and {} more", worse.len() - CASES), look);
    }
    for change in difference.nodes.iter().take(CASES) {
        let name = match change {
            NodeChange::Lost(at) | NodeChange::Verified(at) | NodeChange::New(at) => {
                node_names(report, &[*at])
            }
            NodeChange::Gone(name) => name.clone(),
        };
        wrap(&mut out, 2, &format!("node {}: {name}", change.word()), look);
    }
    if difference.nodes.len() > CASES {
        wrap(&mut out, 2, &format!("and {}", count(difference.nodes.len() - CASES, "more node")), look);
    }
    out
}

/// The waivers, each with its approver, reason and end; empty if there are none.
fn waivers(report: &SiteModel, look: Look) -> String {
    let mut out = String::new();
    let Some(given) = report.waivers.as_ref().filter(|given| !given.waivers.is_empty()) else { return out };
    out.push_str("\nWaivers\n");
    for waiver in given.waivers.iter().take(NODES) {
        let (state, image) = (words::waiver(waiver.state), clean::name(&waiver.image));
        let on =
            waiver.node.as_deref().map(|node| format!(" on {}", clean::line(node, 60))).unwrap_or_default();
        let covers = count(usize::try_from(waiver.images).unwrap_or(usize::MAX), "image");
        wrap(&mut out, 2, &format!("{state}, {covers}: {image}{on}"), look);
        let (until, approver) = (text::time(waiver.expires), clean::name(&waiver.approver));
        wrap(&mut out, 6, &format!("until {until} by {approver}: {}", clean::message(&waiver.reason)), look);
    }
    if given.waivers.len() > NODES {
        wrap(&mut out, 2, &format!("and {} more", given.waivers.len() - NODES), look);
    }
    out
}

/// A node as one line, for terminals that are too narrow for a table.
fn in_a_line(node: &SiteNode) -> String {
    let mut line = format!("{}: {}", clean::line(&node.row.name, 60), node.row.outcome.as_str());
    let counts = |own: Summary| {
        let words = [
            (own.passed, "passed"),
            (own.failed, "failed"),
            (own.inconclusive, "inconclusive"),
            (own.skipped, "skipped"),
        ];
        words.into_iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!(", {number} {word}"))
    };
    line.extend(node.images.into_iter().flat_map(counts));
    line.push_str(&format!(", clean-up {}", words::clean_up(node.row.clean_up.result)));
    line
}

/// Adds `text`, indented and wrapped.
pub(crate) fn wrap(out: &mut String, indent: u16, text: &str, look: Look) {
    let mut cell = table(look);
    // a cell has a space on both sides
    cell.set_width(look.width.saturating_sub(indent));
    cell.add_row([text]);
    for line in cell.lines() {
        out.push_str(&" ".repeat(usize::from(indent)));
        out.push_str(line.trim());
        out.push('\n');
    }
}

fn node_names(report: &SiteModel, places: &[usize]) -> String {
    let name = |place: &usize| {
        report.nodes.get(*place).map_or_else(String::new, |node| clean::line(&node.row.name, 60))
    };
    let mut names: Vec<String> = places.iter().take(NAMES).map(name).collect();
    if places.len() > NAMES {
        names.push(format!("and {} more", places.len() - NAMES));
    }
    names.join(", ")
}

/// A table without rules whose cells wrap.
pub(crate) fn table(look: Look) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(look.width.max(NARROWEST_TABLE));
    table
}

#[cfg(test)]
mod tests {
    use assay_report::{Reason, Status};

    use super::*;
    use crate::report::sample;

    const PLAIN: Look = Look { width: 100, colour: false };

    fn samples() -> Vec<SiteModel> {
        sample::all(120, 30).iter().map(SiteModel::from).collect()
    }

    #[test]
    fn writes_only_its_own_escape_sequences_and_no_long_lines() {
        for report in samples() {
            for width in [60, 80, 132] {
                let plain = render(&report, Look { width, colour: false });
                assert!(plain.chars().all(|letter| letter == '\n' || !letter.is_control()));
                let coloured = render(&report, Look { width, colour: true });
                let mut rest = coloured.clone();
                for own in ["\u{1b}[1;31m", "\u{1b}[1;32m", "\u{1b}[1;33m", "\u{1b}[0m"] {
                    rest = rest.replace(own, "");
                }
                assert_eq!(rest, plain);
                assert!(coloured.contains('\u{1b}'));
            }
        }
    }

    #[test]
    fn names_every_reason_and_every_node_with_problems() {
        let text = render(&SiteModel::from(&sample::site()), PLAIN);
        let failed = sample::site();
        let images = failed.nodes.iter().filter_map(|node| node.accepted()).flat_map(|own| &own.images);
        let reasons: Vec<Reason> =
            images.filter(|image| image.status == Status::Failed).filter_map(|image| image.reason).collect();
        assert!(reasons.len() > 12);
        for reason in reasons {
            assert!(text.contains(&format!("[{}]", reason.as_str())), "{}", reason.as_str());
        }
        let outcomes = sample::every_outcome();
        let text = render(&SiteModel::from(&outcomes), PLAIN);
        for node in &outcomes.nodes {
            assert!(text.contains(node.outcome.as_str()), "{}", node.name);
        }
    }

    #[test]
    fn cuts_a_large_site_and_says_so() {
        let text = render(&SiteModel::from(&sample::large(400, 20)), PLAIN);
        assert!(text.lines().count() < 300);
        assert!(text.contains("more"));
    }

    #[test]
    fn keeps_words_whole_on_a_narrow_terminal() {
        let look = Look { width: 40, colour: false };
        let text = render(&SiteModel::from(&sample::site()), look);
        assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
        for node in &sample::site().nodes {
            assert!(text.contains(&format!("{}: {}", node.name, node.outcome.as_str())), "{text}");
        }
    }

    #[test]
    fn colours_only_terminals_that_want_it() {
        let (none, empty, set) = (None, Some(OsStr::new("")), Some(OsStr::new("1")));
        for (terminal, no_color, colour) in
            [(true, none, true), (true, empty, true), (true, set, false), (false, none, false)]
        {
            assert_eq!(Look::new(terminal, no_color, Some(80)).colour, colour);
        }
        let widths = [(true, Some(5)), (true, Some(80)), (true, Some(999)), (true, None), (false, Some(80))]
            .map(|(terminal, columns)| Look::new(terminal, none, columns).width);
        assert_eq!(widths, [20, 80, 200, 100, 100]);
    }
}
