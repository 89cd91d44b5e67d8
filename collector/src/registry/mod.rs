//! Registries: names in; manifests, listings of signatures and blobs out, each checked against its digest before anyone
//! sees it.
//!
//! The only place that speaks HTTP, with reqwest. OCI distribution specification 1.1: manifests, blobs, referrers with paging,
//! and the fallback tag. oci-client is not used: its requests read bodies of any length into memory, drop
//! `Retry-After`, follow no page of a listing but the first, and take any error under the fallback tag (429 too) for "there
//! are no signatures", which would make a bundle that lacks some and looks whole; its logins send a password wherever the
//! registry or a redirect says, without TLS too. Refused here: other bytes than a digest names, bodies past a bound,
//! redirects from HTTPS to HTTP, pages that lead to another server, credentials in clear ([`LoginFault::InClear`]), and CRLs
//! at addresses that nobody but this machine should reach.

mod credentials;
mod endpoint;
mod hosts;
mod http;
mod login;
mod paging;
mod published;
mod tls;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use assay_verifier::limits;
use assay_verifier::oci::{Descriptor, Digest, Manifest, ManifestKind, Repository, media_type};
use tokio::sync::Mutex;

pub use credentials::AuthFile;
pub use hosts::HostsError;
pub use http::HttpError;
pub use login::LoginFault;
pub use published::{NamedHost, NamedHostError, proxy_host};
pub use tls::{Authority, authorities};

use crate::random;
use endpoint::{Endpoint, Found};
use hosts::{Place, authority};
use http::Network;
use published::Publishers;

/// How registries are reached.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Everything is fetched from here instead of where its name says: a registry, perhaps with the beginning of a path.
    pub from: Option<String>,
    /// A folder of containerd's `hosts.toml` files, one folder a registry.
    pub hosts: Option<PathBuf>,
    /// Registries (`host` or `host:port`) that are spoken to without TLS.
    pub plain_http: BTreeSet<String>,
    /// Certificates that are trusted beside the system's.
    pub authorities: Vec<Authority>,
    /// Hosts that CRLs are fetched from although they are this machine or its link.
    pub crl_from: Vec<NamedHost>,
    /// The hosts of proxies that the environment names.
    pub proxies: BTreeSet<String>,
    /// Where credentials are looked up, the first that has some counts.
    pub auth_files: Vec<AuthFile>,
    /// How long to go on.
    pub patience: Patience,
}

/// How failures that may pass are waited out.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How often a request is made again.
    pub retries: u32,
    /// The first pause; each one after is twice as long.
    pub first: Duration,
    /// The longest pause that a server may ask for.
    pub longest: Duration,
    /// How long one request may take.
    pub request: Duration,
}

impl Patience {
    /// How long to wait after so many attempts, a little more or less, so that many who wait do not come back at once.
    fn pause(&self, attempt: u32) -> Duration {
        let pause = self.first.saturating_mul(2_u32.saturating_pow(attempt)).min(self.longest);
        pause.mul_f64(random::fraction().mul_add(0.5, 0.75))
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            retries: 4,
            first: Duration::from_millis(500),
            longest: Duration::from_secs(120),
            request: Duration::from_secs(120),
        }
    }
}

/// All registries there are, and what is known of those that were asked.
#[derive(Debug)]
pub struct Registries {
    options: Options,
    known: Mutex<BTreeMap<String, Arc<Vec<Endpoint>>>>,
    publishers: Publishers,
    network: Network,
}

/// A manifest or index with its bytes, which are what its descriptor says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Media type, digest and size.
    pub descriptor: Descriptor,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The same, read.
    pub manifest: Manifest,
}

/// How a place lists what refers to a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListedBy {
    /// By the referrers API.
    Api,
    /// Under the tag that is made of the digest.
    FallbackTag,
}

