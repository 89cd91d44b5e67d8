//! Fetches what certificates say is published at a URL. The URL is a stranger's.
//!
//! A stranger who pushes a signature to a registry chooses these URLs, and so where this program connects to. It is therefore
//! never sent to this machine or its link unless the operator names the host, and to a private network only by the
//! certificate itself, not by a redirect. What counts is the address that a connection is made to: names are resolved once,
//! and only the addresses that may be asked are given to the connection. A proxy resolves names itself; behind one, names
//! are its business, and addresses are still refused here.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Url};
use tokio::sync::OnceCell;

use super::addresses::{AddressPolicy, ForbiddenAddress, NamedHost, host_of};
use super::error::RegistryError;
use super::http::{self, Body, HttpError, Network, Redirects};
use super::urls::without_query;

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
        let refused =
            |url: &Url, why: &str| HttpError::Refused { url: without_query(url), why: why.to_owned() };
        let mut url = Url::parse(url)
            .map_err(|error| HttpError::Refused { url: url.to_owned(), why: error.to_string() })?;
        let first = host_of(&url).to_owned();
        for _ in 0..=http::REDIRECTS {
            let reach = if is_own(&url) || self.named.iter().any(|named| named.names(&url)) {
                AddressPolicy::Anywhere
            } else if host_of(&url) == first {
                AddressPolicy::Site
            } else {
                AddressPolicy::Public
            };
            self.check(&url, reach).map_err(|error| refused(&url, &error.to_string()))?;
            let client = self.client(reach).await?;
            let reply = http::get(|| client.get(url.clone()), Body::Memory { limit }, network).await?;
            match (reply.status.as_u16(), reply.leads_to()?) {
                (200, _) => return Ok(reply.body),
                (_, Some(next)) => url = next,
                (status, None) => {
                    return Err(RegistryError::Status {
                        url: without_query(&url),
                        status,
                        message: String::new(),
                    });
                }
            }
        }
        Err(refused(&url, http::TOO_MANY_REDIRECTS).into())
    }

    /// Checks a host that is an address, or that always means this machine; other names are checked when they are
    /// resolved.
    fn check(&self, url: &Url, reach: AddressPolicy) -> Result<(), ForbiddenAddress> {
        let host = host_of(url);
        let is_here = host == "localhost" || host.ends_with(".localhost");
        let address = if is_here { Some(Ipv4Addr::LOCALHOST.into()) } else { host.parse::<IpAddr>().ok() };
        address.map_or(Ok(()), |address| reach.check(host, address))
    }

    async fn client(&self, reach: AddressPolicy) -> Result<&Client, HttpError> {
        let cell = match reach {
            AddressPolicy::Anywhere => &self.anywhere,
            AddressPolicy::Site => &self.site,
            AddressPolicy::Public => &self.public,
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
    reach: AddressPolicy,
    named: Arc<Vec<NamedHost>>,
    proxies: Arc<BTreeSet<String>>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (named, is_proxy) = (Arc::clone(&self.named), self.proxies.contains(name.as_str()));
        let reach = if is_proxy { AddressPolicy::Anywhere } else { self.reach };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_are_resolved_to_what_may_be_asked() {
        let resolve = async |reach, named: &[&str], proxies: &[&str]| {
            let named = named.iter().map(|name| NamedHost::parse(name).unwrap()).collect();
            let proxies = proxies.iter().map(|&name| name.to_owned()).collect();
            let resolver = Resolver { reach, named: Arc::new(named), proxies: Arc::new(proxies) };
            resolver.resolve("localhost".parse().unwrap()).await.map(Iterator::count)
        };
        for reach in [AddressPolicy::Site, AddressPolicy::Public] {
            let refused = resolve(reach, &["localhost:80"], &["proxy.example"]).await.unwrap_err();
            assert!(refused.is::<ForbiddenAddress>());
            assert!(resolve(reach, &["127.0.0.1", "::1"], &[]).await.unwrap() > 0);
            assert!(resolve(reach, &[], &["localhost"]).await.unwrap() > 0);
        }
        assert!(resolve(AddressPolicy::Anywhere, &[], &[]).await.unwrap() > 0);
        // A connection that fails is not tried again.
        let publishers = Publishers::new(Vec::new(), BTreeSet::new());
        let client = publishers.client(AddressPolicy::Site).await.unwrap();
        let error = client.get("http://localhost:1/").send().await.unwrap_err();
        assert!(matches!(HttpError::from_reqwest(&error), HttpError::Refused { .. }), "{error:?}");
    }
}
