//! Reads the values of a site file. A value is rejected if it could be taken for something else as a file name, an address or an
//! argument.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

use super::error::SiteFileProblem;
use super::node::{Hop, SshAddress, Sudo};

/// Letters of a node's or a group's name: with an ending a file name on every system.
const NAME_LETTERS: usize = 128;

/// A node's or a group's name, which is a file name too.
pub(super) fn name(name: String) -> Result<String, SiteFileProblem> {
    if is_name(&name) { Ok(name) } else { Err(SiteFileProblem::Name(name)) }
}

pub(super) fn is_name(name: &str) -> bool {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    // Windows gives these names to devices, whatever their ending.
    let stem = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let device = matches!(stem.as_str(), "con" | "prn" | "aux" | "nul")
        || (stem.len() == 4 && (stem.starts_with("com") || stem.starts_with("lpt")));
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    first && name.len() <= NAME_LETTERS && name.bytes().all(safe) && !name.ends_with('.') && !device
}

pub(super) fn host(address: String) -> Result<String, SiteFileProblem> {
    if is_host(&address) {
        return Ok(address);
    }
    let place = address.strip_prefix("ssh://").map_or(&*address, |place| place.trim_end_matches('/'));
    let Some(host) = login_at(place) else { return Err(SiteFileProblem::Address(address)) };
    let mut instead = format!("address = {:?}", host.address);
    instead.extend(host.port.map(|port| format!(", port = {port}")));
    instead.extend(host.user.map(|user| format!(", user = {user:?}")));
    Err(SiteFileProblem::MoreThanAddress { given: address, instead })
}

pub(super) fn is_host(address: &str) -> bool {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b':' | b'%');
    let named = !address.contains([':', '%']) || address.split('%').next().is_some_and(is_ip);
    let first = address.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b':');
    first && named && address.len() <= 253 && address.bytes().all(safe)
}

fn is_ip(text: &str) -> bool {
    text.parse::<std::net::IpAddr>().is_ok()
}

pub(super) fn port(port: u16) -> Result<u16, SiteFileProblem> {
    if port == 0 { Err(SiteFileProblem::Port) } else { Ok(port) }
}

pub(super) fn user(user: String) -> Result<String, SiteFileProblem> {
    let fits = !user.is_empty() && user.len() <= 256 && !user.contains(|c: char| c.is_control());
    if fits { Ok(user) } else { Err(SiteFileProblem::User(user)) }
}

pub(super) fn fingerprint(text: String) -> Result<String, SiteFileProblem> {
    if is_fingerprint(&text) { Ok(text) } else { Err(SiteFileProblem::HostKey(text)) }
}

pub(super) fn is_fingerprint(text: &str) -> bool {
    let digest = text.strip_prefix("SHA256:").and_then(|digest| STANDARD_NO_PAD.decode(digest).ok());
    digest.is_some_and(|digest| digest.len() == 32)
}

/// The hosts to go through, separated by commas: each a node's name or `user@host[:port]`. `none` means that there is none.
pub(super) fn jump(text: String) -> Result<Vec<Hop>, SiteFileProblem> {
    if text == "none" {
        return Ok(Vec::new());
    }
    let hop = |text: &str| {
        if text.contains('@') {
            login_at(text).map(Hop::Host)
        } else {
            is_name(text).then(|| Hop::Node(text.to_owned()))
        }
    };
    text.split(',').map(hop).collect::<Option<Vec<_>>>().ok_or(SiteFileProblem::Jump(text))
}

/// `[user@]host[:port]`, as OpenSSH's `ProxyJump` has it too.
pub(super) fn login_at(text: &str) -> Option<SshAddress> {
    let (login, place) = match text.rsplit_once('@') {
        Some((login, place)) => (Some(user(login.to_owned()).ok()?), place),
        None => (None, text),
    };
    let (address, written) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) => (address, None),
        Some((address, rest)) => (address, Some(rest.strip_prefix(':')?)),
        None if is_ip(place) => (place, None),
        None => place.split_once(':').map_or((place, None), |(address, port)| (address, Some(port))),
    };
    let written = written.map(|written| written.parse().ok().filter(|port| *port != 0));
    match written {
        Some(None) => None,
        port if is_host(address) => {
            Some(SshAddress { user: login, address: address.to_owned(), port: port.flatten() })
        }
        _ => None,
    }
}

/// A site's name, as a site file may have it.
///
/// # Errors
/// [`SiteFileProblem::Text`]
pub(crate) fn site_name(text: String) -> Result<String, SiteFileProblem> {
    plain("name", text)
}

pub(super) fn plain(key: &'static str, text: String) -> Result<String, SiteFileProblem> {
    let fits = !text.is_empty() && !text.contains(|c: char| c.is_control());
    if fits { Ok(text) } else { Err(SiteFileProblem::Text { key }) }
}

/// `true`, `false` or `"password"`.
impl<'de> Deserialize<'de> for Sudo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl Visitor<'_> for Written {
            type Value = Sudo;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("true, false or \"password\"")
            }

            fn visit_bool<E: de::Error>(self, yes: bool) -> Result<Sudo, E> {
                Ok(if yes { Sudo::Yes } else { Sudo::No })
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Sudo, E> {
                if text == "password" {
                    Ok(Sudo::Password)
                } else {
                    Err(E::invalid_value(de::Unexpected::Str(text), &self))
                }
            }
        }
        deserializer.deserialize_any(Written)
    }
}

/// One text, or a list of them.
#[derive(Clone, Debug)]
pub(super) struct OneOrMore(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl<'de> Visitor<'de> for Written {
            type Value = OneOrMore;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<OneOrMore, E> {
                Ok(OneOrMore(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OneOrMore, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = list.next_element()? {
                    texts.push(text);
                }
                Ok(OneOrMore(texts))
            }
        }
        deserializer.deserialize_any(Written)
    }
}
