//! What several commands share on the command line.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// The groups of options in the help of commands that have many.
pub(super) const NODES: &str = "Nodes";
pub(super) const KUBERNETES: &str = "Kubernetes";
pub(super) const CONNECTION: &str = "Connection";
pub(super) const VERDICT: &str = "Verdict";
pub(super) const REGISTRIES: &str = "Registries";
pub(super) const OUTPUT: &str = "Output";

/// In which form a command writes what it found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TextOrJson {
    /// For people
    Text,
    /// For programs
    Json,
}

/// How registries are spoken to.
#[derive(Debug, Args)]
pub struct RegistryAccess {
    /// A registry, as host or host:port, to contact without TLS. A login server without TLS must be named as well;
    /// repeatable
    #[arg(long, value_name = "HOST", help_heading = REGISTRIES)]
    pub plain_http: Vec<String>,
    /// Certificates in PEM or DER to trust in addition to the system's: of CAs or of a registry itself; repeatable
    #[arg(long, value_name = "FILE", help_heading = REGISTRIES)]
    pub ca: Vec<PathBuf>,
    /// How often a request is repeated if a server is busy or fails
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(..=20), help_heading = REGISTRIES)]
    pub retries: u32,
}

/// Where agents are.
#[derive(Debug, Args)]
pub struct Agents {
    /// An agent program; repeatable, one for each platform. The file's header says which platform it is for
    #[arg(long, value_name = "PATH", conflicts_with = "agent_dir")]
    pub agent: Vec<PathBuf>,
    /// A folder of agents under their usual names [default: those in this program, otherwise those beside it]
    #[arg(long, value_name = "DIR")]
    pub agent_dir: Option<PathBuf>,
}

/// What agents look at, and what counts as signed.
#[derive(Debug, Args)]
pub struct LookedAt {
    /// How much of the images' content is hashed: full, metadata or none
    #[arg(long, value_name = "HOW", help_heading = VERDICT)]
    pub content: Option<String>,
    /// Compare unpacked snapshots with the signed layers: those of images in-use, or all; needs root's rights on the nodes
    #[arg(long, value_name = "WHICH", help_heading = VERDICT)]
    pub rootfs: Option<String>,
    /// List what containers wrote: report, or fail to fail their images as well; needs root's rights on the nodes
    #[arg(long, value_name = "WHAT", help_heading = VERDICT)]
    pub drift: Option<String>,
    /// Also accept an image that is not signed itself, through its parent-index or platform-manifest; repeatable
    #[arg(long, value_name = "VIA", help_heading = VERDICT)]
    pub accept: Vec<String>,
}
