//! Layers that nodes discarded after unpacking: a bundle from a live registry has the lists of their files, snapshots are compared
//! with those, and a list that is missing, of another layer, or not the only one is never a pass.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use assay_report::{NodeReport, RootfsDifference, RootfsResult};
use assay_tests::containerd::{Containerd, Release};
use assay_tests::kinds::of_every_kind;
use assay_tests::on_each_release;
use assay_tests::packages::go_program;
use assay_tests::program::{finish, verdict};
use assay_tests::published::{GOOD, Published, reference};
use assay_tests::registry::Registry;
use serde_json::Value;

use super::rootfs::{Node, SNAPSHOTTERS, findings};

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");
const ASSAY: &str = env!("CARGO_BIN_EXE_collector-under-test");

on_each_release! {
    snapshots_are_compared_with_lists,
    lists_that_cannot_be_used_are_not_a_pass,
    layers_that_kubernetes_discards_are_proven_by_lists,
}

/// A node that discarded the layers of its image.
fn discarded(release: Release, snapshotter: &'static str) -> Node {
    let (node, targets) = Node::new(release, snapshotter, &[("team/app", of_every_kind())]);
    for layer in node.published.images.layers(&targets[0]) {
        let _ = node.containerd.ctr(["content", "rm", layer.digest.as_str()]).expect_code(0);
    }
    node
}

fn verify(node: &Node, store: &str, bundles: &[&PathBuf], code: i32) -> NodeReport {
    let bundles = bundles.iter().flat_map(|path| ["--signatures", path.to_str().unwrap()]);
    let more: Vec<&str> = ["--rootfs", "all"].into_iter().chain(bundles).collect();
    node.published.verify(store, &more).expect_code(code).report()
}

fn snapshots_are_compared_with_lists(release: Release) {
    for snapshotter in SNAPSHOTTERS {
        let node = discarded(release, snapshotter);
        let lists = node.published.lists(ASSAY, "team/app", "lists.tar");
        for store in node.stores() {
            let report = verify(&node, &store, &[&lists], 0);
            let (image, rootfs) = (&report.images[0], report.images[0].rootfs.as_ref().unwrap());
            assert_eq!((verdict(image), image.content.absent), ("passed".into(), 2));
            assert_eq!(rootfs.result, Some(RootfsResult::Passed));
            assert_eq!(rootfs.lists, rootfs.snapshots);
            assert_eq!(rootfs.snapshots, if snapshotter == "overlayfs" { 2 } else { 1 });
            assert!(rootfs.files > 20, "{rootfs:?}");
        }
        let tool = node.folder("bin/setuid").join("bin/setuid");
        fs::write(&tool, "setuiD").unwrap();
        for store in node.stores() {
            let report = verify(&node, &store, &[&lists], 1);
            assert_eq!(verdict(&report.images[0]), "failed/rootfs-mismatch");
            let found = findings(&report);
            assert_eq!(found.iter().map(|one| &*one.path).collect::<Vec<_>>(), ["bin/setuid"]);
            assert_eq!(found[0].kind, RootfsDifference::Changed);
        }
    }
}

