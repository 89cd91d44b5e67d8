//! Reads the status of a pod: how far it is, how it ended, or why it will not start. Pure.
//!
//! What is written there comes from the API server, its controllers and the node's kubelet. Texts are cleaned before they are shown.

use assay_report::Outcome;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::job::CONTAINER;
use crate::clean;
use crate::transport::failure::Failure;

/// How far a pod is.
#[derive(Debug)]
pub(super) enum Progress {
    /// Its container has not started.
    Waiting {
        /// What it waits for, as the kubelet says it.
        reason: String,
    },
    /// Its container runs.
    Running,
    /// Its container has ended.
    Ended(Ended),
    /// It will not end by itself as it should.
    Failed(Failure),
}

/// How a container has ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// Its exit code.
    pub(super) exit: i32,
    /// The kubelet's word for it, such as `Completed`, `Error` or `OOMKilled`.
    pub(super) reason: String,
    /// The termination message.
    pub(super) message: String,
    /// When it started and ended, by the node's clock, in seconds of Unix time.
    pub(super) times: Option<(i64, i64)>,
}

/// How far a pod is.
pub(super) fn progress(pod: &Pod) -> Progress {
    let Some(status) = &pod.status else {
        return Progress::Waiting { reason: "Pending".to_owned() };
    };
    let container = agent(pod);
    // A container that was killed because its pod was evicted has not ended by itself, whatever it says.
    if let Some(failure) = evicted(pod) {
        return Progress::Failed(failure);
    }
    if let Some(ended) = container.and_then(ended) {
        return Progress::Ended(ended);
    }
    let said = |text: &Option<String>| clean::message(text.as_deref().unwrap_or_default());
    if status.phase.as_deref() == Some("Failed") {
        let message =
            format!("the node does not run the pod: {}: {}", said(&status.reason), said(&status.message));
        let hint = "the message is from the node's kubelet; make room for the pod there";
        return Progress::Failed(Failure::new(Outcome::PodRefused, message, hint));
    }
    let state = container.and_then(|container| container.state.as_ref());
    if state.is_some_and(|state| state.running.is_some()) {
        return Progress::Running;
    }
    let Some(waiting) = state.and_then(|state| state.waiting.as_ref()) else {
        return Progress::Waiting { reason: status.phase.clone().unwrap_or_else(|| "Pending".to_owned()) };
    };
    let reason = waiting.reason.clone().unwrap_or_default();
    let message = format!("{}: {}", clean::message(&reason), said(&waiting.message));
    match reason.as_str() {
        // the first failure may pass: the kubelet tries once more before it says BackOff
        "ImagePullBackOff"
        | "ErrImageNeverPull"
        | "InvalidImageName"
        | "ImageInspectError"
        | "RegistryUnavailable"
        | "SignatureValidationFailed" => Progress::Failed(Failure::new(
            Outcome::ImageUnavailable,
            message,
            "push the image to a registry that the nodes reach, or import it on the node, under the digest that was asked for",
        )),
        "CreateContainerConfigError"
        | "CreateContainerError"
        | "RunContainerError"
        | "PostStartHookError"
        | "CrashLoopBackOff" => Progress::Failed(Failure::new(
            Outcome::AgentFailed,
            format!("the agent cannot be started: {message}"),
            "the message is from the node's kubelet or its container runtime",
        )),
        _ => Progress::Waiting { reason: message },
    }
}

/// The status of the agent's container. A cluster may put others beside it.
pub(super) fn agent(pod: &Pod) -> Option<&ContainerStatus> {
    let containers = pod.status.as_ref()?.container_statuses.iter().flatten();
    containers.into_iter().find(|container| container.name == CONTAINER)
}

