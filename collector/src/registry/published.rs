//! What certificates say is published somewhere: a URL of a stranger in, bytes out.
//!
//! Whoever may push a signature to a registry writes these URLs, and so sends this program where it likes. It is therefore
//! never sent to this machine or its link unless the operator names the host, and to a private network only by the
//! certificate itself, not by a redirect. What counts is the address that a connection is made to: names are resolved once,
//! and only the addresses that may be asked are given to the connection. A proxy resolves names itself; behind one, names
//! are its business, and addresses are still refused here.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Url};
use tokio::sync::OnceCell;

use super::RegistryError;
use super::http::{self, HttpError, Network, Redirects, shown};

/// A host that the operator names, with a port or with every port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedHost {
    host: String,
    port: Option<u16>,
}

/// Text that names no host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?}: write host or host:port")]
pub struct NamedHostError {
    /// What was given.
    text: String,
}

impl FromStr for NamedHost {
    type Err = NamedHostError;

    fn from_str(text: &str) -> Result<Self, NamedHostError> {
        let host = if text.parse::<Ipv6Addr>().is_ok() { format!("[{text}]") } else { text.to_owned() };
        // a URL leaves out the port of its scheme, and of one of the two alone
        let [http, https] = ["http", "https"].map(|scheme| Url::parse(&format!("{scheme}://{host}/")).ok());
        let named = http.zip(https).filter(|(url, _)| {
            url.path() == "/" && !text.contains(['/', '@', '?', '#']) && url.username().is_empty()
        });
        let Some((http, https)) = named else { return Err(NamedHostError { text: text.to_owned() }) };
        let port = http.port().or(https.port());
        Ok(Self { host: host_of(&http).to_owned(), port })
    }
}

impl NamedHost {
    fn is_of(&self, url: &Url) -> bool {
        let same_port = self.port.is_none() || self.port == url.port_or_known_default();
        host_of(url).eq_ignore_ascii_case(&self.host) && same_port
    }
}

/// How far a request may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// The operator names the host.
    Anywhere,
    /// A certificate names it.
    Site,
    /// A redirect leads to it.
    Public,
}

/// Where an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whereabouts {
    Public,
    /// A network of somebody's own.
    Private,
    /// This machine, its link, or no single machine.
    Local,
}

/// An address is not asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{host} is {}, which is asked only if --crl-from names it", self.kind())]
pub(super) struct NotAsked {
    host: String,
    whereabouts: Whereabouts,
}

impl NotAsked {
    fn kind(&self) -> &'static str {
        match self.whereabouts {
            Whereabouts::Private => "in a private network that a redirect leads to",
            _ => "this machine or its link",
        }
    }
}

/// What fetches published things.
#[derive(Debug)]
pub(super) struct Publishers {
    named: Arc<Vec<NamedHost>>,
    proxies: Arc<BTreeSet<String>>,
    anywhere: OnceCell<Client>,
    site: OnceCell<Client>,
    public: OnceCell<Client>,
}

impl Publishers {
    /// `named` are asked wherever they are; `proxies` are the hosts that the environment names as such.
    pub(super) fn new(named: Vec<NamedHost>, proxies: BTreeSet<String>) -> Self {
        Self {
            named: Arc::new(named),
            proxies: Arc::new(proxies),
            anywhere: OnceCell::new(),
            site: OnceCell::new(),
            public: OnceCell::new(),
        }
    }

    /// What is at a URL. `is_own` says which URLs are of servers that the operator has named otherwise.
    ///
    /// # Errors
    /// [`RegistryError`]
    pub(super) async fn get(
        &self,
        url: &str,
        limit: u64,
        network: &Network,
        is_own: impl Fn(&Url) -> bool,
    ) -> Result<Vec<u8>, RegistryError> {
        let refused = |url: &Url, why: &str| HttpError::Refused { url: shown(url), why: why.to_owned() };
        let mut url = Url::parse(url)
            .map_err(|error| HttpError::Refused { url: url.to_owned(), why: error.to_string() })?;
        let first = host_of(&url).to_owned();
        for _ in 0..=http::REDIRECTS {
            let reach = if is_own(&url) || self.named.iter().any(|named| named.is_of(&url)) {
                Reach::Anywhere
            } else if host_of(&url) == first {
                Reach::Site
            } else {
                Reach::Public
            };
            self.check(&url, reach).map_err(|error| refused(&url, &error.to_string()))?;
            let client = self.client(reach).await?;
            let reply = http::get(|| client.get(url.clone()), limit, network).await?;
            match (reply.status.as_u16(), reply.leads_to()?) {
                (200, _) => return Ok(reply.body),
                (_, Some(next)) => url = next,
                (status, None) => {
                    return Err(RegistryError::Status { url: shown(&url), status, message: String::new() });
                }
            }
        }
        Err(refused(&url, http::TOO_MANY_REDIRECTS).into())
    }

    /// Checks a host that is an address, or that is this machine whoever resolves it; other names are checked when they are
    /// resolved.
    fn check(&self, url: &Url, reach: Reach) -> Result<(), NotAsked> {
        let host = host_of(url);
        let is_here = host == "localhost" || host.ends_with(".localhost");
        let address = if is_here { Some(Ipv4Addr::LOCALHOST.into()) } else { host.parse::<IpAddr>().ok() };
        address.map_or(Ok(()), |address| reach.check(host, address))
    }

