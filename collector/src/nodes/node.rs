//! One node of a site, and how it is reached.

use std::path::PathBuf;

use serde::Serialize;

use super::platform::Os;

/// One node, as the site file describes it: its own keys before its group's, and those before the defaults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Node {
    /// Its name: safe as a file name.
    pub name: String,
    /// Host name or IP address.
    pub address: String,
    /// The port of its SSH server.
    pub port: Option<u16>,
    /// Its operating system; found out if absent.
    pub os: Option<Os>,
    /// Such as `control-plane`.
    pub roles: Vec<String>,
    /// The group whose keys it shares.
    pub group: Option<String>,
    /// The fingerprint that pins its host key, `SHA256:…`.
    pub host_key: Option<String>,
    /// The hosts to go through, the first one first. An empty list means none, even if `ssh` would use some.
    pub jump: Option<Vec<Hop>>,
    /// The agent's `--store`.
    pub store: Option<String>,
    /// The login.
    pub user: Option<String>,
    /// The private key file as written; the SSH agent if absent.
    pub identity: Option<PathBuf>,
    /// The certificate for the key; the file beside the key if absent.
    pub certificate: Option<PathBuf>,
    /// The `known_hosts` files as written; the usual ones if empty.
    pub known_hosts: Vec<PathBuf>,
    /// How the agent comes to run as root.
    pub sudo: Sudo,
}

impl Node {
    /// The port of its SSH server: 22 by default.
    pub(crate) fn port(&self) -> u16 {
        self.port.unwrap_or(22)
    }

    /// The login: root by default.
    pub(crate) fn user(&self) -> &str {
        self.user.as_deref().unwrap_or("root")
    }
}

/// How the agent comes to run as root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) enum Sudo {
    /// It runs as the login.
    #[default]
    No,
    /// Through `sudo` without a password.
    Yes,
    /// Through `sudo` with the login's password.
    Password,
}

/// A host to go through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Hop {
    /// Another node of the site.
    Node(String),
    /// A host that is not a node.
    Host(SshAddress),
}

/// Where an SSH server is and who logs in: `[user@]host[:port]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct SshAddress {
    /// The login; the node's if absent.
    pub user: Option<String>,
    /// Host name or IP address.
    pub address: String,
    /// The port of its SSH server.
    pub port: Option<u16>,
}
