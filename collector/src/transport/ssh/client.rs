//! Connects to nodes with SSH over TCP, with russh. The host key is verified before anything is sent, and every step has its own
//! time limit.
//!
//! Other files that name russh: `check.rs` (the host's key), `algorithms.rs` (what is offered), `login.rs` (who logs in), `keys.rs` and
//! `sealed.rs` (key files), `agent.rs` and `signing.rs` (the SSH agent). `dial.rs` makes the TCP connection.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{Config, Handle, Msg};
use russh::{
    Channel, ChannelMsg, ChannelOpenFailure, ChannelReadHalf, ChannelWriteHalf, Disconnect, Preferred,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};

use super::algorithms::{is_strong, option_of, preferred};
use super::check::{HostKeyCheck, Judged};
use super::command::Command;
use super::dial::{Dialling, dial};
use super::host_keys::{Known, Verdict};
use super::login::Login;
use crate::clean;
use crate::errors::with_sources;
use crate::transport::error::{ConnectError, SessionError};
use crate::transport::input::{Input, Secret, SendError};
use crate::transport::output::{Exit, Output, STDERR_BYTES};

/// A host to log in to.
#[derive(Clone)]
pub(crate) struct Target {
    /// Host name or IP address.
    pub address: String,
    /// The port.
    pub port: u16,
    /// The login.
    pub user: String,
    /// How to log in.
    pub login: Login,
    /// What `sudo` asks for there.
    pub sudo_password: Option<Secret>,
    /// What is known of its host key.
    pub known: Known,
    /// How it is dialled if there is no jump host.
    pub dialling: Dialling,
    /// The host to go through.
    pub jump: Option<Arc<Target>>,
    /// How long it may take to reach the port and to agree on keys, if this host has its own limit.
    pub connect_limit: Option<Duration>,
}

impl Target {
    fn connect_limit(&self, limits: Limits) -> Duration {
        self.connect_limit.unwrap_or(limits.connect)
    }

    /// The login and the host, with the jump hosts before it: behind two jump hosts one address may be two machines.
    fn way(&self) -> String {
        let host = format!("{}@{}", self.user, self.known.name);
        match &self.jump {
            Some(jump) => format!("{host} through {}", jump.way()),
            None => host,
        }
    }
}

/// The host key that a node shows. The node has proven that it holds the key, but not that the key is the right one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShownKey {
    /// The public key, as RFC 4253 section 6.6 encodes it.
    pub key: Vec<u8>,
    /// Its fingerprint, `SHA256:…`.
    pub fingerprint: String,
    /// What is known of it already.
    pub verdict: Verdict,
}

/// How long the steps of a connection may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// To reach the port, to agree on keys, and to log in: each.
    pub connect: Duration,
    /// How long the other side may be silent before it is asked whether it is there. After three such questions it is given up.
    pub keep_alive: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(15), keep_alive: Duration::from_secs(10) }
    }
}

/// Reaches the nodes of a site.
pub(crate) struct Connector {
    targets: BTreeMap<String, Arc<Target>>,
    opener: Arc<Opener>,
}

/// Opens connections. A jump host is logged in to once, for all the nodes behind it.
struct Opener {
    limits: Limits,
    jumps: Mutex<HashMap<String, Arc<JumpHost>>>,
}

type JumpHost = tokio::sync::Mutex<Option<Arc<Connection>>>;

impl Connector {
    /// A connector for these nodes, by name.
    pub(crate) fn new(targets: BTreeMap<String, Arc<Target>>, limits: Limits) -> Self {
        Self { targets, opener: Arc::new(Opener { limits, jumps: Mutex::default() }) }
    }

    /// The key that a node shows, without logging in to it. Jump hosts are logged in to, so their keys must be known.
    ///
    /// # Errors
    /// [`ConnectError`] if the node cannot be reached.
    pub(crate) async fn shown_key(&self, node: &str) -> Result<ShownKey, ConnectError> {
        let target = self.target(node)?;
        let (check, judged) = HostKeyCheck::looking(target.known.clone());
        let preferred =
            Preferred { host_key_certificates: Cow::Borrowed(&[]), ..preferred(&target.known, &[]) };
        let (stream, _through) = self.opener.stream(target).await?;
        match agree(target, stream, preferred, self.opener.limits, check, &judged).await {
            Ok((_, judged)) | Err(Refusal { judged: Some(judged), .. }) => Ok(ShownKey {
                verdict: target.known.judge(&judged.key),
                fingerprint: judged.fingerprint,
                key: judged.key,
            }),
            Err(Refusal { error, .. }) => Err(error),
        }
    }

