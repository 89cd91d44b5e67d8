//! What was typed becomes what is meant: files, environment and terminal are read here, before any node is visited.

#![expect(clippy::disallowed_methods, reason = "this is the place where the environment is read")]

use std::collections::BTreeMap;
use std::io::{self, BufReader, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use assay_shared::oci::Digest;
use assay_shared::report::SiteWaivers;
use assay_shared::time::{TimeError, UnixTime};

use crate::cli;
use crate::fleet::Pace;
use crate::nodes::{self, Jump, Node, Site, SiteFileError};
use crate::report::difference::{Baseline, BaselineError};
use crate::report::terminal::Look;
use crate::ssh::host_keys::{KnownHosts, KnownHostsError};
use crate::ssh::{self, Connector, Login, LoginError, Target};
use crate::visit::{self, AgentError, Payload, PayloadError, Plan, Platform};
use crate::waivers::WaiversError;
use crate::{clock, random, waivers};

/// Something that was given cannot be used; no node was visited.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The site file.
    #[error("{}: {source}", path.display())]
    Site {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: SiteFileError,
    },
    /// The waivers file.
    #[error("{}: {source}", path.display())]
    Waivers {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: WaiversError,
    },
    /// The report of the run to compare with.
    #[error("{}: {source}", path.display())]
    Baseline {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: BaselineError,
    },
    /// A `known_hosts` file.
    #[error("{}: {source}", path.display())]
    KnownHosts {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: KnownHostsError,
    },
    /// How to log in.
    #[error("node {node}: {source}")]
    Login {
        /// The node.
        node: String,
        /// What is wrong.
        source: LoginError,
    },
    /// No key is named and no agent is there.
    #[error("node {node}: no identity is given and SSH_AUTH_SOCK names no SSH agent")]
    NoAgent {
        /// The node.
        node: String,
    },
    /// Which agents are sent.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// What is to be sent.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The verification time.
    #[error("--at {text:?}: {source}")]
    At {
        /// What was given.
        text: String,
        /// What is wrong.
        source: TimeError,
    },
    /// A value that the agent does not take.
    #[error("--{option} {value:?}: one of {allowed}")]
    Value {
        /// The option.
        option: &'static str,
        /// What was given.
        value: String,
        /// What there is.
        allowed: &'static str,
    },
    /// This program's own place is unknown, and so is where the agents are.
    #[error("where this program is cannot be found out ({0}); name an agent with --agent")]
    OwnPath(io::Error),
}

/// The name of the environment variable for the passphrase of encrypted keys.
const PASSPHRASE: &str = "ASSAY_KEY_PASSPHRASE";

/// Reads a site file.
///
/// # Errors
/// [`ConfigError`]
pub fn site(path: &Path) -> Result<Site, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    Site::parse(&text).map_err(|source| ConfigError::Site { path: path.to_owned(), source })
}

/// The waivers that were given, judged at a time that was given or now.
///
/// # Errors
/// [`ConfigError`]
pub fn waivers(path: Option<&Path>, judged_at: Option<&str>) -> Result<Option<SiteWaivers>, ConfigError> {
    let Some(path) = path else {
        return Ok(None);
    };
    let judged_at = judged_at.map(at).transpose()?.unwrap_or_else(clock::now);
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    let sha256 = Digest::sha256(text.as_bytes()).hex().to_owned();
    waivers::parse(&text, sha256, judged_at)
        .map(Some)
        .map_err(|source| ConfigError::Waivers { path: path.to_owned(), source })
}

