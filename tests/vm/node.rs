//! Visits a whole node in a virtual machine, over SSH and with sudo: real overlayfs, user namespaces and control groups, and full
//! disks. What is changed or lost is found, and nothing is left behind.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use assay_fixtures::archive::{self, LayerFile};
use assay_fixtures::image::Image;
use assay_report::{
    CleanUpResult, DriftResult, Image as ImageReport, NodeRow, Outcome, RootfsDifference, RootfsResult,
    SiteReport,
};
use assay_tests::kinds::{image_of, of_every_kind};
use assay_tests::machine::Machine;
use assay_tests::packages::need_root;
use assay_tests::program::{finish, verdict};
use assay_tests::published::{AT, GOOD, Published, reference, sleeper};
use assay_tests::roots;
use assay_tests::static_program;
use assay_verifier::oci::Descriptor;

const COLLECTOR: &str = env!("CARGO_BIN_EXE_collector-under-test");

const SNAPSHOTS: &str = "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots";

/// Real root file systems of more packed bytes than this would keep the emulated processor busy for minutes.
const LARGEST_ROOT: u64 = 112 << 10;

#[test]
fn a_whole_node() {
    need_root();
    let Some(machine) = Machine::boot() else { return };
    let node = Node::with_images(machine);
    let before = node.files();
    whatever_is_unpacked_passes(&node);
    little_memory_is_enough(&node);
    a_changed_byte_is_found(&node);
    a_container_in_a_user_namespace_passes_until_its_copy_is_changed(&node);
    a_full_disk_of_containerd_is_no_pass(&node);
    a_full_disk_has_its_row(&node);
    assert_eq!(node.files(), before);
}

/// The node, with images of a publisher that its site trusts.
struct Node {
    machine: Machine,
    published: Published,
    /// One layer, not unpacked yet.
    fresh: Descriptor,
    /// Two layers, not unpacked yet; the second has many files.
    many: Descriptor,
}

impl Node {
    fn with_images(machine: Machine) -> Self {
        let mut published = Published::new(static_program::agent());
        let mut unpacked = Vec::new();
        for (name, image) in [("team/app", of_every_kind()), ("team/sleeper", sleeper())] {
            unpacked.push(add(&mut published, name, &image));
        }
        if let Some(roots) = roots::roots() {
            let small: Vec<_> = roots.iter().filter(|root| root.size() <= LARGEST_ROOT).collect();
            assert!(small.len() >= 10, "{} small root file systems", small.len());
            unpacked.extend(roots::publish(&mut published, &small));
        }
        let fresh = add(&mut published, "team/fresh", &image_of(vec![files("fresh", 300, 8192)]));
        let layers = vec![files("first", 300, 4096), files("many", 20_000, 1)];
        let many = add(&mut published, "team/many", &image_of(layers));
        published.write();
        let archive = published.path("images.tar");
        fs::write(&archive, published.images.tar()).unwrap();
        machine.copy(&archive);
        let _ = machine.ask("ctr -n k8s.io images import --all-platforms --no-unpack /var/tmp/images.tar && rm /var/tmp/images.tar");
        let node = Self { machine, published, fresh, many };
        unpacked.iter().for_each(|target| {
            let _ = node.machine.ask(&unpack(target));
        });
        let entry = node.machine.entry("node");
        fs::write(node.path("site.toml"), entry).unwrap();
        node
    }

    fn path(&self, name: &str) -> PathBuf {
        self.published.path(name)
    }

