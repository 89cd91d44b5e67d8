//! Every way that a visit can go once the login is through.

use std::fs;

use assay_report::{CleanUpResult, Outcome, Presence, Status};

use crate::node::{Node, Site, Unusual, free_port, stand_in, wait_until};

/// Runs the stand-in with a behaviour and asserts how it came out, and that the node is as it was.
#[track_caller]
fn behaves(behaviour: &str, options: &[&str], outcome: Outcome, exit: i32) -> String {
    let node = Node::start();
    let site = Site::of(&node, behaviour);
    let ran = site.run(options);
    ran.expect(outcome, CleanUpResult::Removed, exit);
    let folder = ran.row().clean_up.folder.clone().expect("a folder was made");
    assert!(folder.contains(&ran.report.run.id), "{folder}");
    assert_eq!(node.traces(), [""; 0]);
    assert_eq!(site.node_report("node").is_some(), outcome == Outcome::Verified);
    ran.row().message.clone().unwrap_or_default()
}

#[test]
fn a_good_visit_leaves_a_report_and_nothing_on_the_node() {
    let node = Node::start();
    let site = Site::of(&node, "good");
    let ran = site.run(&[]);
    ran.expect(Outcome::Verified, CleanUpResult::Removed, 0);
    let row = ran.row();
    assert_eq!(row.attempts, 1);
    assert_eq!(row.os.as_deref(), Some("linux"));
    assert_eq!(row.host_key, Some(crate::node::fingerprint(&node.path("host_ed25519.pub"))));
    assert_eq!(node.logins(), 1, "one login a node");
    assert_eq!(node.traces(), [""; 0]);
    let report = row.report.as_ref().unwrap();
    assert_eq!(report.run.id, ran.report.run.id);
    assert_eq!(site.node_report("node").as_ref(), Some(report));
    assert_eq!(report.images[0].status, Status::Passed);
    assert_eq!(ran.report.inputs.bundles[0].name, "bundle.tar");
    let touched = row.touched.as_ref().unwrap();
    assert_eq!(Some(&touched.folder), row.clean_up.folder.as_ref());
    assert_eq!((touched.before, touched.after), (Presence::Absent, Presence::Absent));
    assert!(touched.asked.is_some());
    let placed = &ran.report.inputs.placed[0];
    assert_eq!(touched.sums_sha256.as_ref(), Some(&placed.sums_sha256));
    let names: Vec<_> = placed.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["assay-agent", "trust/trustpolicy.json", "bundles/bundle.tar", "SHA256SUMS"]);
    assert_eq!(placed.files[2].sha256, report.inputs.bundles[0].sha256);
    assert_eq!(ran.report.inputs.bundles[0].sha256, report.inputs.bundles[0].sha256);
    assert!(fs::metadata(site.path("out/run.log")).unwrap().len() > 0);
    assert!(fs::read_to_string(site.path("out/journal.jsonl")).unwrap().contains("removed"));
}

#[test]
fn a_failed_image_is_no_failed_visit() {
    behaves("failed", &[], Outcome::Verified, 1);
}

#[test]
fn nothing_to_judge_is_no_success() {
    behaves("empty", &[], Outcome::Verified, 3);
}

#[test]
fn what_is_no_report() {
    behaves("garbage", &[], Outcome::BadReport, 3);
    behaves("silence", &[], Outcome::AgentFailed, 3);
    behaves("oversized", &[], Outcome::BadReport, 3);
}

#[test]
fn a_report_of_another_run() {
    behaves("foreign-run", &[], Outcome::BadReport, 3);
}

#[test]
fn a_report_and_an_exit_status_that_disagree() {
    behaves("wrong-exit", &[], Outcome::BadReport, 3);
}

#[test]
fn an_agent_that_judges_nothing_says_why() {
    let message = behaves("usage", &[], Outcome::AgentFailed, 3);
    assert!(message.contains("the trust policy is") && !message.contains('\u{1b}'), "{message}");
}

#[test]
fn an_agent_that_is_killed() {
    behaves("killed", &[], Outcome::AgentFailed, 3);
}

#[test]
fn an_agent_that_hangs() {
    behaves("hang", &["--time-limit", "2"], Outcome::TimedOut, 3);
}

