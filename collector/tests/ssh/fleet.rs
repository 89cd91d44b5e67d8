//! Many nodes: which are visited, what is told to programs, and what a second run goes on with.

use std::fs;

use assay_report::{CleanUpResult, ExitCode, Outcome, SiteReport};
use serde_json::Value;

use crate::node::{Node, Ran, Site, fingerprint, free_port, wait_until};

/// A control plane and two workers on one sshd, and a third worker that nobody answers for.
fn site(node: &Node) -> Site {
    let role = |entry: String, role: &str| format!("{entry}roles = [\"{role}\"]\n");
    let dead = node.entry("w-3", "good").replace(&node.port.to_string(), &free_port().to_string());
    let entries = [
        role(node.entry("c-1", "good-1"), "control-plane"),
        role(node.entry("w-1", "good-2"), "worker"),
        role(node.entry("w-2", "good-3"), "worker"),
        role(dead, "worker"),
    ];
    Site::new(&node.known_line(), &entries)
}

fn rows(ran: &Ran) -> Vec<(&str, Outcome)> {
    ran.report.nodes.iter().map(|row| (row.name.as_str(), row.outcome)).collect()
}

#[test]
fn a_run_goes_on_where_the_last_one_ended() {
    use Outcome::{Unreachable, Verified};
    let node = Node::start();
    let site = site(&node);
    // It is not an error if there is nothing to resume.
    let first = site.run(&["--resume", "--limit", "2"]);
    assert_eq!(rows(&first), [("c-1", Verified), ("w-1", Verified)]);
    assert_eq!((first.exit, node.logins()), (0, 2));
    assert_eq!(first.report.selection.as_ref().unwrap().of, 4);

    let second = site.run(&["--resume"]);
    assert_eq!(
        rows(&second),
        [("c-1", Verified), ("w-1", Verified), ("w-2", Verified), ("w-3", Unreachable)]
    );
    assert_eq!((second.exit, node.logins()), (3, 3), "only what has no result is visited");
    assert_eq!(second.report.run.id, first.report.run.id);
    assert_eq!(second.report.run.started, first.report.run.started);
    assert_eq!(second.report.nodes[..2], first.report.nodes[..]);
    assert!(
        second
            .report
            .nodes
            .iter()
            .all(|row| row.report.as_ref().is_none_or(|own| own.run.id == first.report.run.id))
    );

    // Other inputs give other results.
    site.write_bundle("another bundle");
    let third = site.run(&["--resume"]);
    assert_eq!((rows(&third), node.logins()), (rows(&second), 6));
    assert_ne!(third.report.run.id, first.report.run.id);

    // Without --resume everything is new.
    let fourth = site.run(&[]);
    assert_eq!((rows(&fourth), node.logins()), (rows(&second), 9));
    assert_eq!(fourth.report.selection, None);
    assert_eq!(node.traces(), [""; 0]);
}

/// Several stores of one machine are looked at on purpose, under one address; anything else is a mistake in the site file, or
/// a copy of a machine.
#[test]
fn two_rows_of_one_machine_are_a_finding() {
    let (node, other) = (Node::start(), Node::start());
    let known = format!("{}{}", node.known_line(), other.known_line());
    let named = |entry: String| entry.replace("127.0.0.1", "localhost");
    let pin = fingerprint(&node.path("host_ed25519.pub"));
    let pinned = |entry: String| format!("{entry}host_key = \"{pin}\"\n");
    for (entries, found) in [
        ([node.entry("a", "good-1"), node.entry("b", "good-2")], None),
        ([node.entry("a", "good"), other.entry("b", "good")], None),
        ([node.entry("a", "good"), node.entry("b", "good")], Some((false, true))),
        ([node.entry("a", "good-1"), pinned(named(node.entry("b", "good-2")))], Some((false, true))),
        ([node.entry("a", "same-machine-1"), node.entry("b", "same-machine-2")], None),
        ([node.entry("a", "same-machine-1"), other.entry("b", "same-machine-1")], Some((true, false))),
    ] {
        let site = Site::new(&known, &entries);
        let ran = site.run(&[]);
        assert_eq!(rows(&ran), [("a", Outcome::Verified), ("b", Outcome::Verified)], "{}", ran.stderr);
        assert_eq!(ran.exit, if found.is_some() { 3 } else { 0 }, "{entries:?}");
        for (row, other) in ran.report.nodes.iter().zip(["b", "a"]) {
            let same = row.same_machine.as_ref();
            assert_eq!(same.map(|same| (same.machine_id, same.host_key)), found, "{entries:?}");
            assert!(same.is_none_or(|same| same.nodes == [other]));
        }
        let junit = fs::read_to_string(site.path("out/junit.xml")).unwrap();
        assert_eq!(junit.matches("type=\"same-machine\"").count(), if found.is_some() { 2 } else { 0 });
        // Results that are taken over are compared too.
        if found.is_some() {
            let again = site.run(&["--resume"]);
            assert_eq!((again.exit, &again.report.nodes), (3, &ran.report.nodes));
        }
    }
}