    /// A session with a node.
    pub(super) async fn client(&self, node: &str) -> Result<Client, ConnectError> {
        let target = self.target(node)?;
        let connection = self.opener.open(target).await?;
        Ok(Client {
            opener: Arc::clone(&self.opener),
            target: Arc::clone(target),
            connection,
            had_channel: false,
            running: None,
        })
    }

    fn target(&self, node: &str) -> Result<&Arc<Target>, ConnectError> {
        self.targets.get(node).ok_or_else(|| ConnectError::Unreachable {
            address: node.to_owned(),
            port: 0,
            reason: "not in the site file".to_owned(),
        })
    }

    /// How a node would be reached: `user@address:port`, and through which hosts.
    pub(crate) fn login_of(&self, node: &str) -> Option<String> {
        let mut target = self.targets.get(node)?.as_ref();
        let mut login = format!("{}@{}", target.user, target.known.name);
        while let Some(jump) = &target.jump {
            login += &format!(" via {}@{}", jump.user, jump.known.name);
            target = jump;
        }
        Some(login)
    }

    /// Why a node's host key would be accepted; `None` if it would not.
    pub(crate) fn host_key_of(&self, node: &str) -> Option<&'static str> {
        let known = &self.targets.get(node)?.known;
        if known.is_pinned() {
            Some("pinned")
        } else if known.has_keys() {
            Some("known")
        } else {
            known.has_authorities().then_some("by certificate")
        }
    }

    /// Whether a node may show a host key with this fingerprint, as far as is known without connecting. With a certificate of an
    /// authority it may show any key.
    pub(crate) fn may_show(&self, node: &str, fingerprint: &str) -> bool {
        self.targets.get(node).is_some_and(|target| {
            target.known.has_authorities()
                || target.known.fingerprints().iter().any(|known| known == fingerprint)
        })
    }
}

impl Opener {
    /// A stream to a host, and the connection that it goes through.
    async fn stream(&self, target: &Target) -> Result<(Stream, Option<Arc<Connection>>), ConnectError> {
        Ok(match &target.jump {
            Some(jump) => {
                let through = self.jump(jump).await?;
                (Box::new(through.forward(target, jump, self.limits).await?), Some(through))
            }
            None => {
                let dialled = dial(&target.address, target.port, &target.dialling);
                let limit = target.connect_limit(self.limits);
                match timeout(limit, dialled).await {
                    Ok(Ok(stream)) => (Box::new(stream), None),
                    Ok(Err(error)) => return Err(unreachable(target, russh::Error::IO(error))),
                    Err(_) => return Err(timed_out(target, "answer", limit)),
                }
            }
        })
    }

    async fn open(&self, target: &Target) -> Result<Connection, ConnectError> {
        let (mut shown, mut fingerprints) = (Vec::new(), Vec::new());
        loop {
            let preferred = preferred(&target.known, &shown);
            let (stream, through) = self.stream(target).await?;
            match Connection::open(target, stream, preferred, self.limits, through).await {
                // A pin does not tell the type of the key, so another of the host's keys may be the pinned one.
                Err(Refusal { error, judged: Some(judged) })
                    if target.known.is_pinned()
                        && target.known.key_types().is_empty()
                        && matches!(error, ConnectError::HostKeyChanged { .. })
                        && !shown.contains(&judged.algorithm) =>
                {
                    shown.push(judged.algorithm);
                    fingerprints.push(judged.fingerprint);
                }
                Err(Refusal { error: ConnectError::NoCommonAlgorithm { .. }, .. }) if !shown.is_empty() => {
                    return Err(ConnectError::HostKeyChanged {
                        name: target.known.name.clone(),
                        shown: fingerprints.join(", "),
                        known: target.known.fingerprints(),
                    });
                }
                Err(Refusal { error, .. }) => return Err(error),
                Ok(connection) => return Ok(connection),
            }
        }
    }