/// The earlier run to compare with, where one was given.
///
/// # Errors
/// [`ConfigError`]
pub fn baseline(path: Option<&Path>) -> Result<Option<Baseline>, ConfigError> {
    let Some(path) = path else {
        return Ok(None);
    };
    let file = std::fs::File::open(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    Baseline::read(BufReader::new(file))
        .map(Some)
        .map_err(|source| ConfigError::Baseline { path: path.to_owned(), source })
}

/// What every visit does.
///
/// # Errors
/// [`ConfigError`]
pub fn plan(run: &cli::Run) -> Result<Plan, ConfigError> {
    let at = run.at.as_deref().map(at).transpose()?;
    let mut arguments = Vec::new();
    if let Some(content) = &run.content {
        arguments.push(one_of("content", content, &["full", "metadata", "none"], "full, metadata, none")?);
    }
    for via in &run.accept {
        let allowed = ["parent-index", "platform-manifest"];
        arguments.push(one_of("accept", via, &allowed, "parent-index, platform-manifest")?);
    }
    let payload = Payload::new(&agents(&run.agents)?, &run.trust, &run.bundle)?;
    let limits = visit::Limits { run: Duration::from_secs(run.time_limit), ..visit::Limits::default() };
    Ok(Plan { run_id: random::run_id(clock::now()), payload, at, arguments, limits })
}

/// A verification time.
///
/// # Errors
/// [`ConfigError::At`]
pub fn at(text: &str) -> Result<UnixTime, ConfigError> {
    UnixTime::parse(text).map_err(|source| ConfigError::At { text: text.to_owned(), source })
}

/// The agents that were named, or those beside this program.
///
/// # Errors
/// [`ConfigError`]
pub fn agents(agents: &cli::Agents) -> Result<BTreeMap<Platform, PathBuf>, ConfigError> {
    if !agents.agent.is_empty() {
        return Ok(visit::agents(&agents.agent)?);
    }
    let folder = match &agents.agent_dir {
        Some(folder) => folder.clone(),
        None => std::env::current_exe()
            .map_err(ConfigError::OwnPath)?
            .parent()
            .map_or_else(|| PathBuf::from("."), Path::to_owned),
    };
    Ok(visit::agents_in(&folder)?)
}

/// How a fleet is visited.
pub fn pace(pace: &cli::Pace) -> Pace {
    Pace { concurrency: usize::from(pace.concurrency), retries: pace.retries, ..Pace::default() }
}

/// The way to every node of the site that is in `wanted`. Keys are read and passphrases asked for here.
///
/// # Errors
/// [`ConfigError`]
pub fn connector<'a>(
    site: &Site,
    site_path: &Path,
    pace: &cli::Pace,
    wanted: impl IntoIterator<Item = &'a Node>,
) -> Result<Connector, ConfigError> {
    let mut reader = Reader {
        site,
        folder: site_path.parent().unwrap_or(Path::new("")).to_owned(),
        home: std::env::home_dir(),
        known_hosts: BTreeMap::new(),
        logins: BTreeMap::new(),
        targets: BTreeMap::new(),
        has_agent: cfg!(windows)
            || std::env::var_os("SSH_AUTH_SOCK").is_some_and(|socket| !socket.is_empty()),
        passphrase: std::env::var(PASSPHRASE).ok().filter(|passphrase| !passphrase.is_empty()),
    };
    let mut targets = BTreeMap::new();
    for node in wanted {
        targets.insert(node.name.clone(), reader.target(node)?.as_ref().clone());
    }
    let limits = ssh::Limits { connect: Duration::from_secs(pace.connect_limit), ..ssh::Limits::default() };
    Ok(Connector::new(targets, limits))
}

struct Reader<'a> {
    site: &'a Site,
    folder: PathBuf,
    home: Option<PathBuf>,
    known_hosts: BTreeMap<PathBuf, Arc<KnownHosts>>,
    logins: BTreeMap<Option<PathBuf>, Login>,
    targets: BTreeMap<String, Arc<Target>>,
    has_agent: bool,
    passphrase: Option<String>,
}

