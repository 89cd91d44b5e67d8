//! Declares the command line of `assay kubernetes`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Agents;
use super::common::{OUTPUT, RegistryAccess};

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
}

/// `assay kubernetes image`
#[derive(Debug, Args)]
#[command(after_help = "\
Into a registry:\n  assay kubernetes image --trust trust --bundle site.tar --push registry.example/tools/assay:v1\n\
As a file, and onto a node:\n  assay kubernetes image --name registry.example/tools/assay:v1 --out assay.tar\n  \
ctr -n k8s.io images import --digests --base-name registry.example/tools/assay assay.tar\n\n\
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
