//! Finds out how each node is reached: its keys, known hosts and jump hosts, from the site file and from this machine. The result is
//! a [`Connector`].
//!
//! What the site file does not say comes from this machine's `ssh`, so that `~/.ssh/config` counts. Every mistake is found before
//! any node is visited, and passwords are asked for once.

#![expect(clippy::disallowed_methods, reason = "the environment says where home and the SSH agent are")]

mod error;
mod logins;
mod openssh;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::cli;
use crate::config::{secrets, variable};
use crate::console;
use crate::nodes::ssh_config::{self, SshConfig, SshConfigProblem};
use crate::nodes::{self, Hop, Node, Site, SshAddress, Sudo};
use crate::text;
use crate::transport::Secret;
use crate::transport::ssh;
use crate::transport::ssh::host_keys::{self, KnownHosts};
use crate::transport::ssh::{Connector, Dialling, Login, Target};
pub(crate) use error::TargetError;
use logins::{Logins, Wanted};
use openssh::OpenSsh;

/// The `known_hosts` files that are read by default.
const USUAL_KNOWN_HOSTS: [&str; 2] = ["~/.ssh/known_hosts", "~/.ssh/known_hosts2"];
const GLOBAL_KNOWN_HOSTS: [&str; 2] = ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"];

/// Why nodes are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To log in.
    Visit,
    /// To show their host keys. Only what is needed to reach them is read: the logins of jump hosts.
    HostKeys,
}

/// Makes a connector for the nodes in `wanted`. Keys are read, and passphrases and passwords are asked for here.
///
/// # Errors
/// [`TargetError`]
pub(crate) fn connector<'a>(
    site: &Site,
    site_path: &Path,
    pace: &cli::Pace,
    access: &cli::Access,
    wanted: impl IntoIterator<Item = &'a Node>,
    purpose: Purpose,
) -> Result<Connector, TargetError> {
    let home = std::env::home_dir();
    let mut reader = Reader {
        site,
        access,
        pace,
        folder: site_path.parent().unwrap_or(Path::new("")).to_owned(),
        openssh: OpenSsh::new(home.as_deref(), !access.no_ssh_config)?,
        home,
        known_hosts: BTreeMap::new(),
        names: BTreeSet::new(),
        logins: Logins::new(cfg!(windows) || variable("SSH_AUTH_SOCK").is_some()),
        targets: BTreeMap::new(),
        sudo_password: None,
    };
    let wanted: Vec<&Node> = wanted.into_iter().collect();
    reader.openssh.ask_all(wanted.iter().map(|node| question(node)).collect())?;
    for node in &wanted {
        let names = reader.names_of(node)?;
        reader.names.extend(names);
    }
    let mut shares = false;
    let mut targets = BTreeMap::new();
    for node in wanted {
        shares |= reader.openssh.ask(question(node))?.control_path;
        let target = match purpose {
            Purpose::Visit => reader.target(node)?,
            Purpose::HostKeys => {
                let way = reader.way(node)?;
                Arc::new(reader.address(node, way)?)
            }
        };
        targets.insert(node.name.clone(), target);
    }
    if shares {
        console::say("ssh_config's ControlMaster is not used: each connection is made, and logged in, anew");
    }
    let usual = ssh::Limits::default();
    let connect = pace.connect_limit.map_or(usual.connect, Duration::from_secs);
    let limits = ssh::Limits { connect, ..usual };
    Ok(Connector::new(targets, limits))
}

struct Reader<'a> {
    site: &'a Site,
    access: &'a cli::Access,
    pace: &'a cli::Pace,
    folder: PathBuf,
    home: Option<PathBuf>,
    known_hosts: BTreeMap<Vec<PathBuf>, Arc<KnownHosts>>,
    /// The names that the nodes may be known by there.
    names: BTreeSet<String>,
    logins: Logins,
    openssh: OpenSsh,
    targets: BTreeMap<String, Arc<Target>>,
    sudo_password: Option<Secret>,
}

/// How many jump hosts of jump hosts are followed. No real way is that long, but a name that grows with every hop would never
/// end.
const HOPS: usize = 16;

fn question(node: &Node) -> SshAddress {
    SshAddress { address: node.address.clone(), user: node.user.clone(), port: node.port }
}

fn problem(asked: &SshAddress, problem: &SshConfigProblem) -> TargetError {
    TargetError::SshConfig { host: asked.address.clone(), reason: problem.to_string() }
}

