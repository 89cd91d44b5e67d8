//! Runs the agent that is sent to nodes as a guest: with few rights, little memory, old kernels and no network. Shows
//! what it asks of the kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use assay_fixtures::image::{Image, linux_here};
use assay_fixtures::layout::Layout;
use assay_report::{NodeReport, Status};
use assay_tests::cgroup::Cgroup;
use assay_tests::containerd::{Containerd, KUBERNETES, Release};
use assay_tests::demo_site::DemoSite;
use assay_tests::on_each_release;
use assay_tests::packages::{need_root, not_run, program};
use assay_tests::program::{Finished, finish, verdict};
use assay_tests::published::{AT, GOOD, Published};
use assay_tests::static_program::{agent, agent_for};
use assay_tests::trace::{Call, EVERYTHING, TALKING, only_looks, traced};
use assay_verifier::oci::{Descriptor, Digest, media_type};
use serde_json::{Value, json};

on_each_release! {
    the_only_socket_is_containerds,
    a_root_is_read_without_a_socket,
    what_nobody_may_not_read_is_named,
    an_old_kernel_will_do_for_containerd,
}

/// Kills a program for any socket but AF_UNIX.
const FILTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/interop/no_network.py");

/// Calls that older kernels do not have, or that filters of system calls which are older than a program deny.
const NEWER: &str = "?statx,?clone3,?openat2,?faccessat2,?getrandom,?copy_file_range,?epoll_pwait2,?rseq,?preadv2,\
                     ?memfd_create,?close_range,?pidfd_open,?io_uring_setup,?membarrier,?mseal,?futex_waitv";

/// The demo's site with the agent in it; its folder serves as a root directory too.
struct Guest {
    site: DemoSite,
    agent: PathBuf,
}

impl Guest {
    fn new() -> Self {
        need_root();
        let site = DemoSite::unpack();
        let agent = site.path("assay-agent");
        fs::copy(self::agent(), &agent).unwrap();
        readable(&site.path(""));
        Self { site, agent }
    }

    fn nodes(&self) -> Vec<String> {
        let nodes: Vec<String> = self.site.expected().into_keys().collect();
        assert_eq!(nodes.len(), 3);
        nodes
    }

    /// What makes the agent judge a node of the site: paths are relative, so that reports name them alike wherever it runs.
    fn arguments(&self, node: &str) -> Vec<String> {
        let store = format!("layout:nodes/{node}/store");
        ["verify", "--store", &store, "--trust", "trust", "--signatures", "bundle", "--at", &self.site.at()]
            .map(str::to_owned)
            .to_vec()
    }

    /// The agent behind the words of `before`, in the site's folder.
    fn command(&self, before: &[&str], node: &str) -> Command {
        let agent = self.agent.to_str().unwrap();
        let words = [before, &[agent]].concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).args(self.arguments(node)).current_dir(self.site.path(""));
        command
    }

    /// Whether the verdicts on a node are those that the site expects.
    fn check(&self, node: &str, done: &Finished) -> NodeReport {
        let report = done.clone().expect_code(1).report();
        assert_eq!(by_name(&report), self.site.expected()[node], "{node}");
        report
    }

    /// Whether the agent behind the words of `before` says the same as without them.
    fn check_behind(&self, before: &[&str]) {
        for node in self.nodes() {
            let plain = self.check(&node, &finish(&mut self.command(&[], &node)));
            let other = self.check(&node, &finish(&mut self.command(before, &node)));
            assert_eq!(other, plain, "{before:?}");
        }
    }
}

#[test]
fn an_empty_root_directory_is_enough() {
    let guest = Guest::new();
    for node in guest.nodes() {
        let plain = guest.check(&node, &finish(&mut guest.command(&[], &node)));
        let mut command = Command::new("unshare");
        command
            .arg("--net")
            .arg("chroot")
            .arg(guest.site.path(""))
            .arg("/assay-agent")
            .args(guest.arguments(&node));
        let bare = guest.check(&node, &finish(&mut command));
        // nobody there says who the node is, nor where the program's own file is
        assert_eq!((&bare.node.hostname, &bare.agent.sha256), (&None, &None));
        let same =
            |report: &NodeReport| without(report, &["/node/hostname", "/node/machine_id", "/agent/sha256"]);
        assert_eq!(same(&bare), same(&plain), "{node}");
    }
}

