//! Many nodes, simulated by kwok: each gets its job, and reports come home from all their logs, in bounded memory.

use std::fmt::Write as _;
use std::time::Instant;

use assay_fixtures::image::linux_here;
use assay_report::frame::Frame;
use assay_report::{CleanUpResult, NodeReport, Outcome, Summary};
use assay_tests::packages::not_run;
use assay_verifier::oci::Digest;
use serde_json::{Value, json};

use crate::site::{MEMORY, Run, site, write};

/// How many nodes there are, unless `KUBERNETES_NODES` says otherwise.
const NODES: usize = 50;

/// Images of each node's report.
const IMAGES: usize = 40;

#[test]
fn many_nodes_in_bounded_memory() {
    let Some(site) = site() else { return };
    let kwok = site.cluster.programs().join("kwok");
    if !kwok.is_file() {
        return not_run("many simulated nodes: there is no kwok");
    }
    let _alone = site.cluster.alone();
    let count = std::env::var("KUBERNETES_NODES").ok().and_then(|count| count.parse().ok()).unwrap_or(NODES);

    // A real report, grown: it is of another run, so each is read whole and then refused.
    let real = Run::new(site, "scale-real").with(&["--only", "node-1"]);
    let _ = real.run().expect_code(1);
    let mut report: NodeReport = real.row().report.unwrap();
    let image = report.images[0].clone();
    report.images = (0..IMAGES)
        .map(|number| {
            let mut image = image.clone();
            image.digest = Digest::sha256(number.to_string().as_bytes());
            image
        })
        .collect();
    report.summary = Summary::count(report.images.iter().map(|image| image.status));
    let report = serde_json::to_vec(&report).unwrap();
    let frame = Frame::new(&report, 0);
    let folder = real.folder.path();
    let log: String = frame.lines().fold(String::new(), |mut log, line| {
        write!(log, "2026-11-20T12:00:00.000000000Z stdout F {line}").unwrap();
        log
    });
    write(&folder.join("log"), &log);
    let ended = "{{ $now := Now }}\nphase: Succeeded\ncontainerStatuses:\n{{ range .spec.containers }}- name: {{ .name | Quote }}\n  \
                 image: {{ .image | Quote }}\n  imageID: {{ .image | Quote }}\n  ready: false\n  restartCount: 0\n  state:\n    terminated:\n      \
                 exitCode: 0\n      reason: Completed\n      startedAt: {{ $now | Quote }}\n      finishedAt: {{ $now | Quote }}\n      \
                 message: WITNESS\n{{ end }}";
    let ended = ended.replace("WITNESS", &json!(frame.witness()).to_string());
    let ready = "{{ $now := Now }}\nconditions:\n- type: Ready\n  status: \"True\"\n  reason: Simulated\n  message: simulated\n  \
                 lastHeartbeatTime: {{ $now | Quote }}\n  lastTransitionTime: {{ $now | Quote }}\naddresses:\n- type: InternalIP\n  \
                 address: 192.0.2.10\ndaemonEndpoints:\n  kubeletEndpoint:\n    Port: 10247\nnodeInfo:\n  architecture: ARCHITECTURE\n  \
                 bootID: \"\"\n  containerRuntimeVersion: \"\"\n  kernelVersion: \"\"\n  kubeProxyVersion: \"\"\n  \
                 kubeletVersion: simulated\n  machineID: \"\"\n  operatingSystem: linux\n  osImage: \"\"\n  systemUUID: \"\"";
    let ready = ready.replace("ARCHITECTURE", linux_here().architecture.as_str());
    let api = "kwok.x-k8s.io/v1alpha1";
    let objects = [
        json!({
            "apiVersion": api, "kind": "Stage", "metadata": {"name": "ready"},
            "spec": {
                "resourceRef": {"apiGroup": "v1", "kind": "Node"},
                "selector": {"matchExpressions": [{
                    "key": ".status.conditions.[] | select( .type == \"Ready\" ) | .status", "operator": "NotIn", "values": ["True"],
                }]},
                "next": {"statusTemplate": ready},
            },
        }),
        json!({
            "apiVersion": api, "kind": "Stage", "metadata": {"name": "ended"},
            "spec": {
                "resourceRef": {"apiGroup": "v1", "kind": "Pod"},
                "selector": {"matchExpressions": [
                    {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"},
                    {"key": ".status.phase", "operator": "In", "values": ["Pending"]},
                ]},
                "next": {"statusTemplate": ended},
            },
        }),
        json!({
            "apiVersion": api, "kind": "ClusterLogs", "metadata": {"name": "all"},
            "spec": {"logs": [{"logsFile": folder.join("log"), "follow": false}]},
        }),
    ];
    let config: Vec<String> = objects.iter().map(Value::to_string).collect();
    write(&folder.join("kwok.yaml"), &config.join("\n---\n"));
    site.cluster.run_program(
        "kwok",
        &kwok,
        &[
            format!("--kubeconfig={}", site.cluster.kubeconfig("admin").display()),
            format!("--config={}", folder.join("kwok.yaml").display()),
            "--manage-nodes-with-label-selector=type=kwok".to_owned(),
            "--node-ip=192.0.2.10".to_owned(),
            "--node-port=10247".to_owned(),
            "--server-address=0.0.0.0:10247".to_owned(),
            format!("--tls-cert-file={}", site.cluster.path("pki/apiserver.crt").display()),
            format!("--tls-private-key-file={}", site.cluster.path("pki/apiserver.key").display()),
        ],
        &[],
    );
    let nodes: Vec<Value> = (0..count)
        .map(|number| {
            json!({
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {
                    "name": format!("simulated-{number:04}"),
                    "labels": {"type": "kwok", "node-role.kubernetes.io/simulated": "", "kubernetes.io/os": "linux"},
                    "annotations": {"kwok.x-k8s.io/node": "fake"},
                },
            })
        })
        .collect();
    write(
        &folder.join("nodes.json"),
        &json!({"apiVersion": "v1", "kind": "List", "items": nodes}).to_string(),
    );
    let list = folder.join("nodes.json").display().to_string();
    let _ = site.cluster.kubectl(["create", "--validate=false", "-f", &list]).expect_code(0);
    site.cluster.wait("all nodes are ready", || {
        let ready = r#"jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}"#;
        let text = site.cluster.kubectl(["get", "nodes", "--selector", "type=kwok", "-o", ready]).text();
        text.split_whitespace().filter(|status| *status == "True").count() == count
    });

    let run = Run::new(site, "scale").with(&["--only", "simulated", "--retries", "0", "--quiet"]);
    let begun = Instant::now();
    let (status, peak) = run.measured();
    println!("{count} nodes, {} bytes of report each: {:?}, peak {peak} KiB", report.len(), begun.elapsed());
    assert_eq!(status.code(), Some(3));
    let all = run.report();
    assert_eq!(all.nodes.len(), count);
    for row in &all.nodes {
        assert_eq!(row.outcome, Outcome::BadReport, "{}: {:?}", row.name, row.message);
        assert!(row.message.as_ref().unwrap().contains("belongs to run"), "{:?}", row.message);
        assert_eq!(row.clean_up.result, CleanUpResult::Removed);
    }
    assert_eq!(run.remains(), [""; 0]);
    assert!(peak < MEMORY, "{peak} KiB");
    let _ =
        site.cluster.kubectl(["delete", "nodes", "--selector", "type=kwok", "--wait=false"]).expect_code(0);
    site.cluster.stop("kwok");
}