impl Reader<'_> {
    /// Where a node is and how it is logged in to.
    fn target(&mut self, node: &Node) -> Result<Arc<Target>, TargetError> {
        if let Some(target) = self.targets.get(&node.name) {
            return Ok(Arc::clone(target));
        }
        let way = self.way(node)?;
        let target = self.target_through(node, way)?;
        self.targets.insert(node.name.clone(), Arc::clone(&target));
        Ok(target)
    }

    /// Where a node is and how it is logged in to, through the given jump host instead of its own.
    fn target_through(&mut self, node: &Node, way: Option<Arc<Target>>) -> Result<Arc<Target>, TargetError> {
        let ssh = self.openssh.ask(question(node))?;
        let place = self.address(node, way)?;
        let login = self.login(node, &ssh, &place)?;
        let sudo_password = match node.sudo {
            Sudo::Password => Some(self.sudo_password()?),
            Sudo::No | Sudo::Yes => None,
        };
        Ok(Arc::new(Target { login, sudo_password, ..place }))
    }

    /// The names that a node may be known by in known_hosts.
    fn names_of(&mut self, node: &Node) -> Result<Vec<String>, TargetError> {
        let ssh = self.openssh.ask(question(node))?;
        let address = ssh.host_name.as_ref().unwrap_or(&node.address);
        let port = node.port.or(ssh.port).unwrap_or(22);
        let alias = ssh.host_key_alias.map(|alias| alias.to_ascii_lowercase());
        Ok(alias.map_or_else(|| host_keys::names(address, port).to_vec(), |alias| vec![alias]))
    }

    /// Where a node is, without a login.
    fn address(&mut self, node: &Node, way: Option<Arc<Target>>) -> Result<Target, TargetError> {
        self.host_address(node, &question(node), node.host_key.as_deref(), way)
    }

    /// Where a host is: as the site file says, otherwise as `ssh` says.
    fn host_address(
        &mut self,
        node: &Node,
        asked: &SshAddress,
        pin: Option<&str>,
        jump: Option<Arc<Target>>,
    ) -> Result<Target, TargetError> {
        let ssh = self.openssh.ask(asked.clone())?;
        let address = ssh.host_name.as_ref().unwrap_or(&asked.address).clone();
        let port = asked.port.or(ssh.port).unwrap_or(22);
        if ssh.known_hosts_command && node.known_hosts.is_empty() && pin.is_none() {
            return Err(problem(asked, &SshConfigProblem::KnownHostsCommand));
        }
        if let (Some(interface), None) = (&ssh.bind_interface, &jump) {
            return Err(problem(asked, &SshConfigProblem::BindInterface(interface.clone())));
        }
        let known_hosts = self.known_hosts(node, &ssh)?;
        let known = match &ssh.host_key_alias {
            Some(alias) => known_hosts.alias(alias, pin),
            None => known_hosts.host(&address, port, pin),
        };
        let user = asked.user.clone().or(ssh.user).unwrap_or_else(|| node.user().to_owned());
        let dialling = Dialling { family: ssh.family, from: ssh.bind_address };
        let (login, sudo_password) = (Login::default(), None);
        // The command line comes first.
        let connect_limit = ssh.connect_timeout.filter(|_| self.pace.connect_limit.is_none());
        Ok(Target { address, port, user, login, sudo_password, known, dialling, jump, connect_limit })
    }

    /// The last of the jump hosts before a node. If the site file names them, `ssh` is not asked.
    fn way(&mut self, node: &Node) -> Result<Option<Arc<Target>>, TargetError> {
        let Some(hops) = &node.jump else {
            let ssh = self.openssh.ask(question(node))?;
            return self.way_of_ssh(node, &question(node), &ssh, &mut Vec::new());
        };
        let mut way = None;
        for hop in hops {
            way = Some(match (hop, way) {
                (Hop::Host(host), None) => {
                    // The first one is reached as `ssh` reaches it. A ProxyCommand is not an error here, because the site file names jump hosts.
                    let ssh = SshConfig { proxy_command: false, ..self.openssh.ask(host.clone())? };
                    let way = self.way_of_ssh(node, host, &ssh, &mut Vec::new())?;
                    self.host(node, host, way)?
                }
                (Hop::Host(host), way) => self.host(node, host, way)?,
                (Hop::Node(name), way) => {
                    let hop = self.site.node(name);
                    let hop = hop.ok_or_else(|| TargetError::NoSuchNode { node: name.clone() })?;
                    match way {
                        // A site file with loops is rejected.
                        None => self.target(hop)?,
                        way => self.target_through(hop, way)?,
                    }
                }
            });
        }
        Ok(way)
    }

    /// The last of the jump hosts that `ssh` uses for a host: those of its configuration, and those that the first of them needs.
    /// `trail` contains the hosts that were asked about before.
    fn way_of_ssh(
        &mut self,
        node: &Node,
        asked: &SshAddress,
        ssh: &SshConfig,
        trail: &mut Vec<SshAddress>,
    ) -> Result<Option<Arc<Target>>, TargetError> {
        let circle = trail.contains(asked) || trail.len() > HOPS;
        trail.push(asked.clone());
        if circle {
            let circle = trail.iter().map(|host| host.address.clone()).collect();
            return Err(problem(asked, &SshConfigProblem::Circle(circle)));
        }
        let hops = ssh.jumps(asked).map_err(|found| problem(asked, &found))?;
        let mut way = None;
        for (number, hop) in hops.iter().enumerate() {
            if number == 0 {
                let ssh = self.openssh.ask(hop.clone())?;
                way = self.way_of_ssh(node, hop, &ssh, trail)?;
            }
            way = Some(self.host(node, hop, way)?);
        }
        Ok(way)
    }

    /// A jump host that is not a node. The node's own key is used for it, unless `ssh` has another one.
    fn host(
        &mut self,
        node: &Node,
        host: &SshAddress,
        jump: Option<Arc<Target>>,
    ) -> Result<Arc<Target>, TargetError> {
        let ssh = self.openssh.ask(host.clone())?;
        let place = self.host_address(node, host, None, jump)?;
        let login = self.login(node, &ssh, &place)?;
        Ok(Arc::new(Target { login, ..place }))
    }

    fn login(&mut self, node: &Node, ssh: &SshConfig, place: &Target) -> Result<Login, TargetError> {
        let resolve = |path: &PathBuf| nodes::resolve(path, &self.folder, self.home.as_deref());
        let local_user = variable("USER").unwrap_or_default();
        let expand = |path: &String| {
            let home = self.home.as_deref();
            ssh_config::expand(path, home, &place.address, &place.user, &local_user)
        };
        let identities = ssh.identities.iter().filter_map(expand).collect();
        let certificates = ssh.certificates.iter().filter_map(expand).collect();
        self.logins.login(&Wanted {
            node: &node.name,
            identity: node.identity.as_ref().map(resolve),
            certificate: node.certificate.as_ref().map(resolve),
            ssh,
            identities,
            certificates,
        })
    }

    /// The password for `sudo`: from a file, or typed once for all nodes. It is never in the environment or on a command line.
    fn sudo_password(&mut self) -> Result<Secret, TargetError> {
        if let Some(password) = &self.sudo_password {
            return Ok(password.clone());
        }
        let password = match &self.access.sudo_password_file {
            Some(path) => {
                text::read(path).map_err(|source| TargetError::Unreadable { path: path.clone(), source })?
            }
            None => secrets::ask("Password for sudo on the nodes: ").ok_or(TargetError::NoSudoPassword)?,
        };
        let password =
            Secret::line(password.trim_end_matches(['\r', '\n'])).ok_or(TargetError::BadSudoPassword)?;
        self.sudo_password = Some(password.clone());
        Ok(password)
    }

    fn known_hosts(&mut self, node: &Node, ssh: &SshConfig) -> Result<Arc<KnownHosts>, TargetError> {
        let written = !node.known_hosts.is_empty();
        let resolve = |path: &PathBuf| nodes::resolve(path, &self.folder, self.home.as_deref());
        let paths: Vec<PathBuf> = if written {
            node.known_hosts.iter().map(resolve).collect()
        } else {
            let usual = USUAL_KNOWN_HOSTS.map(PathBuf::from);
            let global = if ssh.global_known_hosts.is_empty() {
                &GLOBAL_KNOWN_HOSTS.map(PathBuf::from)[..]
            } else {
                &ssh.global_known_hosts
            };
            ssh.known_hosts.as_deref().unwrap_or(&usual).iter().chain(global).map(resolve).collect()
        };
        if let Some(known) = self.known_hosts.get(&paths) {
            return Ok(Arc::clone(known));
        }
        let mut known = KnownHosts::default();
        for path in &paths {
            match std::fs::read(path) {
                // Comments may be in any encoding; everything else is ASCII.
                Ok(bytes) => known
                    .add(&String::from_utf8_lossy(&text::utf8(&bytes)))
                    .map_err(|source| TargetError::KnownHosts { path: path.clone(), source })?,
                Err(error) if !written && error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(TargetError::Unreadable { path: path.clone(), source }),
            }
        }
        known.look_for(&self.names);
        let known = Arc::new(known);
        self.known_hosts.insert(paths, Arc::clone(&known));
        Ok(known)
    }
}
