//! Shows the site's verdict in words, and the numbers behind it.

use assay_report::ExitCode;

use super::images::ImageEntry;
use super::mark::Mark;
use crate::report::model::SiteModel;
use crate::report::text::{count, number};
use crate::report::verdict;

/// The verdict.
pub(super) struct VerdictView {
    pub(super) mark: Mark,
    /// In one word.
    pub(super) word: &'static str,
    /// In one sentence.
    pub(super) headline: String,
    /// Further sentences.
    pub(super) also: Vec<String>,
}

/// A number and its label.
pub(super) struct Card {
    pub(super) class: &'static str,
    pub(super) number: String,
    pub(super) label: &'static str,
    pub(super) note: String,
}

/// The share of one status in the bar.
pub(super) struct Share {
    pub(super) class: &'static str,
    pub(super) word: &'static str,
    pub(super) number: String,
    /// Its start and its length, in thousandths of the bar.
    pub(super) from: u64,
    pub(super) length: u64,
}

pub(super) fn view(report: &SiteModel, entries: &[ImageEntry<'_>]) -> VerdictView {
    let mut also = verdict::sentences(report);
    let differing = entries.iter().filter(|entry| entry.results.len() > 1).count();
    if differing > 0 {
        also.push(format!("{} did not get the same verdict on every node.", count(differing, "image")));
    }
    let headline = if also.is_empty() { String::new() } else { also.remove(0) };
    VerdictView { mark: report.verdict.into(), word: verdict::word(report.verdict), headline, also }
}

/// The most important numbers.
pub(super) fn cards(report: &SiteModel, entries: &[ImageEntry<'_>]) -> Vec<Card> {
    let (images, summary) = (report.summary.images, &report.summary);
    let (failed, inconclusive) = (report.wrong(ExitCode::Failed).0, report.wrong(ExitCode::Incomplete).0);
    let card = |class, number: String, label, note: String| Card { class, number, label, note };
    let some = |class, many: u64| if many > 0 { class } else { "none" };
    let unverified = summary.nodes.saturating_sub(summary.verified);
    let of_nodes = format!("of {}", number(summary.nodes));
    let left = report.left_behind();
    let running = |mark: Mark| {
        let used = |entry: &&ImageEntry<'_>| {
            entry.results.iter().any(|judged| Mark::of_result(judged) == mark && judged.containers > 0)
        };
        let many = entries.iter().filter(used).count();
        if many > 0 { format!("{} in use", number(many as u64)) } else { String::new() }
    };
    vec![
        card(
            if unverified > 0 { "inconclusive" } else { "plain" },
            number(summary.verified),
            "nodes verified",
            of_nodes,
        ),
        card("plain", number(entries.len() as u64), "different images", String::new()),
        card(some("passed", images.passed), number(images.passed), "passed", String::new()),
        card(some("failed", failed), number(failed), "failed", running(Mark::Failed)),
        card(some("inconclusive", inconclusive), number(inconclusive), "inconclusive", String::new()),
        card(some("waived", summary.waived), number(summary.waived), "waived", running(Mark::Waived)),
        card(some("skipped", images.skipped), number(images.skipped), "skipped by policy", String::new()),
        card(some("inconclusive", left), number(left), "nodes not left clean", String::new()),
    ]
}

/// The shares of the bar. Nodes that were not verified have one; the images of the others divide the rest.
pub(super) fn shares(report: &SiteModel) -> Vec<Share> {
    let images = report.summary.images;
    let all = images.passed + images.failed + images.inconclusive + images.skipped;
    let unverified = report.summary.nodes.saturating_sub(report.summary.verified);
    // problems are visible even if they are rare
    let part = |many: u64, of: u64, whole: u64| match many.saturating_mul(whole).checked_div(of) {
        Some(length) if many > 0 => length.max(8),
        _ => 0,
    };
    let hatched = part(unverified, report.summary.nodes, 1_000);
    let rest = 1_000_u64.saturating_sub(hatched);
    let others = [
        ("failed", "failed", report.wrong(ExitCode::Failed).0),
        ("inconclusive", "inconclusive", report.wrong(ExitCode::Incomplete).0),
        ("waived", "waived", report.summary.waived),
        ("skipped", "skipped", images.skipped),
    ]
    .map(|(class, word, many)| (class, word, many, part(many, all, rest)));
    let taken: u64 = others.iter().map(|(.., length)| length).sum();
    let passed = if images.passed > 0 { rest.saturating_sub(taken) } else { 0 };

    let mut from = 0;
    let mut shares = Vec::new();
    let parts = others.into_iter().chain([("passed", "passed", images.passed, passed)]);
    for (class, word, many, length) in
        parts.chain([("unverified", "nodes not verified", unverified, hatched)])
    {
        if many > 0 {
            shares.push(Share { class, word, number: number(many), from, length });
            from += length;
        }
    }
    shares
}
