//! Judges indexes and their manifests: which of them is signed, which of them the node holds, and what the operator
//! accepts.

use assay_fixtures::demo::publisher::Signature;
use assay_fixtures::image::{Image, linux, windows};
use assay_report::Via;
use assay_tests::program::verdict;
use assay_tests::published::GOOD;
use assay_tests::vector::{NAME, Vector};
use assay_verifier::limits;
use assay_verifier::notary;
use assay_verifier::oci::{Descriptor, media_type};
use serde_json::Value;

const ACCEPT_PARENT: [&str; 2] = ["--accept", "parent-index"];
const ACCEPT_PLATFORMS: [&str; 2] = ["--accept", "platform-manifest"];

#[test]
fn index_alone_is_signed_and_held() {
    let (mut vector, index, _) = Vector::of_index();
    vector.store.name(&index, NAME);
    vector.sign(&index, GOOD);
    vector.expect("passed");
}

#[test]
fn only_the_parent_index_is_signed() {
    let (mut vector, index, [manifest, _]) = Vector::of_index();
    vector.store.name(&manifest, NAME);
    vector.sign(&index, GOOD);
    vector.carry(&index);
    vector.expect("failed/no-signature");
    vector.flags = vec!["--accept", "parent-index"];
    vector.expect_via("passed", Some(Via::ParentIndex));
    // Accepting one does not accept the other.
    vector.flags = vec!["--accept", "platform-manifest"];
    vector.expect("failed/no-signature");
}

#[test]
fn a_parent_index_that_does_not_verify_helps_nobody() {
    for signature in
        [Signature::OtherAuthority, Signature::OtherIdentity, Signature::Tampered, Signature::OfAnotherImage]
    {
        let (mut vector, index, [manifest, _]) = Vector::of_index();
        vector.store.name(&manifest, NAME);
        vector.sign(&index, signature);
        vector.carry(&index);
        vector.flags = vec!["--accept", "parent-index"];
        let report = vector.verify().expect_code(1).report();
        assert_ne!(verdict(&report.images[0]), "passed", "{signature:?}");
    }
}

#[test]
fn a_signed_index_that_lists_others_helps_nobody() {
    let (mut vector, target) = Vector::of_image();
    let other = Image::of_text(linux("amd64"), "other", "other").add_to(&mut vector.store);
    let index = vector.store.add_index(false, &[other]);
    vector.sign(&index, GOOD);
    vector.carry(&index);
    vector.flags = vec!["--accept", "parent-index"];
    vector.expect("failed/no-signature");
    // nor one whose bytes were changed so that it lists the image
    let mut manifest: Value = serde_json::from_slice(vector.bundle.blob(&index.digest)).unwrap();
    manifest["manifests"][0]["digest"] = target.digest.as_str().into();
    manifest["manifests"][0]["size"] = target.size.into();
    vector.bundle.put(&index.digest, manifest.to_string().into_bytes());
    let report = vector.verify().expect_code(1).report();
    assert_ne!(verdict(&report.images[0]), "passed");
}

#[test]
fn only_the_platform_manifests_are_signed() {
    let (mut vector, index, manifests) = Vector::of_index();
    vector.store.name(&index, NAME);
    for manifest in &manifests {
        vector.sign(manifest, GOOD);
    }
    vector.expect("failed/no-signature");
    vector.flags = vec!["--accept", "platform-manifest"];
    vector.expect_via("passed", Some(Via::PlatformManifest));
    vector.flags = vec!["--accept", "parent-index"];
    vector.expect("failed/no-signature");
}

#[test]
fn one_of_two_platform_manifests_is_signed() {
    let (mut vector, index, [manifest, _]) = Vector::of_index();
    vector.store.name(&index, NAME);
    vector.sign(&manifest, GOOD);
    vector.flags = vec!["--accept", "platform-manifest"];
    let report = vector.verify().expect_code(1).report();
    assert_ne!(verdict(&report.images[0]), "passed", "the other manifest is there and unsigned");
}

#[test]
fn an_index_of_indexes_speaks_for_all_of_them() {
    let nested = |signed: usize| {
        let (mut vector, index, [manifest, _]) = Vector::of_index();
        let middle = vector.store.add_index(false, std::slice::from_ref(&index));
        let outer = vector.store.add_index(true, std::slice::from_ref(&middle));
        vector.store.name(&manifest, NAME);
        for index in [&index, &middle, &outer] {
            vector.carry(index);
        }
        vector.sign([&index, &middle, &outer][signed], GOOD);
        vector.expect("failed/no-signature");
        vector.flags = ACCEPT_PARENT.to_vec();
        (vector, middle)
    };
    for signed in 0..3 {
        nested(signed).0.expect_via("passed", Some(Via::ParentIndex));
    }
    // If one of them is missing or altered, nothing connects the outer index with the manifest.
    let (mut vector, middle) = nested(2);
    for layout in [&mut vector.store, &mut vector.bundle] {
        layout.remove(&middle.digest);
    }
    vector.expect("failed/no-signature");
    let (mut vector, middle) = nested(2);
    for layout in [&mut vector.store, &mut vector.bundle] {
        layout.tamper(&middle.digest);
    }
    vector.expect("failed/no-signature");
}

