//! Whatever shell a login has: those that print before they run anything, those that are no POSIX shells, and those that run no
//! command and say why.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use assay_report::{CleanUpResult, Outcome};

use crate::node::{Node, Site, Unusual, need};

/// A node with logins, each by its name, its shell and what stands for its age in `/etc/shadow`.
fn node(logins: &[(&str, &str, &str)], config: &str) -> Node {
    let mut mounts = "for f in passwd shadow; do cp -p /etc/$f /mnt/$f; done\n".to_owned();
    for (number, (name, shell, age)) in logins.iter().enumerate() {
        let id = 4300 + number;
        writeln!(mounts, "echo '{name}:x:{id}:{id}::/mnt/home/{name}:{shell}' >> /mnt/passwd").unwrap();
        writeln!(mounts, "echo '{name}:*:{age}:::' >> /mnt/shadow; mkdir -p /mnt/home/{name}/.config/fish")
            .unwrap();
        writeln!(mounts, "chown -R {id} /mnt/home/{name}").unwrap();
    }
    mounts += "for f in passwd shadow; do mount --bind /mnt/$f /etc/$f; done";
    Node::unusual(&Unusual { mounts: &mounts, config, ..Unusual::default() })
}

const AGELESS: &str = "20000:0:99999:7";

/// What a node's rc files print: a title for a terminal, and a text without a line end. No `printf` is in every shell.
const TALK: &str = "/usr/bin/printf '\\033]0;node\\007Welcome to this node'\n";

#[test]
fn each_shell_runs_a_visit_whatever_it_prints_before() {
    let shells = [
        ("of-sh", "/bin/sh", ".profile"),
        ("of-bash", "/bin/bash", ".bashrc"),
        ("of-zsh", "/usr/bin/zsh", ".zshenv"),
        ("of-csh", "/bin/bsd-csh", ".cshrc"),
        ("of-tcsh", "/usr/bin/tcsh", ".tcshrc"),
        ("of-fish", "/usr/bin/fish", ".config/fish/config.fish"),
    ];
    for (program, package) in [("zsh", "zsh"), ("bsd-csh", "csh"), ("tcsh", "tcsh"), ("fish", "fish")] {
        need(program, package);
    }
    let logins: Vec<_> = shells.iter().map(|(name, shell, _)| (*name, *shell, AGELESS)).collect();
    let node = node(&logins, "");
    let mut entries = Vec::new();
    for (name, _, rc) in shells {
        fs::write(node.path(&format!("home/{name}/{rc}")), TALK).unwrap();
        for os in ["", "os = \"linux\"\n"] {
            let entry = node.entry(&format!("{name}{}", os.len()), "good");
            entries.push(format!("{entry}user = \"{name}\"\n{os}"));
        }
    }
    let site = Site::new(&node.known_line(), &entries);
    // This is longer than a word of csh may be, and has letters that are special in csh, fish and quotes.
    let image = format!("registry.example.test/{}:v1!'\\\\'\\n", "long".repeat(100));
    let mut options = Vec::new();
    for _ in 0..40 {
        options.extend(["--image", image.as_str()]);
    }
    for options in [&[][..], &options] {
        let ran = site.run(options);
        assert_eq!(ran.report.nodes.len(), 12);
        for row in &ran.report.nodes {
            let came = (row.outcome, row.clean_up.result);
            assert_eq!(came, (Outcome::Verified, CleanUpResult::Removed), "{row:?}\n{}", ran.stderr);
        }
    }
    assert_eq!(node.traces(), [""; 0]);
    assert_eq!(without_a_journal(&site), Some(0));
}

/// `assay cleanup` of a site without a journal.
fn without_a_journal(site: &Site) -> Option<i32> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.arg("cleanup").arg("--site").arg(site.path("site.toml")).env("HOME", site.folder.path());
    command.status().unwrap().code()
}

