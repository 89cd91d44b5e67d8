//! Reads what this machine's `ssh` would do for a host, from the output of `ssh -G`. Pure.
//!
//! `ssh -G` does not tell configured values from its own defaults. So it gets a configuration ([`asking`]) that includes the usual
//! files and ends with values that no file has. If one of those comes back, nothing was configured.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::node::SshAddress;
use super::values;

/// What `ssh` would do for a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SshConfig {
    /// Where it connects to.
    pub host_name: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// The login, if one is configured.
    pub user: Option<String>,
    /// The private key files, `~` and tokens not resolved yet.
    pub identities: Vec<String>,
    /// Whether only those are used, also of the agent's.
    pub identities_only: bool,
    /// The certificates.
    pub certificates: Vec<String>,
    /// The agent.
    pub agent: Agent,
    /// The `known_hosts` files of the user, if they are configured.
    pub known_hosts: Option<Vec<PathBuf>>,
    /// Those of the machine.
    pub global_known_hosts: Vec<PathBuf>,
    /// The name under which host keys are known, in place of the host's own.
    pub host_key_alias: Option<String>,
    /// The only family of addresses that is used.
    pub family: Option<Family>,
    /// The address of this machine that connections come from.
    pub bind_address: Option<String>,
    /// The interface of this machine that connections come from.
    pub bind_interface: Option<String>,
    /// The hosts to go through, tokens not resolved yet.
    pub proxy_jump: Option<String>,
    /// Whether a program would make the connection.
    pub proxy_command: bool,
    /// Whether a program would be asked for host keys.
    pub known_hosts_command: bool,
    /// How long a connection may take to be made.
    pub connect_timeout: Option<Duration>,
    /// Whether a connection that is there already would be used.
    pub control_path: bool,
}

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl SshConfig {
    /// The hosts to go through to the host that this is asked for, the first one first.
    ///
    /// # Errors
    /// [`SshConfigProblem`] if a program would make the connection, or if a jump host cannot be read.
    pub(crate) fn jumps(&self, asked: &SshAddress) -> Result<Vec<SshAddress>, SshConfigProblem> {
        if self.proxy_command {
            return Err(SshConfigProblem::ProxyCommand);
        }
        let Some(text) = &self.proxy_jump else { return Ok(Vec::new()) };
        let port = asked.port.or(self.port).unwrap_or(22);
        let token = |token| match token {
            'h' => Some(self.host_name.clone().unwrap_or_else(|| asked.address.clone())),
            'n' => Some(asked.address.clone()),
            'p' => Some(port.to_string()),
            'r' => asked.user.clone().or_else(|| self.user.clone()),
            _ => None,
        };
        let hops = tokens(text, token).and_then(|text| text.split(',').map(jump).collect());
        hops.ok_or_else(|| SshConfigProblem::Value { key: "proxyjump", value: text.clone() })
    }
}

/// The agent that is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Agent {
    /// The one in the environment.
    #[default]
    Usual,
    /// None.
    None,
    /// The one at this socket, or that the environment variable after `$` names.
    At(String),
}

/// What `ssh` would do cannot be done here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SshConfigProblem {
    /// A program would make the connection.
    #[error("ProxyCommand is not run here; say jump in the site file (\"none\" is none), or ProxyJump")]
    ProxyCommand,
    /// The hosts to go through have hosts to go through, and these again, without an end.
    #[error("ProxyJump leads round in a circle, or too far: {}", .0.join(", "))]
    Circle(Vec<String>),
    /// A program would be asked for host keys.
    #[error("KnownHostsCommand is not run here; say known_hosts or host_key in the site file")]
    KnownHostsCommand,
    /// Connections come from an interface.
    #[error("BindInterface {0:?} is not followed here; say BindAddress")]
    BindInterface(String),
    /// Keys are revoked in a file of their own.
    #[error("RevokedHostKeys {0:?} is not read here; list the keys in known_hosts, marked @revoked")]
    RevokedHostKeys(String),
    /// A value is not understood.
    #[error("ssh says {key} {value:?}, which is not understood")]
    Value {
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
    },
}

/// A value that no file has.
const NOTHING: &str = "/assay/nothing-configured";