#[test]
fn a_signed_index_far_above_helps_nobody() {
    let above = |levels| {
        let (mut vector, target) = Vector::of_image();
        let mut top = target;
        for _ in 0..levels {
            top = vector.bundle.add_index(false, &[top]);
            vector.bundle.list(top.clone());
        }
        vector.sign(&top, GOOD);
        vector.flags = ACCEPT_PARENT.to_vec();
        vector
    };
    above(limits::INDEX_DEPTH - 1).expect_via("passed", Some(Via::ParentIndex));
    above(limits::INDEX_DEPTH).expect("failed/no-signature");
}

#[test]
fn an_index_that_lists_the_digest_as_something_else_is_not_a_parent() {
    let other = |change: fn(&mut Descriptor)| {
        let (mut vector, target) = Vector::of_image();
        let mut listed = target;
        change(&mut listed);
        let index = vector.bundle.add_index(false, &[listed]);
        vector.sign(&index, GOOD);
        vector.bundle.list(index);
        vector.flags = ACCEPT_PARENT.to_vec();
        vector
    };
    other(|_| {}).expect_via("passed", Some(Via::ParentIndex));
    other(|listed| listed.size += 1).expect("failed/no-signature");
    other(|listed| listed.media_type = media_type::DOCKER_MANIFEST.into()).expect("failed/no-signature");
}

#[test]
fn a_parent_is_what_its_signature_and_its_bytes_say() {
    let (mut vector, index, [manifest, _]) = Vector::of_index();
    vector.store.name(&manifest, NAME);
    vector.sign(&index, GOOD);
    vector.bundle.copy(&vector.store, &index, |_| false);
    // a wrong size in index.json, which is not signed, changes neither
    vector.bundle.list(Descriptor { size: index.size + 1, ..index.clone() });
    vector.flags = ACCEPT_PARENT.to_vec();
    vector.expect_via("passed", Some(Via::ParentIndex));
    // In a signature a wrong size matters.
    let wrong = Descriptor { size: index.size + 1, ..index.clone() };
    let (mut vector, index, [manifest, _]) = Vector::of_index();
    vector.store.name(&manifest, NAME);
    vector.sign(&wrong, GOOD);
    vector.carry(&index);
    vector.flags = ACCEPT_PARENT.to_vec();
    vector.expect("failed/no-signature");
}

#[test]
fn only_the_platforms_that_are_there_count_and_all_of_them() {
    // Only the manifest of this node's platform is there.
    let (mut vector, index, [own, foreign]) = Vector::of_index();
    vector.store.name(&index, NAME);
    vector.sign(&own, GOOD);
    vector.store.remove(&foreign.digest);
    vector.flags = ACCEPT_PLATFORMS.to_vec();
    vector.expect_via("passed", Some(Via::PlatformManifest));
    // Only the manifest of another platform is there. What cannot be read does not pass.
    let (mut vector, index, [own, foreign]) = Vector::of_index();
    vector.store.name(&index, NAME);
    vector.sign(&own, GOOD);
    vector.store.remove(&own.digest);
    vector.flags = ACCEPT_PLATFORMS.to_vec();
    vector.expect("failed/no-signature");
    // none is there
    vector.store.remove(&foreign.digest);
    vector.expect("failed/no-signature");
    // Both are there, and the signature of the other one is bad.
    let (mut vector, index, [own, foreign]) = Vector::of_index();
    vector.store.name(&index, NAME);
    vector.sign(&own, GOOD);
    vector.sign(&foreign, Signature::Tampered);
    vector.flags = ACCEPT_PLATFORMS.to_vec();
    vector.expect("failed/no-signature");
}

#[test]
fn attestations_are_not_platforms() {
    let (mut vector, _, manifests) = Vector::of_index();
    let attestation = Image::of_text(linux("amd64"), "attestation", "attestation").add_to(&mut vector.store);
    let attestation = Descriptor { platform: Some(unknown()), ..attestation };
    let [one, other] = manifests.clone();
    let index = vector.store.add_index(false, &[one, other, attestation]);
    vector.store.name(&index, NAME);
    for manifest in &manifests {
        vector.sign(manifest, GOOD);
    }
    vector.flags = ACCEPT_PLATFORMS.to_vec();
    vector.expect_via("passed", Some(Via::PlatformManifest));
}