    async fn jump(&self, jump: &Arc<Target>) -> Result<Arc<Connection>, ConnectError> {
        let host = {
            // Nothing panics while the lock is held, so the map is whole even if the lock is poisoned.
            let mut jumps = self.jumps.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(jumps.entry(jump.way()).or_default())
        };
        let mut open = host.lock().await;
        if let Some(connection) = open.as_ref().filter(|connection| !connection.handle.is_closed()) {
            return Ok(Arc::clone(connection));
        }
        let connection = Box::pin(self.open(jump)).await.map_err(|error| match error {
            // The error says already which jump host it is.
            ConnectError::Jump { .. } => error,
            error => ConnectError::Jump { jump: jump.way(), source: Box::new(error) },
        });
        let connection = Arc::new(connection?);
        *open = Some(Arc::clone(&connection));
        Ok(connection)
    }
}

/// A session over SSH: it runs one command after the other.
pub(super) struct Client {
    opener: Arc<Opener>,
    target: Arc<Target>,
    connection: Connection,
    /// Whether the connection has had a channel.
    had_channel: bool,
    /// The command that runs, or the last one that was abandoned, whose channel stays open until the next command.
    running: Option<ChannelWriteHalf<Msg>>,
}

/// How long a server may still count a channel that is closed: each wait is twice as long as the one before, 1.3 s in all.
const PAUSES: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(640)];

impl Client {
    /// Runs a command in the node's shell, feeds it its input, and waits for its end.
    ///
    /// Dropping the future abandons the command; the session can still run others.
    pub(super) async fn run(&mut self, command: Command<'_>) -> Result<Output, SessionError> {
        match timeout(command.limit, self.execute(command)).await {
            Ok(output) => {
                self.running = None;
                output
            }
            Err(_) => Err(SessionError::TimedOut(command.limit)),
        }
    }

    /// The fingerprint of the host key that was verified.
    pub(super) fn host_key(&self) -> &str {
        &self.connection.host_key
    }

    /// The password that `sudo` wants on the node.
    pub(super) fn sudo_password(&self) -> Option<&Secret> {
        self.target.sudo_password.as_ref()
    }

    /// Connects again, whatever has become of this connection.
    pub(super) async fn reconnect(&mut self) -> Result<(), ConnectError> {
        self.connection = self.opener.open(&self.target).await?;
        self.had_channel = false;
        self.running = None;
        Ok(())
    }

    pub(super) async fn close(&self) {
        self.connection.close().await;
    }

    /// A channel for a command.
    ///
    /// A server that allows one session per connection (`MaxSessions 1`) refuses a second one as long as it counts the first. It
    /// counts a session until it has cleared it away, which may be after it has read the request for the next one, and until
    /// its command has ended, which an abandoned command may not do. So the server gets a moment, and then another connection. If
    /// a connection never had a channel, waiting does not help.
    async fn channel(&mut self) -> Result<Channel<Msg>, SessionError> {
        if let Some(abandoned) = self.running.take() {
            // The abandoned command learns that it has no reader any more. If the connection is gone, the next step says so.
            let _ = abandoned.close().await;
        }
        let [mut pause, longest] = PAUSES;
        loop {
            match self.connection.handle.channel_open_session().await {
                Ok(channel) => {
                    self.had_channel = true;
                    return Ok(channel);
                }
                Err(russh::Error::ChannelOpenFailure(_)) if self.had_channel && pause <= longest => {
                    sleep(pause).await;
                    pause *= 2;
                }
                Err(russh::Error::ChannelOpenFailure(_)) if self.had_channel => {
                    self.reconnect_to_same().await?;
                }
                Err(russh::Error::ChannelOpenFailure(reason)) => {
                    return Err(SessionError::NoSession(clean::line(reason.description(), 200)));
                }
                Err(error) => return Err(SessionError::Lost(error.to_string())),
            }
        }
    }

    /// Replaces the connection with another one to the same machine.
    async fn reconnect_to_same(&mut self) -> Result<(), SessionError> {
        // Some hosts also count logins.
        self.close().await;
        let again = self.opener.open(&self.target).await;
        let again = again.map_err(|error| SessionError::Lost(with_sources(&error)))?;
        if again.host_key != self.connection.host_key {
            return Err(SessionError::Lost(format!("another machine answers, with {}", again.host_key)));
        }
        self.connection = again;
        self.had_channel = false;
        Ok(())
    }