/// What a place lists as referring to a manifest: signatures and anything else.
#[derive(Debug)]
pub struct Listing {
    /// What was read of it.
    pub entries: Vec<Descriptor>,
    /// Why there may be more.
    pub fault: Option<RegistryError>,
}

/// A place that lists what refers to manifests.
#[derive(Debug)]
pub struct Lister {
    endpoints: Arc<Vec<Endpoint>>,
    at: usize,
}

impl Lister {
    /// What it lists as referring to a manifest; nothing where it has no such list.
    pub async fn referrers(&self, repository: &Repository, subject: &Digest, listed_by: ListedBy) -> Listing {
        match self.endpoints.get(self.at) {
            Some(endpoint) => endpoint.referrers(repository, subject, listed_by).await,
            None => Listing { entries: Vec::new(), fault: Some(RegistryError::NoEndpoint) },
        }
    }
}

impl Registries {
    /// Registries that are reached so.
    pub fn new(options: Options) -> Self {
        let publishers = Publishers::new(options.crl_from.clone(), options.proxies.clone());
        let network = Network::new(options.patience);
        Self { options, known: Mutex::default(), publishers, network }
    }

    /// The manifest or index under a tag.
    ///
    /// # Errors
    /// [`RegistryError`]
    pub async fn resolve(&self, repository: &Repository, tag: &str) -> Result<Fetched, RegistryError> {
        let endpoints = self.endpoints(repository).await?;
        let mut failed = Vec::new();
        for endpoint in endpoints.iter().filter(|endpoint| endpoint.place.resolves) {
            match endpoint.manifest(repository, tag).await.and_then(|found| fetched(found, None)) {
                Ok(fetched) => return Ok(fetched),
                Err(error) => failed.push(error),
            }
        }
        Err(RegistryError::of_places(failed))
    }

    /// The manifest or index of a digest. `expected` says what it must be, where that is known.
    ///
    /// # Errors
    /// [`RegistryError`]
    pub async fn manifest(
        &self,
        repository: &Repository,
        digest: &Digest,
        expected: Option<&Descriptor>,
    ) -> Result<Fetched, RegistryError> {
        let endpoints = self.endpoints(repository).await?;
        let mut failed = Vec::new();
        for endpoint in endpoints.iter().filter(|endpoint| endpoint.place.pulls) {
            let found = endpoint.manifest(repository, digest.as_str()).await;
            match found.and_then(|found| checked(found, digest, expected)) {
                Ok(fetched) => return Ok(fetched),
                Err(error) => failed.push(error),
            }
        }
        Err(RegistryError::of_places(failed))
    }

