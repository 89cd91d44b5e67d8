//! The way to every node: what the site file and this machine say of keys, known hosts and jump hosts in, a [`Connector`] out.
//!
//! Everything that can be wrong here is found before any node is visited, and whatever a person must type is asked once.

#![expect(clippy::disallowed_methods, reason = "the environment says where home and the SSH agent are")]

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::cli;
use crate::config::{self, ConfigError};
use crate::nodes::{self, Hop, Host, Node, Site, Sudo};
use crate::ssh::host_keys::KnownHosts;
use crate::ssh::keys::KeyFile;
use crate::ssh::{self, Connector, Login, Secret, Target};

/// What the nodes are reached for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To log in.
    Visit,
    /// To look at their host keys. Only what is needed to get to them is read: the jump hosts' logins.
    HostKeys,
}

/// The way to every node of the site that is in `wanted`. Keys are read, passphrases and passwords asked for here.
///
/// # Errors
/// [`ConfigError`]
pub fn connector<'a>(
    site: &Site,
    site_path: &Path,
    pace: &cli::Pace,
    access: &cli::Access,
    wanted: impl IntoIterator<Item = &'a Node>,
    purpose: Purpose,
) -> Result<Connector, ConfigError> {
    let mut reader = Reader {
        site,
        access,
        folder: site_path.parent().unwrap_or(Path::new("")).to_owned(),
        home: std::env::home_dir(),
        known_hosts: BTreeMap::new(),
        logins: BTreeMap::new(),
        targets: BTreeMap::new(),
        sudo_password: None,
        has_agent: cfg!(windows)
            || std::env::var_os("SSH_AUTH_SOCK").is_some_and(|socket| !socket.is_empty()),
    };
    let mut targets = BTreeMap::new();
    for node in wanted {
        let target = match purpose {
            Purpose::Visit => reader.target(node)?.as_ref().clone(),
            Purpose::HostKeys => reader.place(node)?,
        };
        targets.insert(node.name.clone(), target);
    }
    let limits = ssh::Limits { connect: Duration::from_secs(pace.connect_limit), ..ssh::Limits::default() };
    Ok(Connector::new(targets, limits))
}

struct Reader<'a> {
    site: &'a Site,
    access: &'a cli::Access,
    folder: PathBuf,
    home: Option<PathBuf>,
    known_hosts: BTreeMap<Vec<PathBuf>, Arc<KnownHosts>>,
    logins: BTreeMap<(Option<PathBuf>, Option<PathBuf>), Login>,
    targets: BTreeMap<String, Arc<Target>>,
    sudo_password: Option<Secret>,
    has_agent: bool,
}

