//! Hosts and addresses that may be asked for what certificates name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::Url;

/// A host that the operator names, with a port or with every port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NamedHost {
    pub(super) host: String,
    pub(super) port: Option<u16>,
}

impl NamedHost {
    /// Reads `host` or `host:port`; none if the text is neither.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let host = if text.parse::<Ipv6Addr>().is_ok() { format!("[{text}]") } else { text.to_owned() };
        // a URL leaves out the port of its scheme, and of one of the two alone
        let [http, https] = ["http", "https"].map(|scheme| Url::parse(&format!("{scheme}://{host}/")).ok());
        let (http, https) = http.zip(https).filter(|(url, _)| {
            url.path() == "/" && !text.contains(['/', '@', '?', '#']) && url.username().is_empty()
        })?;
        let port = http.port().or(https.port());
        Some(Self { host: host_of(&http).to_owned(), port })
    }

    pub(super) fn names(&self, url: &Url) -> bool {
        let same_port = self.port.is_none() || self.port == url.port_or_known_default();
        host_of(url).eq_ignore_ascii_case(&self.host) && same_port
    }
}

/// How far a request may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AddressPolicy {
    /// The operator names the host.
    Anywhere,
    /// A certificate names it.
    Site,
    /// A redirect leads to it.
    Public,
}

/// Where an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AddressKind {
    Public,
    /// A network of somebody's own.
    Private,
    /// This machine, its link, or no single machine.
    Local,
}

/// An address is not asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{host} is {}, which is asked only if --crl-from names it", self.kind())]
pub(super) struct ForbiddenAddress {
    host: String,
    address_kind: AddressKind,
}

impl ForbiddenAddress {
    fn kind(&self) -> &'static str {
        match self.address_kind {
            AddressKind::Private => "in a private network that a redirect leads to",
            _ => "this machine or its link",
        }
    }
}

impl AddressPolicy {
    /// Whether an address may be asked that `host` stands for.
    pub(super) fn check(self, host: &str, address: IpAddr) -> Result<(), ForbiddenAddress> {
        let address_kind = address_kind(address);
        let is_in_reach = match self {
            Self::Anywhere => true,
            Self::Site => address_kind != AddressKind::Local,
            Self::Public => address_kind == AddressKind::Public,
        };
        if is_in_reach { Ok(()) } else { Err(ForbiddenAddress { host: host.to_owned(), address_kind }) }
    }
}

/// The host of a URL, an IPv6 address without its brackets, and no dot at a name's end.
pub(super) fn host_of(url: &Url) -> &str {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// The host of a proxy as the environment names it, with or without a scheme.
pub(crate) fn proxy_host(text: &str) -> Option<String> {
    let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    Some(Url::parse(&url).ok()?.host_str()?.to_owned())
}

/// Where an address is. IANA, "Special-Purpose Address Registry" of IPv4 and IPv6; an IPv4 address within an IPv6 one is
/// what counts.
fn address_kind(address: IpAddr) -> AddressKind {
    match address {
        IpAddr::V4(address) => address_kind_v4(address),
        IpAddr::V6(address) => match within(address) {
            Some(inner) => address_kind_v4(inner),
            None => address_kind_v6(address),
        },
    }
}

fn address_kind_v4(address: Ipv4Addr) -> AddressKind {
    let [first, second, ..] = address.octets();
    // 0.0.0.0/8 is this network, and some systems take it for this machine
    if first == 0 || address.is_loopback() || address.is_link_local() || first >= 224 {
        AddressKind::Local
    } else if address.is_private() || (first == 100 && second & 0xc0 == 64) {
        AddressKind::Private
    } else {
        AddressKind::Public
    }
}

fn address_kind_v6(address: Ipv6Addr) -> AddressKind {
    let [first, ..] = address.segments();
    let is_local = address.is_unspecified()
        || address.is_loopback()
        || address.is_multicast()
        || address.is_unicast_link_local();
    if is_local {
        AddressKind::Local
    } else if address.is_unique_local() || first & 0xffc0 == 0xfec0 {
        AddressKind::Private
    } else {
        AddressKind::Public
    }
}

/// The IPv4 address that an IPv6 one leads to: mapped, compatible, translated (RFC 6052, RFC 8215) or of 6to4 (RFC 3056).
fn within(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let inner = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        // :: and ::1 are addresses of their own
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        | [0x2002, high, low, ..] => Some(inner(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_known_in_every_form() {
        use AddressKind::{Local, Private, Public};
        for (text, expected) in [
            ("http://127.0.0.1", Local),
            ("http://127.255.0.1:8080", Local),
            ("http://2130706433", Local),
            ("http://0x7f.1", Local),
            ("http://0177.0.0.1", Local),
            ("http://127.0.0.1.", Local),
            ("http://0.0.0.0", Local),
            ("http://0", Local),
            ("http://169.254.169.254", Local),
            ("http://224.0.0.1", Local),
            ("http://255.255.255.255", Local),
            ("http://[::1]", Local),
            ("http://[::]", Local),
            ("http://[fe80::1]", Local),
            ("http://[ff02::1]", Local),
            ("http://[::ffff:127.0.0.1]", Local),
            ("http://[::ffff:169.254.169.254]", Local),
            ("http://[::127.0.0.1]", Local),
            ("http://[::ffff:0:127.0.0.1]", Local),
            ("http://[64:ff9b::7f00:1]", Local),
            ("http://[64:ff9b:1::7f00:1]", Local),
            ("http://[2002:7f00:1::]", Local),
            ("http://10.0.0.1", Private),
            ("http://172.31.0.1", Private),
            ("http://192.168.1.1", Private),
            ("http://100.100.100.200", Private),
            ("http://[fd00:ec2::254]", Private),
            ("http://[fec0::1]", Private),
            ("http://[::ffff:10.0.0.1]", Private),
            ("http://192.0.2.1", Public),
            ("http://100.128.0.1", Public),
            ("http://[2001:db8::1]", Public),
            ("http://[::ffff:192.0.2.1]", Public),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!(address_kind(host_of(&url).parse().unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn a_host_is_named_with_its_port_or_with_all() {
        let is_of = |name: &str, url: &str| NamedHost::parse(name).unwrap().names(&Url::parse(url).unwrap());
        for (name, url) in [
            ("127.0.0.1", "http://127.0.0.1:8080/a.crl"),
            ("crl.example", "http://CRL.example./a.crl"),
            ("crl.example:80", "http://crl.example/a.crl"),
            ("crl.example:443", "https://crl.example/a.crl"),
            ("crl.example:8080", "http://crl.example:8080/a.crl"),
            ("::1", "http://[::1]:8080/a.crl"),
            ("[::1]:8080", "http://[::1]:8080/a.crl"),
        ] {
            assert!(is_of(name, url), "{name} {url}");
        }
        for (name, url) in [
            ("crl.example", "http://crl.example.evil.example/a.crl"),
            ("crl.example:80", "http://crl.example:8080/a.crl"),
            ("127.0.0.1", "http://127.0.0.2/a.crl"),
        ] {
            assert!(!is_of(name, url), "{name} {url}");
        }
        for text in ["", "http://crl.example", "crl.example/a", "user@crl.example", "crl.example:x", "a b"] {
            assert!(NamedHost::parse(text).is_none(), "{text}");
        }
    }
}
