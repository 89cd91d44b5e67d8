//! Brings visits to the nodes of a Kubernetes cluster through its API server: one job a node, whose pod runs the agent from an image
//! and brings the report home in its log.
//!
//! | file | what it does |
//! |---|---|
//! | `api.rs` | the API server: one call at a time, tried again while it may pass, with errors that say what they mean for a row |
//! | `nodes.rs` | lists the nodes, and looks whether one is ready |
//! | `parts.rs` | the trust directory and the bundles, as immutable ConfigMaps of the run |
//! | `job.rs` | the job of a visit |
//! | `progress.rs` | what the status of a pod says of the visit. Pure |
//! | `pod.rs` | follows a pod to its end, and reads its log |
//! | `sweep.rs` | removes what a visit or a run has made, and proves by listing that it is gone |
//! | `host.rs` | the steps of a visit |
//!
//! Everything that a visit makes has the labels of `labels.rs`, by which it is found again.

mod api;
mod host;
mod job;
mod labels;
mod nodes;
mod parts;
mod pod;
mod progress;
mod sweep;

pub(crate) use api::{Access, Cluster};
pub(crate) use api::{AccessError, ApiError};
pub(crate) use host::Connector;
pub(crate) use job::JobPlan;
pub(crate) use labels::Label;
pub(crate) use nodes::NodesError;
pub(crate) use nodes::list;
pub(crate) use parts::Parts;
pub(crate) use parts::PartsError;
pub(crate) use sweep::{remains, remove};
