//! Damages content in every way, moves it to another device, and changes it while it is read. Each case has its outcome,
//! and none makes the agent wait.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use assay_fixtures::archive::{self, LayerFile};
use assay_fixtures::image::{Image, linux_here};
use assay_report::NodeReport;
use assay_tests::containerd::{Containerd, KUBERNETES, Release};
use assay_tests::on_each_release;
use assay_tests::program::{self, Finished, finish, verdict};
use assay_tests::proxy;
use assay_tests::published::{AT, GOOD, Published, reference, verdicts};
use assay_verifier::oci::{Descriptor, Digest};

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");

on_each_release! {
    every_kind_of_damage_has_its_outcome,
    content_may_be_on_another_device,
    a_daemon_that_dies_in_the_middle_is_inconclusive,
    an_image_that_is_removed_in_the_middle_is_inconclusive,
    an_image_that_appears_in_the_middle_is_not_taken_for_judged,
}

/// What becomes of the file of an image's layer, and the verdict on the image.
type Damage = (&'static str, fn(&Path), &'static str);

const DAMAGE: [Damage; 12] = [
    ("sound", |_| {}, "passed"),
    // on another disk
    (
        "elsewhere",
        |file| {
            let elsewhere = file.ancestors().nth(4).unwrap().join("elsewhere");
            fs::rename(file, &elsewhere).unwrap();
            symlink(elsewhere, file).unwrap();
        },
        "passed",
    ),
    // on a disk that is not there
    (
        "dangling",
        |file| replace(file, |file| symlink("/absent/disk", file).unwrap()),
        "inconclusive/unreadable",
    ),
    ("corrupt", |file| change(file, |bytes| bytes[10] ^= 1), "failed/content-mismatch"),
    ("truncated", |file| change(file, |bytes| bytes.truncate(20)), "failed/content-mismatch"),
    ("empty", |file| change(file, Vec::clear), "failed/content-mismatch"),
    ("longer", |file| change(file, |bytes| bytes.push(0)), "failed/content-mismatch"),
    // The size is right, and the file is empty.
    ("hole", |file| resize(file, 0, fs::metadata(file).unwrap().len()), "failed/content-mismatch"),
    // this takes too long to read
    ("endless", |file| resize(file, 100, 1 << 42), "failed/content-mismatch"),
    (
        "fifo",
        |file| replace(file, |file| drop(program::run("mkfifo", [file]).expect_code(0))),
        "inconclusive/unreadable",
    ),
    ("folder", |file| replace(file, |file| fs::create_dir(file).unwrap()), "inconclusive/unreadable"),
    ("lost", |file| fs::remove_file(file).unwrap(), "inconclusive/unreadable"),
];

fn every_kind_of_damage_has_its_outcome(release: Release) {
    let containerd = Containerd::of(release);
    let mut published = Published::new(AGENT);
    let mut expected = BTreeMap::new();
    let mut publish = |name: &str| {
        let target = published.image(&format!("team/{name}"), &[GOOD]);
        let layer = published.images.layers(&target).remove(0).digest;
        (target, layer)
    };
    let damaged = DAMAGE.map(|(name, damage, verdict)| {
        let (target, layer) = publish(name);
        expected.insert(target.digest.clone(), verdict.to_owned());
        (target.digest, layer, damage)
    });
    let [.., (longer, ..), _, (endless, ..), (_, of_fifo, _), _, _] = damaged.clone();
    // Each is a valid blob of another image.
    let [one, other] = ["one", "two"].map(|name| {
        let (target, layer) = publish(name);
        expected.insert(target.digest, "failed/content-mismatch".to_owned());
        containerd.blob(&layer)
    });
    let (device, device_layer) = publish("device");
    published.write();
    containerd.import(KUBERNETES, &published.images);
    for (_, layer, damage) in &damaged {
        damage(&containerd.blob(layer));
    }
    let between = containerd.path("between");
    for (from, to) in [(&one, &between), (&other, &one), (&between, &other)] {
        fs::rename(from, to).unwrap();
    }
    replace(&containerd.blob(&device_layer), |file| symlink("/dev/zero", file).unwrap());

    for store in [containerd.store(), containerd.root_store()] {
        let mut found = verdicts(&published.verify(&store, &[]).expect_code(1).report());
        assert_ne!(found.remove(&device.digest).as_deref(), Some("passed"), "{store}");
        assert_eq!(found, expected, "{store}");
    }
    // Through the socket alone. The daemon would open the pipe and wait; and it serves no more of a blob than its record
    // says, so that what stands behind cannot be seen.
    fs::remove_file(containerd.blob(&of_fifo)).unwrap();
    expected.insert(device.digest.clone(), "inconclusive/unreadable".into());
    fs::remove_file(containerd.blob(&device_layer)).unwrap();
    for target in [longer, endless] {
        expected.insert(target, "passed".into());
    }
    let done = without_files(&published, &containerd, &containerd.store(), &[]);
    assert_eq!(verdicts(&done.expect_code(1).report()), expected);
}