#[test]
fn a_result_is_taken_over_only_where_the_node_is_still_the_same() {
    let (node, other) = (Node::start(), Node::start());
    let site = Site::of(&node, "good");
    assert_eq!(site.run(&[]).exit, 0);
    let logins = || node.logins() + other.logins();
    let entry = fs::read_to_string(site.path("site.toml")).unwrap();
    let mut visits = logins();
    let mut visited = |change: &dyn Fn(&str) -> String, options: &[&str]| {
        fs::write(site.path("site.toml"), change(&entry)).unwrap();
        let ran = site.run(&[&["--resume"], options].concat());
        assert_eq!(ran.exit, 0, "{}", ran.stderr);
        let before = std::mem::replace(&mut visits, logins());
        visits - before
    };
    let same = |entry: &str| entry.to_owned();
    let pin = fingerprint(&node.path("host_ed25519.pub"));
    let pinned = |entry: &str| format!("{entry}host_key = \"{pin}\"\n");
    assert_eq!(visited(&same, &[]), 0);
    assert_eq!(visited(&pinned, &[]), 1, "another host key is demanded");
    assert_eq!(visited(&pinned, &[]), 0);
    let elsewhere = |entry: &str| {
        let other = other.entry("node", "good");
        entry.split("[[node]]").next().unwrap().to_owned() + &other
    };
    fs::write(site.path("known_hosts"), format!("{}{}", node.known_line(), other.known_line())).unwrap();
    assert_eq!(visited(&elsewhere, &[]), 1, "another address");
    assert_eq!(visited(&same, &[]), 1);
    let user = |entry: &str| format!("{entry}user = \"root\"\n");
    assert_eq!(visited(&user, &[]), 1, "another login");
    assert_eq!(visited(&user, &["--resume-within", "1h"]), 0);
    // A result that is taken over keeps its time.
    wait_until("the result is too old", || visited(&user, &["--resume-within", "1s"]) == 1);
    for nonsense in ["soon", "0", "-1h", ""] {
        let code =
            site.run_command(&["--resume", "--resume-within", nonsense]).output().unwrap().status.code();
        assert_eq!(code, Some(2), "{nonsense}");
    }
    // The entry is the same, and the key is no longer known for the node.
    fs::write(site.path("known_hosts"), other.known_line()).unwrap();
    let ran = site.run(&["--resume"]);
    assert_eq!(ran.row().outcome, Outcome::HostKeyUnknown);
}

#[test]
fn only_the_nodes_that_are_named_are_visited() {
    let node = Node::start();
    let site = site(&node);
    let ran = site.run(&["--only", "w-1", "--only", "control-plane"]);
    assert_eq!(rows(&ran), [("c-1", Outcome::Verified), ("w-1", Outcome::Verified)]);
    assert_eq!((ran.exit, node.logins()), (0, 2));
    let selection = ran.report.selection.unwrap();
    assert_eq!(
        (selection.only, selection.limit, selection.of),
        (vec!["w-1".into(), "control-plane".into()], None, 4)
    );
    assert_eq!(site.run_command(&["--only", "w-4"]).output().unwrap().status.code(), Some(2));
}

#[test]
fn a_dry_run_touches_nothing() {
    let node = Node::start();
    let site = site(&node);
    let output = site.run_command(&["--dry-run"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    for name in
        ["c-1", "w-1", "w-2", "w-3", "bundle.tar", &format!("root@[127.0.0.1]:{}", node.port), "refused"]
    {
        assert!(text.contains(name), "{name}\n{text}");
    }
    assert_eq!(node.logins(), 0);
    assert!(!site.path("out").exists());
}

#[test]
fn programs_are_told_what_happens() {
    let node = Node::start();
    let site = site(&node);
    let output = site.run_command(&["--json-lines", "-q", "--retries", "1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events = |name: &str| lines.iter().filter(|line| line["event"] == name).cloned().collect::<Vec<_>>();
    assert_eq!(lines[0]["event"], "run-started");
    assert_eq!((lines[0]["schema"].as_str(), lines[0]["nodes"].as_u64()), (Some("assay/events/v1"), Some(4)));
    assert_eq!(events("node-started").len(), 5);
    let retried = events("node-retried");
    assert_eq!((retried.len(), retried[0]["node"].as_str()), (1, Some("w-3")));
    let finished = events("node-finished");
    assert_eq!(finished.len(), 4);
    for line in &finished {
        let dead = line["node"] == "w-3";
        assert_eq!(line["outcome"], if dead { "unreachable" } else { "verified" });
        assert_eq!(line["verdict"], if dead { "incomplete" } else { "passed" });
        assert_eq!(line["attempts"], if dead { 2 } else { 1 });
        assert_eq!(line["images"]["passed"].as_u64(), (!dead).then_some(1));
        assert_eq!(line["clean_up"]["result"], if dead { "not-needed" } else { "removed" });
    }
    let last = lines.last().unwrap();
    assert_eq!((last["event"].as_str(), last["exit_code"].as_u64()), (Some("run-finished"), Some(3)));
    let report: SiteReport = site.read(&output).report;
    assert_eq!(report.verdict, ExitCode::Incomplete);
    assert_eq!((last["run"].as_str(), last["verified"].as_u64()), (Some(report.run.id.as_str()), Some(3)));
    assert!(report.nodes.iter().all(|row| row.clean_up.result != CleanUpResult::Unknown));
}
