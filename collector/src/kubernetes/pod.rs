//! Describes the pod in which an agent looks at its node. Runs and manifests make their pods here, so what a site reviews is what
//! runs.
//!
//! The pod needs no network, has no token of a service account, and can write nothing but its scratch folder. Of the node it sees
//! containerd's socket, containerd's folder and the machine id, all read-only and under the paths that they have on the node,
//! because containerd itself names such paths. It drops every capability. Only a comparison of files keeps two: files of images belong to
//! many users, and the kernel shows what overlayfs marks in them (`trusted.*`) to nobody without `CAP_SYS_ADMIN`. It also sees the folder
//! of the socket, because containerd mounts the roots of containers there.

use std::collections::BTreeMap;
use std::time::Duration;

use assay_report::{Asked, CONTAINERD_SOCKET};
use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapProjection, Container, EmptyDirVolumeSource, EnvVar, EnvVarSource,
    HostPathVolumeSource, LocalObjectReference, ObjectFieldSelector, PodSpec, PodTemplateSpec,
    ProjectedVolumeSource, ResourceRequirements, SELinuxOptions, SeccompProfile, SecurityContext, Toleration,
    Volume, VolumeMount, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// The agent's program in its image.
pub const AGENT: &str = "/assay-agent";

/// The trust directory in an image that has one.
pub const TRUST: &str = "/assay/trust";

/// The folder of bundles in an image that has them, each under its number: `0.tar`, `1.tar` and so on.
pub const BUNDLES: &str = "/assay/bundles";

/// The folder with what is delivered in parts.
pub const PARTS: &str = "/assay/parts";

/// The folder that the agent may write to. Its command runs there.
pub const SCRATCH: &str = "/assay/scratch";

/// The name of the pod's only container.
pub const CONTAINER: &str = "agent";

/// Where containerd keeps its files, unless a node says otherwise.
pub const CONTAINERD_ROOT: &str = "/var/lib/containerd";

/// The label of everything that this program makes in a cluster, and its value.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "assay");

/// The label of pods and what makes pods, and its value.
pub const NAME: (&str, &str) = ("app.kubernetes.io/name", "assay-agent");

/// Memory of the container: the agent's budget.
const MEMORY: &str = "64Mi";

/// Room in the scratch folder: the largest archive that can be delivered, packed and unpacked (`limits::DELIVERED_BYTES`,
/// `limits::ARCHIVE_RATIO`, `limits::ARCHIVE_FREE_BYTES`).
const SCRATCH_SIZE: &str = "640Mi";

/// What a comparison of files needs, though it only reads.
pub(super) const FILES_CAPABILITIES: [&str; 2] = ["DAC_READ_SEARCH", "SYS_ADMIN"];

/// The volume of containerd's socket.
const SOCKET: &str = "containerd-socket";

/// The volume of the folder in which containerd has its socket, and mounts the roots of containers.
const STATE: &str = "containerd-state";

const MACHINE_ID: &str = "/etc/machine-id";
const TERMINATION_LOG: &str = "/dev/termination-log";
const NODE_NAME: &str = "NODE_NAME";

/// What an agent's pod is to be.
#[derive(Clone, Debug)]
pub struct AgentPod {
    /// The image, by digest.
    pub image: String,
    /// `Always`, `IfNotPresent` or `Never`; none: the cluster's default.
    pub pull_policy: Option<String>,
    /// Secrets of the namespace with which the image is pulled.
    pub pull_secrets: Vec<String>,
    /// What the pod sees of its node.
    pub sight: Sight,
    /// What is delivered to the pod; none: all that it needs is in the image.
    pub delivery: Option<Delivery>,
    /// The agent's command, `verify` or `inventory`, with its options.
    pub command: Vec<String>,
    /// Labels beside [`NAME`] and [`MANAGED_BY`].
    pub labels: BTreeMap<String, String>,
    /// The SELinux type of the container; none: the runtime's default.
    pub selinux_type: Option<String>,
}