    /// `assay run` on the node.
    fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(COLLECTOR);
        command
            .args(["run", "--no-ssh-config", "--connect-limit", "600", "--at", AT, "--agent"])
            .arg(static_program::agent());
        for (name, file) in
            [("--site", "site.toml"), ("--trust", "trust"), ("--bundle", "bundle"), ("--out", "out")]
        {
            command.arg(name).arg(self.path(file));
        }
        command.args(more);
        command
    }

    /// Visits the node, and gives its row. Nothing may be left of the visit.
    #[track_caller]
    fn visit(&self, more: &[&str], code: i32) -> NodeRow {
        let _ = fs::remove_dir_all(self.path("out"));
        let _ = finish(&mut self.command(more)).expect_code(code);
        let row = self.row();
        assert_eq!(self.traces(), "");
        row
    }

    #[track_caller]
    fn row(&self) -> NodeRow {
        let report = fs::read(self.path("out/report.json")).unwrap();
        let report: SiteReport = serde_json::from_slice(&report).unwrap();
        let [row] = <[NodeRow; 1]>::try_from(report.nodes).unwrap();
        row
    }

    /// Folders of visits, and processes in them.
    fn traces(&self) -> String {
        self.machine.ask(
            "ls -d /run/assay-* /var/tmp/assay-* /tmp/assay-* /root/assay-* /home/clouduser/assay-* 2>/dev/null
             ls -l /proc/[0-9]*/exe 2>/dev/null | grep /assay- || true",
        )
    }

    /// All files of the node by their names, but for those of logs and of what runs.
    fn files(&self) -> String {
        self.machine.ask(
            "find / -xdev -path /var/log -prune -o -print | sort
             find /run -xdev ! -path '/run/systemd/*' ! -path '/run/user*' ! -path '/run/sudo*' ! -path '/run/udev/*' ! -path '/run/containerd/*' | sort
             find /tmp /dev/shm | sort; cut -d' ' -f 1-4 /proc/mounts | sort; losetup -a 2>/dev/null
             ctr -n k8s.io leases list -q; ctr -n k8s.io images list -q | sort",
        )
    }

    /// The folder of the newest snapshot that has `file`.
    #[track_caller]
    fn folder(&self, file: &str) -> String {
        let folder = self.machine.ask(&format!("cd {SNAPSHOTS} && ls -d */fs/{file} | sort -n | tail -n 1"));
        assert!(!folder.is_empty(), "no snapshot has {file}");
        format!("{SNAPSHOTS}/{}", folder.trim_end_matches(file))
    }
}

fn add(published: &mut Published, name: &str, image: &Image) -> Descriptor {
    let target = image.add_to(&mut published.images);
    published.publish(name, &target, &[GOOD]);
    target
}

fn unpack(target: &Descriptor) -> String {
    format!("ctr -n k8s.io snapshots unpack {}", target.digest)
}

/// A layer of so many files, each with its own content.
fn files(name: &str, count: usize, size: usize) -> Vec<u8> {
    let names: Vec<(String, String)> = (0..count)
        .map(|number| (format!("{name}/{number:05}"), format!("{number:05}\n").repeat(size.div_ceil(6))))
        .collect();
    let files: Vec<LayerFile<'_>> = names
        .iter()
        .map(|(path, content)| LayerFile { path, mode: 0o644, content: content.as_bytes() })
        .collect();
    archive::layer(&files)
}

#[track_caller]
fn image<'a>(row: &'a NodeRow, name: &str) -> &'a ImageReport {
    let images = &row.report.as_ref().unwrap().images;
    images.iter().find(|image| image.references.contains(&reference(name))).unwrap()
}

fn rootfs(image: &ImageReport) -> Option<RootfsResult> {
    image.rootfs.as_ref().and_then(|rootfs| rootfs.result)
}

/// Whether all images passed, each that was unpacked by its files too.
#[track_caller]
fn all_pass(node: &Node) -> NodeRow {
    let row = node.visit(&["--rootfs", "all"], 0);
    assert_eq!((row.outcome, row.clean_up.result), (Outcome::Verified, CleanUpResult::Removed));
    for one in &row.report.as_ref().unwrap().images {
        let is_unpacked = one.digest != node.fresh.digest && one.digest != node.many.digest;
        let expected = if is_unpacked { RootfsResult::Passed } else { RootfsResult::NotRun };
        assert_eq!((verdict(one).as_str(), rootfs(one)), ("passed", Some(expected)), "{one:#?}");
    }
    row
}

fn whatever_is_unpacked_passes(node: &Node) {
    assert_eq!(node.machine.ask("stat -f -c %T /sys/fs/cgroup"), "cgroup2fs");
    let _ = node.machine.ask("grep -q Y /sys/module/apparmor/parameters/enabled");
    let row = all_pass(node);
    let report = row.report.unwrap();
    assert_eq!(report.node.hostname.as_deref(), Some("node-vm"));
}

/// The visit's login has 64 MiB for everything: sshd, sudo, the upload and the agent.
fn little_memory_is_enough(node: &Node) {
    let group = "/sys/fs/cgroup/system.slice/ssh.service";
    let _ =
        node.machine.ask(&format!("grep -q ssh.service /proc/self/cgroup && echo 64M >{group}/memory.max"));
    let _ = all_pass(node);
    assert_eq!(
        node.machine.ask(&format!("cat {group}/memory.max; grep '^oom_kill ' {group}/memory.events")),
        "67108864\noom_kill 0"
    );
    let _ = node.machine.ask(&format!("echo max >{group}/memory.max"));
}

