//! The job of a visit: the pod of [`crate::kubernetes::pod`], once, on one node.

use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;

use super::labels;
use super::parts::Parts;
use crate::kubernetes::pod::{AgentJob, AgentPod, Delivery, Sight};
use crate::transport::host::AgentRun;

pub(super) use crate::kubernetes::pod::CONTAINER;

/// What the jobs of a run have in common.
#[derive(Clone, Debug)]
pub(crate) struct JobPlan {
    /// The run's id.
    pub run_id: String,
    /// The image, by its digest.
    pub image: String,
    /// `Always`, `IfNotPresent` or `Never`; none: the cluster's default.
    pub pull_policy: Option<String>,
    /// Secrets of the namespace with which the image is pulled.
    pub pull_secrets: Vec<String>,
    /// containerd's folder on the nodes, if it is not the usual one.
    pub containerd_root: Option<String>,
    /// Whether files of unpacked images or of containers are read.
    pub reads_files: bool,
}

/// How long a pod may take to start, on top of what its agent may take.
const START: Duration = Duration::from_secs(600);

/// How long the cluster keeps a job that has ended, for a collector that does not come for it.
const KEPT: Duration = Duration::from_secs(900);

/// The job of a visit to `node`.
pub(super) fn job(
    plan: &JobPlan,
    parts: Option<&Parts>,
    name: &str,
    namespace: &str,
    (node, store): (&str, Option<&str>),
    run: &AgentRun<'_>,
) -> Job {
    let pod = AgentPod {
        image: plan.image.clone(),
        pull_policy: plan.pull_policy.clone(),
        pull_secrets: plan.pull_secrets.clone(),
        sight: Sight::of_store(store, plan.containerd_root.as_deref(), plan.reads_files),
        delivery: parts
            .map(|parts| Delivery { config_maps: parts.names(), sha256: parts.sha256().to_owned() }),
        command: run.arguments.to_vec(),
        labels: labels::of_job(&plan.run_id, name),
        selinux_type: None,
    };
    AgentJob {
        name: name.to_owned(),
        namespace: namespace.to_owned(),
        node: node.to_owned(),
        pod: &pod,
        deadline: START + run.limit,
        kept: Some(KEPT),
    }
    .job()
}
