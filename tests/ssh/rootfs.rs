//! Proves over SSH that what runs is what was signed: by lists, if the node discarded the layers; and a program that someone dropped into a
//! container is in the row, the exit code, JUnit and HTML.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use assay_report::{
    CleanUpResult, DriftKind, DriftResult, FileClass, Image, NodeRow, Outcome, RootfsResult, SiteReport,
};
use assay_tests::containerd::{Containerd, KUBERNETES};
use assay_tests::program::{finish, verdict};
use assay_tests::published::{AT, GOOD, Published, reference, sleeper};
use assay_tests::sshd::Sshd;

use super::fleet::{node, read};

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");
const COLLECTOR: &str = env!("CARGO_BIN_EXE_collector-under-test");

/// A node that runs a container of a signed image.
struct Site {
    published: Published,
    containerd: Containerd,
    sshd: Sshd,
    container: String,
}

impl Site {
    fn new() -> Self {
        let (containerd, sshd) = (Containerd::start(), Sshd::start());
        let mut published = Published::new(AGENT);
        let target = sleeper().add_to(&mut published.images);
        published.publish("team/sleeper", &target, &[GOOD]);
        published.write();
        containerd.import(KUBERNETES, &published.images);
        let _ = containerd.ctr(["snapshots", "unpack", target.digest.as_str()]).expect_code(0);
        let container = containerd.run(&reference("team/sleeper"), "ssh");
        let site = format!(
            "[defaults]\nuser = \"root\"\nsudo = false\n{}",
            node("node", &sshd, &containerd.store())
        );
        fs::write(published.path("site.toml"), site).unwrap();
        Self { published, containerd, sshd, container }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.published.path(name)
    }

    /// `assay run`, and what the one node's row says.
    #[track_caller]
    fn run(&self, more: &[&str], code: i32) -> NodeRow {
        let _ = fs::remove_dir_all(self.path("out"));
        let mut command = Command::new(COLLECTOR);
        command
            .args(["run", "--no-ssh-config", "--agent", AGENT, "--at", AT, "--site"])
            .arg(self.path("site.toml"));
        command.arg("--trust").arg(self.path("trust")).arg("--bundle").arg(self.path("bundle"));
        let _ = finish(command.arg("--out").arg(self.path("out")).args(more)).expect_code(code);
        let report: SiteReport = read(&self.path("out/report.json"));
        let [row] = <[NodeRow; 1]>::try_from(report.nodes).unwrap();
        assert_eq!(
            (row.outcome, row.clean_up.result),
            (Outcome::Verified, CleanUpResult::Removed),
            "{:?}",
            row.message
        );
        assert!(!Path::new(row.clean_up.folder.as_ref().unwrap()).exists());
        assert!(self.sshd.connections() > 0);
        row
    }

    /// What a file of the report says.
    fn said(&self, file: &str) -> String {
        fs::read_to_string(self.path("out").join(file)).unwrap()
    }

    /// The types of the cases' failures, or of their errors.
    fn junit(&self, element: &str) -> Vec<String> {
        let (junit, element) = (self.said("junit.xml"), format!("<{element} "));
        let elements = junit.split(&element).skip(1);
        let kind = |text: &str| Some(text.split_once("type=\"")?.1.split_once('"')?.0.to_owned());
        elements.filter_map(kind).collect()
    }
}

#[track_caller]
fn only_image(row: &NodeRow) -> &Image {
    let [image] = row.report.as_ref().unwrap().images.as_slice() else { panic!("{row:#?}") };
    image
}

#[test]
fn layers_that_were_discarded_are_proven_by_lists() {
    let site = Site::new();
    let lists = site.published.lists(COLLECTOR, "team/sleeper", "lists.tar");
    let lists = ["--rootfs", "all", "--bundle", lists.to_str().unwrap()];
    for digest in site.published.images.digests() {
        if site.published.images.blob(&digest).starts_with(b"\x1f\x8b") {
            let _ = site.containerd.ctr(["content", "rm", digest.as_str()]).expect_code(0);
        }
    }

    let row = site.run(&lists, 0);
    let image = only_image(&row);
    let rootfs = image.rootfs.as_ref().unwrap();
    assert_eq!((verdict(image).as_str(), image.content.absent), ("passed", 1));
    assert_eq!((rootfs.result, rootfs.snapshots, rootfs.lists), (Some(RootfsResult::Passed), 1, 1));
    assert_eq!(image.in_use[0].custody.as_ref().unwrap().broken, None);
    assert_eq!(site.junit("failure"), [""; 0]);
    assert_eq!(site.junit("error"), [""; 0]);

    // without the lists it is not a pass, anywhere
    let row = site.run(&lists[..2], 3);
    let image = only_image(&row);
    assert_eq!(verdict(image), "inconclusive/unreadable");
    assert_eq!(image.rootfs.as_ref().unwrap().result, Some(RootfsResult::NotRun));
    assert!(image.in_use[0].custody.as_ref().unwrap().broken.is_some());
    assert!(site.junit("error").contains(&"unreadable".to_owned()));

    let mounted = site.containerd.path("root/io.containerd.snapshotter.v1.overlayfs/snapshots/1/fs");
    fs::write(mounted.join("dropped"), "").unwrap();
    let row = site.run(&lists, 1);
    let image = only_image(&row);
    assert_eq!(verdict(image), "failed/rootfs-mismatch");
    assert_eq!(image.rootfs.as_ref().unwrap().findings[0].path, "dropped");
    assert!(site.junit("failure").contains(&"rootfs-mismatch".to_owned()));
}

#[test]
fn a_program_that_is_dropped_into_a_container_is_in_every_report() {
    let site = Site::new();
    let row = site.run(&["--drift", "fail"], 0);
    assert_eq!(only_image(&row).in_use[0].drift.as_ref().unwrap().result, DriftResult::Clean);

    fs::write(site.containerd.mounted(&site.container).join("dropped-program"), "#!/bin/sh\n").unwrap();
    for (what, code, expected) in [("report", 0, "passed"), ("fail", 1, "failed/rootfs-mismatch")] {
        let row = site.run(&["--drift", what], code);
        let image = only_image(&row);
        assert_eq!(verdict(image), expected);
        let drift = image.in_use[0].drift.as_ref().unwrap();
        let found: Vec<_> =
            drift.findings.iter().map(|one| (one.class, one.path.as_str(), one.kind)).collect();
        assert_eq!(found, [(FileClass::Program, "dropped-program", DriftKind::Added)]);
        assert_eq!(site.junit("failure").contains(&"rootfs-mismatch".to_owned()), code == 1);
        for file in ["junit.xml", "report.html"] {
            assert!(site.said(file).contains("dropped-program"), "{file}");
        }
    }
}
