//! Fetches manifests, listings of signatures and blobs from registries, and checks each against its digest before it is used. The
//! agent's image is pushed to them.
//!
//! The only place that speaks HTTP, with reqwest. OCI distribution specification 1.1: manifests, blobs, referrers with paging,
//! and the fallback tag. oci-client is not used: its requests read bodies of any length into memory, drop
//! `Retry-After`, follow only the first page of a listing, and take any error under the fallback tag (429 too) for "there
//! are no signatures", so that a bundle would lack some and look complete; its logins send a password wherever the
//! registry or a redirect says, without TLS too. Refused here: other bytes than a digest names, bodies past a bound,
//! redirects from HTTPS to HTTP, pages that lead to another server, credentials in clear ([`LoginFault::InClear`]), and CRLs
//! at addresses that only this machine should reach.

mod addresses;
mod credentials;
mod endpoint;
mod error;
mod hosts;
mod http;
mod login;
mod options;
mod paging;
mod published;
#[cfg(feature = "kubernetes")]
mod push;
mod tls;
mod urls;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read as _, Seek as _};
#[cfg(feature = "kubernetes")]
use std::path::PathBuf;
use std::sync::Arc;

use assay_verifier::oci::{Descriptor, Digest, Manifest, ManifestKind, Repository};
use tokio::sync::Mutex;

pub(crate) use addresses::{NamedHost, proxy_host};
pub(crate) use credentials::AuthFile;
pub(crate) use endpoint::{ListedBy, Listing};
pub(crate) use error::RegistryError;
pub(crate) use http::HttpError;
pub(crate) use options::{Options, RequestPolicy};
pub(crate) use tls::authorities;

use crate::errors::with_sources;
use endpoint::{Download, Endpoint};
use hosts::{RegistryHost, split};
use http::Network;
use published::Publishers;
use urls::authority;

/// All registries, and what is known of those that were asked.
#[derive(Debug)]
pub(crate) struct Registries {
    options: Options,
    known: Mutex<BTreeMap<String, Arc<Vec<Endpoint>>>>,
    publishers: Publishers,
    network: Network,
}

/// A manifest or index with its bytes, which are what its descriptor says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// Media type, digest and size.
    pub descriptor: Descriptor,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The same, read.
    pub manifest: Manifest,
}

/// A host that lists what refers to manifests.
#[derive(Debug)]
pub(crate) struct Lister {
    endpoints: Arc<Vec<Endpoint>>,
    at: usize,
}

impl Lister {
    /// What it lists as referring to a manifest; nothing if it has no list.
    pub(crate) async fn referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
        listed_by: ListedBy,
    ) -> Listing {
        match self.endpoints.get(self.at) {
            Some(endpoint) => endpoint.referrers(repository, subject, listed_by).await,
            None => Listing { entries: Vec::new(), fault: Some(RegistryError::NoEndpoint) },
        }
    }
}

impl Registries {
    /// Registries that are reached so.
    pub(crate) fn new(options: Options) -> Self {
        let publishers = Publishers::new(options.crl_from.clone(), options.proxies.clone());
        let network = Network::new(options.request_policy);
        Self { options, known: Mutex::default(), publishers, network }
    }

    /// The manifest or index under a tag.
    ///
    /// # Errors
    /// [`RegistryError`]
    pub(crate) async fn resolve(&self, repository: &Repository, tag: &str) -> Result<Fetched, RegistryError> {
        let endpoints = self.endpoints(repository).await?;
        let mut failed = Vec::new();
        for endpoint in endpoints.iter().filter(|endpoint| endpoint.host.resolves) {
            match endpoint.manifest(repository, tag).await.and_then(|found| read_manifest(found, None)) {
                Ok(fetched) => return Ok(fetched),
                Err(error) => failed.push(error),
            }
        }
        Err(RegistryError::all_failed(failed))
    }

