//! Writes into running containers: what they added, changed and deleted is listed, and what is mounted over their images is named, on
//! overlayfs and with the native snapshotter, through the daemon and from its root alone. A container that wrote nothing is clean.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use assay_fixtures::image::Image;
use assay_report::{Drift, DriftKind, DriftResult, FileClass, NodeReport};
use assay_tests::containerd::Release;
use assay_tests::kinds::{image_of, mode, run, set_xattr, tar_of};
use assay_tests::on_each_release;
use assay_tests::packages::{need_root, program};
use assay_tests::program::{finish, verdict};
use assay_tests::published::reference;
use assay_tests::static_program;
use assay_verifier::oci::Digest;

use crate::rootfs::{Node, SNAPSHOTTERS};

on_each_release! {
    what_a_container_wrote_is_listed,
    what_is_mounted_over_an_image_is_named,
    what_is_put_into_a_writable_layer_by_hand_is_seen,
    a_layer_that_cannot_be_read_is_not_clean,
    containers_of_user_namespaces_are_compared_with_their_copies,
}

/// An image that runs for ever, of two layers.
fn service() -> Image {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let write = |name: &str, content: &[u8], bits: u32| {
        fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
        fs::write(root.join(name), content).unwrap();
        mode(&root.join(name), bits);
    };
    write("sleeper", static_program::sleeper(), 0o755);
    write("bin/tool", b"#!/bin/sh", 0o755);
    write("bin/other", b"#!/bin/sh", 0o755);
    write("lib/libx.so.1", b"\x7fELF", 0o644);
    write("etc/app.conf", b"level = 1", 0o644);
    write("data/a", b"a", 0o644);
    write("data/b", b"b", 0o644);
    write("data/sub/c", b"c", 0o644);
    fs::create_dir(root.join("empty")).unwrap();
    let lower = tar_of(root);
    fs::remove_dir_all(root).unwrap();
    write("etc/more.conf", b"more = 1", 0o644);
    let upper = tar_of(root);
    Image { entrypoint: "/sleeper".into(), ..image_of(vec![lower, upper]) }
}

fn node(release: Release, snapshotter: &'static str) -> Node {
    need_root();
    Node::new(release, snapshotter, &[("team/service", service())]).0
}

fn verify(node: &Node, store: &str, what: &str, code: i32) -> NodeReport {
    node.published.verify(store, &["--drift", what]).expect_code(code).report()
}

/// The drift of the one container.
fn drift(report: &NodeReport) -> &Drift {
    let mut containers = report.images.iter().flat_map(|image| &image.in_use);
    let drift = containers.next().unwrap().drift.as_ref().unwrap();
    assert_eq!(containers.count(), 0);
    drift
}

fn found(drift: &Drift) -> Vec<(FileClass, &str, DriftKind)> {
    drift.findings.iter().map(|one| (one.class, one.path.as_str(), one.kind)).collect()
}

fn what_a_container_wrote_is_listed(release: Release) {
    for snapshotter in SNAPSHOTTERS {
        let node = node(release, snapshotter);
        let id = node.containerd.run(&reference("team/service"), "drift");
        let plain = node.published.verify(&node.containerd.store(), &[]).expect_code(0).report();
        assert_eq!(plain.images[0].in_use[0].drift, None);
        for (store, running) in node.stores().into_iter().zip([Some(true), None]) {
            let report = verify(&node, &store, "fail", 0);
            let clean = drift(&report);
            assert_eq!((clean.result, clean.why.as_ref()), (DriftResult::Clean, None), "{store}: {clean:#?}");
            assert_eq!((clean.running, clean.count(), &clean.code), (running, 0, &None));
            assert_eq!(clean.mounts, [], "{store}");
        }

        let root = node.containerd.mounted(&id);
        let path = |name: &str| root.join(name);
        let write = |name: &str, content: &[u8], bits: u32| {
            fs::write(path(name), content).unwrap();
            mode(&path(name), bits);
        };
        write("empty/dropped", b"#!/bin/sh", 0o644);
        write("setuid", b"", 0o4755);
        write("lib/libevil.so", b"\x7fELF", 0o644);
        write("etc/app.conf", b"level = 2", 0o644);
        // The file was written, and is the same as before.
        write("etc/more.conf", b"more = 1", 0o644);
        mode(&path("bin/other"), 0o777);
        fs::remove_file(path("bin/tool")).unwrap();
        fs::remove_dir_all(path("data")).unwrap();
        fs::create_dir(path("data")).unwrap();
        write("data/b", b"b", 0o644);
        {
            use std::os::unix::ffi::OsStrExt as _;
            fs::write(root.join(std::ffi::OsStr::from_bytes(b"\xff\x1b")), "").unwrap();
        }
        use DriftKind::{Added, Changed, Deleted};
        use FileClass::{Library, Other, Privileged, Program};
        let expected = [
            (Privileged, "setuid", Added),
            (Program, "bin/other", Changed),
            (Program, "bin/tool", Deleted),
            (Program, "empty/dropped", Added),
            (Library, "lib/libevil.so", Added),
            (Other, r"\xff\x1b", Added),
            (Other, "data/a", Deleted),
            (Other, "data/sub", Deleted),
            (Other, "etc/app.conf", Changed),
        ];
        for store in node.stores() {
            let report = verify(&node, &store, "report", 0);
            assert_eq!(verdict(&report.images[0]), "passed");
            let listed = drift(&report);
            assert_eq!((listed.result, listed.why.as_ref()), (DriftResult::Drifted, None), "{listed:#?}");
            assert_eq!(found(listed), expected, "{store}");
            assert_eq!((listed.added, listed.changed, listed.deleted, listed.more), (4, 2, 3, 0));
            assert_eq!(listed.code.as_deref(), Some("writable-layer-differs"));
            assert_eq!(listed.findings[3].sha256, Some(Digest::sha256(b"#!/bin/sh")));
            assert_eq!(listed.findings[3].size, Some(9));
            let failed = verify(&node, &store, "fail", 1);
            assert_eq!(verdict(&failed.images[0]), "failed/rootfs-mismatch");
            assert_eq!(drift(&failed), listed);
        }
        // A container that has ended still has its layer.
        let _ = node.containerd.ctr(["tasks", "kill", "--signal", "SIGKILL", &id]);
        let stopped = || drift(&verify(&node, &node.containerd.store(), "report", 0)).running;
        let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while stopped() != Some(false) {
            assert!(std::time::Instant::now() < until, "the container runs on");
        }
        let report = verify(&node, &node.containerd.store(), "fail", 1);
        assert_eq!(found(drift(&report)), expected);
    }
}

