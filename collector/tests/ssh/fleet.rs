//! Many nodes: which are visited, what is told to programs, and what a second run goes on with.

use std::fs;

use assay_shared::report::{CleanUpResult, ExitCode, Outcome, SiteReport};
use serde_json::Value;

use crate::node::{Node, Ran, Site, free_port};

/// A control plane and two workers on one sshd, and a third worker that nobody answers for.
fn site(node: &Node) -> Site {
    let role = |entry: String, role: &str| format!("{entry}roles = [\"{role}\"]\n");
    let dead = node.entry("w-3", "good").replace(&node.port.to_string(), &free_port().to_string());
    let entries = [
        role(node.entry("c-1", "good"), "control-plane"),
        role(node.entry("w-1", "good"), "worker"),
        role(node.entry("w-2", "good"), "worker"),
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
    // nothing to go on with is no mistake
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

    // other inputs, other results
    fs::write(site.path("bundle.tar"), "another bundle").unwrap();
    let third = site.run(&["--resume"]);
    assert_eq!((rows(&third), node.logins()), (rows(&second), 6));
    assert_ne!(third.report.run.id, first.report.run.id);

    // and without --resume everything is new
    let fourth = site.run(&[]);
    assert_eq!((rows(&fourth), node.logins()), (rows(&second), 9));
    assert_eq!(fourth.report.selection, None);
    assert_eq!(node.traces(), [""; 0]);
}

#[test]
fn only_some_nodes() {
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