    /// The manifest or index of a digest. `expected` says what it must be, where that is known.
    ///
    /// # Errors
    /// [`RegistryError`]
    pub(crate) async fn manifest(
        &self,
        repository: &Repository,
        digest: &Digest,
        expected: Option<&Descriptor>,
    ) -> Result<Fetched, RegistryError> {
        let endpoints = self.endpoints(repository).await?;
        let mut failed = Vec::new();
        for endpoint in endpoints.iter().filter(|endpoint| endpoint.host.pulls) {
            let found = endpoint.manifest(repository, digest.as_str()).await;
            match found.and_then(|found| check_manifest(found, digest, expected)) {
                Ok(fetched) => return Ok(fetched),
                Err(error) => failed.push(error),
            }
        }
        Err(RegistryError::all_failed(failed))
    }

    /// A small blob.
    ///
    /// # Errors
    /// [`RegistryError`]; [`HttpError::TooLarge`] if it is larger than `limit`.
    pub(crate) async fn blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        limit: u64,
    ) -> Result<Vec<u8>, RegistryError> {
        let endpoints = self.endpoints(repository).await?;
        let mut failed = Vec::new();
        for endpoint in endpoints.iter().filter(|endpoint| endpoint.host.pulls) {
            let found = endpoint.blob(repository, &blob.digest, limit).await;
            match found.and_then(|found| check_digest(found, &blob.digest, blob.size)) {
                Ok(found) => return Ok(found.bytes),
                Err(error) => failed.push(error),
            }
        }
        Err(RegistryError::all_failed(failed))
    }

    /// A blob of any size, into `file` in place of what is there.
    ///
    /// # Errors
    /// [`RegistryError`]
    pub(crate) async fn large_blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        file: &File,
    ) -> Result<(), RegistryError> {
        let endpoints = self.endpoints(repository).await?;
        let mut failed = Vec::new();
        for endpoint in endpoints.iter().filter(|endpoint| endpoint.host.pulls) {
            match endpoint.large_blob(repository, blob, file).await {
                Ok(_) if is_blob(file, blob).await => return Ok(()),
                Ok(url) => failed.push(RegistryError::other_bytes(url, &blob.digest)),
                Err(error) => failed.push(error),
            }
        }
        Err(RegistryError::all_failed(failed))
    }

    /// Pushes an image to its registry, under its digest and a tag. `image` is what it consists of, each with its file: a manifest
    /// stands after what it names, and the image is the last. It is read back.
    ///
    /// # Errors
    /// [`RegistryError`]
    #[cfg(feature = "kubernetes")]
    pub(crate) async fn push(
        &self,
        repository: &Repository,
        tag: Option<&str>,
        image: &[(Descriptor, PathBuf)],
    ) -> Result<(), RegistryError> {
        let endpoints = self.endpoints(repository).await?;
        // the last is the registry itself
        let endpoint = endpoints.last().ok_or(RegistryError::NoEndpoint)?;
        endpoint.push(repository, tag, image).await?;
        if let Some((index, _)) = image.last() {
            self.manifest(repository, &index.digest, Some(index)).await?;
        }
        Ok(())
    }

    /// The hosts that list what refers to the manifests of a repository, in the order in which they are asked.
    ///
    /// # Errors
    /// [`RegistryError`] if no host can be asked, which is not the same as an empty list.
    pub(crate) async fn listers(&self, repository: &Repository) -> Result<Vec<Lister>, RegistryError> {
        let endpoints = self.endpoints(repository).await?;
        let pulling = (0..endpoints.len()).filter(|&at| endpoints.get(at).is_some_and(|one| one.host.pulls));
        let listers: Vec<Lister> =
            pulling.map(|at| Lister { endpoints: Arc::clone(&endpoints), at }).collect();
        if listers.is_empty() { Err(RegistryError::NoEndpoint) } else { Ok(listers) }
    }

    /// What a listing names, of any kind: the media type that the registry gives it, and the bytes, whose digest and size
    /// are those of the entry.
    ///
    /// # Errors
    /// [`RegistryError`]
    pub(crate) async fn referrer(
        &self,
        repository: &Repository,
        entry: &Descriptor,
    ) -> Result<(String, Vec<u8>), RegistryError> {
        let endpoints = self.endpoints(repository).await?;
        let mut failed = Vec::new();
        for endpoint in endpoints.iter().filter(|endpoint| endpoint.host.pulls) {
            match endpoint
                .referrer(repository, entry)
                .await
                .and_then(|found| check_digest(found, &entry.digest, entry.size))
            {
                Ok(found) => return Ok((found.content_type, found.bytes)),
                Err(error) => failed.push(error),
            }
        }
        Err(RegistryError::all_failed(failed))
    }

    /// What is published at a URL that a certificate names, which needs no login: a CRL. Only hosts that the operator names
    /// may be this machine or its link; a registry that was asked is one, with its own port.
    ///
    /// # Errors
    /// [`RegistryError`]
    pub(crate) async fn published(&self, url: &str, limit: u64) -> Result<Vec<u8>, RegistryError> {
        let known = self.known.lock().await;
        let own: BTreeSet<String> =
            known.values().flat_map(|places| places.iter()).map(|one| one.host.registry()).collect();
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
        let places = RegistryHost::all(registry, &self.options)?;
        let endpoints = places.into_iter().map(|place| Endpoint::new(place, &self.options, &self.network));
        let endpoints = Arc::new(endpoints.collect::<Result<Vec<_>, _>>()?);
        known.insert(registry.to_owned(), Arc::clone(&endpoints));
        Ok(endpoints)
    }
}

