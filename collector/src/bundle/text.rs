//! Writes for a terminal what a bundle holds, how two differ, and what will be missing.

use assay_report::bundle::{Completeness, Gap, GapKind};
use assay_report::{ExitCode, Status};

use super::check::{BundleCheck, CheckedBundle, CheckedImage, Unsigned};
use super::contents::{Contents, Difference};
use crate::clean;
use crate::report::names;
use crate::report::terminal::{Look, table, wrap};
use crate::report::text::{count, day, size, time};
use crate::trust::Severity;

/// Images of one problem that are listed; JSON has them all.
const IMAGES: usize = 50;

/// What bundles hold.
pub(crate) fn contents_text(bundles: &[Contents], look: Look) -> String {
    let mut out = String::new();
    for contents in bundles {
        let made = contents.tool.as_deref().map_or_else(
            || "a layout of another tool".to_owned(),
            |tool| format!("made by {}", clean::name(tool)),
        );
        let state = completeness(contents.completeness);
        let signed = match contents.signed_by.as_slice() {
            [] => "not signed".to_owned(),
            ids => format!("signed by {}, unchecked", clean::name(&ids.join(", "))),
        };
        let head =
            format!("{}: {made}{state}, {signed}, {}", clean::name(&contents.path), size(contents.size));
        wrap(&mut out, 0, &head, look);
        if let Some(damage) = &contents.damage {
            wrap(
                &mut out,
                2,
                &look.paint(ExitCode::Failed, &format!("damaged: {}", clean::message(damage))),
                look,
            );
        }
        let mut table = table(look);
        table.set_header(["IMAGE", "DIGEST", "SIGNATURES"]);
        for image in &contents.images {
            let digest = names::short_hex(image.digest.hex());
            table.add_row([clean::name(&image.reference), digest, image.signatures.len().to_string()]);
        }
        if !contents.images.is_empty() {
            out.push_str(&format!("{}\n", table.trim_fmt()));
        }
        for signed in &contents.signs {
            let signatures = count(signed.signatures.len(), "signature");
            wrap(
                &mut out,
                0,
                &format!("signs {}, which it does not hold: {signatures}", signed.digest),
                look,
            );
        }
        for companion in &contents.companions {
            let name = companion.name.as_deref().map(clean::name);
            let digest = names::short_hex(companion.digest.hex());
            let of = companion.subject.as_ref().map_or_else(
                || "an image".to_owned(),
                |subject| format!("image {}", names::short_hex(subject.hex())),
            );
            let line = format!(
                "not an image, belongs to {of}: {} {digest} ({})",
                name.as_deref().unwrap_or("(no name)"),
                clean::name(&companion.kind)
            );
            wrap(&mut out, 0, &line, look);
        }
        for digest in &contents.unknown {
            let line = format!("{digest} has no name and its manifest is missing, so it may be an image");
            wrap(&mut out, 0, &line, look);
        }
        for crl in &contents.crls {
            let next = crl.next_update.map_or_else(|| "never said".to_owned(), day);
            wrap(&mut out, 0, &format!("CRL until {next}: {}", clean::name(&crl.url)), look);
        }
        for file in &contents.evidence {
            wrap(&mut out, 0, &format!("evidence of revocation: {}", clean::name(&file.path)), look);
        }
        if !contents.layer_files.is_empty() {
            let bytes = contents.layer_files.iter().map(|files| files.size).sum();
            let layers = count(contents.layer_files.len(), "layer");
            wrap(&mut out, 0, &format!("lists of the files of {layers}: {}", size(bytes)), look);
        }
        for gap in &contents.gaps {
            let title = title(gap.kind, contents.completeness);
            wrap(&mut out, 0, &clean::message(&format!("{title}: {}: {}", gap.what, gap.why)), look);
        }
        out.push_str(&format!("{}\n\n", count(contents.images.len(), "image")));
    }
    out
}

fn completeness(completeness: Option<Completeness>) -> &'static str {
    match completeness {
        None => "",
        Some(Completeness::Complete) => ", complete",
        Some(Completeness::GapsAccepted) => ", with gaps that were accepted",
        Some(Completeness::Partial) => ", PARTIAL: what made it did not finish",
    }
}

/// How two bundles differ.
pub(crate) fn difference_text(difference: &Difference, look: Look) -> String {
    if difference.changes.is_empty() {
        return "no difference in images, signatures, CRLs, lists of files and gaps\n".to_owned();
    }
    let mut table = table(look);
    table.set_header(["", "KIND", "WHAT", "WAS", "IS"]);
    for change in &difference.changes {
        let sign = match (&change.old, &change.new) {
            (None, _) => "+",
            (_, None) => "-",
            _ => "~",
        };
        let value = |value: &Option<String>| value.as_deref().map(clean::name).unwrap_or_default();
        let (old, new) = (value(&change.old), value(&change.new));
        table.add_row([sign.to_owned(), change.kind.to_owned(), clean::name(&change.what), old, new]);
    }
    format!("{}\n", table.trim_fmt())
}

