//! The site's verdict in words, and the numbers behind it.

use assay_shared::report::{CleanUpResult, ExitCode, SiteReport, Status};

use super::images::Entry;
use super::text::{Mark, count, number};

/// The verdict.
pub(super) struct VerdictView {
    pub(super) mark: Mark,
    /// In one word.
    pub(super) word: &'static str,
    /// In one sentence.
    pub(super) headline: String,
    /// What else counts, a sentence each.
    pub(super) also: Vec<String>,
}

/// A number and what it counts.
pub(super) struct Card {
    pub(super) class: &'static str,
    pub(super) number: String,
    pub(super) label: &'static str,
    pub(super) note: String,
}

/// A status' share of all images, for the bar.
pub(super) struct Share {
    pub(super) class: &'static str,
    pub(super) word: &'static str,
    pub(super) number: String,
    /// Where it begins and how long it is, in thousandths of the bar.
    pub(super) from: u64,
    pub(super) length: u64,
}

pub(super) fn of(report: &SiteReport, entries: &[Entry<'_>]) -> VerdictView {
    let (images, summary) = (report.summary.images, &report.summary);
    let all = images.passed + images.failed + images.inconclusive + images.skipped;
    let nodes = report.nodes.len();
    let affected = |status: Status| {
        report
            .nodes
            .iter()
            .filter(|node| {
                node.accepted().is_some_and(|own| own.images.iter().any(|image| image.status == status))
            })
            .count()
    };
    let is_are = |many: u64| if many == 1 { "is" } else { "are" };
    let of_all = |many: u64| format!("{} of {}", number(many), count_of(all, "image"));
    let on_of = |status| format!("on {} of {}", affected(status), count(nodes, "node"));

    let mut sentences = Vec::new();
    if images.failed > 0 {
        sentences.push(format!("{} failed, {}.", of_all(images.failed), on_of(Status::Failed)));
    }
    let unlisted = report
        .nodes
        .iter()
        .filter_map(|node| node.accepted())
        .filter(|own| own.coverage.verdict() == ExitCode::Failed)
        .count();
    if unlisted > 0 {
        sentences.push(format!(
            "Containers run images that the store does not list, on {}.",
            count(unlisted, "node")
        ));
    }
    let unverified = summary.nodes.saturating_sub(summary.verified);
    if unverified > 0 {
        let (many, of) = (number(unverified), count(nodes, "node"));
        sentences
            .push(format!("{many} of {of} {} not verified.", if unverified == 1 { "was" } else { "were" }));
    }
    if images.inconclusive > 0 {
        let on = on_of(Status::Inconclusive);
        sentences.push(format!("{} could not be judged, {on}.", of_all(images.inconclusive)));
    }
    let empty =
        report.nodes.iter().filter(|node| node.accepted().is_some_and(|own| own.images.is_empty())).count();
    if empty > 0 {
        sentences.push(format!("No image at all was found on {}.", count(empty, "node")));
    }
    let unread = report
        .nodes
        .iter()
        .filter_map(|node| node.accepted())
        .filter(|own| !own.coverage.unreadable.is_empty());
    let unread = unread.count();
    if unread > 0 {
        sentences.push(format!("Not everything could be read on {}.", count(unread, "node")));
    }
    let left = left_behind(report);
    if left > 0 {
        sentences.push(format!("The clean-up failed or is not confirmed on {}.", count(left, "node")));
    }
    if nodes == 0 {
        sentences.push("The site has no node; nothing was verified.".into());
    }
    if report.verdict == ExitCode::Passed {
        let verified = format!(
            "{} on {} {} verified.",
            count_of(images.passed, "image"),
            count(nodes, "node"),
            is_are(images.passed)
        );
        sentences.insert(0, if images.passed > 1 { format!("All {verified}") } else { verified });
    }
    if images.skipped > 0 {
        let skipped = count_of(images.skipped, "image");
        sentences.push(format!(
            "{skipped} {} not checked, since the trust policy says skip.",
            is_are(images.skipped)
        ));
    }
    let differing = entries.iter().filter(|entry| entry.results.len() > 1).count();
    if differing > 0 {
        sentences.push(format!("{} did not come out the same on every node.", count(differing, "image")));
    }
    let headline = if sentences.is_empty() { String::new() } else { sentences.remove(0) };
    VerdictView {
        mark: report.verdict.into(),
        word: match report.verdict {
            ExitCode::Passed => "Passed",
            ExitCode::Failed => "Failed",
            ExitCode::Incomplete => "Incomplete",
            ExitCode::Usage => "Not run",
        },
        headline,
        also: sentences,
    }
}

/// The numbers that people ask for first.
pub(super) fn cards(report: &SiteReport, entries: &[Entry<'_>]) -> Vec<Card> {
    let (images, summary) = (report.summary.images, &report.summary);
    let card = |class, number: String, label, note: String| Card { class, number, label, note };
    let some = |class, many: u64| if many > 0 { class } else { "none" };
    let unverified = summary.nodes.saturating_sub(summary.verified);
    let of_nodes = format!("of {}", number(summary.nodes));
    let left = left_behind(report);
    let running = |mark: Mark| {
        let used = |entry: &&Entry<'_>| {
            entry
                .results
                .iter()
                .any(|judged| Mark::from(judged.image.status) == mark && !judged.image.in_use.is_empty())
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
        card(some("failed", images.failed), number(images.failed), "failed", running(Mark::Failed)),
        card(
            some("inconclusive", images.inconclusive),
            number(images.inconclusive),
            "inconclusive",
            String::new(),
        ),
        card(some("skipped", images.skipped), number(images.skipped), "skipped by policy", String::new()),
        card(some("inconclusive", left as u64), number(left as u64), "nodes not left clean", String::new()),
    ]
}

/// The bar: nodes that were not verified have their share of it, and the images of the others divide the rest.
pub(super) fn shares(report: &SiteReport) -> Vec<Share> {
    let images = report.summary.images;
    let all = images.passed + images.failed + images.inconclusive + images.skipped;
    let unverified = report.summary.nodes.saturating_sub(report.summary.verified);
    // what is bad is seen even where it is rare
    let part = |many: u64, of: u64, whole: u64| match many.saturating_mul(whole).checked_div(of) {
        Some(length) if many > 0 => length.max(8),
        _ => 0,
    };
    let hatched = part(unverified, report.summary.nodes, 1_000);
    let rest = 1_000_u64.saturating_sub(hatched);
    let others = [
        ("failed", "failed", images.failed),
        ("inconclusive", "inconclusive", images.inconclusive),
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

fn left_behind(report: &SiteReport) -> usize {
    let left = |result| matches!(result, CleanUpResult::Failed | CleanUpResult::Unknown);
    report.nodes.iter().filter(|node| left(node.clean_up.result)).count()
}

fn count_of(many: u64, one: &str) -> String {
    count(usize::try_from(many).unwrap_or(usize::MAX), one)
}