    /// A small blob.
    ///
    /// # Errors
    /// [`RegistryError`]; [`HttpError::TooLarge`] where it is larger than `limit`.
    pub async fn blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        limit: u64,
    ) -> Result<Vec<u8>, RegistryError> {
        let endpoints = self.endpoints(repository).await?;
        let mut failed = Vec::new();
        for endpoint in endpoints.iter().filter(|endpoint| endpoint.place.pulls) {
            let found = endpoint.blob(repository, &blob.digest, limit).await;
            match found.and_then(|found| named(found, blob)) {
                Ok(found) => return Ok(found.bytes),
                Err(error) => failed.push(error),
            }
        }
        Err(RegistryError::of_places(failed))
    }

    /// The places that list what refers to the manifests of a repository, in the order in which they are asked.
    ///
    /// # Errors
    /// [`RegistryError`] where no place can be asked: that is no empty list.
    pub async fn listers(&self, repository: &Repository) -> Result<Vec<Lister>, RegistryError> {
        let endpoints = self.endpoints(repository).await?;
        let pulling = (0..endpoints.len()).filter(|&at| endpoints.get(at).is_some_and(|one| one.place.pulls));
        let listers: Vec<Lister> =
            pulling.map(|at| Lister { endpoints: Arc::clone(&endpoints), at }).collect();
        if listers.is_empty() { Err(RegistryError::NoEndpoint) } else { Ok(listers) }
    }

    /// What a listing names, whatever it is: the media type that the registry gives it, and the bytes, whose digest and size
    /// are those of the entry.
    ///
    /// # Errors
    /// [`RegistryError`]
    pub async fn referrer(
        &self,
        repository: &Repository,
        entry: &Descriptor,
    ) -> Result<(String, Vec<u8>), RegistryError> {
        let endpoints = self.endpoints(repository).await?;
        let mut failed = Vec::new();
        for endpoint in endpoints.iter().filter(|endpoint| endpoint.place.pulls) {
            match endpoint.referrer(repository, entry).await.and_then(|found| named(found, entry)) {
                Ok(found) => return Ok((found.content_type, found.bytes)),
                Err(error) => failed.push(error),
            }
        }
        Err(RegistryError::of_places(failed))
    }

    /// What is published at a URL that a certificate names, which needs no login: a CRL. Only hosts that the operator names
    /// may be this machine or its link; a registry that was asked is one, with its own port.
    ///
    /// # Errors
    /// [`RegistryError`]
    pub async fn published(&self, url: &str, limit: u64) -> Result<Vec<u8>, RegistryError> {
        let known = self.known.lock().await;
        let own: BTreeSet<String> =
            known.values().flat_map(|places| places.iter()).map(|one| one.place.registry()).collect();
        drop(known);
        let is_own = |url: &reqwest::Url| own.contains(&authority(url));
        self.publishers.get(url, limit, &self.network, is_own).await
    }

    /// Where a repository is asked for, in order.
    async fn endpoints(&self, repository: &Repository) -> Result<Arc<Vec<Endpoint>>, RegistryError> {
        let registry = registry_of(repository);
        let mut known = self.known.lock().await;
        if let Some(endpoints) = known.get(registry) {
            return Ok(Arc::clone(endpoints));
        }
        let places = Place::all(registry, &self.options)?;
        let endpoints = places.into_iter().map(|place| Endpoint::new(place, &self.options, &self.network));
        let endpoints = Arc::new(endpoints.collect::<Result<Vec<_>, _>>()?);
        known.insert(registry.to_owned(), Arc::clone(&endpoints));
        Ok(endpoints)
    }
}

/// The registry of a repository, and the rest of its name.
fn split(repository: &Repository) -> (&str, &str) {
    // every repository has both
    repository.as_str().split_once('/').unwrap_or((repository.as_str(), ""))
}

fn registry_of(repository: &Repository) -> &str {
    split(repository).0
}

/// Bytes that are what a descriptor says.
fn named(found: Found, descriptor: &Descriptor) -> Result<Found, RegistryError> {
    let is_it = descriptor.digest.matches(&found.bytes) && found.bytes.len() as u64 == descriptor.size;
    if is_it { Ok(found) } else { Err(RegistryError::other(found.url, &descriptor.digest)) }
}

/// A manifest that is what its digest says, and what `expected` says.
fn checked(found: Found, digest: &Digest, expected: Option<&Descriptor>) -> Result<Fetched, RegistryError> {
    let size = expected.map_or(found.bytes.len() as u64, |expected| expected.size);
    let found = named(found, &Descriptor::new("", digest.clone(), size))?;
    let fetched = fetched(found, Some(digest))?;
    match expected {
        // whoever lists a manifest says its type, and a registry's own idea of it does not count
        Some(expected) if ManifestKind::from_media_type(&expected.media_type).is_some() => Ok(Fetched {
            descriptor: Descriptor { media_type: expected.media_type.clone(), ..fetched.descriptor },
            ..fetched
        }),
        _ => Ok(fetched),
    }
}

