//! The site: which nodes there are and how each is reached. Pure: text in, [`Site`] out.
//!
//! Everything that later becomes a file name, an address or an argument is checked here, once.

pub mod host_key_list;
pub mod kubernetes;
mod platform;
mod site_file;
pub mod ssh_config;
mod values;
pub mod write;

use std::path::{Path, PathBuf};

use serde::Serialize;

pub use platform::{Architecture, Os, Platform};
pub use site_file::{SiteFileError, SiteFileProblem};

/// Every node of a site file, sorted by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// What the site is called, where it has a name.
    pub name: Option<String>,
    /// The nodes; at least one, each name once.
    pub nodes: Vec<Node>,
}

impl Site {
    /// Reads a site file's text.
    ///
    /// # Errors
    /// [`SiteFileError`] with the line where the text is not such a file.
    pub fn parse(text: &str) -> Result<Self, SiteFileError> {
        site_file::parse(text)
    }

    /// The node of that name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }
}

/// A site's name, as a site file may have it.
///
/// # Errors
/// [`SiteFileProblem::Text`]
pub fn site_name(text: String) -> Result<String, SiteFileProblem> {
    values::plain("name", text)
}

/// One node, as the site file describes it: its own keys before its group's, and those before the defaults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Its name: safe as a file name.
    pub name: String,
    /// Host name or IP address.
    pub address: String,
    /// The port of its SSH server.
    pub port: Option<u16>,
    /// Its operating system; found out when absent.
    pub os: Option<Os>,
    /// Such as `control-plane`.
    pub roles: Vec<String>,
    /// The group whose keys it shares.
    pub group: Option<String>,
    /// The fingerprint that pins its host key, `SHA256:…`.
    pub host_key: Option<String>,
    /// The hosts to go through, the first one first; none where it is empty.
    pub jump: Option<Vec<Hop>>,
    /// The agent's `--store`.
    pub store: Option<String>,
    /// The login.
    pub user: Option<String>,
    /// The private key file as written; the SSH agent when absent.
    pub identity: Option<PathBuf>,
    /// The certificate that vouches for the key; the file beside it when absent.
    pub certificate: Option<PathBuf>,
    /// The `known_hosts` files as written; the usual ones when empty.
    pub known_hosts: Vec<PathBuf>,
    /// How the agent comes to run as root.
    pub sudo: Sudo,
}

impl Node {
    /// The port of its SSH server: 22 where nothing says another.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(22)
    }

    /// The login: root where nothing says another.
    pub fn user(&self) -> &str {
        self.user.as_deref().unwrap_or("root")
    }
}

/// How the agent comes to run as root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Sudo {
    /// It runs as the login.
    #[default]
    No,
    /// Through a `sudo` that asks for nothing.
    Yes,
    /// Through a `sudo` that asks for the login's password.
    Password,
}

/// A host to go through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Hop {
    /// Another node of the site.
    Node(String),
    /// A host that is no node.
    Host(Host),
}

/// A host that is no node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Host {
    /// The login; the node's where it is absent.
    pub user: Option<String>,
    /// Host name or IP address.
    pub address: String,
    /// The port of its SSH server.
    pub port: Option<u16>,
}

/// A path of a site file: `~/` is the home folder, and a relative one starts at the site file's folder.
pub fn resolve(path: &Path, site_folder: &Path, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => site_folder.join(path),
    }
}

/// The line of a byte offset, counted from 1.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_start_at_home_or_at_the_site_file() {
        let (site, home) = (Path::new("/sites/one"), Some(Path::new("/home/op")));
        for (path, resolved) in [
            ("~/.ssh/id", "/home/op/.ssh/id"),
            ("known_hosts", "/sites/one/known_hosts"),
            ("/etc/key", "/etc/key"),
            ("~other/key", "/sites/one/~other/key"),
        ] {
            assert_eq!(resolve(Path::new(path), site, home), Path::new(resolved));
        }
    }
}
