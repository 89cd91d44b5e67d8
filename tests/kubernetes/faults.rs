//! Faults of a cluster, made to happen: each is a row of its own that says what it is, and nothing is left.

use std::process::{Child, Stdio};

use assay_report::{CleanUpResult, NodeRow, Outcome};
use assay_tests::program::finish;
use assay_tests::static_program::{compile, sleeper};
use serde_json::{Value, json};

use crate::site::{MEMORY, Run, Site, site};

/// A run of one node.
fn on_one_node(site: &'static Site, namespace: &str) -> Run {
    Run::new(site, namespace).with(&["--only", "node-1", "--retries", "0"])
}

/// A run of one node whose agent is another program.
fn with_agent(site: &'static Site, namespace: &str, program: &[u8]) -> Run {
    let image = site.import(&format!("team/{namespace}"), program);
    Run { image, ..on_one_node(site, namespace) }
}

/// Starts a run whose agent sleeps, and waits until it does. Returns the collector and the pod.
fn asleep(run: &Run) -> (Child, String) {
    let mut command = run.command();
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut pod = String::new();
    run.site.cluster.wait("the pod runs", || {
        let running = [
            "get",
            "pods",
            "--namespace",
            &run.namespace,
            "--field-selector",
            "status.phase=Running",
            "-o",
            "name",
        ];
        pod = run.site.cluster.kubectl(running).text().trim().trim_start_matches("pod/").to_owned();
        !pod.is_empty()
    });
    (child, pod)
}

fn end(run: &Run, mut child: Child) -> NodeRow {
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(3));
    run.row()
}

/// Nothing was verified, the row says why, and nothing is left.
fn assert_row(run: &Run, row: &NodeRow, outcome: Outcome) {
    assert_eq!(row.outcome, outcome, "{:?}", row.message);
    assert!(row.report.is_none() && row.message.is_some() && row.hint.is_some());
    assert!(
        matches!(row.clean_up.result, CleanUpResult::Removed | CleanUpResult::NotNeeded),
        "{:?}",
        row.clean_up
    );
    assert_eq!(run.remains(), [""; 0]);
}

/// The same for a run that comes to its end by itself.
fn assert_run(run: &Run, outcome: Outcome) -> NodeRow {
    let _ = run.run().expect_code(3);
    let row = run.row();
    assert_row(run, &row, outcome);
    row
}

#[test]
fn an_evicted_pod_and_a_deleted_one() {
    let Some(site) = site() else { return };
    let _shared = site.cluster.shared();
    let run = with_agent(site, "evicted", sleeper());
    let (child, pod) = asleep(&run);
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": run.namespace},
    });
    let file = run.folder.path().join("eviction.json");
    crate::site::write(&file, &eviction.to_string());
    let url = format!("/api/v1/namespaces/{}/pods/{pod}/eviction", run.namespace);
    let _ = site.cluster.kubectl(["create", "--raw", &url, "-f", &file.display().to_string()]).expect_code(0);
    assert_row(&run, &end(&run, child), Outcome::Evicted);

    let (child, pod) = asleep(&run);
    let _ = site
        .cluster
        .kubectl(["delete", "pod", &pod, "--namespace", &run.namespace, "--wait=false"])
        .expect_code(0);
    assert_row(&run, &end(&run, child), Outcome::Evicted);
}

#[test]
fn an_agent_that_has_too_little_memory() {
    let Some(site) = site() else { return };
    let _shared = site.cluster.shared();
    let greedy = compile("fn main() { let mut all = Vec::new(); loop { all.push(vec![1_u8; 1 << 20]) } }");
    assert_run(&with_agent(site, "greedy", &greedy), Outcome::AgentFailed);
}

#[test]
fn an_agent_that_takes_too_long() {
    let Some(site) = site() else { return };
    let _shared = site.cluster.shared();
    assert_run(&with_agent(site, "slow", sleeper()).with(&["--time-limit", "3"]), Outcome::TimedOut);
}

