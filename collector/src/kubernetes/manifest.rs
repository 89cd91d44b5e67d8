//! Writes what a cluster is given as YAML, for review and for whoever applies manifests: the namespace, the rights of the collector,
//! and a job or a cron job for each node. Beside them stand the exceptions that admission policies need.
//!
//! The pods are those of a run ([`pod`](super::pod)), but for what only a run knows: its id, its nonce, and what it delivers.
//! So the image has the trust directory and the bundles.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use assay_verifier::oci::Digest;
use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, JobTemplateSpec};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use serde_json::{Value, json};

use super::pod::{AgentJob, AgentPod, FILES_CAPABILITIES, MANAGED_BY, NAME};

/// What a manifest is about.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    /// The namespace that everything is in.
    pub(crate) namespace: String,
    /// The nodes, each with its pod.
    pub(crate) nodes: BTreeMap<String, AgentPod>,
    /// When the pods run, as cron writes it; none: once.
    pub(crate) schedule: Option<String>,
    /// How long a pod may take.
    pub(crate) deadline: Duration,
}

/// Which policies refuse the pods unless they get an exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// The library of Gatekeeper.
    Gatekeeper,
    /// The policies of Kyverno for the Pod Security Standards.
    Kyverno,
}

/// A manifest cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Something cannot be written as JSON.
    #[error("the manifest cannot be written")]
    Json(#[from] serde_json::Error),
    /// Something cannot be written as YAML.
    #[error("the manifest cannot be written as YAML: {0}")]
    Yaml(String),
}

/// The rights of whoever runs `assay run --via kubernetes`.
const RIGHTS: &str = include_str!("../../kubernetes/rights.yaml");

/// The service account of the collector, its role and its bindings.
const COLLECTOR: &str = "assay-collector";

/// Letters of a cron job's name: those of its jobs are 11 longer and have at most 63.
const NAME_LETTERS: usize = 52;

impl Manifest {
    /// The whole as YAML.
    ///
    /// # Errors
    /// [`ManifestError`]
    pub(crate) fn yaml(&self, admissions: &[Admission]) -> Result<String, ManifestError> {
        let mut text = String::new();
        for (comment, object) in self.objects(admissions)? {
            // a name is not folded, so that it can be searched for
            let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
            let yaml = serde_saphyr::to_string_with_options(&object, options)
                .map_err(|error| ManifestError::Yaml(error.to_string()))?;
            // writing to a String cannot fail
            let _ = write!(text, "---\n{comment}{yaml}");
            if !text.ends_with('\n') {
                text.push('\n');
            }
        }
        Ok(text)
    }

    /// Every object, each with the comment before it.
    fn objects(&self, admissions: &[Admission]) -> Result<Vec<(&'static str, Value)>, ManifestError> {
        let mut objects = vec![(NAMESPACE_COMMENT, value(&self.own_namespace())?)];
        objects.extend(self.rights()?.into_iter().map(|object| ("", object)));
        for (node, pod) in &self.nodes {
            let job = AgentJob {
                name: job_name(node),
                namespace: self.namespace.clone(),
                node: node.clone(),
                pod,
                deadline: self.deadline,
                kept: None,
            };
            objects.push(("", self.job(&job)?));
        }
        for admission in admissions {
            objects.extend(match admission {
                Admission::Gatekeeper => self.gatekeeper(),
                Admission::Kyverno => self.kyverno(),
            });
        }
        Ok(objects)
    }

