//! SSH over TCP, with russh. The host key is verified before anything is sent; every step has its own time limit.
//!
//! Only algorithms without known weakness are offered: no SHA-1, no CBC, no group below 3,072 bits. Compression is offered
//! (`zlib@openssh.com`, which begins after the login), so that what is uploaded travels compressed.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use russh::client::{ChannelOpenHandle, Config, Handle, Handler, Msg, Session as RusshSession};
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Algorithm, Certificate, EcdsaCurve, HashAlg, PublicKeyOrCertificate};
use russh::{Channel, ChannelMsg, Disconnect, Preferred, cipher, compression, kex, mac};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::host_keys::{self, Known, Verdict};
use super::input::SendError;
use super::{
    Command, Connect, ConnectError, Exit, Input, Login, Output, STDERR_BYTES, Session, SessionError,
};

/// A host to log in to.
#[derive(Clone)]
pub struct Target {
    /// Host name or IP address.
    pub address: String,
    /// The port.
    pub port: u16,
    /// The login.
    pub user: String,
    /// How to log in.
    pub login: Login,
    /// What is known of its host key.
    pub known: Known,
    /// The host to go through.
    pub jump: Option<Arc<Target>>,
}

/// How long the steps of a connection may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// To reach the port, to agree on keys, and to log in: each.
    pub connect: Duration,
    /// How long the other side may be silent before it is asked whether it is there; it is given up after three such.
    pub keep_alive: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(15), keep_alive: Duration::from_secs(10) }
    }
}

/// Reaches the nodes of a site. A jump host is logged in to once, for all the nodes behind it.
pub struct Connector {
    targets: BTreeMap<String, Target>,
    limits: Limits,
    jumps: Mutex<HashMap<String, Arc<JumpHost>>>,
}

type JumpHost = tokio::sync::Mutex<Option<Arc<Connection>>>;

impl Connector {
    /// A connector for these nodes, by name.
    pub fn new(targets: BTreeMap<String, Target>, limits: Limits) -> Self {
        Self { targets, limits, jumps: Mutex::default() }
    }

    async fn open(&self, target: &Target) -> Result<Connection, ConnectError> {
        let mut shown = Vec::new();
        loop {
            let preferred = preferred(&target.known, &shown);
            let result = match &target.jump {
                Some(jump) => {
                    let through = self.jump(jump).await?;
                    let stream = through.forward(target, self.limits).await?;
                    Connection::open(target, stream, preferred, self.limits, Some(through)).await
                }
                None => {
                    let stream = dial(target, self.limits).await?;
                    Connection::open(target, stream, preferred, self.limits, None).await
                }
            };
            match result {
                // A pin does not say the key's type: another of the host's keys may be the pinned one.
                Err(Refusal { error, algorithm: Some(algorithm) })
                    if target.known.is_pinned()
                        && target.known.key_types().is_empty()
                        && matches!(error, ConnectError::HostKeyChanged { .. })
                        && !shown.contains(&algorithm) =>
                {
                    shown.push(algorithm);
                }
                Err(Refusal { error: ConnectError::NoCommonAlgorithm { .. }, .. }) if !shown.is_empty() => {
                    return Err(ConnectError::HostKeyChanged {
                        name: target.known.name.clone(),
                        shown: "none of whose keys is the pinned one".to_owned(),
                        known: target.known.fingerprints(),
                    });
                }
                Err(Refusal { error, .. }) => return Err(error),
                Ok(connection) => return Ok(connection),
            }
        }
    }

    async fn jump(&self, jump: &Arc<Target>) -> Result<Arc<Connection>, ConnectError> {
        let name = format!("{}@{}", jump.user, jump.known.name);
        let host = {
            // Nothing panics while the lock is held; a poisoned one still holds a whole map.
            let mut jumps = self.jumps.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            Arc::clone(jumps.entry(name.clone()).or_default())
        };
        let mut open = host.lock().await;
        if let Some(connection) = open.as_ref().filter(|connection| !connection.handle.is_closed()) {
            return Ok(Arc::clone(connection));
        }
        let connection = Box::pin(self.open(jump)).await;
        let connection = Arc::new(
            connection.map_err(|source| ConnectError::Jump { jump: name, source: Box::new(source) })?,
        );
        *open = Some(Arc::clone(&connection));
        Ok(connection)
    }
}

