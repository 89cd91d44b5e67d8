//! The agent against a real containerd: images imported with `ctr`, signatures from a bundle, no network.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use assay_fixtures::archive::{self, LayerFile};
use assay_fixtures::demo::publisher::{Algorithm, Publisher, Signature};
use assay_fixtures::envelope::Format;
use assay_fixtures::image::{Image, linux, linux_here};
use assay_fixtures::interop;
use assay_fixtures::layout::Layout;
use assay_shared::oci::{Descriptor, Digest};
use assay_shared::report::NodeReport;
use assay_tests::containerd::{Containerd, KUBERNETES};
use assay_tests::interop::Kept;
use assay_tests::program::{Finished, finish, verdict};
use assay_tests::static_program;
use tempfile::TempDir;

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");

/// A time at which the publisher's certificates are valid.
const AT: &str = "2026-11-20T12:00:00Z";

const GOOD: Signature = Signature::Good(Algorithm::P256, Format::Cose);

/// Images as published, with their signatures in a bundle and a trust directory beside it.
struct Published {
    folder: TempDir,
    publisher: Publisher,
    images: Layout,
    bundle: Layout,
}

impl Published {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            publisher: Publisher::new(),
            images: Layout::new(),
            bundle: Layout::new(),
        }
    }

    /// Publishes an image of that name, and gives its target.
    fn image(&mut self, name: &str, signatures: &[Signature]) -> Descriptor {
        let target = Image::of_text(linux_here(), "app", name).add_to(&mut self.images);
        self.publish(name, &target, signatures);
        target
    }

    fn publish(&mut self, name: &str, target: &Descriptor, signatures: &[Signature]) {
        self.images.name(target, &reference(name));
        for &signature in signatures {
            let signature = self.publisher.sign(&mut self.bundle, target, signature);
            self.bundle.list(signature);
        }
    }

    /// Writes bundle and trust directory.
    fn write(&self) {
        self.bundle.write(&self.path("bundle")).unwrap();
        archive::write_files(&self.path("trust"), &self.publisher.trust()).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the agent on `store` at [`AT`].
    fn verify(&self, store: &str, more: &[&str]) -> Finished {
        verify(store, &self.path("trust"), &self.path("bundle"), &[&["--at", AT], more].concat())
    }
}

#[test]
fn what_notation_signed_passes_on_containerd() {
    let containerd = Containerd::start();
    let kept = Kept::unpack();
    let interop = interop::Interop::new();
    containerd.import(KUBERNETES, &interop.layout);
    let done = verify(&containerd.store(), &kept.trust(), &kept.layout(), &["--at", interop::AT]);
    let report = done.expect_code(0).report();
    let expected: BTreeMap<Digest, String> =
        interop.jobs.iter().map(|job| (job.target.digest.clone(), "passed".into())).collect();
    assert_eq!(verdicts(&report), expected);
    assert_eq!(report.coverage.namespaces, [KUBERNETES]);
    assert_eq!(report.node.containerd.as_deref().map(|version| version.starts_with('1')), Some(true));
}

#[test]
fn verdicts_are_exact() {
    let containerd = Containerd::start();
    let mut published = Published::new();
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
    // the same bytes for the same input
    let one = published.verify(&containerd.store(), &["--jobs", "1"]);
    let other = published.verify(&containerd.store(), &["--jobs", "8"]);
    assert_eq!(one.stdout, other.stdout);
}