/// A visit to a login whose shell says `words` ends with them, and has left nothing, which `assay cleanup` knows.
#[track_caller]
fn answers(node: &Node, user: &str, words: &str, advice: &str) {
    for os in ["", "os = \"linux\"\n", "os = \"windows\"\n"] {
        for sudo in ["", "sudo = true\n"] {
            let entry = format!("{}user = \"{user}\"\n{os}{sudo}", node.entry("node", "good"));
            let site = Site::new(&node.known_line(), &[entry]);
            let ran = site.run(&[]);
            ran.expect(Outcome::ShellRefused, CleanUpResult::NotNeeded, 3);
            let row = ran.row();
            let message = row.message.as_deref().unwrap();
            // Its answer to the scripts for Windows does not matter.
            if !os.contains("windows") {
                assert!(message.contains(words) && !message.contains('\u{1b}'), "{message}");
                assert!(row.hint.as_deref().unwrap().contains(advice), "{row:?}");
            }
            assert!(row.touched.is_none(), "{row:?}");
            assert_eq!(site.collector("cleanup").status().unwrap().code(), Some(0));
            assert_eq!(without_a_journal(&site), Some(0));
        }
    }
    assert_eq!(node.traces(), [""; 0]);
}

#[test]
fn a_shell_that_runs_nothing_is_quoted() {
    let logins = [
        ("nologin", "/usr/sbin/nologin", AGELESS),
        ("false", "/bin/false", AGELESS),
        ("true", "/bin/true", AGELESS),
        ("restricted", "/bin/rbash", AGELESS),
        ("other", "/bin/cat", AGELESS),
    ];
    let node = node(&logins, "");
    answers(&node, "nologin", "This account is currently not available.", "usermod -s");
    answers(&node, "false", "exit status 1", "false");
    answers(&node, "true", "exit status 0", "true");
    answers(&node, "restricted", "restricted", "unrestricted");
    answers(&node, "other", "invalid option", "passwd");
}

#[test]
fn a_password_that_is_to_be_changed_is_said() {
    let node = node(&[("expired", "/bin/sh", "0:0:99999:7")], "UsePAM yes");
    answers(&node, "expired", "Password change required but no TTY available.", "chage");
}

#[test]
fn what_a_key_or_the_server_forces_is_quoted() {
    for (force, words, advice) in [
        ("internal-sftp", "This service allows sftp connections only.", "copy files"),
        (
            "echo -e 'Please login as the user \"ubuntu\" rather than the user \"root\".\\r\\n'; exit 142",
            "\"ubuntu\"",
            "user = \"ubuntu\"",
        ),
        ("printf '\\033[31mBreak glass first'; exit 3", "Break glass first", "ForceCommand"),
        ("echo \"not allowed: $SSH_ORIGINAL_COMMAND\" >&2; exit 1", "not allowed: …", "ForceCommand"),
        ("exit 0", "exit status 0", "ForceCommand"),
    ] {
        let node = Node::unusual(&Unusual { config: &format!("ForceCommand {force}"), ..Unusual::default() });
        answers(&node, "root", words, advice);
    }
    let node = Node::unusual(&Unusual { config: "MaxSessions 0", ..Unusual::default() });
    answers(&node, "root", "session", "MaxSessions");
}

#[test]
fn a_shell_that_hides_what_it_runs_has_run_it() {
    let node = Node::unusual(&Unusual {
        config: "ForceCommand eval \"$SSH_ORIGINAL_COMMAND\" >/dev/null 2>&1",
        ..Unusual::default()
    });
    let entry = format!("{}os = \"linux\"\n", node.entry("node", "good"));
    let site = Site::new(&node.known_line(), &[entry]);
    let ran = site.run(&[]);
    // The folder was made, and nobody is told whether it is gone.
    ran.expect(Outcome::ShellRefused, CleanUpResult::Failed, 3);
    assert_eq!(site.collector("cleanup").status().unwrap().code(), Some(3));
}

#[test]
fn a_visit_that_left_something_is_not_forgotten_when_the_shell_is_taken_away() {
    let node = node(&[("nologin", "/usr/sbin/nologin", AGELESS)], "");
    let entry = format!("{}user = \"nologin\"\n", node.entry("node", "good"));
    let site = Site::new(&node.known_line(), &[entry]);
    fs::create_dir(site.path("out")).unwrap();
    for state in ["started", "made", "left"] {
        let folder = "assay-20261122T101500Z-0123456789abcdef-0123456789abcdef";
        let line = format!(
            r#"{{"time":"2026-11-22T10:15:00Z","node":"node","folder":"{folder}","state":"{state}"}}"#
        );
        fs::write(site.path("out/journal.jsonl"), line + "\n").unwrap();
        assert_eq!(site.collector("cleanup").status().unwrap().code(), Some(3), "{state}");
    }
}