#[test]
fn logs_without_a_whole_report() {
    let Some(site) = site() else { return };
    let _shared = site.cluster.shared();
    let zeros = "0".repeat(64);
    let begin = format!("assay-report-begin v1 encoding=identity length=6 sha256={zeros} exit=0");
    let witness = format!(r#"{{"v":1,"length":6,"sha256":"{zeros}","exit":0}}"#);
    let end = format!("assay-report-end sha256={zeros}");
    for (name, lines, witness, exit, outcome) in [
        ("cut", vec![begin.as_str(), "assay-report: AAAA"], witness.as_str(), 0, Outcome::BadReport),
        ("wrong", vec![&begin, "assay-report: AAAAAAAA", &end], &witness, 0, Outcome::BadReport),
        ("unwitnessed", vec![&begin, "assay-report: AAAAAAAA", &end], "", 0, Outcome::BadReport),
        ("silent", vec![], "", 0, Outcome::BadReport),
        ("lost", vec!["a word"], &witness, 1, Outcome::BadReport),
        ("usage", vec!["a word"], "", 2, Outcome::AgentFailed),
        ("crashed", vec![], "", 101, Outcome::AgentFailed),
    ] {
        let text = format!(
            "fn main() {{ for line in {lines:?} as [&str; {}] {{ println!(\"{{line}}\") }} \
             std::fs::write(\"/dev/termination-log\", {witness:?}).unwrap(); std::process::exit({exit}) }}",
            lines.len()
        );
        assert_run(&with_agent(site, &format!("log-{name}"), &compile(&text)), outcome);
    }
}

/// A log of hundreds of megabytes costs its row, and little memory.
#[test]
fn a_log_without_end_is_bounded() {
    let Some(site) = site() else { return };
    let _shared = site.cluster.shared();
    let endless = compile(
        "use std::io::Write as _; fn main() { let line = [b'x'; 16_000]; let mut out = std::io::stdout().lock(); \
         for _ in 0..20_000 { out.write_all(&line).unwrap(); } }",
    );
    let run = with_agent(site, "endless", &endless);
    let (status, peak) = run.measured();
    assert_eq!(status.code(), Some(3));
    assert_row(&run, &run.row(), Outcome::BadReport);
    assert!((1..MEMORY).contains(&peak), "{peak} KiB");
}

#[test]
fn an_image_that_is_not_there() {
    let Some(site) = site() else { return };
    let _shared = site.cluster.shared();
    let image = format!("registry.example.test/team/none@sha256:{}", "0".repeat(64));
    assert_run(&Run { image, ..on_one_node(site, "no-image") }, Outcome::ImageUnavailable);
}

#[test]
fn a_namespace_that_is_not_there() {
    let Some(site) = site() else { return };
    let _shared = site.cluster.shared();
    let run = Run::in_namespace(site, "no-namespace").with(&["--only", "node-1", "--retries", "0"]);
    assert_run(&run, Outcome::PodRefused);
}

#[test]
fn a_quota_that_has_no_room() {
    let Some(site) = site() else { return };
    let _shared = site.cluster.shared();
    for (namespace, what) in [("quota-pods", "count/pods"), ("quota-jobs", "count/jobs.batch")] {
        let run = on_one_node(site, namespace);
        run.apply(json!({
            "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {what: "0"}},
        }));
        site.cluster.wait("the quota counts", || {
            let quota = site.cluster.get(&["resourcequota", "none", "--namespace", namespace]);
            quota["status"]["used"][what] == "0"
        });
        let row = assert_run(&run, Outcome::PodRefused);
        assert!(row.message.unwrap().contains("exceeded quota"), "the rule is named");
    }
}

#[test]
fn pod_security_that_forbids_paths_of_the_node() {
    let Some(site) = site() else { return };
    let _shared = site.cluster.shared();
    let run = on_one_node(site, "restricted");
    let _ = site
        .cluster
        .kubectl([
            "label",
            "--overwrite",
            "namespace",
            "restricted",
            "pod-security.kubernetes.io/enforce=restricted",
        ])
        .expect_code(0);
    assert_run(&run, Outcome::PodRefused);
}

/// A webhook that nobody answers, and a policy that denies.
#[test]
fn admission_that_denies() {
    let Some(site) = site() else { return };
    let _shared = site.cluster.shared();
    let only = |namespace: &str| json!({"matchLabels": {"kubernetes.io/metadata.name": namespace}});
    for (namespace, group, kind) in [("webhook-jobs", "batch", "jobs"), ("webhook-pods", "", "pods")] {
        let run = on_one_node(site, namespace);
        site.cluster.apply(&json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": namespace},
            "webhooks": [{
                "name": "dead.example.test",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",
                "namespaceSelector": only(namespace),
                "clientConfig": {"url": "https://127.0.0.1:1/deny"},
                "rules": [{"apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [kind]}],
            }],
        }));
        let row = assert_run(&run, Outcome::PodRefused);
        assert!(row.message.unwrap().contains("dead.example.test"), "the webhook is named");
        let _ = site.cluster.kubectl(["delete", "validatingwebhookconfiguration", namespace]).expect_code(0);
    }
    let run = on_one_node(site, "policy");
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "no-jobs"},
        "spec": {
            "matchConstraints": {
                "namespaceSelector": only("policy"),
                "resourceRules": [{
                    "apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["jobs"],
                }],
            },
            "validations": [{"expression": "false", "message": "no jobs here"}],
        },
    });
    site.cluster.apply(&policy);
    site.cluster.apply(&json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "no-jobs"},
        "spec": {"policyName": "no-jobs", "validationActions": ["Deny"]},
    }));
    let probe = run.folder.path().join("probe.json");
    let job: Value = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "probe", "namespace": "policy"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "a"}]}}},
    });
    crate::site::write(&probe, &job.to_string());
    site.cluster.wait("the policy is in force", || {
        let path = probe.display().to_string();
        site.cluster.kubectl(["create", "--dry-run=server", "-f", &path]).stderr.contains("no jobs here")
    });
    assert_run(&run, Outcome::PodRefused);
}

