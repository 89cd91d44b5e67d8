//! Tells people the outcome of a run, in lines on standard error.

use std::collections::HashSet;

use assay_report::words::count;
use assay_report::{Image, Namespace, NodeReport, Status, Unreadable};

use crate::console::say;

/// Says what did not pass, and the counts.
pub(crate) fn say_outcome(report: &NodeReport) {
    // a name that stands for several images does not tell which
    let (mut names, mut shared) = (HashSet::new(), HashSet::new());
    shared.extend(report.images.iter().map(name).filter(|name| !names.insert(*name)));
    for image in report.images.iter().filter(|image| image.status != Status::Passed) {
        let digest = if shared.contains(name(image)) { format!("{}: ", image.digest) } else { String::new() };
        say(&format!("{digest}{}", line(image)));
    }
    match report.coverage.companions.len() {
        0 => {}
        many => say(&format!(
            "{}: they belong to images and are not images; coverage names each",
            count(many, "companion")
        )),
    }
    for unlisted in report.coverage.unlisted_containers() {
        let name = unlisted.name.as_deref().unwrap_or("none");
        say(&format!(
            "unlisted: container {} in {} runs an image without a record: {name}",
            unlisted.id,
            Namespace::text(unlisted.namespace.as_ref())
        ));
    }
    say_unreadable(&report.coverage.unreadable);
    for finding in &report.coverage.cross_check.findings {
        say(&format!(
            "{}: {} {}: {}",
            finding.code,
            Namespace::text(finding.namespace.as_ref()),
            finding.id,
            finding.message
        ));
    }
    if report.images.is_empty() {
        say("assay-agent: there is no image in the store; nothing was verified");
    }
    let summary = report.summary;
    say(&format!(
        "{} passed, {} failed, {} skipped, {} inconclusive",
        summary.passed, summary.failed, summary.skipped, summary.inconclusive
    ));
}

/// Says what could not be read.
pub(crate) fn say_unreadable(unreadable: &[Unreadable]) {
    for one in unreadable {
        say(&format!("unreadable: {}: {}", one.what, one.why));
    }
}

/// The outcome of one image in a line.
pub(crate) fn line(image: &Image) -> String {
    let name = name(image);
    let status = format!("{:?}", image.status).to_lowercase();
    let reason = image.reason.map(|reason| format!(" ({})", reason.as_str())).unwrap_or_default();
    let message = image.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
    format!("{status}{reason}: {name}{message}")
}

/// What an image is called.
fn name(image: &Image) -> &str {
    image.references.first().map_or(image.digest.as_str(), String::as_str)
}