impl Reader<'_> {
    fn target(&mut self, node: &Node) -> Result<Arc<Target>, ConfigError> {
        if let Some(target) = self.targets.get(&node.name) {
            return Ok(Arc::clone(target));
        }
        let login = self.login(node)?;
        let known_hosts = self.known_hosts(node)?;
        let jump = match &node.jump {
            None => None,
            // The site file has no loops.
            Some(Jump::Node(name)) => match self.site.node(name) {
                Some(jump) => Some(self.target(jump)?),
                None => None,
            },
            Some(Jump::Host { user, address, port }) => Some(Arc::new(Target {
                address: address.clone(),
                port: *port,
                user: user.clone(),
                login: login.clone(),
                known: known_hosts.host(address, *port, None),
                jump: None,
            })),
        };
        let target = Arc::new(Target {
            address: node.address.clone(),
            port: node.port,
            user: node.user.clone(),
            login,
            known: known_hosts.host(&node.address, node.port, node.host_key.as_deref()),
            jump,
        });
        self.targets.insert(node.name.clone(), Arc::clone(&target));
        Ok(target)
    }

    fn login(&mut self, node: &Node) -> Result<Login, ConfigError> {
        let path =
            node.identity.as_ref().map(|path| nodes::resolve(path, &self.folder, self.home.as_deref()));
        if let Some(login) = self.logins.get(&path) {
            return Ok(login.clone());
        }
        let login = match &path {
            Some(path) => {
                let given = self.passphrase.clone();
                Login::from_file(path, &mut |path| given.clone().or_else(|| ask(path)))
            }
            None if self.has_agent => Ok(Login::Agent),
            None => return Err(ConfigError::NoAgent { node: node.name.clone() }),
        };
        let login = login.map_err(|source| ConfigError::Login { node: node.name.clone(), source })?;
        self.logins.insert(path, login.clone());
        Ok(login)
    }

    fn known_hosts(&mut self, node: &Node) -> Result<Arc<KnownHosts>, ConfigError> {
        let default = Path::new("~/.ssh/known_hosts");
        let written = node.known_hosts.as_deref();
        let path = nodes::resolve(written.unwrap_or(default), &self.folder, self.home.as_deref());
        if let Some(known) = self.known_hosts.get(&path) {
            return Ok(Arc::clone(known));
        }
        let known = match std::fs::read(&path) {
            // Comments may be in any encoding; what counts is ASCII.
            Ok(bytes) => KnownHosts::parse(&String::from_utf8_lossy(&bytes))
                .map_err(|source| ConfigError::KnownHosts { path: path.clone(), source })?,
            Err(error) if written.is_none() && error.kind() == io::ErrorKind::NotFound => {
                KnownHosts::default()
            }
            Err(source) => return Err(ConfigError::Unreadable { path, source }),
        };
        let known = Arc::new(known);
        self.known_hosts.insert(path, Arc::clone(&known));
        Ok(known)
    }
}

/// How text may look on standard output.
pub fn look() -> Look {
    let columns = terminal_size::terminal_size().map(|(width, _)| width.0);
    Look::new(io::stdout().is_terminal(), std::env::var_os("NO_COLOR").as_deref(), columns)
}

/// The passphrase of a key file: from the environment, else from a person, where there is one.
pub fn passphrase(path: &Path) -> Option<String> {
    std::env::var(PASSPHRASE).ok().filter(|passphrase| !passphrase.is_empty()).or_else(|| ask(path))
}

/// Asks for a passphrase, where there is a person to ask.
fn ask(path: &Path) -> Option<String> {
    if !io::stdin().is_terminal() {
        return None;
    }
    rpassword::prompt_password(format!("Passphrase of {}: ", path.display())).ok()
}

fn one_of(
    option: &'static str,
    value: &str,
    values: &[&str],
    allowed: &'static str,
) -> Result<String, ConfigError> {
    if values.contains(&value) {
        Ok(format!("--{option}={value}"))
    } else {
        Err(ConfigError::Value { option, value: value.to_owned(), allowed })
    }
}