impl Reader<'_> {
    /// Where a node is and how it is logged in to.
    fn target(&mut self, node: &Node) -> Result<Arc<Target>, ConfigError> {
        if let Some(target) = self.targets.get(&node.name) {
            return Ok(Arc::clone(target));
        }
        let login = self.login(node)?;
        let sudo_password = match node.sudo {
            Sudo::Password => Some(self.sudo_password()?),
            Sudo::No | Sudo::Yes => None,
        };
        let target = Arc::new(Target { login, sudo_password, ..self.place(node)? });
        self.targets.insert(node.name.clone(), Arc::clone(&target));
        Ok(target)
    }

    /// Where a node is; nobody logs in there.
    fn place(&mut self, node: &Node) -> Result<Target, ConfigError> {
        let known = self.known_hosts(node)?.host(&node.address, node.port(), node.host_key.as_deref());
        Ok(Target {
            address: node.address.clone(),
            port: node.port(),
            user: node.user().to_owned(),
            login: Login::default(),
            sudo_password: None,
            known,
            jump: self.way(node)?,
        })
    }

    /// The last of the hosts that a node is reached through.
    fn way(&mut self, node: &Node) -> Result<Option<Arc<Target>>, ConfigError> {
        let mut way = None;
        for hop in node.jump.iter().flatten() {
            let target = match hop {
                Hop::Host(host) => self.host(node, host, way)?,
                Hop::Node(name) => {
                    let hop =
                        self.site.node(name).ok_or_else(|| ConfigError::NoSuchNode { node: name.clone() })?;
                    // The site file has no loops.
                    let target = self.target(hop)?.as_ref().clone();
                    Target { jump: way.or_else(|| target.jump.clone()), ..target }
                }
            };
            way = Some(Arc::new(target));
        }
        Ok(way)
    }

    /// A jump host that is no node: the node's own key opens it.
    fn host(&mut self, node: &Node, host: &Host, jump: Option<Arc<Target>>) -> Result<Target, ConfigError> {
        let port = host.port.unwrap_or(22);
        Ok(Target {
            address: host.address.clone(),
            port,
            user: host.user.clone().unwrap_or_else(|| node.user().to_owned()),
            login: self.login(node)?,
            sudo_password: None,
            known: self.known_hosts(node)?.host(&host.address, port, None),
            jump,
        })
    }

    fn login(&mut self, node: &Node) -> Result<Login, ConfigError> {
        let resolve = |path: &PathBuf| nodes::resolve(path, &self.folder, self.home.as_deref());
        let (key, certificate) =
            (node.identity.as_ref().map(resolve), node.certificate.as_ref().map(resolve));
        let files = (key, certificate);
        if let Some(login) = self.logins.get(&files) {
            return Ok(login.clone());
        }
        let login = match &files.0 {
            Some(path) => KeyFile::read(path, files.1.as_deref(), &mut config::passphrase).map(Login::from),
            None if self.has_agent => Ok(Login::agent()),
            None => return Err(ConfigError::NoAgent { node: node.name.clone() }),
        };
        let login = login.map_err(|source| ConfigError::Login { node: node.name.clone(), source })?;
        self.logins.insert(files, login.clone());
        Ok(login)
    }

    /// The password for `sudo`: of a file, or typed once for all nodes. It is in no environment and on no command line.
    fn sudo_password(&mut self) -> Result<Secret, ConfigError> {
        if let Some(password) = &self.sudo_password {
            return Ok(password.clone());
        }
        let password = match &self.access.sudo_password_file {
            Some(path) => std::fs::read_to_string(path)
                .map_err(|source| ConfigError::Unreadable { path: path.clone(), source })?,
            None => config::ask("Password for sudo on the nodes: ").ok_or(ConfigError::NoSudoPassword)?,
        };
        let password =
            Secret::line(password.trim_end_matches(['\r', '\n'])).ok_or(ConfigError::BadSudoPassword)?;
        self.sudo_password = Some(password.clone());
        Ok(password)
    }

    fn known_hosts(&mut self, node: &Node) -> Result<Arc<KnownHosts>, ConfigError> {
        let written = !node.known_hosts.is_empty();
        let usual = [PathBuf::from("~/.ssh/known_hosts")];
        let paths = if written { &node.known_hosts[..] } else { &usual };
        let paths: Vec<PathBuf> =
            paths.iter().map(|path| nodes::resolve(path, &self.folder, self.home.as_deref())).collect();
        if let Some(known) = self.known_hosts.get(&paths) {
            return Ok(Arc::clone(known));
        }
        let mut known = KnownHosts::default();
        for path in &paths {
            match std::fs::read(path) {
                // Comments may be in any encoding; what counts is ASCII.
                Ok(bytes) => known
                    .add(&String::from_utf8_lossy(&bytes))
                    .map_err(|source| ConfigError::KnownHosts { path: path.clone(), source })?,
                Err(error) if !written && error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(ConfigError::Unreadable { path: path.clone(), source }),
            }
        }
        let known = Arc::new(known);
        self.known_hosts.insert(paths, Arc::clone(&known));
        Ok(known)
    }
}
