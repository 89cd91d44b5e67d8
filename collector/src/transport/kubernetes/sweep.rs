//! Removes what visits and runs have made in a cluster, and proves by listing that it is gone.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{DeleteParams, ListParams, ObjectMeta};
use kube::core::{NamespaceResourceScope, PartialObjectMeta};
use kube::{Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};

use super::api::{ApiError, Cluster, call};
use super::labels::{self, Label};

/// Seconds that a container has to end, when its pod is deleted. The agent has nothing to put in order.
const GRACE: u32 = 1;

/// How often it is looked whether something is gone.
const LOOK: Duration = Duration::from_millis(200);

/// Objects that are there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Left {
    /// Jobs.
    pub jobs: BTreeSet<String>,
    /// Pods.
    pub pods: BTreeSet<String>,
    /// ConfigMaps.
    pub config_maps: BTreeSet<String>,
    /// The runs that have made them, in lower case.
    pub runs: BTreeSet<String>,
    /// Those of them whose jobs are still at work.
    pub active_runs: BTreeSet<String>,
}

impl Left {
    /// Whether nothing is there.
    pub(crate) fn is_nothing(&self) -> bool {
        self.jobs.is_empty() && self.pods.is_empty() && self.config_maps.is_empty()
    }

    /// The objects, for people.
    pub(crate) fn text(&self) -> String {
        let of = |kind: &str, names: &BTreeSet<String>| {
            names.iter().map(|name| format!("{kind} {name}")).collect::<Vec<_>>()
        };
        [of("job", &self.jobs), of("pod", &self.pods), of("configmap", &self.config_maps)].concat().join(", ")
    }
}

/// What is there. A visit has no ConfigMaps of its own.
///
/// # Errors
/// [`ApiError`]
pub(crate) async fn remains(cluster: &Cluster, label: &Label, limit: Duration) -> Result<Left, ApiError> {
    let jobs: Vec<Job> = list(cluster, "listing jobs", label, limit).await?;
    let pods: Vec<Pod> = list(cluster, "listing pods", label, limit).await?;
    let config_maps = match label {
        Label::Job(_) => Vec::new(),
        // their contents may be many megabytes
        Label::AnyRun | Label::Run(_) => list_metadata(cluster, label, limit).await?,
    };
    let is_active = |job: &&Job| job.status.as_ref().and_then(|status| status.active).unwrap_or(0) > 0;
    let run = |metadata: &ObjectMeta| labels::run(metadata.labels.as_ref()).map(str::to_owned);
    let all = jobs.iter().map(|job| &job.metadata).chain(pods.iter().map(|pod| &pod.metadata));
    Ok(Left {
        jobs: jobs.iter().map(Job::name_any).collect(),
        pods: pods.iter().map(Pod::name_any).collect(),
        config_maps: config_maps.iter().map(PartialObjectMeta::name_any).collect(),
        runs: all.chain(config_maps.iter().map(|config| &config.metadata)).filter_map(run).collect(),
        active_runs: jobs.iter().filter(is_active).filter_map(|job| run(&job.metadata)).collect(),
    })
}

/// Removes what `label` names, and lists until nothing of it is there or the time is over. Returns what there was, and what there
/// is.
///
/// # Errors
/// [`ApiError`]
pub(crate) async fn remove(
    cluster: &Cluster,
    label: &Label,
    limit: Duration,
) -> Result<(Left, Left), ApiError> {
    let begun = Instant::now();
    let left_time = || limit.saturating_sub(begun.elapsed());
    let before = remains(cluster, label, left_time()).await?;
    let mut now = before.clone();
    let (mut deleted, mut pause) = (Left::default(), LOOK);
    while !now.is_nothing() {
        // The job first: otherwise its controller makes a pod in place of the one that is deleted.
        for job in now.jobs.difference(&deleted.jobs) {
            delete::<Job>(cluster, "deleting a job", job, DeleteParams::background(), left_time()).await?;
        }
        for pod in now.pods.difference(&deleted.pods) {
            let soon = DeleteParams::default().grace_period(GRACE);
            delete::<Pod>(cluster, "deleting a pod", pod, soon, left_time()).await?;
        }
        for config in now.config_maps.difference(&deleted.config_maps) {
            let at_once = DeleteParams::default();
            delete::<ConfigMap>(cluster, "deleting a ConfigMap", config, at_once, left_time()).await?;
        }
        deleted = now;
        now = remains(cluster, label, left_time()).await?;
        if left_time().is_zero() {
            break;
        }
        if !now.is_nothing() {
            sleep(pause).await;
            pause = (pause * 2).min(LOOK * 10);
            now = remains(cluster, label, left_time()).await?;
        }
    }
    Ok((before, now))
}

/// Deletes an object that may be gone already.
async fn delete<K>(
    cluster: &Cluster,
    what: &'static str,
    name: &str,
    how: DeleteParams,
    limit: Duration,
) -> Result<(), ApiError>
where
    K: Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug + Send,
    K::DynamicType: Default,
{
    let api = cluster.api::<K>();
    match call(what, limit, || api.delete(name, &how)).await {
        Err(error) if !error.is_missing() => Err(error),
        _ => Ok(()),
    }
}

/// Objects in one answer.
const PAGE: u32 = 200;

async fn list<K>(
    cluster: &Cluster,
    what: &'static str,
    label: &Label,
    limit: Duration,
) -> Result<Vec<K>, ApiError>
where
    K: Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug + Send,
    K::DynamicType: Default,
{
    let api = cluster.api::<K>();
    let mut page = ListParams::default().labels(&label.selector()).limit(PAGE);
    let mut all = Vec::new();
    loop {
        let answer = call(what, limit, || api.list(&page)).await?;
        all.extend(answer.items);
        match answer.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(all),
        }
    }
}

async fn list_metadata(
    cluster: &Cluster,
    label: &Label,
    limit: Duration,
) -> Result<Vec<PartialObjectMeta<ConfigMap>>, ApiError> {
    let api = cluster.api::<ConfigMap>();
    let mut page = ListParams::default().labels(&label.selector()).limit(PAGE);
    let mut all = Vec::new();
    loop {
        let answer = call("listing ConfigMaps", limit, || api.list_metadata(&page)).await?;
        all.extend(answer.items);
        match answer.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(all),
        }
    }
}