/// A configuration that includes these files, and shows what they leave open.
pub(crate) fn asking(files: &[PathBuf]) -> String {
    let mut text = String::new();
    for file in files {
        text += &format!("Include \"{}\"\n", file.display());
    }
    text + &format!("Host *\nUser {NOTHING}\nIdentityFile {NOTHING}\nUserKnownHostsFile {NOTHING}\n")
}

/// Reads what `ssh -G` printed.
///
/// # Errors
/// [`SshConfigProblem`]
pub(crate) fn read(text: &str) -> Result<SshConfig, SshConfigProblem> {
    let mut host = SshConfig::default();
    for line in text.lines() {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        let wrong = |key| SshConfigProblem::Value { key, value: value.to_owned() };
        let is_none = value.eq_ignore_ascii_case("none");
        match key {
            "hostname" => {
                host.host_name = Some(values::host(value.to_owned()).map_err(|_| wrong("hostname"))?);
            }
            "port" => {
                host.port = Some(value.parse().ok().filter(|port| *port != 0).ok_or_else(|| wrong("port"))?);
            }
            "user" if value != NOTHING => {
                host.user = Some(values::user(value.to_owned()).map_err(|_| wrong("user"))?);
            }
            "identityfile" if value != NOTHING && !is_none => host.identities.push(value.to_owned()),
            "identitiesonly" => host.identities_only = value == "yes",
            "certificatefile" if !is_none => host.certificates.push(value.to_owned()),
            "identityagent" if is_none => host.agent = Agent::None,
            "identityagent" if value != "SSH_AUTH_SOCK" => host.agent = Agent::At(value.to_owned()),
            "userknownhostsfile" if value != NOTHING => host.known_hosts = Some(paths(value)),
            "globalknownhostsfile" => host.global_known_hosts = paths(value),
            "hostkeyalias" => host.host_key_alias = Some(value.to_owned()),
            "addressfamily" if value == "inet" => host.family = Some(Family::V4),
            "addressfamily" if value == "inet6" => host.family = Some(Family::V6),
            "bindaddress" => {
                host.bind_address = Some(values::host(value.to_owned()).map_err(|_| wrong("bindaddress"))?);
            }
            "bindinterface" => host.bind_interface = Some(value.to_owned()),
            "proxyjump" if !is_none => host.proxy_jump = Some(value.to_owned()),
            "proxycommand" => host.proxy_command = !is_none,
            "knownhostscommand" => host.known_hosts_command = !is_none,
            "connecttimeout" if !is_none => {
                let seconds: u64 = value.parse().map_err(|_| wrong("connecttimeout"))?;
                // For ssh `none` means the system's limit.
                host.connect_timeout = (seconds > 0).then(|| Duration::from_secs(seconds));
            }
            "controlpath" => host.control_path = !is_none,
            "revokedhostkeys" if !is_none => return Err(SshConfigProblem::RevokedHostKeys(value.to_owned())),
            _ => {}
        }
    }
    Ok(host)
}

/// One of `ProxyJump`'s hosts, which may be a URI.
fn jump(text: &str) -> Option<SshAddress> {
    let place = text.strip_prefix("ssh://").map_or(text, |place| place.trim_end_matches('/'));
    values::login_at(place)
}

/// File names, which `ssh -G` prints with blanks between them. `none` means no file. A name with a blank in it cannot be read.
fn paths(value: &str) -> Vec<PathBuf> {
    value.split_whitespace().filter(|path| *path != "none").map(PathBuf::from).collect()
}

/// A file name with ssh's tokens (ssh_config(5), "TOKENS") put in: `%%`, `%d` home, `%h` host, `%r` login, `%u` local login.
/// `None` if there are other tokens.
pub(crate) fn expand(
    text: &str,
    home: Option<&Path>,
    host: &str,
    user: &str,
    local_user: &str,
) -> Option<PathBuf> {
    let token = |token| match token {
        'd' => home?.to_str().map(str::to_owned),
        'h' => Some(host.to_owned()),
        'r' => Some(user.to_owned()),
        'u' => Some(local_user.to_owned()),
        _ => None,
    };
    let expanded = tokens(text, token)?;
    Some(super::resolve(Path::new(&expanded), Path::new(""), home))
}

