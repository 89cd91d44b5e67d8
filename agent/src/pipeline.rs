//! Runs the steps of the commands that look at images: sources, images, verdicts, content, report.
//!
//! [`verify`] takes every step, and [`inventory`] leaves out the verdicts. [`image_verifier`] judges one image that no store has
//! yet, in the way in which images are judged offline ([`assay_judge::offline`]).

use std::collections::HashSet;

use assay_judge::bundle::{BundleFault, Bundles};
use assay_judge::ci_commands;
use assay_judge::custody::Custodian;
use assay_judge::errors::with_sources;
use assay_judge::image::Image;
use assay_judge::judge::Judge;
use assay_judge::judgement::{CheckedContent, Examined, Judged};
use assay_judge::population::Population;
use assay_judge::signatures::Signatures;
use assay_judge::sources::{Origin, Sources};
use assay_judge::store::layout::Reading;
use assay_judge::store::pulled::Pulled;
use assay_judge::store::{Listing, Store};
use assay_judge::trust::{self, Trust};
use assay_report::{
    BundleInput, ContentMode, Coverage, DriftMode, ExitCode, List, Node, NodeReport, Unreadable,
};
use assay_verifier::oci::Digest;

use crate::cli::{TextOrJson, VerifyFormat};
use crate::config::{ImageVerifierPlan, InventoryPlan, StorePlan, VerifyPlan};
use crate::console::{json_line, say};
use crate::content::ContentCheck;
use crate::error::Error;
use crate::image_verifier;
use crate::inventory::Inventory;
use crate::inventory::changes::Changes;
use crate::inventory::coverage;
use crate::inventory::running::RunningImages;
use crate::output::Sink;
use crate::priority;
use crate::report::{self, carried, outcome, procedure, table};
use crate::rootfs;
use crate::store;

/// Judges the images of a store and writes a report.
pub(crate) fn verify(plan: &VerifyPlan, sink: Sink<'_>) -> Result<ExitCode, Error> {
    priority::lower(plan.nice);
    let mut trust = trust::read(&plan.trust)?;
    let bundles = Bundles::open(&plan.bundles, &mut trust)?;
    let mode = plan.asked.content;
    let reading = if mode == ContentMode::Full { Reading::Everything } else { Reading::Manifests };
    let store = match store::open(&plan.store, reading) {
        Ok(store) => store,
        Err(error) => return without_store(plan, &trust, sink, &with_sources(&error)),
    };
    let listing = store.listing();
    let sources = Sources::new(&*store, &bundles);

    let mut survey = Survey::new(sources, mode);
    survey.inventory.select(&plan.images)?;
    let images = std::mem::take(&mut survey.inventory.images);

    let judge = Judge {
        trust: &trust,
        at: plan.clock.verified_at,
        accept: &plan.asked.accept,
        lock: &bundles.lock,
        sources,
        signatures: &survey.signatures,
    };
    let judged = judge.judge_all(images, plan.jobs);

    let node = node_of(&plan.store, listing, &plan.node);
    let check = ContentCheck { store: &*store, mode, node, jobs: plan.jobs };
    let (read, unread): (Vec<Judged>, Vec<Judged>) = judged.into_iter().partition(Judged::depends_on_content);
    let is_complete = mode != ContentMode::None && unread.is_empty() && plan.images.is_empty();
    let mut checked = check.run(read);
    let belonging = take_manifests(&mut checked);
    let unread = unread.into_iter().map(|judged| (judged, check.unread()));
    let examined = checked.into_iter().chain(unread).map(|(judged, content)| judged.with_content(content));
    let mut images: Vec<Examined> = examined.collect();
    images.sort_by(|one, other| one.image.id().cmp(&other.image.id()));
    if let Some(mode) = plan.asked.rootfs {
        images = rootfs::check(sources, images, mode, plan.jobs);
    }
    if let Some(mode) = plan.asked.drift {
        images = rootfs::check_drift(&*store, images, mode, plan.jobs);
    }

    let mut coverage = survey.coverage(Some(&belonging).filter(|_| is_complete));
    coverage.unreadable.extend(changed_meanwhile(plan, listing, &mut images));
    coverage.unreadable.sort();

    let Survey { signatures, .. } = survey;
    let inputs = bundle_inputs(&bundles, &signatures)?;
    let (carried, omitted) =
        if plan.asked.evidence { carried::collect(sources, &signatures, &images) } else { (Vec::new(), 0) };
    let drift_fails = plan.asked.drift == Some(DriftMode::Fail);
    let custodian = Custodian { signatures: &signatures, trust: &trust, drift_fails };
    let images = images.into_iter().map(|examined| match plan.asked.rootfs {
        None => examined.into_report(),
        Some(_) => custodian.report(examined),
    });
    let images = images.collect();
    let containerd = listing.containerd.clone();
    let mut report = NodeReport {
        carried,
        ..report::node_report(plan, &trust, inputs, coverage, containerd, signatures.warnings, images)
    };
    report.omitted.add(List::Carried, omitted);
    write(plan, sink, &mut report)?;
    outcome::say_outcome(&report);
    Ok(report.verdict())
}