#[test]
fn a_filter_that_kills_for_sockets_finds_none() {
    let guest = Guest::new();
    // First show that the filter kills.
    let internet = ["-c", "import socket; socket.socket(socket.AF_INET)"];
    let python = program("python3", "python3");
    let killed = finish(Command::new(&python).args([FILTER, python.to_str().unwrap()]).args(internet));
    assert_eq!(killed.code, None, "{}", killed.stderr);
    guest.check_behind(&["python3", FILTER]);
}

#[test]
fn a_layout_is_read_and_nothing_else_is_done() {
    let guest = Guest::new();
    let node = &guest.nodes()[0];
    let (done, calls) = traced(&["-e", EVERYTHING], &guest.command(&[], node));
    guest.check(node, &done);
    only_looks(&calls, &[], &[]);
    // a report in a file: made beside its place, and moved there
    let output = guest.site.path("report.json");
    let mut command = guest.command(&[], node);
    command.args(["--jobs", "2", "--nice", "--output"]).arg(&output);
    let (done, calls) = traced(&["-e", EVERYTHING], &command);
    let _ = done.expect_code(1);
    assert!(output.is_file());
    // the temporary file is not there any more when it is to be removed
    only_looks(
        &calls,
        &["rename", "renameat", "renameat2", "unlink", "unlinkat"],
        &[&guest.site.path(".assay-")],
    );
    // what is found is found with nothing traced as well
    assert!(calls.iter().any(|call| call.name.starts_with("rename")));
    assert!(calls.iter().any(Call::is_thread));
}

fn the_only_socket_is_containerds(release: Release) {
    let (containerd, published) = imported(release);
    let (done, calls) = traced(&["-e", EVERYTHING], &judging(&published, &containerd.store()));
    let done = done.expect_code(0);
    only_looks(&calls, TALKING, &[]);
    let sockets: Vec<&Call> = calls.iter().filter(|call| call.name == "socket").collect();
    let connected: Vec<&Call> = calls.iter().filter(|call| call.name == "connect").collect();
    assert!(!sockets.is_empty() && !connected.is_empty());
    for call in sockets {
        assert!(call.rest.starts_with("AF_UNIX, "), "{call:?}");
    }
    // Nothing is lost if no other can be opened.
    for before in [&["unshare", "--net"][..], &["python3", FILTER]] {
        let command = judging(&published, &containerd.store());
        let mut bound = Command::new(before[0]);
        let bound = finish(bound.args(&before[1..]).arg(command.get_program()).args(command.get_args()));
        assert_eq!(bound.expect_code(0).text(), done.text(), "{before:?}");
    }
    let address = format!("sun_path=\"{}\"", containerd.socket().display());
    for call in connected {
        assert!(call.rest.contains(&address), "{call:?}");
    }
}

fn a_root_is_read_without_a_socket(release: Release) {
    let (mut containerd, published) = imported(release);
    for live in [true, false] {
        if !live {
            containerd.stop();
        }
        let (done, calls) = traced(&["-e", EVERYTHING], &judging(&published, &containerd.root_store()));
        let _ = done.expect_code(0);
        only_looks(&calls, &[], &[]);
    }
}

#[test]
fn an_old_kernel_will_do() {
    let guest = Guest::new();
    let lacking = format!("inject={NEWER}:error=ENOSYS");
    let trace = format!("trace={NEWER}");
    for node in guest.nodes() {
        let (done, calls) = traced(&["-e", &trace, "-e", &lacking], &guest.command(&[], &node));
        guest.check(&node, &done);
        lacks(&calls);
    }
    // an archive, to a file
    let archive = guest.site.path("store.tar");
    let node = &guest.nodes()[0];
    let store = guest.site.path(&format!("nodes/{node}/store"));
    let _ = finish(Command::new("tar").arg("-cf").arg(&archive).arg("-C").arg(store).arg(".")).expect_code(0);
    let output = guest.site.path("report.json");
    let mut command = guest.command(&[], node);
    command.args(["--nice", "--output"]).arg(&output);
    let arguments: Vec<_> =
        command.get_args().map(|argument| argument.to_str().unwrap().to_owned()).collect();
    let mut command = Command::new(&guest.agent);
    command.current_dir(guest.site.path(""));
    command.args(
        arguments
            .iter()
            .map(|argument| if argument.starts_with("layout:") { "layout:store.tar" } else { argument }),
    );
    let (done, calls) = traced(&["-e", &trace, "-e", &lacking], &command);
    let _ = done.clone().expect_code(1);
    let report = Finished { stdout: fs::read(output).unwrap(), ..done }.report();
    assert_eq!(by_name(&report), guest.site.expected()[node]);
    lacks(&calls);
}

