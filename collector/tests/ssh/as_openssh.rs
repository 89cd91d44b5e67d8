//! The same `known_hosts` files, host keys and certificates before this project and before the `ssh` of this machine: both
//! accept, or both refuse. Where this project is stricter, the case says why.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use assay_report::Outcome;

use crate::node::{Node, Site, Unusual, key, need, scratch};

/// One host as it is known.
struct Case {
    what: &'static str,
    address: String,
    port: u16,
    /// The texts of the `known_hosts` files.
    files: Vec<String>,
    /// Why this project refuses what ssh accepts.
    stricter: Option<&'static str>,
}

fn public(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

/// The line with its names hashed, by ssh-keygen.
fn hashed(folder: &Path, line: &str) -> String {
    let path = folder.join("to-hash");
    fs::write(&path, format!("{line}\n")).unwrap();
    let done = Command::new(need("ssh-keygen", "openssh-client")).arg("-Hf").arg(&path).output().unwrap();
    assert!(done.status.success());
    fs::read_to_string(&path).unwrap()
}

/// What ssh says: whether it logs in.
fn ssh_accepts(case: &Case, files: &[PathBuf], identity: &Path) -> bool {
    let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let mut ssh = Command::new(need("ssh", "openssh-client"));
    ssh.args(["-F", "none", "-p", &case.port.to_string(), "-i"]).arg(identity);
    for option in [
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "IdentitiesOnly=yes",
        "UpdateHostKeys=no",
        "GlobalKnownHostsFile=none",
        &format!("UserKnownHostsFile={}", files.join(" ")),
    ] {
        ssh.args(["-o", option]);
    }
    let output = ssh.args(["-l", "root", &case.address, "true"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.code() {
        Some(0) => true,
        Some(255) if said.contains("ost key") => false,
        other => panic!("{}: {other:?}: {said}", case.what),
    }
}

/// Asks both about every case.
fn compare(cases: &[Case], node: &Node) {
    let folder = scratch();
    let mut entries = Vec::new();
    let mut by_ssh = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let mut files = Vec::new();
        for (file, text) in case.files.iter().enumerate() {
            files.push(folder.path().join(format!("known_hosts_{number}_{file}")));
            fs::write(&files[file], text).unwrap();
        }
        by_ssh.push(ssh_accepts(case, &files, &node.path("identity")));
        let mut entry = node.entry(&format!("case-{number:03}"), "good");
        entry = entry.replace("address = \"127.0.0.1\"", &format!("address = \"{}\"", case.address));
        entry = entry.replace(&format!("port = {}", node.port), &format!("port = {}", case.port));
        writeln!(entry, "known_hosts = {files:?}").unwrap();
        entries.push(entry);
    }
    let ran = Site::new("", &entries).run(&["--no-ssh-config", "--concurrency", "4"]);
    assert_eq!(ran.report.nodes.len(), cases.len());
    let mut wrong = String::new();
    for ((case, by_ssh), row) in cases.iter().zip(by_ssh).zip(&ran.report.nodes) {
        let ours = match row.outcome {
            Outcome::Verified => true,
            Outcome::HostKeyUnknown | Outcome::HostKeyMismatch => false,
            other => panic!("{}: {other:?}: {:?}", case.what, row.message),
        };
        let agreed = if case.stricter.is_some() { by_ssh && !ours } else { by_ssh == ours };
        if !agreed {
            writeln!(wrong, "{}: ssh accepts {by_ssh}, assay accepts {ours}: {:?}", case.what, row.message)
                .unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn known_hosts_mean_what_they_mean_to_ssh() {
    // Port 22 needs an address of its own.
    let own = format!("127.83.{}.{}", std::process::id() % 250 + 1, std::process::id() / 250 % 250 + 1);
    let config = format!("ListenAddress {own}:22");
    let node =
        Node::unusual(&Unusual { config: &config, host_keys: &["ed25519", "rsa"], ..Unusual::default() });
    let folder = scratch();
    key(&folder.path().join("other"), "ed25519", "");
    key(&folder.path().join("other-rsa"), "rsa", "");
    let (mine, rsa) = (node.host_key("ed25519"), node.host_key("rsa"));
    let (other, other_rsa) =
        (public(&folder.path().join("other.pub")), public(&folder.path().join("other-rsa.pub")));
    let (at, port) = (node.known_name(), node.port);
    let hash = |line: String| hashed(folder.path(), &line);
    let mut cases = Vec::new();
    let mut on_port = |what, text: String| {
        cases.push(Case { what, address: "127.0.0.1".into(), port, files: vec![text], stricter: None });
    };
    on_port("nothing", String::new());
    on_port("its key", format!("{at} {mine}\n"));
    on_port("another key", format!("{at} {other}\n"));
    on_port("its key among others", format!("{at} {other}\n{at} {mine}\n"));
    on_port("its key without a line end", format!("{at} {mine}"));
    on_port("its other key", format!("{at} {rsa}\n"));
    on_port("its other key and a wrong one of the first type", format!("{at} {rsa}\n{at} {other}\n"));
    on_port("a wrong key of the other type", format!("{at} {other_rsa}\n"));
    on_port("a wrong key of the other type, and its own", format!("{at} {other_rsa}\n{at} {mine}\n"));
    on_port("without the port", format!("127.0.0.1 {mine}\n"));
    on_port("without the port, another with it", format!("127.0.0.1 {mine}\n{at} {other}\n"));
    on_port("without the port, another type with it", format!("127.0.0.1 {mine}\n{at} {other_rsa}\n"));
    on_port("another without the port", format!("127.0.0.1 {other}\n{at} {mine}\n"));
    on_port("another port", format!("[127.0.0.1]:{} {mine}\n", port.wrapping_add(1)));
    on_port("brackets without a port", format!("[127.0.0.1] {mine}\n"));
    on_port("wildcards", format!("[127.0.*]:* {mine}\n"));
    on_port("a wildcard for a letter", format!("[127.0.0.?]:{port} {mine}\n"));
    on_port("a wildcard for too many letters", format!("[127.?.0.1]:{port}? {mine}\n"));
    on_port("everything", format!("* {mine}\n"));
    on_port("everything but it", format!("*,!{at} {mine}\n"));
    on_port("not it before everything", format!("!{at},* {mine}\n"));
    on_port("nothing but not another", format!("!elsewhere {mine}\n"));
    on_port("a list", format!("elsewhere,{at},10.0.0.1 {mine}\n"));
    on_port("a list with blanks", format!("elsewhere, {at} {mine}\n"));
    on_port("hashed", hash(format!("{at} {mine}")));
    on_port("hashed, another name", hash(format!("elsewhere {mine}")));
    on_port("hashed without the port", hash(format!("127.0.0.1 {mine}")));
    on_port("hashed, another key", hash(format!("{at} {other}")));
    on_port("tabs, blanks, a comment and a carriage return", format!("\t {at}\t \t{mine} a comment\r\n"));
    on_port("a comment", format!("#{at} {mine}\n"));
    on_port("an old key of bits, exponent and modulus", format!("{at} 1024 65537 123456789\n{at} {mine}\n"));
    on_port("the type of another key", format!("{at} {}\n", mine.replace("ssh-ed25519", "ssh-rsa")));
    on_port("no key", format!("{at}\n{at} ssh-ed25519\n"));
    on_port("a key that is cut", format!("{at} {}\n", &mine[..mine.len() - 8]));
    on_port("a key that is cut, and its own", format!("{at} {}\n{at} {mine}\n", &mine[..mine.len() - 8]));
    on_port("Base64 without its padding", format!("{at} {}\n", rsa.trim_end_matches('=')));
    on_port("revoked", format!("{at} {mine}\n@revoked {at} {mine}\n"));
    on_port("revoked everywhere", format!("@revoked * {mine}\n{at} {mine}\n"));
    on_port("revoked elsewhere", format!("{at} {mine}\n@revoked elsewhere {mine}\n"));
    on_port("another revoked", format!("{at} {mine}\n@revoked * {other}\n"));
    on_port("its other key revoked", format!("{at} {mine}\n@revoked * {rsa}\n"));
    on_port("revoked under a hashed name", format!("{at} {mine}\n@revoked {}", hash(format!("{at} {mine}"))));
    on_port("an authority's key", format!("@cert-authority {at} {mine}\n"));
    on_port("an authority's key and its own", format!("@cert-authority {at} {other}\n{at} {mine}\n"));
    let mut on_22 = |what, text: String| {
        cases.push(Case { what, address: own.clone(), port: 22, files: vec![text], stricter: None });
    };
    on_22("port 22, plain", format!("{own} {mine}\n"));
    on_22("port 22, with the port", format!("[{own}]:22 {mine}\n"));
    on_22("port 22, another port", format!("[{own}]:2222 {mine}\n"));
    on_22("port 22, wildcard", format!("127.83.* {mine}\n"));
    on_22("port 22, hashed", hash(format!("{own} {mine}")));
    let named = |what, address: &str, text: String| Case {
        what,
        address: address.into(),
        port,
        files: vec![text],
        stricter: None,
    };
    cases.push(named("a name", "localhost", format!("[localhost]:{port} {mine}\n")));
    cases.push(named("a name in capitals", "LocalHost", format!("[localhost]:{port} {mine}\n")));
    cases.push(named("a name in capitals in the file", "localhost", format!("[LOCALHOST]:{port} {mine}\n")));
    cases.push(named("a name in capitals, hashed", "LOCALHOST", hash(format!("[localhost]:{port} {mine}"))));
    cases.push(named("the address of a name", "localhost", format!("{at} {mine}\n")));
    let files = |what, files: &[String]| Case {
        what,
        address: "127.0.0.1".into(),
        port,
        files: files.to_vec(),
        stricter: None,
    };
    cases.push(files("the second file has it", &[format!("{at} {other_rsa}\n"), format!("{at} {mine}\n")]));
    cases.push(files(
        "the second file revokes it",
        &[format!("{at} {mine}\n"), format!("@revoked * {mine}\n")],
    ));
    cases.push(files("the second file has another", &[format!("{at} {mine}\n"), format!("{at} {other}\n")]));
    cases.push(Case {
        stricter: Some("a revocation without the port is one for every port"),
        ..files("revoked without the port", &[format!("{at} {mine}\n@revoked 127.0.0.1 {mine}\n")])
    });
    compare(&cases, &node);
}

#[test]
fn host_certificates_mean_what_they_mean_to_ssh() {
    let folder = scratch();
    let authority = folder.path().join("authority");
    key(&authority, "ed25519", "");
    key(&folder.path().join("stranger"), "ed25519", "");
    let trusted = public(&folder.path().join("authority.pub"));
    let stranger = public(&folder.path().join("stranger.pub"));
    let secret = fs::read_to_string(&authority).unwrap();
    for (what, options, stricter) in [
        ("for this host", &["-h", "-n", "localhost"][..], None),
        ("for this host and others", &["-h", "-n", "elsewhere,localhost"], None),
        ("with a wildcard", &["-h", "-n", "local*"], None),
        ("in capitals", &["-h", "-n", "LOCALHOST"], None),
        ("for another host", &["-h", "-n", "elsewhere"], None),
        ("for the address", &["-h", "-n", "127.0.0.1"], None),
        ("for users", &["-n", "localhost"], None),
        ("expired", &["-h", "-n", "localhost", "-V", "20200101:20210101"], None),
        ("not valid yet", &["-h", "-n", "localhost", "-V", "20900101:20910101"], None),
        ("for any host", &["-h"], Some("a certificate for every host there is is one for none")),
    ] {
        let sign = format!(
            "chmod 600 /mnt/authority; {} -q -s /mnt/authority -I host {} /mnt/host_ed25519.pub",
            need("ssh-keygen", "openssh-client").display(),
            options.join(" ")
        );
        let config = "HostCertificate /mnt/host_ed25519-cert.pub";
        let scripts = &[("authority", secret.as_str())];
        let node = Node::unusual(&Unusual { config, mounts: &sign, scripts, ..Unusual::default() });
        let at = format!("[localhost]:{}", node.port);
        let mine = node.host_key("ed25519");
        let case = |known: String, stricter| Case {
            what,
            address: "localhost".into(),
            port: node.port,
            files: vec![known],
            stricter,
        };
        compare(
            &[
                case(format!("@cert-authority {at} {trusted}\n"), stricter),
                case(format!("@cert-authority localhost {trusted}\n"), stricter),
                case(format!("@cert-authority * {stranger}\n"), None),
                case(format!("@cert-authority * {stranger}\n@cert-authority {at} {trusted}\n"), stricter),
                case(format!("@cert-authority * {trusted}\n@revoked * {trusted}\n"), None),
                case(format!("@cert-authority * {trusted}\n@revoked * {mine}\n"), None),
                // The key alone is still accepted.
                case(format!("@cert-authority * {trusted}\n{at} {mine}\n"), None),
                case(format!("@cert-authority * {stranger}\n{at} {mine}\n"), None),
                case(format!("{at} {trusted}\n"), None),
            ],
            &node,
        );
    }
}
