//! Runs the agent on a real containerd: images imported with `ctr`, signatures from a bundle, no network.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use assay_fixtures::demo::publisher::{Algorithm, Signature};
use assay_fixtures::envelope::Format;
use assay_fixtures::image::{Image, linux};
use assay_fixtures::interop;
use assay_tests::containerd::{Containerd, KUBERNETES, Release};
use assay_tests::interop::Kept;
use assay_tests::on_each_release;
use assay_tests::program::{finish, verdict};
use assay_tests::published::{AT, GOOD, Published, reference, sleeper, verdicts, verify};
use assay_verifier::oci::{Descriptor, Digest};

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");

on_each_release! {
    what_notation_signed_passes_on_containerd,
    verdicts_are_exact,
    every_namespace_is_judged_or_the_one_asked_for,
    a_byte_changed_on_disk_is_found,
    layers_that_were_discarded_are_absent,
    a_missing_config_is_inconclusive,
    running_containers_are_named,
    a_container_whose_image_was_removed_is_found,
    nothing_judged_is_never_success,
    a_store_that_denies_is_not_an_empty_one,
}

fn what_notation_signed_passes_on_containerd(release: Release) {
    let containerd = Containerd::of(release);
    let kept = Kept::unpack();
    let interop = interop::Interop::new();
    containerd.import(KUBERNETES, &interop.layout);
    let done =
        verify(Path::new(AGENT), &containerd.store(), &kept.trust(), &kept.layout(), &["--at", interop::AT]);
    let report = done.expect_code(0).report();
    let expected: BTreeMap<Digest, String> =
        interop.jobs.iter().map(|job| (job.target.digest.clone(), "passed".into())).collect();
    assert_eq!(verdicts(&report), expected);
    assert_eq!(report.coverage.namespaces, [KUBERNETES]);
    let version = if release == Release::Debian { "1." } else { "2." };
    assert_eq!(report.node.containerd.as_deref().map(|said| said.starts_with(version)), Some(true));
}

fn verdicts_are_exact(release: Release) {
    let containerd = Containerd::of(release);
    let mut published = Published::new(AGENT);
    let mut expected = BTreeMap::new();
    for (name, signatures, verdict) in [
        ("team/cose-ec", &[GOOD][..], "passed"),
        ("team/cose-rsa", &[Signature::Good(Algorithm::Rsa3072, Format::Cose)], "passed"),
        ("team/jws-rsa", &[Signature::Good(Algorithm::Rsa2048, Format::Jws)], "passed"),
        ("team/second-is-good", &[Signature::OtherAuthority, GOOD], "passed"),
        ("team/unsigned", &[], "failed/no-signature"),
        ("team/other-authority", &[Signature::OtherAuthority], "failed/authenticity"),
        ("team/other-identity", &[Signature::OtherIdentity], "failed/authenticity"),
        ("team/tampered", &[Signature::Tampered], "failed/integrity"),
        ("team/expired", &[Signature::Expired], "failed/expiry"),
        ("team/certificate-expired", &[Signature::CertificateExpired], "failed/authentic-timestamp"),
        ("team/of-another", &[Signature::OfAnotherImage], "failed/descriptor-mismatch"),
        ("site-tools/node-shell", &[], "skipped"),
    ] {
        let target = published.image(name, signatures);
        expected.insert(target.digest, verdict.to_owned());
    }
    let platforms = ["amd64", "arm64"].map(|architecture| {
        Image::of_text(linux(architecture), "app", "multi").add_to(&mut published.images)
    });
    let index = published.images.add_index(true, &platforms);
    published.publish("team/multi", &index, &[GOOD]);
    expected.insert(index.digest, "passed".to_owned());
    published.write();
    containerd.import(KUBERNETES, &published.images);

    let report = published.verify(&containerd.store(), &[]).expect_code(1).report();
    assert_eq!(verdicts(&report), expected);
    assert_eq!(report.coverage.images, 13);
    assert_eq!((report.summary.passed, report.summary.failed, report.summary.skipped), (5, 7, 1));
    for image in &report.images {
        let named = image.references.iter().any(|name| name.starts_with("registry.example.test/"));
        assert!(named, "{:?}", image.references);
        assert_eq!(image.content.mismatched, [], "{:?}", image.references);
    }
    // The same input gives the same bytes.
    let one = published.verify(&containerd.store(), &["--jobs", "1"]);
    let other = published.verify(&containerd.store(), &["--jobs", "8"]);
    assert_eq!(one.text(), other.text());
}

