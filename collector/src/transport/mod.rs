//! Brings a visit to a node. [`Connect`] reaches the node, and [`Host`] carries out the steps of the visit there: over SSH
//! ([`ssh`]), or in folders of this machine ([`ThisMachine`]) for `assay demo`.
//!
//! This folder is the only one that opens sockets to nodes or names russh.

mod error;
mod failure;
mod host;
mod input;
mod output;
pub mod ssh;
mod this_machine;

pub use error::{ConnectError, SessionError};
pub use failure::Failure;
pub use host::{
    AgentRun, CleanedUp, Connect, Folders, Host, NodeFacts, Preparation, Prepared, Ran, RunEnd, Upload,
};
pub use input::{Input, Secret};
pub use this_machine::ThisMachine;