/// A value with its tokens expanded; `None` if there are unknown ones.
fn tokens(text: &str, value: impl Fn(char) -> Option<String>) -> Option<String> {
    let mut expanded = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '%' => match rest.next()? {
                '%' => expanded.push('%'),
                token => expanded.push_str(&value(token)?),
            },
            c => expanded.push(c),
        }
    }
    Some(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_configured_is_told_from_what_is_not() {
        let nothing = format!(
            "user {NOTHING}\nhostname other\nport 22\nidentityfile {NOTHING}\nuserknownhostsfile {NOTHING}\n\
             globalknownhostsfile /etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2\nidentitiesonly no\nproxyjump none\n"
        );
        let global = ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"].map(PathBuf::from).to_vec();
        let host = SshConfig {
            host_name: Some("other".into()),
            port: Some(22),
            global_known_hosts: global.clone(),
            ..SshConfig::default()
        };
        assert_eq!(read(&nothing), Ok(host));
        let all = format!(
            "host alias\nuser op\nhostname 10.0.0.7\nport 2222\nidentityfile ~/.ssh/id_%h\nidentityfile /with space\n\
             identityfile {NOTHING}\nidentitiesonly yes\ncertificatefile ~/x-cert.pub\nidentityagent /run/agent\n\
             userknownhostsfile /a /b\nhostkeyalias theone\nproxyjump gate\naddressfamily inet6\nbindaddress fd00::2\n\
             bindinterface eth0\nproxycommand none\nknownhostscommand /bin/keys %H\nconnecttimeout 7\ncontrolpath /run/%C\n"
        );
        let host = SshConfig {
            host_name: Some("10.0.0.7".into()),
            port: Some(2222),
            user: Some("op".into()),
            identities: vec!["~/.ssh/id_%h".into(), "/with space".into()],
            identities_only: true,
            certificates: vec!["~/x-cert.pub".into()],
            agent: Agent::At("/run/agent".into()),
            known_hosts: Some(vec!["/a".into(), "/b".into()]),
            global_known_hosts: Vec::new(),
            host_key_alias: Some("theone".into()),
            family: Some(Family::V6),
            bind_address: Some("fd00::2".into()),
            bind_interface: Some("eth0".into()),
            proxy_jump: Some("gate".into()),
            proxy_command: false,
            known_hosts_command: true,
            connect_timeout: Some(Duration::from_secs(7)),
            control_path: true,
        };
        assert_eq!(read(&all), Ok(host));
    }

    #[test]
    fn jump_hosts_are_read_with_their_tokens() {
        let host = |user: Option<&str>, address: &str, port| SshAddress {
            user: user.map(str::to_owned),
            address: address.into(),
            port,
        };
        let asked = host(None, "node", None);
        let jumps = |text: &str| read(text).unwrap().jumps(&asked);
        for (text, hops) in [
            ("proxyjump none", vec![]),
            (
                "proxyjump a@gate1:2200,ssh://[fd00::1]:22",
                vec![host(Some("a"), "gate1", Some(2200)), host(None, "fd00::1", Some(22))],
            ),
            (
                "user op\nhostname node.corp\nproxyjump %r@gate.%h:%p,%n-b",
                vec![host(Some("op"), "gate.node.corp", Some(22)), host(None, "node-b", None)],
            ),
        ] {
            assert_eq!(jumps(text), Ok(hops), "{text}");
        }
        assert_eq!(jumps("proxycommand nc %h %p"), Err(SshConfigProblem::ProxyCommand));
        for text in ["proxyjump a@b:0", "proxyjump gate-%C", "proxyjump a,,b", "proxyjump %r@gate"] {
            assert!(matches!(jumps(text), Err(SshConfigProblem::Value { .. })), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_done_here_is_said() {
        assert_eq!(
            read("revokedhostkeys /etc/krl"),
            Err(SshConfigProblem::RevokedHostKeys("/etc/krl".into()))
        );
        for text in ["port 0", "hostname -x", "bindaddress -x"] {
            assert!(matches!(read(text), Err(SshConfigProblem::Value { .. })), "{text}");
        }
    }

    #[test]
    fn tokens_are_put_in() {
        let home = Some(Path::new("/home/op"));
        let expand = |text| expand(text, home, "10.0.0.7", "root", "op");
        assert_eq!(expand("~/.ssh/%h-%r-%u-100%%"), Some("/home/op/.ssh/10.0.0.7-root-op-100%".into()));
        assert_eq!(expand("%d/key"), Some("/home/op/key".into()));
        assert_eq!((expand("%C"), expand("%")), (None, None));
    }
}
