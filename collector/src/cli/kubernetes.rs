//! Declares the command line of `assay kubernetes`, and the options of `assay run --via kubernetes`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::common::{Agents, KUBERNETES, LookedAt, NODES, OUTPUT, RegistryAccess};

/// `assay kubernetes`
#[derive(Debug, Args)]
pub struct Kubernetes {
    /// What to do.
    #[command(subcommand)]
    pub command: KubernetesCommand,
}

/// What to make for a cluster.
#[derive(Debug, Subcommand)]
pub enum KubernetesCommand {
    /// Make the image of the agent, as a file or in a registry; with a trust directory and bundles inside if they are named
    Image(KubernetesImage),
    /// Write YAML for review and for whoever applies manifests: namespace, rights, and a job or cron job for each node
    Manifest(KubernetesManifest),
    /// Remove what runs have left in a cluster, and list it until it is gone
    Cleanup(KubernetesCleanup),
}

/// `assay kubernetes image`
#[derive(Debug, Args)]
#[command(after_help = "\
Into a registry:\n  assay kubernetes image --trust trust --bundle site.tar --push registry.example/tools/assay:v1\n\
As a file, and onto a node:\n  assay kubernetes image --name registry.example/tools/assay:v1 --out assay.tar\n  \
ctr -n k8s.io images import assay.tar\n  \
ctr -n k8s.io images tag registry.example/tools/assay:v1 registry.example/tools/assay@sha256:…\n\n\
Prints the image by its digest, which is how a cluster is to be told of it. Equal input gives an equal digest.")]
#[group(id = "where", required = true, multiple = true, args = ["out", "push"])]
pub struct KubernetesImage {
    /// A trust directory, to be part of the image
    #[arg(long, value_name = "DIR")]
    pub trust: Option<PathBuf>,
    /// A bundle of signatures, to be part of the image: an OCI image layout, as a folder or archive; repeatable
    #[arg(long, value_name = "PATH")]
    pub bundle: Vec<PathBuf>,
    /// Write the image as an OCI image layout in one tar
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub out: Option<PathBuf>,
    /// The name under which the file is imported [default: that of --push]
    #[arg(long, value_name = "REF", requires = "out", help_heading = OUTPUT)]
    pub name: Option<String>,
    /// Push the image to its registry under this name
    #[arg(long, value_name = "REF", help_heading = OUTPUT)]
    pub push: Option<String>,
    #[command(flatten)]
    pub agents: Agents,
    #[command(flatten)]
    pub registry: RegistryAccess,
}

/// `assay kubernetes manifest`
#[derive(Debug, Args)]
#[command(after_help = "\
Every night, with the exceptions that Kyverno's policies need:\n  assay kubernetes manifest --image \
registry.example/tools/assay@sha256:… --bundles 1 --site site.toml --cron '0 3 * * *' --exceptions kyverno --out assay.yaml\n\n\
The image must have the trust directory and the bundles (assay kubernetes image --trust --bundle), because nothing is delivered to \
these pods. A report is in the log of its pod, in a frame; the README says how to get it out.")]
#[group(id = "which", required = true, multiple = true, args = ["node", "site"])]
pub struct KubernetesManifest {
    /// The agent's image by its digest, as assay kubernetes image prints it
    #[arg(long, value_name = "IMAGE", value_parser = image_by_digest)]
    pub image: String,
    /// How many bundles the image has
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=1_000))]
    pub bundles: u16,
    /// A node by its name in the cluster; repeatable
    #[arg(long, value_name = "NAME", num_args = 1.., help_heading = NODES)]
    pub node: Vec<String>,
    /// A site file: the names of its Linux nodes, and where their images are
    #[arg(long, value_name = "FILE", help_heading = NODES)]
    pub site: Option<PathBuf>,
    /// Where images are on the nodes of --node: containerd:ADDRESS, or root:DIR [default: containerd at its usual address]
    #[arg(long, value_name = "STORE", help_heading = NODES)]
    pub store: Option<String>,
    /// containerd's folder on the nodes [default: /var/lib/containerd]
    #[arg(long, value_name = "DIR", help_heading = NODES)]
    pub containerd_root: Option<String>,
    /// Run at these times, as cron writes them, instead of once
    #[arg(long, value_name = "SCHEDULE")]
    pub cron: Option<String>,
    /// Seconds that a pod may take, the pull of its image included
    #[arg(long, value_name = "SECONDS", default_value_t = 1_800, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub time_limit: u64,
    /// The namespace
    #[arg(long, value_name = "NAME", default_value = "assay")]
    pub namespace: String,
    /// When nodes pull the image: Always, IfNotPresent or Never [default: the cluster's]
    #[arg(long, value_name = "WHEN", value_parser = ["Always", "IfNotPresent", "Never"])]
    pub pull_policy: Option<String>,
    /// A secret of the namespace to pull the image with; repeatable
    #[arg(long, value_name = "NAME")]
    pub pull_secret: Vec<String>,
    /// The SELinux type of the container, such as spc_t; not tested [default: the container runtime's]
    #[arg(long, value_name = "TYPE")]
    pub selinux_type: Option<String>,
    #[command(flatten)]
    pub looked_at: LookedAt,
    /// Also write the exceptions that these admission policies need; repeatable
    #[arg(long, value_name = "POLICIES", value_enum, help_heading = OUTPUT)]
    pub exceptions: Vec<AdmissionPolicies>,
    /// Where the manifest goes [default: standard output]
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub out: Option<PathBuf>,
}

