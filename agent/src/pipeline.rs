//! Sources into images, images into judgements, content, and the report.

use std::collections::HashSet;

use assay_judge::bundle::{Bundle, BundleFault, Bundles};
use assay_judge::ci_commands;
use assay_judge::image::Image;
use assay_judge::judge::{Judge, Judgement};
use assay_judge::judged;
use assay_judge::parallel;
use assay_judge::population::Population;
use assay_judge::signatures::Signatures;
use assay_judge::store::layout::Reading;
use assay_judge::store::{Listing, Store};
use assay_judge::trust::{self, Trust};
use assay_report::words::count;
use assay_report::{
    BundleInput, ContentMode, Coverage, ExitCode, List, NodeReport, Reason, Status, Unreadable,
};
use assay_verifier::notary::verify::Verifier;
use assay_verifier::oci::Digest;

use crate::cli::VerifyFormat;
use crate::config::VerifyPlan;
use crate::console::{json_line, say};
use crate::content;
use crate::error::Error;
use crate::inventory::Inventory;
use crate::inventory::changes::Changes;
use crate::inventory::coverage;
use crate::inventory::running::Running;
use crate::output::Sink;
use crate::report::{self, carried, procedure};
use crate::store;

pub(crate) fn verify(plan: &VerifyPlan) -> Result<ExitCode, Error> {
    let sink = Sink::open(&plan.output)?;
    let mut trust = trust::read(&plan.trust)?;
    let bundles = Bundles::open(&plan.bundles, &mut trust)?;
    let reading =
        if plan.asked.content == ContentMode::Full { Reading::Everything } else { Reading::Manifests };
    let store = match store::open(&plan.store, reading) {
        Ok(store) => store,
        Err(error) => return without_store(plan, &trust, sink, &error.to_string()),
    };

    let sources = bundles.sources(&*store);
    let signatures = Signatures::collect(&sources);
    let running = if plan.asked.content == ContentMode::None {
        Running::by_name(store.listing())
    } else {
        Running::of(&*store)
    };
    let population = Population::of(&*store, &signatures);
    let mut inventory = Inventory::new(store.listing(), &population.unnamed, &running.runs, |record| {
        signatures.is_companion(record)
    });
    inventory.select(&plan.images)?;

    let verifier =
        Verifier { trust_store: &trust.store, evidence: &trust.evidence, at: plan.clock.verified_at };
    let judge = Judge {
        policy: &trust.policy,
        verifier,
        sources: &sources,
        signatures: &signatures,
        lock: &bundles.lock,
        accept: &plan.asked.accept,
    };
    let judgements = parallel::map(plan.jobs, &inventory.images, || (), |(), image| judge_one(&judge, image));
    let (mut images, reached) = with_content(plan, &*store, &inventory, judgements);

    let listing = store.listing();
    let mut coverage = coverage::of(&*store, &inventory, population, running, &signatures, reached.as_ref());
    coverage.unreadable.extend(changed_meanwhile(plan, listing, &mut images));
    coverage.unreadable.sort();
    let bundles = bundle_inputs(&bundles.each, &signatures)?;
    let warnings = signatures.warnings.clone();
    let (carried, omitted) =
        if plan.asked.evidence { carried::of(&sources, &signatures, &images) } else { (Vec::new(), 0) };
    let mut report = NodeReport {
        carried,
        ..report::node_report(plan, &trust, bundles, coverage, listing.containerd.clone(), warnings, images)
    };
    report.omitted.add(List::Carried, omitted);
    write(plan, sink, &mut report)?;
    say_outcome(&report);
    Ok(report.verdict())
}

/// The judgement of one image, the signatures of one that no record accounts for not being asked.
fn judge_one(judge: &Judge<'_>, image: &Image) -> Judgement {
    if image.recorded {
        return judge.judge(image);
    }
    let mut judgement = Judgement::failed(
        Reason::InUseUnlisted,
        "a container runs this image, and the store has no record of it",
    );
    judgement.hint = Some("pull the image again by this digest, or replace the container".into());
    judgement
}

/// Hashes the content of the images that are judged, and joins the two. Also gives every manifest that belongs to an image.
fn with_content(
    plan: &VerifyPlan,
    store: &dyn Store,
    inventory: &Inventory,
    judgements: Vec<Judgement>,
) -> (Vec<assay_report::Image>, Option<HashSet<Digest>>) {
    let is_read =
        |image: &Image, judgement: &Judgement| image.recorded && judgement.status != Status::Skipped;
    let pairs = || inventory.images.iter().zip(&judgements);
    let read: Vec<&Image> =
        pairs().filter(|(image, judgement)| is_read(image, judgement)).map(|(image, _)| image).collect();
    let complete = plan.asked.content != ContentMode::None
        && read.len() == inventory.images.len()
        && plan.images.is_empty();
    let here = plan.store.place.is_this_machine() && store.listing().is_for(&plan.node);
    let node = here.then_some(&plan.node);
    let mut checked = content::check_all(store, &read, plan.asked.content, node, plan.jobs).into_iter();
    let mut reached = HashSet::new();
    let images = inventory
        .images
        .iter()
        .zip(judgements)
        .map(|(image, judgement)| {
            let checked = if is_read(image, &judgement) { checked.next() } else { None };
            let checked = checked.unwrap_or_else(|| report::unread(plan));
            reached.extend(checked.manifests.iter().cloned());
            judged::image(image.clone(), judgement, checked)
        })
        .collect();
    (images, complete.then_some(reached))
}