#[test]
fn a_process_that_the_agent_leaves_behind() {
    behaves("left-behind", &[], Outcome::Verified, 0);
    let running = fs::read_dir("/proc").unwrap().flatten().filter_map(|process| {
        let exe = fs::read_link(process.path().join("exe")).ok()?;
        exe.to_string_lossy().contains("/assay-2").then_some(exe)
    });
    // Other tests run their agents at the same time, in folders that are there; those of a removed folder say so.
    let orphans: Vec<_> = running.filter(|exe| exe.to_string_lossy().ends_with("(deleted)")).collect();
    assert!(orphans.is_empty(), "{orphans:?}");
}

#[test]
fn a_link_that_is_lost_in_the_middle() {
    behaves("hang-up", &[], Outcome::Unreachable, 3);
}

#[test]
fn a_link_that_is_lost_is_tried_again() {
    let node = Node::start();
    let ran = Site::of(&node, "hang-up").run(&["--retries", "1"]);
    ran.expect(Outcome::Unreachable, CleanUpResult::Removed, 3);
    assert_eq!(ran.row().attempts, 2);
    assert_eq!(node.traces(), [""; 0]);
}

#[test]
fn a_disk_without_room() {
    let mounts = "for d in /run /var/tmp /tmp /root; do mount -t tmpfs -o size=64k tmpfs \"$d\"; done";
    let node = Node::unusual(&Unusual { mounts, ..Unusual::default() });
    let ran = Site::of(&node, "good").run(&[]);
    ran.expect(Outcome::UploadFailed, CleanUpResult::NotNeeded, 3);
    assert_eq!(node.traces(), [""; 0]);
}

#[test]
fn a_disk_that_fills_up_while_uploading() {
    // There is room enough, and there are too few inodes. Nothing shows that beforehand.
    let mounts =
        "for d in /run /var/tmp /tmp /root; do mount -t tmpfs -o size=1g,nr_inodes=4 tmpfs \"$d\"; done";
    let node = Node::unusual(&Unusual { mounts, ..Unusual::default() });
    let ran = Site::of(&node, "good").run(&[]);
    ran.expect(Outcome::UploadFailed, CleanUpResult::Removed, 3);
    assert_eq!(node.traces(), [""; 0]);
}

#[test]
fn places_where_nothing_may_be_executed_are_passed_over() {
    let mounts = "for d in /run /var/tmp; do mount -t tmpfs -o noexec tmpfs \"$d\"; done; \
                  mount -t tmpfs -o mode=1777 tmpfs /tmp";
    let node = Node::unusual(&Unusual { mounts, ..Unusual::default() });
    let ran = Site::of(&node, "good").run(&[]);
    ran.expect(Outcome::Verified, CleanUpResult::Removed, 0);
    assert!(ran.row().clean_up.folder.as_ref().unwrap().starts_with("/tmp/assay-"));
    assert_eq!(node.traces(), [""; 0]);
}

#[test]
fn no_place_where_anything_may_be_executed() {
    let mounts = "for d in /run /var/tmp /tmp /root; do mount -t tmpfs -o noexec tmpfs \"$d\"; done";
    let node = Node::unusual(&Unusual { mounts, ..Unusual::default() });
    let ran = Site::of(&node, "good").run(&[]);
    ran.expect(Outcome::AgentFailed, CleanUpResult::NotNeeded, 3);
    assert!(ran.row().message.as_ref().unwrap().contains("/var/tmp noexec"), "{:?}", ran.row().message);
    assert_eq!(node.traces(), [""; 0]);
}

#[test]
fn what_may_forbid_programs_is_named() {
    // First what a shell sees under an enforced policy, then this machine as it is.
    let enforced = "mount -t tmpfs tmpfs /sys/fs; mkdir /sys/fs/selinux; echo 1 > /sys/fs/selinux/enforce";
    let here = fs::read_to_string("/sys/fs/selinux/enforce").is_ok_and(|text| text.trim() == "1");
    for (mounts, named) in [(enforced, true), ("", here)] {
        let node = Node::unusual(&Unusual { mounts, ..Unusual::default() });
        let site = Site::of(&node, "good");
        // The beginning of a program is not a program.
        fs::write(site.path("agent"), &fs::read(stand_in()).unwrap()[..4096]).unwrap();
        let mut command = site.collector("run");
        command.arg("--trust").arg(site.path("trust")).arg("--agent").arg(site.path("agent"));
        let ran = site.read(&command.output().unwrap());
        ran.expect(Outcome::AgentFailed, CleanUpResult::Removed, 3);
        assert_eq!(ran.row().hint.as_ref().unwrap().contains("SELinux"), named, "{:?}", ran.row().hint);
        assert_eq!(node.traces(), [""; 0]);
    }
}