/// Admission policies that refuse the pods unless they get an exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AdmissionPolicies {
    /// Gatekeeper's library
    Gatekeeper,
    /// Kyverno's policies for the Pod Security Standards
    Kyverno,
}

/// `assay kubernetes cleanup`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  assay kubernetes cleanup --out reports")]
pub struct KubernetesCleanup {
    #[command(flatten)]
    pub api: ClusterAccess,
    /// The interrupted run's folder: only what its runs have made is removed. Without --out and --run, everything that any run has
    /// left is removed, except what belongs to a run whose jobs are at work
    #[arg(long, value_name = "DIR", conflicts_with = "run")]
    pub out: Option<PathBuf>,
    /// The run's id: only what it has made is removed, even if its jobs are at work
    #[arg(long, value_name = "ID")]
    pub run: Option<String>,
}

/// How the nodes of a cluster are reached without SSH.
#[derive(Debug, Args)]
pub struct InCluster {
    /// How nodes are reached: over SSH, or as one job a node through the API server of their cluster
    #[arg(long, value_enum, default_value_t = Via::Ssh, help_heading = KUBERNETES)]
    pub via: Via,
    #[command(flatten)]
    pub api: ClusterAccess,
    /// The agent's image, by its digest: REGISTRY/NAME@sha256:HEX, as assay kubernetes image has made it
    #[arg(long, value_name = "IMAGE", required_if_eq("via", "kubernetes"), value_parser = image_by_digest, help_heading = KUBERNETES)]
    pub image: Option<String>,
    /// The image also holds --trust and --bundle, so that nothing is delivered. What it holds must be the same
    #[arg(long, requires = "image", help_heading = KUBERNETES)]
    pub in_image: bool,
    /// When nodes pull the image: Always, IfNotPresent or Never [default: the cluster's]
    #[arg(long, value_name = "WHEN", requires = "image", value_parser = ["Always", "IfNotPresent", "Never"], help_heading = KUBERNETES)]
    pub pull_policy: Option<String>,
    /// A secret of the namespace to pull the image with; repeatable
    #[arg(long, value_name = "NAME", requires = "image", help_heading = KUBERNETES)]
    pub pull_secret: Vec<String>,
    /// containerd's folder on the nodes
    #[arg(long, value_name = "DIR", requires = "image", help_heading = KUBERNETES)]
    pub containerd_root: Option<String>,
}

/// How nodes are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Via {
    /// Over SSH
    Ssh,
    /// As jobs of their cluster
    Kubernetes,
}

/// Where a cluster's API server is, and where in the cluster everything is made.
#[derive(Debug, Args)]
pub struct ClusterAccess {
    /// The kubeconfig [default: KUBECONFIG, else ~/.kube/config]
    #[arg(long, value_name = "FILE", help_heading = KUBERNETES)]
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context [default: its current one]
    #[arg(long, value_name = "NAME", help_heading = KUBERNETES)]
    pub context: Option<String>,
    /// The namespace for jobs and what they need
    #[arg(long, value_name = "NAME", default_value = "assay", help_heading = KUBERNETES)]
    pub namespace: String,
}

/// An image that is named by its digest, so that every node runs the same.
fn image_by_digest(text: &str) -> Result<String, String> {
    let wrong =
        || format!("{text:?} is not REGISTRY/NAME@sha256:HEX; a tag may be another image on each node");
    let (name, digest) = text.rsplit_once('@').ok_or_else(wrong)?;
    let digest: assay_verifier::oci::Digest = digest.parse().map_err(|_| wrong())?;
    let is_name =
        !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '@');
    if is_name && digest.as_str().starts_with("sha256:") { Ok(text.to_owned()) } else { Err(wrong()) }
}
