//! The site file: TOML with `[defaults]` and one `[[node]]` a node. An error names the line; an unknown key is one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::Deserialize;
use toml::Spanned;

use super::{Jump, Node, Os, Site};

/// Bytes of a site file: some 100,000 nodes.
pub(super) const SITE_FILE_BYTES: usize = 32 << 20;

/// The site file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct SiteFileError {
    /// Where, counted from 1.
    pub line: usize,
    /// What.
    pub problem: SiteFileProblem,
}

/// What is wrong with a site file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SiteFileProblem {
    /// It is not TOML, a key is unknown or given twice, or a value has the wrong type.
    #[error("{0}")]
    Toml(String),
    /// It is larger than a site file is read.
    #[error("the file is larger than {SITE_FILE_BYTES} bytes")]
    TooLarge,
    /// It names no node.
    #[error("there is no [[node]]")]
    NoNode,
    /// A node lacks a key that has no default.
    #[error("node without {0:?}, which every node needs")]
    Missing(&'static str),
    /// The name cannot be a file name.
    #[error(
        "name {0:?}: use letters, digits, '.', '_' and '-', beginning with a letter or digit, at most 128"
    )]
    Name(String),
    /// Two nodes have one name; letter case does not tell them apart.
    #[error("name {name:?} is taken by the node on line {first}")]
    Duplicate {
        /// The name.
        name: String,
        /// The line of the first.
        first: usize,
    },
    /// The address is neither a host name nor an IP address.
    #[error("address {0:?} is neither a host name nor an IP address")]
    Address(String),
    /// The port is 0.
    #[error("port 0 is no port")]
    Port,
    /// The login has characters that no login has.
    #[error("user {0:?} is not a login name")]
    User(String),
    /// The fingerprint is malformed.
    #[error("host_key {0:?} is not a fingerprint such as ssh-keygen -l prints: SHA256: and 43 characters")]
    HostKey(String),
    /// The jump host is malformed.
    #[error("jump {0:?} is neither the name of a node nor user@host or user@host:port")]
    Jump(String),
    /// The jump host names no node.
    #[error("jump {0:?} names no node; write user@host:port for a host that is none")]
    JumpUnknown(String),
    /// Jump hosts lead back to the node.
    #[error("jump {0:?} leads back to this node")]
    JumpLoop(String),
    /// A text is empty, or has control characters.
    #[error("{key} is empty or has control characters")]
    Text {
        /// The key.
        key: &'static str,
    },
}

pub(super) fn parse(text: &str) -> Result<Site, SiteFileError> {
    if text.len() > SITE_FILE_BYTES {
        return Err(SiteFileError { line: 1, problem: SiteFileProblem::TooLarge });
    }
    let written: Written = toml::from_str(text).map_err(|error| SiteFileError {
        line: line_of(text, error.span().map_or(0, |span| span.start)),
        problem: SiteFileProblem::Toml(error.message().to_owned()),
    })?;
    let reader = Reader { text, defaults: written.defaults };
    let mut nodes = Vec::new();
    let mut lines = BTreeMap::new();
    for node in written.node {
        let line = line_of(text, node.span().start);
        let node = reader.node(node)?;
        if let Some(first) = lines.insert(node.name.to_lowercase(), line) {
            let problem = SiteFileProblem::Duplicate { name: node.name, first };
            return Err(SiteFileError { line, problem });
        }
        nodes.push((line, node));
    }
    let by_name = nodes.iter().map(|(_, node)| (node.name.as_str(), node)).collect();
    for (line, node) in &nodes {
        check_jumps(&by_name, node).map_err(|problem| SiteFileError { line: *line, problem })?;
    }
    let mut nodes: Vec<Node> = nodes.into_iter().map(|(_, node)| node).collect();
    if nodes.is_empty() {
        return Err(SiteFileError { line: 1, problem: SiteFileProblem::NoNode });
    }
    nodes.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Site { nodes })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    defaults: Fields,
    #[serde(default)]
    node: Vec<Spanned<Fields>>,
}