#[test]
fn every_namespace_is_judged_or_the_one_asked_for() {
    let containerd = Containerd::start();
    let mut published = Published::new();
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

#[test]
fn a_byte_changed_on_disk_is_found() {
    let containerd = Containerd::start();
    let mut published = Published::new();
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
    // what was not asked for is not claimed
    let report = published.verify(&containerd.store(), &["--content", "metadata"]).expect_code(0).report();
    assert_eq!(report.summary.passed, 2);
}

#[test]
fn layers_that_were_discarded_are_absent() {
    let containerd = Containerd::start();
    let mut published = Published::new();
    let target = published.image("team/app", &[GOOD]);
    published.write();
    containerd.import(KUBERNETES, &published.images);
    let layer = published.images.layers(&target).remove(0);
    let _ = containerd.ctr(["content", "delete", layer.digest.as_str()]).expect_code(0);

    let report = published.verify(&containerd.store(), &[]).expect_code(0).report();
    assert_eq!(report.images[0].content.absent, 1);
}

#[test]
fn a_missing_config_is_inconclusive() {
    let containerd = Containerd::start();
    let mut published = Published::new();
    let target = published.image("team/app", &[GOOD]);
    published.write();
    containerd.import(KUBERNETES, &published.images);
    let config = published.images.config(&target);
    let _ = containerd.ctr(["content", "delete", config.digest.as_str()]).expect_code(0);

    let report = published.verify(&containerd.store(), &[]).expect_code(3).report();
    assert_eq!(verdict(&report.images[0]), "inconclusive/unreadable");
}

#[test]
fn running_containers_are_named() {
    let containerd = Containerd::start();
    let mut published = Published::new();
    published.image("team/idle", &[GOOD]);
    let target = sleeper().add_to(&mut published.images);
    published.publish("team/sleeper", &target, &[GOOD]);
    published.write();
    fs::write(containerd.path("images.tar"), published.images.tar()).unwrap();
    let archive = containerd.path("images.tar").display().to_string();
    let _ = containerd.ctr(["images", "import", &archive]).expect_code(0);
    let _ = containerd.ctr(["run", "--detach", &reference("team/sleeper"), "one"]).expect_code(0);

    let report = published.verify(&containerd.store(), &[]).expect_code(0).report();
    assert_eq!(report.coverage.containers, 1);
    for image in &report.images {
        let users: Vec<&str> = image.in_use.iter().map(|user| user.id.as_str()).collect();
        let expected: &[&str] = if image.digest == target.digest { &["one"] } else { &[] };
        assert_eq!(users, expected, "{:?}", image.references);
    }
}

#[test]
fn a_container_whose_image_was_removed_is_found() {
    let containerd = Containerd::start();
    let mut published = Published::new();
    published.image("team/idle", &[GOOD]);
    let target = sleeper().add_to(&mut published.images);
    published.publish("team/sleeper", &target, &[GOOD]);
    published.write();
    fs::write(containerd.path("images.tar"), published.images.tar()).unwrap();
    let archive = containerd.path("images.tar").display().to_string();
    let _ = containerd.ctr(["images", "import", &archive]).expect_code(0);
    let name = reference("team/sleeper");
    let _ = containerd.ctr(["run", "--detach", &name, "one"]).expect_code(0);
    for record in containerd.images_of(&target.digest) {
        let _ = containerd.ctr(["images", "remove", "--sync", &record]).expect_code(0);
    }

    let report = published.verify(&containerd.store(), &[]).expect_code(1).report();
    let found: Vec<(&str, &str)> =
        report.coverage.unlisted.iter().map(|one| (one.kind.as_str(), one.id.as_str())).collect();
    assert!(found.contains(&("container", "one")), "{found:?}");
}

/// The report of the daemon, of its root while it runs, and of the root alone: byte for byte the same, but for who was asked.
#[test]
fn a_daemon_and_its_root_give_the_same_report() {
    let mut containerd = Containerd::start();
    let mut published = Published::new();
    published.image("team/signed", &[GOOD]);
    published.image("team/unsigned", &[]);
    published.image("team/tampered", &[Signature::Tampered]);
    let [corrupt, truncated, longer, discarded, lost] =
        ["corrupt", "truncated", "longer", "discarded", "lost"].map(|name| {
            let target = published.image(&format!("team/{name}"), &[GOOD]);
            published.images.layers(&target).remove(0).digest
        });
    let platforms = ["amd64", "arm64"].map(|architecture| {
        Image::of_text(linux(architecture), "app", "multi").docker().add_to(&mut published.images)
    });
    let index = published.images.add_index(true, &platforms);
    published.publish("team/multi", &index, &[GOOD]);
    let target = sleeper().add_to(&mut published.images);
    published.publish("team/sleeper", &target, &[GOOD]);
    let removed = Image { entrypoint: "/./sleeper".into(), ..sleeper() }.add_to(&mut published.images);
    published.publish("team/removed", &removed, &[GOOD]);
    published.write();
    containerd.import("default", &published.images);
    containerd.import(KUBERNETES, &published.images);
    let _ = containerd
        .ctr(["images", "tag", &reference("team/signed"), "other.example.test/a:v2"])
        .expect_code(0);
    for (name, id) in [("team/sleeper", "one"), ("team/removed", "two")] {
        let _ = containerd.ctr(["run", "--detach", &reference(name), id]).expect_code(0);
    }
    for record in containerd.images_of(&removed.digest) {
        let _ = containerd.ctr(["images", "remove", "--sync", &record]).expect_code(0);
    }
    let _ = containerd.ctr(["content", "delete", discarded.as_str()]).expect_code(0);
    let change = |digest: &Digest, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = fs::read(containerd.blob(digest)).unwrap();
        change(&mut bytes);
        fs::write(containerd.blob(digest), bytes).unwrap();
    };
    change(&corrupt, &|bytes| bytes[10] ^= 1);
    change(&truncated, &|bytes| bytes.truncate(20));
    change(&longer, &|bytes| bytes.push(0));
    fs::remove_file(containerd.blob(&lost)).unwrap();

    let daemon = published.verify(&containerd.store(), &[]).expect_code(1);
    let live = published.verify(&containerd.root_store(), &[]).expect_code(1);
    let version = daemon.report().node.containerd.unwrap();
    assert_eq!((daemon.report().coverage.images, daemon.report().coverage.containers), (21, 2));
    let expected = daemon
        .text()
        .replace(&containerd.store(), &containerd.root_store())
        // who answered, which only one who answers can say
        .replace(&format!(r#""containerd":"{version}""#), r#""containerd":null"#);
    assert_eq!(live.text(), expected);
    containerd.stop();
    let _ = published.verify(&containerd.store(), &[]).expect_code(3);
    let stopped = published.verify(&containerd.root_store(), &[]).expect_code(1);
    assert_eq!(stopped.text(), expected);
}

#[test]
fn nothing_judged_is_never_success() {
    let mut containerd = Containerd::start();
    let mut published = Published::new();
    let _ = published.image("team/app", &[GOOD]);
    published.write();
    // empty
    let report = published.verify(&containerd.store(), &[]).expect_code(3).report();
    assert_eq!(report.coverage.images, 0);
    // an image that is not there
    containerd.import(KUBERNETES, &published.images);
    let _ = published.verify(&containerd.store(), &["--image", &reference("team/none")]).expect_code(2);
    let _ = published.verify(&containerd.store(), &["--image", &reference("team/app")]).expect_code(0);
    // a bundle that is no layout, a trust directory that is not there
    let store = containerd.store();
    let (trust, bundle) = (published.path("trust"), published.path("bundle"));
    let _ = verify(&store, &trust, &trust, &[]).expect_code(2);
    let _ = verify(&store, &published.path("none"), &bundle, &[]).expect_code(2);
    // stopped
    containerd.stop();
    let _ = published.verify(&containerd.store(), &[]).expect_code(3);
    // the same store again, as it was
    containerd.start_again();
    let _ = published.verify(&containerd.store(), &[]).expect_code(0);
}

#[test]
fn a_socket_that_denies_is_not_an_empty_store() {
    let containerd = Containerd::start();
    let mut published = Published::new();
    published.image("team/app", &[GOOD]);
    published.write();
    containerd.import(KUBERNETES, &published.images);
    // the agent where nobody can reach it, and everything it needs but the socket
    let open = tempfile::Builder::new().prefix("assay-open-").tempdir().unwrap();
    let agent = open.path().join("assay-agent");
    fs::copy(AGENT, &agent).unwrap();
    for folder in [open.path(), published.folder.path()] {
        fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(agent);
    command.args(["verify", "--store", &containerd.store(), "--at", AT]);
    command.arg("--trust").arg(published.path("trust")).arg("--signatures").arg(published.path("bundle"));
    let done = finish(&mut command).expect_code(3);
    assert!(!done.stderr.is_empty());
}

/// Runs the agent where there is no network.
fn verify(store: &str, trust: &Path, bundle: &Path, more: &[&str]) -> Finished {
    let mut command = Command::new("unshare");
    command.arg("--net").arg(AGENT).args(["verify", "--store", store]);
    command.arg("--trust").arg(trust).arg("--signatures").arg(bundle).args(more);
    finish(&mut command)
}

fn verdicts(report: &NodeReport) -> BTreeMap<Digest, String> {
    report.images.iter().map(|image| (image.digest.clone(), verdict(image))).collect()
}

fn reference(name: &str) -> String {
    format!("registry.example.test/{name}:v1")
}

/// An image whose program runs without anything else in it.
fn sleeper() -> Image {
    let program = static_program::sleeper();
    let file = LayerFile { path: "sleeper", mode: 0o755, content: &program };
    Image {
        platform: linux_here(),
        docker: false,
        layers: vec![archive::layer(&[file])],
        entrypoint: "/sleeper".into(),
    }
}
