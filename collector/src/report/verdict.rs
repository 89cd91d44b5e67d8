//! Puts the site's verdict into words.

use assay_report::{Asked, ContentMode, Effect, ExitCode, List, NodeReport, Summary, Via, WaiverState};

use super::model::{ImageResult, SiteModel};
use super::text::{count, number};
use crate::clean;

/// The verdict in one word.
pub(super) fn word(verdict: ExitCode) -> &'static str {
    match verdict {
        ExitCode::Passed => "Passed",
        ExitCode::Failed => "Failed",
        ExitCode::Incomplete => "Incomplete",
        ExitCode::Usage => "Not run",
    }
}

/// The verdict in one or more sentences, the decisive one first.
pub(super) fn sentences(report: &SiteModel) -> Vec<String> {
    let (images, summary) = (report.summary.images, &report.summary);
    let all = images.passed + images.failed + images.inconclusive + images.skipped;
    let nodes = report.nodes.len();
    let accepted = || report.nodes.iter().filter_map(|node| node.accepted());
    let on = |wanted: fn(&NodeReport) -> bool| accepted().filter(|own| wanted(own)).count();
    let is_are = |many: u64| if many == 1 { "is" } else { "are" };
    let of_all = |many: u64| format!("{} of {}", number(many), count(all, "image"));
    let on_of = |affected| format!("on {affected} of {}", count(nodes, "node"));

    let mut sentences = Vec::new();
    if let Some(selection) = &report.selection {
        let of = count(selection.of, "node");
        sentences.push(format!("Only {} of the site's {of} were visited.", number(summary.nodes)));
    }
    let (failed, affected) = report.wrong(ExitCode::Failed);
    if failed > 0 {
        sentences.push(format!("{} failed, {}.", of_all(failed), on_of(affected)));
    }
    let unlisted = on(|own| own.coverage.unlisted_containers().next().is_some());
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
    if let Some(left) = &report.run.left {
        sentences.push(format!("The run may have left something in the cluster: {}.", clean::message(left)));
    }
    let (inconclusive, affected) = report.wrong(ExitCode::Incomplete);
    if inconclusive > 0 {
        sentences.push(format!("{} could not be judged, {}.", of_all(inconclusive), on_of(affected)));
    }
    let empty = report.nodes.iter().filter(|node| node.images == Some(Summary::default())).count();
    if empty > 0 {
        sentences.push(format!("No image was found on {}.", count(empty, "node")));
    }
    let unread = on(|own| !own.coverage.unreadable.is_empty());
    if unread > 0 {
        sentences.push(format!("Not everything could be read on {}.", count(unread, "node")));
    }
    let torn =
        on(|own| own.coverage.cross_check.findings.iter().any(|finding| finding.effect != Effect::None));
    if torn > 0 {
        sentences.push(format!("The store contradicts itself on {}.", count(torn, "node")));
    }
    let twins = report.nodes.iter().filter(|node| node.row.same_machine.is_some()).count();
    if twins > 0 {
        sentences.push(format!("One machine answered for several rows: {}.", count(twins, "node")));
    }
    let left = report.left_behind();
    if left > 0 {
        sentences.push(format!("The clean-up failed or is not confirmed on {}.", count(left, "node")));
    }
    if nodes == 0 {
        sentences.push("The site has no nodes; nothing was verified.".into());
    }
    if report.verdict == ExitCode::Passed {
        let verified = format!(
            "{} on {} {} verified.",
            count(images.passed, "image"),
            count(nodes, "node"),
            is_are(images.passed)
        );
        sentences.insert(
            0,
            if images.passed > 1 && images.passed + images.skipped == all {
                format!("All {verified}")
            } else {
                verified
            },
        );
    }
    let companions = |own: &NodeReport| {
        let listed = u64::try_from(own.coverage.companions.len()).unwrap_or(u64::MAX);
        listed.saturating_add(own.coverage.omitted.count(List::Companions))
    };
    let beside: u64 = accepted().map(companions).fold(0, u64::saturating_add);
    if beside > 0 {
        let on = on(|own| !own.coverage.companions.is_empty());
        sentences.push(format!(
            "{} {} not counted as images, on {}: signatures, attestations or SBOMs.",
            count(beside, "companion"),
            is_are(beside),
            count(on, "node")
        ));
    }
    let waived = report.summary.waived;
    if waived > 0 {
        let images = count(waived, "image");
        sentences.push(format!("{images} did not pass and {} waived.", is_are(waived)));
    }
    let expired = report.waivers.iter().flat_map(|waivers| &waivers.waivers);
    let expired = expired.filter(|waiver| waiver.state == WaiverState::Expired && waiver.images > 0).count();
    if expired > 0 {
        let waivers = count(expired, "waiver");
        sentences.push(format!(
            "{waivers} for images that did not pass {} expired.",
            if expired == 1 { "has" } else { "have" }
        ));
    }
    for via in Via::ALL {
        let by = |judged: &&ImageResult| judged.image.via == Some(via);
        let by: u64 = report.results.iter().filter(by).map(|judged| judged.images).sum();
        if by > 0 {
            let word = if report.accept.is_some() { "" } else { ", as the node reports say" };
            let pass = if by == 1 { "passes" } else { "pass" };
            sentences.push(format!("{} {pass} by --accept {}{word}.", count(by, "image"), via.as_str()));
        }
    }
    let asked = |wanted: fn(&Asked) -> bool| {
        accepted().filter_map(|own| own.asked.as_ref()).filter(|asked| wanted(asked)).count()
    };
    let limited = asked(|asked| !asked.images.is_empty() || !asked.namespaces.is_empty());
    if limited > 0 {
        sentences.push(format!("Only some images or namespaces were judged on {}.", count(limited, "node")));
    }
    let unhashed = asked(|asked| asked.content != ContentMode::Full);
    if unhashed > 0 {
        sentences.push(format!("Not all content was to be hashed on {}.", count(unhashed, "node")));
    }
    if images.skipped > 0 {
        let skipped = count(images.skipped, "image");
        sentences.push(format!(
            "{skipped} {} not checked, because the trust policy says skip.",
            is_are(images.skipped)
        ));
    }
    sentences
}

#[cfg(test)]
mod tests {
    use assay_report::SiteReport;

    use super::*;
    use crate::report::sample;

    #[test]
    fn says_what_the_verdict_rests_on() {
        for report in [sample::site(), sample::every_outcome(), sample::all_passed(), sample::hostile()] {
            assert!(!sentences(&SiteModel::from(&report)).is_empty());
        }
        let passed = sentences(&SiteModel::from(&sample::all_passed()));
        assert_eq!(passed, ["All 2 images on 1 node are verified."]);
    }

    /// Only a site that passed is said to be verified.
    #[test]
    fn only_a_pass_sounds_like_a_pass() {
        for report in [sample::site(), sample::every_outcome(), sample::hostile()] {
            assert_ne!(report.verdict, ExitCode::Passed);
            assert!(
                sentences(&SiteModel::from(&report))
                    .iter()
                    .all(|sentence| !sentence.contains("are verified"))
            );
        }
        let mut empty = sample::site();
        empty.nodes.clear();
        let empty = SiteReport::new(empty.run, empty.collector, empty.inputs, empty.nodes);
        assert_eq!(empty.verdict, ExitCode::Incomplete);
        assert!(!sentences(&SiteModel::from(&empty)).is_empty());
    }
}
