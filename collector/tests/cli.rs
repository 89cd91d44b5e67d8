//! The subcommands that need no node.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use assay_report::{Outcome, SiteReport, WaiverState};
use tempfile::TempDir;

fn assay(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.args(arguments).env_remove("SSH_AUTH_SOCK").output().unwrap()
}

#[track_caller]
fn exits(code: i32, arguments: &[&str]) -> String {
    let output = assay(arguments);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{stderr}");
    stderr
}

fn path(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

fn node_report(run: &str, statuses: &[(&str, Option<&str>)]) -> String {
    let digest = |number: usize| format!("sha256:{number:064x}");
    let images: Vec<_> = statuses
        .iter()
        .enumerate()
        .map(|(number, (status, reason))| {
            serde_json::json!({
                "namespace": "", "references": ["registry.example.test/a:1"], "digest": digest(number),
                "media_type": "application/vnd.oci.image.manifest.v1+json", "size": 1, "platforms": [],
                "in_use": [], "status": status, "reason": reason, "message": null, "hint": null, "via": null,
                "policy": null, "signatures": [],
                "content": {"mode": "full", "checked": 1, "bytes": 1, "absent": 0, "mismatched": []},
                "rootfs": null
            })
        })
        .collect();
    let count = |wanted| statuses.iter().filter(|(status, _)| *status == wanted).count();
    serde_json::json!({
        "schema": "assay/node-report/v1",
        "run": {"id": run, "started": "2026-01-01T00:00:00Z", "finished": "2026-01-01T00:00:01Z",
                "verified_at": "2026-01-01T00:00:00Z"},
        "agent": {"version": "0", "target": "t", "sha256": null},
        "node": {"hostname": "h", "machine_id": null, "os": "linux", "architecture": "amd64", "containerd": null},
        "inputs": {"store": "layout:x", "trust_policy": {"sha256": "0"}, "trust_store": [], "bundles": [], "crls": []},
        "coverage": {"namespaces": [], "images": statuses.len(), "containers": 0, "unlisted": [], "unreadable": []},
        "images": images,
        "summary": {"passed": count("passed"), "failed": count("failed"), "skipped": count("skipped"),
                    "inconclusive": count("inconclusive")}
    })
    .to_string()
}

fn read(folder: &Path) -> SiteReport {
    serde_json::from_slice(&fs::read(folder.join("report.json")).unwrap()).unwrap()
}

#[test]
fn reports_that_came_another_way_give_the_same_files() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.json"), node_report("run", &[("passed", None)])).unwrap();
    fs::write(folder.path().join("b.json"), node_report("run", &[("failed", Some("no-signature"))])).unwrap();
    let (a, b, out) = (path(&folder, "a.json"), path(&folder, "b.json"), path(&folder, "out"));
    exits(0, &["report", &a, "--out", &out]);
    exits(1, &["report", &a, &b, "--out", &out]);
    let report = read(&folder.path().join("out"));
    assert_eq!(report.run.id, "run");
    let rows: Vec<_> = report.nodes.iter().map(|row| (row.name.as_str(), row.outcome)).collect();
    assert_eq!(rows, [("a", Outcome::Verified), ("b", Outcome::Verified)]);
    for file in [
        "junit.xml",
        "report.html",
        "report.sarif",
        "oscal-assessment-results.json",
        "metrics.prom",
        "report.csv",
        "nodes/a.json",
        "nodes/b.json",
        "junit/a.xml",
    ] {
        assert!(fs::metadata(folder.path().join("out").join(file)).unwrap().len() > 0, "{file}");
    }

    let first = fs::read(folder.path().join("out/report.json")).unwrap();
    exits(1, &["report", &b, &a, "--out", &out]);
    assert_eq!(first, fs::read(folder.path().join("out/report.json")).unwrap(), "equal files, equal reports");
    // What was written can be read again, also into the folder that it is in.
    let (a, b) = (path(&folder, "out/nodes/a.json"), path(&folder, "out/nodes/b.json"));
    exits(1, &["report", &a, &b, "--out", &out]);
    assert_eq!(first, fs::read(folder.path().join("out/report.json")).unwrap());
}