fn every_namespace_is_judged_or_the_one_asked_for(release: Release) {
    let containerd = Containerd::of(release);
    let mut published = Published::new(AGENT);
    published.image("team/signed", &[GOOD]);
    published.write();
    containerd.import(KUBERNETES, &published.images);
    published.image("team/unsigned", &[]);
    containerd.import("default", &published.images);

    let report = published.verify(&containerd.store(), &[]).expect_code(1).report();
    assert_eq!(report.coverage.namespaces, ["default", KUBERNETES]);
    assert_eq!(report.coverage.images, 3);
    let report = published.verify(&containerd.store(), &["--namespace", KUBERNETES]).expect_code(0).report();
    assert_eq!(report.coverage.images, 1);
}

fn a_byte_changed_on_disk_is_found(release: Release) {
    let containerd = Containerd::of(release);
    let mut published = Published::new(AGENT);
    let target = published.image("team/app", &[GOOD]);
    published.image("team/other", &[GOOD]);
    published.write();
    containerd.import(KUBERNETES, &published.images);
    let layer = published.images.layers(&target).remove(0);
    let file = containerd.blob(&layer.digest);
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();

    let report = published.verify(&containerd.store(), &[]).expect_code(1).report();
    let changed = report.images.iter().find(|image| image.digest == target.digest).unwrap();
    assert_eq!(verdict(changed), "failed/content-mismatch");
    let named: Vec<&Digest> = changed.content.mismatched.iter().map(|mismatch| &mismatch.digest).collect();
    assert_eq!(named, [&layer.digest]);
    assert_eq!(report.summary.passed, 1);
    // The report does not claim what was not asked for.
    let report = published.verify(&containerd.store(), &["--content", "metadata"]).expect_code(0).report();
    assert_eq!(report.summary.passed, 2);
}

fn layers_that_were_discarded_are_absent(release: Release) {
    let containerd = Containerd::of(release);
    let mut published = Published::new(AGENT);
    let target = published.image("team/app", &[GOOD]);
    published.write();
    containerd.import(KUBERNETES, &published.images);
    let layer = published.images.layers(&target).remove(0);
    let _ = containerd.ctr(["content", "delete", layer.digest.as_str()]).expect_code(0);

    let report = published.verify(&containerd.store(), &[]).expect_code(0).report();
    assert_eq!(report.images[0].content.absent, 1);
}

fn a_missing_config_is_inconclusive(release: Release) {
    let containerd = Containerd::of(release);
    let mut published = Published::new(AGENT);
    let target = published.image("team/app", &[GOOD]);
    published.write();
    containerd.import(KUBERNETES, &published.images);
    let config = published.images.config(&target);
    let _ = containerd.ctr(["content", "delete", config.digest.as_str()]).expect_code(0);

    let report = published.verify(&containerd.store(), &[]).expect_code(3).report();
    assert_eq!(verdict(&report.images[0]), "inconclusive/unreadable");
}

/// A store with an image that runs nothing yet, and one that is idle.
fn with_a_sleeper(release: Release) -> (Containerd, Published, Descriptor) {
    let containerd = Containerd::of(release);
    let mut published = Published::new(AGENT);
    published.image("team/idle", &[GOOD]);
    let target = sleeper().add_to(&mut published.images);
    published.publish("team/sleeper", &target, &[GOOD]);
    published.write();
    fs::write(containerd.path("images.tar"), published.images.tar()).unwrap();
    let archive = containerd.path("images.tar").display().to_string();
    let _ = containerd.ctr(["images", "import", &archive]).expect_code(0);
    (containerd, published, target)
}

