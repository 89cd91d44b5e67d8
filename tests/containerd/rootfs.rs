//! Unpacked snapshots, compared with the signed layers: whatever is changed in one is found, on overlayfs and with the native
//! snapshotter, through the daemon and from its root alone.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use assay_fixtures::image::Image;
use assay_judge::layer::printable;
use assay_report::{NodeReport, RootfsDifference, RootfsFinding, RootfsResult};
use assay_tests::containerd::{Containerd, KUBERNETES, Release};
use assay_tests::kinds::{mode, of_every_kind, run, set_xattr};
use assay_tests::on_each_release;
use assay_tests::packages::{need_root, program};
use assay_tests::program::{finish, verdict};
use assay_tests::published::{GOOD, Published, reference, sleeper};
use assay_verifier::oci::Descriptor;

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");

on_each_release! {
    every_change_of_a_snapshot_is_found,
    what_umoci_finds_is_found,
    a_byte_is_changed_and_content_and_signature_still_pass,
    a_program_that_is_dropped_under_a_running_container_is_found,
    unpacking_that_broke_off_is_found,
    layers_that_were_discarded_are_not_a_pass,
    only_what_was_asked_for_is_compared,
    snapshots_that_stand_on_others_are_found,
    rights_that_are_missing_are_not_a_pass,
    copies_for_user_namespaces_are_compared,
}

pub(super) const SNAPSHOTTERS: [&str; 2] = ["overlayfs", "native"];

/// A containerd that unpacked images.
pub(super) struct Node {
    pub(super) containerd: Containerd,
    pub(super) published: Published,
    pub(super) snapshotter: &'static str,
}

impl Node {
    pub(super) fn new(
        release: Release,
        snapshotter: &'static str,
        images: &[(&str, Image)],
    ) -> (Self, Vec<Descriptor>) {
        Self::publish(release, snapshotter, |published| {
            let add = |(name, image): &(&str, Image)| {
                let target = image.add_to(&mut published.images);
                published.publish(name, &target, &[GOOD]);
                target
            };
            images.iter().map(add).collect()
        })
    }

    /// With what `publish` publishes, of which it gives what is to be unpacked.
    pub(super) fn publish(
        release: Release,
        snapshotter: &'static str,
        publish: impl FnOnce(&mut Published) -> Vec<Descriptor>,
    ) -> (Self, Vec<Descriptor>) {
        let containerd = Containerd::of(release);
        let mut published = Published::new(AGENT);
        let targets = publish(&mut published);
        published.write();
        containerd.import(KUBERNETES, &published.images);
        let node = Self { containerd, published, snapshotter };
        for target in &targets {
            node.unpack(target);
        }
        (node, targets)
    }

    fn unpack(&self, target: &Descriptor) {
        // An older ctr accepts only this form.
        let default = format!("containerd.io/defaults/snapshotter={}", self.snapshotter);
        let _ = self.containerd.ctr(["namespaces", "label", KUBERNETES, &default]).expect_code(0);
        let _ = self.containerd.ctr(["snapshots", "unpack", target.digest.as_str()]).expect_code(0);
    }

    pub(super) fn snapshots(&self) -> PathBuf {
        self.containerd.path(format!("root/io.containerd.snapshotter.v1.{}/snapshots", self.snapshotter))
    }

    /// The folder of the snapshot that has `file`, of the uppermost if there are several.
    pub(super) fn folder(&self, file: &str) -> PathBuf {
        let mut numbers: Vec<u32> = fs::read_dir(self.snapshots())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap())
            .collect();
        numbers.sort_unstable();
        let folder = |number: &u32| {
            let folder = self.snapshots().join(number.to_string());
            if self.snapshotter == "overlayfs" { folder.join("fs") } else { folder }
        };
        let has = |folder: &PathBuf| folder.join(file).symlink_metadata().is_ok();
        numbers.iter().rev().map(folder).find(has).unwrap_or_else(|| panic!("no snapshot has {file}"))
    }

    pub(super) fn verify(&self, store: &str, which: &str, code: i32) -> NodeReport {
        self.published.verify(store, &["--rootfs", which]).expect_code(code).report()
    }

    pub(super) fn stores(&self) -> [String; 2] {
        [self.containerd.store(), self.containerd.root_store()]
    }
}