fn what_is_mounted_over_an_image_is_named(release: Release) {
    let node = node(release, "overlayfs");
    let source = node.containerd.path("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("tool"), "another").unwrap();
    let file = source.join("tool").display().to_string();
    let mount = |source: &str, to: &str| format!("type=bind,src={source},dst={to},options=rbind:ro");
    let source = source.display().to_string();
    let mounts = [
        mount(&source, "/bin"),
        mount(&file, "/lib/libx.so.1"),
        mount(&file, "/etc/app.conf"),
        // nothing of the image is there
        mount(&source, "/empty"),
        mount(&source, "/new/folder"),
        mount(&file, "/etc/new.conf"),
    ];
    let options: Vec<&str> = mounts.iter().flat_map(|mount| ["--mount", mount]).collect();
    let (_, done) = node.containerd.run_with(&reference("team/service"), "mounts", &options);
    let _ = done.expect_code(0);
    for store in node.stores() {
        let report = verify(&node, &store, "fail", 0);
        let drift = drift(&report);
        // the empty files and folders that runc made for mounts are no drift
        assert_eq!((drift.result, drift.why.as_ref()), (DriftResult::Clean, None), "{drift:#?}");
        let named: Vec<(FileClass, &str, &str)> = drift
            .mounts
            .iter()
            .map(|one| (one.class, one.destination.as_str(), one.hides.as_str()))
            .collect();
        use FileClass::{Library, Other, Program};
        assert_eq!(
            named,
            [
                (Program, "/bin", "bin/other"),
                (Library, "/lib/libx.so.1", "lib/libx.so.1"),
                (Other, "/etc/app.conf", "etc/app.conf"),
            ],
            "{store}"
        );
        assert_eq!(drift.mounts[0].source.as_ref(), Some(&source));
        assert_eq!(drift.mounts[0].mount_type.as_deref(), Some("bind"));
    }
    // what is mounted later is in no specification, and only the process sees it
    let later = "import ctypes, os, sys\nlibc = ctypes.CDLL(None, use_errno=True)\n\
        assert libc.setns(os.open(sys.argv[1], os.O_RDONLY), 0x20000) == 0\n\
        assert libc.mount(b'tmpfs', b'/etc', b'tmpfs', 0, None) == 0";
    let tasks = node.containerd.ctr(["tasks", "list"]).expect_code(0).text();
    let process = tasks.split_whitespace().find(|word| word.parse::<u32>().is_ok()).unwrap().to_owned();
    let mut mounting = Command::new(program("python3", "python3"));
    let done = finish(mounting.args(["-c", later, &format!("/proc/{process}/ns/mnt")]));
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let report = verify(&node, &node.containerd.store(), "fail", 0);
    let mounts = &drift(&report).mounts;
    let later = mounts.iter().find(|one| one.destination == "/etc").unwrap();
    assert!(later.hides.starts_with("etc/"), "{later:?}");
    assert_eq!(mounts.len(), 4);
    // A file under a mount that is not empty is drift.
    let point = upper(&node).join("etc/new.conf");
    fs::write(&point, "hidden").unwrap();
    let report = verify(&node, &node.containerd.store(), "fail", 1);
    assert_eq!(found(drift(&report)), [(FileClass::Program, "etc/new.conf", DriftKind::Added)]);
}

/// The folder that the container writes to, which is the last that was made.
fn upper(node: &Node) -> PathBuf {
    let numbers = fs::read_dir(node.snapshots()).unwrap();
    let number = |entry: std::io::Result<fs::DirEntry>| -> u32 {
        entry.unwrap().file_name().to_str().unwrap().parse().unwrap()
    };
    node.snapshots().join(numbers.map(number).max().unwrap().to_string()).join("fs")
}

fn what_is_put_into_a_writable_layer_by_hand_is_seen(release: Release) {
    let node = node(release, "overlayfs");
    let _id = node.containerd.run(&reference("team/service"), "byhand");
    let root = upper(&node);
    let device = |name: &str, numbers: [&str; 2]| {
        run("mknod -m 0", &[&root.join(name), Path::new("c"), Path::new(numbers[0]), Path::new(numbers[1])]);
    };
    // a whiteout of nothing hides nothing
    device("nothing", ["0", "0"]);
    device("lib", ["0", "0"]);
    device("null", ["1", "3"]);
    run("mkfifo", &[&root.join("fifo")]);
    std::os::unix::fs::symlink("/etc/shadow", root.join("link")).unwrap();
    fs::create_dir(root.join("etc")).unwrap();
    let report = verify(&node, &node.containerd.store(), "fail", 1);
    use DriftKind::{Added, Deleted};
    use FileClass::Other;
    let expected =
        [(Other, "fifo", Added), (Other, "lib", Deleted), (Other, "link", Added), (Other, "null", Added)];
    assert_eq!(found(drift(&report)), expected);
    assert_eq!(drift(&report).why, None);
    // What overlayfs takes from elsewhere is not followed, and does not count as clean.
    set_xattr(&root.join("etc"), "trusted.overlay.redirect", "/data");
    let report = verify(&node, &node.containerd.root_store(), "fail", 1);
    assert!(drift(&report).findings.iter().any(|one| one.path == "etc" && one.kind == DriftKind::Changed));
    assert!(drift(&report).why.is_some());
    assert_eq!(report.images[0].also, [assay_report::Reason::Unreadable]);
}

fn a_layer_that_cannot_be_read_is_not_clean(release: Release) {
    let node = node(release, "overlayfs");
    let _id = node.containerd.run(&reference("team/service"), "unread");
    let root = upper(&node);
    let aside = root.with_file_name("aside");
    fs::rename(&root, &aside).unwrap();
    for (what, code, expected) in [("report", 0, "passed"), ("fail", 3, "inconclusive/unreadable")] {
        let report = verify(&node, &node.containerd.store(), what, code);
        assert_eq!(verdict(&report.images[0]), expected);
        assert_eq!(drift(&report).result, DriftResult::NotRun);
        assert_eq!(drift(&report).code.as_deref(), Some("writable-layer-unread"));
    }
    // a link that leads to it is not followed
    std::os::unix::fs::symlink(&aside, &root).unwrap();
    let report = verify(&node, &node.containerd.store(), "fail", 3);
    assert_eq!(drift(&report).result, DriftResult::NotRun);
    // A layout has no containers.
    let layout = node.published.path("layout");
    node.published.images.write(&layout).unwrap();
    let _ =
        node.published.verify(&format!("layout:{}", layout.display()), &["--drift", "report"]).expect_code(2);
}

fn containers_of_user_namespaces_are_compared_with_their_copies(release: Release) {
    let node = node(release, "overlayfs");
    let map = if release == Release::Debian { "0:100000:200000" } else { "0:100000:65536" };
    // Without user namespaces in the kernel the container does not run, but it exists, with its snapshot.
    let options = ["--uidmap", map, "--gidmap", map];
    let (_, _ran) = node.containerd.run_with(&reference("team/service"), "mapped", &options);
    for store in node.stores() {
        let report = verify(&node, &store, "fail", 0);
        assert_eq!(drift(&report).result, DriftResult::Clean, "{store}: {:#?}", drift(&report));
    }
    let root = upper(&node);
    fs::create_dir(root.join("bin")).unwrap();
    run("chown 100000:100000", &[&root.join("bin")]);
    fs::write(root.join("bin/tool"), "#!/bin/sh").unwrap();
    mode(&root.join("bin/tool"), 0o755);
    // a copy with another owner, of root of the node
    let report = verify(&node, &node.containerd.store(), "fail", 1);
    assert_eq!(found(drift(&report)), [(FileClass::Program, "bin/tool", DriftKind::Changed)]);
}