/// Lists a store that is in use again, takes back the verdicts on images that changed, and gives what was not judged: images
/// that appeared, or the store where it is gone.
fn changed_meanwhile(
    plan: &VerifyPlan,
    before: &Listing,
    images: &mut [assay_report::Image],
) -> Vec<Unreadable> {
    if !plan.store.place.is_this_machine() {
        return Vec::new();
    }
    match store::open(&plan.store, Reading::Manifests) {
        Err(error) => {
            let why = format!("it could be read at first, and then not again: {error}");
            vec![Unreadable { what: plan.store.place.to_string(), why }]
        }
        Ok(again) => {
            let changes = Changes::between(before, again.listing());
            images.iter_mut().for_each(|image| changes.mark(image));
            // what was not asked for is not missed
            if plan.images.is_empty() { changes.appeared } else { Vec::new() }
        }
    }
}

/// The report of a run whose store could not be opened: no image, and the reason why.
fn without_store(plan: &VerifyPlan, trust: &Trust, sink: Sink, why: &str) -> Result<ExitCode, Error> {
    say(&format!("assay-agent: {why}"));
    let unreadable = vec![Unreadable { what: plan.store.place.to_string(), why: why.to_owned() }];
    let coverage = Coverage { unreadable, ..Coverage::default() };
    let mut report = report::node_report(plan, trust, Vec::new(), coverage, None, Vec::new(), Vec::new());
    write(plan, sink, &mut report)?;
    Ok(report.verdict())
}

fn bundle_inputs(bundles: &[Bundle], signatures: &Signatures) -> Result<Vec<BundleInput>, Error> {
    let inputs = bundles.iter().enumerate().map(|(number, bundle)| {
        let sha256 = bundle.layout.digest().map_err(BundleFault::from)?.hex().to_owned();
        // the first source is the store
        Ok(BundleInput { sha256, signatures: signatures.counts.get(number + 1).copied().unwrap_or(0) })
    });
    inputs.collect()
}

fn write(plan: &VerifyPlan, sink: Sink, report: &mut NodeReport) -> Result<(), Error> {
    let bytes = match plan.format {
        VerifyFormat::Report => {
            report.fit();
            json_line(report)?
        }
        VerifyFormat::Procedure => ci_commands::escape_json(&procedure::write(&report.images)?),
    };
    Ok(sink.write(&bytes)?)
}

/// The outcome for people: what did not pass, and the counts.
fn say_outcome(report: &NodeReport) {
    // a name that stands for several images does not tell which
    let (mut names, mut shared) = (HashSet::new(), HashSet::new());
    shared.extend(report.images.iter().map(name).filter(|name| !names.insert(*name)));
    for image in report.images.iter().filter(|image| image.status != Status::Passed) {
        let digest = if shared.contains(name(image)) { format!("{}: ", image.digest) } else { String::new() };
        say(&format!("{digest}{}", outcome(image)));
    }
    match report.coverage.companions.len() {
        0 => {}
        many => say(&format!(
            "{}, which belong to images and are none: coverage names each",
            count(many, "companion")
        )),
    }
    for unlisted in report.coverage.unlisted_containers() {
        let name = unlisted.name.as_deref().unwrap_or("none");
        say(&format!(
            "unlisted: container {} in {} runs an image without a record: {name}",
            unlisted.id, unlisted.namespace
        ));
    }
    for unreadable in &report.coverage.unreadable {
        say(&format!("unreadable: {}: {}", unreadable.what, unreadable.why));
    }
    for finding in &report.coverage.cross_check.findings {
        say(&format!("{}: {} {}: {}", finding.code, finding.namespace, finding.id, finding.message));
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

/// What an image is called.
fn name(image: &assay_report::Image) -> &str {
    image.references.first().map_or(image.digest.as_str(), String::as_str)
}

/// The outcome of one image in a line.
pub(crate) fn outcome(image: &assay_report::Image) -> String {
    let name = name(image);
    let status = format!("{:?}", image.status).to_lowercase();
    let reason = image.reason.map(|reason| format!(" ({})", reason.as_str())).unwrap_or_default();
    let message = image.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
    format!("{status}{reason}: {name}{message}")
}