impl Connect for Connector {
    type Session = Client;

    async fn connect(&self, node: &str) -> Result<Client, ConnectError> {
        let target = self.targets.get(node).ok_or_else(|| ConnectError::Unreachable {
            address: node.to_owned(),
            port: 0,
            reason: "not in the site file".to_owned(),
        })?;
        Ok(Client { connection: self.open(target).await? })
    }
}

/// A session over SSH.
pub struct Client {
    connection: Connection,
}

impl Session for Client {
    async fn run(&mut self, command: Command<'_>) -> Result<Output, SessionError> {
        let handle = &self.connection.handle;
        match timeout(command.limit, run(handle, command)).await {
            Ok(output) => output,
            Err(_) => Err(SessionError::TimedOut(command.limit)),
        }
    }

    fn host_key(&self) -> Option<&str> {
        Some(&self.connection.host_key)
    }

    async fn close(self) {
        let bye = self.connection.handle.disconnect(Disconnect::ByApplication, "", "en");
        // The other side may be gone already, which is as good.
        let _ = timeout(Duration::from_secs(2), bye).await;
    }
}

/// A connection that is logged in.
struct Connection {
    handle: Handle<HostKeyCheck>,
    host_key: String,
    /// What the connection goes through stays open as long as it is used.
    _through: Option<Arc<Connection>>,
}

/// Why a connection was not made, and the type of host key that was shown.
struct Refusal {
    error: ConnectError,
    algorithm: Option<Algorithm>,
}

impl From<ConnectError> for Refusal {
    fn from(error: ConnectError) -> Self {
        Self { error, algorithm: None }
    }
}

impl Connection {
    async fn open(
        target: &Target,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        preferred: Preferred,
        limits: Limits,
        through: Option<Arc<Connection>>,
    ) -> Result<Self, Refusal> {
        let judged = Arc::new(Mutex::new(None));
        let check = HostKeyCheck { known: target.known.clone(), judged: Arc::clone(&judged) };
        let config = Config {
            preferred,
            keepalive_interval: Some(limits.keep_alive),
            nodelay: true,
            ..Config::default()
        };
        let agreeing = russh::client::connect_stream(Arc::new(config), stream, check);
        let handle = timeout(limits.connect, agreeing).await;
        let judged = judged.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let handle = match (handle, judged) {
            (_, Some(Judged { error: Some(error), algorithm, .. })) => {
                return Err(Refusal { error, algorithm: Some(algorithm) });
            }
            (Err(_), _) => return Err(timed_out(target, "key exchange", limits.connect).into()),
            (Ok(Err(error)), _) => return Err(unreachable(target, error).into()),
            // Without a judged key nobody has been verified, whatever the library says.
            (Ok(Ok(_)), None) => return Err(unreachable(target, russh::Error::UnknownKey).into()),
            (Ok(Ok(handle)), Some(judged)) => (handle, judged.fingerprint),
        };
        let (mut handle, host_key) = handle;
        match timeout(limits.connect, target.login.authenticate(&mut handle, &target.user)).await {
            Ok(Ok(())) => Ok(Self { handle, host_key, _through: through }),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(timed_out(target, "answer to the login", limits.connect).into()),
        }
    }

    /// A stream from this host to another.
    async fn forward(&self, target: &Target, limits: Limits) -> Result<ForwardStream, ConnectError> {
        let opening = self.handle.channel_open_direct_tcpip(
            target.address.clone(),
            u32::from(target.port),
            "127.0.0.1",
            0,
        );
        match timeout(limits.connect, opening).await {
            Ok(Ok(channel)) => Ok(channel.into_stream()),
            Ok(Err(error)) => Err(unreachable(target, error)),
            Err(_) => Err(timed_out(target, "answer through the jump host", limits.connect)),
        }
    }
}

type ForwardStream = russh::ChannelStream<Msg>;

async fn dial(target: &Target, limits: Limits) -> Result<TcpStream, ConnectError> {
    match timeout(limits.connect, TcpStream::connect((target.address.as_str(), target.port))).await {
        Ok(Ok(stream)) => {
            // Nagle's delay costs time only.
            let _ = stream.set_nodelay(true);
            Ok(stream)
        }
        Ok(Err(error)) => Err(unreachable(target, russh::Error::IO(error))),
        Err(_) => Err(timed_out(target, "answer", limits.connect)),
    }
}