pub(super) fn findings(report: &NodeReport) -> Vec<&RootfsFinding> {
    report.images.iter().flat_map(|image| image.rootfs.iter().flat_map(|rootfs| &rootfs.findings)).collect()
}

/// A change of the folder of a snapshot: what it is, the file whose snapshot it is of, what is done there, and the path that is named.
type Change = (&'static str, &'static str, fn(&Path), &'static str, RootfsDifference);

const CHANGES: [Change; 24] = {
    use RootfsDifference::{Changed, Extra, Missing};
    [
        ("a bit of content", "bin/tool", |root| flip(&root.join("bin/tool")), "bin/tool", Changed),
        (
            "a bit in the upper layer",
            "etc/deep/down/more",
            |root| flip(&root.join("etc/deep/down/more")),
            "etc/deep/down/more",
            Changed,
        ),
        (
            "bytes more",
            "etc/passwd",
            |root| fs::write(root.join("etc/passwd"), "root:x:0:0\nroot2:x:0:0").unwrap(),
            "etc/passwd",
            Changed,
        ),
        ("a mode", "bin/tool", |root| mode(&root.join("bin/tool"), 0o4755), "bin/tool", Changed),
        (
            "a setuid bit that is gone",
            "bin/setuid",
            |root| mode(&root.join("bin/setuid"), 0o755),
            "bin/setuid",
            Changed,
        ),
        ("the mode of a directory", "etc/passwd", |root| mode(&root.join("etc"), 0o777), "etc", Changed),
        ("the mode of the root", "bin/tool", |root| mode(root, 0o777), "", Changed),
        (
            "an owner",
            "etc/passwd",
            |root| run("chown 0:30000", &[&root.join("etc/passwd")]),
            "etc/passwd",
            Changed,
        ),
        (
            "the owner of a link",
            "bin/link",
            |root| run("chown -h 5:5", &[&root.join("bin/link")]),
            "bin/link",
            Changed,
        ),
        (
            "a capability more",
            "bin/tool",
            |root| run("setcap cap_sys_admin+ep", &[&root.join("bin/tool")]),
            "bin/tool",
            Changed,
        ),
        (
            "another capability",
            "bin/ping",
            |root| run("setcap cap_sys_admin+ep", &[&root.join("bin/ping")]),
            "bin/ping",
            Changed,
        ),
        (
            "a capability that is gone",
            "bin/ping",
            |root| run("setcap -r", &[&root.join("bin/ping")]),
            "bin/ping",
            Changed,
        ),
        (
            "an attribute",
            "etc/passwd",
            |root| set_xattr(&root.join("etc/passwd"), "user.note", "other"),
            "etc/passwd",
            Changed,
        ),
        (
            "where a link leads",
            "bin/link",
            |root| {
                fs::remove_file(root.join("bin/link")).unwrap();
                symlink("/etc/passwd", root.join("bin/link")).unwrap();
            },
            "bin/link",
            Changed,
        ),
        (
            "a device",
            "etc/null",
            |root| {
                fs::remove_file(root.join("etc/null")).unwrap();
                run(
                    "mknod -m 666",
                    &[&root.join("etc/null"), Path::new("c"), Path::new("1"), Path::new("5")],
                );
            },
            "etc/null",
            Changed,
        ),
        (
            "a file for a pipe",
            "etc/fifo",
            |root| {
                fs::remove_file(root.join("etc/fifo")).unwrap();
                fs::write(root.join("etc/fifo"), "").unwrap();
            },
            "etc/fifo",
            Changed,
        ),
        (
            "a pipe for a file",
            "bin/tool",
            |root| {
                fs::remove_file(root.join("bin/tool")).unwrap();
                run("mkfifo -m 755", &[&root.join("bin/tool")]);
            },
            "bin/tool",
            Changed,
        ),
        (
            "a link for a file",
            "bin/tool",
            |root| {
                fs::remove_file(root.join("bin/tool")).unwrap();
                symlink("/etc/shadow", root.join("bin/tool")).unwrap();
            },
            "bin/tool",
            Changed,
        ),
        (
            "a file that is gone",
            "etc/passwd",
            |root| fs::remove_file(root.join("etc/passwd")).unwrap(),
            "etc/passwd",
            Missing,
        ),
        (
            "a file more",
            "bin/tool",
            |root| fs::write(root.join("bin/more"), "more").unwrap(),
            "bin/more",
            Extra,
        ),
        ("a directory more", "bin/tool", |root| fs::create_dir(root.join("more")).unwrap(), "more", Extra),
        (
            "a hard link that is broken",
            "bin/linked",
            |root| {
                run("cp -a", &[&root.join("bin/linked"), &root.join("bin/new")]);
                fs::rename(root.join("bin/new"), root.join("bin/linked-too")).unwrap();
            },
            "bin/linked-too",
            Changed,
        ),
        (
            "two that are swapped",
            "bin/tool",
            |root| {
                fs::rename(root.join("bin/tool"), root.join("bin/between")).unwrap();
                fs::rename(root.join("bin/setuid"), root.join("bin/tool")).unwrap();
                fs::rename(root.join("bin/between"), root.join("bin/setuid")).unwrap();
            },
            "bin/tool",
            Changed,
        ),
        (
            "a name that is not UTF-8",
            "bin/tool",
            |root| {
                use std::os::unix::ffi::OsStrExt as _;
                fs::write(root.join(std::ffi::OsStr::from_bytes(b"bin/\xff")), "").unwrap();
            },
            r"bin/\xff",
            Extra,
        ),
    ]
};

/// What makes overlayfs show something else than what the folders have.
const OVERLAY_CHANGES: [Change; 6] = {
    use RootfsDifference::{Changed, Extra, Missing};
    [
        (
            "a whiteout more",
            "replaced/b",
            |root| run("mknod -m 0", &[&root.join("bin"), Path::new("c"), Path::new("0"), Path::new("0")]),
            "bin",
            Extra,
        ),
        (
            "a whiteout that is gone",
            "replaced/b",
            |root| fs::remove_file(root.join("old")).unwrap(),
            "old",
            Missing,
        ),
        (
            "a directory that hides",
            "etc/deep/down/more",
            |root| set_xattr(&root.join("etc"), "trusted.overlay.opaque", "y"),
            "etc",
            Changed,
        ),
        (
            "a directory that does not hide",
            "replaced/b",
            |root| {
                let script = "import os, sys; os.removexattr(sys.argv[1], 'trusted.overlay.opaque')";
                let done = finish(Command::new("python3").args(["-c", script]).arg(root.join("replaced")));
                assert_eq!(done.code, Some(0), "{}", done.stderr);
            },
            "replaced",
            Changed,
        ),
        (
            "a directory that is another",
            "etc/deep/down/more",
            |root| set_xattr(&root.join("etc"), "trusted.overlay.redirect", "/bin"),
            "etc",
            Changed,
        ),
        (
            "content from elsewhere",
            "replaced/b",
            |root| set_xattr(&root.join("replaced/b"), "trusted.overlay.metacopy", ""),
            "replaced/b",
            Changed,
        ),
    ]
};

/// Changes a bit, and nothing that a listing shows.
pub(super) fn flip(path: &Path) {
    let before = path.metadata().unwrap();
    let mut bytes = fs::read(path).unwrap();
    bytes[1] ^= 1;
    fs::write(path, bytes).unwrap();
    let time = fs::FileTimes::new().set_modified(before.modified().unwrap());
    fs::File::options().write(true).open(path).unwrap().set_times(time).unwrap();
    assert_eq!(
        (before.len(), before.mtime()),
        (path.metadata().unwrap().len(), path.metadata().unwrap().mtime())
    );
}

fn every_change_of_a_snapshot_is_found(release: Release) {
    need_root();
    for snapshotter in SNAPSHOTTERS {
        let image = of_every_kind();
        let (node, _) = Node::new(release, snapshotter, &[("team/app", image.clone())]);
        for store in node.stores() {
            let report = node.verify(&store, "all", 0);
            let rootfs = report.images[0].rootfs.as_ref().unwrap();
            assert_eq!((rootfs.result, rootfs.why.as_ref()), (Some(RootfsResult::Passed), None), "{store}");
            assert_eq!(rootfs.snapshots, if snapshotter == "overlayfs" { 2 } else { 1 });
            assert!(rootfs.files > 40, "{rootfs:?}");
        }
        let lower = node.containerd.path("lower.tar");
        fs::write(&lower, &image.layers[0]).unwrap();
        let (sound, kept) = (node.snapshots(), node.containerd.path("kept"));
        run("cp -a", &[&sound, &kept]);
        let overlay: &[Change] = if snapshotter == "overlayfs" { &OVERLAY_CHANGES } else { &[] };
        for (what, file, change, path, kind) in CHANGES.iter().chain(overlay) {
            change(&node.folder(file));
            for store in node.stores() {
                let report = node.published.verify(&store, &["--rootfs", "all"]).report();
                assert_eq!(verdict(&report.images[0]), "failed/rootfs-mismatch", "{what} with {snapshotter}");
                let found = findings(&report);
                assert!(
                    found.iter().any(|one| one.path == *path && one.kind == *kind),
                    "{what} with {snapshotter}: {found:#?}"
                );
                assert!(found.len() <= 2, "{what} with {snapshotter}: {found:#?}");
                if snapshotter == "overlayfs" {
                    for path in compared_by_tar(&lower, &node.folder("bin/setuid")) {
                        assert!(
                            found.iter().any(|one| one.path == path),
                            "{what}: tar alone finds {path}: {found:#?}"
                        );
                    }
                }
            }
            run("rm -rf", &[&sound]);
            run("cp -a", &[&kept, &sound]);
        }
        // Restore it, and change only what is noise.
        let folder = node.folder("bin/tool");
        run("touch -d 2001-01-01", &[&folder.join("bin"), &folder.join("bin/tool")]);
        set_xattr(&folder.join("bin/tool"), "trusted.overlay.origin", "x");
        let report = node.verify(&node.containerd.store(), "all", 0);
        assert_eq!(report.images[0].rootfs.as_ref().unwrap().times, 1);
    }
}

/// The paths that GNU tar finds different from an archive, but for times, and for the root, which is the snapshotter's.
fn compared_by_tar(archive: &Path, folder: &Path) -> Vec<String> {
    let mut command = Command::new(program("tar", "tar"));
    let done =
        finish(command.env("LC_ALL", "C").args(["--compare", "--file"]).arg(archive).arg("-C").arg(folder));
    let text = done.text() + &done.stderr;
    let differs = |line: &str| {
        let line = line.strip_prefix("/usr/bin/tar: ").or(line.strip_prefix("tar: ")).unwrap_or(line);
        let (path, what) = line.split_once(": ")?;
        let is_noise = what.starts_with("Mod time") || what.starts_with("Device number") || path == "./";
        let path = path.strip_prefix("./")?.trim_end_matches('/');
        (!is_noise && !path.is_empty()).then(|| path.to_owned())
    };
    text.lines().filter_map(differs).collect()
}

/// umoci unpacks the image, keeps a list of its files (mtree), and makes a layer of what differs from that list: each path in that layer is
/// among ours, but for directories, whose times differ as soon as anything in them does.
fn what_umoci_finds_is_found(release: Release) {
    let (node, _) = Node::new(release, "native", &[("team/app", of_every_kind())]);
    let layout = node.containerd.path("layout");
    let mut images = node.published.images.clone();
    images.name(&image_target(&node.verify(&node.containerd.store(), "all", 0).images[0]), "sound");
    images.write(&layout).unwrap();
    let umoci = |arguments: &[&str]| {
        let mut command = Command::new(program("umoci", "umoci"));
        finish(command.current_dir(node.containerd.path("")).arg("--log=error").args(arguments))
    };
    let _ = umoci(&["unpack", "--image", "layout:sound", "bundle"]).expect_code(0);
    let bundle = node.containerd.path("bundle/rootfs");
    let pairs =
        [(bundle, node.containerd.path("kept-bundle")), (node.snapshots(), node.containerd.path("kept"))];
    pairs.iter().for_each(|(sound, kept)| run("cp -a", &[sound, kept]));
    let mut compared = 0;
    for (what, file, change, ..) in CHANGES {
        change(&pairs[0].0);
        change(&node.folder(file));
        let _ = umoci(&["repack", "--image", "layout:changed", "bundle"]).expect_code(0);
        let report = node.verify(&node.containerd.store(), "all", 1);
        let found = findings(&report);
        for path in in_the_last_layer(&layout) {
            let path = printable(&path);
            // If two names are no longer one file, the second is named.
            if what == "a hard link that is broken" && path == "bin/linked" {
                continue;
            }
            assert!(found.iter().any(|one| one.path == path), "{what}: umoci alone finds {path}: {found:#?}");
            compared += 1;
        }
        for (sound, kept) in &pairs {
            run("rm -rf", &[sound]);
            run("cp -a", &[kept, sound]);
        }
    }
    assert!(compared > 15, "{compared}");
}

/// The paths in the uppermost layer of the image that was added last to a layout, directories aside.
fn in_the_last_layer(layout: &Path) -> Vec<Vec<u8>> {
    let blob = |digest: &str| fs::read(layout.join("blobs").join(digest.replace(':', "/"))).unwrap();
    let json = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
    let index = json(&fs::read(layout.join("index.json")).unwrap());
    let name = "org.opencontainers.image.ref.name";
    let entries = index["manifests"].as_array().unwrap();
    let entry = entries.iter().find(|entry| entry["annotations"][name] == "changed").unwrap();
    let manifest = json(&blob(entry["digest"].as_str().unwrap()));
    let layer = blob(manifest["layers"].as_array().unwrap().last().unwrap()["digest"].as_str().unwrap());
    let mut archive = tar::Archive::new(flate2::read::MultiGzDecoder::new(&layer[..]));
    let files = archive.entries().unwrap().map(Result::unwrap);
    let files = files.filter(|entry| entry.header().entry_type() != tar::EntryType::Directory);
    files
        .map(|entry| {
            let path = entry.path_bytes();
            let path = path.strip_prefix(b"./").unwrap_or(&path);
            let (folder, name) =
                path.split_at(path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1));
            [folder, name.strip_prefix(b".wh.").unwrap_or(name)].concat()
        })
        .collect()
}

