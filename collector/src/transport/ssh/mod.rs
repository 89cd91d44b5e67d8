//! Nodes over SSH: connections, logins, host keys, and the way to each node.
//!
//! This folder is the only one that opens sockets to nodes or names russh.

mod agent;
mod algorithms;
mod check;
mod client;
mod command;
mod dial;
mod host;
pub mod host_keys;
pub mod keys;
mod login;
mod sealed;
mod shell;
mod signing;
pub mod targets;

pub use agent::{AgentSocket, held_by};
pub use client::{Connector, Limits, ShownKey, Target};
pub use dial::Dialling;
pub use host::SshHost;
pub use login::{AgentKeys, Login};
pub use russh::keys::PublicKey;
pub use signing::{SigningError, SigningKey};
