//! The host key is verified before anything is sent, by OpenSSH's own rules.

use std::fs;
use std::process::Command;

use assay_report::{CleanUpResult, Outcome};

use crate::node::{Node, Site, Unusual, fingerprint, key, need, scratch};

/// Runs against the node with these `known_hosts`, and asserts that nobody logged in unless the key was accepted.
#[track_caller]
fn known_as(node: &Node, known_hosts: &str, outcome: Outcome) -> String {
    let before = node.logins();
    let ran = Site::new(known_hosts, &[node.entry("node", "good")]).run(&[]);
    if outcome == Outcome::Verified {
        ran.expect(outcome, CleanUpResult::Removed, 0);
    } else {
        ran.expect(outcome, CleanUpResult::NotNeeded, 3);
        assert_eq!(ran.row().host_key, None);
        assert_eq!(node.logins(), before, "nothing is sent to a host that is not known");
    }
    ran.row().message.clone().unwrap_or_default()
}

fn other_key() -> String {
    let folder = scratch();
    key(&folder.path().join("key"), "ed25519", "");
    let text = fs::read_to_string(folder.path().join("key.pub")).unwrap();
    text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

#[test]
fn unknown_changed_and_revoked_keys_are_refused() {
    let node = Node::start();
    let (name, own, other) = (node.known_name(), node.host_key("ed25519"), other_key());
    let shown = fingerprint(&node.path("host_ed25519.pub"));
    for (known_hosts, outcome) in [
        (String::new(), Outcome::HostKeyUnknown),
        (format!("elsewhere {own}\n"), Outcome::HostKeyUnknown),
        (format!("@cert-authority {name} {own}\n"), Outcome::HostKeyUnknown),
        (format!("{name} {other}\n"), Outcome::HostKeyMismatch),
        (format!("{name} {own}\n@revoked * {own}\n"), Outcome::HostKeyMismatch),
    ] {
        let message = known_as(&node, &known_hosts, outcome);
        assert!(message.contains(&shown), "the fingerprint that is shown is named: {message}");
    }
    for known_hosts in [
        format!("{name} {own}\n"),
        format!("127.0.0.1 {own}\n"),
        format!("{name} {other}\n{name} {own}\n"),
        format!("[127.0.0.*]:{} {own}\n", node.port),
        format!("\t{name}\t{own}\tcomment\r\n"),
    ] {
        known_as(&node, &known_hosts, Outcome::Verified);
    }
}

#[test]
fn names_that_ssh_keygen_hashed_are_found() {
    let node = Node::start();
    let folder = scratch();
    let path = folder.path().join("known_hosts");
    fs::write(&path, node.known_line()).unwrap();
    let hashed = Command::new(need("ssh-keygen", "openssh-client")).arg("-Hf").arg(&path).output().unwrap();
    assert!(hashed.status.success());
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("|1|"), "{text}");
    known_as(&node, &text, Outcome::Verified);
}

#[test]
fn the_type_that_is_known_is_asked_for() {
    let node = Node::unusual(&Unusual { host_keys: &["ed25519", "ecdsa", "rsa"], ..Unusual::default() });
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let line = format!("{} {}\n", node.known_name(), node.host_key(kind));
        known_as(&node, &line, Outcome::Verified);
    }
}

#[test]
fn a_pin_stands_for_the_key_whatever_its_type() {
    let node = Node::unusual(&Unusual { host_keys: &["ed25519", "ecdsa", "rsa"], ..Unusual::default() });
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let pin = fingerprint(&node.path(&format!("host_{kind}.pub")));
        let entry = format!("{}host_key = \"{pin}\"\n", node.entry("node", "good"));
        let ran = Site::new("", &[entry]).run(&[]);
        ran.expect(Outcome::Verified, CleanUpResult::Removed, 0);
        assert_eq!(ran.row().host_key.as_deref(), Some(pin.as_str()));
    }
    let folder = scratch();
    key(&folder.path().join("key"), "ed25519", "");
    let pin = fingerprint(&folder.path().join("key.pub"));
    let entry = format!("{}host_key = \"{pin}\"\n", node.entry("node", "good"));
    // An entry of known_hosts does not count for a node that is pinned to another key.
    let ran = Site::new(&node.known_line(), &[entry]).run(&[]);
    ran.expect(Outcome::HostKeyMismatch, CleanUpResult::NotNeeded, 3);
}

#[test]
fn a_revocation_that_cannot_be_read_stops_the_run() {
    let node = Node::start();
    let site =
        Site::new(&format!("{}@revoked * ssh-ed25519 !\n", node.known_line()), &[node.entry("node", "good")]);
    assert_eq!(site.refused(&[]), 2);
    assert_eq!(node.logins(), 0);
}

#[test]
fn host_certificates_are_judged_by_their_authority() {
    let folder = scratch();
    let authority = folder.path().join("authority");
    key(&authority, "ed25519", "");
    let sign = |options: &[&str], node: &Node| {
        let mut command = Command::new(need("ssh-keygen", "openssh-client"));
        command.arg("-q").arg("-s").arg(&authority).args(["-I", "host"]).args(options);
        assert!(command.arg(node.path("host_ed25519.pub")).status().unwrap().success());
    };
    let public = fs::read_to_string(folder.path().join("authority.pub")).unwrap();
    let public = public.trim();
    let trusted = format!("@cert-authority [127.0.0.1]:* {public}\n");
    for (options, outcome) in [
        (&["-h", "-n", "127.0.0.1"][..], Outcome::Verified),
        (&["-h", "-n", "other,127.0.0.1"], Outcome::Verified),
        (&["-h", "-n", "127.0.0.*"], Outcome::HostKeyMismatch),
        (&["-h", "-n", "other"], Outcome::HostKeyMismatch),
        (&["-h"], Outcome::HostKeyMismatch),
        (&["-h", "-n", "127.0.0.1", "-V", "20200101:20210101"], Outcome::HostKeyMismatch),
    ] {
        let mut node = Node::unusual(&Unusual {
            config: "HostCertificate /mnt/host_ed25519-cert.pub",
            ..Unusual::default()
        });
        sign(options, &node);
        // sshd reads the certificate when it starts.
        node.restart();
        known_as(&node, &trusted, outcome);
        if outcome == Outcome::Verified {
            known_as(&node, &format!("{trusted}@revoked * {public}\n"), Outcome::HostKeyMismatch);
            known_as(&node, &format!("@cert-authority elsewhere {public}\n"), Outcome::HostKeyUnknown);
        }
        // The key itself is still accepted.
        known_as(&node, &node.known_line(), Outcome::Verified);
    }
}