fn an_old_kernel_will_do_for_containerd(release: Release) {
    let (containerd, published) = imported(release);
    let (trace, lacking) = (format!("trace={NEWER}"), format!("inject={NEWER}:error=ENOSYS"));
    for store in [containerd.store(), containerd.root_store()] {
        let (done, calls) = traced(&["-e", &trace, "-e", &lacking], &judging(&published, &store));
        let report = done.expect_code(0).report();
        assert_eq!(report.summary.passed, 2);
        lacks(&calls);
    }
}

/// Whether a kernel that lacks things was met.
fn lacks(calls: &[Call]) {
    let injected: BTreeSet<&str> =
        calls.iter().filter(|call| call.is_injected()).map(|call| call.name.as_str()).collect();
    assert!(injected.contains("statx") && injected.contains("clone3"), "{injected:?}");
    let passed = calls.iter().find(|call| !call.is_injected());
    assert!(passed.is_none(), "{passed:?}");
}

#[test]
fn layers_of_any_size_are_read_in_64_mib() {
    need_root();
    let Some(group) = Cgroup::new(64 << 20) else {
        not_run("little memory: there is no memory controller of cgroups that can be written to");
        return;
    };
    // the limit is one
    let hog =
        finish(group.command(Path::new("dd")).args(["if=/dev/zero", "of=/dev/null", "bs=128M", "count=1"]));
    assert_eq!(hog.code, None, "{}", hog.stderr);
    let mut published = Published::new(agent());
    for seed in [1, 2] {
        let layers = [noise(seed, 96 << 20), noise(seed + 2, 8 << 20)];
        let target = image_of(&mut published.images, layers.into());
        published.publish(&format!("team/large-{seed}"), &target, &[GOOD]);
    }
    published.write();
    published.images.write(&published.path("images")).unwrap();
    fs::write(published.path("images.tar"), published.images.tar()).unwrap();
    let gzip = Command::new("gzip").args(["-1", "--keep"]).arg(published.path("images.tar")).status();
    assert!(gzip.unwrap().success());
    for name in ["images", "images.tar", "images.tar.gz"] {
        let mut command = group.command(agent());
        command.args(["verify", "--jobs", "4", "--at", AT, "--trust"]).arg(published.path("trust"));
        command.arg("--signatures").arg(published.path("bundle"));
        command.arg("--store").arg(format!("layout:{}", published.path(name).display()));
        let report = finish(&mut command).expect_code(0).report();
        assert_eq!(report.summary.passed, 2, "{name}");
        for image in &report.images {
            assert!(image.content.bytes > 104 << 20, "{name}: {}", image.content.bytes);
        }
    }
}

#[test]
fn nothing_needs_to_be_writable_nor_tmp_executable() {
    let guest = Guest::new();
    // the agent in memory, everything else read-only, and nothing executable where files come and go
    let script = r#"set -e
mount -t tmpfs -o mode=755 tmpfs /mnt
cp assay-agent /mnt/agent
mount --bind /tmp /tmp
while read -r _ place _; do mount -o remount,bind,ro "$place" 2>/dev/null || :; done </proc/self/mounts
mount -o remount,bind,ro,noexec /tmp
for place in "$PWD" /mnt /; do
  if touch "$place/x" 2>/dev/null; then exit 98; fi
done
if "$1" version 2>/dev/null; then exit 99; fi
shift
exec /mnt/agent "$@""#;
    for node in guest.nodes() {
        let plain = guest.check(&node, &finish(&mut guest.command(&[], &node)));
        let isolated = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"];
        let other = guest.check(&node, &finish(&mut guest.command(&isolated, &node)));
        assert_eq!(other, plain);
        let mut command = guest.command(&isolated, &node);
        command.args(["--output", "report.json"]);
        let _ = finish(&mut command).expect_code(2);
    }
}