/// The same in a layout, where a blob that is not there was left out.
#[test]
fn layouts_fare_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let layout = folder.path().join("layout");
    let mut published = Published::new(AGENT);
    let mut expected = BTreeMap::new();
    let damaged = DAMAGE.map(|(name, damage, verdict)| {
        let target = published.image(&format!("team/{name}"), &[GOOD]);
        let verdict = if name == "lost" { "passed" } else { verdict };
        expected.insert(target.digest.clone(), verdict.to_owned());
        (published.images.layers(&target).remove(0).digest, damage)
    });
    published.write();
    published.images.write(&layout).unwrap();
    for (layer, damage) in &damaged {
        damage(&layout.join("blobs").join(layer.algorithm().name()).join(layer.hex()));
    }
    // The folder is behind a link, as one on another device may be.
    let link = folder.path().join("link");
    symlink(&layout, &link).unwrap();
    for path in [layout, link] {
        let done = published.verify(&format!("layout:{}", path.display()), &[]).expect_code(1);
        assert_eq!(verdicts(&done.report()), expected);
    }
}

/// The content store on another device, behind a link; then one blob alone.
fn content_may_be_on_another_device(release: Release) {
    let mut containerd = Containerd::of(release);
    let mut published = Published::new(AGENT);
    let target = published.image("team/app", &[GOOD]);
    let layer = published.images.layers(&target).remove(0).digest;
    published.write();
    containerd.import(KUBERNETES, &published.images);
    let memory = tempfile::tempdir_in("/dev/shm").unwrap();
    let elsewhere = memory.path().join("layer");
    fs::copy(containerd.blob(&layer), &elsewhere).unwrap();
    replace(&containerd.blob(&layer), |file| symlink(&elsewhere, file).unwrap());
    let report = published.verify(&containerd.store(), &[]).expect_code(0).report();
    assert_eq!((report.images[0].content.checked, report.images[0].content.absent), (3, 0));

    fs::remove_file(containerd.blob(&layer)).unwrap();
    fs::copy(&elsewhere, containerd.blob(&layer)).unwrap();
    containerd.stop();
    let content = containerd.path("root/io.containerd.content.v1.content");
    let moved = memory.path().join("content");
    let _ = program::run("cp", ["-a", &content.display().to_string(), &moved.display().to_string()])
        .expect_code(0);
    fs::remove_dir_all(&content).unwrap();
    symlink(&moved, &content).unwrap();
    containerd.start_again();
    for store in [containerd.store(), containerd.root_store()] {
        let report = published.verify(&store, &[]).expect_code(0).report();
        assert_eq!(report.images[0].content.checked, 3, "{store}");
    }
}

/// Two images, of which the first has a layer that takes a while to come through the socket.
fn large_and_small() -> (Published, Descriptor, Descriptor) {
    let mut published = Published::new(AGENT);
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        // xorshift makes bytes that do not compress.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    });
    let content: Vec<u8> = noise.take(4 << 20).collect();
    let file = LayerFile { path: "large", mode: 0o644, content: &content };
    let large = Image {
        platform: linux_here(),
        docker: false,
        base: None,
        layers: vec![archive::layer(&[file])],
        entrypoint: "/large".into(),
    };
    let large = large.add_to(&mut published.images);
    published.publish("team/large", &large, &[GOOD]);
    let small = published.image("team/small", &[GOOD]);
    published.write();
    (published, large, small)
}

