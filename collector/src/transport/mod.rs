//! What a visit needs of a node: run a command there, feed it, read it. Over SSH ([`ssh::Client`]) or, for `assay demo`, as a
//! local process ([`Local`]).
//!
//! This folder is the only one that opens sockets or names russh.

mod input;
mod local;
pub mod ssh;

use std::time::Duration;

pub use input::{Input, Part, Secret};
pub use local::Local;

/// A way to reach nodes.
pub trait Connect: Send + Sync + 'static {
    /// What a connection gives.
    type Session: Session;

    /// Reaches the node of that name.
    fn connect(&self, node: &str) -> impl Future<Output = Result<Self::Session, ConnectError>> + Send;
}

/// A connection to a node.
pub trait Session: Send {
    /// Runs a command in the node's shell, feeds it `input`, and waits for its end.
    ///
    /// Dropping the future abandons the command; the session can still run others.
    fn run(&mut self, command: Command<'_>) -> impl Future<Output = Result<Output, SessionError>> + Send;

    /// The fingerprint of the host key that was verified; none where there is none to verify.
    fn host_key(&self) -> Option<&str>;

    /// The password that `sudo` wants on the node, where it wants one.
    fn sudo_password(&self) -> Option<&Secret> {
        None
    }

    /// The language of the node's shell, where it does not depend on the node's operating system.
    fn dialect(&self) -> Option<crate::visit::Dialect> {
        None
    }

    /// Says good-bye; dropping the session hangs up.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// A command for a node's shell.
#[derive(Clone, Copy, Debug)]
pub struct Command<'a> {
    /// The text that the shell gets.
    pub text: &'a str,
    /// What the command reads.
    pub input: Option<&'a Input>,
    /// How long it may take.
    pub limit: Duration,
    /// How many bytes it may write to its standard output.
    pub output_limit: usize,
}

/// What a command left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// How it ended.
    pub exit: Exit,
    /// Its standard output, whole.
    pub stdout: Vec<u8>,
    /// The first [`STDERR_BYTES`] of its standard error.
    pub stderr: Vec<u8>,
}

impl Output {
    /// The standard error as text for people: cleaned, and cut where it is long.
    pub fn complaint(&self) -> String {
        crate::clean::block(String::from_utf8_lossy(&self.stderr).trim(), crate::clean::MESSAGE)
    }
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this status.
    Code(u32),
    /// A signal killed it.
    Signal(String),
    /// The node did not say; never a success.
    Unknown,
}

/// Bytes of a command's standard error that are kept; more says nothing new.
pub const STDERR_BYTES: usize = 64 << 10;

/// A command could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The connection is gone.
    #[error("the connection was lost: {0}")]
    Lost(String),
    /// It took longer than it may.
    #[error("no end after {} s", .0.as_secs())]
    TimedOut(Duration),
    /// It wrote more than it may.
    #[error("more than {0} bytes of output")]
    OutputTooLarge(usize),
    /// The node opens no session for a command, not even the first of a connection.
    #[error("the node opens no session ({0})")]
    NoSession(String),
    /// The node refuses to run commands.
    #[error("the node refuses to run commands: {0}")]
    Refused(String),
    /// What was to be sent could not be read here.
    #[error("reading what is to be sent")]
    Input(#[source] std::io::Error),
}

/// A node could not be reached, or is not to be trusted.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address leads nowhere, or nobody answers as SSH does.
    #[error("{address} port {port}: {reason}")]
    Unreachable {
        /// Where.
        address: String,
        /// Where.
        port: u16,
        /// Why.
        reason: String,
    },
    /// No step of the connection may take this long.
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
    /// Both sides know no common algorithm.
    #[error("{address} port {port}: no common {kind}; it offers {theirs}, and this side {ours}")]
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
        /// What says in `sshd_config` which the node offers, where some of them are as good as ours; none where all are weak.
        option: Option<&'static str>,
    },
    /// The jump host makes no connection to the next one.
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
        /// Whether it may not, rather than cannot.
        forbidden: bool,
    },
    /// No key is known for the host.
    #[error("no host key is known for {name}; it shows {shown}")]
    HostKeyUnknown {
        /// The name that was looked for.
        name: String,
        /// The fingerprint it shows.
        shown: String,
    },
    /// The host shows another key than the one that is known.
    #[error("{name} shows the host key {shown}; known is {}", .known.join(", "))]
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
    /// The host shows a certificate that does not hold.
    #[error("{name} shows a host certificate that does not hold: {reason}")]
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
        /// How many more there are.
        untried: usize,
        /// The keys of those tried that the server accepted and that were not enough for it; empty where there is none.
        accepted: String,
        /// What the server takes in place of a key, or besides it; empty where it takes keys.
        methods: String,
    },
    /// The SSH agent on this machine does not answer.
    #[error("the SSH agent on this machine: {0}")]
    Agent(String),
    /// The jump host could not be reached, or is not to be trusted.
    #[error("jump host {jump}")]
    Jump {
        /// The jump host.
        jump: String,
        /// What went wrong there.
        #[source]
        source: Box<ConnectError>,
    },
}

/// What there is to say of a refused login besides the keys that were tried.
fn refusal(untried: usize, accepted: &str, methods: &str) -> String {
    let mut text = String::new();
    if untried > 0 {
        let keys = crate::report::text::count(untried, "more key");
        text += &format!("; {keys} not tried, for the server or assay gives up after so many");
    }
    match (accepted.is_empty(), methods.is_empty()) {
        (true, true) => {}
        (true, false) => text += &format!("; the server takes no key, only {methods}"),
        (false, true) => {
            text += &format!("; {accepted} was accepted, and the server wants another key besides");
        }
        (false, false) => {
            text += &format!("; {accepted} was accepted, and the server wants {methods} besides");
        }
    }
    text
}

impl ConnectError {
    /// Whether it may be gone at the next try.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } => true,
            Self::NotForwarded { forbidden, .. } => !forbidden,
            Self::Jump { source, .. } => source.is_transient(),
            _ => false,
        }
    }
}