fn timed_out(target: &Target, step: &'static str, limit: Duration) -> ConnectError {
    ConnectError::TimedOut { address: target.address.clone(), port: target.port, step, limit }
}

fn unreachable(target: &Target, error: russh::Error) -> ConnectError {
    let (address, port) = (target.address.clone(), target.port);
    match error {
        russh::Error::NoCommonAlgo { kind, theirs, .. } => ConnectError::NoCommonAlgorithm {
            address,
            port,
            kind: format!("{kind:?}").to_lowercase(),
            theirs: crate::text::clean(&theirs.join(","), 500),
        },
        russh::Error::IO(error) => ConnectError::Unreachable { address, port, reason: error.to_string() },
        russh::Error::Disconnect | russh::Error::HUP => {
            ConnectError::Unreachable { address, port, reason: "it hung up".to_owned() }
        }
        other => ConnectError::Unreachable { address, port, reason: other.to_string() },
    }
}

async fn run(handle: &Handle<HostKeyCheck>, command: Command<'_>) -> Result<Output, SessionError> {
    let failed = |error: russh::Error| match error {
        russh::Error::ChannelOpenFailure(reason) => {
            SessionError::Refused(crate::text::clean(reason.description(), 200))
        }
        error => SessionError::Lost(error.to_string()),
    };
    let channel = handle.channel_open_session().await.map_err(failed)?;
    channel.exec(true, command.text).await.map_err(failed)?;
    let result = drive(channel, command).await;
    match result {
        Ok(Output { exit: Exit::Unknown, .. }) if handle.is_closed() => {
            Err(SessionError::Lost("in the middle of a command".to_owned()))
        }
        other => other,
    }
}

/// Sends and reads at the same time, until the channel is closed.
async fn drive(channel: Channel<Msg>, command: Command<'_>) -> Result<Output, SessionError> {
    let (mut reading, writing) = channel.split();
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
                output.exit = Exit::Signal(crate::text::clean(&format!("{signal_name:?}"), 40));
            }
            Some(_) => {}
            None => return Ok(output),
        }
    }
}

/// What the connection's own task asks: whether the host key is the host's, and whether the host may open channels.
pub(super) struct HostKeyCheck {
    known: Known,
    judged: Arc<Mutex<Option<Judged>>>,
}

struct Judged {
    fingerprint: String,
    algorithm: Algorithm,
    error: Option<ConnectError>,
}

impl Handler for HostKeyCheck {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let key = shown.public_key();
        let blob = key.to_bytes().map_err(|error| russh::Error::Keys(error.into()))?;
        let fingerprint = host_keys::fingerprint(&blob);
        let error = match shown.certificate() {
            Some(certificate) => judge_certificate(&self.known, certificate, &blob, &fingerprint),
            None => judge_key(&self.known, &blob, &fingerprint),
        }
        .err();
        let accepted = error.is_none();
        let judged = Judged { fingerprint, algorithm: key.algorithm(), error };
        *self.judged.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(judged);
        Ok(accepted)
    }

    // A host opens no channels here: none was asked for, and without these they would all be accepted. Dropping the
    // reply refuses.

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _reply: ChannelOpenHandle,
        _: &mut RusshSession,
    ) -> Result<(), russh::Error> {
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _reply: ChannelOpenHandle,
        _: &mut RusshSession,
    ) -> Result<(), russh::Error> {
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _: Channel<Msg>,
        _reply: ChannelOpenHandle,
        _: &mut RusshSession,
    ) -> Result<(), russh::Error> {
        Ok(())
    }

    async fn server_channel_open_session(
        &mut self,
        _: Channel<Msg>,
        _reply: ChannelOpenHandle,
        _: &mut RusshSession,
    ) -> Result<(), russh::Error> {
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _reply: ChannelOpenHandle,
        _: &mut RusshSession,
    ) -> Result<(), russh::Error> {
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _reply: ChannelOpenHandle,
        _: &mut RusshSession,
    ) -> Result<(), russh::Error> {
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _reply: ChannelOpenHandle,
        _: &mut RusshSession,
    ) -> Result<(), russh::Error> {
        Ok(())
    }
}

