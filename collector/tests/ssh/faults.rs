//! Never lost, never left: every step of a visit is cut in turn, nodes and agents fail in every way, and the collector itself is
//! stopped and killed. Each node has the right row, nothing is left on any, and the others are not concerned.
//!
//! The table is printed: `cargo test -p assay --test ssh faults -- --nocapture`.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use assay_report::{CleanUpResult, NodeRow, Outcome};

use crate::link::{Breaks, Link};
use crate::node::{Node, Site, Unusual, wait_until};
use crate::program::finish;

/// Stands before every command on a node, and halts at the step that the file `halt` names, once: it says so by `halted` and
/// goes on when that is gone.
const STEPS: &str = r#"#!/bin/sh
halt() {
  [ "$(cat /mnt/halt 2>/dev/null)" = "$1" ] || return
  rm /mnt/halt
  : > /mnt/halted
  while [ -e /mnt/halted ]; do sleep 0.05; done
}
if [ "$1" = login ]; then halt login; cat /mnt/keys; exit; fi
case $1 in
  *assay-shell*) s=question;;
  *assay-node*) s=prepare;;
  *assay-uploaded*) s=upload;;
  *assay-report-*) s=run;;
  *) s=clean-up;;
esac
halt "before $s"
(eval "$1")
r=$?
halt "after $s"
exit $r
"#;

/// The commands are wrapped, and so is the look-up of authorized keys.
const CONFIG: &str = "ForceCommand exec /mnt/steps \"$SSH_ORIGINAL_COMMAND\"\nAuthorizedKeysCommand /mnt/steps login\nAuthorizedKeysCommandUser root";

/// What happens to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Nothing; the node itself is unusual, or its agent is.
    None,
    /// The link breaks there by itself.
    Breaks(Breaks),
    /// The link is cut and can be made again.
    Cut,
    /// The link is cut and stays so for the rest of the run.
    Down,
    /// Agents on the node are killed.
    AgentKilled,
    /// The sshd process of the connection is killed.
    SessionKilled,
    /// The node is restarted, and its memory is empty.
    Reboot,
}

/// One line of the table.
struct Case {
    what: &'static str,
    /// The step to halt at for the fault; a step of [`STEPS`], or `agent` for what the stand-in does.
    halt: &'static str,
    fault: Fault,
    agent: &'static str,
    mounts: &'static str,
    want: (Outcome, CleanUpResult),
    /// What becomes of it where a second try is allowed.
    again: Outcome,
}

const NO_ROOM: &str = "for d in /run /var/tmp /tmp /root; do mount -t tmpfs -o size=64k tmpfs $d; done";
const FEW_INODES: &str =
    "for d in /run /var/tmp /tmp /root; do mount -t tmpfs -o size=1g,nr_inodes=4 tmpfs $d; done";
const READ_ONLY: &str =
    "mkdir -p /run/sshd; for d in /run /var/tmp /tmp /root; do mount -o remount,ro $d; done";
const TMP_READ_ONLY: &str = "for d in /var/tmp /tmp; do mount -o remount,ro $d; done";
const NO_EXEC: &str = "for d in /run /var/tmp /tmp /root; do mount -o remount,noexec $d; done";
const RUN_NO_EXEC: &str = "mount -o remount,noexec /run; mount -o remount,noexec /tmp";
const CLOCK_BEHIND: &str = "mount -t tmpfs -o mode=755 tmpfs /usr/local/bin
    printf '#!/bin/sh\\necho $(($(/bin/date +%%s) - 90000))\\n' > /usr/local/bin/date; chmod 755 /usr/local/bin/date";

