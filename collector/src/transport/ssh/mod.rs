//! Reaches nodes over SSH: connections, logins, host keys, the shells of nodes, and how each node is reached.
//!
//! This folder is the only one that opens sockets to nodes or names russh.

mod agent;
mod algorithms;
mod check;
mod client;
mod command;
mod dial;
mod host;
pub(crate) mod host_keys;
pub mod keys;
mod login;
mod sealed;
mod shell;
mod signing;
pub(crate) mod targets;

pub(crate) use agent::{AgentSocket, held_by};
pub(crate) use client::{Connector, Limits, ShownKey, Target};
pub(crate) use dial::Dialling;
pub(crate) use login::{AgentKeys, Login};
pub(crate) use russh::keys::PublicKey;
pub(crate) use signing::{SigningError, SigningKey};