#[test]
fn a_node_that_the_cluster_does_not_have() {
    let Some(site) = site() else { return };
    let _shared = site.cluster.shared();
    let run = Run::new(site, "no-node").with(&["--only", "gone", "--retries", "0"]);
    crate::site::write(
        &run.folder.path().join("site.toml"),
        "[[node]]\nname = \"gone\"\naddress = \"gone\"\n",
    );
    assert_run(&run, Outcome::NodeNotReady);
}

#[test]
fn ctrl_c() {
    let Some(site) = site() else { return };
    let _shared = site.cluster.shared();
    let run = with_agent(site, "ctrl-c", sleeper());
    let (child, _) = asleep(&run);
    let _ = finish(std::process::Command::new("kill").args(["-s", "INT", &child.id().to_string()]))
        .expect_code(0);
    assert_row(&run, &end(&run, child), Outcome::Interrupted);
}

/// The collector is killed while its pod runs, and as soon as anything of it is in the cluster.
#[test]
fn a_killed_collector_is_cleaned_up_after() {
    let Some(site) = site() else { return };
    let _shared = site.cluster.shared();
    for (namespace, seen) in [("killed-early", "configmaps"), ("killed-then", "jobs"), ("killed-late", "")] {
        let run = with_agent(site, namespace, sleeper());
        let mut child = if seen.is_empty() {
            asleep(&run).0
        } else {
            let child = run.command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let label = "app.kubernetes.io/managed-by=assay";
            site.cluster.wait("something is there", || {
                let get = ["get", seen, "--namespace", namespace, "--selector", label, "-o", "name"];
                !site.cluster.kubectl(get).text().is_empty()
            });
            child
        };
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!run.remains().is_empty());
        let out = run.out().display().to_string();
        if seen.is_empty() {
            // another run may be at work: without its folder or id nothing of it is touched
            let _ = run.clean_up(&[]).expect_code(3);
            assert!(!run.remains().is_empty());
        }
        let _ = run.clean_up(&["--out", &out]).expect_code(0);
        assert_eq!(run.remains(), [""; 0]);
        let _ = run.clean_up(&[]).expect_code(0);
    }
}

/// The kubelet of a node dies before the visit, and during it.
#[test]
fn a_node_that_is_not_ready() {
    let Some(site) = site() else { return };
    let _alone = site.cluster.alone();
    let run = with_agent(site, "not-ready", sleeper());
    let (child, _) = asleep(&run);
    site.cluster.stop("node-1-kubelet");
    let row = end(&run, child);
    assert_eq!(row.outcome, Outcome::NodeNotReady, "{:?}", row.message);
    // the pod cannot end while its node is away
    assert_eq!(row.clean_up.result, CleanUpResult::Failed);
    let _ = run.run().expect_code(3);
    assert_eq!(run.row().outcome, Outcome::NodeNotReady);
    assert_eq!(run.row().clean_up.result, CleanUpResult::NotNeeded);
    site.cluster.start_again("node-1-kubelet");
    site.cluster.wait("the node is back and ends the pod", || run.remains().is_empty());
}

/// An API server that is away for a while, or answers slowly, costs a visit time and nothing else.
#[test]
fn an_api_server_that_is_restarted() {
    let Some(site) = site() else { return };
    let _alone = site.cluster.alone();
    for (namespace, slow) in [("restarted", false), ("stopped", true)] {
        let run = Run::new(site, namespace).with(&["--only", "node-1"]);
        let mut child = run.command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        site.cluster.wait("the job is made", || run.remains().iter().any(|name| name.starts_with("job")));
        if slow {
            site.cluster.signal("kube-apiserver", "SIGSTOP");
            std::thread::sleep(std::time::Duration::from_secs(10));
            site.cluster.signal("kube-apiserver", "SIGCONT");
        } else {
            site.cluster.stop("kube-apiserver");
            site.cluster.start_again("kube-apiserver");
        }
        assert_eq!(child.wait().unwrap().code(), Some(1));
        assert_eq!(run.row().outcome, Outcome::Verified, "{:?}", run.row().message);
        site.cluster.wait("the API server answers", || {
            site.cluster.kubectl(["get", "--raw", "/readyz"]).code == Some(0)
        });
        assert_eq!(run.remains(), [""; 0]);
    }
}