/// What a pod sees of its node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// containerd's socket; none if its daemon is not asked.
    pub socket: Option<String>,
    /// containerd's folder.
    pub root: String,
    /// Whether files of unpacked images and of containers are read.
    pub files: bool,
}

/// What is delivered to a pod: the parts of an archive.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The ConfigMaps that hold the parts, each under its name, `part-0000` and so on.
    pub config_maps: Vec<String>,
    /// The archive's digest, 64 hex digits.
    pub sha256: String,
}

/// A job that runs such a pod once on one node.
#[derive(Clone, Debug)]
pub struct AgentJob<'p> {
    /// The job's name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The node that it runs on.
    pub node: String,
    /// The pod.
    pub pod: &'p AgentPod,
    /// How long the pod may take, image pull included.
    pub deadline: Duration,
    /// When the cluster removes the job after its end, even if nobody else does; none: never.
    pub kept: Option<Duration>,
}

impl Sight {
    /// Whether what is asked needs the files of unpacked images or of containers.
    pub fn reads_files(asked: &Asked) -> bool {
        asked.rootfs.is_some() || asked.drift.is_some()
    }

    /// What `--store` needs to be seen, with containerd's folder if it is not [`CONTAINERD_ROOT`]. `files`: whether files of
    /// unpacked images or of containers are read.
    pub fn of_store(store: Option<&str>, root: Option<&str>, files: bool) -> Self {
        let root_or = |default: &str| root.unwrap_or(default).to_owned();
        match store.and_then(|store| store.split_once(':')) {
            Some(("root", folder)) => Self { socket: None, root: folder.to_owned(), files },
            Some(("containerd", address)) => {
                let socket = address.strip_prefix("unix://").unwrap_or(address);
                Self { socket: Some(socket.to_owned()), root: root_or(CONTAINERD_ROOT), files }
            }
            _ => Self { socket: Some(CONTAINERD_SOCKET.to_owned()), root: root_or(CONTAINERD_ROOT), files },
        }
    }
}

impl AgentJob<'_> {
    /// The job.
    pub fn job(&self) -> Job {
        Job {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                namespace: Some(self.namespace.clone()),
                labels: Some(self.pod.labels()),
                ..ObjectMeta::default()
            },
            spec: Some(self.spec()),
            status: None,
        }
    }

    /// What the job is to do.
    pub fn spec(&self) -> JobSpec {
        let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        let kept = self.kept.map(|kept| i32::try_from(kept.as_secs()).unwrap_or(i32::MAX));
        JobSpec {
            active_deadline_seconds: Some(seconds(self.deadline)),
            backoff_limit: Some(0),
            ttl_seconds_after_finished: kept,
            template: self.pod.template(&self.node),
            ..JobSpec::default()
        }
    }
}

impl AgentPod {
    /// The pod on that node.
    pub fn template(&self, node: &str) -> PodTemplateSpec {
        PodTemplateSpec {
            metadata: Some(ObjectMeta { labels: Some(self.labels()), ..ObjectMeta::default() }),
            spec: Some(self.spec(node)),
        }
    }

    fn labels(&self) -> BTreeMap<String, String> {
        let own = [NAME, MANAGED_BY].map(|(key, value)| (key.to_owned(), value.to_owned()));
        self.labels.clone().into_iter().chain(own).collect()
    }

    fn spec(&self, node: &str) -> PodSpec {
        let secrets = self.pull_secrets.iter().map(|name| LocalObjectReference { name: name.clone() });
        PodSpec {
            node_name: Some(node.to_owned()),
            restart_policy: Some("Never".to_owned()),
            // the first process of a container does not end when it is asked to
            termination_grace_period_seconds: Some(1),
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            host_network: Some(false),
            host_pid: Some(false),
            host_ipc: Some(false),
            dns_policy: Some("Default".to_owned()),
            tolerations: Some(vec![Toleration {
                operator: Some("Exists".to_owned()),
                ..Toleration::default()
            }]),
            image_pull_secrets: (!self.pull_secrets.is_empty()).then(|| secrets.collect()),
            containers: vec![self.container()],
            volumes: Some(self.volumes()),
            ..PodSpec::default()
        }
    }