/// The files that a container sees are not the blobs that are hashed: this is what nothing else on a node looks at.
fn a_byte_is_changed_and_content_and_signature_still_pass(release: Release) {
    let (node, _) = Node::new(release, "overlayfs", &[("team/app", of_every_kind())]);
    flip(&node.folder("bin/tool").join("bin/tool"));
    let store = node.containerd.store();
    let before = node.published.verify(&store, &["--content", "full"]).expect_code(0).report();
    assert_eq!((before.images[0].content.checked, before.images[0].content.mismatched.len()), (4, 0));
    assert_eq!(before.images[0].rootfs, None);
    let report = node.verify(&store, "all", 1);
    let image = &report.images[0];
    assert_eq!(verdict(image), "failed/rootfs-mismatch");
    assert!(image.signatures.iter().any(|one| one.status == assay_report::Status::Passed));
    let found = findings(&report);
    let [finding] = &found[..] else { panic!("{found:#?}") };
    let digest = |text: &Option<String>| text.as_ref().unwrap().starts_with("sha256:");
    assert!(digest(&finding.before) && digest(&finding.after) && finding.before != finding.after);
    assert_eq!(finding.layer, Some(node.published.images.layers(&image_target(image)).remove(0).digest));
    assert!(image.rootfs.as_ref().unwrap().differing[0].starts_with("bin/tool has sha256:"));
}