/// Why the pod is not the one that was asked for: what admits pods to a cluster may change them.
pub(super) fn changed(pod: &Pod, node: &str, image: &str) -> Option<Failure> {
    let spec = pod.spec.as_ref()?;
    let digest = |image: &str| image.rsplit_once('@').map(|(_, digest)| digest.to_owned());
    let of_agent = spec.containers.iter().find(|container| container.name == CONTAINER);
    let runs = of_agent.and_then(|container| container.image.as_deref()).unwrap_or_default();
    // the same image may be had elsewhere
    let message = if digest(runs) != digest(image) {
        format!("the cluster runs the image {} in place of {image}", clean::name(runs))
    } else if spec.node_name.as_deref() != Some(node) {
        let other = spec.node_name.as_deref().unwrap_or("no node");
        format!("the cluster gave the pod to {} in place of {node}", clean::name(other))
    } else {
        return None;
    };
    let hint =
        "see which admission webhook changes pods in assay's namespace, and exempt the namespace from it";
    Some(Failure::new(Outcome::PodRefused, message, hint))
}

/// Why a pod that was deleted is gone.
pub(super) fn deleted(pod: &Pod) -> Failure {
    evicted(pod).unwrap_or_else(|| {
        Failure::new(
            Outcome::Evicted,
            "the pod was deleted before the agent had ended".to_owned(),
            "run again with --resume; find out who deletes pods in assay's namespace",
        )
    })
}

/// Why a pod ends before its container does, if it is so.
fn evicted(pod: &Pod) -> Option<Failure> {
    let status = pod.status.as_ref()?;
    let disrupted = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "DisruptionTarget" && condition.status == "True");
    let reason = status.reason.as_deref().filter(|reason| {
        matches!(*reason, "Evicted" | "Preempting" | "Terminated" | "NodeShutdown" | "Shutdown" | "NodeLost")
    });
    let (reason, message) = match (disrupted, reason) {
        (Some(condition), _) => (condition.reason.as_deref(), condition.message.as_deref()),
        (None, Some(reason)) => (Some(reason), status.message.as_deref()),
        (None, None) => return None,
    };
    let message = format!(
        "the pod was evicted: {}: {}",
        clean::message(reason.unwrap_or("no reason")),
        clean::message(message.unwrap_or("no message"))
    );
    let hint = "run again with --resume; if it happens again, see why the node is short of memory or disk, or who drains it";
    Some(Failure::new(Outcome::Evicted, message, hint))
}

