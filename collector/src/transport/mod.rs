//! Brings a visit to a node. `Connect` reaches the node, and `Host` carries out the steps of the visit there: over SSH
//! ([`ssh`]), as pods through the API server of a Kubernetes cluster (`kubernetes/`), or in folders of this machine (`ThisMachine`) for `assay demo`.
//!
//! This folder is the only one that opens sockets to nodes and clusters, or names russh and kube.

mod error;
mod failure;
mod host;
mod input;
#[cfg(feature = "kubernetes")]
pub(crate) mod kubernetes;
mod output;
#[cfg(feature = "network")]
pub mod ssh;
mod this_machine;

pub(crate) use error::{ConnectError, SessionError};
pub(crate) use failure::Failure;
pub(crate) use host::{AgentRun, CleanedUp, Connect, Folders, Host, Preparation, RunEnd, Upload};
pub(crate) use input::{Input, Secret};
pub(crate) use this_machine::ThisMachine;
