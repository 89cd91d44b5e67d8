//! Why a command ended that reaches nodes or registries, or signs.

use std::io;
use std::path::PathBuf;

use crate::bundle::{OpenError, RepackError, StagingError, WantError};
#[cfg(feature = "kubernetes")]
use crate::commands::kubernetes::KubernetesError;
use crate::evidence::PackError;
use crate::inventories::InventoryError;
use crate::nodes::SiteFileError;
use crate::nodes::host_key_list::HostKeyListError;
use crate::nodes::kubernetes::NodeListError;
use crate::site_key::SiteKeyError;
#[cfg(feature = "kubernetes")]
use crate::transport::kubernetes;
use crate::transport::ssh::targets::TargetError;

/// A command ended before it could say anything about nodes.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// It cannot be found out how a node is reached.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A layout cannot be read.
    #[error(transparent)]
    Layout(#[from] OpenError),
    /// A bundle cannot be made of layouts.
    #[error(transparent)]
    Repack(#[from] RepackError),
    /// An inventory cannot be used.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// What a bundle is to carry does not name an image.
    #[error(transparent)]
    Wanted(#[from] WantError),
    /// The lists of images for a bundle are empty.
    #[error("the given lists contain no image, so there is nothing to carry")]
    NothingWanted,
    /// A bundle cannot be written.
    #[error(transparent)]
    Staging(#[from] StagingError),
    /// A site key cannot be used.
    #[error(transparent)]
    SiteKey(#[from] SiteKeyError),
    /// Evidence cannot be packed.
    #[error(transparent)]
    Evidence(#[from] PackError),
    /// A check would reject the evidence.
    #[error(
        "the run's folder is not valid as evidence, so nothing was written: run again, with one folder for each run"
    )]
    EvidenceDoesNotHold,
    /// What a cluster is given cannot be made.
    #[cfg(feature = "kubernetes")]
    #[error(transparent)]
    Kubernetes(#[from] KubernetesError),
    /// The nodes of a cluster cannot be found out.
    #[error(transparent)]
    Nodes(#[from] NodesError),
    /// A cluster cannot be reached with the kubeconfig.
    #[cfg(feature = "kubernetes")]
    #[error(transparent)]
    Access(#[from] kubernetes::AccessError),
    /// The nodes of a cluster cannot be listed.
    #[cfg(feature = "kubernetes")]
    #[error(transparent)]
    ClusterNodes(#[from] kubernetes::NodesError),
    /// What a run needs cannot be delivered to a cluster.
    #[cfg(feature = "kubernetes")]
    #[error(transparent)]
    Parts(#[from] kubernetes::PartsError),
    /// What runs have left in a cluster cannot be found out or removed.
    #[cfg(feature = "kubernetes")]
    #[error("the cluster cannot be cleaned up")]
    Cluster(#[from] kubernetes::ApiError),
    /// Neither a site file nor a cluster was named.
    #[error("--site is missing: over SSH the nodes are those of a site file")]
    NoSite,
}

/// The nodes of a cluster cannot be found out, or host keys cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum NodesError {
    /// kubectl cannot be run.
    #[error("kubectl cannot be run; run it elsewhere and give its output with --from")]
    NoKubectl(#[source] io::Error),
    /// kubectl failed, and has printed why.
    #[error("kubectl get nodes failed ({0}); its own message is above")]
    Kubectl(std::process::ExitStatus),
    /// A file cannot be read.
    #[error("{}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The text is not a list of nodes.
    #[error("{from}")]
    List {
        /// Where it came from.
        from: String,
        /// What is wrong.
        source: NodeListError,
    },
    /// The list of accepted host keys cannot be used.
    #[error("{}", path.display())]
    Accepted {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: HostKeyListError,
    },
    /// An option has a value that is not valid in a site file.
    #[error("the options do not make a valid site file")]
    Options(#[source] SiteFileError),
    /// A file cannot be written.
    #[error("{}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
