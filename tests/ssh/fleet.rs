//! Runs a site end to end: real sshd, real containerd on each node, the real agent, and the reports that come home.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use assay_fixtures::image::{Image, linux_here};
use assay_fixtures::interop::Interop;
use assay_report::{CleanUpResult, NodeReport, NodeRow, Outcome, SITE_REPORT_SCHEMA, SiteReport};
use assay_tests::containerd::{Containerd, KUBERNETES};
use assay_tests::interop::Kept;
use assay_tests::program::{Finished, finish, verdict};
use assay_tests::sshd::{Sshd, free_port};

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");
const COLLECTOR: &str = env!("CARGO_BIN_EXE_collector-under-test");

const UNSIGNED: &str = "registry.example.test/team/unsigned:v1";

#[test]
fn a_dead_node_leaves_the_other_two_verified() {
    let kept = Kept::unpack();
    let interop = Interop::new();
    let (good, bad) = (Containerd::start(), Containerd::start());
    good.import(KUBERNETES, &interop.layout);
    let mut images = interop.layout.clone();
    let unsigned = Image::of_text(linux_here(), "app", "unsigned").add_to(&mut images);
    images.name(&unsigned, UNSIGNED);
    bad.import(KUBERNETES, &images);
    let (first, second) = (Sshd::start(), Sshd::start());
    let folder = tempfile::tempdir().unwrap();
    let site = [
        node("control-1", &first, &good.store()),
        node("worker-1", &second, &bad.store()),
        format!(
            "[[node]]\nname = \"worker-2\"\naddress = \"127.0.0.1\"\nport = {}\nhost_key = \"{}\"\nidentity = \"{}\"\n",
            free_port(),
            first.fingerprint(),
            first.identity().display()
        ),
    ];
    fs::write(
        folder.path().join("site.toml"),
        format!("[defaults]\nuser = \"root\"\nsudo = false\n{}", site.concat()),
    )
    .unwrap();

    let out = folder.path().join("out");
    let _ = run(&folder.path().join("site.toml"), &kept, &out).expect_code(1);

    let report: SiteReport = read(&out.join("report.json"));
    assert_eq!(report.schema, SITE_REPORT_SCHEMA);
    let rows: BTreeMap<&str, &NodeRow> = report.nodes.iter().map(|row| (row.name.as_str(), row)).collect();
    assert_eq!(rows.keys().copied().collect::<Vec<_>>(), ["control-1", "worker-1", "worker-2"]);
    assert_eq!(rows["worker-2"].outcome, Outcome::Unreachable);
    assert_eq!(rows["worker-2"].report, None);
    let signed = interop.jobs.len();
    for (name, sshd, images) in [("control-1", &first, signed), ("worker-1", &second, signed + 1)] {
        let row = rows[name];
        assert_eq!(row.outcome, Outcome::Verified, "{:?}", row.message);
        assert_eq!(row.host_key, Some(sshd.fingerprint()));
        let node_report = row.report.as_ref().unwrap();
        assert_eq!(node_report.run.id, report.run.id);
        assert_eq!(node_report.images.len(), images);
        let kept: NodeReport = read(&out.join("nodes").join(format!("{name}.json")));
        assert_eq!(&kept, node_report);
        for image in &node_report.images {
            let expected = if image.digest == unsigned.digest { "failed/no-signature" } else { "passed" };
            assert_eq!(verdict(image), expected, "{:?}", image.references);
        }
        // Nothing stays on the node.
        assert_eq!(row.clean_up.result, CleanUpResult::Removed);
        let left = row.clean_up.folder.as_ref().unwrap();
        assert!(!Path::new(left).exists(), "{left}");
        assert_eq!(sshd.connections(), 1);
        assert_eq!(sshd.log().matches("Accepted publickey").count(), 1, "logins");
    }
    for file in ["junit.xml", "report.html", "run.log"] {
        assert!(fs::metadata(out.join(file)).unwrap().len() > 0, "{file}");
    }
}

#[test]
fn a_site_where_all_passes_exits_with_zero_and_a_changed_host_key_does_not() {
    let kept = Kept::unpack();
    let containerd = Containerd::start();
    containerd.import(KUBERNETES, &Interop::new().layout);
    let (sshd, other) = (Sshd::start(), Sshd::start());
    for (pinned, code, outcome) in
        [(sshd.fingerprint(), 0, Outcome::Verified), (other.fingerprint(), 3, Outcome::HostKeyMismatch)]
    {
        let folder = tempfile::tempdir().unwrap();
        let site = node("only", &sshd, &containerd.store()).replace(&sshd.fingerprint(), &pinned);
        fs::write(
            folder.path().join("site.toml"),
            format!("[defaults]\nuser = \"root\"\nsudo = false\n{site}"),
        )
        .unwrap();
        let out = folder.path().join("out");
        let _ = run(&folder.path().join("site.toml"), &kept, &out).expect_code(code);
        let report: SiteReport = read(&out.join("report.json"));
        assert_eq!(report.nodes[0].outcome, outcome);
    }
}

fn run(site: &Path, kept: &Kept, out: &Path) -> Finished {
    let mut command = Command::new(COLLECTOR);
    command.arg("run").arg("--site").arg(site).arg("--agent").arg(AGENT).arg("--out").arg(out);
    command.arg("--trust").arg(kept.trust()).arg("--bundle").arg(kept.layout());
    finish(&mut command)
}

pub(super) fn node(name: &str, sshd: &Sshd, store: &str) -> String {
    format!(
        "[[node]]\nname = \"{name}\"\naddress = \"127.0.0.1\"\nport = {}\nhost_key = \"{}\"\nidentity = \"{}\"\nstore = \"{store}\"\n",
        sshd.port(),
        sshd.fingerprint(),
        sshd.identity().display(),
    )
}

pub(super) fn read<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