#[test]
fn places_that_others_may_change_are_passed_over() {
    let mounts = "mount -t tmpfs -o mode=0777 tmpfs /run; \
                  mount -t tmpfs -o mode=0775 tmpfs /var/tmp; mount -t tmpfs -o mode=1777 tmpfs /tmp";
    let node = Node::unusual(&Unusual { mounts, ..Unusual::default() });
    let ran = Site::of(&node, "good").run(&[]);
    ran.expect(Outcome::Verified, CleanUpResult::Removed, 0);
    assert!(ran.row().clean_up.folder.as_ref().unwrap().starts_with("/tmp/assay-"));
}

#[test]
fn a_folder_that_cannot_be_removed_is_a_finding() {
    // A mount inside the folder holds it; the stand-in is slow enough for it to be put there.
    let node = Node::start();
    let site = Site::of(&node, "slow");
    let child = site.run_command(&[]).stderr(std::process::Stdio::null()).spawn().unwrap();
    let mut folder = String::new();
    wait_until("a folder", || {
        folder = node.traces().first().cloned().unwrap_or_default();
        fs::exists(format!("{folder}/SHA256SUMS")).unwrap()
    });
    let inside = folder.split_once("/root/").map(|(_, path)| format!("/{path}")).unwrap();
    let namespace = folder.split('/').nth(2).unwrap().to_owned();
    let nsenter = |command: String| {
        let done = std::process::Command::new("nsenter")
            .args(["-m", "-t", &namespace, "sh", "-c", &command])
            .status();
        assert!(done.unwrap().success(), "{command}");
    };
    nsenter(format!("mkdir {inside}/held && mount -t tmpfs tmpfs {inside}/held"));
    let ran = site.read(&child.wait_with_output().unwrap());
    ran.expect(Outcome::Verified, CleanUpResult::Failed, 3);
    assert_eq!(ran.row().touched.as_ref().unwrap().after, Presence::Present);
    assert_eq!(ran.row().clean_up.folder.as_deref(), Some(inside.as_str()));

    // `assay cleanup` cannot either as long as it is held, and can afterwards.
    let cleanup = |code| assert_eq!(site.collector("cleanup").status().unwrap().code(), Some(code));
    cleanup(3);
    nsenter(format!("umount {inside}/held"));
    cleanup(0);
    assert_eq!(node.traces(), [""; 0]);
    cleanup(0);
}

#[test]
fn an_unreachable_port_is_that_nodes_error() {
    let site = Site::new(
        "",
        &[format!(
            "[[node]]\nname = \"node\"\naddress = \"127.0.0.1\"\nport = {}\nidentity = \"key\"\n",
            free_port()
        )],
    );
    crate::node::key(&site.path("key"), "ed25519", "");
    let ran = site.run(&["--retries", "1"]);
    ran.expect(Outcome::Unreachable, CleanUpResult::NotNeeded, 3);
    assert_eq!(ran.row().attempts, 2);
}

#[test]
fn a_port_that_says_nothing() {
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = silent.local_addr().unwrap().port();
    let entry =
        format!("[[node]]\nname = \"node\"\naddress = \"127.0.0.1\"\nport = {port}\nidentity = \"key\"\n");
    let site = Site::new("", &[entry]);
    crate::node::key(&site.path("key"), "ed25519", "");
    let ran = site.run(&["--connect-limit", "1"]);
    ran.expect(Outcome::Unreachable, CleanUpResult::NotNeeded, 3);
}

#[test]
fn a_node_there_is_no_agent_for() {
    let node = Node::start();
    let site = Site::of(&node, "good");
    // The stand-in's own header, for another machine.
    let mut agent = fs::read(stand_in()).unwrap();
    agent[18] = if agent[18] == 62 { 183 } else { 62 };
    fs::write(site.path("agent"), agent).unwrap();
    let mut command = site.collector("run");
    command.arg("--trust").arg(site.path("trust")).arg("--agent").arg(site.path("agent"));
    let ran = site.read(&command.output().unwrap());
    ran.expect(Outcome::Unsupported, CleanUpResult::NotNeeded, 3);
    assert_eq!(node.traces(), [""; 0]);
}

