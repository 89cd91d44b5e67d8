//! The SSH agent of this machine: OpenSSH's on a unix socket or a Windows named pipe, or Pageant.

use std::path::PathBuf;
use std::time::Duration;

use russh::keys::PublicKey;
use russh::keys::agent::client::{AgentClient, AgentStream};

/// Where an agent is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum AgentSocket {
    /// At the usual place: `SSH_AUTH_SOCK`; on Windows OpenSSH's named pipe, otherwise Pageant.
    Usual,
    /// At this socket, or on Windows this named pipe.
    At(PathBuf),
}

/// A connection to an agent.
pub(super) type Client = AgentClient<Box<dyn AgentStream + Send + Unpin>>;

/// The keys that an agent holds; empty if it does not answer.
pub(crate) fn held_by(place: &AgentSocket) -> Vec<PublicKey> {
    /// How long an agent may take. It is on this machine, and does not have to ask anybody for a list.
    const PATIENCE: Duration = Duration::from_secs(10);
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return Vec::new();
    };
    let held = async {
        let identities = connect(place).await?.request_identities().await?;
        Ok::<_, russh::keys::Error>(identities.iter().map(|one| one.public_key().into_owned()).collect())
    };
    let held = runtime.block_on(async { tokio::time::timeout(PATIENCE, held).await });
    held.ok().and_then(Result::ok).unwrap_or_default()
}

/// Connects to the agent.
#[cfg(unix)]
pub(super) async fn connect(place: &AgentSocket) -> Result<Client, russh::keys::Error> {
    Ok(match place {
        AgentSocket::Usual => AgentClient::connect_env().await?.dynamic(),
        AgentSocket::At(socket) => AgentClient::connect_uds(socket).await?.dynamic(),
    })
}

/// Connects to the agent.
#[cfg(windows)]
pub(super) async fn connect(place: &AgentSocket) -> Result<Client, russh::keys::Error> {
    /// OpenSSH's own pipe on Windows.
    const PIPE: &str = r"\\.\pipe\openssh-ssh-agent";
    match place {
        AgentSocket::At(pipe) => Ok(AgentClient::connect_named_pipe(pipe).await?.dynamic()),
        AgentSocket::Usual => match AgentClient::connect_named_pipe(PIPE).await {
            Ok(agent) => Ok(agent.dynamic()),
            Err(_) => Ok(AgentClient::connect_pageant().await?.dynamic()),
        },
    }
}
