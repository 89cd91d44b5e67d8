//! Judges vectors beyond the conformance cases: what the design adds to notation's behaviour, one small layout each.
//!
//! To add one, write a function that builds a [`Vector`], with the verdict that is expected of the image and why, in the
//! order of subjects below. The toolkit in `fixtures/generate` makes whatever is needed, right or wrong.

use std::fs;
use std::io::Write as _;

use assay_fixtures::archive;
use assay_fixtures::demo::publisher::{Algorithm, Signature};
use assay_fixtures::envelope::{Format, Signing};
use assay_fixtures::image::{Image, linux};
use assay_fixtures::layout::Layout;
use assay_tests::program::{self, verdict};
use assay_tests::published::{AT, GOOD};
use assay_tests::vector::{NAME, Vector, statement, verify};
use assay_verifier::limits;
use assay_verifier::notary;
use assay_verifier::oci::{Descriptor, Manifest, media_type};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde_json::json;

// Signature manifests. Microsoft uses the form with artifactType, which notation 1.3.2 overlooks in layouts.

#[test]
fn a_signature_manifest_may_have_an_artifact_type() {
    let (mut vector, target) = Vector::of_image();
    vector.sign_in(&target, |manifest| {
        manifest["artifactType"] = notary::media_type::SIGNATURE.into();
        manifest["config"]["mediaType"] = media_type::OCI_EMPTY.into();
    });
    vector.expect("passed");
}

#[test]
fn a_signature_manifest_of_another_artifact_type_does_not_count() {
    let (mut vector, target) = Vector::of_image();
    vector.sign_in(&target, |manifest| {
        manifest["artifactType"] = "application/vnd.example.sbom".into();
        manifest["config"]["mediaType"] = media_type::OCI_EMPTY.into();
    });
    vector.expect("failed/no-signature");
}

#[test]
fn a_subject_of_another_size_is_another_image() {
    let (mut vector, target) = Vector::of_image();
    vector.sign_in(&target, |manifest| {
        manifest["subject"]["size"] = (target.size + 1).into();
    });
    vector.expect("failed/no-signature");
}

#[test]
fn nonsense_in_annotations_does_no_harm() {
    // real ones of 2024 have a thumbprint annotation that is not JSON
    let (mut vector, target) = Vector::of_image();
    vector.sign_in(&target, |manifest| {
        manifest["annotations"] =
            json!({ "io.cncf.notary.x509chain.thumbprint#S256": "[abc,def]", "org.opencontainers.image.created": "x" });
    });
    vector.expect("passed");
}

#[test]
fn a_signature_under_a_fallback_tag_alone_is_found() {
    let (mut vector, target) = Vector::of_image();
    let signature = vector.publisher.sign(&mut vector.bundle, &target, GOOD);
    let mut index = vector.bundle.add_index(false, &[signature]);
    let tag = target.digest.as_str().replace(':', "-");
    index.annotations.insert("org.opencontainers.image.ref.name".into(), tag);
    vector.bundle.list(index);
    vector.expect("passed");
}

#[test]
fn a_signature_manifest_that_was_changed_is_found() {
    let (mut vector, target) = Vector::of_image();
    let signature = vector.publisher.sign(&mut vector.bundle, &target, GOOD);
    vector.bundle.tamper(&signature.digest);
    vector.bundle.list(signature);
    let report = vector.verify().report();
    assert_ne!(verdict(&report.images[0]), "passed");
}

#[test]
fn one_signature_that_cannot_be_read_does_not_hide_a_good_one() {
    let (mut vector, target) = Vector::of_image();
    let broken =
        vector.publisher.sign(&mut vector.bundle, &target, Signature::Good(Algorithm::P384, Format::Jws));
    let envelope = vector.bundle.layers(&broken).remove(0);
    vector.bundle.remove(&envelope.digest);
    vector.bundle.list(broken);
    vector.sign(&target, GOOD);
    vector.expect("passed");
}

// Policies: an image must pass under the statement of every repository that it is known by.