fn image_target(image: &assay_report::Image) -> Descriptor {
    Descriptor::new(&image.media_type, image.digest.clone(), image.size)
}

/// A container runs on the folders themselves: what is put there is in it at once.
fn a_program_that_is_dropped_under_a_running_container_is_found(release: Release) {
    let (node, _) =
        Node::new(release, "overlayfs", &[("team/sleeper", sleeper()), ("team/app", of_every_kind())]);
    let _id = node.containerd.run(&reference("team/sleeper"), "rootfs");
    for store in node.stores() {
        let report = node.verify(&store, "in-use", 0);
        // An image that nothing runs is not compared.
        let compared: Vec<bool> = report.images.iter().map(|image| image.rootfs.is_some()).collect();
        let used: Vec<bool> = report.images.iter().map(|image| !image.in_use.is_empty()).collect();
        assert_eq!((compared.iter().filter(|one| **one).count(), compared), (1, used), "{store}");
    }
    fs::copy(program("sleep", "coreutils"), node.folder("sleeper").join("dropped")).unwrap();
    for store in node.stores() {
        let report = node.verify(&store, "in-use", 1);
        let found = findings(&report);
        let [finding] = &found[..] else { panic!("{found:#?}") };
        assert_eq!((finding.path.as_str(), finding.kind), ("dropped", RootfsDifference::Extra));
    }
}

