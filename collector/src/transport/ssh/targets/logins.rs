//! Chooses the keys to log in to a node with: those that the site file names, otherwise those that this machine's `ssh` would use,
//! otherwise those that the SSH agent holds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::TargetError;
use crate::config::{self, secrets};
use crate::nodes::ssh_config::{Agent, SshConfig};
use crate::transport::ssh::keys::{self, KeyError, KeyFile};
use crate::transport::ssh::{AgentKeys, AgentSocket, Login, PublicKey, held_by};

/// What is read once for all nodes.
#[derive(Default)]
pub(super) struct Logins {
    read: BTreeMap<(PathBuf, Option<PathBuf>), Key>,
    held: BTreeMap<AgentSocket, Vec<PublicKey>>,
    has_agent: bool,
}

/// A key of a file, or the public half of a key that an agent holds.
#[derive(Clone)]
enum Key {
    Here(KeyFile),
    InAgent(PublicKey),
}

/// What is known of a login: files by their full paths.
pub(super) struct Wanted<'a> {
    /// The node, for people.
    pub(super) node: &'a str,
    /// The site file's.
    pub(super) identity: Option<PathBuf>,
    /// The site file's.
    pub(super) certificate: Option<PathBuf>,
    /// What `ssh` would do.
    pub(super) ssh: &'a SshConfig,
    /// The files that `ssh` would use, and its certificates.
    pub(super) identities: Vec<PathBuf>,
    pub(super) certificates: Vec<PathBuf>,
}

impl Logins {
    /// Nothing is read yet. `has_agent` is whether there is an agent at the usual place.
    pub(super) fn new(has_agent: bool) -> Self {
        Self { has_agent, ..Self::default() }
    }

    /// The login for a node. Passphrases are asked for here.
    pub(super) fn login(&mut self, wanted: &Wanted<'_>) -> Result<Login, TargetError> {
        let failed = |source| TargetError::Login { node: wanted.node.to_owned(), source };
        let place = self.place(&wanted.ssh.agent);
        let mut agent = AgentKeys {
            place: place.clone().unwrap_or(AgentSocket::Usual),
            first: Vec::new(),
            certificates: Vec::new(),
            others: false,
        };
        let mut files = Vec::new();
        let mut absent = Vec::new();
        let (identities, certificates) = match &wanted.identity {
            Some(path) => (vec![path.clone()], wanted.certificate.iter().cloned().collect()),
            None => {
                let there = |path: &PathBuf| path.exists();
                let (there, gone): (Vec<_>, Vec<_>) = wanted.identities.iter().cloned().partition(there);
                absent = gone;
                agent.others = !wanted.ssh.identities_only || there.is_empty();
                (there, wanted.certificates.iter().chain(&wanted.certificate).cloned().collect::<Vec<_>>())
            }
        };
        for path in &certificates {
            agent.certificates.push(keys::certificate(path).map_err(failed)?);
        }
        for path in identities {
            let named = wanted.identity.as_ref().and(wanted.certificate.clone());
            match self.key(&path, named, place.as_ref()).map_err(failed)? {
                Key::InAgent(key) => {
                    agent.certificates.extend(keys::beside(&path).map_err(failed)?);
                    agent.first.push(key);
                }
                Key::Here(mut file) => {
                    let ours = file.key.public_key().key_data();
                    let more = agent.certificates.iter().filter(|one| one.public_key() == ours).cloned();
                    for certificate in more.collect::<Vec<_>>() {
                        if !file.certificates.contains(&certificate) {
                            file.certificates.push(certificate);
                        }
                    }
                    files.push(file);
                }
            }
        }
        let agent = place.and((!agent.first.is_empty() || agent.others).then_some(agent));
        if files.is_empty() && agent.is_none() {
            let node = wanted.node.to_owned();
            return Err(match absent.into_iter().next() {
                Some(path) => {
                    failed(KeyError::Unreadable { path, source: std::io::ErrorKind::NotFound.into() })
                }
                None => TargetError::NoAgent { node },
            });
        }
        Ok(Login { files, agent })
    }

    /// Where the agent is, if there is one.
    fn place(&self, agent: &Agent) -> Option<AgentSocket> {
        match agent {
            Agent::None => None,
            Agent::Usual => self.has_agent.then_some(AgentSocket::Usual),
            Agent::At(path) => match path.strip_prefix('$') {
                Some(variable) => config::variable(variable).map(|path| AgentSocket::At(path.into())),
                None => Some(AgentSocket::At(path.into())),
            },
        }
    }

    /// The key of a file. If it is encrypted, or only its public half is there, the agent is used if it holds the key.
    fn key(
        &mut self,
        path: &Path,
        certificate: Option<PathBuf>,
        place: Option<&AgentSocket>,
    ) -> Result<Key, KeyError> {
        let wanted = (path.to_owned(), certificate);
        if let Some(key) = self.read.get(&wanted) {
            return Ok(key.clone());
        }
        let public = place.and(keys::public_half_of_encrypted(path)?);
        let held = match (public, place) {
            (Some(public), Some(place)) if self.holds(place, &public) => Some(Key::InAgent(public)),
            _ => None,
        };
        let key = match held {
            Some(key) => key,
            None => Key::Here(KeyFile::read(path, wanted.1.as_deref(), &mut secrets::passphrase)?),
        };
        self.read.insert(wanted, key.clone());
        Ok(key)
    }

    /// Whether an agent holds a key. An agent that does not answer holds none.
    fn holds(&mut self, place: &AgentSocket, key: &PublicKey) -> bool {
        let held = self.held.entry(place.clone()).or_insert_with(|| held_by(place));
        held.iter().any(|one| one.key_data() == key.key_data())
    }
}
