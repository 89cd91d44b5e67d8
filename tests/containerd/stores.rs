//! Compares the stores: containerd through its socket, its root on disk, and layouts.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use assay_fixtures::archive::{self, LayerFile};
use assay_fixtures::demo::publisher::Signature;
use assay_fixtures::image::{Image, linux, linux_here, windows};
use assay_report::NodeReport;
use assay_tests::containerd::{Containerd, KUBERNETES, Release};
use assay_tests::on_each_release;
use assay_tests::program::{self, verdict};
use assay_tests::proxy;
use assay_tests::published::{GOOD, Published, reference, sleeper};
use assay_verifier::oci::{Descriptor, Digest, Manifest};

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");

on_each_release! {
    a_daemon_and_its_root_give_the_same_report,
    a_root_whose_parts_are_elsewhere_is_read_as_its_daemon_reads_it,
    a_container_counts_for_what_it_runs,
    a_store_that_contradicts_itself_is_found,
    a_container_without_its_snapshot_is_found,
    what_lies_between_an_image_and_its_container_is_found,
    a_container_of_docker_runs_its_image,
    a_snapshot_with_the_name_of_layers_is_not_made_of_them,
    a_container_in_a_user_namespace_runs_its_image,
    a_namespace_that_vanishes_in_the_middle_is_incomplete,
    a_daemon_that_hangs_is_not_waited_for,
    a_root_of_windows_is_judged_by_what_windows_runs,
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
        // Only a daemon can say its version.
        .replace(&format!(r#""containerd":"{version}""#), r#""containerd":null"#);
    assert_eq!(live.text(), expected);
    containerd.stop();
    let _ = published.verify(&containerd.store(), &[]).expect_code(3);
    let stopped = published.verify(&containerd.root_store(), &[]).expect_code(1);
    assert_eq!(stopped.text(), expected);
    record(&containerd, release);
}

/// Keeps the metadata for the tests of its reader, where `ASSAY_REGENERATE=1` asks for it.
fn record(containerd: &Containerd, release: Release) {
    if std::env::var_os("ASSAY_REGENERATE").is_some() {
        let metadata = fs::read(containerd.path("root/io.containerd.metadata.v1.bolt/meta.db")).unwrap();
        let name = if release == Release::Debian { "1.6" } else { "2.2" };
        let file = format!("{}/containerd/meta-{name}.db.gz", assay_fixtures::FIXTURES);
        fs::write(file, archive::gzip(&metadata)).unwrap();
    }
}

/// Metadata and content on other disks, behind links of every length.
fn a_root_whose_parts_are_elsewhere_is_read_as_its_daemon_reads_it(release: Release) {
    let mut containerd = Containerd::of(release);
    let mut published = Published::new(AGENT);
    published.image("team/signed", &[GOOD]);
    published.image("team/unsigned", &[]);
    published.write();
    containerd.import("default", &published.images);
    let expected = published.verify(&containerd.root_store(), &[]).expect_code(1).text();
    let metadata = "io.containerd.metadata.v1.bolt";
    for (number, part) in [
        &format!("{metadata}/meta.db"),
        metadata,
        "io.containerd.content.v1.content/blobs/sha256",
        "io.containerd.content.v1.content/blobs",
        "io.containerd.content.v1.content",
    ]
    .into_iter()
    .enumerate()
    {
        containerd.stop();
        let part = containerd.path("root").join(part);
        let elsewhere = containerd.path(format!("elsewhere-{number}"));
        fs::rename(&part, &elsewhere).unwrap();
        symlink(&elsewhere, &part).unwrap();
        let stopped = published.verify(&containerd.root_store(), &[]).expect_code(1);
        assert_eq!(stopped.text(), expected, "{}", part.display());
        containerd.start_again();
        let daemon = published.verify(&containerd.store(), &[]).expect_code(1);
        let version = daemon.report().node.containerd.unwrap();
        let daemon = daemon
            .text()
            .replace(&containerd.store(), &containerd.root_store())
            .replace(&format!(r#""containerd":"{version}""#), r#""containerd":null"#);
        assert_eq!(daemon, expected, "{}", part.display());
    }
    // The disk of the content is missing. Every image keeps its row, and the disk is named once.
    containerd.stop();
    fs::remove_dir_all(containerd.path("elsewhere-4")).unwrap();
    let report = published.verify(&containerd.root_store(), &[]).expect_code(3).report();
    let unreadable: Vec<&str> = report.coverage.unreadable.iter().map(|one| one.what.as_str()).collect();
    assert_eq!(report.images.len(), 2);
    assert_eq!(unreadable.iter().filter(|what| **what == "io.containerd.content.v1.content").count(), 1);
    // Then the disk of the metadata is missing.
    fs::remove_dir_all(containerd.path("elsewhere-1")).unwrap();
    let report = published.verify(&containerd.root_store(), &[]).expect_code(3).report();
    assert_eq!((report.images.len(), report.coverage.unreadable.len()), (0, 1));
}

/// A name that was given to another image: the container counts for the image that it runs.
fn a_container_counts_for_what_it_runs(release: Release) {
    let containerd = Containerd::of(release);
    let (published, [old, new]) = two_sleepers();
    let (old_name, new_name) = (reference("team/old"), reference("team/new"));
    containerd.import(KUBERNETES, &published.images);
    let _ = containerd.ctr(["images", "tag", &old_name, "app.example.test/app:latest"]).expect_code(0);
    let id = containerd.run("app.example.test/app:latest", "app");
    let tag = ["images", "tag", "--force", &new_name, "app.example.test/app:latest"];
    let _ = containerd.ctr(tag).expect_code(0);

    for store in [containerd.store(), containerd.root_store()] {
        let report = published.verify(&store, &[]).expect_code(0).report();
        let users = |digest: &Digest| {
            let image = report.images.iter().find(|image| image.digest == *digest).unwrap();
            image.in_use.iter().map(|user| user.id.clone()).collect::<Vec<_>>()
        };
        assert_eq!((users(&old.digest), users(&new.digest)), (vec![id.clone()], vec![]));
        assert_eq!(report.coverage.cross_check.findings, []);
    }
    // The image of the container is removed, so what its name says now is not what runs.
    let _ = containerd.ctr(["images", "remove", "--sync", &old_name]).expect_code(0);
    for store in [containerd.store(), containerd.root_store()] {
        let report = published.verify(&store, &[]).expect_code(1).report();
        assert_eq!(found(&report), [("container-snapshot-differs", id.as_str())]);
        assert_eq!(unlisted(&report), [("container", id.as_str())]);
        assert!(report.images.iter().all(|image| image.in_use.is_empty()));
    }
}

fn a_store_that_contradicts_itself_is_found(release: Release) {
    let mut containerd = Containerd::of(release);
    let (published, [first, second]) = two_sleepers();
    containerd.import(KUBERNETES, &published.images);
    let sound = [
        "containers-images",
        "containers-snapshots",
        "content-files-records",
        "content-records-files",
        "manifests-images",
    ];
    let report = published.verify(&containerd.store(), &[]).expect_code(0).report();
    assert_eq!(
        (report.coverage.cross_check.checked, report.coverage.cross_check.findings),
        (sound.map(str::to_owned).to_vec(), vec![])
    );
    let counted = &report.coverage.enumerated[0];
    assert_eq!((counted.records, counted.containers, counted.snapshots), (Some(2), Some(0), Some(0)));

    // a record whose file is gone: of a layer, which nothing else misses
    let layer = published.images.layers(&first).remove(1).digest;
    fs::remove_file(containerd.blob(&layer)).unwrap();
    for store in [containerd.store(), containerd.root_store()] {
        let report = published.verify(&store, &[]).expect_code(3).report();
        assert_eq!(found(&report), [("content-file-missing", layer.as_str())]);
    }
    // a manifest whose image record is gone
    let manifest = second.digest.as_str();
    let root = "containerd.io/gc.root=2026-11-25T00:00:00Z";
    let _ = containerd.ctr(["content", "label", manifest, root]).expect_code(0);
    let _ = containerd.ctr(["images", "remove", "--sync", &reference("team/new")]).expect_code(0);
    for store in [containerd.store(), containerd.root_store()] {
        let report = published.verify(&store, &["--namespace", KUBERNETES]).expect_code(3).report();
        assert_eq!(unlisted(&report), [("manifest", manifest)]);
        // of one namespace alone it cannot be told which files have no record
        assert_eq!(found(&report), [("content-file-missing", layer.as_str())]);
        assert!(!report.coverage.cross_check.checked.contains(&"content-files-records".to_owned()));
    }
    // a file that no record lists, which a daemon removes when it next cleans up
    containerd.stop();
    let blobs = containerd.blob(&first.digest).parent().unwrap().to_owned();
    let files = fs::read_dir(blobs).unwrap().count() as u64;
    let report = published.verify(&containerd.root_store(), &[]).expect_code(3).report();
    assert_eq!(report.coverage.enumerated[0].content, Some(files + 1), "all files and the lost one");
    let stray = Digest::sha256(b"stray");
    fs::write(containerd.blob(&stray), b"stray").unwrap();
    let report = published.verify(&containerd.root_store(), &[]).expect_code(3).report();
    assert_eq!(
        found(&report),
        [("content-file-missing", layer.as_str()), ("content-record-missing", stray.as_str())]
    );
}

fn a_container_without_its_snapshot_is_found(release: Release) {
    let containerd = Containerd::of(release);
    let (published, _) = two_sleepers();
    containerd.import(KUBERNETES, &published.images);
    let _ = containerd.ctr(["containers", "create", &reference("team/old"), "one"]).expect_code(0);
    let _ = published.verify(&containerd.store(), &[]).expect_code(0);
    let _ = containerd.ctr(["snapshots", "remove", "one"]).expect_code(0);
    for store in [containerd.store(), containerd.root_store()] {
        let report = published.verify(&store, &[]).expect_code(3).report();
        assert_eq!(found(&report), [("container-snapshot-missing", "one")]);
    }
}

/// Makes a container's snapshot anew, on another one.
fn put_on(containerd: &Containerd, id: &str, parent: &str) {
    put_on_in(containerd, KUBERNETES, id, parent);
}

fn put_on_in(containerd: &Containerd, namespace: &str, id: &str, parent: &str) {
    let _ = containerd.ctr_in(namespace, ["snapshots", "remove", id]).expect_code(0);
    let _ = containerd.ctr_in(namespace, ["snapshots", "prepare", id, parent]).expect_code(0);
}

/// Commits a snapshot that was made by hand.
fn commit(containerd: &Containerd, name: &str, parent: &[&str]) {
    commit_in(containerd, KUBERNETES, name, parent);
}

fn commit_in(containerd: &Containerd, namespace: &str, name: &str, parent: &[&str]) {
    let prepare = ["snapshots", "prepare", "by-hand"];
    let _ = containerd.ctr_in(namespace, prepare.iter().chain(parent)).expect_code(0);
    let _ = containerd.ctr_in(namespace, ["snapshots", "commit", name, "by-hand"]).expect_code(0);
}

fn parent_of(containerd: &Containerd, snapshot: &str) -> String {
    parent_in(containerd, KUBERNETES, snapshot)
}

fn parent_in(containerd: &Containerd, namespace: &str, snapshot: &str) -> String {
    let info = containerd.ctr_in(namespace, ["snapshots", "info", snapshot]).expect_code(0).text();
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    info["Parent"].as_str().unwrap().to_owned()
}

/// A snapshot that somebody committed on an image's layers, with whatever in it, is none of them.
fn what_lies_between_an_image_and_its_container_is_found(release: Release) {
    let containerd = Containerd::of(release);
    let (published, _) = two_sleepers();
    containerd.import(KUBERNETES, &published.images);
    let _ = containerd.ctr(["containers", "create", &reference("team/old"), "one"]).expect_code(0);
    let chain = parent_of(&containerd, "one");
    let lower = parent_of(&containerd, &chain);
    let _ = published.verify(&containerd.store(), &[]).expect_code(0);
    let digest = Digest::sha256(b"golden");
    let mapped = format!("{chain}-1000-1000");
    for name in ["golden", digest.as_str(), &mapped] {
        commit(&containerd, name, &[&chain]);
        put_on(&containerd, "one", name);
        for store in [containerd.store(), containerd.root_store()] {
            let report = published.verify(&store, &[]).expect_code(1).report();
            assert_eq!(found(&report), [("container-snapshot-differs", "one")], "{name}");
            assert_eq!(unlisted(&report), [("container", "one")], "{name}");
        }
    }
    commit(&containerd, "empty", &[]);
    for parent in [&["empty"][..], &[&lower], &[]] {
        let _ = containerd.ctr(["snapshots", "remove", "one"]).expect_code(0);
        let _ = containerd.ctr(["snapshots", "prepare", "one"].iter().chain(parent)).expect_code(0);
        for store in [containerd.store(), containerd.root_store()] {
            let report = published.verify(&store, &[]).expect_code(1).report();
            assert_eq!(found(&report), [("container-snapshot-differs", "one")], "{parent:?}");
        }
    }
    put_on(&containerd, "one", &chain);
    let _ = published.verify(&containerd.store(), &[]).expect_code(0);
}

/// Docker's daemon commits a snapshot of mount points between an image and each of its containers.
fn a_container_of_docker_runs_its_image(release: Release) {
    const DOCKER: &str = "moby";
    let containerd = Containerd::of(release);
    let (published, [old, _]) = two_sleepers();
    containerd.import(DOCKER, &published.images);
    let verify = |code: i32| {
        let stores = [containerd.store(), containerd.root_store()];
        stores.map(|store| published.verify(&store, &[]).expect_code(code).report())
    };
    let create = ["containers", "create", &reference("team/old"), "one"];
    let _ = containerd.ctr_in(DOCKER, create).expect_code(0);
    let chain = parent_in(&containerd, DOCKER, "one");
    let put_on = |id: &str, parent: &str| put_on_in(&containerd, DOCKER, id, parent);
    let commit = |name: &str, parent: &str| commit_in(&containerd, DOCKER, name, &[parent]);
    commit("one-init", &chain);
    commit("two-init", &chain);
    commit("golden", &chain);
    put_on("one", "one-init");
    for report in verify(0) {
        assert_eq!((found(&report), unlisted(&report)), (vec![], vec![]));
    }
    put_on("one", "two-init");
    for report in verify(1) {
        assert_eq!(found(&report), [("container-snapshot-differs", "one")]);
    }
    let _ = containerd.ctr_in(DOCKER, ["snapshots", "remove", "one"]).expect_code(0);
    let _ = containerd.ctr_in(DOCKER, ["snapshots", "remove", "one-init"]).expect_code(0);
    commit("one-init", "golden");
    let _ = containerd.ctr_in(DOCKER, ["snapshots", "prepare", "one", "one-init"]).expect_code(0);
    for report in verify(1) {
        assert_eq!(found(&report), [("container-snapshot-differs", "one")]);
    }
    put_on("one", &chain);

    // without a name of image or snapshot in its record, as before version 28
    let specification = published.path("config.json");
    let path = "/var/lib/docker/rootfs/overlayfs/two";
    let json = serde_json::json!({ "ociVersion": "1.0.2", "root": { "path": path }, "process": { "args": ["/sleeper"], "cwd": "/" } });
    fs::write(&specification, json.to_string()).unwrap();
    let create = ["containers", "create", "--config", specification.to_str().unwrap(), "two"];
    let _ = containerd.ctr_in(DOCKER, create).expect_code(0);
    for (parent, code) in [("two-init", 0), ("golden", 1)] {
        let _ = containerd.ctr_in(DOCKER, ["snapshots", "prepare", "two", parent]).expect_code(0);
        for report in verify(code) {
            let image = report.images.iter().find(|image| image.digest == old.digest).unwrap();
            let users: Vec<&str> = image.in_use.iter().map(|user| user.id.as_str()).collect();
            assert_eq!(users, if code == 0 { vec!["one", "two"] } else { vec!["one"] });
            assert_eq!(unlisted(&report).len(), usize::try_from(code).unwrap());
        }
        let _ = containerd.ctr_in(DOCKER, ["snapshots", "remove", "two"]).expect_code(0);
    }
}

/// Snapshots that were committed under the names of an image's layers before it was unpacked: containerd takes them for those.
fn a_snapshot_with_the_name_of_layers_is_not_made_of_them(release: Release) {
    let (published, [old, _]) = two_sleepers();
    let manifest = Manifest::parse(published.images.blob(&old.digest)).unwrap();
    let config = published.images.blob(&manifest.config.unwrap().digest);
    let config: serde_json::Value = serde_json::from_slice(config).unwrap();
    let [lower, upper] = [0, 1].map(|at| config["rootfs"]["diff_ids"][at].as_str().unwrap());
    let chain = Digest::sha256(format!("{lower} {upper}").as_bytes());
    for (why, parents) in [
        ("on nothing", &[][..]),
        ("on the wrong layer", &[upper]),
        ("on a layer that is no lowest one", &["golden", lower]),
    ] {
        let containerd = Containerd::of(release);
        containerd.import(KUBERNETES, &published.images);
        let mut below: Vec<&str> = Vec::new();
        for parent in parents.iter().copied().chain([chain.as_str()]) {
            commit(&containerd, parent, &below);
            below = vec![parent];
        }
        let _ = containerd.ctr(["containers", "create", &reference("team/old"), "one"]).expect_code(0);
        assert_eq!(parent_of(&containerd, "one"), chain.as_str());
        for store in [containerd.store(), containerd.root_store()] {
            let report = published.verify(&store, &[]).expect_code(1).report();
            assert_eq!(found(&report), [("container-snapshot-differs", "one")], "{why}");
        }
    }
}

/// containerd makes a copy of the image's snapshot for a user namespace; it is the container's own mappings that name it.
fn a_container_in_a_user_namespace_runs_its_image(release: Release) {
    let containerd = Containerd::of(release);
    let (published, _) = two_sleepers();
    containerd.import(KUBERNETES, &published.images);
    let image = reference("team/old");
    let mapped = |id: &str, host: &str| {
        let map = format!("0:{host}:65536");
        // Without user namespaces in the kernel the container does not run, but it exists, with its snapshot.
        let run = ["run", "--detach", "--uidmap", &map, "--gidmap", &map, &image, id];
        let _ = containerd.ctr(run);
        parent_of(&containerd, id)
    };
    let (one, other) = (mapped("one", "100000"), mapped("other", "200000"));
    assert_ne!(one, other);
    for store in [containerd.store(), containerd.root_store()] {
        let report = published.verify(&store, &[]).expect_code(0).report();
        assert_eq!((found(&report), report.coverage.containers), (vec![], 2));
        let users = report.images.iter().map(|image| image.in_use.len()).sum::<usize>();
        assert_eq!(users, 2);
    }
    // A copy for another container does not count.
    let _ = containerd.ctr(["task", "kill", "--signal", "SIGKILL", "one"]);
    let _ = containerd.ctr(["task", "delete", "--force", "one"]);
    put_on(&containerd, "one", &other);
    for store in [containerd.store(), containerd.root_store()] {
        let report = published.verify(&store, &[]).expect_code(1).report();
        assert_eq!(found(&report), [("container-snapshot-differs", "one")]);
    }
}

/// A namespace that goes or comes while the store is read was not looked at, and that is said.
fn a_namespace_that_vanishes_in_the_middle_is_incomplete(release: Release) {
    let mut published = Published::new(AGENT);
    let names: Vec<String> = (0..60).map(|number| format!("team/app-{number}")).collect();
    for name in &names {
        published.image(name, &[GOOD]);
    }
    published.write();
    for (before, during, why) in [("create", "remove", "goes"), ("version", "create", "comes")] {
        let containerd = Arc::new(Containerd::of(release));
        containerd.import(KUBERNETES, &published.images);
        if before == "create" {
            let _ = containerd.ctr(["namespaces", "create", "z"]).expect_code(0);
        }
        let socket = containerd.path("proxy.sock");
        let daemon = Arc::clone(&containerd);
        // past the list of namespaces, before the end of the first one's images
        proxy::listen(&socket, &containerd.socket(), 10_000, move || {
            daemon.ctr(["namespaces", during, "z"]).code == Some(0)
        });
        let store = format!("containerd:{}", socket.display());
        let report = published.verify(&store, &[]).expect_code(3).report();
        let unreadable: Vec<&str> = report.coverage.unreadable.iter().map(|one| one.what.as_str()).collect();
        assert_eq!((unreadable, report.summary.passed), (vec!["z: namespace"], 60), "{why}");
    }
}

fn a_daemon_that_hangs_is_not_waited_for(release: Release) {
    let containerd = Containerd::of(release);
    let mut published = Published::new(AGENT);
    published.image("team/app", &[GOOD]);
    published.write();
    containerd.import(KUBERNETES, &published.images);
    containerd.signal("STOP");
    let report = published.verify(&containerd.store(), &[]).expect_code(3).report();
    assert_eq!(report.coverage.unreadable[0].what, containerd.store());
    // Its root can still be read.
    let _ = published.verify(&containerd.root_store(), &[]).expect_code(0);
    containerd.signal("CONT");
    let _ = published.verify(&containerd.store(), &[]).expect_code(0);
}

/// A disk of another system, such as a Windows node's on a Linux jump box: its platform's manifest is the one that counts.
fn a_root_of_windows_is_judged_by_what_windows_runs(release: Release) {
    let mut containerd = Containerd::of(release);
    let mut published = Published::new(AGENT);
    let platforms = [linux_here(), windows("10.0.20348.2700")]
        .map(|platform| Image::of_text(platform, "app", "multi").add_to(&mut published.images));
    let index = published.images.add_index(false, &platforms);
    published.publish("team/multi", &index, &[GOOD]);
    published.write();
    containerd.import(KUBERNETES, &published.images);
    let _ = containerd.ctr(["content", "delete", platforms[0].digest.as_str()]).expect_code(0);
    containerd.stop();
    let report = published.verify(&containerd.root_store(), &[]).expect_code(3).report();
    assert_eq!(verdict(&report.images[0]), "inconclusive/unreadable");
    fs::create_dir(containerd.path("root/io.containerd.snapshotter.v1.windows")).unwrap();
    let report = published.verify(&containerd.root_store(), &[]).expect_code(0).report();
    assert_eq!(report.images[0].platforms, ["windows/amd64"]);
}

/// Something other than a containerd root, or a damaged one, is never an empty store.
#[test]
fn a_folder_that_is_not_a_root_is_incomplete() {
    let mut published = Published::new(AGENT);
    published.image("team/app", &[GOOD]);
    published.write();
    let root = published.path("root");
    let metadata = root.join("io.containerd.metadata.v1.bolt/meta.db");
    let store = format!("root:{}", root.display());
    let judged_nothing = |why: &str| {
        let report = published.verify(&store, &[]).expect_code(3).report();
        assert_eq!((report.images.len(), report.coverage.unreadable.len()), (0, 1), "{why}");
    };
    judged_nothing("absent");
    fs::write(&root, "").unwrap();
    judged_nothing("a file");
    fs::remove_file(&root).unwrap();
    fs::create_dir_all(metadata.parent().unwrap()).unwrap();
    judged_nothing("without metadata");
    for (why, bytes) in [("empty", vec![]), ("zeros", vec![0; 65536]), ("text", b"hello".to_vec())] {
        fs::write(&metadata, bytes).unwrap();
        judged_nothing(why);
    }
    fs::remove_file(&metadata).unwrap();
    symlink("/dev/zero", &metadata).unwrap();
    judged_nothing("a link to a device");
    fs::remove_file(&metadata).unwrap();
    let _ = program::run("mkfifo", [&metadata]).expect_code(0);
    judged_nothing("a pipe");
}

/// Two images that run, and are not the same: `team/old` and `team/new`.
fn two_sleepers() -> (Published, [Descriptor; 2]) {
    let mut published = Published::new(AGENT);
    let targets = ["old", "new"].map(|name| {
        let mut image = sleeper();
        let file = LayerFile { path: "name", mode: 0o644, content: name.as_bytes() };
        image.layers.push(archive::layer(&[file]));
        let target = image.add_to(&mut published.images);
        published.publish(&format!("team/{name}"), &target, &[GOOD]);
        target
    });
    published.write();
    (published, targets)
}

fn found(report: &NodeReport) -> Vec<(&str, &str)> {
    let findings = report.coverage.cross_check.findings.iter();
    findings.map(|finding| (finding.code.as_str(), finding.id.as_str())).collect()
}

fn unlisted(report: &NodeReport) -> Vec<(&str, &str)> {
    report.coverage.unlisted.iter().map(|one| (one.kind.as_str(), one.id.as_str())).collect()
}