/// A node that lost its power while it unpacked has snapshots whose files are empty, cut short or not there at all, and containerd takes
/// them for whole.
fn unpacking_that_broke_off_is_found(release: Release) {
    for snapshotter in SNAPSHOTTERS {
        let (node, _) = Node::new(release, snapshotter, &[("team/app", of_every_kind())]);
        let folder = node.folder("bin/tool");
        fs::write(folder.join("bin/tool"), "").unwrap();
        fs::write(folder.join("bin/setuid"), "set").unwrap();
        mode(&folder.join("bin/setuid"), 0o4755);
        fs::remove_dir_all(folder.join("etc/deep")).unwrap();
        let report = node.verify(&node.containerd.store(), "all", 1);
        let found: Vec<(&str, RootfsDifference)> =
            findings(&report).iter().map(|one| (one.path.as_str(), one.kind)).collect();
        use RootfsDifference::{Changed, Missing};
        assert_eq!(
            found,
            [("bin/setuid", Changed), ("bin/tool", Changed), ("etc/deep", Missing)],
            "{snapshotter}"
        );
        // A whole snapshot without its files is found too.
        for entry in fs::read_dir(&folder).unwrap() {
            run("rm -rf", &[&entry.unwrap().path()]);
        }
        let report = node.verify(&node.containerd.root_store(), "all", 1);
        assert!(findings(&report).len() >= 4);
        fs::remove_dir(&folder).unwrap();
        let report = node.verify(&node.containerd.root_store(), "all", 3);
        assert_eq!(verdict(&report.images[0]), "inconclusive/unreadable");
    }
}