    async fn execute(&mut self, command: Command<'_>) -> Result<Output, SessionError> {
        let failed = |error: russh::Error| SessionError::Lost(error.to_string());
        let (reading, writing) = self.channel().await?.split();
        let writing = self.running.insert(writing);
        writing.exec(true, command.text).await.map_err(failed)?;
        // A server says how a command ended. If it does not, the link broke, even if this side does not know it yet.
        match drive(reading, writing, command).await? {
            Output { exit: Exit::Unknown, .. } => {
                Err(SessionError::Lost("in the middle of a command".to_owned()))
            }
            output => Ok(output),
        }
    }
}

/// A connection that is logged in.
struct Connection {
    handle: Handle<HostKeyCheck>,
    host_key: String,
    /// The connection to the jump host stays open as long as this one is used.
    _through: Option<Arc<Connection>>,
}

/// Why a connection was not made, and the host key if one was shown.
struct Refusal {
    error: ConnectError,
    judged: Option<Judged>,
}

impl From<ConnectError> for Refusal {
    fn from(error: ConnectError) -> Self {
        Self { error, judged: None }
    }
}

/// The stream that a connection uses.
type Stream = Box<dyn Bytes>;

trait Bytes: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Bytes for T {}

impl Connection {
    async fn open(
        target: &Target,
        stream: Stream,
        preferred: Preferred,
        limits: Limits,
        through: Option<Arc<Connection>>,
    ) -> Result<Self, Refusal> {
        let (check, judged) = HostKeyCheck::new(target.known.clone());
        let (mut handle, judged) = agree(target, stream, preferred, limits, check, &judged).await?;
        let host_key = judged.fingerprint;
        match timeout(limits.connect, target.login.authenticate(&mut handle, &target.user)).await {
            Ok(Ok(())) => Ok(Self { handle, host_key, _through: through }),
            Ok(Err(error)) if said_no(&mut handle).await => Err(error.into()),
            Ok(Err(_)) => Err(unreachable(target, russh::Error::HUP).into()),
            Err(_) => Err(timed_out(target, "answer to the login", limits.connect).into()),
        }
    }

    /// Tells the other side that the connection ends.
    async fn close(&self) {
        let bye = self.handle.disconnect(Disconnect::ByApplication, "", "en");
        // The other side may be gone already.
        let _ = timeout(Duration::from_secs(2), bye).await;
    }

    /// A stream from this host to another.
    async fn forward(
        &self,
        target: &Target,
        jump: &Target,
        limits: Limits,
    ) -> Result<ForwardStream, ConnectError> {
        let opening = self.handle.channel_open_direct_tcpip(
            target.address.clone(),
            u32::from(target.port),
            "127.0.0.1",
            0,
        );
        let limit = target.connect_limit(limits);
        match timeout(limit, opening).await {
            Ok(Ok(channel)) => Ok(channel.into_stream()),
            Ok(Err(russh::Error::ChannelOpenFailure(reason))) => Err(ConnectError::NotForwarded {
                jump: jump.way(),
                address: target.address.clone(),
                port: target.port,
                forbidden: matches!(reason, ChannelOpenFailure::AdministrativelyProhibited),
                reason: clean::line(reason.description(), 200),
            }),
            Ok(Err(error)) => Err(unreachable(target, error)),
            Err(_) => Err(timed_out(target, "answer through the jump host", limit)),
        }
    }
}