/// A node's keys. `name` under `[defaults]` makes no sense and ends as a duplicate, or as the one node's name.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    name: Option<Spanned<String>>,
    address: Option<Spanned<String>>,
    port: Option<Spanned<u16>>,
    os: Option<Spanned<WrittenOs>>,
    roles: Option<Spanned<Vec<String>>>,
    host_key: Option<Spanned<String>>,
    jump: Option<Spanned<String>>,
    store: Option<Spanned<String>>,
    user: Option<Spanned<String>>,
    identity: Option<Spanned<String>>,
    known_hosts: Option<Spanned<String>>,
    sudo: Option<Spanned<bool>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenOs {
    Linux,
    Windows,
}

struct Reader<'a> {
    text: &'a str,
    defaults: Fields,
}

impl Reader<'_> {
    fn node(&self, written: Spanned<Fields>) -> Result<Node, SiteFileError> {
        let at = written.span();
        let written = written.into_inner();
        let defaults = self.defaults.clone();
        let missing = |key| SiteFileError {
            line: line_of(self.text, at.start),
            problem: SiteFileProblem::Missing(key),
        };
        let name = written.name.or(defaults.name).ok_or_else(|| missing("name"))?;
        let address = written.address.or(defaults.address).ok_or_else(|| missing("address"))?;
        let port = self.optional(written.port.or(defaults.port), |port| match port {
            0 => Err(SiteFileProblem::Port),
            port => Ok(port),
        })?;
        let os = written.os.or(defaults.os).map(|os| match os.into_inner() {
            WrittenOs::Linux => Os::Linux,
            WrittenOs::Windows => Os::Windows,
        });
        let roles = self.optional(written.roles.or(defaults.roles), |roles| {
            roles.into_iter().map(|role| plain("roles", role)).collect::<Result<Vec<_>, _>>()
        })?;
        let user = self.optional(written.user.or(defaults.user), user)?;
        Ok(Node {
            name: self.checked(name, node_name)?,
            address: self.checked(address, host)?,
            port: port.unwrap_or(22),
            os,
            roles: roles.unwrap_or_default(),
            host_key: self.optional(written.host_key.or(defaults.host_key), fingerprint)?,
            jump: self.optional(written.jump.or(defaults.jump), jump)?,
            store: self.optional(written.store.or(defaults.store), |store| plain("store", store))?,
            user: user.unwrap_or_else(|| "root".to_owned()),
            identity: self.optional(written.identity.or(defaults.identity), |path| {
                plain("identity", path).map(PathBuf::from)
            })?,
            known_hosts: self.optional(written.known_hosts.or(defaults.known_hosts), |path| {
                plain("known_hosts", path).map(PathBuf::from)
            })?,
            sudo: written.sudo.or(defaults.sudo).is_some_and(Spanned::into_inner),
        })
    }

    fn checked<T, U>(
        &self,
        value: Spanned<T>,
        check: impl FnOnce(T) -> Result<U, SiteFileProblem>,
    ) -> Result<U, SiteFileError> {
        let line = line_of(self.text, value.span().start);
        check(value.into_inner()).map_err(|problem| SiteFileError { line, problem })
    }

    fn optional<T, U>(
        &self,
        value: Option<Spanned<T>>,
        check: impl FnOnce(T) -> Result<U, SiteFileProblem>,
    ) -> Result<Option<U>, SiteFileError> {
        value.map(|value| self.checked(value, check)).transpose()
    }
}

fn node_name(name: String) -> Result<String, SiteFileProblem> {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    // Windows gives these names to devices, whatever their ending.
    let stem = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let device = matches!(stem.as_str(), "con" | "prn" | "aux" | "nul")
        || (stem.len() == 4 && (stem.starts_with("com") || stem.starts_with("lpt")));
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let fits = first && name.len() <= 128 && name.bytes().all(safe) && !name.ends_with('.') && !device;
    if fits { Ok(name) } else { Err(SiteFileProblem::Name(name)) }
}