#[test]
fn a_record_with_another_size_is_not_the_index_whose_manifests_are_signed() {
    let (mut vector, index, manifests) = Vector::of_index();
    for manifest in &manifests {
        vector.sign(manifest, GOOD);
    }
    vector.carry(&index);
    vector.store.name(&Descriptor { size: index.size + 1, ..index }, NAME);
    for content in ["full", "none"] {
        vector.flags = vec!["--content", content, "--accept", "platform-manifest"];
        let report = vector.verify().expect_code(1).report();
        assert_eq!(verdict(&report.images[0]), "failed/content-mismatch", "{content}");
    }
}

#[test]
fn what_is_accepted_and_cannot_be_read_is_inconclusive() {
    let (mut vector, index, [manifest, _]) = Vector::of_index();
    vector.store.name(&manifest, NAME);
    vector.sign(&index, GOOD);
    vector.carry(&index);
    vector.flags = ACCEPT_PARENT.to_vec();
    let folder = tempfile::tempdir().unwrap();
    vector.write(folder.path());
    // the signature's envelope is a folder: it is there, and nothing reads it
    let envelopes = std::fs::read_dir(folder.path().join("bundle/blobs/sha256")).unwrap();
    let envelope = envelopes.map(|entry| entry.unwrap().path()).find(|path| {
        let bytes = std::fs::read(path).unwrap();
        bytes.first() == Some(&0xd2)
    });
    let envelope = envelope.unwrap();
    std::fs::remove_file(&envelope).unwrap();
    std::fs::create_dir(&envelope).unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let store = format!("layout:{}", path("store"));
    let done = assay_tests::vector::verify(&store, &path("trust"), &path("bundle"), &vector.flags);
    assert_eq!(verdict(&done.expect_code(3).report().images[0]), "inconclusive/unreadable");
}

// Microsoft's practice: Docker manifest lists, list and platform manifests signed one by one, signature manifests with
// artifactType. A node holds the list where it pulled by tag, a platform's manifest where something pinned that.

/// A manifest list of a Linux image and a Windows image, those that `signed` picks among list, Linux and Windows being signed.
fn manifest_list(signed: [bool; 3]) -> (Vector, [Descriptor; 3]) {
    let mut vector = Vector::new();
    let images = [linux("amd64"), windows("10.0.20348.2700")];
    let [linux, windows] =
        images.map(|platform| Image::of_text(platform, "pause", "pause").docker().add_to(&mut vector.store));
    let list = vector.store.add_index(true, &[linux.clone(), windows.clone()]);
    let all = [list, linux, windows];
    for (descriptor, _) in all.iter().zip(signed).filter(|(_, signed)| *signed) {
        vector.sign_in(descriptor, |manifest| {
            manifest["artifactType"] = notary::media_type::SIGNATURE.into();
            manifest["config"]["mediaType"] = media_type::OCI_EMPTY.into();
        });
    }
    vector.carry(&all[0]);
    (vector, all)
}

#[test]
fn a_manifest_list_and_its_manifests_are_signed_one_by_one() {
    let both = [&ACCEPT_PARENT[..], &ACCEPT_PLATFORMS].concat();
    let (none, parent, platforms) = (vec![], ACCEPT_PARENT.to_vec(), ACCEPT_PLATFORMS.to_vec());
    let [list, linux, windows] = [0, 1, 2];
    let fails = || ("failed/no-signature", None);
    for (signed, held, flags, (expected, via)) in [
        ([true, true, true], list, &none, ("passed", None)),
        ([true, true, true], linux, &none, ("passed", None)),
        ([true, true, true], windows, &both, ("passed", None)),
        ([true, false, false], linux, &none, fails()),
        ([true, false, false], linux, &platforms, fails()),
        ([true, false, false], linux, &parent, ("passed", Some(Via::ParentIndex))),
        ([true, false, false], windows, &both, ("passed", Some(Via::ParentIndex))),
        ([false, true, true], list, &none, fails()),
        ([false, true, true], list, &parent, fails()),
        ([false, true, true], list, &platforms, ("passed", Some(Via::PlatformManifest))),
        ([false, true, false], list, &both, fails()),
        ([false, true, false], linux, &none, ("passed", None)),
        ([false, true, false], windows, &both, fails()),
    ] {
        let (mut vector, all) = manifest_list(signed);
        vector.store.name(&all[held], NAME);
        vector.flags.clone_from(flags);
        println!("{signed:?} {held} {flags:?}");
        vector.expect_via(expected, via);
    }
}

fn unknown() -> assay_verifier::oci::Platform {
    assay_verifier::oci::Platform {
        architecture: "unknown".into(),
        os: "unknown".into(),
        ..Default::default()
    }
}