fn layers_that_were_discarded_are_not_a_pass(release: Release) {
    let (node, targets) = Node::new(release, "overlayfs", &[("team/app", of_every_kind())]);
    for layer in node.published.images.layers(&targets[0]) {
        let _ = node.containerd.ctr(["content", "rm", layer.digest.as_str()]).expect_code(0);
    }
    for store in node.stores() {
        let plain = node.published.verify(&store, &[]).expect_code(0).report();
        assert_eq!((plain.images[0].content.absent, verdict(&plain.images[0])), (2, "passed".into()));
        let report = node.verify(&store, "all", 3);
        let rootfs = report.images[0].rootfs.as_ref().unwrap();
        assert_eq!(
            (rootfs.result, verdict(&report.images[0])),
            (Some(RootfsResult::NotRun), "inconclusive/unreadable".into())
        );
        assert!(rootfs.why.as_ref().unwrap().contains("discard_unpacked_layers"), "{rootfs:?}");
    }
}

fn only_what_was_asked_for_is_compared(release: Release) {
    let containerd = Containerd::of(release);
    let mut published = Published::new(AGENT);
    published.image("team/app", &[GOOD]);
    published.write();
    containerd.import(KUBERNETES, &published.images);
    for store in [containerd.store(), containerd.root_store()] {
        // Nothing is unpacked, so nothing can differ and nothing can run.
        let report = published.verify(&store, &["--rootfs", "all"]).expect_code(0).report();
        let rootfs = report.images[0].rootfs.clone().unwrap();
        assert_eq!(
            (rootfs.result, rootfs.why.as_deref()),
            (Some(RootfsResult::NotRun), Some("it is not unpacked"))
        );
        let report = published.verify(&store, &["--rootfs", "in-use"]).expect_code(0).report();
        assert_eq!(report.images[0].rootfs, None);
        let _ = published.verify(&store, &["--rootfs", "all", "--content", "none"]).expect_code(2);
    }
    let layout = published.path("layout");
    published.images.write(&layout).unwrap();
    let _ = published.verify(&format!("layout:{}", layout.display()), &["--rootfs", "all"]).expect_code(2);
}

