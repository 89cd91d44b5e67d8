//! The steps of a visit as a job: its parts are delivered, its job is made, its pod is followed, and all of it is removed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use assay_report::{Outcome, PodVisit, Transport};
use k8s_openapi::api::batch::v1::Job;
use kube::api::PostParams;

use super::api::{Access, AccessError, Cluster, LateCluster, call};
use super::job::{self, JobPlan};
use super::labels::{self, Label};
use super::nodes::{self, NodeState, no_such_node, not_ready};
use super::parts::Parts;
use super::pod::{Follower, failure};
use super::sweep;
use crate::clean;
use crate::errors::with_sources;
use crate::journal::FolderRecord;
use crate::nodes::{Node, Platform};
use crate::transport::error::{ConnectError, SessionError};
use crate::transport::failure::Failure;
use crate::transport::host::{
    AgentRun, CleanedUp, Connect, Folders, Host, NodeFacts, Preparation, Prepared, Ran, Upload,
};

/// How long the answer to a question about a node may take.
const LOOK: Duration = Duration::from_secs(20);

/// How long the pod of a node that is away may take to be removed: it will not be, unless the node just came back.
const AWAY: Duration = Duration::from_secs(10);

/// How long the ConfigMaps of a run may take to be removed.
const FINISH: Duration = Duration::from_secs(60);

/// A way to the nodes of a cluster.
pub(crate) struct Connector {
    shared: Arc<Shared>,
    /// The nodes' names in the cluster, by their names in the run.
    names: BTreeMap<String, String>,
}

/// What all visits of a run share.
struct Shared {
    cluster: LateCluster,
    plan: JobPlan,
    /// What is delivered; nothing if the image has it.
    parts: Option<Parts>,
}

/// A node that has a visit.
pub(crate) struct PodHost {
    shared: Arc<Shared>,
    cluster: Cluster,
    /// Its name in the cluster.
    node: String,
    store: Option<String>,
    facts: NodeFacts,
    named_platform: String,
    visit: PodVisit,
    /// The visit's job, once it may exist.
    job: Option<String>,
    /// Whether the node is away: then its pod does not end soon.
    is_away: bool,
}

impl Connector {
    /// A connector for a run. `names` are the nodes' names in the cluster, by their names in the run.
    pub(crate) fn new(
        access: Access,
        plan: JobPlan,
        parts: Option<Parts>,
        names: BTreeMap<String, String>,
    ) -> Self {
        let cluster = LateCluster::new(access);
        Self { shared: Arc::new(Shared { cluster, plan, parts }), names }
    }
}

impl Connect for Connector {
    type Host = PodHost;

    async fn connect(&self, node: &Node) -> Result<PodHost, ConnectError> {
        let name = self.names.get(&node.name).unwrap_or(&node.name);
        let cluster = self.shared.cluster.get().await;
        let cluster = cluster.map_err(|error| ConnectError::Cluster(Box::new(no_access(&error))))?;
        let looked = nodes::look(cluster, name, LOOK).await;
        let state = looked.map_err(|error| ConnectError::Cluster(Box::new(failure(&error))))?;
        let NodeState { uid, not_ready: why, platform, named_platform } =
            state.ok_or_else(|| ConnectError::Cluster(Box::new(no_such_node(name))))?;
        if let Some(why) = why {
            return Err(ConnectError::Cluster(Box::new(not_ready(&why))));
        }
        let visit = PodVisit {
            via: Transport::Kubernetes,
            node_uid: clean::name(&uid),
            namespace: cluster.namespace().to_owned(),
            job: None,
            pod: None,
            image: self.shared.plan.image.clone(),
            image_id: None,
        };
        Ok(PodHost {
            shared: Arc::clone(&self.shared),
            cluster: cluster.clone(),
            node: name.clone(),
            store: node.store.clone(),
            facts: NodeFacts { platform, pod: Some(visit.clone()), ..NodeFacts::default() },
            named_platform,
            visit,
            job: None,
            is_away: false,
        })
    }