/// What will be missing.
pub(crate) fn check_text(check: &BundleCheck, look: Look) -> String {
    let mut out = String::new();
    let verdict = match check.verdict {
        ExitCode::Passed => "nothing is missing",
        ExitCode::Failed => "images will fail",
        ExitCode::Incomplete | ExitCode::Usage => "not everything could be judged",
    };
    out.push_str(&look.paint(check.verdict, &format!("{verdict} at {}", time(check.at))));
    let sum = &check.summary;
    let counts = format!(
        "\n{}: {} passed, {} failed, {} skipped, {} inconclusive\n",
        count(check.images.len(), "image"),
        sum.passed,
        sum.failed,
        sum.skipped,
        sum.inconclusive
    );
    out.push_str(&counts);
    if check.images.is_empty() {
        out.push_str("There is no image to judge: name the nodes' inventories with --against\n");
    }
    for bundle in &check.bundles {
        let state = completeness(bundle.completeness);
        wrap(&mut out, 0, &format!("bundle {}{state}", clean::name(&bundle.path)), look);
        gaps(&mut out, bundle, look);
    }
    for (problem, title, todo) in PROBLEMS {
        let images: Vec<&CheckedImage> =
            check.images.iter().filter(|image| Problem::of_image(image) == Some(problem)).collect();
        if images.is_empty() {
            continue;
        }
        out.push_str(&format!(
            "\n{} [{}]\n",
            look.paint(ExitCode::Failed, title),
            count(images.len(), "image")
        ));
        for image in images.iter().take(IMAGES) {
            write_image(&mut out, image, look);
        }
        if images.len() > IMAGES {
            wrap(&mut out, 2, &format!("and {} more", images.len() - IMAGES), look);
        }
        wrap(&mut out, 2, &format!("What to do: {todo}"), look);
    }
    unlisted(&mut out, check, look);
    expiring(&mut out, check, look);
    for what in &check.unreadable {
        wrap(&mut out, 0, &clean::message(&format!("unreadable: {what}")), look);
    }
    for finding in check.trust.findings.iter().filter(|finding| finding.severity != Severity::Note) {
        wrap(
            &mut out,
            0,
            &clean::message(&format!("trust directory: {}: {}", finding.what, finding.why)),
            look,
        );
        wrap(&mut out, 2, &format!("What to do: {}", finding.todo), look);
    }
    out
}

/// What a bundle lacks, by its kind, with what to do. What a complete one names is not missing.
fn gaps(out: &mut String, bundle: &CheckedBundle, look: Look) {
    for (kind, _, todo) in GAPS {
        let title = title(kind, bundle.completeness);
        let gaps: Vec<&Gap> = bundle.missing.iter().filter(|gap| gap.kind == kind).collect();
        for gap in gaps.iter().take(IMAGES) {
            wrap(out, 2, &clean::message(&format!("{title}: {}: {}", gap.what, gap.why)), look);
        }
        if gaps.len() > IMAGES {
            wrap(out, 2, &format!("and {} more", gaps.len() - IMAGES), look);
        }
        if !gaps.is_empty() && title != LEFT_OUT {
            wrap(out, 2, &format!("What to do: {todo}"), look);
        }
    }
}

/// What something is called that a bundle names among its gaps.
fn title(kind: GapKind, completeness: Option<Completeness>) -> &'static str {
    match GAPS.into_iter().find(|(known, ..)| *known == kind) {
        Some((_, title, _)) if completeness != Some(Completeness::Complete) => title,
        _ => LEFT_OUT,
    }
}

/// What a complete bundle names: nothing is missing without it.
const LEFT_OUT: &str = "left out";

/// What a gap of a kind is called, and what is to be done about it.
const GAPS: [(GapKind, &str, &str); 5] = [
    (
        GapKind::Image,
        "image not carried",
        "make the bundle again on a machine that reaches a registry which has it",
    ),
    (GapKind::Signature, "signature not carried", "make the bundle again when its registry gives it"),
    (GapKind::Listing, "signatures not listed", LISTING),
    (
        GapKind::LayerFiles,
        "list of a layer's files not carried",
        "make the bundle again on a machine that reaches a registry which has the layer; nodes that keep their layers do without",
    ),
    (
        GapKind::Crl,
        "CRL not carried",
        "make the bundle again on a machine that can fetch it (--trust DIR, --crl-from HOST), or stage it with assay trust add",
    ),
];