/// Far more than the listing and every small blob, far less than the large one.
const IN_THE_MIDDLE: usize = 1 << 20;

fn a_daemon_that_dies_in_the_middle_is_inconclusive(release: Release) {
    let containerd = Containerd::of(release);
    let (published, large, small) = large_and_small();
    containerd.import(KUBERNETES, &published.images);
    let socket = containerd.path("proxy.sock");
    proxy::listen(&socket, &containerd.socket(), IN_THE_MIDDLE, || false);
    let store = format!("containerd:{}", socket.display());
    let report = without_files(&published, &containerd, &store, &["--jobs", "1"]).expect_code(3).report();
    assert_eq!(of(&report, &large), "inconclusive/unreadable");
    assert_eq!(of(&report, &small), "inconclusive/unreadable");
    assert!(!report.coverage.unreadable.is_empty());
}

fn an_image_that_is_removed_in_the_middle_is_inconclusive(release: Release) {
    let containerd = Arc::new(Containerd::of(release));
    let (published, large, small) = large_and_small();
    containerd.import(KUBERNETES, &published.images);
    let socket = containerd.path("proxy.sock");
    let daemon = Arc::clone(&containerd);
    proxy::listen(&socket, &containerd.socket(), IN_THE_MIDDLE, move || {
        daemon.ctr(["images", "remove", "--sync", &reference("team/small")]).code == Some(0)
    });
    let store = format!("containerd:{}", socket.display());
    let report = without_files(&published, &containerd, &store, &["--jobs", "1"]).expect_code(3).report();
    assert_eq!(of(&report, &large), "passed");
    assert_eq!(of(&report, &small), "inconclusive/unreadable");
}

fn an_image_that_appears_in_the_middle_is_not_taken_for_judged(release: Release) {
    let containerd = Arc::new(Containerd::of(release));
    let (published, large, small) = large_and_small();
    let mut late = Published::new(AGENT);
    late.image("team/late", &[]);
    containerd.import(KUBERNETES, &published.images);
    let socket = containerd.path("proxy.sock");
    let daemon = Arc::clone(&containerd);
    proxy::listen(&socket, &containerd.socket(), IN_THE_MIDDLE, move || {
        daemon.import(KUBERNETES, &late.images);
        true
    });
    let store = format!("containerd:{}", socket.display());
    let report = without_files(&published, &containerd, &store, &["--jobs", "1"]).expect_code(3).report();
    assert_eq!([of(&report, &large), of(&report, &small)], ["passed", "passed"]);
    assert_eq!(report.coverage.unreadable.len(), 1);
}

/// Runs the agent where the daemon's files are not to be seen, so that everything comes through the socket.
fn without_files(published: &Published, containerd: &Containerd, store: &str, more: &[&str]) -> Finished {
    let content = containerd.path("root/io.containerd.content.v1.content");
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "sh", "-c", r#"mount -t tmpfs none "$1" && shift && exec "$@""#, "sh"]);
    command.arg(content).arg(AGENT).args(["verify", "--store", store, "--at", AT]);
    command.arg("--trust").arg(published.path("trust"));
    command.arg("--signatures").arg(published.path("bundle")).args(more);
    finish(&mut command)
}

fn of(report: &NodeReport, target: &Descriptor) -> String {
    let of = |digest: &Digest| report.images.iter().find(|image| image.digest == *digest).map(verdict);
    of(&target.digest).unwrap_or_else(|| panic!("{} is not in the report", target.digest))
}

fn change(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).unwrap();
    change(&mut bytes);
    fs::write(file, bytes).unwrap();
}

/// Cuts a file, then makes it longer again without writing to it.
fn resize(file: &Path, first: u64, then: u64) {
    let file = fs::OpenOptions::new().write(true).open(file).unwrap();
    file.set_len(first).and_then(|()| file.set_len(then)).unwrap();
}

fn replace(file: &Path, make: impl FnOnce(&Path)) {
    fs::remove_file(file).unwrap();
    make(file);
}