fn a_changed_byte_is_found(node: &Node) {
    let file = format!("{}etc/deep/down/more", node.folder("etc/deep/down/more"));
    let change = |byte: &str| {
        node.machine.ask(&format!("printf {byte} | dd of={file} conv=notrunc bs=1 seek=3 status=none"))
    };
    let _ = change("E");
    let row = node.visit(&["--rootfs", "all"], 1);
    let app = image(&row, "team/app");
    assert_eq!(verdict(app), "failed/rootfs-mismatch");
    let found = &app.rootfs.as_ref().unwrap().findings;
    let found: Vec<_> = found.iter().map(|one| (one.path.as_str(), one.kind)).collect();
    assert_eq!(found, [("etc/deep/down/more", RootfsDifference::Changed)]);
    let others = row.report.as_ref().unwrap().images.iter().filter(|one| one.digest != app.digest);
    others.for_each(|one| assert_eq!(verdict(one), "passed"));
    let _ = change("e");
}

fn a_container_in_a_user_namespace_passes_until_its_copy_is_changed(node: &Node) {
    let run = format!(
        "ctr -n k8s.io run --detach --uidmap 0:100000:65536 --gidmap 0:100000:65536 {} mapped",
        reference("team/sleeper")
    );
    let _ = node.machine.ask(&run);
    let pid = node.machine.ask("ctr -n k8s.io tasks list | sed -n 's/^mapped *\\([0-9]*\\) .*/\\1/p'");
    let map = node.machine.ask(&format!("cat /proc/{pid}/uid_map"));
    assert_eq!(map.split_whitespace().collect::<Vec<_>>(), ["0", "100000", "65536"]);
    let folder = node.folder("sleeper");
    assert_eq!(node.machine.ask(&format!("stat -c %u {folder}sleeper")), "100000");

    let row = node.visit(&["--rootfs", "in-use", "--drift", "fail"], 0);
    let app = image(&row, "team/sleeper");
    assert_eq!((verdict(app).as_str(), rootfs(app)), ("passed", Some(RootfsResult::Passed)));
    let container = &app.in_use[0];
    assert_eq!(container.drift.as_ref().unwrap().result, DriftResult::Clean);
    let custody = container.custody.as_ref().unwrap();
    assert_eq!(custody.broken, None, "{custody:#?}");

    let _ = node.machine.ask(&format!("cp -p {folder}sleeper {folder}dropped"));
    let row = node.visit(&["--rootfs", "in-use"], 1);
    let app = image(&row, "team/sleeper");
    assert_eq!(verdict(app), "failed/rootfs-mismatch");
    let found = &app.rootfs.as_ref().unwrap().findings;
    assert_eq!(
        found.iter().map(|one| (one.path.as_str(), one.kind)).collect::<Vec<_>>(),
        [("dropped", RootfsDifference::Extra)]
    );

    let _ = node.machine.ask(&format!(
        "rm {folder}dropped; cd /; ctr -n k8s.io tasks kill -s KILL mapped; ctr -n k8s.io tasks delete mapped
         while ctr -n k8s.io containers info mapped >/dev/null 2>&1; do ctr -n k8s.io containers delete mapped; done"
    ));
}

/// containerd cannot unpack, and what it could not finish is not taken for an image's files.
fn a_full_disk_of_containerd_is_no_pass(node: &Node) {
    let fill = "/var/lib/containerd/fill";
    let _ =
        node.machine.root(&format!("fallocate -l 1T {fill} || dd if=/dev/zero of={fill} bs=64k status=none"));
    assert_ne!(node.machine.root(&unpack(&node.many)).code, Some(0));
    let _ = all_pass(node);
    let _ = node.machine.ask(&format!("rm {fill}"));
}

/// No folder for a visit: one place is full, and in the others no program may be run.
fn a_full_disk_has_its_row(node: &Node) {
    let _ = node.machine.root("dd if=/dev/zero of=/fill bs=1M status=none");
    let row = node.visit(&[], 3);
    assert_eq!(row.outcome, Outcome::UploadFailed, "{:?}", row.message);
    assert!(row.report.is_none());
    assert_ne!(row.clean_up.result, CleanUpResult::Failed);
    let _ = node.machine.ask("rm /fill");
}
