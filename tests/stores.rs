//! The stores beside each other: containerd through its socket, its root on disk, layouts.

use std::fs;

use assay_fixtures::demo::publisher::Signature;
use assay_fixtures::image::{Image, linux};
use assay_shared::oci::Digest;
use assay_tests::containerd::{Containerd, KUBERNETES, Release};
use assay_tests::on_each_release;
use assay_tests::published::{GOOD, Published, reference, sleeper};

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");

on_each_release! {
    a_daemon_and_its_root_give_the_same_report,
}

/// The report of the daemon, of its root while it runs, and of the root alone: byte for byte the same, but for who was asked.
fn a_daemon_and_its_root_give_the_same_report(release: Release) {
    let mut containerd = Containerd::of(release);
    let mut published = Published::new(AGENT);
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
        let _ = containerd.run(&reference(name), id);
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
