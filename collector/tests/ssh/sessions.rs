//! Nodes and jump hosts that allow one session a connection, or none.

use std::fs;

use assay_report::{CleanUpResult, Outcome};

use crate::node::{Node, Site, Unusual, wait_until};

const ONE: &str = "MaxSessions 1";

/// Twenty nodes that are one machine, with a line more each.
fn twenty(node: &Node, line: &str) -> Vec<String> {
    (0..20).map(|number| node.entry(&format!("node-{number:02}"), &format!("good-{number}")) + line).collect()
}

#[test]
fn one_session_a_connection_is_enough_for_every_step() {
    let config = |config| Node::unusual(&Unusual { config, ..Unusual::default() });
    let (gate, node) = (config(ONE), config(ONE));
    fs::copy(node.path("authorized_keys"), gate.path("authorized_keys")).unwrap();
    let known = format!("{}{}", gate.known_line(), node.known_line());
    let jump = format!("jump = \"root@127.0.0.1:{}\"\n", gate.port);
    for line in ["", &jump] {
        let ran = Site::new(&known, &twenty(&node, line)).run(&[]);
        assert_eq!(ran.report.nodes.len(), 20);
        for row in &ran.report.nodes {
            assert_eq!(row.outcome, Outcome::Verified, "{}: {:?}", row.name, row.message);
            assert_eq!(row.clean_up.result, CleanUpResult::Removed, "{}: {:?}", row.name, row.clean_up);
        }
        assert_eq!(ran.exit, 0, "{}", ran.stderr);
    }
    assert_eq!((gate.logins(), node.traces()), (1, Vec::new()));
}

#[test]
fn a_command_that_keeps_the_only_session_does_not_keep_the_clean_up_out() {
    let node = Node::unusual(&Unusual { config: ONE, ..Unusual::default() });
    let site = Site::of(&node, "hang");
    let collector = site.run_command(&[]).spawn().unwrap();
    wait_until("the agent", || {
        !node.traces().is_empty() && !node.inside("pgrep -f '[a]gent verify' || true").is_empty()
    });
    let stop = std::process::Command::new("kill").args(["-INT", &collector.id().to_string()]).status();
    assert!(stop.unwrap().success());
    let ran = site.read(&collector.wait_with_output().unwrap());
    assert_eq!(ran.row().outcome, Outcome::Interrupted);
    assert_eq!(ran.row().clean_up.result, CleanUpResult::Removed, "{:?}", ran.row().clean_up);
    assert_eq!(node.traces(), [""; 0]);
}

#[test]
fn no_session_at_all_is_an_error_and_no_loop() {
    let node = Node::unusual(&Unusual { config: "MaxSessions 0", ..Unusual::default() });
    for os in ["", "os = \"linux\"\n"] {
        let ran = Site::new(&node.known_line(), &[node.entry("node", "good") + os]).run(&[]);
        ran.expect(Outcome::ShellRefused, CleanUpResult::NotNeeded, 3);
    }
    assert_eq!(node.logins(), 2);
    // A jump host needs no session.
    let inner = Node::start();
    fs::copy(inner.path("authorized_keys"), node.path("authorized_keys")).unwrap();
    let jump = format!("jump = \"root@127.0.0.1:{}\"\n", node.port);
    let known = format!("{}{}", node.known_line(), inner.known_line());
    let ran = Site::new(&known, &[inner.entry("node", "good") + &jump]).run(&[]);
    ran.expect(Outcome::Verified, CleanUpResult::Removed, 0);
}
