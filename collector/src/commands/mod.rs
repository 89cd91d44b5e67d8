//! Carries out the subcommands.

mod agents;
mod completions;
mod demo;
mod error;
mod explain;
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
pub use network::{NetworkError, bundle, cleanup, evidence, nodes, run, site_key};
pub use report::report;
pub use trust::trust;