/// The folder of one snapshot under the name of another.
fn snapshots_that_stand_on_others_are_found(release: Release) {
    let (node, _) = Node::new(release, "overlayfs", &[("team/app", of_every_kind())]);
    let (lower, upper) = (node.folder("bin/tool"), node.folder("replaced/b"));
    assert_ne!(lower, upper);
    let between = node.containerd.path("between");
    for (from, to) in [(&lower, &between), (&upper, &lower), (&between, &upper)] {
        fs::rename(from, to).unwrap();
    }
    let report = node.verify(&node.containerd.store(), "all", 1);
    assert_eq!(verdict(&report.images[0]), "failed/rootfs-mismatch");
    // links that lead out of the folders are not followed
    fs::rename(&lower, &between).unwrap();
    symlink(&between, &lower).unwrap();
    let report = node.verify(&node.containerd.store(), "all", 3);
    assert_eq!(verdict(&report.images[0]), "inconclusive/unreadable");
}

/// What cannot be read is not taken for right: without root's rights, and without those that show what overlayfs goes by.
fn rights_that_are_missing_are_not_a_pass(release: Release) {
    for (snapshotter, capabilities, code) in [
        ("overlayfs", "cap_dac_read_search,cap_sys_admin", 0),
        ("overlayfs", "cap_dac_read_search", 3),
        ("overlayfs", "cap_sys_admin", 3),
        ("native", "cap_dac_read_search", 0),
        ("native", "cap_sys_admin", 3),
    ] {
        let (node, _) = Node::new(release, snapshotter, &[("team/app", of_every_kind())]);
        let published = &node.published;
        let mut command = Command::new(program("setpriv", "util-linux"));
        let only = format!("-all,+{}", capabilities.replace("cap_", "").replace(',', ",+"));
        let store = node.containerd.root_store();
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command
            .arg(format!("--inh-caps={only}"))
            .arg(format!("--ambient-caps={only}"))
            .arg(format!("--bounding-set={only}"));
        command.arg(AGENT).args([
            "verify",
            "--store",
            &store,
            "--rootfs",
            "all",
            "--at",
            assay_tests::published::AT,
        ]);
        // Everyone may read everything except the snapshots.
        run("chmod -R a+rX", &[&published.path("")]);
        let root = node.containerd.path("");
        let mut readable = Command::new("find");
        readable.arg(&root).args(["-name", "snapshots", "-prune", "-o", "-exec", "chmod", "a+rX", "{}", "+"]);
        assert_eq!(finish(&mut readable).code, Some(0));
        mode(&node.snapshots(), 0o700);
        command.arg("--trust").arg(published.path("trust")).arg("--signatures").arg(published.path("bundle"));
        let done = finish(&mut command);
        let report = done.clone().report();
        assert_eq!(done.code, Some(code), "{snapshotter} {capabilities}: {:#?}", report.images[0].rootfs);
        if code == 3 {
            assert_eq!(verdict(&report.images[0]), "inconclusive/unreadable");
        }
    }
}

/// A container in a user namespace runs on a copy of the image in which every file has another owner.
fn copies_for_user_namespaces_are_compared(release: Release) {
    let (node, _) = Node::new(release, "overlayfs", &[("team/app", of_every_kind())]);
    let map = "0:100000:65536,65536:900000:65536";
    let map = if release == Release::Debian { "0:100000:200000" } else { map.split(',').next().unwrap() };
    let (image, id) = (reference("team/app"), "mapped");
    // Without user namespaces in the kernel the container does not run, but it exists, with its snapshot.
    let _ = node.containerd.ctr(["run", "--detach", "--uidmap", map, "--gidmap", map, &image, id]);
    for store in node.stores() {
        let report = node.verify(&store, "in-use", 0);
        let rootfs = report.images[0].rootfs.as_ref().unwrap();
        assert_eq!(
            (rootfs.result, rootfs.snapshots),
            (Some(RootfsResult::Passed), 3),
            "{store}: {rootfs:#?}"
        );
    }
    let folder = node.folder("bin/tool");
    assert_eq!(folder.join("bin/tool").metadata().unwrap().uid(), 100_000);
    for (what, change) in [
        ("an owner", (|root| run("chown 0:0", &[&root.join("bin/tool")])) as fn(&Path)),
        ("content", |root| flip(&root.join("bin/tool"))),
        ("a file more", |root| fs::write(root.join("more"), "").unwrap()),
    ] {
        change(&folder);
        let report = node.verify(&node.containerd.store(), "in-use", 1);
        assert_eq!(verdict(&report.images[0]), "failed/rootfs-mismatch", "{what}");
    }
}
