//! Applies waivers to the agent's verdicts: a waiver excuses an image only if it excuses everything that is wrong with
//! it, and every report says so.

use std::fs;

use assay_fixtures::demo::publisher::Signature;
use assay_fixtures::image::{Image, linux};
use assay_report::{Reason, SiteReport};
use assay_tests::program;
use assay_tests::published::GOOD;
use assay_tests::vector::{Vector, statement};
use assay_verifier::oci::Descriptor;
use serde_json::{Value, json};

const COLLECTOR: &str = env!("CARGO_BIN_EXE_collector-under-test");

/// Has the one image of the vector reported with a waiver for `codes`: the exit code is 0 only where it is covered, and all
/// reports agree.
#[track_caller]
fn is_covered(vector: &Vector, codes: &[&str]) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("node.json"), vector.verify().stdout).unwrap();
    let codes = codes.iter().map(|code| format!("\"{code}\"")).collect::<Vec<_>>().join(",");
    let waiver = format!(
        "[[waiver]]\nimage = \"registry.example.test/team/app\"\ncodes = [{codes}]\nreason = \"r\"\napprover = \"a\"\nexpires = 2026-12-31\n"
    );
    fs::write(path("waivers.toml"), waiver).unwrap();
    let (report, out, waivers) = (path("node.json"), path("out"), path("waivers.toml"));
    let done = program::run(
        COLLECTOR,
        ["report", &report, "--out", &out, "--waivers", &waivers, "--at", "2026-11-20T12:00:00Z"],
    );
    let read = |name: &str| fs::read_to_string(folder.path().join("out").join(name)).unwrap();
    let site: SiteReport = serde_json::from_str(&read("report.json")).unwrap();
    let covered = site.summary.waived == 1;
    assert_eq!(read("junit.xml").contains("<failure"), !covered);
    let sarif: Value = serde_json::from_str(&read("report.sarif")).unwrap();
    assert_eq!(sarif.pointer("/runs/0/results/0/suppressions").is_some(), covered);
    assert_eq!(read("oscal-assessment-results.json").contains("deviation-approved"), covered);
    let _ = done.expect_code(if covered { 0 } else { 1 });
    covered
}

#[track_caller]
fn reasons(vector: &Vector) -> Vec<Reason> {
    let report = vector.verify().report();
    let [image] = &report.images[..] else { panic!("{} images", report.images.len()) };
    image.reason.iter().chain(&image.also).copied().collect()
}

/// One byte of the image's layer is another.
fn alter(vector: &mut Vector, target: &Descriptor) {
    let layer = vector.store.layers(target).remove(0);
    vector.store.tamper(&layer.digest);
}

#[test]
fn an_exception_for_an_unsigned_image_is_none_for_its_bytes() {
    let (mut vector, target) = Vector::of_image();
    assert!(is_covered(&vector, &["no-signature"]));
    alter(&mut vector, &target);
    assert_eq!(reasons(&vector), [Reason::NoSignature, Reason::ContentMismatch]);
    assert!(!is_covered(&vector, &["no-signature"]));
    assert!(!is_covered(&vector, &["content-mismatch"]));
    assert!(is_covered(&vector, &["content-mismatch", "no-signature"]));
    assert!(is_covered(&vector, &[]), "without codes it excuses any");
}

#[test]
fn an_exception_for_altered_bytes_is_none_for_what_is_missing() {
    let (mut vector, target) = Vector::of_image();
    let config = vector.store.config(&target);
    vector.store.remove(&config.digest);
    assert_eq!(reasons(&vector), [Reason::NoSignature, Reason::Unreadable]);
    assert!(!is_covered(&vector, &["no-signature"]));
    alter(&mut vector, &target);
    vector.sign(&target, GOOD);
    assert_eq!(reasons(&vector), [Reason::ContentMismatch, Reason::Unreadable]);
    assert!(!is_covered(&vector, &["content-mismatch"]));
    assert!(is_covered(&vector, &["content-mismatch", "unreadable"]));
}

/// The manifest itself is altered, so that content is found before signatures are.
#[test]
fn an_exception_for_an_altered_manifest_is_none_for_want_of_a_signature() {
    let (mut vector, target) = Vector::of_image();
    vector.store.tamper(&target.digest);
    assert!(!is_covered(&vector, &["content-mismatch"]));
    assert_eq!(reasons(&vector)[..2], [Reason::ContentMismatch, Reason::NoSignature]);
}

/// Anyone can attach an old signature of one image to another: the first check that fails hides that.
#[test]
fn an_exception_for_an_expired_signature_is_none_for_that_of_another_image() {
    let (mut vector, target) = Vector::of_image();
    vector.sign(&target, Signature::Expired);
    assert_eq!(reasons(&vector), [Reason::Expiry]);
    assert!(is_covered(&vector, &["expiry"]));

    let (mut vector, target) = Vector::of_image();
    let other = Image::of_text(linux("amd64"), "app", "another").add_to(&mut vector.bundle);
    let signature = vector.publisher.sign(&mut vector.bundle, &other, Signature::Expired);
    let mut manifest: Value = serde_json::from_slice(vector.bundle.blob(&signature.digest)).unwrap();
    manifest["subject"] = json!(target);
    let moved = vector.bundle.add(&signature.media_type, manifest.to_string().into_bytes());
    vector.bundle.list(moved);
    assert_eq!(reasons(&vector), [Reason::Expiry, Reason::DescriptorMismatch]);
    assert!(!is_covered(&vector, &["expiry"]));
}

/// Each repository's statement has its own say.
#[test]
fn an_exception_under_one_statement_is_none_under_another() {
    let (mut vector, target) = Vector::of_image();
    vector.store.name(&target, "registry.example.test/team/app:v2");
    vector.sign(&target, Signature::Expired);
    let other = "x509.subject: C=US, ST=Oregon, O=Somebody Else";
    vector.policy = Some(json!({
        "version": "1.0",
        "trustPolicies": [
            statement("a", "registry.example.test/team/app", "*"),
            statement("b", "registry.example.test/mirror/app", other),
        ],
    }));
    assert_eq!(reasons(&vector), [Reason::Expiry]);
    vector.store.name(&target, "registry.example.test/mirror/app:v1");
    assert_eq!(reasons(&vector), [Reason::Expiry, Reason::Authenticity]);
}