/// A manifest as a registry gave it out.
fn fetched(found: Found, digest: Option<&Digest>) -> Result<Fetched, RegistryError> {
    let Found { url, content_type, bytes } = found;
    let digest = digest.cloned().unwrap_or_else(|| Digest::sha256(&bytes));
    let manifest = Manifest::parse(&bytes)
        .map_err(|error| RegistryError::NoManifest { url: url.clone(), why: error.to_string() })?;
    let said = manifest.media_type.clone().filter(|said| !said.is_empty());
    let media_type = match said {
        // two readers must not see two kinds of document in the same bytes
        Some(said) if ManifestKind::from_media_type(&content_type).is_some() && said != content_type => {
            let why = format!("the registry calls it {content_type}, and it calls itself {said}");
            return Err(RegistryError::NoManifest { url, why });
        }
        Some(said) => said,
        None => content_type,
    };
    if ManifestKind::from_media_type(&media_type).is_none() {
        let why = format!("it is of the type {media_type:?}, which is no image");
        return Err(RegistryError::NoManifest { url, why });
    }
    let descriptor = Descriptor::new(media_type, digest, bytes.len() as u64);
    Ok(Fetched { descriptor, bytes, manifest })
}

/// The media types that are asked for.
const MANIFESTS: [&str; 5] = [
    media_type::OCI_INDEX,
    media_type::OCI_MANIFEST,
    media_type::DOCKER_MANIFEST_LIST,
    media_type::DOCKER_MANIFEST,
    media_type::OCI_ARTIFACT_MANIFEST,
];

/// Pages of one listing: as many referrers as are read of an image, in pages of one.
const PAGES: usize = limits::REFERRERS_PER_IMAGE;

/// Something cannot be had from a registry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// It was not reached, or not to the end.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// It is not there.
    #[error("{url}: the registry does not have it")]
    NotFound {
        /// What was asked for.
        url: String,
    },
    /// Nobody may read it who is not logged in, or not as this user.
    #[error("{url}: not authorized ({status}): {hint}")]
    Unauthorized {
        /// What was asked for.
        url: String,
        /// 401 or 403.
        status: u16,
        /// What to do.
        hint: String,
    },
    /// The login failed.
    #[error(transparent)]
    Login(#[from] LoginFault),
    /// Another answer than the specification knows.
    #[error("{url}: the registry answers {status}{message}")]
    Status {
        /// What was asked for.
        url: String,
        /// The status.
        status: u16,
        /// What it says, with a colon before it.
        message: String,
    },
    /// The bytes are not what their digest says.
    #[error("{url}: the registry gives other bytes than those of the digest {digest}")]
    Other {
        /// What was asked for.
        url: String,
        /// The digest.
        digest: Digest,
    },
    /// An answer is no manifest.
    #[error("{url}: {why}")]
    NoManifest {
        /// What was asked for.
        url: String,
        /// Why not.
        why: String,
    },
    /// A listing leads in circles, to another server, or further than any real one.
    #[error("{url}: its pages {why}")]
    Pages {
        /// What was asked for.
        url: String,
        /// What they do.
        why: &'static str,
    },
    /// Several places were asked, and each fails in its own way.
    #[error("none of {} places has it to give: {}", .0.len(), .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Places(Vec<Self>),
    /// `hosts.toml` leaves no place to ask.
    #[error("hosts.toml names no place that may be asked for this")]
    NoEndpoint,
    /// `hosts.toml` or `--from` cannot be used.
    #[error(transparent)]
    Hosts(#[from] HostsError),
}

impl RegistryError {
    /// What is said when every place failed that was asked.
    pub(crate) fn of_places(mut failed: Vec<Self>) -> Self {
        match failed.len() {
            0 => Self::NoEndpoint,
            1 => failed.remove(0),
            _ => Self::Places(failed),
        }
    }

    /// Whether it is not there: the last place is the registry itself, and the others copy it.
    pub(crate) fn is_not_found(&self) -> bool {
        match self {
            Self::NotFound { .. } => true,
            Self::Places(failed) => failed.last().is_some_and(Self::is_not_found),
            _ => false,
        }
    }

    fn other(url: String, digest: &Digest) -> Self {
        Self::Other { url, digest: digest.clone() }
    }
}