#[test]
fn nobody_judges_what_nobody_may_read() {
    let guest = Guest::new();
    guest.check_behind(NOBODY);
    // Inputs that may not be read are a usage error.
    let node = &guest.nodes()[0];
    for closed in ["trust/trustpolicy.json", "bundle/index.json"] {
        fs::set_permissions(guest.site.path(closed), fs::Permissions::from_mode(0o600)).unwrap();
        let _ = finish(&mut guest.command(NOBODY, node)).expect_code(2);
        fs::set_permissions(guest.site.path(closed), fs::Permissions::from_mode(0o644)).unwrap();
    }
    let mut command = guest.command(NOBODY, node);
    let _ = finish(command.args(["--output", "report.json"])).expect_code(2);
    // A store that may not be read is not judged.
    let index = guest.site.path(&format!("nodes/{node}/store/index.json"));
    fs::set_permissions(index, fs::Permissions::from_mode(0o600)).unwrap();
    let report = finish(&mut guest.command(NOBODY, node)).expect_code(3).report();
    let unreadable: Vec<&str> = report.coverage.unreadable.iter().map(|one| one.what.as_str()).collect();
    assert_eq!(unreadable, [format!("layout:nodes/{node}/store")]);
}

/// A user that owns nothing and may do nothing.
const NOBODY: &[&str] = &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"];

fn what_nobody_may_not_read_is_named(release: Release) {
    let (containerd, published) = imported(release);
    let open = tempfile::tempdir().unwrap();
    let copy = open.path().join("assay-agent");
    fs::copy(agent(), &copy).unwrap();
    readable(open.path());
    readable(&published.path(""));
    let as_nobody = |store: &str| {
        let mut command = Command::new(NOBODY[0]);
        command.args(&NOBODY[1..]).arg(&copy);
        command.args(judging(&published, store).get_args());
        finish(&mut command)
    };
    // the folders may be entered, and the metadata read: then each image is known, and each blob that is closed is named
    readable(&containerd.path("root"));
    let here = containerd.path("");
    fs::set_permissions(&here, fs::Permissions::from_mode(0o755)).unwrap();
    let whole = as_nobody(&containerd.root_store()).expect_code(0).report();
    assert_eq!(whole.summary.passed, 2);
    let closed = &whole.images[0];
    let layer =
        published.images.layers(&Descriptor::new("", closed.digest.clone(), closed.size)).remove(0).digest;
    for blob in [&layer, &closed.digest] {
        fs::set_permissions(containerd.blob(blob), fs::Permissions::from_mode(0o600)).unwrap();
        let report = as_nobody(&containerd.root_store()).expect_code(3).report();
        let judged: BTreeMap<&Digest, String> =
            report.images.iter().map(|image| (&image.digest, verdict(image))).collect();
        let expected = [(&closed.digest, "inconclusive/unreadable"), (&whole.images[1].digest, "passed")];
        assert_eq!(judged, expected.map(|(digest, verdict)| (digest, verdict.to_owned())).into());
        let message = report.images[0].message.as_ref().unwrap();
        assert!(message.contains(blob.hex()), "{message}");
    }
    // the daemon's socket is root's
    let report = as_nobody(&containerd.store()).expect_code(3).report();
    assert_eq!((report.images.len(), report.coverage.unreadable.len()), (0, 1));
    let why = &report.coverage.unreadable[0].why;
    assert!(why.contains("65534"), "it says who may not: {why}");
}

