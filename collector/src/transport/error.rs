//! Why a node could not be reached, or a step could not be carried out to its end.

use std::time::Duration;

#[cfg(feature = "kubernetes")]
use super::failure::Failure;

/// A command could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    /// The connection is gone.
    #[error("the connection was lost: {0}")]
    Lost(String),
    /// It took longer than it may.
    #[error("it did not end within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// It wrote more than it may.
    #[error("it wrote more than {0} bytes of output")]
    OutputTooLarge(usize),
    /// The node does not open a session for a command, not even the first of a connection.
    #[error("the node does not open a session ({0})")]
    NoSession(String),
    /// The node refuses to run commands.
    #[error("the node refuses to run commands: {0}")]
    Refused(String),
    /// What was to be sent could not be read here.
    #[error("the files to be sent cannot be read")]
    Input(#[source] std::io::Error),
}

/// A node could not be reached, or must not be trusted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The address leads nowhere, or what answers there does not speak SSH.
    #[error("{address} port {port}: {reason}")]
    Unreachable {
        /// Where.
        address: String,
        /// Where.
        port: u16,
        /// Why.
        reason: String,
    },
    /// A step of the connection took too long.
    #[error("{address} port {port}: no {step} within {} s", .limit.as_secs())]
    TimedOut {
        /// Where.
        address: String,
        /// Where.
        port: u16,
        /// What was waited for.
        step: &'static str,
        /// How long.
        limit: Duration,
    },
    /// The two sides have no algorithm in common.
    #[error(
        "{address} port {port}: no {kind} in common; the node offers {theirs}, this machine offers {ours}"
    )]
    NoCommonAlgorithm {
        /// Where.
        address: String,
        /// Where.
        port: u16,
        /// What kind of algorithm.
        kind: String,
        /// What the node offers.
        theirs: String,
        /// What is offered to it.
        ours: String,
        /// The option of `sshd_config` that decides what the node offers; `None` if all that it offers is weak.
        option: Option<&'static str>,
    },
    /// The jump host does not connect to the next host.
    #[error("jump host {jump} does not connect to {address} port {port}: {reason}")]
    NotForwarded {
        /// The jump host.
        jump: String,
        /// Where to.
        address: String,
        /// Where to.
        port: u16,
        /// Why.
        reason: String,
        /// Whether its configuration forbids it.
        forbidden: bool,
    },
    /// No key is known for the host.
    #[error("no host key is known for {name}; the host shows {shown}")]
    HostKeyUnknown {
        /// The name that was looked for.
        name: String,
        /// The fingerprint it shows.
        shown: String,
    },
    /// The host shows a key that differs from the known one.
    #[error("{name} shows the host key {shown}, but {} is known", .known.join(", "))]
    HostKeyChanged {
        /// The name that was looked for.
        name: String,
        /// The fingerprints it shows.
        shown: String,
        /// The fingerprints that are known.
        known: Vec<String>,
    },
    /// The host shows a key that is revoked.
    #[error("{name} shows the host key {shown}, which is marked @revoked")]
    HostKeyRevoked {
        /// The name that was looked for.
        name: String,
        /// The fingerprint it shows.
        shown: String,
    },
    /// The host shows a certificate that is not valid.
    #[error("{name} shows a host certificate that is not valid: {reason}")]
    HostCertificate {
        /// The name that was looked for.
        name: String,
        /// The fingerprint of its key.
        shown: String,
        /// Why.
        reason: String,
    },
    /// The login was refused.
    #[error("login {user:?} was refused; tried {tried}{}", refusal(*untried, accepted, methods))]
    AuthRefused {
        /// The login.
        user: String,
        /// The keys that were tried.
        tried: String,
        /// How many more keys there are.
        untried: usize,
        /// The tried keys that the server accepted but that were not enough for it; empty if there are none.
        accepted: String,
        /// What the server takes instead of a key or in addition to one; empty if a key is enough.
        methods: String,
    },
    /// A cluster does not lead to the node.
    #[cfg(feature = "kubernetes")]
    #[error("{}", .0.message)]
    Cluster(Box<Failure>),
    /// The SSH agent on this machine does not answer.
    #[error("the SSH agent on this machine: {0}")]
    Agent(String),
    /// The jump host could not be reached, or must not be trusted.
    #[error("jump host {jump}")]
    Jump {
        /// The jump host.
        jump: String,
        /// What went wrong there.
        #[source]
        source: Box<ConnectError>,
    },
}

/// Why a login was refused, as far as it is known.
fn refusal(untried: usize, accepted: &str, methods: &str) -> String {
    let mut text = String::new();
    if untried > 0 {
        let keys = crate::report::text::count(untried, "more key");
        text += &format!("; {keys} not tried, because the server or assay gives up after a few");
    }
    match (accepted.is_empty(), methods.is_empty()) {
        (true, true) => {}
        (true, false) => text += &format!("; the server does not take keys, only {methods}"),
        (false, true) => {
            text += &format!("; {accepted} was accepted, and the server also wants another key");
        }
        (false, false) => {
            text += &format!("; {accepted} was accepted, and the server also wants {methods}");
        }
    }
    text
}