#[rustfmt::skip]
fn cases() -> Vec<Case> {
    use CleanUpResult::{NotNeeded, Removed, Unknown};
    use Outcome::{AgentFailed, TimedOut, Unreachable, UploadFailed, Verified};
    let link = |what, halt, fault, clean_up| Case {
        what, halt, fault, agent: "good", mounts: "", want: (Unreachable, clean_up), again: Verified,
    };
    let node = |what, mounts, outcome, clean_up| Case {
        what, halt: "", fault: Fault::None, agent: "good", mounts, want: (outcome, clean_up), again: outcome,
    };
    let agent = |what, agent, fault, outcome, again| Case {
        what, halt: "", fault, agent, mounts: "", want: (outcome, Removed), again,
    };
    vec![
        link("link lost when it is made", "", Fault::Breaks(Breaks::AtOnce), NotNeeded),
        link("link lost in the key exchange", "", Fault::Breaks(Breaks::FromNode(100)), NotNeeded),
        link("link lost in the login", "login", Fault::Cut, NotNeeded),
        link("link lost before the folder is made", "before prepare", Fault::Cut, NotNeeded),
        link("link lost when the folder is made", "after prepare", Fault::Cut, Removed),
        link("link lost before the upload", "before upload", Fault::Cut, Removed),
        link("link lost in the upload", "", Fault::Breaks(Breaks::ToNode(300 << 10)), Removed),
        link("link lost after the upload", "after upload", Fault::Cut, Removed),
        link("link lost before the agent runs", "before run", Fault::Cut, Removed),
        Case { agent: "halt", ..link("link lost while the agent runs", "", Fault::Cut, Removed) },
        Case { agent: "large", ..link("link lost in the report", "", Fault::Breaks(Breaks::FromNode(512 << 10)), Removed) },
        link("link lost after the agent has run", "after run", Fault::Cut, Removed),
        Case { want: (Verified, Removed), ..link("link lost before the clean-up", "before clean-up", Fault::Cut, Removed) },
        Case { want: (Verified, Removed), ..link("link lost after the clean-up", "after clean-up", Fault::Cut, Removed) },
        Case { again: Unreachable, ..link("link lost for good before the upload", "before upload", Fault::Down, Unknown) },
        Case { agent: "halt", again: Unreachable, ..link("link lost for good while the agent runs", "", Fault::Down, Unknown) },
        agent("agent killed", "halt", Fault::AgentKilled, AgentFailed, AgentFailed),
        agent("agent hangs", "hang", Fault::None, TimedOut, TimedOut),
        agent("sshd's process killed while the agent runs", "halt", Fault::SessionKilled, Unreachable, Verified),
        agent("node restarted while the agent runs", "halt", Fault::Reboot, Unreachable, Verified),
        node("disk full", NO_ROOM, UploadFailed, NotNeeded),
        node("disk full in the upload", FEW_INODES, UploadFailed, Removed),
        node("every place read-only", READ_ONLY, UploadFailed, NotNeeded),
        node("/tmp and /var/tmp read-only", TMP_READ_ONLY, Verified, Removed),
        node("every place noexec", NO_EXEC, AgentFailed, NotNeeded),
        node("/run and /tmp noexec", RUN_NO_EXEC, Verified, Removed),
        node("clock a day behind", CLOCK_BEHIND, Verified, Removed),
        node("nothing the matter", "", Verified, Removed),
    ]
}

/// A node of the table, with what is in front of it.
struct Stage {
    node: Mutex<Node>,
    link: Link,
    folder: std::path::PathBuf,
}

impl Stage {
    fn set(mounts: &str, breaks: Breaks) -> Self {
        let node = Node::unusual(&Unusual {
            config: CONFIG,
            mounts,
            scripts: &[("steps", STEPS)],
            ..Unusual::default()
        });
        fs::copy(node.path("authorized_keys"), node.path("keys")).unwrap();
        fs::write(node.path("authorized_keys"), "").unwrap();
        Self { link: Link::to(node.port, breaks), folder: node.path(""), node: Mutex::new(node) }
    }

    fn halt_at(&self, step: &str) {
        fs::write(self.folder.join("halt"), step).unwrap();
    }

    fn is_halted(&self) -> bool {
        self.folder.join("halted").exists()
    }

    fn go_on(&self) {
        // It may have continued already.
        let _ = fs::remove_file(self.folder.join("halted"));
        let _ = fs::remove_file(self.folder.join("halt"));
    }

    fn entry(&self, name: &str, agent: &str) -> String {
        self.node.lock().unwrap().entry_through(self.link.port, name, agent)
    }

    fn known_line(&self) -> String {
        self.node.lock().unwrap().known_line_through(self.link.port)
    }