fn registry_of(repository: &Repository) -> &str {
    split(repository).0
}

/// Bytes that are what a descriptor says.
fn check_digest(found: Download, digest: &Digest, size: u64) -> Result<Download, RegistryError> {
    let is_it = digest.matches(&found.bytes) && found.bytes.len() as u64 == size;
    if is_it { Ok(found) } else { Err(RegistryError::other_bytes(found.url, digest)) }
}

/// Whether a file can be read and has the bytes that a descriptor says.
async fn is_blob(file: &File, blob: &Descriptor) -> bool {
    let (file, blob) = (file.try_clone(), blob.clone());
    let hash = move || -> std::io::Result<bool> {
        let mut file = file?;
        file.rewind()?;
        let mut hasher = blob.digest.algorithm().hasher();
        let mut buffer = vec![0; 64 << 10];
        let mut size = 0_u64;
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                return Ok(hasher.finish() == blob.digest && size == blob.size);
            }
            hasher.update(buffer.get(..read).unwrap_or_default());
            size = size.saturating_add(read as u64);
        }
    };
    tokio::task::spawn_blocking(hash).await.is_ok_and(|is_it| is_it.unwrap_or(false))
}

/// A manifest that is what its digest says, and what `expected` says.
fn check_manifest(
    found: Download,
    digest: &Digest,
    expected: Option<&Descriptor>,
) -> Result<Fetched, RegistryError> {
    let size = expected.map_or(found.bytes.len() as u64, |expected| expected.size);
    let found = check_digest(found, digest, size)?;
    let fetched = read_manifest(found, Some(digest))?;
    match expected {
        // the listing gives a manifest's type; what the registry calls it does not count
        Some(expected) if ManifestKind::from_media_type(&expected.media_type).is_some() => Ok(Fetched {
            descriptor: Descriptor { media_type: expected.media_type.clone(), ..fetched.descriptor },
            ..fetched
        }),
        _ => Ok(fetched),
    }
}

/// Reads a manifest that a registry sent.
fn read_manifest(found: Download, digest: Option<&Digest>) -> Result<Fetched, RegistryError> {
    let Download { url, content_type, bytes } = found;
    let digest = digest.cloned().unwrap_or_else(|| Digest::sha256(&bytes));
    let manifest = Manifest::parse(&bytes)
        .map_err(|error| RegistryError::NotAManifest { url: url.clone(), why: with_sources(&error) })?;
    let said = manifest.media_type.clone().filter(|said| !said.is_empty());
    let media_type = match said {
        // two readers must not see two kinds of document in the same bytes
        Some(said) if ManifestKind::from_media_type(&content_type).is_some() && said != content_type => {
            let why = format!("the registry calls it {content_type}, and it calls itself {said}");
            return Err(RegistryError::NotAManifest { url, why });
        }
        Some(said) => said,
        None => content_type,
    };
    if ManifestKind::from_media_type(&media_type).is_none() {
        let why = format!("it is of the type {media_type:?}, which is not an image");
        return Err(RegistryError::NotAManifest { url, why });
    }
    let descriptor = Descriptor::new(media_type, digest, bytes.len() as u64);
    Ok(Fetched { descriptor, bytes, manifest })
}