    /// Removes the ConfigMaps of the run.
    async fn finish(&self, run_id: &str) -> Result<(), String> {
        let cluster = self.shared.cluster.get().await.map_err(|error| with_sources(&error))?;
        let label = Label::Run(run_id.to_owned());
        match sweep::remove(cluster, &label, FINISH).await {
            Ok((_, left)) if left.is_nothing() => Ok(()),
            Ok((_, left)) => Err(format!("these are still in the cluster: {}", clean::message(&left.text()))),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Host for PodHost {
    fn facts(&self) -> &NodeFacts {
        &self.facts
    }

    /// There is no folder. The name is the job's, which may exist from here on.
    async fn prepare(
        &mut self,
        request: &Preparation<'_>,
        record: &mut FolderRecord<'_>,
    ) -> Result<Prepared, Failure> {
        let platform = self.facts.platform.filter(|platform| request.platforms.contains(platform));
        let platform: Platform = platform
            .ok_or_else(|| Failure::unsupported(&clean::name(&self.named_platform), request.platforms))?;
        record.begin().await;
        let job = labels::lower(request.name);
        self.visit.job = Some(job.clone());
        self.facts.pod = Some(self.visit.clone());
        self.job = Some(job);
        Ok(Prepared { folder: format!("{}/{}", self.visit.namespace, request.name), platform })
    }

    /// The same archive for all nodes is delivered once.
    async fn upload(&mut self, upload: &Upload<'_>) -> Result<(), Failure> {
        match &self.shared.parts {
            Some(parts) => parts.deliver(&self.cluster, upload.limit).await.map_err(|error| failure(&error)),
            None => Ok(()),
        }
    }

    async fn run(&mut self, run: &AgentRun<'_>) -> Result<Ran, Failure> {
        let (cluster, Shared { plan, parts, .. }) = (&self.cluster, &*self.shared);
        let Some(name) = &self.job else {
            return Err(Failure::new(
                Outcome::AgentFailed,
                "the visit was not prepared".to_owned(),
                "run again",
            ));
        };
        let target = (self.node.as_str(), self.store.as_deref());
        let job = job::job(plan, parts.as_ref(), name, cluster.namespace(), target, run);
        let api = cluster.api::<Job>();
        let post = PostParams::default();
        match call("creating the job", LOOK, || api.create(&post, &job)).await {
            Ok(_) => {}
            // The name cannot be guessed: an earlier try came through, and its answer did not.
            Err(error) if error.exists() => {}
            Err(error) => return Err(failure(&error)),
        }
        let follower = Follower {
            cluster,
            job: &job,
            node: &self.node,
            limit: run.limit,
            gather: run.gather,
            visit: &mut self.visit,
            clock_skew: &mut self.facts.clock_skew,
        };
        let ran = follower.run().await;
        self.is_away = ran.as_ref().is_err_and(|failure| failure.outcome == Outcome::NodeNotReady);
        self.facts.pod = Some(self.visit.clone());
        ran
    }

    async fn clean_up(&mut self, folders: &Folders, limit: Duration) -> Result<CleanedUp, SessionError> {
        let Folders::OfVisit(name) = folders else {
            return Err(SessionError::Refused("a visit to a cluster is cleaned up by its name".to_owned()));
        };
        let label = Label::Job(labels::lower(name));
        let limit = if self.is_away { AWAY } else { limit };
        match sweep::remove(&self.cluster, &label, limit).await {
            Ok((before, left)) if left.is_nothing() => {
                let job = before.jobs.into_iter().next();
                Ok(CleanedUp::Clean { removed: job.map(|job| format!("{}/{job}", self.visit.namespace)) })
            }
            Ok((_, left)) => Ok(CleanedUp::Left {
                folder: Some(format!("{}/{name}", self.visit.namespace)),
                message: format!(
                    "still in the cluster: {}; a pod whose node is not ready is there until the node is back",
                    clean::message(&left.text())
                ),
            }),
            Err(error) => Err(SessionError::Lost(error.to_string())),
        }
    }

    async fn reconnect(&mut self) -> Result<(), ConnectError> {
        Ok(())
    }

    async fn close(&mut self) {}
}

/// The row of a node whose cluster cannot be reached with this kubeconfig.
fn no_access(error: &AccessError) -> Failure {
    Failure::new(Outcome::AuthRefused, with_sources(error), "check the kubeconfig")
}
