//! Nodes over SSH: connections, logins, host keys, and the way to each node.
//!
//! This folder is the only one that opens sockets to nodes or names russh.

mod agent;
mod algorithms;
mod check;
mod client;
mod dial;
pub mod host_keys;
pub mod keys;
mod login;
mod sealed;
mod signing;
pub mod targets;

pub use agent::{Place as AgentPlace, held_by};
pub use client::{Client, Connector, Limits, ShownKey, Target};
pub use dial::Dialling;
pub use login::{AgentKeys, Login};
pub use russh::keys::PublicKey;
pub use signing::{SigningError, SigningKey};