fn running_containers_are_named(release: Release) {
    let (containerd, published, target) = with_a_sleeper(release);
    let id = containerd.run(&reference("team/sleeper"), "one");

    let report = published.verify(&containerd.store(), &[]).expect_code(0).report();
    assert_eq!(report.coverage.containers, 1);
    for image in &report.images {
        let users: Vec<&str> = image.in_use.iter().map(|user| user.id.as_str()).collect();
        let expected: &[&str] = if image.digest == target.digest { &[&id] } else { &[] };
        assert_eq!(users, expected, "{:?}", image.references);
    }
}

fn a_container_whose_image_was_removed_is_found(release: Release) {
    let (containerd, published, target) = with_a_sleeper(release);
    let name = reference("team/sleeper");
    let id = containerd.run(&name, "one");
    for record in containerd.images_of(&target.digest) {
        let _ = containerd.ctr(["images", "remove", "--sync", &record]).expect_code(0);
    }

    let report = published.verify(&containerd.store(), &[]).expect_code(1).report();
    let found: Vec<(&str, &str)> =
        report.coverage.unlisted.iter().map(|one| (one.kind.as_str(), one.id.as_str())).collect();
    assert!(found.contains(&("container", id.as_str())), "{found:?}");
}

fn nothing_judged_is_never_success(release: Release) {
    let mut containerd = Containerd::of(release);
    let mut published = Published::new(AGENT);
    let _ = published.image("team/app", &[GOOD]);
    published.write();
    // without a namespace, and with an empty one
    for namespaces in [&[][..], &["empty"]] {
        for namespace in namespaces {
            let _ = containerd.ctr(["namespaces", "create", namespace]).expect_code(0);
        }
        for store in [containerd.store(), containerd.root_store()] {
            let report = published.verify(&store, &[]).expect_code(3).report();
            assert_eq!(
                (report.coverage.images, report.coverage.namespaces),
                (0, namespaces.iter().map(ToString::to_string).collect()),
                "{store}"
            );
        }
    }
    // an image that is not there
    containerd.import(KUBERNETES, &published.images);
    let _ = published.verify(&containerd.store(), &["--image", &reference("team/none")]).expect_code(2);
    let _ = published.verify(&containerd.store(), &["--image", &reference("team/app")]).expect_code(0);
    // a bundle that is not a layout, a trust directory that is not there
    let store = containerd.store();
    let (trust, bundle) = (published.path("trust"), published.path("bundle"));
    let _ = verify(Path::new(AGENT), &store, &trust, &trust, &[]).expect_code(2);
    let _ = verify(Path::new(AGENT), &store, &published.path("none"), &bundle, &[]).expect_code(2);
    // stopped
    containerd.stop();
    let _ = published.verify(&containerd.store(), &[]).expect_code(3);
    // the same store again, as it was
    containerd.start_again();
    let _ = published.verify(&containerd.store(), &[]).expect_code(0);
}

fn a_store_that_denies_is_not_an_empty_one(release: Release) {
    let containerd = Containerd::of(release);
    let mut published = Published::new(AGENT);
    published.image("team/app", &[GOOD]);
    published.write();
    containerd.import(KUBERNETES, &published.images);
    // the agent in a place that cannot be reached, and everything it needs but the socket
    let open = tempfile::Builder::new().prefix("assay-open-").tempdir().unwrap();
    let agent = open.path().join("assay-agent");
    fs::copy(AGENT, &agent).unwrap();
    for folder in [open.path(), published.path("trust").parent().unwrap()] {
        fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    for store in [containerd.store(), containerd.root_store()] {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&agent);
        command.args(["verify", "--store", &store, "--at", AT]);
        command.arg("--trust").arg(published.path("trust"));
        command.arg("--signatures").arg(published.path("bundle"));
        let report = finish(&mut command).expect_code(3).report();
        let unreadable: Vec<&String> = report.coverage.unreadable.iter().map(|one| &one.what).collect();
        assert_eq!((report.images.len(), unreadable), (0, vec![&store]));
    }
}