#[test]
fn a_shell_that_talks_at_login() {
    // `ForceCommand` runs first, as a talkative profile does.
    let node = Node::unusual(&Unusual {
        config: "ForceCommand echo Welcome; echo '{'; eval \"$SSH_ORIGINAL_COMMAND\"",
        ..Unusual::default()
    });
    let ran = Site::of(&node, "good").run(&[]);
    ran.expect(Outcome::Verified, CleanUpResult::Removed, 0);
}

#[test]
fn one_bad_node_stops_no_other() {
    let nodes = [Node::start(), Node::start()];
    let mut entries: Vec<String> =
        (0..6).map(|number| nodes[number % 2].entry(&format!("good-{number}"), "good")).collect();
    entries.push(nodes[0].entry("bad-garbage", "garbage"));
    entries.push(nodes[1].entry("bad-hang-up", "hang-up"));
    entries.push(
        nodes[0]
            .entry("bad-port", "good")
            .replace(&format!("port = {}", nodes[0].port), &format!("port = {}", free_port())),
    );
    let known: String = nodes.iter().map(Node::known_line).collect();
    let site = Site::new(&known, &entries);
    let ran = site.run(&["--concurrency", "4"]);
    assert_eq!(ran.exit, 3);
    let outcomes: Vec<_> = ran.report.nodes.iter().map(|row| (row.name.as_str(), row.outcome)).collect();
    let mut want = vec![
        ("bad-garbage", Outcome::BadReport),
        ("bad-hang-up", Outcome::Unreachable),
        ("bad-port", Outcome::Unreachable),
    ];
    let names: Vec<String> = (0..6).map(|number| format!("good-{number}")).collect();
    want.extend(names.iter().map(|name| (name.as_str(), Outcome::Verified)));
    assert_eq!(outcomes, want);
    for node in &nodes {
        assert_eq!(node.traces(), [""; 0]);
    }
}

/// A node with a login that is not root, and what stands in for sudo there.
fn with_sudo(sudo: &str) -> Node {
    let mounts = format!(
        "cp /etc/passwd /mnt/passwd; echo 'visitor:*:4242:4242::/nowhere:/bin/sh' >> /mnt/passwd
         mount --bind /mnt/passwd /etc/passwd
         mount -t tmpfs -o mode=755 tmpfs /usr/local/bin
         cp /usr/bin/setpriv /usr/local/bin/elevate; chmod 4755 /usr/local/bin/elevate
         printf '#!/bin/sh\\n{sudo}\\n' > /usr/local/bin/sudo; chmod 755 /usr/local/bin/sudo"
    );
    Node::unusual(&Unusual {
        mounts: &mounts,
        config: "SetEnv PATH=/usr/local/bin:/usr/bin:/bin",
        ..Unusual::default()
    })
}

fn as_visitor(node: &Node, sudo: bool) -> Site {
    let entry = format!("{}user = \"visitor\"\nsudo = {sudo}\n", node.entry("node", "good"));
    Site::new(&node.known_line(), &[entry])
}

#[test]
fn sudo_runs_the_agent_as_root() {
    let node =
        with_sudo("[ \"$1\" = -n ] || exit 1; shift; exec elevate --reuid 0 --regid 0 --clear-groups \"$@\"");
    let ran = as_visitor(&node, true).run(&[]);
    ran.expect(Outcome::Verified, CleanUpResult::Removed, 0);
    // Only root can write there.
    assert!(ran.row().clean_up.folder.as_ref().unwrap().starts_with("/run/assay-"));
    assert_eq!(node.traces(), [""; 0]);

    let ran = as_visitor(&node, false).run(&[]);
    ran.expect(Outcome::Verified, CleanUpResult::Removed, 0);
    assert!(!ran.row().clean_up.folder.as_ref().unwrap().starts_with("/run/assay-"));
    assert_eq!(node.traces(), [""; 0]);
}

#[test]
fn sudo_that_is_refused() {
    let node = with_sudo("echo sudo: a password is required >&2; exit 1");
    let ran = as_visitor(&node, true).run(&[]);
    ran.expect(Outcome::SudoRefused, CleanUpResult::NotNeeded, 3);
    assert_eq!(node.traces(), [""; 0]);
}

#[test]
fn sudo_that_is_not_there() {
    let node = with_sudo("exit 1");
    let ran = as_visitor(&node, true).run(&[]);
    ran.expect(Outcome::SudoRefused, CleanUpResult::NotNeeded, 3);
}