#[test]
fn an_earlier_report_says_what_changed_also_from_the_folder_that_is_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let (a, out) = (path(&folder, "a.json"), path(&folder, "out"));
    let earlier = path(&folder, "out/report.json");
    let failed = ("failed", Some("no-signature"));
    let write = |statuses: &[_]| fs::write(&a, node_report("run", statuses)).unwrap();
    let states = || {
        let log: serde_json::Value =
            serde_json::from_slice(&fs::read(folder.path().join("out/report.sarif")).unwrap()).unwrap();
        let results = log["runs"][0]["results"].as_array().unwrap().clone();
        results.iter().map(|result| result["baselineState"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    write(&[failed, ("passed", None)]);
    exits(1, &["report", &a, "--out", &out]);
    assert_eq!(states(), [None]);
    write(&[failed, failed]);
    exits(1, &["report", &a, "--out", &out, "--baseline", &earlier]);
    assert_eq!(states(), [Some("unchanged".to_owned()), Some("new".to_owned())]);
    let metrics = fs::read_to_string(folder.path().join("out/metrics.prom")).unwrap();
    assert!(metrics.contains("assay_changed_images{change=\"newly failing\"} 1\n"));
    assert!(fs::read_to_string(folder.path().join("out/report.html")).unwrap().contains("id=\"changes\""));
    // A file that is not a site report is refused before anything is written.
    for other in [a.as_str(), &path(&folder, "absent")] {
        exits(2, &["report", &a, "--out", &out, "--baseline", other]);
    }
    assert!(folder.path().join("out/report.json").exists());
}

#[test]
fn a_report_that_cannot_be_read_is_a_node_that_was_not_verified() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.json"), node_report("run", &[("passed", None)])).unwrap();
    fs::write(folder.path().join("bad.json"), "{}").unwrap();
    fs::write(folder.path().join("empty.json"), node_report("run", &[])).unwrap();
    let all: Vec<_> =
        ["a", "bad", "absent", "empty"].map(|name| path(&folder, &format!("{name}.json"))).into();
    let out = path(&folder, "out");
    exits(3, &["report", &all[0], &all[1], &all[2], &all[3], "--out", &out]);
    let report = read(&folder.path().join("out"));
    let rows: Vec<_> = report.nodes.iter().map(|row| (row.name.as_str(), row.outcome)).collect();
    let want = [
        ("a", Outcome::Verified),
        ("absent", Outcome::BadReport),
        ("bad", Outcome::BadReport),
        ("empty", Outcome::Verified),
    ];
    assert_eq!(rows, want);
    assert!(!folder.path().join("out/nodes/bad.json").exists());
}

#[test]
fn two_reports_of_one_node_are_a_mistake() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("b")).unwrap();
    for name in ["a.json", "b/A.json"] {
        fs::write(folder.path().join(name), node_report("run", &[("passed", None)])).unwrap();
    }
    exits(
        2,
        &["report", &path(&folder, "a.json"), &path(&folder, "b/A.json"), "--out", &path(&folder, "out")],
    );
}

#[test]
fn codes_are_explained() {
    let all = assay(&["explain"]);
    assert_eq!(all.status.code(), Some(0));
    let all = String::from_utf8(all.stdout).unwrap();
    let codes: Vec<_> = all.lines().filter_map(|line| line.split_whitespace().next()).collect();
    for code in ["no-signature", "host-key-mismatch", "clean-up-failed", "certificate-expired"] {
        assert!(codes.contains(&code), "{code}");
    }
    let distinct: std::collections::BTreeSet<_> = codes.iter().collect();
    assert_eq!(distinct.len(), codes.len(), "a code has two meanings");
    for code in codes {
        let one = assay(&["explain", code]);
        assert_eq!(one.status.code(), Some(0));
        assert!(String::from_utf8(one.stdout).unwrap().lines().count() >= 4, "{code}");
    }
    exits(2, &["explain", "no-such-code"]);
}