/// Lists the images of a store, unverified.
pub(crate) fn inventory(plan: &InventoryPlan, sink: Sink<'_>) -> Result<ExitCode, Error> {
    priority::lower(plan.nice);
    let store = store::open(&plan.store, Reading::Manifests).map_err(Error::Store)?;
    let mode = ContentMode::Metadata;
    let mut survey = Survey::new(Sources::without_bundles(&*store), mode);
    let images = std::mem::take(&mut survey.inventory.images);

    let node = node_of(&plan.store, store.listing(), &plan.node);
    let mut checked = ContentCheck { store: &*store, mode, node, jobs: plan.jobs }.run(images);
    let belonging = take_manifests(&mut checked);
    let coverage = survey.coverage(Some(&belonging));

    let mut report = report::inventory(plan, store.listing().containerd.clone(), checked, coverage);
    report.fit();
    let bytes = match plan.format {
        TextOrJson::Json => json_line(&report)?,
        TextOrJson::Text => ci_commands::escape(&table::write(&report, plan.width)).into_owned().into_bytes(),
    };
    sink.write(bytes)?;
    outcome::say_unreadable(&report.coverage.unreadable);
    let is_complete = !report.images.is_empty() && report.coverage.unreadable.is_empty();
    Ok(if is_complete { ExitCode::Passed } else { ExitCode::Incomplete })
}

/// Judges the image that containerd is about to pull, and answers on standard output.
///
/// # Errors
/// [`Error`] if nothing was judged. That does not admit the image either.
pub(crate) fn image_verifier(plan: &ImageVerifierPlan) -> Result<ExitCode, Error> {
    let target = image_verifier::read_target(plan, std::io::stdin().lock())?;
    let mut trust = trust::read(&plan.trust)?;
    let bundles = match &plan.bundles[..] {
        [] => Bundles::open(&image_verifier::bundles_in(&plan.bundles_folder)?, &mut trust)?,
        named => Bundles::open(named, &mut trust)?,
    };
    let pulled = Pulled::new(&plan.name, target);
    let images = bundles.judge_listed(&pulled, &trust, plan.clock.verified_at, &plan.accept);
    // containerd logs standard error at its debug level
    trust.warnings.iter().for_each(|warning| say(&warning.to_string()));
    images.iter().filter_map(|image| image.hint.as_ref()).for_each(|hint| say(hint));
    let outcomes: Vec<String> = images.iter().map(outcome::line).collect();
    Sink::Stdout.write(image_verifier::reason(&outcomes.join("; ")))?;
    Ok(ExitCode::from_statuses(images.iter().map(|image| image.status)))
}

/// What is known of a store before its images are judged.
struct Survey<'s> {
    store: &'s dyn Store,
    signatures: Signatures,
    running: RunningImages,
    population: Population,
    inventory: Inventory,
}