/// Agrees on keys with a host, and judges the host's own key. Nothing secret is sent.
async fn agree(
    target: &Target,
    stream: Stream,
    preferred: Preferred,
    limits: Limits,
    check: HostKeyCheck,
    judged: &Mutex<Option<Judged>>,
) -> Result<(Handle<HostKeyCheck>, Judged), Refusal> {
    let config =
        Config { preferred, keepalive_interval: Some(limits.keep_alive), nodelay: true, ..Config::default() };
    let agreeing = russh::client::connect_stream(Arc::new(config), stream, check);
    let limit = target.connect_limit(limits);
    let handle = timeout(limit, agreeing).await;
    let judged = judged.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (handle, judged) {
        (_, Some(mut judged)) if judged.error.is_some() => {
            let error = judged.error.take();
            let error = error.unwrap_or_else(|| unreachable(target, russh::Error::UnknownKey));
            Err(Refusal { error, judged: Some(judged) })
        }
        (Err(_), judged) => Err(Refusal { error: timed_out(target, "key exchange", limit), judged }),
        (Ok(Err(error)), judged) => Err(Refusal { error: unreachable(target, error), judged }),
        // Without a judged key the host is not verified, whatever the library says.
        (Ok(Ok(_)), None) => Err(unreachable(target, russh::Error::UnknownKey).into()),
        (Ok(Ok(handle)), Some(judged)) => Ok((handle, judged)),
    }
}

/// Whether a failed login was refused. A server that accepts no more attempts says so; a link that breaks does not.
async fn said_no(handle: &mut Handle<HostKeyCheck>) -> bool {
    !handle.is_closed() || matches!(timeout(Duration::from_secs(2), handle).await, Ok(Ok(())))
}

type ForwardStream = russh::ChannelStream<Msg>;

fn timed_out(target: &Target, step: &'static str, limit: Duration) -> ConnectError {
    ConnectError::TimedOut { address: target.address.clone(), port: target.port, step, limit }
}

fn unreachable(target: &Target, error: russh::Error) -> ConnectError {
    let (address, port) = (target.address.clone(), target.port);
    match error {
        russh::Error::NoCommonAlgo { kind, ours, theirs } => ConnectError::NoCommonAlgorithm {
            address,
            port,
            kind: format!("{kind:?}").to_lowercase(),
            option: theirs.iter().any(|name| is_strong(name)).then(|| option_of(&kind)),
            theirs: clean::line(&theirs.join(","), 500),
            ours: clean::line(&ours.join(","), 500),
        },
        russh::Error::IO(error) => ConnectError::Unreachable { address, port, reason: error.to_string() },
        russh::Error::Disconnect | russh::Error::HUP => {
            ConnectError::Unreachable { address, port, reason: "it hung up".to_owned() }
        }
        other => ConnectError::Unreachable { address, port, reason: other.to_string() },
    }
}

/// Sends and reads at the same time, until the channel is closed.
async fn drive(
    mut reading: ChannelReadHalf,
    writing: &ChannelWriteHalf<Msg>,
    command: Command<'_>,
) -> Result<Output, SessionError> {
    let mut output = Output { exit: Exit::Unknown, stdout: Vec::new(), stderr: Vec::new() };
    let mut sink = writing.make_writer();
    let sending = async {
        match command.input {
            Some(input) => input.send(&mut sink).await,
            None => Input::default().send(&mut sink).await,
        }
    };
    tokio::pin!(sending);
    let mut sent = false;
    loop {
        let message = tokio::select! {
            message = reading.wait() => message,
            result = &mut sending, if !sent => {
                sent = true;
                match result {
                    Err(SendError::Here(error)) => {
                        let _ = writing.close().await;
                        return Err(SessionError::Input(error));
                    }
                    // The command stopped reading; its exit status says why.
                    Ok(()) | Err(SendError::There(_)) => continue,
                }
            }
        };
        match message {
            Some(ChannelMsg::Data { data }) => {
                if output.stdout.len() + data.len() > command.output_limit {
                    let _ = writing.close().await;
                    return Err(SessionError::OutputTooLarge(command.output_limit));
                }
                output.stdout.extend_from_slice(&data);
            }
            Some(ChannelMsg::ExtendedData { data, ext: 1 }) => {
                let room = STDERR_BYTES.saturating_sub(output.stderr.len());
                output.stderr.extend(data.iter().take(room));
            }
            Some(ChannelMsg::Failure) => {
                return Err(SessionError::Refused("the command was not accepted".to_owned()));
            }
            Some(ChannelMsg::ExitStatus { exit_status }) => output.exit = Exit::Code(exit_status),
            Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                output.exit = Exit::Signal(clean::line(&format!("{signal_name:?}"), 40));
            }
            Some(_) => {}
            None => return Ok(output),
        }
    }
}