fn host(address: String) -> Result<String, SiteFileProblem> {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b':' | b'%');
    let named = !address.contains([':', '%']) || address.split('%').next().is_some_and(is_ip);
    let first = address.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b':');
    let fits = first && named && address.len() <= 253 && address.bytes().all(safe);
    if fits { Ok(address) } else { Err(SiteFileProblem::Address(address)) }
}

fn is_ip(text: &str) -> bool {
    text.parse::<std::net::IpAddr>().is_ok()
}

fn user(user: String) -> Result<String, SiteFileProblem> {
    let fits = !user.is_empty() && user.len() <= 256 && !user.contains(|c: char| c.is_control());
    if fits { Ok(user) } else { Err(SiteFileProblem::User(user)) }
}

fn fingerprint(text: String) -> Result<String, SiteFileProblem> {
    let digest = text.strip_prefix("SHA256:").and_then(|digest| STANDARD_NO_PAD.decode(digest).ok());
    if digest.is_some_and(|digest| digest.len() == 32) {
        Ok(text)
    } else {
        Err(SiteFileProblem::HostKey(text))
    }
}

fn jump(text: String) -> Result<Jump, SiteFileProblem> {
    let Some((login, place)) = text.rsplit_once('@') else {
        return node_name(text).map(Jump::Node).map_err(|problem| match problem {
            SiteFileProblem::Name(text) => SiteFileProblem::Jump(text),
            other => other,
        });
    };
    let (address, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) => (address, None),
        Some((address, port)) => (address, port.strip_prefix(':').or(Some(""))),
        None if is_ip(place) => (place, None),
        None => place.split_once(':').map_or((place, None), |(address, port)| (address, Some(port))),
    };
    let port = port.map_or(Some(22), |port| port.parse().ok().filter(|port| *port != 0));
    match (user(login.to_owned()), host(address.to_owned()), port) {
        (Ok(user), Ok(address), Some(port)) => Ok(Jump::Host { user, address, port }),
        _ => Err(SiteFileProblem::Jump(text)),
    }
}

fn plain(key: &'static str, text: String) -> Result<String, SiteFileProblem> {
    let fits = !text.is_empty() && !text.contains(|c: char| c.is_control());
    if fits { Ok(text) } else { Err(SiteFileProblem::Text { key }) }
}

/// Follows a node's jump hosts: each exists, and none is the node itself.
fn check_jumps(nodes: &BTreeMap<&str, &Node>, node: &Node) -> Result<(), SiteFileProblem> {
    let mut at = node;
    let mut seen = vec![node.name.as_str()];
    while let Some(Jump::Node(name)) = &at.jump {
        let Some(next) = nodes.get(name.as_str()) else {
            return Err(SiteFileProblem::JumpUnknown(name.clone()));
        };
        if seen.contains(&name.as_str()) {
            return Err(SiteFileProblem::JumpLoop(name.clone()));
        }
        seen.push(name);
        at = next;
    }
    Ok(())
}