#[test]
fn nice_threads_are_the_nicest() {
    need_root();
    let folder = tempfile::tempdir().unwrap();
    let mut layout = Layout::new();
    let target = Image::of_text(linux_here(), "app", "app").add_to(&mut layout);
    let layers: Vec<Descriptor> = layout.layers(&target);
    // as many endless layers as there are threads, so that all of them are at work when they are looked at
    let endless =
        [b"a", b"b", b"c"].map(|name| Descriptor::new(&layers[0].media_type, Digest::sha256(name), 1 << 42));
    let manifest = json!({"schemaVersion": 2, "config": layout.config(&target), "layers": endless});
    let target = layout.add(media_type::OCI_MANIFEST, manifest.to_string().into_bytes());
    layout.name(&target, "registry.example.test/team/endless:v1");
    layout.write(&folder.path().join("layout")).unwrap();
    for layer in &endless {
        let file =
            fs::File::create(folder.path().join("layout/blobs/sha256").join(layer.digest.hex())).unwrap();
        file.set_len(layer.size).unwrap();
    }
    let site = DemoSite::unpack();
    let own = nice(&fs::read_to_string("/proc/self/stat").unwrap());
    for (option, value) in [(&[][..], own.as_str()), (&["--nice"], "19")] {
        let mut command = Command::new(agent());
        command.args(["verify", "--jobs", "3", "--at", AT, "--trust"]).arg(site.path("trust"));
        command.arg("--store").arg(format!("layout:{}", folder.path().join("layout").display())).args(option);
        let running = Running(command.stdout(Stdio::null()).spawn().unwrap());
        assert_eq!(running.nice_of(3), [value; 3]);
        if !option.is_empty() {
            // Kernels before 5.18 show an I/O priority only if one was set. It still counts.
            let said = finish(Command::new("ionice").args(["-p", &running.0.id().to_string()]))
                .expect_code(0)
                .text();
            assert!(["best-effort: prio 7", "none: prio 0"].contains(&said.trim()), "{said}");
        }
    }
}

/// A process that is ended when it was looked at.
struct Running(Child);