impl<'s> Survey<'s> {
    /// Looks the store through. At [`ContentMode::None`] no image is read.
    fn new(sources: Sources<'s>, mode: ContentMode) -> Self {
        let store = sources.store;
        let signatures = Signatures::collect(sources);
        let running = match mode {
            ContentMode::None => RunningImages::by_names(store.listing()),
            _ => RunningImages::by_snapshots(store),
        };
        let population = Population::new(store, &signatures);
        let inventory =
            Inventory::new(store.listing(), &population.unnamed, &running.by_container, |record| {
                signatures.is_companion(record)
            });
        Self { store, signatures, running, population, inventory }
    }

    /// What was looked at. `belonging` are the manifests that belong to images, if all are known.
    fn coverage(&mut self, belonging: Option<&HashSet<Digest>>) -> Coverage {
        let population = std::mem::take(&mut self.population);
        let running = std::mem::take(&mut self.running);
        coverage::prove(self.store, &self.inventory, population, running, &self.signatures, belonging)
    }
}

/// The machine that runs the images of a store; none if the store is a copy or of another machine.
fn node_of<'n>(store: &StorePlan, listing: &Listing, node: &'n Node) -> Option<&'n Node> {
    (store.place.is_this_machine() && listing.is_for(node)).then_some(node)
}

/// Every manifest that belongs to an image.
fn take_manifests<T: AsRef<Image>>(checked: &mut [(T, CheckedContent)]) -> HashSet<Digest> {
    let mut manifests = HashSet::new();
    for (image, content) in checked {
        manifests.insert(image.as_ref().target.digest().clone());
        manifests.extend(std::mem::take(&mut content.manifests));
    }
    manifests
}

/// Lists a store that is in use again and takes back the verdicts on images that changed. Gives what was not judged: images that
/// appeared, or the whole store if it cannot be read any more.
fn changed_meanwhile(plan: &VerifyPlan, before: &Listing, images: &mut [Examined]) -> Vec<Unreadable> {
    if !plan.store.place.is_this_machine() {
        return Vec::new();
    }
    match store::open(&plan.store, Reading::Manifests) {
        Err(error) => {
            let why = format!("it could be read at first, and then not again: {}", with_sources(&error));
            vec![Unreadable { what: plan.store.place.to_string(), why }]
        }
        Ok(again) => {
            let changes = Changes::between(before, again.listing());
            images.iter_mut().for_each(|image| changes.mark(image));
            // images that were not asked for are not missed
            if plan.images.is_empty() { changes.appeared } else { Vec::new() }
        }
    }
}

/// Writes the report of a run whose store could not be opened: no image, and the reason why.
fn without_store(plan: &VerifyPlan, trust: &Trust, sink: Sink<'_>, why: &str) -> Result<ExitCode, Error> {
    say(&format!("assay-agent: {why}"));
    let unreadable = vec![Unreadable { what: plan.store.place.to_string(), why: why.to_owned() }];
    let coverage = Coverage { unreadable, ..Coverage::default() };
    let mut report = report::node_report(plan, trust, Vec::new(), coverage, None, Vec::new(), Vec::new());
    write(plan, sink, &mut report)?;
    Ok(report.verdict())
}

fn bundle_inputs(bundles: &Bundles, signatures: &Signatures) -> Result<Vec<BundleInput>, Error> {
    let inputs = bundles.each.iter().enumerate().map(|(at, bundle)| {
        let sha256 = bundle.layout.digest().map_err(BundleFault::from)?.hex().to_owned();
        Ok(BundleInput { sha256, signatures: signatures.count(Origin::Bundle(at)) })
    });
    inputs.collect()
}

fn write(plan: &VerifyPlan, sink: Sink<'_>, report: &mut NodeReport) -> Result<(), Error> {
    let bytes = match plan.format {
        VerifyFormat::Report => {
            report.fit();
            json_line(report)?
        }
        VerifyFormat::Procedure => ci_commands::escape_json(&procedure::write(&report.images)?),
    };
    Ok(sink.write(bytes)?)
}