#[test]
fn every_repository_must_pass() {
    let (mut vector, target) = Vector::of_image();
    vector.sign(&target, GOOD);
    vector.store.name(&target, "registry.example.test/mirror/app:v1");
    vector.expect("passed");
    let other = "x509.subject: C=US, ST=Oregon, O=Somebody Else";
    vector.policy = Some(json!({
        "version": "1.0",
        "trustPolicies": [
            statement("team", "registry.example.test/team/app", "*"),
            statement("mirror", "registry.example.test/mirror/app", other),
        ],
    }));
    vector.expect("failed/authenticity");
    // a repository that no statement covers
    vector.policy = Some(json!({
        "version": "1.0",
        "trustPolicies": [statement("team", "registry.example.test/team/app", "*")],
    }));
    vector.expect("failed/policy");
}

#[test]
fn a_skipped_repository_vouches_for_no_other() {
    const TOOL: &str = "registry.example.test/site-tools/node-shell:v1";
    let (mut vector, target) = Vector::of_image();
    vector.store.name(&target, TOOL);
    vector.expect("failed/no-signature");
    vector.sign(&target, GOOD);
    vector.expect("passed");
    // by itself it is skipped, whatever its signatures are worth
    let mut vector = Vector::new();
    let target = Image::of_text(linux("amd64"), "app", "vector").add_to(&mut vector.store);
    vector.store.name(&target, TOOL);
    vector.sign(&target, Signature::Tampered);
    vector.expect("skipped");
}

#[test]
fn a_name_that_no_scope_can_name_is_covered_by_the_star_alone() {
    for name in ["app:v1", "app", "REGISTRY.example.test/Team/App:v1", "registry.example.test/team/app:v1:v2"]
    {
        let mut vector = Vector::new();
        let target = Image::of_text(linux("amd64"), "app", "vector").add_to(&mut vector.store);
        vector.store.name(&target, name);
        vector.expect("failed/no-signature");
        vector.policy = Some(json!({
            "version": "1.0",
            "trustPolicies": [{
                "name": "team",
                "registryScopes": ["registry.example.test/team/app"],
                "signatureVerification": { "level": "skip" },
            }],
        }));
        vector.expect("failed/policy");
    }
}

// Content.

#[test]
fn every_kind_of_blob_is_hashed() {
    type Pick = fn(&Layout, &Descriptor, &Descriptor) -> Descriptor;
    let picks: [(&str, Pick); 4] = [
        ("index", |_, index, _| index.clone()),
        ("manifest", |_, _, manifest| manifest.clone()),
        ("config", |store, _, manifest| store.config(manifest)),
        ("layer", |store, _, manifest| store.layers(manifest).remove(0)),
    ];
    for (what, pick) in picks {
        let (mut vector, index, [manifest, _]) = Vector::of_index();
        vector.store.name(&index, NAME);
        vector.sign(&index, GOOD);
        let blob = pick(&vector.store, &index, &manifest);
        vector.store.tamper(&blob.digest);
        let report = vector.verify().expect_code(1).report();
        let image = &report.images[0];
        assert_eq!(verdict(image), "failed/content-mismatch", "{what}");
        assert_eq!(image.content.mismatched.len(), 1, "{what}");
        assert_eq!(image.content.mismatched[0].digest, blob.digest, "{what}");
    }
}

#[test]
fn what_is_missing_is_not_what_is_wrong() {
    let (mut vector, target) = Vector::of_image();
    vector.sign(&target, GOOD);
    let layer = vector.store.layers(&target).remove(0);
    vector.store.remove(&layer.digest);
    vector.expect("passed");
    let config = vector.store.config(&target);
    vector.store.remove(&config.digest);
    vector.expect("inconclusive/unreadable");
    vector.store.remove(&target.digest);
    vector.expect("inconclusive/unreadable");
    // With --content none, nothing of the image is read.
    vector.flags = vec!["--content", "none"];
    vector.expect("passed");
}

#[test]
fn a_manifest_listed_twice_is_as_absent_as_one_listed_once() {
    let (mut vector, _, [manifest, _]) = Vector::of_index();
    let index = vector.store.add_index(false, &[manifest.clone(), manifest.clone()]);
    vector.store.name(&index, NAME);
    vector.sign(&index, GOOD);
    vector.expect("passed");
    vector.store.remove(&manifest.digest);
    vector.expect("inconclusive/unreadable");
}

