//! Repeats what users of containerd met: a file of an image changed below its containers, and containerd ran on what was left.

use std::fs;
use std::path::Path;

use assay_fixtures::archive::{self, LayerFile};
use assay_report::RootfsDifference;
use assay_tests::containerd::Release;
use assay_tests::on_each_release;
use assay_tests::published::{reference, sleeper};

use super::rootfs::*;

on_each_release! {
    an_entrypoint_that_became_empty_is_found_as_in_containerd_9115,
    a_program_that_was_deleted_is_found_as_in_containerd_8678,
}

/// What containerd issues 9115 and 8678 were opened for, done as they say: the image of a running container is changed, and the next
/// container runs on what is left.
fn changed_below_a_container(release: Release, change: fn(&Path)) -> (String, RootfsDifference) {
    let mut image = sleeper();
    let content = b"#!/bin/sh\nexec /sleeper\n";
    let script = LayerFile { path: "docker-entrypoint.sh", mode: 0o755, content };
    image.layers.push(archive::layer(&[script]));
    let (node, _) = Node::new(release, "overlayfs", &[("team/sleeper", image)]);
    let _ = node.containerd.run(&reference("team/sleeper"), "first");
    let _ = node.verify(&node.containerd.store(), "in-use", 0);
    change(&node.folder("docker-entrypoint.sh").join("docker-entrypoint.sh"));
    let _ = node.containerd.run(&reference("team/sleeper"), "second");
    let report = node.verify(&node.containerd.store(), "in-use", 1);
    let found = findings(&report);
    let [finding] = &found[..] else { panic!("{found:#?}") };
    (finding.path.clone(), finding.kind)
}

fn an_entrypoint_that_became_empty_is_found_as_in_containerd_9115(release: Release) {
    let found = changed_below_a_container(release, |path| drop(fs::File::create(path).unwrap()));
    assert_eq!(found, ("docker-entrypoint.sh".to_owned(), RootfsDifference::Changed));
}

fn a_program_that_was_deleted_is_found_as_in_containerd_8678(release: Release) {
    let found = changed_below_a_container(release, |path| fs::remove_file(path).unwrap());
    assert_eq!(found, ("docker-entrypoint.sh".to_owned(), RootfsDifference::Missing));
}
