//! A session on this machine: `/bin/sh -c` in place of what sshd would run, with the same bounds and time limits; where
//! there is no such shell, on Windows, this program itself.

mod steps;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Child;

use super::input::SendError;
use super::{Command, Connect, ConnectError, Exit, Output, STDERR_BYTES, Session, SessionError};
use crate::visit::Dialect;

/// Every node is this machine.
#[derive(Clone, Copy, Debug)]
pub struct Local {
    dialect: Dialect,
}

impl Default for Local {
    fn default() -> Self {
        Self { dialect: if cfg!(windows) { Dialect::Steps } else { Dialect::Posix } }
    }
}

impl Connect for Local {
    type Session = Self;

    async fn connect(&self, _: &str) -> Result<Self, ConnectError> {
        Ok(*self)
    }
}

impl Session for Local {
    async fn run(&mut self, command: Command<'_>) -> Result<Output, SessionError> {
        if self.dialect == Dialect::Steps {
            return within(command.limit, steps::run(command)).await;
        }
        let mut shell = tokio::process::Command::new(Path::new("/bin/sh"));
        shell.arg("-c").arg(command.text).kill_on_drop(true);
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        apart(&mut shell);
        let mut child = shell.spawn().map_err(|error| SessionError::Refused(format!("/bin/sh: {error}")))?;
        within(command.limit, drive(&mut child, command)).await
    }

    fn host_key(&self) -> Option<&str> {
        None
    }

    fn dialect(&self) -> Option<Dialect> {
        Some(self.dialect)
    }

    async fn close(self) {}
}

/// A Ctrl-C on the terminal is for the collector alone, which then cleans up.
fn apart(command: &mut tokio::process::Command) {
    #[cfg(unix)]
    command.process_group(0);
    #[cfg(windows)]
    command.creation_flags(CREATE_NEW_PROCESS_GROUP);
}

/// As Windows names it.
#[cfg(windows)]
const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;

async fn within<T>(
    limit: Duration,
    what: impl Future<Output = Result<T, SessionError>>,
) -> Result<T, SessionError> {
    tokio::time::timeout(limit, what).await.unwrap_or(Err(SessionError::TimedOut(limit)))
}

async fn drive(child: &mut Child, command: Command<'_>) -> Result<Output, SessionError> {
    let gone = || SessionError::Lost("the shell has no pipes".to_owned());
    let mut stdin = child.stdin.take().ok_or_else(gone)?;
    let stdout = child.stdout.take().ok_or_else(gone)?;
    let stderr = child.stderr.take().ok_or_else(gone)?;
    let send = async move {
        match command.input {
            Some(input) => match input.send(&mut stdin).await {
                Err(SendError::Here(error)) => Err(SessionError::Input(error)),
                Ok(()) | Err(SendError::There(_)) => Ok(()),
            },
            None => Ok(()),
        }
    };
    let ((), stdout, stderr) =
        tokio::try_join!(send, whole(stdout, command.output_limit), beginning(stderr))?;
    let status = child.wait().await.map_err(lost)?;
    Ok(Output { exit: exit(status), stdout, stderr })
}

/// Everything, or an error as soon as it is too much.
async fn whole(reader: impl AsyncRead + Unpin, limit: usize) -> Result<Vec<u8>, SessionError> {
    let mut bytes = Vec::new();
    let mut reader = reader.take(limit as u64 + 1);
    reader.read_to_end(&mut bytes).await.map_err(lost)?;
    if bytes.len() > limit { Err(SessionError::OutputTooLarge(limit)) } else { Ok(bytes) }
}

/// The first bytes; what follows is read and forgotten, so that nobody waits.
async fn beginning(mut reader: impl AsyncRead + Unpin) -> Result<Vec<u8>, SessionError> {
    let mut bytes = Vec::new();
    (&mut reader).take(STDERR_BYTES as u64).read_to_end(&mut bytes).await.map_err(lost)?;
    tokio::io::copy(&mut reader, &mut tokio::io::sink()).await.map_err(lost)?;
    Ok(bytes)
}

#[expect(clippy::needless_pass_by_value, reason = "map_err gives it away")]
fn lost(error: std::io::Error) -> SessionError {
    SessionError::Lost(error.to_string())
}

fn exit(status: std::process::ExitStatus) -> Exit {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return Exit::Signal(signal.to_string());
    }
    status.code().and_then(|code| u32::try_from(code).ok()).map_or(Exit::Unknown, Exit::Code)
}
