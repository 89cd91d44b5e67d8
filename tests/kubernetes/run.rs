//! Visits every node of a cluster as a job, whose pod brings the report home in its log.

use std::process::Command;

use assay_report::{CleanUpResult, NodeReport, Outcome};
use assay_tests::program::{finish, verdict};
use assay_tests::published::{AT, reference};
use assay_tests::sshd::Sshd;
use assay_tests::static_program;

use crate::site::{COLLECTOR, Run, UNSIGNED, site, trust_and_bundle};

#[test]
fn every_node_is_verified_by_a_pod_and_nothing_is_left() {
    let Some(site) = site() else { return };
    let _shared = site.cluster.shared();
    let run = Run::new(site, "verified");
    let done = run.run().expect_code(1);
    let report = run.report();
    let nodes = site.cluster.nodes();
    assert_eq!(report.nodes.len(), nodes.len());
    assert_eq!(report.inputs.image.as_ref(), Some(&site.image));
    for (row, node) in report.nodes.iter().zip(nodes) {
        assert_eq!(row.outcome, Outcome::Verified, "{:?}\n{}", row.message, done.stderr);
        assert_eq!(row.clean_up.result, CleanUpResult::Removed);
        let own = row.report.as_ref().unwrap();
        assert_eq!(own.node.hostname.as_deref(), Some(node));
        assert!(own.node.machine_id.is_some());
        // other tests' images are there too
        for (name, expected) in [
            (UNSIGNED, "failed/no-signature"),
            (&reference("team/signed"), "passed"),
            (&reference("team/pause"), "passed"),
            (&site.image, "passed"),
        ] {
            let image = own.images.iter().find(|image| image.references.iter().any(|known| known == name));
            assert_eq!(verdict(image.unwrap()), expected, "{name}");
        }
        let pod = row.pod.as_ref().unwrap();
        assert_eq!((pod.namespace.as_str(), pod.image.as_str()), ("verified", site.image.as_str()));
        assert!(pod.pod.is_some() && pod.image_id.is_some() && !pod.node_uid.is_empty());
    }
    assert_eq!(run.remains(), [""; 0]);
}

/// The pod itself runs from an image whose files it compares, on overlayfs.
#[test]
fn a_pod_proves_that_what_runs_is_what_was_signed() {
    let Some(site) = site() else { return };
    // no other test's pods come and go meanwhile
    let _alone = site.cluster.alone();
    let run = Run::new(site, "compared").with(&["--rootfs", "in-use"]);
    let done = run.run().expect_code(1);
    let report = run.report();
    assert_eq!(report.nodes.len(), site.cluster.nodes().len());
    for row in &report.nodes {
        assert_eq!(row.outcome, Outcome::Verified, "{:?}\n{}", row.message, done.stderr);
        let images = &row.report.as_ref().unwrap().images;
        for name in [&site.image, &reference("team/pause")] {
            let image = images.iter().find(|image| image.references.iter().any(|known| known == name));
            let image = image.unwrap();
            assert_eq!(verdict(image), "passed", "{}: {:?}", row.name, image.message);
            let chains: Vec<_> =
                image.in_use.iter().filter_map(|container| container.custody.as_ref()).collect();
            assert!(!chains.is_empty() && chains.iter().all(|chain| chain.broken.is_none()), "{chains:?}");
        }
    }
    assert_eq!(run.remains(), [""; 0]);
}

/// The same node, over SSH and as a job: the reports are the same but for what the visits themselves are.
#[test]
fn verdicts_are_those_of_ssh() {
    let Some(site) = site() else { return };
    // no other test's pods come and go meanwhile
    let _alone = site.cluster.alone();
    let sshd = Sshd::start();
    for node in site.cluster.nodes() {
        let run = Run::new(site, &format!("as-ssh-{node}")).with(&["--only", node]);
        let _ = run.run().expect_code(1);
        let row = run.row();
        let in_cluster = row.report.unwrap();

        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[[node]]\nname = \"{node}\"\naddress = \"127.0.0.1\"\nport = {}\nhost_key = \"{}\"\nidentity = \"{}\"\nuser = \"root\"\nstore = \"{}\"\n",
            sshd.port(),
            sshd.fingerprint(),
            sshd.identity().display(),
            site.cluster.store(node),
        );
        crate::site::write(&folder.path().join("site.toml"), &text);
        let [trust, bundle] = trust_and_bundle(site);
        let out = folder.path().join("out");
        let mut command = Command::new(COLLECTOR);
        command.args(["run", "--at", AT, "--site"]).arg(folder.path().join("site.toml"));
        command.arg("--trust").arg(trust).arg("--bundle").arg(bundle).arg("--out").arg(&out);
        let _ = finish(command.arg("--agent").arg(static_program::agent())).expect_code(1);
        let report = std::fs::read(out.join(format!("nodes/{node}.json"))).unwrap();
        let over_ssh: NodeReport = serde_json::from_slice(&report).unwrap();
        assert_eq!(alike(in_cluster), alike(over_ssh));
    }
}

/// A report without what two visits of one node differ in: the run, its nonce, the name that the node has for itself, and the pod of
/// the visit, which runs while its node is looked at.
fn alike(mut report: NodeReport) -> NodeReport {
    report.run.id.clear();
    report.asked.iter_mut().for_each(|asked| asked.nonce = None);
    report.node.hostname = None;
    report.coverage.containers = 0;
    report
        .coverage
        .enumerated
        .iter_mut()
        .for_each(|enumerated| (enumerated.containers, enumerated.snapshots) = (None, None));
    report.images.iter_mut().for_each(|image| image.in_use.clear());
    report
}