    fn container(&self) -> Container {
        let amounts = |amounts: &[(&str, &str)]| {
            let amounts =
                amounts.iter().map(|(what, amount)| ((*what).to_owned(), Quantity((*amount).into())));
            Some(amounts.collect())
        };
        let node_name = EnvVar {
            name: NODE_NAME.to_owned(),
            value_from: Some(EnvVarSource {
                field_ref: Some(ObjectFieldSelector {
                    field_path: "spec.nodeName".to_owned(),
                    ..ObjectFieldSelector::default()
                }),
                ..EnvVarSource::default()
            }),
            ..EnvVar::default()
        };
        Container {
            name: CONTAINER.to_owned(),
            image: Some(self.image.clone()),
            image_pull_policy: self.pull_policy.clone(),
            command: Some(vec![AGENT.to_owned()]),
            args: Some(self.args()),
            env: Some(vec![node_name]),
            resources: Some(ResourceRequirements {
                requests: amounts(&[("cpu", "10m"), ("memory", MEMORY)]),
                limits: amounts(&[("memory", MEMORY)]),
                ..ResourceRequirements::default()
            }),
            security_context: Some(self.security()),
            termination_message_path: Some(TERMINATION_LOG.to_owned()),
            // without a report, the end of what the agent said is in the pod's status
            termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
            volume_mounts: Some(self.mounts()),
            ..Container::default()
        }
    }