fn ended(container: &ContainerStatus) -> Option<Ended> {
    let terminated = container.state.as_ref()?.terminated.as_ref()?;
    let seconds = |time: &Option<Time>| time.as_ref().map(|time| time.0.as_second());
    Some(Ended {
        exit: terminated.exit_code,
        reason: terminated.reason.clone().unwrap_or_default(),
        message: terminated.message.clone().unwrap_or_default(),
        times: seconds(&terminated.started_at).zip(seconds(&terminated.finished_at)),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(status: Value) -> Progress {
        let mut pod = json!({"metadata": {"name": "a"}});
        pod["status"] = status;
        progress(&serde_json::from_value(pod).unwrap())
    }

    fn failed(status: Value) -> Outcome {
        match of(status) {
            Progress::Failed(failure) => failure.outcome,
            other => panic!("{other:?}"),
        }
    }

    fn container(state: Value) -> Value {
        let mut status =
            json!([{"name": "agent", "image": "", "imageID": "", "ready": false, "restartCount": 0}]);
        status[0]["state"] = state;
        status
    }

    #[test]
    fn a_pod_comes_to_its_end() {
        assert!(matches!(of(json!({})), Progress::Waiting { .. }));
        assert!(matches!(of(json!({"phase": "Pending"})), Progress::Waiting { .. }));
        let waiting = container(json!({"waiting": {"reason": "ContainerCreating"}}));
        assert!(matches!(
            of(json!({"phase": "Pending", "containerStatuses": waiting})),
            Progress::Waiting { .. }
        ));
        let pulling = container(json!({"waiting": {"reason": "ErrImagePull", "message": "no route"}}));
        assert!(matches!(
            of(json!({"phase": "Pending", "containerStatuses": pulling})),
            Progress::Waiting { .. }
        ));
        let running = container(json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}}));
        assert!(matches!(of(json!({"phase": "Running", "containerStatuses": running})), Progress::Running));
        let terminated = container(json!({"terminated": {
            "exitCode": 1, "reason": "Error", "message": "{}",
            "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:02Z",
        }}));
        let Progress::Ended(ended) = of(json!({"phase": "Failed", "containerStatuses": terminated})) else {
            panic!("not ended");
        };
        assert_eq!((ended.exit, ended.reason.as_str(), ended.message.as_str()), (1, "Error", "{}"));
        assert_eq!(ended.times.map(|(from, to)| to - from), Some(2));
    }

    #[test]
    fn only_the_container_of_the_agent_counts() {
        let mut both = container(json!({"terminated": {"exitCode": 0}}));
        both[0]["name"] = json!("beside");
        assert!(matches!(of(json!({"containerStatuses": both})), Progress::Waiting { .. }));
        let agent = container(json!({"running": {}}))[0].take();
        both.as_array_mut().unwrap().push(agent);
        assert!(matches!(of(json!({"containerStatuses": both})), Progress::Running));
    }

    #[test]
    fn a_pod_that_the_cluster_changed_is_not_the_one_that_was_asked_for() {
        let changed = |name: &str, image: &str, node: &str| {
            let spec = json!({"nodeName": node, "containers": [
                {"name": "beside", "image": "r.example/beside"}, {"name": name, "image": image},
            ]});
            let pod = serde_json::from_value(json!({"metadata": {}, "spec": spec})).unwrap();
            changed(&pod, "node-1", "r.example/assay@sha256:ab").map(|failure| failure.outcome)
        };
        assert_eq!(changed("agent", "r.example/assay@sha256:ab", "node-1"), None);
        assert_eq!(changed("agent", "mirror.example/assay@sha256:ab", "node-1"), None);
        for (name, image, node) in [
            ("agent", "r.example/assay@sha256:cd", "node-1"),
            ("agent", "r.example/assay:v1", "node-1"),
            ("other", "r.example/assay@sha256:ab", "node-1"),
            ("agent", "r.example/assay@sha256:ab", "node-2"),
        ] {
            assert_eq!(changed(name, image, node), Some(Outcome::PodRefused), "{name} {image} {node}");
        }
    }

    #[test]
    fn a_pod_that_does_not_come_to_its_end_says_why() {
        for (reason, outcome) in [
            ("ImagePullBackOff", Outcome::ImageUnavailable),
            ("ErrImageNeverPull", Outcome::ImageUnavailable),
            ("InvalidImageName", Outcome::ImageUnavailable),
            ("CreateContainerError", Outcome::AgentFailed),
            ("RunContainerError", Outcome::AgentFailed),
        ] {
            let waiting = container(json!({"waiting": {"reason": reason}}));
            assert_eq!(
                failed(json!({"phase": "Pending", "containerStatuses": waiting})),
                outcome,
                "{reason}"
            );
        }
        let refused = json!({"phase": "Failed", "reason": "OutOfcpu", "message": "too little cpu"});
        assert_eq!(failed(refused), Outcome::PodRefused);
    }

    /// The container of an evicted pod may seem to have ended well.
    #[test]
    fn an_evicted_pod_has_not_ended_by_itself() {
        let ended = container(json!({"terminated": {"exitCode": 0, "reason": "Completed"}}));
        for status in [
            json!({"phase": "Failed", "reason": "Evicted", "message": "low on memory", "containerStatuses": ended}),
            json!({"phase": "Running", "containerStatuses": ended, "conditions": [
                {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
            ]}),
        ] {
            assert_eq!(failed(status), Outcome::Evicted);
        }
    }
}