    fn own_namespace(&self) -> Namespace {
        // volumes of the node are for this level alone
        let level = ("pod-security.kubernetes.io/enforce".to_owned(), "privileged".to_owned());
        Namespace {
            metadata: ObjectMeta {
                name: Some(self.namespace.clone()),
                labels: Some(labels().into_iter().chain([level]).collect()),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        }
    }

    /// The collector's service account, its rights and who has them.
    fn rights(&self) -> Result<Vec<Value>, ManifestError> {
        let yaml = |error: serde_saphyr::Error| ManifestError::Yaml(error.to_string());
        let (role, cluster_role) = RIGHTS.split_once("---\n").unwrap_or((RIGHTS, ""));
        let role: Role = serde_saphyr::from_str(role).map_err(yaml)?;
        let cluster_role: ClusterRole = serde_saphyr::from_str(cluster_role).map_err(yaml)?;
        let in_namespace = |name: &str| ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(self.namespace.clone()),
            labels: Some(labels()),
            ..ObjectMeta::default()
        };
        // the name of what belongs to the whole cluster has the namespace in it, so that two do not share it
        let in_cluster = format!("{COLLECTOR}-{}", self.namespace);
        let everywhere = || ObjectMeta { namespace: None, ..in_namespace(&in_cluster) };
        let role_ref = |kind: &str, name: &str| RoleRef {
            api_group: "rbac.authorization.k8s.io".to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
        };
        let subjects = || {
            Some(vec![Subject {
                kind: "ServiceAccount".to_owned(),
                name: COLLECTOR.to_owned(),
                namespace: Some(self.namespace.clone()),
                api_group: None,
            }])
        };
        Ok(vec![
            value(&ServiceAccount { metadata: in_namespace(COLLECTOR), ..ServiceAccount::default() })?,
            value(&Role { metadata: in_namespace(COLLECTOR), ..role })?,
            value(&RoleBinding {
                metadata: in_namespace(COLLECTOR),
                role_ref: role_ref("Role", COLLECTOR),
                subjects: subjects(),
            })?,
            value(&ClusterRole { metadata: everywhere(), ..cluster_role })?,
            value(&ClusterRoleBinding {
                metadata: everywhere(),
                role_ref: role_ref("ClusterRole", &in_cluster),
                subjects: subjects(),
            })?,
        ])
    }

    /// A job, or a cron job that makes it.
    fn job(&self, job: &AgentJob<'_>) -> Result<Value, ManifestError> {
        let Some(schedule) = &self.schedule else { return value(&job.job()) };
        let metadata = job.job().metadata;
        let labels = metadata.labels.clone();
        value(&CronJob {
            metadata,
            spec: Some(CronJobSpec {
                schedule: schedule.clone(),
                concurrency_policy: Some("Forbid".to_owned()),
                successful_jobs_history_limit: Some(1),
                failed_jobs_history_limit: Some(1),
                job_template: JobTemplateSpec {
                    metadata: Some(ObjectMeta { labels, ..ObjectMeta::default() }),
                    spec: Some(job.spec()),
                },
                ..CronJobSpec::default()
            }),
            status: None,
        })
    }

    /// Whether any pod compares files, for which it keeps capabilities.
    fn keeps_capabilities(&self) -> bool {
        self.nodes.values().any(|pod| pod.sight.files)
    }

    /// Constraints of Gatekeeper's library that allow these pods and no others, in this namespace.
    fn gatekeeper(&self) -> Vec<(&'static str, Value)> {
        let paths = self.nodes.values().flat_map(AgentPod::of_the_node).map(|(_, _, path)| path);
        let paths: Vec<Value> = paths
            .collect::<BTreeSet<_>>()
            .into_iter()
            .map(|path| json!({ "pathPrefix": path, "readOnly": true }))
            .collect();
        let capabilities: &[&str] = if self.keeps_capabilities() { &FILES_CAPABILITIES } else { &[] };
        let constraint = |kind: &str, parameters: Value| {
            json!({
                "apiVersion": "constraints.gatekeeper.sh/v1beta1",
                "kind": kind,
                "metadata": { "name": format!("assay-{}", self.namespace), "labels": labels() },
                "spec": {
                    "match": {
                        "kinds": [{ "apiGroups": [""], "kinds": ["Pod"] }],
                        "namespaces": [self.namespace],
                    },
                    "parameters": parameters,
                },
            })
        };
        vec![
            (GATEKEEPER_COMMENT, constraint("K8sPSPHostFilesystem", json!({ "allowedHostPaths": paths }))),
            (
                "",
                constraint(
                    "K8sPSPVolumeTypes",
                    json!({ "volumes": ["hostPath", "emptyDir", "projected", "configMap"] }),
                ),
            ),
            (
                "",
                constraint(
                    "K8sPSPCapabilities",
                    json!({ "allowedCapabilities": capabilities, "requiredDropCapabilities": ["ALL"] }),
                ),
            ),
            ("", constraint("K8sPSPAllowedUsers", json!({ "runAsUser": { "rule": "RunAsAny" } }))),
        ]
    }