#[test]
fn a_longer_blob_is_found() {
    let (mut vector, target) = Vector::of_image();
    vector.sign(&target, GOOD);
    let layer = vector.store.layers(&target).remove(0);
    let mut longer = vector.store.blob(&layer.digest).to_vec();
    longer.push(0);
    vector.store.put(&layer.digest, longer);
    vector.expect("failed/content-mismatch");
}

#[test]
fn a_failed_signature_and_changed_content_fail_once() {
    let (mut vector, target) = Vector::of_image();
    vector.sign(&target, Signature::OtherAuthority);
    let layer = vector.store.layers(&target).remove(0);
    vector.store.tamper(&layer.digest);
    let report = vector.verify().expect_code(1).report();
    assert_eq!(report.summary.failed, 1);
    assert_eq!(report.images[0].content.mismatched.len(), 1);
}

#[test]
fn blobs_that_are_not_files_are_not_waited_for() {
    let (mut vector, target) = Vector::of_image();
    vector.sign(&target, GOOD);
    let layer = vector.store.layers(&target).remove(0);
    vector.store.remove(&layer.digest);
    let folder = tempfile::tempdir().unwrap();
    vector.write(folder.path());
    let path = |name: &str| folder.path().join(name).display().to_string();
    let fifo = path(&format!("store/blobs/sha256/{}", layer.digest.hex()));
    let _ = program::run("mkfifo", [&fifo]).expect_code(0);
    let done = verify(&format!("layout:{}", path("store")), &path("trust"), &path("bundle"), &[]);
    assert_eq!(verdict(&done.expect_code(3).report().images[0]), "inconclusive/unreadable");
}

// Bundles: directory or archive, the same verdict.

#[test]
fn a_bundle_that_lists_itself_comes_to_an_end() {
    let (mut vector, target) = Vector::of_image();
    let index = vector.bundle.add_index(false, &[]);
    vector.bundle.list(index.clone());
    let around = json!({ "schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": [index] });
    vector.bundle.put(&index.digest, around.to_string().into_bytes());
    vector.sign(&target, GOOD);
    vector.expect("passed");
}

#[test]
fn indexes_in_a_bundle_nest_to_a_limit() {
    let nested = |depth| {
        let (mut vector, target) = Vector::of_image();
        let mut entry = vector.publisher.sign(&mut vector.bundle, &target, GOOD);
        for _ in 0..depth {
            entry = vector.bundle.add_index(false, &[entry]);
        }
        vector.bundle.list(entry);
        vector.verify().report()
    };
    let (inside, outside) = (nested(2), nested(limits::INDEX_DEPTH + 1));
    assert_eq!(verdict(&inside.images[0]), "passed");
    // The signature may be in a place that was not read.
    assert_eq!(verdict(&outside.images[0]), "inconclusive/unreadable");
    assert_eq!((inside.coverage.unreadable.len(), outside.coverage.unreadable.len()), (0, 1));
}

#[test]
fn an_archive_with_two_files_of_one_name_is_refused() {
    let (mut vector, target) = Vector::of_image();
    vector.sign(&target, GOOD);
    let folder = tempfile::tempdir().unwrap();
    vector.write(folder.path());
    let path = |name: &str| folder.path().join(name).display().to_string();
    // a tar archive ends with zeros, so that another one can follow only where they are cut off
    let mut twice = vector.bundle.tar();
    twice.truncate(twice.len() - 1024);
    twice.extend(Layout::new().tar());
    fs::write(path("twice.tar"), twice).unwrap();
    let _ =
        verify(&format!("layout:{}", path("store")), &path("trust"), &path("twice.tar"), &[]).expect_code(2);
}

#[test]
fn archives_that_were_cut_short_are_refused() {
    let (mut vector, target) = Vector::of_image();
    vector.sign(&target, GOOD);
    let folder = tempfile::tempdir().unwrap();
    vector.write(folder.path());
    let path = |name: &str| folder.path().join(name).display().to_string();
    let tar = vector.bundle.tar();
    for (kind, bytes) in [
        ("tar", tar.clone()),
        ("tar.gz", archive::gzip(&tar)),
        ("tar.zst", compress_to_vec(&tar[..], CompressionLevel::Fastest)),
    ] {
        let short = path(&format!("short.{kind}"));
        fs::write(&short, &bytes[..bytes.len() * 2 / 3]).unwrap();
        let done = verify(&format!("layout:{}", path("store")), &path("trust"), &short, &[]);
        let _ = done.expect_code(2);
    }
}

