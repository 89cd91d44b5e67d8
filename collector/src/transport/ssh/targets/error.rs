//! Why it cannot be found out how a node is reached.

use std::io;
use std::path::PathBuf;

use crate::transport::ssh::host_keys::KnownHostsError;
use crate::transport::ssh::keys::KeyError;

/// It cannot be found out how a node is reached; no node was visited.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// A file cannot be read.
    #[error("{}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A `known_hosts` file cannot be used.
    #[error("{}", path.display())]
    KnownHosts {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: KnownHostsError,
    },
    /// A key for a login cannot be used.
    #[error("node {node}")]
    Login {
        /// The node.
        node: String,
        /// What is wrong.
        source: KeyError,
    },
    /// The site file names no key, and an SSH agent is not running.
    #[error("node {node}: it has no identity, and SSH_AUTH_SOCK does not name an SSH agent")]
    NoAgent {
        /// The node.
        node: String,
    },
    /// What this machine's `ssh` would do cannot be found out, or assay cannot do the same.
    #[error("ssh's configuration for {host}: {reason}; --no-ssh-config ignores it")]
    SshConfig {
        /// The host.
        host: String,
        /// Why.
        reason: String,
    },
    /// A jump host is not a node of the site.
    #[error("jump host {node} is not in the site file")]
    NoSuchNode {
        /// The jump host.
        node: String,
    },
    /// `sudo` needs a password, and there is no terminal on which to ask for it.
    #[error("sudo = \"password\" needs a password; give --sudo-password-file, or run on a terminal")]
    NoSudoPassword,
    /// The password for `sudo` is not one line.
    #[error("the password for sudo is empty or has more than one line")]
    BadSudoPassword,
}