    /// The exception from Kyverno's policies that these pods need.
    fn kyverno(&self) -> Vec<(&'static str, Value)> {
        let mut rules = vec![
            ("disallow-host-path", "host-path"),
            ("restrict-volume-types", "restricted-volumes"),
            ("require-run-as-nonroot", "run-as-non-root"),
            ("require-run-as-non-root-user", "run-as-non-root-user"),
        ];
        if self.keeps_capabilities() {
            rules.push(("disallow-capabilities", "adding-capabilities"));
            rules.push(("disallow-capabilities-strict", "adding-capabilities-strict"));
        }
        // rules for pods also exist for what makes pods, under names that Kyverno makes
        let rules = rules.into_iter().map(|(policy, rule)| {
            let names = ["", "autogen-", "autogen-cronjob-"].map(|prefix| format!("{prefix}{rule}"));
            json!({ "policyName": policy, "ruleNames": names })
        });
        let (key, name) = NAME;
        let resources = json!({
            "kinds": ["Pod", "Job", "CronJob"],
            "namespaces": [self.namespace],
            "selector": { "matchLabels": { key: name } },
        });
        vec![(
            KYVERNO_COMMENT,
            json!({
                "apiVersion": "kyverno.io/v2",
                "kind": "PolicyException",
                "metadata": { "name": "assay-agent", "namespace": self.namespace, "labels": labels() },
                "spec": {
                    "exceptions": rules.collect::<Vec<_>>(),
                    "match": { "any": [{ "resources": resources }] },
                },
            }),
        )]
    }
}

const NAMESPACE_COMMENT: &str = "\
# Pod Security: volumes of the node need the level privileged. The pods take nothing else that this level allows.
";

const GATEKEEPER_COMMENT: &str = "\
# Gatekeeper has no exceptions of its own: leave this namespace out of the constraints of these kinds that you have
# (spec.match.excludedNamespaces). These four stand in their place here.
";

const KYVERNO_COMMENT: &str = "\
# Kyverno: the names are those of its policies for the Pod Security Standards. Exceptions must be allowed in this namespace
# (--enablePolicyException, --exceptionNamespace).
";

fn value(object: &impl Serialize) -> Result<Value, ManifestError> {
    Ok(serde_json::to_value(object)?)
}

fn labels() -> BTreeMap<String, String> {
    let (key, value) = MANAGED_BY;
    [(key.to_owned(), value.to_owned())].into()
}