#[test]
fn bundles_and_stores_come_in_every_form() {
    let (mut vector, target) = Vector::of_image();
    vector.sign(&target, GOOD);
    let folder = tempfile::tempdir().unwrap();
    vector.write(folder.path());
    for name in ["store", "bundle"] {
        let mut files = archive::Files::new();
        archive::read_files(&folder.path().join(name), &folder.path().join(name), &mut files).unwrap();
        let tar = archive::tar(&files);
        let put = |kind: &str, bytes: &[u8]| {
            fs::File::create(folder.path().join(format!("{name}{kind}"))).unwrap().write_all(bytes).unwrap();
        };
        put(".tar", &tar);
        put(".tar.gz", &archive::gzip(&tar));
        put(".tar.zst", &compress_to_vec(&tar[..], CompressionLevel::Fastest));
    }
    let path = |name: &str| folder.path().join(name).display().to_string();
    for kind in ["", ".tar", ".tar.gz", ".tar.zst"] {
        let bundle = path(&format!("bundle{kind}"));
        let done = verify(&format!("layout:{}", path("store")), &path("trust"), &bundle, &[]);
        assert_eq!(done.expect_code(0).report().summary.passed, 1, "bundle{kind}");
        let store = format!("layout:{}", path(&format!("store{kind}")));
        let done = verify(&store, &path("trust"), &path("bundle"), &[]);
        assert_eq!(done.expect_code(0).report().summary.passed, 1, "store{kind}");
    }
}

#[test]
fn signatures_of_several_bundles_are_tried() {
    let (mut vector, target) = Vector::of_image();
    vector.sign(&target, Signature::OtherAuthority);
    let folder = tempfile::tempdir().unwrap();
    vector.write(folder.path());
    let mut second = Layout::new();
    let signature = vector.publisher.sign(&mut second, &target, GOOD);
    second.list(signature);
    second.write(&folder.path().join("second")).unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let store = format!("layout:{}", path("store"));
    let _ = verify(&store, &path("trust"), &path("bundle"), &[]).expect_code(1);
    let _ =
        verify(&store, &path("trust"), &path("bundle"), &["--signatures", &path("second")]).expect_code(0);
}

#[test]
fn a_layout_is_its_own_signature_source() {
    let (mut vector, target) = Vector::of_image();
    let signature = vector.publisher.sign(&mut vector.store, &target, GOOD);
    vector.store.list(signature);
    vector.expect("passed");
}

// Envelopes: limits.rs, one just inside and one just outside.

#[test]
fn envelopes_are_bounded() {
    for (over, expected) in [(false, "passed"), (true, "failed")] {
        let (mut vector, target) = Vector::of_image();
        let signer = vector.publisher.clone();
        let signing = Signing::new(
            signer.signer(Algorithm::P256),
            &target,
            assay_verifier::time::UnixTime::parse(AT).unwrap(),
        );
        let mut envelope = signing.jws();
        // white space before the object's end, where JSON allows any
        let room = limits::ENVELOPE_BYTES - envelope.len() + usize::from(over);
        let end = envelope.len() - 1;
        envelope.splice(end..end, std::iter::repeat_n(b' ', room));
        let chain = signing.signer.chain.clone();
        let signature = vector.bundle.add_signature(&target, Format::Jws, envelope, &chain, AT);
        vector.bundle.list(signature);
        let report = vector.verify().report();
        let found = verdict(&report.images[0]);
        assert_eq!(found.split('/').next(), Some(expected), "{found}");
    }
}

#[test]
fn the_toolkit_makes_what_it_says() {
    // A vector that is broken by accident would also give "failed".
    let (mut vector, target) = Vector::of_image();
    vector.sign(&target, GOOD);
    let manifest = Manifest::parse(vector.store.blob(&target.digest)).unwrap();
    assert_eq!((manifest.layers.len(), manifest.config.is_some()), (1, true));
    vector.expect("passed");
}
