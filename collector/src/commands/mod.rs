//! Carries out the subcommands.

mod agents;
mod completions;
mod demo;
mod error;
mod explain;
#[cfg(feature = "kubernetes")]
mod kubernetes;
#[cfg_attr(not(feature = "network"), path = "without_network.rs")]
mod network;
mod report;
mod runtime;
mod trust;
mod visits;

pub use agents::agents;
pub use completions::{Shell, completion_script, completions};
pub use demo::demo;
pub use error::CommandError;
pub use explain::explain;
#[cfg(feature = "kubernetes")]
pub use kubernetes::{KubernetesError, kubernetes};
pub use network::{NetworkError, bundle, cleanup, evidence, nodes, run, site_key};
pub use report::report;
pub use trust::trust;