    fn security(&self) -> SecurityContext {
        SecurityContext {
            // containerd's socket and folder are root's
            run_as_user: Some(0),
            run_as_group: Some(0),
            privileged: Some(false),
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".to_owned()]),
                add: self.sight.files.then(|| FILES_CAPABILITIES.map(str::to_owned).to_vec()),
            }),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                localhost_profile: None,
            }),
            se_linux_options: self
                .selinux_type
                .as_ref()
                .map(|type_| SELinuxOptions { type_: Some(type_.clone()), ..SELinuxOptions::default() }),
            ..SecurityContext::default()
        }
    }

    fn args(&self) -> Vec<String> {
        let mut args = vec!["job".to_owned(), "--node-name".to_owned(), format!("$({NODE_NAME})")];
        let mut add = |flag: &str, value: &str| args.extend([flag.to_owned(), value.to_owned()]);
        add("--scratch", SCRATCH);
        add("--termination-log", TERMINATION_LOG);
        if let Some(delivery) = &self.delivery {
            add("--parts", PARTS);
            add("--archive-sha256", &delivery.sha256);
        }
        args.push("--".to_owned());
        // Kubernetes expands $(NAME), and takes $$ for $
        args.extend(self.command.iter().map(|arg| arg.replace('$', "$$")));
        args
    }

    /// The volumes of the node, each with its kind and its place in the node and in the pod.
    pub(super) fn of_the_node(&self) -> impl Iterator<Item = (&'static str, &'static str, &str)> {
        let daemon = self.sight.socket.as_deref().map(|socket| match socket.rsplit_once('/') {
            Some((folder, _)) if self.sight.files && !folder.is_empty() => (STATE, "Directory", folder),
            _ => (SOCKET, "Socket", socket),
        });
        let rest = [("containerd-root", "Directory", &*self.sight.root), ("machine-id", "File", MACHINE_ID)];
        daemon.into_iter().chain(rest)
    }

    fn volumes(&self) -> Vec<Volume> {
        let of_the_node = self.of_the_node().map(|(name, kind, path)| Volume {
            name: name.to_owned(),
            host_path: Some(HostPathVolumeSource { path: path.to_owned(), type_: Some(kind.to_owned()) }),
            ..Volume::default()
        });
        let scratch = Volume {
            name: "scratch".to_owned(),
            empty_dir: Some(EmptyDirVolumeSource {
                size_limit: Some(Quantity(SCRATCH_SIZE.to_owned())),
                medium: None,
            }),
            ..Volume::default()
        };
        let parts = self.delivery.as_ref().map(|delivery| {
            let sources = delivery.config_maps.iter().map(|name| VolumeProjection {
                config_map: Some(ConfigMapProjection {
                    name: name.clone(),
                    ..ConfigMapProjection::default()
                }),
                ..VolumeProjection::default()
            });
            Volume {
                name: "parts".to_owned(),
                projected: Some(ProjectedVolumeSource {
                    sources: Some(sources.collect()),
                    ..ProjectedVolumeSource::default()
                }),
                ..Volume::default()
            }
        });
        of_the_node.chain([scratch]).chain(parts).collect()
    }

    fn mounts(&self) -> Vec<VolumeMount> {
        let mount = |name: &str, path: &str, read_only: bool| VolumeMount {
            name: name.to_owned(),
            mount_path: path.to_owned(),
            read_only: Some(read_only),
            ..VolumeMount::default()
        };
        let of_the_node = self.of_the_node().map(|(name, _, path)| mount(name, path, true));
        let parts = self.delivery.as_ref().map(|_| mount("parts", PARTS, true));
        of_the_node.chain([mount("scratch", SCRATCH, false)]).chain(parts).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod() -> AgentPod {
        AgentPod {
            image: "registry.example.test/assay@sha256:00".to_owned(),
            pull_policy: None,
            pull_secrets: Vec::new(),
            sight: Sight::of_store(None, None, false),
            delivery: None,
            command: ["verify", "--trust", TRUST, "--image", "a$(b)$c"].map(str::to_owned).to_vec(),
            labels: BTreeMap::from([("assay-run".to_owned(), "r1".to_owned())]),
            selinux_type: None,
        }
    }

    fn spec(pod: &AgentPod) -> Value {
        serde_json::to_value(pod.template("node-1")).unwrap()["spec"].take()
    }

    /// Every member of a pod, so that none is added unseen.
    #[test]
    fn a_pod_can_do_nothing_else() {
        let expected = json!({
            "nodeName": "node-1",
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "hostNetwork": false,
            "hostPID": false,
            "hostIPC": false,
            "dnsPolicy": "Default",
            "tolerations": [{"operator": "Exists"}],
            "containers": [{
                "name": "agent",
                "image": "registry.example.test/assay@sha256:00",
                "command": ["/assay-agent"],
                "args": [
                    "job", "--node-name", "$(NODE_NAME)", "--scratch", "/assay/scratch",
                    "--termination-log", "/dev/termination-log",
                    "--", "verify", "--trust", "/assay/trust", "--image", "a$$(b)$$c",
                ],
                "env": [{"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
                "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "64Mi"}},
                "securityContext": {
                    "runAsUser": 0,
                    "runAsGroup": 0,
                    "privileged": false,
                    "allowPrivilegeEscalation": false,
                    "readOnlyRootFilesystem": true,
                    "capabilities": {"drop": ["ALL"]},
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "volumeMounts": [
                    {"name": "containerd-socket", "mountPath": "/run/containerd/containerd.sock", "readOnly": true},
                    {"name": "containerd-root", "mountPath": "/var/lib/containerd", "readOnly": true},
                    {"name": "machine-id", "mountPath": "/etc/machine-id", "readOnly": true},
                    {"name": "scratch", "mountPath": "/assay/scratch", "readOnly": false},
                ],
            }],
            "volumes": [
                {
                    "name": "containerd-socket",
                    "hostPath": {"path": "/run/containerd/containerd.sock", "type": "Socket"},
                },
                {"name": "containerd-root", "hostPath": {"path": "/var/lib/containerd", "type": "Directory"}},
                {"name": "machine-id", "hostPath": {"path": "/etc/machine-id", "type": "File"}},
                {"name": "scratch", "emptyDir": {"sizeLimit": "640Mi"}},
            ],
        });
        assert_eq!(spec(&pod()), expected);
    }

    #[test]
    fn a_comparison_of_files_keeps_two_capabilities_and_sees_where_containers_are_mounted() {
        let spec = spec(&AgentPod { sight: Sight::of_store(None, None, true), ..pod() });
        let container = &spec["containers"][0];
        assert_eq!(
            container["securityContext"]["capabilities"],
            json!({"drop": ["ALL"], "add": ["DAC_READ_SEARCH", "SYS_ADMIN"]})
        );
        assert_eq!(
            [&container["volumeMounts"][0], &spec["volumes"][0]],
            [
                &json!({"name": "containerd-state", "mountPath": "/run/containerd", "readOnly": true}),
                &json!({"name": "containerd-state", "hostPath": {"path": "/run/containerd", "type": "Directory"}}),
            ]
        );
    }

    #[test]
    fn what_a_store_needs_is_seen_and_nothing_else() {
        for (store, root, socket, folder) in [
            (None, None, Some("/run/containerd/containerd.sock"), "/var/lib/containerd"),
            (Some("containerd"), Some("/data"), Some("/run/containerd/containerd.sock"), "/data"),
            (Some("containerd:/run/k3s.sock"), Some("/k3s"), Some("/run/k3s.sock"), "/k3s"),
            (Some("containerd:unix:///run/c.sock"), None, Some("/run/c.sock"), "/var/lib/containerd"),
            (Some("root:/data/containerd"), Some("/other"), None, "/data/containerd"),
        ] {
            let sight = Sight::of_store(store, root, false);
            assert_eq!((sight.socket.as_deref(), &*sight.root), (socket, folder));
            let volumes = spec(&AgentPod { sight, ..pod() })["volumes"].as_array().unwrap().len();
            assert_eq!(volumes, if socket.is_some() { 4 } else { 3 });
        }
    }

    #[test]
    fn parts_are_mounted_together() {
        let config_maps = ["assay-1", "assay-2"].map(str::to_owned).to_vec();
        let delivery = Some(Delivery { config_maps, sha256: "ab".to_owned() });
        let spec = spec(&AgentPod { delivery, ..pod() });
        assert_eq!(
            spec["volumes"][4],
            json!({"name": "parts", "projected": {"sources": [
                {"configMap": {"name": "assay-1"}}, {"configMap": {"name": "assay-2"}},
            ]}})
        );
        let container = &spec["containers"][0];
        assert_eq!(
            container["volumeMounts"][4],
            json!({"name": "parts", "mountPath": "/assay/parts", "readOnly": true})
        );
        let args = container["args"].as_array().unwrap();
        assert_eq!(args[7..11], ["--parts", "/assay/parts", "--archive-sha256", "ab"]);
    }

    #[test]
    fn a_job_runs_once_on_its_node() {
        let pod = pod();
        let job = AgentJob {
            name: "assay-r1-0".to_owned(),
            namespace: "assay".to_owned(),
            node: "node-1".to_owned(),
            pod: &pod,
            deadline: Duration::from_secs(600),
            kept: Some(Duration::from_secs(3_600)),
        };
        let mut job = serde_json::to_value(job.job()).unwrap();
        let labels = json!({
            "app.kubernetes.io/managed-by": "assay", "app.kubernetes.io/name": "assay-agent", "assay-run": "r1",
        });
        assert_eq!(job["metadata"], json!({"name": "assay-r1-0", "namespace": "assay", "labels": labels}));
        let mut template = job["spec"]["template"].take();
        assert_eq!(template["metadata"].take(), json!({"labels": labels}));
        assert_eq!(template["spec"]["nodeName"], "node-1");
        let spec = json!({
            "activeDeadlineSeconds": 600, "backoffLimit": 0, "ttlSecondsAfterFinished": 3_600, "template": null,
        });
        assert_eq!(job["spec"], spec);
    }
}
