//! Ctrl-C, a second Ctrl-C, and a crash: what is on the nodes is removed then, or by `assay cleanup` afterwards.

use std::process::{Child, Command, Stdio};

use assay_report::{CleanUpResult, Outcome};

use crate::node::{Node, Site, wait_until};

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// A run of three nodes one after the other, the second of which hangs with everything uploaded.
fn hanging(node: &Node) -> (Site, Child) {
    let entries = [node.entry("a", "good"), node.entry("b", "hang"), node.entry("c", "good")];
    let site = Site::new(&node.known_line(), &entries);
    let mut command = site.run_command(&["--concurrency", "1"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the second visit", || {
        let journal = std::fs::read_to_string(site.path("out/journal.jsonl")).unwrap_or_default();
        journal.lines().any(|line| line.contains("\"b\"") && line.contains("made"))
            && node.traces().iter().any(|folder| std::fs::exists(format!("{folder}/SHA256SUMS")).unwrap())
    });
    (site, child)
}

#[test]
fn a_signal_stops_cleans_up_and_reports() {
    for name in ["-INT", "-TERM", "-HUP"] {
        let node = Node::start();
        let (site, child) = hanging(&node);
        signal(&child, name);
        let ran = site.read(&child.wait_with_output().unwrap());
        assert_eq!(ran.exit, 3, "{}", ran.stderr);
        let outcomes: Vec<_> =
            ran.report.nodes.iter().map(|row| (row.outcome, row.clean_up.result)).collect();
        // Either of the other two may have come before it.
        assert_eq!(outcomes[1], (Outcome::Interrupted, CleanUpResult::Removed), "{name}");
        let verified = (Outcome::Verified, CleanUpResult::Removed);
        let never = (Outcome::Interrupted, CleanUpResult::NotNeeded);
        assert!(
            [outcomes[0], outcomes[2]].iter().all(|one| [verified, never].contains(one)),
            "{name}: {outcomes:?}"
        );
        assert_eq!(node.traces(), [""; 0]);
        assert_eq!(site.node_report("a").is_some(), outcomes[0] == verified);
        assert!(site.node_report("b").is_none());
    }
}

#[test]
fn what_a_crash_leaves_cleanup_removes() {
    let node = Node::start();
    let (site, mut child) = hanging(&node);
    signal(&child, "-KILL");
    child.wait().unwrap();
    assert_eq!(node.traces().len(), 1);

    // A site file without the node does not prove that the node is clean.
    let site_file = std::fs::read_to_string(site.path("site.toml")).unwrap();
    std::fs::write(site.path("site.toml"), site_file.replace("\"b\"", "\"bb\"")).unwrap();
    assert_eq!(site.collector("cleanup").status().unwrap().code(), Some(3));
    assert_eq!(node.traces().len(), 1);

    std::fs::write(site.path("site.toml"), site_file).unwrap();
    assert_eq!(site.collector("cleanup").status().unwrap().code(), Some(0));
    assert_eq!(node.traces(), [""; 0]);
    let logins = node.logins();
    assert_eq!(site.collector("cleanup").status().unwrap().code(), Some(0));
    assert_eq!(node.logins(), logins, "nothing is left, so nobody is asked");
}

/// `assay cleanup` without a journal.
fn without_a_journal(site: &Site) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.arg("cleanup").arg("--site").arg(site.path("site.toml")).env("HOME", site.folder.path());
    command
}

#[test]
fn without_a_journal_cleanup_removes_whatever_is_ours_and_no_longer_runs() {
    let node = Node::start();
    let (site, mut child) = hanging(&node);
    assert_eq!(without_a_journal(&site).status().unwrap().code(), Some(3));
    assert_eq!(node.traces().len(), 1, "a visit that runs is another's");
    signal(&child, "-KILL");
    child.wait().unwrap();
    assert_eq!(node.traces().len(), 1);
    // Two folders do not say who visits: nothing runs in one, something runs in the other.
    let [nobodys, anybodys] = ["a", "b"]
        .map(|letter| format!("/run/assay-20260101T000000Z-{}-{}", letter.repeat(16), letter.repeat(16)));
    node.inside(&format!(
        "mkdir -p /var/tmp/assay-notes {nobodys} {anybodys}; cd {anybodys}; sleep 1000 </dev/null >/dev/null 2>&1 &"
    ));
    let connection = "! grep -qs '[s]shd: root@' /proc/[0-9]*/cmdline && echo ended || true";
    wait_until("the connection's end", || node.inside(connection) == "ended\n");
    assert_eq!(without_a_journal(&site).status().unwrap().code(), Some(3));
    let left = node.inside("ls -d /run/assay-* /var/tmp/assay-*");
    assert_eq!(
        left,
        format!("{anybodys}\n/var/tmp/assay-notes\n"),
        "only the names that visits give are ours"
    );
    node.kill(|program, _| program.ends_with("/sleep"));
    assert_eq!(without_a_journal(&site).status().unwrap().code(), Some(0));
    assert_eq!(node.traces(), [""; 0]);
}