impl Running {
    /// The nice values of its threads, as soon as there are so many.
    fn nice_of(&self, threads: usize) -> Vec<String> {
        let tasks = PathBuf::from(format!("/proc/{}/task", self.0.id()));
        let began = Instant::now();
        loop {
            let tasks: Vec<PathBuf> =
                fs::read_dir(&tasks).unwrap().map(|task| task.unwrap().path()).collect();
            if tasks.len() == threads {
                return tasks
                    .iter()
                    .map(|task| nice(&fs::read_to_string(task.join("stat")).unwrap()))
                    .collect();
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{threads} threads never came");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The 19th field of proc_pid_stat(5); the second, in parentheses, may have spaces.
fn nice(stat: &str) -> String {
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    rest.split(' ').nth(16).unwrap().to_owned()
}

#[test]
fn where_the_priority_may_not_be_lowered_the_work_is_done() {
    let guest = Guest::new();
    let node = &guest.nodes()[0];
    let mut command = guest.command(&[], node);
    command.arg("--nice");
    let (done, calls) = traced(&["-e", "trace=setpriority,clone,clone3"], &command);
    guest.check(node, &done);
    assert_eq!(calls.iter().filter(|call| call.name == "setpriority").count(), 1);
    let refused = "inject=setpriority:error=EPERM";
    let (done, calls) = traced(&["-e", "trace=setpriority", "-e", refused], &command);
    guest.check(node, &done);
    assert!(calls.iter().any(Call::is_injected));
}

#[test]
fn root_that_is_refused_is_told_apart_from_nothing_there() {
    // This is what a security module does: root is refused although the file is there.
    let guest = Guest::new();
    let node = &guest.nodes()[0];
    let index = guest.site.path(&format!("nodes/{node}/store/index.json"));
    let options = ["-P", index.to_str().unwrap(), "-e", "trace=openat", "-e", "inject=openat:error=EACCES"];
    let enforcing =
        "mount -t tmpfs tmpfs /sys/fs; mkdir /sys/fs/selinux; echo 1 >/sys/fs/selinux/enforce; exec \"$@\"";
    let enforced = ["unshare", "--mount", "--propagation", "private", "sh", "-c", enforcing, "sh"];
    let here = fs::read_to_string("/sys/fs/selinux/enforce").is_ok_and(|text| text.trim() == "1");
    for (before, named) in [(&[][..], here), (&enforced, true)] {
        let (done, _) = traced(&options, &guest.command(before, node));
        let report = done.expect_code(3).report();
        assert_eq!((report.images.len(), report.coverage.unreadable.len()), (0, 1));
        let why = &report.coverage.unreadable[0].why;
        assert_eq!(why.contains("SELinux"), named, "{why}");
    }
}

const ARM: &str = "aarch64-unknown-linux-gnu";

#[test]
fn aarch64_gives_the_same_reports() {
    let guest = Guest::new();
    let arm = agent_for(ARM);
    let qemu = program("qemu-aarch64-static", "qemu-user-static");
    for node in guest.nodes() {
        let plain = guest.check(&node, &finish(&mut guest.command(&[], &node)));
        let mut command = Command::new(&qemu);
        command.arg(&arm).args(guest.arguments(&node)).current_dir(guest.site.path(""));
        let other = guest.check(&node, &finish(&mut command));
        assert_eq!((other.node.architecture.as_str(), other.agent.target.as_str()), ("arm64", ARM));
        assert_eq!(without(&other, FOREIGN), without(&plain, FOREIGN), "{node}");
    }
}

#[test]
fn aarch64_speaks_to_containerd() {
    let arm = agent_for(ARM);
    let qemu = program("qemu-aarch64-static", "qemu-user-static");
    for release in [Release::Debian, Release::Two].into_iter().filter(|release| release.is_there()) {
        let (containerd, published) = imported(release);
        for store in [containerd.store(), containerd.root_store()] {
            let command = judging(&published, &store);
            let plain =
                finish(Command::new(command.get_program()).args(command.get_args())).expect_code(0).report();
            let other =
                finish(Command::new(&qemu).arg(&arm).args(command.get_args())).expect_code(0).report();
            assert_eq!(without(&other, FOREIGN), without(&plain, FOREIGN), "{store}");
        }
    }
}

/// What another architecture's agent says of itself.
const FOREIGN: &[&str] = &["/agent/target", "/agent/sha256", "/node/architecture"];

/// A containerd with two images that pass.
fn imported(release: Release) -> (Containerd, Published) {
    let containerd = Containerd::of(release);
    let mut published = Published::new(agent());
    for name in ["team/one", "team/two"] {
        published.image(name, &[GOOD]);
    }
    published.write();
    containerd.import(KUBERNETES, &published.images);
    (containerd, published)
}

/// The agent on `store`.
fn judging(published: &Published, store: &str) -> Command {
    let mut command = Command::new(agent());
    command.args(["verify", "--store", store, "--at", AT, "--trust"]).arg(published.path("trust"));
    command.arg("--signatures").arg(published.path("bundle"));
    command
}

/// A report without what these pointers name.
fn without(report: &NodeReport, pointers: &[&str]) -> Value {
    let mut report = serde_json::to_value(report).unwrap();
    for pointer in pointers {
        *report.pointer_mut(pointer).unwrap() = Value::Null;
    }
    report
}

fn by_name(report: &NodeReport) -> BTreeMap<String, String> {
    assert!(report.images.iter().all(|image| image.status != Status::Passed || image.reason.is_none()));
    let named = |image: &assay_report::Image| {
        let verdict = verdict(image);
        image.references.iter().map(|name| (name.clone(), verdict.clone())).collect::<Vec<_>>()
    };
    report.images.iter().flat_map(named).collect()
}

/// Lets everybody read what is there.
fn readable(folder: &Path) {
    let _ = finish(Command::new("chmod").args(["-R", "a+rX"]).arg(folder)).expect_code(0);
}

/// An image of these layers.
fn image_of(layout: &mut Layout, layers: Vec<Vec<u8>>) -> Descriptor {
    let layers: Vec<Descriptor> =
        layers.into_iter().map(|layer| layout.add("application/vnd.oci.image.layer.v1.tar", layer)).collect();
    let config = layout.add("application/vnd.oci.image.config.v1+json", b"{\"os\":\"linux\"}".to_vec());
    let manifest = json!({"schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "config": config, "layers": layers});
    layout.add(media_type::OCI_MANIFEST, manifest.to_string().into_bytes())
}

/// Bytes that no compression makes fewer.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        // xorshift64*
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend(state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes
}