/// The line of a byte offset, counted from 1.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIN: &str = "SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDWcGTa2eEqgxbNHRs";

    #[test]
    fn reads_every_key_and_the_defaults() {
        let site = Site::parse(&format!(
            r#"
            [defaults]
            user = "clouduser"
            identity = "~/.ssh/id_rsa"
            known_hosts = "known_hosts"
            sudo = true

            [[node]]
            name = "worker-1"
            address = "100.72.248.133"
            port = 2222
            os = "windows"
            roles = ["worker"]
            host_key = "{PIN}"
            jump = "control"
            store = "containerd:/run/containerd/containerd.sock"
            user = "admin"
            sudo = false

            [[node]]
            name = "control"
            address = "control.example.test"
            jump = "op@[fd00::1]:2200"
            "#
        ))
        .unwrap();
        let names: Vec<_> = site.nodes.iter().map(|node| node.name.as_str()).collect();
        assert_eq!(names, ["control", "worker-1"]);
        let worker = site.node("worker-1").unwrap();
        assert_eq!(
            *worker,
            Node {
                name: "worker-1".into(),
                address: "100.72.248.133".into(),
                port: 2222,
                os: Some(Os::Windows),
                roles: vec!["worker".into()],
                host_key: Some(PIN.into()),
                jump: Some(Jump::Node("control".into())),
                store: Some("containerd:/run/containerd/containerd.sock".into()),
                user: "admin".into(),
                identity: Some("~/.ssh/id_rsa".into()),
                known_hosts: Some("known_hosts".into()),
                sudo: false,
            }
        );
        let control = site.node("control").unwrap();
        assert_eq!((control.port, control.sudo, control.user.as_str()), (22, true, "clouduser"));
        let jump = Jump::Host { user: "op".into(), address: "fd00::1".into(), port: 2200 };
        assert_eq!(control.jump, Some(jump));
    }

    #[test]
    fn errors_name_the_line() {
        use SiteFileProblem as P;
        let node = |keys: &str| format!("[[node]]\nname = \"a\"\naddress = \"10.0.0.1\"\n{keys}\n");
        let cases = [
            ("", 1, P::NoNode),
            ("[[node]]\naddress = \"10.0.0.1\"", 1, P::Missing("name")),
            ("\n[[node]]\nname = \"a\"", 2, P::Missing("address")),
            ("[[node]]\nname = \"../a\"\naddress = \"b\"", 2, P::Name("../a".into())),
            ("[[node]]\nname = \"NUL.x\"\naddress = \"b\"", 2, P::Name("NUL.x".into())),
            ("[[node]]\nname = \"\"\naddress = \"b\"", 2, P::Name(String::new())),
            ("[[node]]\nname = \"a\"\naddress = \"-oProxy\"", 3, P::Address("-oProxy".into())),
            ("[[node]]\nname = \"a\"\naddress = \"a b\"", 3, P::Address("a b".into())),
            (&node("port = 0"), 4, P::Port),
            (&node("host_key = \"SHA256:abc\""), 4, P::HostKey("SHA256:abc".into())),
            (&node("host_key = \"MD5:00\""), 4, P::HostKey("MD5:00".into())),
            (&node("jump = \"b\""), 1, P::JumpUnknown("b".into())),
            (&node("jump = \"a\""), 1, P::JumpLoop("a".into())),
            (&node("jump = \"u@h:0\""), 4, P::Jump("u@h:0".into())),
            (&node("jump = \"u@h:x\""), 4, P::Jump("u@h:x".into())),
            (&node("store = \"\""), 4, P::Text { key: "store" }),
            (&node("roles = [\"a\\u001b\"]"), 4, P::Text { key: "roles" }),
            (&node("user = \"\""), 4, P::User(String::new())),
            (
                &node("[[node]]\nname = \"A\"\naddress = \"10.0.0.2\""),
                4,
                P::Duplicate { name: "A".into(), first: 1 },
            ),
        ];
        for (text, line, problem) in cases {
            assert_eq!(Site::parse(text), Err(SiteFileError { line, problem }), "{text}");
        }
    }

    #[test]
    fn toml_errors_name_the_line_too() {
        let node = "[[node]]\nname = \"a\"\naddress = \"10.0.0.1\"\n";
        for (text, line) in [
            (format!("{node}adress = \"x\"\n"), 4),
            (format!("{node}port = 70000\n"), 4),
            (format!("{node}port = 22\nport = 23\n"), 5),
            (format!("{node}os = \"beos\"\n"), 4),
            (format!("{node}sudo = \"yes\"\n"), 4),
            (format!("{node}[default]\nuser = \"x\"\n"), 4),
            (format!("{node}x = = 1\n"), 4),
        ] {
            let error = Site::parse(&text).unwrap_err();
            assert!(matches!(error.problem, SiteFileProblem::Toml(_)), "{text}: {error:?}");
            assert_eq!(error.line, line, "{text}");
        }
    }
}