fn lists_that_cannot_be_used_are_not_a_pass(release: Release) {
    for snapshotter in SNAPSHOTTERS {
        let node = discarded(release, snapshotter);
        let lists = node.published.lists(ASSAY, "team/app", "lists");
        let document = lists.join("bundle.json");
        let original = fs::read(&document).unwrap();
        let change = |change: &dyn Fn(&mut Vec<Value>)| {
            let mut value: Value = serde_json::from_slice(&original).unwrap();
            change(value["layer_files"].as_array_mut().unwrap());
            fs::write(&document, value.to_string()).unwrap();
        };
        let store = node.containerd.store();
        let refused = |bundles: &[&PathBuf]| {
            let report = verify(&node, &store, bundles, 3);
            assert_eq!(verdict(&report.images[0]), "inconclusive/unreadable");
            let rootfs = report.images[0].rootfs.clone().unwrap();
            assert_ne!(rootfs.result, Some(RootfsResult::Passed));
            rootfs.why.unwrap()
        };
        let _ = verify(&node, &store, &[&lists], 0);

        // First no layer has a list, then one of them has none.
        let _ = refused(&[]);
        change(&|files| drop(files.pop()));
        let _ = refused(&[&lists]);

        // This is the list of another layer.
        change(&|files| {
            for member in ["list", "size", "entries"] {
                let (one, other) = (files[0][member].take(), files[1][member].take());
                (files[0][member], files[1][member]) = (other, one);
            }
        });
        let _ = refused(&[&lists]);

        // This is the list of another tar.
        change(&|files| {
            let one = files[0]["diff_id"].clone();
            files[1]["diff_id"] = one;
        });
        let _ = refused(&[&lists]);

        // This list is cut short.
        change(&|files| files[0]["entries"] = 1.into());
        let _ = refused(&[&lists]);

        // Two bundles have different lists, so it is not known which is right.
        let other = node.published.path("other");
        let copied = finish(Command::new("cp").arg("-r").arg(&lists).arg(&other));
        assert_eq!(copied.code, Some(0));
        fs::write(&document, &original).unwrap();
        let both = refused(&[&lists, &other]);
        assert!(both.contains(lists.to_str().unwrap()) && both.contains(other.to_str().unwrap()), "{both}");
        // The same list twice counts once.
        fs::write(other.join("bundle.json"), &original).unwrap();
        let _ = verify(&node, &store, &[&lists, &other], 0);

        // a byte of a list that is not what the bundle names is a damaged bundle, as everywhere
        let value: Value = serde_json::from_slice(&original).unwrap();
        let digest = value["layer_files"][0]["list"].as_str().unwrap().replace(':', "/");
        let blob = lists.join("blobs").join(digest);
        let mut bytes = fs::read(&blob).unwrap();
        bytes[20] ^= 1;
        fs::write(&blob, bytes).unwrap();
        let _ = node
            .published
            .verify(&store, &["--rootfs", "all", "--signatures", lists.to_str().unwrap()])
            .expect_code(2);
    }
}

/// Kubernetes' service pulls the image and is told, as by several distributions, to discard its layers once they are unpacked.
fn layers_that_kubernetes_discards_are_proven_by_lists(release: Release) {
    let Some(crictl) = go_program("CRICTL", "crictl") else { return };
    let registry = Registry::debian("");
    let mut published = Published::new(AGENT);
    let target = of_every_kind().add_to(&mut published.images);
    published.publish("team/app", &target, &[GOOD]);
    published.write();
    published.push("team/app", &registry);
    let hosts = published.path("hosts/registry.example.test");
    fs::create_dir_all(&hosts).unwrap();
    let text = format!("[host.\"http://{}\"]\ncapabilities = [\"pull\", \"resolve\"]\n", registry.host());
    fs::write(hosts.join("hosts.toml"), text).unwrap();
    let (service, containerd) = match release {
        Release::Debian => ("io.containerd.grpc.v1.cri", ".containerd"),
        Release::Two => ("io.containerd.cri.v1.images", ""),
    };
    let more = format!(
        "[plugins.\"{service}\".registry]\nconfig_path = \"{}\"\n\
         [plugins.\"{service}\"{containerd}]\ndiscard_unpacked_layers = true\n",
        published.path("hosts").display()
    );
    let containerd = Containerd::configured(release, true, &more);
    let endpoint = format!("unix://{}", containerd.socket().display());
    let mut pull = Command::new(&crictl);
    pull.args(["--runtime-endpoint", &endpoint, "--image-endpoint", &endpoint, "--timeout", "60s", "pull"]);
    let _ = finish(pull.arg(reference("team/app"))).expect_code(0);
    // the daemon removes the layers some time after
    let until = Instant::now() + Duration::from_secs(60);
    while published.images.layers(&target).iter().any(|layer| containerd.blob(&layer.digest).exists()) {
        assert!(Instant::now() < until, "the layers are still there");
        thread::sleep(Duration::from_millis(50));
    }

    let node = Node { containerd, published, snapshotter: "overlayfs" };
    let lists = node.published.lists(ASSAY, "team/app", "lists.tar");
    for store in node.stores() {
        let report = verify(&node, &store, &[&lists], 0);
        let (image, rootfs) = (&report.images[0], report.images[0].rootfs.as_ref().unwrap());
        assert_eq!((verdict(image), image.content.absent), ("passed".into(), 2));
        assert_eq!((rootfs.result, rootfs.snapshots, rootfs.lists), (Some(RootfsResult::Passed), 2, 2));

        let report = verify(&node, &store, &[], 3);
        let rootfs = report.images[0].rootfs.as_ref().unwrap();
        assert_eq!(verdict(&report.images[0]), "inconclusive/unreadable");
        assert_eq!((rootfs.result, rootfs.snapshots), (Some(RootfsResult::NotRun), 0));
    }
}