#[test]
fn what_cannot_be_used_stops_before_any_visit() {
    let folder = tempfile::tempdir().unwrap();
    let (site, trust, out) = (path(&folder, "site.toml"), path(&folder, "trust"), path(&folder, "out"));
    let agent = env!("CARGO_BIN_EXE_assay");
    let node = "[[node]]\nname = \"a\"\naddress = \"192.0.2.1\"\n";
    let run = |site_text: &str, more: &[&str]| {
        fs::write(&site, site_text).unwrap();
        let mut arguments = vec!["run", "--site", &site, "--trust", &trust, "--out", &out, "--agent", agent];
        arguments.extend(more);
        exits(2, &arguments)
    };
    run(node, &[]); // There is no trust directory.
    fs::create_dir(&trust).unwrap();
    run(node, &[]); // There is no trust policy in it.
    fs::write(folder.path().join("trust/trustpolicy.json"), "{}").unwrap();
    run("", &[]);
    assert!(run(&format!("{node}colour = \"red\"\n"), &[]).contains("line 4"));
    // There is no key and no SSH agent. On Windows an agent may be there at any time.
    #[cfg(unix)]
    run(node, &[]);
    run(node, &["--bundle", &path(&folder, "absent.tar")]);
    run(node, &["--at", "yesterday"]);
    run(node, &["--content", "some"]);
    run(node, &["--accept", "anything"]);
    run(node, &["--agent", &site]);
    run(node, &["--agent", agent]);
    run(node, &["--concurrency", "0"]);
    assert!(!folder.path().join("out").exists());
    exits(2, &["cleanup", "--site", &site, "--out", &out]);
    exits(2, &["run"]);
    exits(2, &[]);
    exits(2, &["bundle"]);
}

#[test]
fn an_out_folder_that_cannot_be_used_stops_before_any_visit() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.json"), node_report("run", &[("passed", None)])).unwrap();
    fs::write(folder.path().join("out"), "a file").unwrap();
    exits(2, &["report", &path(&folder, "a.json"), "--out", &path(&folder, "out")]);
}

#[test]
fn a_folder_that_is_another_runs_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.json"), node_report("run", &[("passed", None)])).unwrap();
    let (report, out) = (path(&folder, "a.json"), path(&folder, "out"));
    let report = ["report", &report, "--out", &out];
    exits(0, &report);
    let lock = fs::File::options().write(true).open(folder.path().join("out/.assay.lock")).unwrap();
    lock.try_lock().unwrap();
    exits(2, &report);
    exits(2, &["demo", "--agent", env!("CARGO_BIN_EXE_assay"), "--out", &out]);
    assert_eq!(read(&folder.path().join("out")).nodes.len(), 1);
    drop(lock);
    exits(0, &report);
}

#[test]
fn a_demo_without_an_agent_judges_nothing() {
    let folder = tempfile::tempdir().unwrap();
    exits(2, &["demo", "--agent-dir", folder.path().to_str().unwrap(), "--out", &path(&folder, "out")]);
    assert!(!folder.path().join("out").exists());
}

#[test]
fn a_demo_whose_agent_judges_nothing_fails() {
    // This program knows no `verify`, so it fails as an agent would that was built wrong.
    let folder = tempfile::tempdir().unwrap();
    exits(1, &["demo", "--agent", env!("CARGO_BIN_EXE_assay"), "--out", &path(&folder, "out")]);
    let report = read(&folder.path().join("out"));
    assert_eq!(report.nodes.len(), 3);
    assert!(report.nodes.iter().all(|row| row.outcome == Outcome::AgentFailed && row.report.is_none()));
}

