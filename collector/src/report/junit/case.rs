//! Makes the test case of an image.

use std::fmt::Write as _;
use std::time::Duration;

use assay_report::{Check, CheckResult, Image, List, Signature, Status, WaivedImage};
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus};

use crate::clean;
use crate::report::custody;
use crate::report::drift;
use crate::report::explanation::image_reason;
use crate::report::text::count;
use crate::report::{names, text, words};

/// A case without a duration: the agent judges images together.
pub(super) fn new(name: &str, class: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(if class.trim().is_empty() { "-".into() } else { without_points(class) });
    case.set_time(Duration::ZERO);
    case
}

/// Jenkins and others cut the name of a class at its last point and take the first part for a package. Points are encoded as in
/// a URL, so that no two classes become one.
fn without_points(class: &str) -> String {
    class.replace('%', "%25").replace('.', "%2E")
}

/// A status that is not passed. Some systems show only the message, others only the beginning of the text, so both name the
/// node.
pub(super) fn not_in_order(
    kind: NonSuccessKind,
    node: &str,
    code: &str,
    message: &str,
    text: &str,
) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    let (message, text) = (format!("on {node}: {message}"), format!("Node: {node}\n{text}"));
    status.set_type(code).set_message(message).set_description(text);
    status
}

/// The case of `image` on the node whose cleaned name is `node`.
pub(super) fn image_case(node: &str, image: &Image, waiver: Option<&WaivedImage>) -> TestCase {
    let class = format!("{node}/{}", names::repository(image));
    let status = waiver.map_or_else(|| status(node, image), |waiver| waived(image, waiver));
    new(&names::full(image), &class, status)
}

/// Skipped, with the waiver's approver, reason and end, and with what it covers.
fn waived(image: &Image, waiver: &WaivedImage) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    let found = clean::message_or(image.message.as_deref(), image_reason(image).1.what);
    let (until, word) = (text::time(waiver.expires), words::status(image.status));
    let (approver, reason) = (clean::name(&waiver.approver), clean::message(&waiver.reason));
    let codes = words::codes(image).join(", ");
    status.set_message(format!("waived until {until} by {approver}: {reason} (it {word}, {codes}: {found})"));
    status
}

fn status(node: &str, image: &Image) -> TestCaseStatus {
    let (code, explanation) = image_reason(image);
    let message = |otherwise: &str| clean::message_or(image.message.as_deref(), otherwise);
    let kind = match image.status {
        Status::Passed => return TestCaseStatus::success(),
        Status::Skipped => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(message("the trust policy says level skip"));
            return status;
        }
        Status::Failed => NonSuccessKind::Failure,
        Status::Inconclusive => NonSuccessKind::Error,
    };
    let message = message(explanation.what);
    let hint = clean::message_or(image.hint.as_deref(), explanation.todo);
    not_in_order(kind, node, code, &message, &particulars(image, &message, &hint))
}

/// Everything that a person needs who sees only this text. CI systems show it like a stack trace.
fn particulars(image: &Image, message: &str, hint: &str) -> String {
    let mut text = format!("{message}\nWhat to do: {hint}\n\nDigest: {}\n", image.digest);
    let omitted = |list| image.omitted.count(list);
    let references = image.references.iter().map(|reference| clean::name(reference));
    list(&mut text, "Reference", references, omitted(List::References));
    list(&mut text, "Code", words::codes(image).into_iter().map(str::to_owned), 0);
    list(
        &mut text,
        "Running in",
        image.in_use.iter().map(|container| {
            let name = |name: &Option<String>| name.as_deref().map_or("-".into(), clean::name);
            let (space, pod) = (name(&container.pod_namespace), name(&container.pod));
            format!("{space}/{pod}/{} ({})", name(&container.container), clean::name(&container.id))
        }),
        omitted(List::InUse),
    );
    let chains = custody::worst_first(image);
    let told = chains.iter().map(|(container, custody)| {
        let why = custody.first_broken().map(|link| format!(": {}", clean::message(&link.evidence)));
        let (summary, why) = (custody::summary(custody), why.unwrap_or_default());
        format!("{} ({}): {summary}{why}", custody::name(container), clean::name(&container.id))
    });
    list(&mut text, "Custody", told, omitted(List::Custody));
    list(
        &mut text,
        "Changed blob",
        image.content.mismatched.iter().map(|blob| {
            format!("{} ({}), found {}", blob.digest, clean::name(&blob.media_type), clean::name(&blob.found))
        }),
        omitted(List::Mismatched),
    );
    let differing = image.rootfs.iter().flat_map(|rootfs| &rootfs.differing);
    list(&mut text, "Changed file", differing.map(|file| clean::name(file)), omitted(List::Differing));
    for container in drift::containers(image) {
        let lines = std::iter::once(container.summary).chain(container.files).chain(container.mounts);
        list(&mut text, "Writable layer", lines, 0);
    }
    if let Some(policy) = &image.policy {
        list(&mut text, "Policy", std::iter::once(clean::name(policy)), 0);
    }
    for signature in image.signatures.iter().take(SHOWN) {
        text.push('\n');
        push_signature(&mut text, signature);
    }
    let more = omitted(List::Signatures).saturating_add(image.signatures.len().saturating_sub(SHOWN) as u64);
    if more > 0 {
        text.push_str(&format!("\nand {}\n", count(more, "more signature")));
    }
    clean::block(&text, clean::BLOCK)
}

fn push_signature(text: &mut String, signature: &Signature) {
    let signer =
        signature.signer.as_deref().map_or("unknown, because integrity is not proven".into(), clean::name);
    // writing to a String cannot fail
    let _ = writeln!(
        text,
        "Signature {}: {}\n  signer: {signer}",
        signature.digest,
        words::status(signature.status)
    );
    if let Some(leaf) = signature.chain.first() {
        let _ = writeln!(text, "  certificate expires: {}", leaf.not_after);
    }
    for (name, check) in signature.checks.named() {
        let Check { result, action, code, message } = check;
        let action = words::action(*action);
        push_check(text, &format!("{name} ({action})"), *result, code.as_deref(), message.as_deref());
    }
    let target = &signature.target;
    push_check(text, "names this image", target.result, target.code.as_deref(), target.message.as_deref());
}

fn push_check(text: &mut String, name: &str, result: CheckResult, code: Option<&str>, message: Option<&str>) {
    let _ = write!(text, "  {name}: {}", words::check(result));
    for particular in [code, message].into_iter().flatten() {
        let _ = write!(text, ", {}", clean::message(particular));
    }
    text.push('\n');
}

/// The first of `items` and the number of others. The node's report left out `omitted` of them.
fn list(text: &mut String, title: &str, mut items: impl Iterator<Item = String>, omitted: u64) {
    for item in items.by_ref().take(SHOWN) {
        let _ = writeln!(text, "{title}: {item}");
    }
    let more = omitted.saturating_add(items.count() as u64);
    if more > 0 {
        let _ = writeln!(text, "and {more} more");
    }
}

/// Items of one kind that are shown of one image. A real image has a handful, a hostile report may have any number.
const SHOWN: usize = 20;