/// What to do if it is unknown whether a registry has signatures.
const LISTING: &str = "log in to the registry as a user who may list what refers to its images, have its listing repaired, or name \
                       another registry with --from; then make the bundle again";

/// What is wrong with images that will not pass: a title, and what is to be done about it.
const PROBLEMS: [(Problem, &str, &str); 7] = [
    (
        Problem::Unsigned(Unsigned::AtTheSource),
        "Unsigned at the source",
        "have the publisher sign them, or give them a statement of level skip and a waiver",
    ),
    (
        Problem::Unsigned(Unsigned::NotCarried),
        "Signatures not carried",
        "make the bundle again on a machine that reaches the registry",
    ),
    (
        Problem::Unsigned(Unsigned::NotListed),
        "Signatures unknown: the registry's list of them could not be read, or not all of it",
        LISTING,
    ),
    (
        Problem::Unsigned(Unsigned::NotAskedFor),
        "No bundle was made for these",
        "add them to what the bundle is made of: the nodes' inventories name them all",
    ),
    (
        Problem::Unsigned(Unsigned::Unknown),
        "No signature; a layout without bundle.json does not tell unsigned from not carried",
        "make the bundle with assay, which records what the registry listed",
    ),
    (
        Problem::ByThen,
        "Pass today and not then",
        "carry newer CRLs, have the images signed again, or come back before then",
    ),
    (Problem::Today, "Do not verify", "see each image; assay explain CODE tells what its code means"),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Problem {
    Unsigned(Unsigned),
    ByThen,
    Today,
}

impl Problem {
    /// What is wrong with an image; none if it passes or is skipped.
    fn of_image(image: &CheckedImage) -> Option<Self> {
        match (image.status, image.unsigned, image.status_now) {
            (Status::Passed | Status::Skipped, ..) => None,
            (_, Some(why), _) => Some(Self::Unsigned(why)),
            (_, None, Status::Passed | Status::Skipped) => Some(Self::ByThen),
            (_, None, Status::Failed | Status::Inconclusive) => Some(Self::Today),
        }
    }
}

fn write_image(out: &mut String, image: &CheckedImage, look: Look) {
    let name = clean::name(names::preferred(&image.references));
    let on = match image.nodes.len() {
        0 => String::new(),
        nodes => format!("  on {}", count(nodes, "node")),
    };
    wrap(out, 2, &format!("{name}  {}{on}", names::short_hex(image.digest.hex())), look);
    if image.unsigned.is_none() {
        let code = image.reason.map(|reason| format!("[{}] ", reason.as_str())).unwrap_or_default();
        wrap(out, 6, &format!("{code}{}", clean::message_or(image.message.as_deref(), "")), look);
    }
    if let Some(why) = image.not_carried.as_ref().or(image.hint.as_ref()) {
        wrap(out, 6, &clean::message(why), look);
    }
}

/// Images of which nodes may have neither layers nor lists, if lists were asked for.
fn unlisted(out: &mut String, check: &BundleCheck, look: Look) {
    let images: Vec<&CheckedImage> =
        check.images.iter().filter(|image| image.unlisted_layers != Some(0)).collect();
    if images.is_empty() || check.bundles.iter().all(|bundle| bundle.layer_lists == 0) {
        return;
    }
    let images_text = count(images.len(), "image");
    out.push_str(&format!("\nLayers without a list of their files [{images_text}]\n"));
    for image in images.iter().take(IMAGES) {
        let name = clean::name(names::preferred(&image.references));
        let layers = match image.unlisted_layers {
            Some(layers) => count(layers, "layer"),
            None => "not known, because the bundles do not have all of its manifests".to_owned(),
        };
        wrap(out, 2, &format!("{name}: {layers}"), look);
    }
    if images.len() > IMAGES {
        wrap(out, 2, &format!("and {} more", images.len() - IMAGES), look);
    }
    wrap(
        out,
        2,
        "What to do: make the bundle with --rootfs from these nodes' inventories; nodes that keep their layers do without",
        look,
    );
}

fn expiring(out: &mut String, check: &BundleCheck, look: Look) {
    if check.expiring.is_empty() {
        return;
    }
    let mut table = table(look);
    table.set_header(["UNTIL", "KIND", "WHAT"]);
    for one in &check.expiring {
        table.add_row([day(one.until), one.kind.to_owned(), clean::name(&one.what)]);
    }
    out.push_str(&format!("\nEnds before {}\n{}\n", day(check.at), table.trim_fmt()));
}
