//! Writes a site file from the nodes of a cluster, as TOML that [`Site::parse`](super::Site::parse) reads. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::kubernetes::ClusterNode;
use super::{Os, Sudo};

/// What all nodes of a new site file share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Defaults {
    /// The port of the SSH servers.
    pub port: Option<u16>,
    /// The login.
    pub user: Option<String>,
    /// The login of Windows nodes.
    pub windows_user: Option<String>,
    /// The private key file.
    pub identity: Option<String>,
    /// The `known_hosts` file.
    pub known_hosts: Option<String>,
    /// The hosts to go through.
    pub jump: Option<String>,
    /// How the agent comes to run as root on Linux nodes.
    pub sudo: Sudo,
}

/// The name of the group that Windows nodes are in.
const WINDOWS: &str = "windows";

/// A site file's text. `pins` are host keys' fingerprints by the nodes' names in the file; what is not known stands there
/// as a comment, for a person to fill in.
pub(crate) fn site_file(
    nodes: &[ClusterNode],
    defaults: &Defaults,
    pins: &BTreeMap<String, String>,
) -> String {
    let mut text = String::from("[defaults]\n");
    option(&mut text, "user", defaults.user.as_deref(), "clouduser", "the login; root when absent");
    let agent = "the private key; the SSH agent's keys when absent";
    option(&mut text, "identity", defaults.identity.as_deref(), "~/.ssh/id_rsa", agent);
    if let Some(port) = defaults.port {
        let _ = writeln!(text, "port = {port}");
    }
    if let Some(files) = &defaults.known_hosts {
        key(&mut text, "known_hosts", files);
    }
    if let Some(hosts) = &defaults.jump {
        key(&mut text, "jump", hosts);
    }
    text.push_str(match defaults.sudo {
        Sudo::No => "# sudo = true    # or \"password\"; without it the agent runs as the login\n",
        Sudo::Yes => "sudo = true\n",
        Sudo::Password => "sudo = \"password\"\n",
    });
    if nodes.iter().any(|node| node.os == Some(Os::Windows)) {
        let _ = write!(text, "\n[groups.{WINDOWS}]\nos = \"windows\"\n");
        let login = "the login of Windows nodes";
        option(&mut text, "user", defaults.windows_user.as_deref(), "administrator", login);
        text.push_str("sudo = false\n");
    }
    for node in nodes {
        let name = node.site_name();
        text.push_str("\n[[node]]\n");
        if *name != node.name {
            let _ = writeln!(text, "# the cluster calls it {}", quoted(&node.name));
        }
        for remark in &node.remarks {
            let _ = writeln!(text, "# {}", crate::clean::line(remark, 200));
        }
        key(&mut text, "name", &name);
        key(&mut text, "address", &node.address);
        match node.os {
            Some(Os::Windows) => key(&mut text, "group", WINDOWS),
            Some(Os::Linux) => key(&mut text, "os", Os::Linux.as_str()),
            None => {}
        }
        if !node.roles.is_empty() {
            let roles: Vec<String> = node.roles.iter().map(|role| quoted(role)).collect();
            let _ = writeln!(text, "roles = [{}]", roles.join(", "));
        }
        if let Some(pin) = pins.get(&*name) {
            key(&mut text, "host_key", pin);
        }
    }
    text
}

fn key(text: &mut String, key: &str, value: &str) {
    let _ = writeln!(text, "{key} = {}", quoted(value));
}

/// Writes the key if it has a value, otherwise a comment that shows what it would look like.
fn option(text: &mut String, name: &str, value: Option<&str>, example: &str, meaning: &str) {
    match value {
        Some(value) => key(text, name, value),
        None => {
            let _ = writeln!(text, "# {name} = {}    # {meaning}", quoted(example));
        }
    }
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::super::{Hop, Site};
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let node = |name: &str, os, roles: &[&str]| ClusterNode {
            name: name.into(),
            uid: None,
            address: "10.0.0.1".into(),
            os,
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            remarks: vec!["odd\n[[node]]".into()],
        };
        let nodes = [
            node("linux-1", Some(Os::Linux), &["control-plane", "q\"\\"]),
            node("windows-1", Some(Os::Windows), &[]),
            node("aux", None, &[]),
        ];
        let defaults = Defaults {
            port: Some(2222),
            user: Some("it's \"me\"".into()),
            windows_user: Some("administrator".into()),
            identity: Some(r"C:\keys\id_rsa".into()),
            known_hosts: Some("known hosts".into()),
            jump: Some("op@gate".into()),
            sudo: Sudo::Password,
        };
        let pin = "SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDWcGTa2eEqgxbNHRs".to_owned();
        let text = site_file(&nodes, &defaults, &[("linux-1".to_owned(), pin.clone())].into());
        let site = Site::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(site.nodes.len(), 3);
        let linux = site.node("linux-1").unwrap();
        assert_eq!((linux.user(), linux.port()), ("it's \"me\"", 2222));
        assert_eq!(linux.identity.as_deref().unwrap().to_str(), Some(r"C:\keys\id_rsa"));
        assert_eq!(linux.roles, ["control-plane", "q\"\\"]);
        assert_eq!(
            (linux.sudo, linux.os, linux.host_key.as_ref()),
            (Sudo::Password, Some(Os::Linux), Some(&pin))
        );
        assert!(matches!(linux.jump.as_deref(), Some([Hop::Host(_)])));
        let windows = site.node("windows-1").unwrap();
        assert_eq!(
            (windows.user(), windows.sudo, windows.os),
            ("administrator", Sudo::No, Some(Os::Windows))
        );
        let odd = site.node(&nodes[2].site_name()).unwrap();
        assert_eq!((odd.os, odd.host_key.as_ref()), (None, None));

        let bare = site_file(&nodes, &Defaults::default(), &BTreeMap::new());
        assert_eq!(Site::parse(&bare).unwrap().nodes.len(), 3);
    }
}
