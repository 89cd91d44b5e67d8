//! One visit with the real agent: what it says of a store is what comes home.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use assay_report::{CleanUpResult, ExitCode, Outcome};

use crate::node::{INSIDE, Node, Site, real_agent};

/// A node of the demo's recorded site.
const RECORDED: &str = "moc-lq3x7vt9b1c";

#[test]
fn the_agents_verdicts_come_home() {
    let node = Node::start();
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/demo/site.tar");
    tar::Archive::new(fs::File::open(archive).unwrap()).unpack(node.path("site")).unwrap();
    let entry = node.entry("node", &format!("{INSIDE}/site/nodes/{RECORDED}/store"));
    let site = Site::new(&node.known_line(), &[entry]);
    let at = fs::read_to_string(node.path("site/at")).unwrap();
    let mut command = site.collector("run");
    command.arg("--agent").arg(real_agent()).arg("--trust").arg(node.path("site/trust"));
    command.arg("--bundle").arg(node.path("site/bundle")).args(["--at", at.trim()]);
    let ran = site.read(&command.output().unwrap());

    ran.expect(Outcome::Verified, CleanUpResult::Removed, 1);
    assert_eq!(node.traces(), [""; 0]);
    assert_eq!(node.logins(), 1);
    let report = ran.row().report.as_ref().unwrap();
    assert_eq!(report.verdict(), ExitCode::Failed);
    assert_eq!(report.run.verified_at.to_string(), at.trim());
    let expected: BTreeMap<String, BTreeMap<String, String>> =
        serde_json::from_slice(&fs::read(node.path("site/expected.json")).unwrap()).unwrap();
    let mut found = BTreeMap::new();
    for image in &report.images {
        let status = format!("{:?}", image.status).to_lowercase();
        let verdict = image.reason.map_or(status.clone(), |reason| format!("{status}/{}", reason.as_str()));
        for reference in &image.references {
            found.insert(reference.clone(), verdict.clone());
        }
    }
    assert_eq!(&found, &expected[RECORDED]);
}

#[test]
fn a_store_that_is_not_there_is_no_success() {
    let node = Node::start();
    let entry = node.entry("node", "good").replace("layout:good", "containerd:/run/no-such.sock");
    let site = Site::new(&node.known_line(), &[entry]);
    let mut command = site.collector("run");
    command.arg("--agent").arg(real_agent()).arg("--trust").arg(site.path("trust"));
    let ran = site.read(&command.output().unwrap());
    ran.expect(Outcome::Verified, CleanUpResult::Removed, 3);
    assert!(!ran.row().report.as_ref().unwrap().coverage.unreadable.is_empty());
}
