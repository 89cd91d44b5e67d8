//! Why a step of a visit failed, as the node's row says it: the outcome, what happened, and what to do.

use std::borrow::Cow;

use assay_report::Outcome;

use super::error::{ConnectError, SessionError};
use crate::errors::with_sources;
use crate::nodes::Platform;

/// Why a visit did not bring a report.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What becomes of the row.
    pub outcome: Outcome,
    /// What happened, for people.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// Whether the connection is gone.
    pub lost: bool,
}

impl Failure {
    pub(crate) fn new(outcome: Outcome, message: String, hint: &str) -> Self {
        Self { outcome, message, hint: Some(hint.to_owned()), lost: false }
    }

    /// The run was stopped.
    pub(crate) fn interrupted() -> Self {
        Self::new(
            Outcome::Interrupted,
            "the run was stopped before this node was finished".to_owned(),
            "run again",
        )
    }

    /// There is no agent for the node.
    pub(crate) fn unsupported(platform: &str, agents: &[Platform]) -> Self {
        let agents: Vec<String> = agents.iter().map(Platform::to_string).collect();
        Self::new(
            Outcome::Unsupported,
            format!("the node is {platform}; there are agents for {}", agents.join(", ")),
            "name an agent for it with --agent",
        )
    }

    /// A step could not be carried out to its end.
    pub(super) fn step(step: &str, error: &SessionError) -> Self {
        let (outcome, hint) = match error {
            SessionError::Lost(_) => (Outcome::Unreachable, "check that the node and the link to it stay up"),
            SessionError::TimedOut(_) => {
                (Outcome::TimedOut, "check what keeps the node busy; --time-limit gives it more time")
            }
            SessionError::OutputTooLarge(_) => {
                (Outcome::BadReport, "check what the node's shell prints at login")
            }
            SessionError::NoSession(_) => (
                Outcome::ShellRefused,
                "its SSH server does not allow this login a session: set MaxSessions to 1 or more in its sshd_config",
            ),
            SessionError::Refused(_) => {
                (Outcome::ShellRefused, "let the login run commands: check its shell and ForceCommand")
            }
            SessionError::Input(_) => (Outcome::UploadFailed, "do not change the files while a run lasts"),
        };
        let lost = matches!(error, SessionError::Lost(_));
        Self { lost, ..Self::new(outcome, format!("{step}: {}", with_sources(error)), hint) }
    }

    /// Other bytes arrived than were sent.
    pub(super) fn other_bytes(complaint: &str, hint: &str) -> Self {
        let message = format!("the bytes that arrived differ from those that were sent: {complaint}");
        Self::new(Outcome::UploadFailed, message, hint)
    }

    /// The agent was uploaded and cannot be run.
    pub(super) fn agent_does_not_run(complaint: &str, hint: &str) -> Self {
        Self::new(Outcome::AgentFailed, format!("the agent does not run on the node: {complaint}"), hint)
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let (outcome, hint) = advice(&error);
        Self { lost: true, ..Self::new(outcome, with_sources(&error), &hint) }
    }
}

/// What a failed connection means for the row, and what to do about it.
fn advice(error: &ConnectError) -> (Outcome, Cow<'static, str>) {
    let (outcome, hint) = match error {
        ConnectError::Unreachable { .. } | ConnectError::TimedOut { .. } => {
            (Outcome::Unreachable, "check that the node is up, and its address and port in the site file")
        }
        ConnectError::NoCommonAlgorithm { option: None, .. } => {
            (Outcome::Unreachable, "its SSH server offers only algorithms that are no longer safe; update it")
        }
        ConnectError::NoCommonAlgorithm { option: Some(option), ours, .. } => {
            let hint = format!("allow one of these in {option} of its sshd_config: {ours}");
            return (Outcome::Unreachable, hint.into());
        }
        ConnectError::NotForwarded { jump, forbidden: true, .. } => {
            let hint = format!(
                "let the jump host {jump} forward: AllowTcpForwarding, DisableForwarding and PermitOpen in its sshd_config; \
                 restrict, no-port-forwarding and permitopen= in its authorized_keys"
            );
            return (Outcome::Unreachable, hint.into());
        }
        ConnectError::NotForwarded { jump, .. } => {
            let hint = format!("check from the jump host {jump} whether the node's address and port answer");
            return (Outcome::Unreachable, hint.into());
        }
        ConnectError::HostKeyUnknown { .. } => (
            Outcome::HostKeyUnknown,
            "compare the fingerprint on the node's console, then put it into known_hosts or host_key",
        ),
        ConnectError::HostKeyChanged { .. } => (
            Outcome::HostKeyMismatch,
            "the node was reinstalled, or another machine answers in its place; find out which before trusting it",
        ),
        ConnectError::HostKeyRevoked { .. } => {
            (Outcome::HostKeyMismatch, "give the node a new host key; the revoked one may be in other hands")
        }
        ConnectError::HostCertificate { .. } => {
            (Outcome::HostKeyMismatch, "renew the node's host certificate, or list its key in known_hosts")
        }
        ConnectError::AuthRefused { accepted, .. } if !accepted.is_empty() => (
            Outcome::AuthRefused,
            "let the key alone be enough for this login (AuthenticationMethods publickey in the node's sshd_config): a run cannot answer questions",
        ),
        ConnectError::AuthRefused { methods, .. } if !methods.is_empty() => (
            Outcome::AuthRefused,
            "let the node's SSH server take keys for this login (PubkeyAuthentication)",
        ),
        ConnectError::AuthRefused { untried: 1.., .. } => (
            Outcome::AuthRefused,
            "name the right key with identity in the site file: SSH servers hang up after a few keys (MaxAuthTries)",
        ),
        ConnectError::AuthRefused { .. } => (
            Outcome::AuthRefused,
            "check user and identity in the site file, and authorized_keys on the node",
        ),
        #[cfg(feature = "kubernetes")]
        ConnectError::Cluster(failure) => {
            return (failure.outcome, failure.hint.clone().unwrap_or_default().into());
        }
        ConnectError::Agent(_) => {
            (Outcome::AuthRefused, "check ssh-add -l, or name a key file with identity")
        }
        ConnectError::Jump { source, .. } => return advice(source),
    };
    (outcome, hint.into())
}
