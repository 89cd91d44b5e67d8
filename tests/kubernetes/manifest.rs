//! What `assay kubernetes manifest` writes is accepted by a real API server, and its jobs report what their image has.

use std::fs;
use std::process::Command;

use assay_report::frame::Reader;
use assay_report::{NodeReport, Status};
use assay_tests::program::finish;
use assay_tests::static_program;
use tempfile::TempDir;

use crate::site::{COLLECTOR, Site, UNSIGNED, site, trust_and_bundle};

/// The image of the agent with trust directory and bundle, on every node.
fn whole_image(site: &Site, folder: &TempDir) -> String {
    const NAME: &str = "registry.example.test/team/whole";
    let [trust, bundle] = trust_and_bundle(site);
    let archive = folder.path().join("assay.tar");
    let mut image = Command::new(COLLECTOR);
    image
        .args(["kubernetes", "image", "--name", &format!("{NAME}:v1"), "--agent"])
        .arg(static_program::agent());
    image.arg("--trust").arg(trust).arg("--bundle").arg(bundle).arg("--out").arg(&archive);
    let printed = finish(&mut image).expect_code(0).text();
    let by_digest = printed.trim_end();
    for node in site.cluster.nodes() {
        let import = ["images", "import", archive.to_str().unwrap()];
        let _ = site.cluster.ctr(node, import).expect_code(0);
        // pods name it by its digest
        let _ = site.cluster.ctr(node, ["images", "tag", &format!("{NAME}:v1"), by_digest]).expect_code(0);
    }
    by_digest.to_owned()
}

/// Writes the manifest for a node, and gives its path.
fn manifest(
    site: &Site,
    folder: &TempDir,
    image: &str,
    namespace: &str,
    node: &str,
    more: &[&str],
) -> String {
    let path = folder.path().join("manifest.yaml").display().to_string();
    let root = site.cluster.containerds().display().to_string();
    let store = site.cluster.store(node);
    let mut command = Command::new(COLLECTOR);
    command.args(["kubernetes", "manifest", "--image", image, "--bundles", "1", "--namespace", namespace]);
    command.args(["--node", node, "--store", &store, "--containerd-root", &root, "--out", &path]).args(more);
    let _ = finish(&mut command).expect_code(0);
    path
}

#[test]
fn a_job_of_a_manifest_reports_what_its_image_has() {
    let Some(site) = site() else { return };
    let _shared = site.cluster.shared();
    let folder = tempfile::tempdir().unwrap();
    let image = whole_image(site, &folder);
    for node in site.cluster.nodes() {
        let namespace = format!("manifest-{node}");
        let path = manifest(site, &folder, &image, &namespace, node, &["--time-limit", "600"]);
        let _ = site.cluster.kubectl(["apply", "--filename", &path]).expect_code(0);
        let job = format!("assay-{node}");
        site.cluster.wait("the job has ended", || {
            let status = &site.cluster.get(&["job", &job, "--namespace", &namespace])["status"];
            status["failed"] == 1 || status["succeeded"] == 1
        });
        let pods = site.cluster.get(&["pods", "--namespace", &namespace]);
        let ended = &pods["items"][0]["status"]["containerStatuses"][0]["state"]["terminated"];
        let log = site.cluster.kubectl(["logs", "--namespace", &namespace, &format!("job/{job}")]);
        let mut reader = Reader::default();
        reader.push(&log.stdout);
        let log = reader.finish(ended["message"].as_str().unwrap());
        let framed = log.report.unwrap_or_else(|error| panic!("{error}: {pods}"));
        assert_eq!(ended["exitCode"], framed.exit);
        let report: NodeReport = serde_json::from_slice(&framed.bytes).unwrap();
        assert_eq!(report.node.hostname.as_deref(), Some(node));
        assert_eq!((report.inputs.bundles.len(), report.coverage.unreadable.len()), (1, 0));
        let unsigned =
            report.images.iter().find(|image| image.references.iter().any(|name| name == UNSIGNED));
        assert_eq!(unsigned.map(|image| image.status), Some(Status::Failed));
    }
}

#[test]
fn an_api_server_accepts_every_form_of_a_manifest() {
    let Some(site) = site() else { return };
    let _shared = site.cluster.shared();
    let folder = tempfile::tempdir().unwrap();
    let image = format!("registry.example.test/team/assay@sha256:{}", "0".repeat(64));
    let namespace = "manifest-forms";
    site.cluster.namespace(namespace);
    for more in [
        &["--cron", "0 3 * * *"][..],
        &["--rootfs", "in-use", "--drift", "fail", "--pull-policy", "Never", "--pull-secret", "registry"],
        &["--selinux-type", "spc_t", "--accept", "parent-index", "--content", "metadata"],
    ] {
        // names that YAML could take for something else
        let more = [more, &["--node", "no", "010", "1e3", "a.b"]].concat();
        let path = manifest(site, &folder, &image, namespace, "node-1", &more);
        let done = site.cluster.kubectl(["apply", "--dry-run=server", "--filename", &path]).expect_code(0);
        let jobs = done.text().lines().filter(|line| line.contains("job.batch/")).count();
        assert_eq!(jobs, 5, "{}", done.text());
    }
    let path = manifest(site, &folder, &image, namespace, "node-1", &["--exceptions", "kyverno"]);
    assert!(fs::read_to_string(path).unwrap().contains("kind: PolicyException"));
}