/// The name of a node's job. A long name of a node is cut, and its digest tells it from others.
fn job_name(node: &str) -> String {
    let name = format!("assay-{}", node.replace('.', "-"));
    if name.len() <= NAME_LETTERS && !node.contains('.') {
        return name;
    }
    let digest = Digest::sha256(node.as_bytes());
    let kept: String = name.chars().take(NAME_LETTERS - 9).collect();
    format!("{}-{}", kept.trim_end_matches('-'), digest.hex().get(..8).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::pod::Sight;

    fn pod(files: bool) -> AgentPod {
        AgentPod {
            image: "registry.example.test/tools/assay@sha256:00".to_owned(),
            pull_policy: None,
            pull_secrets: Vec::new(),
            sight: Sight::of_store(None, None, files),
            delivery: None,
            // what YAML could take for something else
            command: [
                "verify", "yes", "0x10", "1e3", "~", "a: b", "#c", "- d", "$(e)", "\"'\\", "\u{fc} ", "",
            ]
            .map(str::to_owned)
            .to_vec(),
            labels: BTreeMap::from([("assay-node".to_owned(), "010".to_owned())]),
            selinux_type: None,
        }
    }

    fn manifest(schedule: Option<&str>, files: bool) -> Manifest {
        Manifest {
            namespace: "assay".to_owned(),
            nodes: ["node-1", "node-2"].map(|node| (node.to_owned(), pod(files))).into(),
            schedule: schedule.map(str::to_owned),
            deadline: Duration::from_secs(900),
        }
    }

    const BOTH: [Admission; 2] = [Admission::Gatekeeper, Admission::Kyverno];

    fn kinds(manifest: &Manifest, admissions: &[Admission]) -> Vec<String> {
        let objects = manifest.objects(admissions).unwrap();
        objects.iter().map(|(_, object)| object["kind"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn what_is_read_back_is_what_was_written() {
        for schedule in [None, Some("0 3 * * *")] {
            let manifest = manifest(schedule, true);
            let yaml = manifest.yaml(&BOTH).unwrap();
            let read: Vec<Value> =
                yaml.split("---\n").skip(1).map(|text| serde_saphyr::from_str(text).unwrap()).collect();
            let written: Vec<Value> =
                manifest.objects(&BOTH).unwrap().into_iter().map(|(_, object)| object).collect();
            assert_eq!(read, written);
        }
    }

    #[test]
    fn a_manifest_has_namespace_rights_jobs_and_the_exceptions_that_are_asked_for() {
        let rights =
            ["Namespace", "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"];
        assert_eq!(kinds(&manifest(None, false), &[]), [&rights[..], &["Job", "Job"]].concat());
        let cron = kinds(&manifest(Some("@daily"), false), &[Admission::Kyverno]);
        assert_eq!(cron, [&rights[..], &["CronJob", "CronJob", "PolicyException"]].concat());
        let gatekeeper = kinds(&manifest(None, false), &[Admission::Gatekeeper]);
        assert_eq!(
            gatekeeper[8..],
            ["K8sPSPHostFilesystem", "K8sPSPVolumeTypes", "K8sPSPCapabilities", "K8sPSPAllowedUsers"]
        );
    }

    #[test]
    fn its_pods_are_those_of_a_run() {
        let template = value(&pod(false).template("node-1")).unwrap();
        let once = manifest(None, false).objects(&[]).unwrap();
        assert_eq!(once[6].1["spec"]["template"], template);
        let cron = manifest(Some("@daily"), false).objects(&[]).unwrap();
        assert_eq!(cron[6].1["spec"]["jobTemplate"]["spec"]["template"], template);
        assert_eq!(cron[6].1["spec"]["concurrencyPolicy"], "Forbid");
    }

    #[test]
    fn exceptions_are_no_wider_than_the_pods() {
        let of = |files, at: usize| manifest(None, files).objects(&BOTH).unwrap().swap_remove(at).1;
        assert_eq!(
            of(false, 8)["spec"]["parameters"]["allowedHostPaths"],
            json!([
                {"pathPrefix": "/etc/machine-id", "readOnly": true},
                {"pathPrefix": "/run/containerd/containerd.sock", "readOnly": true},
                {"pathPrefix": "/var/lib/containerd", "readOnly": true},
            ])
        );
        assert_eq!(of(false, 10)["spec"]["parameters"]["allowedCapabilities"], json!([]));
        assert_eq!(of(true, 10)["spec"]["parameters"]["allowedCapabilities"], json!(FILES_CAPABILITIES));
        let policies = |files| of(files, 12)["spec"]["exceptions"].as_array().unwrap().len();
        assert_eq!((policies(false), policies(true)), (4, 6));
    }

    #[test]
    fn rights_are_those_of_the_file() {
        let objects = manifest(None, false).objects(&[]).unwrap();
        let verbs = |object: &Value| {
            let rules = object["rules"].as_array().unwrap().iter();
            rules.map(|rule| rule["verbs"].as_array().unwrap().len()).sum::<usize>()
        };
        assert!(verbs(&objects[2].1) >= 8 && verbs(&objects[4].1) == 1);
        assert_eq!(objects[4].1["metadata"]["name"], "assay-collector-assay");
        assert_eq!(objects[5].1["roleRef"]["name"], "assay-collector-assay");
        assert_eq!(objects[5].1["subjects"][0]["namespace"], "assay");
    }

    #[test]
    fn jobs_have_names_that_kubernetes_takes() {
        let long = "n".repeat(253);
        let nodes = ["node-1", "a.b", "a-b", &long, &format!("{long}x"), &format!("{}.b", "a".repeat(60))];
        let names: BTreeSet<String> = nodes.iter().map(|node| job_name(node)).collect();
        assert_eq!(names.len(), nodes.len());
        for name in names {
            let is_usual = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            assert!(
                name.len() <= NAME_LETTERS && name.bytes().all(is_usual) && !name.ends_with('-'),
                "{name}"
            );
        }
        assert_eq!(job_name("node-1"), "assay-node-1");
    }
}
