//! Lists the nodes of a cluster, and looks whether one is ready. It needs the right to list nodes and no other.

use std::time::Duration;

use assay_report::Outcome;
use k8s_openapi::api::core::v1::Node as KubeNode;
use kube::Api;
use kube::api::ListParams;

use super::api::{ApiError, Cluster, call};
use crate::clean;
use crate::nodes::kubernetes::{ClusterNode, NodeListError, read};
use crate::nodes::{Architecture, Os, Platform};
use crate::transport::failure::Failure;

/// Nodes in one answer: a node's object has some 20 KB.
const PAGE: u32 = 200;

/// How long listing may take, each page.
const LISTING: Duration = Duration::from_secs(60);

/// The nodes of the cluster cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum NodesError {
    /// The API server does not say.
    #[error(transparent)]
    Api(ApiError),
    /// What it says is not a list of nodes.
    #[error("the API server's list of nodes")]
    List(#[source] NodeListError),
    /// What it says cannot be written as JSON.
    #[error("the API server's list of nodes")]
    Json(#[source] serde_json::Error),
    /// There are none.
    #[error("the cluster has no nodes")]
    None,
}

/// The nodes, sorted by name, each checked as those of a file are.
///
/// # Errors
/// [`NodesError`]
pub(crate) async fn list(cluster: &Cluster) -> Result<Vec<ClusterNode>, NodesError> {
    let api: Api<KubeNode> = Api::all(cluster.client().clone());
    let mut nodes = Vec::new();
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let list = call("listing nodes", LISTING, || api.list(&page)).await.map_err(NodesError::Api)?;
        if !list.items.is_empty() {
            // of a node's images, which are most of its object, nothing is needed
            let items: Vec<KubeNode> = list.items.into_iter().map(without_images).collect();
            let text = serde_json::to_vec(&serde_json::json!({"kind": "List", "items": items}))
                .map_err(NodesError::Json)?;
            nodes.extend(read(&text).map_err(NodesError::List)?);
        }
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => break,
        }
    }
    if nodes.is_empty() {
        return Err(NodesError::None);
    }
    nodes.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(nodes)
}

fn without_images(mut node: KubeNode) -> KubeNode {
    if let Some(status) = &mut node.status {
        status.images = None;
    }
    node
}

/// A node as the cluster has it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NodeState {
    /// The id of its object.
    pub(super) uid: String,
    /// Why it is not ready; `None` if it is.
    pub(super) not_ready: Option<String>,
    /// What it runs on, if there may be an agent for that.
    pub(super) platform: Option<Platform>,
    /// The same as the node says it.
    pub(super) named_platform: String,
}

/// Looks at a node; `None` if the cluster has none of that name.
///
/// # Errors
/// [`ApiError`]
pub(super) async fn look(
    cluster: &Cluster,
    name: &str,
    limit: Duration,
) -> Result<Option<NodeState>, ApiError> {
    let api: Api<KubeNode> = Api::all(cluster.client().clone());
    // a user who may list nodes may not always get one
    let only = ListParams::default().fields(&format!("metadata.name={name}"));
    let list = call("looking at the node", limit, || api.list(&only)).await?;
    Ok(list.items.into_iter().find(|node| node.metadata.name.as_deref() == Some(name)).map(state))
}

fn state(node: KubeNode) -> NodeState {
    let status = node.status.unwrap_or_default();
    let ready = status.conditions.iter().flatten().find(|condition| condition.type_ == "Ready");
    let not_ready = match ready {
        Some(ready) if ready.status == "True" => None,
        Some(ready) => Some(
            ready
                .message
                .clone()
                .or(ready.reason.clone())
                .unwrap_or_else(|| "it does not say why".to_owned()),
        ),
        None => Some("its kubelet has not said that it is".to_owned()),
    };
    let info = status.node_info.unwrap_or_default();
    let os = match info.operating_system.as_str() {
        "linux" => Some(Os::Linux),
        "windows" => Some(Os::Windows),
        _ => None,
    };
    let architecture = [Architecture::Amd64, Architecture::Arm64]
        .into_iter()
        .find(|known| known.as_str() == info.architecture);
    let platform = os.zip(architecture).map(|(os, architecture)| Platform { os, architecture });
    NodeState {
        uid: node.metadata.uid.unwrap_or_default(),
        not_ready,
        platform,
        named_platform: format!("{}/{}", info.operating_system, info.architecture),
    }
}

/// The row of a node whose kubelet does not say that it is ready.
pub(super) fn not_ready(why: &str) -> Failure {
    Failure::new(
        Outcome::NodeNotReady,
        format!("the node is not ready: {}", clean::message(why)),
        "bring the node back, or remove it from the cluster",
    )
}

/// The row of a node that the cluster does not have.
pub(super) fn no_such_node(name: &str) -> Failure {
    Failure::new(
        Outcome::NodeNotReady,
        format!("the cluster has no node {}", clean::name(name)),
        "compare the site file with kubectl get nodes; the node may have been removed",
    )
}