    async fn client(&self, reach: Reach) -> Result<&Client, HttpError> {
        let cell = match reach {
            Reach::Anywhere => &self.anywhere,
            Reach::Site => &self.site,
            Reach::Public => &self.public,
        };
        cell.get_or_try_init(|| async {
            let resolver =
                Resolver { reach, named: Arc::clone(&self.named), proxies: Arc::clone(&self.proxies) };
            let builder = http::builder(&[])?.redirect(Redirects::No.policy());
            http::build(builder.dns_resolver(resolver))
        })
        .await
    }
}

/// Resolves names to the addresses that may be asked.
struct Resolver {
    reach: Reach,
    named: Arc<Vec<NamedHost>>,
    proxies: Arc<BTreeSet<String>>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (named, is_proxy) = (Arc::clone(&self.named), self.proxies.contains(name.as_str()));
        let reach = if is_proxy { Reach::Anywhere } else { self.reach };
        Box::pin(async move {
            let mut last = None;
            let mut allowed: Vec<SocketAddr> = Vec::new();
            for address in tokio::net::lookup_host((name.as_str(), 0)).await? {
                let is_named = || {
                    let address = address.ip().to_string();
                    named.iter().any(|named| named.port.is_none() && named.host == address)
                };
                match reach.check(name.as_str(), address.ip()) {
                    Err(error) if !is_named() => last = Some(error),
                    _ => allowed.push(address),
                }
            }
            match last {
                Some(error) if allowed.is_empty() => Err(error.into()),
                _ => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

impl Reach {
    /// Whether an address may be asked that `host` stands for.
    fn check(self, host: &str, address: IpAddr) -> Result<(), NotAsked> {
        let whereabouts = whereabouts(address);
        let is_in_reach = match self {
            Self::Anywhere => true,
            Self::Site => whereabouts != Whereabouts::Local,
            Self::Public => whereabouts == Whereabouts::Public,
        };
        if is_in_reach { Ok(()) } else { Err(NotAsked { host: host.to_owned(), whereabouts }) }
    }
}

/// The host of a URL, an IPv6 address without its brackets, and no dot at a name's end.
fn host_of(url: &Url) -> &str {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// The host of a proxy as the environment names it, with or without a scheme.
pub fn proxy_host(text: &str) -> Option<String> {
    let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    Some(Url::parse(&url).ok()?.host_str()?.to_owned())
}

/// Where an address is. IANA, "Special-Purpose Address Registry" of IPv4 and IPv6; an IPv4 address within an IPv6 one is
/// what counts.
fn whereabouts(address: IpAddr) -> Whereabouts {
    match address {
        IpAddr::V4(address) => whereabouts_v4(address),
        IpAddr::V6(address) => match within(address) {
            Some(inner) => whereabouts_v4(inner),
            None => whereabouts_v6(address),
        },
    }
}

fn whereabouts_v4(address: Ipv4Addr) -> Whereabouts {
    let [first, second, ..] = address.octets();
    // 0.0.0.0/8 is this network, and some systems take it for this machine
    if first == 0 || address.is_loopback() || address.is_link_local() || first >= 224 {
        Whereabouts::Local
    } else if address.is_private() || (first == 100 && second & 0xc0 == 64) {
        Whereabouts::Private
    } else {
        Whereabouts::Public
    }
}

fn whereabouts_v6(address: Ipv6Addr) -> Whereabouts {
    let [first, ..] = address.segments();
    let is_local = address.is_unspecified()
        || address.is_loopback()
        || address.is_multicast()
        || address.is_unicast_link_local();
    if is_local {
        Whereabouts::Local
    } else if address.is_unique_local() || first & 0xffc0 == 0xfec0 {
        Whereabouts::Private
    } else {
        Whereabouts::Public
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
        use Whereabouts::{Local, Private, Public};
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
            assert_eq!(whereabouts(host_of(&url).parse().unwrap()), expected, "{text}");
        }
    }

    #[tokio::test]
    async fn names_are_resolved_to_what_may_be_asked() {
        let resolve = async |reach, named: &[&str], proxies: &[&str]| {
            let named = named.iter().map(|name| name.parse().unwrap()).collect();
            let proxies = proxies.iter().map(|&name| name.to_owned()).collect();
            let resolver = Resolver { reach, named: Arc::new(named), proxies: Arc::new(proxies) };
            resolver.resolve("localhost".parse().unwrap()).await.map(Iterator::count)
        };
        for reach in [Reach::Site, Reach::Public] {
            let refused = resolve(reach, &["localhost:80"], &["proxy.example"]).await.unwrap_err();
            assert!(refused.is::<NotAsked>());
            assert!(resolve(reach, &["127.0.0.1", "::1"], &[]).await.unwrap() > 0);
            assert!(resolve(reach, &[], &["localhost"]).await.unwrap() > 0);
        }
        assert!(resolve(Reach::Anywhere, &[], &[]).await.unwrap() > 0);
        // a connection that is not made is not tried again
        let publishers = Publishers::new(Vec::new(), BTreeSet::new());
        let client = publishers.client(Reach::Site).await.unwrap();
        let error = client.get("http://localhost:1/").send().await.unwrap_err();
        assert!(matches!(HttpError::of(&error), HttpError::Refused { .. }), "{error:?}");
    }

    #[test]
    fn a_host_is_named_with_its_port_or_with_all() {
        let is_of =
            |name: &str, url: &str| name.parse::<NamedHost>().unwrap().is_of(&Url::parse(url).unwrap());
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
            assert!(text.parse::<NamedHost>().is_err(), "{text}");
        }
    }
}
