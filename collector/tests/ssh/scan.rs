//! `assay nodes --scan-host-keys`: keys are shown without a login, and written down only when someone says yes.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use assay_report::{CleanUpResult, Outcome};

use crate::node::{Node, Site, fingerprint, key, need, scratch};
use crate::program::finish;

/// The collector looking at the site's host keys.
fn scan(site: &Site, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.args(["nodes", "--scan-host-keys", "--site"]).arg(site.path("site.toml")).args(more);
    command.env("HOME", site.folder.path()).env_remove("SSH_AUTH_SOCK").stdin(Stdio::null());
    command
}

/// The lines of the list that a person reads.
fn list(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    text.lines().filter(|line| line.contains(" SHA256:")).map(str::to_owned).collect()
}

fn write(path: &Path, text: &str) -> String {
    fs::write(path, text).unwrap();
    path.display().to_string()
}

#[test]
fn a_cluster_becomes_a_site_whose_keys_are_pinned() {
    let (one, two) = (Node::start(), Node::start());
    let folder = scratch();
    let item = |name: &str| {
        format!(
            r#"{{"metadata":{{"name":"{name}"}},"status":{{"addresses":[{{"type":"InternalIP","address":"127.0.0.1"}}]}}}}"#
        )
    };
    // Two clusters of one node each: a list has no ports, and both nodes are this machine.
    for (name, node, other) in [("one", &one, &two), ("two", &two, &one)] {
        let from =
            write(&folder.path().join("list"), &format!(r#"{{"kind":"List","items":[{}]}}"#, item(name)));
        let port = node.port.to_string();
        let identity = node.path("identity").display().to_string();
        let nodes = |more: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
            command.args([
                "nodes",
                "--from",
                &from,
                "--scan-host-keys",
                "--port",
                &port,
                "--identity",
                &identity,
            ]);
            command.args(more).env("HOME", folder.path()).env_remove("SSH_AUTH_SOCK").stdin(Stdio::null());
            command
        };
        let shown = fingerprint(&node.path("host_ed25519.pub"));

        // Nobody can be asked, so the key is shown and not written down.
        let output = finish(&mut nodes(&[]), 3);
        assert!(list(&output)[0].starts_with(&format!("{name} {shown} ssh-ed25519 127.0.0.1 port {port}")));
        assert!(!String::from_utf8_lossy(&output.stdout).contains("host_key"));

        // Someone accepted another key, or another node's.
        let accepted = folder.path().join("accepted");
        for text in
            [format!("{name} {}", fingerprint(&other.path("host_ed25519.pub"))), format!("else {shown}")]
        {
            let accepted = write(&accepted, &text);
            let output = finish(&mut nodes(&["--accept-host-keys", &accepted]), 3);
            assert!(!String::from_utf8_lossy(&output.stdout).contains("host_key"));
        }

        // What was shown can be given back.
        let accepted = write(&accepted, &String::from_utf8_lossy(&output.stderr));
        let output = finish(&mut nodes(&["--accept-host-keys", &accepted]), 0);
        assert_eq!(node.logins(), 0, "nobody logs in");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(&format!("host_key = \"{shown}\"")), "{text}");

        let site = Site::new("", &[]);
        fs::write(site.path("site.toml"), text + "store = \"layout:good\"\n").unwrap();
        site.run(&[]).expect(Outcome::Verified, CleanUpResult::Removed, 0);
    }
}