    /// Waits for the halt and lets the fault happen; gives up when the run is over.
    fn play(&self, fault: Fault, over: &AtomicBool) {
        while !self.is_halted() {
            if over.load(Ordering::SeqCst) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        match fault {
            Fault::None | Fault::Breaks(_) => {}
            // The command that halts does not notice.
            Fault::Cut | Fault::Down => {
                self.link.cut(fault == Fault::Cut);
                while !over.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
            Fault::AgentKilled => self.node.lock().unwrap().kill(|exe, _| exe.ends_with("/assay-agent")),
            Fault::SessionKilled => self.node.lock().unwrap().kill(|_, name| name.starts_with("sshd: root")),
            Fault::Reboot => self.node.lock().unwrap().restart(),
        }
        self.go_on();
    }
}

/// Plays every case once, in one run, and gives the rows in the cases' order.
fn play(cases: &[Case], stages: &[Stage], site: &Site, retries: &str) -> Vec<NodeRow> {
    for (case, stage) in cases.iter().zip(stages) {
        stage.link.repair();
        stage.go_on();
        if !case.halt.is_empty() {
            stage.halt_at(case.halt);
        } else if case.agent == "halt" {
            stage.halt_at("agent");
        }
    }
    let over = AtomicBool::new(false);
    let options = ["--retries", retries, "--concurrency", "8", "--time-limit", "20", "--connect-limit", "60"];
    let ran = std::thread::scope(|scope| {
        for (case, stage) in cases.iter().zip(stages) {
            let over = &over;
            scope.spawn(move || stage.play(case.fault, over));
        }
        let ran = site.run(&options);
        over.store(true, Ordering::SeqCst);
        ran
    });
    assert_eq!(ran.exit, 3, "{}", ran.stderr);
    assert_eq!(ran.report.nodes.len(), cases.len());
    ran.report.nodes
}

#[test]
fn every_fault_costs_its_own_node_alone() {
    let cases = cases();
    let breaks = |fault| if let Fault::Breaks(breaks) = fault { breaks } else { Breaks::Never };
    let stages: Vec<Stage> = cases.iter().map(|case| Stage::set(case.mounts, breaks(case.fault))).collect();
    let entries: Vec<String> = cases
        .iter()
        .zip(&stages)
        .enumerate()
        .map(|(number, (case, stage))| stage.entry(&format!("n-{number:02}"), case.agent))
        .collect();
    let known: String = stages.iter().map(Stage::known_line).collect();
    let site = Site::new(&known, &entries);

    let mut wrong = Vec::new();
    let first = play(&cases, &stages, &site, "0");
    check_left(&cases, &stages, &first, &site, &mut wrong);
    let second = play(&cases, &stages, &site, "1");
    check_left(&cases, &stages, &second, &site, &mut wrong);

    println!("| fault | outcome | clean-up | with one retry |\n|---|---|---|---|");
    for (case, (one, two)) in cases.iter().zip(first.iter().zip(&second)) {
        println!(
            "| {} | {} | {:?} | {}, {} tries |",
            case.what,
            one.outcome.as_str(),
            one.clean_up.result,
            two.outcome.as_str(),
            two.attempts
        );
        if (one.outcome, one.clean_up.result, one.attempts) != (case.want.0, case.want.1, 1) {
            wrong.push(format!(
                "{}: want {:?}, {:?}",
                case.what,
                case.want,
                (one.outcome, &one.message, &one.clean_up)
            ));
        }
        // A fault that may pass is tried again, unless something may be left on the node.
        let tries =
            if case.want.0 == Outcome::Unreachable && case.want.1 != CleanUpResult::Unknown { 2 } else { 1 };
        if (two.outcome, two.attempts) != (case.again, tries) {
            wrong.push(format!(
                "{}, again: want {:?}, {:?}",
                case.what,
                (case.again, tries),
                (two.outcome, &two.message, two.attempts)
            ));
        }
    }
    let skew =
        first.iter().zip(&cases).find(|(_, case)| case.mounts == CLOCK_BEHIND).map(|(row, _)| row).unwrap();
    let judged = skew.report.as_ref().unwrap().run.verified_at;
    assert!(skew.clock_skew.is_some_and(|skew| (-90_600..-89_400).contains(&skew)), "{:?}", skew.clock_skew);
    assert!(
        skew.started.unwrap() <= judged && judged <= skew.finished.unwrap(),
        "judged by this machine's clock"
    );
    assert!(skew.message.is_some() && skew.hint.is_some());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Nothing is left on any node but where nobody could be asked, and there `assay cleanup` sees to it.
fn check_left(cases: &[Case], stages: &[Stage], rows: &[NodeRow], site: &Site, wrong: &mut Vec<String>) {
    let mut left = false;
    for ((case, stage), row) in cases.iter().zip(stages).zip(rows) {
        let traces = stage.node.lock().unwrap().traces();
        let unknown = row.clean_up.result == CleanUpResult::Unknown;
        left |= unknown;
        if traces.is_empty() == unknown {
            wrong.push(format!("{}: left {traces:?}", case.what));
        }
        stage.link.repair();
        stage.link.disarm();
    }
    if left {
        let output = site.collector("cleanup").output().unwrap();
        if output.status.code() != Some(0) {
            wrong.push(format!("cleanup: {}", String::from_utf8_lossy(&output.stderr)));
        }
    }
    for (case, stage) in cases.iter().zip(stages) {
        let traces = stage.node.lock().unwrap().traces();
        if !traces.is_empty() {
            wrong.push(format!("{}: left after the clean-up: {traces:?}", case.what));
        }
    }
}

/// The steps at which the collector is stopped and killed.
const HALTS: [&str; 10] = [
    "login",
    "before prepare",
    "after prepare",
    "before upload",
    "after upload",
    "before run",
    "agent",
    "after run",
    "before clean-up",
    "after clean-up",
];

/// A run in which a node halts at each step, once all of them do.
fn halted() -> (Vec<Stage>, Site, std::process::Child) {
    let stages: Vec<Stage> = HALTS.iter().map(|_| Stage::set("", Breaks::Never)).collect();
    let name = |number: usize| format!("n-{number:02}");
    let entries: Vec<String> =
        stages.iter().enumerate().map(|(number, stage)| stage.entry(&name(number), "halt")).collect();
    let known: String = stages.iter().map(Stage::known_line).collect();
    let site = Site::new(&known, &entries);
    stages.iter().zip(HALTS).for_each(|(stage, step)| stage.halt_at(step));
    let mut command = site.run_command(&["--concurrency", "16", "--connect-limit", "60"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("every node halts", || stages.iter().all(Stage::is_halted));
    (stages, site, child)
}

fn signal(child: &std::process::Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

fn traces(stages: &[Stage]) -> Vec<(&'static str, Vec<String>)> {
    let traces = stages.iter().zip(HALTS).map(|(stage, step)| (step, stage.node.lock().unwrap().traces()));
    traces.filter(|(_, traces)| !traces.is_empty()).collect()
}

#[test]
fn a_collector_that_is_stopped_at_any_step_leaves_nothing() {
    let (stages, site, child) = halted();
    signal(&child, "-TERM");
    // A slow node must not create the folder again after the clean-up.
    let is_clean_up_halted = |(step, _): &(&str, _)| *step == "before clean-up";
    wait_until("the others are cleaned up", || traces(&stages).iter().all(is_clean_up_halted));
    stages.iter().for_each(Stage::go_on);
    let ran = site.read(&child.wait_with_output().unwrap());
    assert_eq!(ran.exit, 3, "{}", ran.stderr);
    for (row, step) in ran.report.nodes.iter().zip(HALTS) {
        let verified = step.ends_with("clean-up");
        assert_eq!(row.outcome, if verified { Outcome::Verified } else { Outcome::Interrupted }, "{step}");
        let clean = matches!(row.clean_up.result, CleanUpResult::Removed | CleanUpResult::NotNeeded);
        assert!(clean, "{step}: {:?}", row.clean_up);
    }
    assert_eq!(traces(&stages), []);
}

#[test]
fn what_a_killed_collector_leaves_at_any_step_cleanup_removes() {
    let (stages, site, mut child) = halted();
    signal(&child, "-KILL");
    child.wait().unwrap();
    assert!(traces(&stages).len() >= 6, "{:?}", traces(&stages));
    // The nodes continue without the collector.
    stages.iter().for_each(Stage::go_on);
    let _ = finish(&mut site.collector("cleanup"), 0);
    assert_eq!(traces(&stages), []);
    // The next run finds the results that were written before the end.
    let ran = site.run(&["--resume"]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert!(ran.report.nodes.iter().all(|row| row.outcome == Outcome::Verified));
    assert_eq!(traces(&stages), []);
    assert!(Path::new(&site.path("out/visits")).is_dir());
}

#[test]
fn a_cleanup_without_a_journal_disturbs_no_visit_at_any_step() {
    let (stages, site, child) = halted();
    let mut cleanup = Command::new(env!("CARGO_BIN_EXE_assay"));
    cleanup.arg("cleanup").arg("--site").arg(site.path("site.toml")).env("HOME", site.folder.path());
    let _ = finish(&mut cleanup, 3);
    stages.iter().for_each(Stage::go_on);
    let ran = site.read(&child.wait_with_output().unwrap());
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    for (row, step) in ran.report.nodes.iter().zip(HALTS) {
        let came = (row.outcome, row.clean_up.result, row.attempts);
        assert_eq!(came, (Outcome::Verified, CleanUpResult::Removed, 1), "{step}");
    }
    assert_eq!(traces(&stages), []);
}