fn judge_key(known: &Known, key: &[u8], fingerprint: &str) -> Result<(), ConnectError> {
    let (name, shown) = (known.name.clone(), fingerprint.to_owned());
    match known.judge(key) {
        Verdict::Known => Ok(()),
        Verdict::Unknown => Err(ConnectError::HostKeyUnknown { name, shown }),
        Verdict::Changed => Err(ConnectError::HostKeyChanged { name, shown, known: known.fingerprints() }),
        Verdict::Revoked => Err(ConnectError::HostKeyRevoked { name, shown }),
    }
}

/// A host certificate (PROTOCOL.certkeys): signed by an authority of this host, for hosts, naming it, valid now.
fn judge_certificate(
    known: &Known,
    certificate: &Certificate,
    key: &[u8],
    fingerprint: &str,
) -> Result<(), ConnectError> {
    let (name, shown) = (known.name.clone(), fingerprint.to_owned());
    let fails = |reason: &str| {
        let (name, shown) = (name.clone(), shown.clone());
        Err(ConnectError::HostCertificate { name, shown, reason: reason.to_owned() })
    };
    let signer = russh::keys::PublicKey::new(certificate.signature_key().clone(), "");
    let Ok(authority) = signer.to_bytes() else {
        return fails("its authority's key cannot be read");
    };
    if known.is_revoked(key) || known.is_revoked(&authority) {
        return Err(ConnectError::HostKeyRevoked { name, shown });
    }
    if !known.is_authority(&authority) {
        // As OpenSSH: a certificate of nobody we know is worth the key in it.
        return judge_key(known, key, fingerprint);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let trusted = [signer.fingerprint(HashAlg::Sha256)];
    if matches!(certificate.signature().algorithm(), Algorithm::Rsa { hash: None } | Algorithm::Dsa) {
        return fails("it is signed with SHA-1");
    }
    if certificate.cert_type() != CertType::Host {
        return fails("it is for users");
    }
    if certificate.critical_options().iter().next().is_some() {
        return fails("it has critical options, which no host certificate has");
    }
    let named = |principal: &String| host_keys::matches_patterns(principal, &known.address);
    if !certificate.valid_principals().iter().any(named) {
        return fails("it does not name this host");
    }
    match certificate.validate_at(now, &trusted) {
        Ok(()) => Ok(()),
        Err(_) => fails("its signature is wrong or it is not valid now"),
    }
}

/// What is offered, the types of known host keys first, without those that turned out to be others than the pinned.
fn preferred(known: &Known, shown: &[Algorithm]) -> Preferred {
    let types = known.key_types();
    let is_known = |algorithm: &Algorithm| match algorithm {
        Algorithm::Rsa { .. } => types.contains(&"ssh-rsa"),
        other => types.contains(&other.as_str()),
    };
    let is_shown = |algorithm: &Algorithm| match algorithm {
        Algorithm::Rsa { .. } => shown.iter().any(|shown| matches!(shown, Algorithm::Rsa { .. })),
        other => shown.contains(other),
    };
    let mut keys: Vec<Algorithm> =
        HOST_KEYS.iter().filter(|algorithm| !is_shown(algorithm)).cloned().collect();
    keys.sort_by_key(|algorithm| !is_known(algorithm));
    let certificates = if known.has_authorities() { HOST_KEYS } else { &[] };
    Preferred {
        kex: Cow::Borrowed(KEX),
        key: Cow::Owned(keys),
        host_key_certificates: Cow::Borrowed(certificates),
        cipher: Cow::Borrowed(CIPHERS),
        mac: Cow::Borrowed(MACS),
        compression: Cow::Borrowed(COMPRESSION),
    }
}

const KEX: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
    kex::DH_GEX_SHA256,
    kex::DH_G18_SHA512,
    kex::DH_G16_SHA512,
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
];

const HOST_KEYS: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];

/// GCM first: fast in hardware, and out of reach of prefix truncation where the other side lacks strict key exchange.
const CIPHERS: &[cipher::Name] = &[
    cipher::AES_128_GCM,
    cipher::AES_256_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_CTR,
    cipher::AES_128_CTR,
];

const MACS: &[mac::Name] = &[mac::HMAC_SHA256_ETM, mac::HMAC_SHA512_ETM, mac::HMAC_SHA256, mac::HMAC_SHA512];

const COMPRESSION: &[compression::Name] = &[compression::ZLIB_LEGACY, compression::NONE];