#[test]
fn waivers_excuse_what_failed_until_they_expire() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("a.json"),
        node_report("run", &[("passed", None), ("failed", Some("no-signature"))]),
    )
    .unwrap();
    let (a, out, file) = (path(&folder, "a.json"), path(&folder, "out"), path(&folder, "waivers.toml"));
    let digest = read_failed(&a);
    let at = |code, time: &str, image: &str| {
        let text = format!(
            "[[waiver]]\nimage = \"{image}\"\nreason = \"vendor signs from 2.0\"\napprover = \"J. Doe\"\nexpires = 2026-12-31\n"
        );
        fs::write(&file, text).unwrap();
        exits(code, &["report", &a, "--out", &out, "--waivers", &file, "--at", time]);
        let report = read(&folder.path().join("out"));
        let waivers = report.waivers.unwrap().waivers;
        (report.summary.waived, waivers[0].state, waivers[0].images)
    };
    assert_eq!(at(0, "2026-12-31T23:59:59Z", &digest), (1, WaiverState::Applied, 1));
    assert_eq!(at(1, "2027-01-01T00:00:00Z", &digest), (0, WaiverState::Expired, 1));
    assert_eq!(at(1, "2026-12-31T23:59:59Z", "r.test/other"), (0, WaiverState::Unused, 0));
    let own: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.path().join("out/nodes/a.json")).unwrap()).unwrap();
    assert!(!own.to_string().contains("waive"), "a node report never has one");
    fs::write(&file, "[[waiver]]\nimage = \"a\"\n").unwrap();
    assert!(exits(2, &["report", &a, "--out", &out, "--waivers", &file]).contains("line 1"));
    exits(2, &["report", &a, "--out", &out, "--waivers", &path(&folder, "absent.toml")]);
}

/// Windows PowerShell's `>` writes UTF-16.
#[test]
fn files_that_windows_wrote_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let wide = |name: &str, text: &str| {
        let text = text.replace('\n', "\r\n");
        let units = [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes);
        fs::write(folder.path().join(name), units.collect::<Vec<u8>>()).unwrap();
        path(&folder, name)
    };
    let a = wide("a.json", &node_report("run", &[("failed", Some("no-signature"))]));
    let waivers = wide(
        "waivers.toml",
        "[[waiver]]\nimage = \"registry.example.test/a\"\nreason = \"vendor signs from 2.0\"\napprover = \"Jürgen\"\nexpires = 2026-12-31\n",
    );
    let out = path(&folder, "out");
    exits(0, &["report", &a, "--out", &out, "--waivers", &waivers, "--at", "2026-05-01T00:00:00Z"]);
    let report = read(&folder.path().join("out"));
    assert_eq!((report.nodes[0].outcome, report.summary.waived), (Outcome::Verified, 1));
    let written = fs::read(folder.path().join("out/nodes/a.json")).unwrap();
    assert!(serde_json::from_slice::<serde_json::Value>(&written).is_ok(), "as UTF-8");
    // It is a site file, and it has no node of that name.
    let site = wide("site.toml", "[[node]]\nname = \"a\"\naddress = \"192.0.2.1\"\n");
    fs::create_dir(folder.path().join("trust")).unwrap();
    fs::write(folder.path().join("trust/trustpolicy.json"), "{}").unwrap();
    let trust = path(&folder, "trust");
    let run = ["run", "--site", &site, "--trust", &trust, "--out", &out, "--dry-run", "--only"];
    assert!(exits(2, &[&run[..], &["other"]].concat()).contains("other"));
}

/// The digest of the report's failed image.
fn read_failed(report: &str) -> String {
    let report: serde_json::Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    let images = report["images"].as_array().unwrap();
    images.iter().find(|image| image["status"] == "failed").unwrap()["digest"].as_str().unwrap().to_owned()
}