#[test]
fn accepted_keys_are_lines_that_ssh_reads() {
    let (one, two) = (Node::start(), Node::start());
    let site = Site::new("# mine", &[one.entry("one", "good"), two.entry("two", "good")]);
    let known = site.path("known_hosts").display().to_string();
    let options = ["--known-hosts", &known];
    let output = finish(&mut scan(&site, &options), 3);
    let lines = list(&output);
    assert_eq!(lines.len(), 2);
    assert_eq!(fs::read_to_string(&known).unwrap(), "# mine");

    // One of the two is accepted.
    let accepted = write(&site.path("accepted"), &lines[0]);
    finish(scan(&site, &options).args(["--accept-host-keys", &accepted]), 3);
    let text = fs::read_to_string(&known).unwrap();
    assert_eq!(text, format!("# mine\n{}", one.known_line()));
    let accepted = write(&site.path("accepted"), &lines.join("\n"));
    finish(scan(&site, &options).args(["--accept-host-keys", &accepted]), 0);
    let text = fs::read_to_string(&known).unwrap();
    assert_eq!(text, format!("# mine\n{}{}", one.known_line(), two.known_line()));

    // Both keys are known now, so nothing is asked.
    finish(&mut scan(&site, &options), 0);
    assert_eq!(fs::read_to_string(&known).unwrap(), text);
    for node in [&one, &two] {
        let mut ssh = Command::new(need("ssh", "openssh-client"));
        ssh.args(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o"]);
        ssh.arg(format!("UserKnownHostsFile={known}")).arg("-i").arg(node.path("identity"));
        assert!(
            ssh.args(["-p", &node.port.to_string(), "root@127.0.0.1", "true"]).status().unwrap().success()
        );
    }
}

#[test]
fn a_person_says_yes_or_does_not() {
    let node = Node::start();
    let site = Site::new("", &[node.entry("node", "good")]);
    let known = site.path("new_known_hosts");
    let scan = r#""$ASSAY" nodes --scan-host-keys --site "$SITE" --known-hosts "$KNOWN""#;
    for (answer, code) in [("no", 3), ("", 3), ("yes", 0)] {
        let mut script = Command::new(need("script", "bsdutils"));
        script.args(["-qec", scan, "/dev/null"]).env("HOME", site.folder.path());
        script.env("ASSAY", env!("CARGO_BIN_EXE_assay")).env("SITE", site.path("site.toml"));
        script.env("KNOWN", &known);
        let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), format!("{answer}\n").as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stdout));
        assert_eq!(known.exists(), answer == "yes", "{answer:?}");
    }
    assert_eq!(fs::read_to_string(known).unwrap(), node.known_line());
    assert_eq!(node.logins(), 0);
}

#[test]
fn another_key_than_the_known_one_is_no_matter_of_a_yes_to_all() {
    let node = Node::start();
    let folder = scratch();
    key(&folder.path().join("key"), "ed25519", "");
    let other = fs::read_to_string(folder.path().join("key.pub")).unwrap();
    for (line, word) in [
        (format!("{} {other}", node.known_name()), "ANOTHER KEY"),
        (format!("@revoked * {}\n", node.host_key("ed25519")), "REVOKED"),
    ] {
        let site = Site::new(&line, &[node.entry("node", "good")]);
        let output = finish(&mut scan(&site, &[]), 3);
        assert!(list(&output)[0].contains(word), "{}", list(&output)[0]);
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn nodes_behind_a_jump_host_are_looked_at_through_it() {
    let (gate, inner) = (Node::start(), Node::start());
    let entry = format!("{}jump = \"gate\"\n", inner.entry("inner", "good"));
    let site = Site::new(&gate.known_line(), &[entry, gate.entry("gate", "good")]);
    let output = finish(&mut scan(&site, &[]), 3);
    let lines = list(&output);
    assert!(lines[0].contains("(known)") && lines[0].starts_with("gate "), "{lines:?}");
    assert!(
        lines[1].starts_with(&format!("inner {}", fingerprint(&inner.path("host_ed25519.pub")))),
        "{lines:?}"
    );
    assert_eq!((gate.logins(), inner.logins()), (1, 0));

    // A jump host whose key is not known is not used.
    let entry = format!("{}jump = \"root@127.0.0.1:{}\"\n", inner.entry("inner", "good"), gate.port);
    let site = Site::new("", &[entry]);
    let output = finish(&mut scan(&site, &[]), 3);
    assert_eq!(list(&output).iter().filter(|line| line.starts_with("inner")).count(), 0);
    assert_eq!(gate.logins(), 1);
}
