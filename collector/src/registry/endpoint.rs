//! Asks one host that answers for a registry: the registry itself, or a mirror.

use std::collections::BTreeSet;
use std::fs::File;

use assay_verifier::oci::{Descriptor, Digest, Manifest, Repository, media_type};
use assay_verifier::{json, limits};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Client, Method, Url};

use super::error::RegistryError;
use super::hosts::RegistryHost;
use super::http::{self, Body, HttpError, Network, Redirects, Reply};
use super::login::Login;
use super::options::Options;
use super::paging;
use super::urls::without_query;

/// A host, and what is needed to ask it.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) host: RegistryHost,
    client: Client,
    login: Login,
    network: Network,
}

/// How a host lists what refers to a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListedBy {
    /// By the referrers API.
    Api,
    /// Under the tag that is made of the digest.
    FallbackTag,
}

/// What a host lists as referring to a manifest: signatures and anything else.
#[derive(Debug)]
pub(crate) struct Listing {
    /// What was read of it.
    pub entries: Vec<Descriptor>,
    /// Why there may be more.
    pub fault: Option<RegistryError>,
}

/// What is asked of a host.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) method: &'a Method,
    pub(super) headers: &'a HeaderMap,
    /// What is sent.
    pub(super) content: &'a [u8],
    /// Where the answer goes.
    pub(super) answer: Body<'a>,
}

/// A manifest or blob that a registry sent, not checked yet.
pub(super) struct Download {
    pub(super) url: String,
    pub(super) content_type: String,
    pub(super) bytes: Vec<u8>,
}

impl Endpoint {
    pub(super) fn new(
        host: RegistryHost,
        options: &Options,
        network: &Network,
    ) -> Result<Self, RegistryError> {
        let mut authorities = options.authorities.clone();
        authorities.extend(host.authorities.iter().cloned());
        let client = http::client(&authorities, host.connect, Redirects::No)?;
        let login = Login::new(&host, &authorities, options, network)?;
        Ok(Self { host, client, login, network: network.clone() })
    }

    /// The manifest or index under a tag or digest.
    pub(super) async fn manifest(
        &self,
        repository: &Repository,
        reference: &str,
    ) -> Result<Download, RegistryError> {
        let url = self.host.url(repository, "manifests", reference);
        download(self.get(repository, url, &MANIFESTS.join(", "), MANIFEST).await?)
    }

    /// What a listing names as a manifest of that digest and size, not checked yet.
    pub(super) async fn referrer(
        &self,
        repository: &Repository,
        entry: &Descriptor,
    ) -> Result<Download, RegistryError> {
        let url = self.host.url(repository, "manifests", entry.digest.as_str());
        // its type may be unknown here, and then it is not a signature
        let accept = format!("{}, */*;q=0.1", MANIFESTS.join(", "));
        let body = Body::Memory { limit: entry.size.min(limits::MANIFEST_BYTES) };
        let reply = self.get(repository, url, &accept, body).await?;
        download(reply)
    }

    /// A blob, not checked yet.
    pub(super) async fn blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        limit: u64,
    ) -> Result<Download, RegistryError> {
        let url = self.host.url(repository, "blobs", digest.as_str());
        download(self.get(repository, url, "*/*", Body::Memory { limit }).await?)
    }

    /// A blob of any size, into a file, not checked yet. Gives where it was.
    pub(super) async fn large_blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        file: &File,
    ) -> Result<String, RegistryError> {
        let url = self.host.url(repository, "blobs", blob.digest.as_str());
        let body = Body::File { limit: blob.size, file };
        Ok(download(self.get(repository, url, "*/*", body).await?)?.url)
    }

    /// What is listed as referring to `subject`. No artifact type is asked for, and none of an entry decides anything: copies
    /// and registries take it from another member than the manifest's own.
    pub(super) async fn referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
        listed_by: ListedBy,
    ) -> Listing {
        let mut entries = Vec::new();
        let read = match listed_by {
            ListedBy::Api => self.by_api(repository, subject, &mut entries).await,
            ListedBy::FallbackTag => self.under_fallback_tag(repository, subject, &mut entries).await,
        };
        Listing { entries, fault: read.err() }
    }

    /// Every page of the referrers API; nothing if the registry does not have it.
    async fn by_api(
        &self,
        repository: &Repository,
        subject: &Digest,
        listed: &mut Vec<Descriptor>,
    ) -> Result<(), RegistryError> {
        let mut url = self.host.url(repository, "referrers", subject.as_str());
        let mut seen = BTreeSet::new();
        loop {
            let pages = |why| RegistryError::Pages { url: without_query(&url), why };
            if !seen.insert(url.to_string()) {
                return Err(pages("lead in circles"));
            }
            if seen.len() > PAGES || listed.len() > limits::INDEX_ENTRIES {
                return Err(pages("are more than any real listing has"));
            }
            let reply = self.get(repository, url.clone(), media_type::OCI_INDEX, MANIFEST).await?;
            let is_first = seen.len() == 1;
            match reply.status.as_u16() {
                200 if is_listing(&reply) => {}
                // what old registries and proxies say to a path that they do not know
                200 | 400 | 404 | 405 | 501 if is_first => return Ok(()),
                _ => return Err(unexpected(&reply)),
            }
            listed.extend(entries(&reply)?);
            match paging::next(&reply.headers, &reply.url) {
                None => return Ok(()),
                Some(next) => url = next.map_err(pages)?,
            }
        }
    }

    /// The listing that clients keep if there is no API: an index under a tag made of the digest.
    async fn under_fallback_tag(
        &self,
        repository: &Repository,
        subject: &Digest,
        listed: &mut Vec<Descriptor>,
    ) -> Result<(), RegistryError> {
        let tag = format!("{}-{}", subject.algorithm().name(), subject.hex());
        let url = self.host.url(repository, "manifests", &tag);
        let reply = self.get(repository, url, media_type::OCI_INDEX, MANIFEST).await?;
        match reply.status.as_u16() {
            200 => listed.extend(entries(&reply)?),
            404 => {}
            _ => return Err(unexpected(&reply)),
        }
        Ok(())
    }

    async fn get(
        &self,
        repository: &Repository,
        url: Url,
        accept: &str,
        body: Body<'_>,
    ) -> Result<Reply, RegistryError> {
        let accept = HeaderValue::from_str(accept).unwrap_or(HeaderValue::from_static("*/*"));
        let headers = HeaderMap::from_iter([(ACCEPT, accept)]);
        self.ask(repository, url, Ask { method: &Method::GET, headers: &headers, content: &[], answer: body })
            .await
    }

    /// Asks, and logs in if the registry demands it.
    pub(super) async fn ask(
        &self,
        repository: &Repository,
        url: Url,
        ask: Ask<'_>,
    ) -> Result<Reply, RegistryError> {
        let mut authorization = self.login.known(repository).await;
        let mut tried = false;
        loop {
            let reply = self.follow(&url, ask, authorization.as_ref()).await?;
            let status = reply.status.as_u16();
            match status {
                401 | 403 if !self.host.is_at(&reply.url) => {
                    let hint =
                        "the registry leads to this server, and credentials are sent to the registry alone";
                    return Err(RegistryError::Unauthorized {
                        url: without_query(&reply.url),
                        status,
                        hint: hint.to_owned(),
                    });
                }
                // a token that lacks a scope may be refused by 403
                401 | 403 if !tried && (status == 401 || reply.headers.contains_key(WWW_AUTHENTICATE)) => {
                    tried = true;
                    authorization = self.login.renew(repository, authorization.as_ref(), &reply).await?;
                }
                401 | 403 => {
                    let hint = self.login.hint(repository).await;
                    return Err(RegistryError::Unauthorized { url: without_query(&reply.url), status, hint });
                }
                _ => return Ok(reply),
            }
        }
    }

    /// Asks, and follows redirects if nothing is sent. Secrets go to this host alone.
    async fn follow(
        &self,
        url: &Url,
        ask: Ask<'_>,
        authorization: Option<&HeaderValue>,
    ) -> Result<Reply, HttpError> {
        let mut url = url.clone();
        for _ in 0..=http::REDIRECTS {
            let is_own = self.host.is_at(&url);
            let mut headers = ask.headers.clone();
            if is_own {
                headers.extend(self.host.headers.clone());
            }
            if let Some(authorization) = authorization.filter(|_| is_own) {
                headers.insert(AUTHORIZATION, authorization.clone());
            }
            let request = || {
                let request = self.client.request(ask.method.clone(), url.clone()).headers(headers.clone());
                if ask.method.is_safe() { request } else { request.body(ask.content.to_vec()) }
            };
            let reply = http::get(request, ask.answer, &self.network).await?;
            match reply.leads_to()? {
                Some(next) if ask.method.is_safe() => url = next,
                Some(_) => {
                    let why = "it leads elsewhere, where nothing is sent".to_owned();
                    return Err(HttpError::Refused { url: without_query(&url), why });
                }
                None => return Ok(reply),
            }
        }
        Err(HttpError::Refused { url: without_query(&url), why: http::TOO_MANY_REDIRECTS.to_owned() })
    }
}

fn download(reply: Reply) -> Result<Download, RegistryError> {
    match reply.status.as_u16() {
        200 => Ok(Download {
            url: without_query(&reply.url),
            content_type: content_type(&reply),
            bytes: reply.body,
        }),
        404 => Err(RegistryError::NotFound { url: without_query(&reply.url) }),
        _ => Err(unexpected(&reply)),
    }
}

pub(super) fn unexpected(reply: &Reply) -> RegistryError {
    if reply.status.as_u16() == 407 {
        let why =
            "the proxy demands a login: give user and password in the URL that names the proxy".to_owned();
        return HttpError::Refused { url: without_query(&reply.url), why }.into();
    }
    let text: String = String::from_utf8_lossy(&reply.body).chars().take(200).collect();
    let message = if text.is_empty() { text } else { format!(": {text}") };
    RegistryError::Status { url: without_query(&reply.url), status: reply.status.as_u16(), message }
}

fn content_type(reply: &Reply) -> String {
    let value = reply.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_owned()
}

/// Whether an answer is an index, whatever type the registry gives it, or JSON that cannot be read: a listing that is passed
/// over is signatures lost. Pages for people and other documents are what old registries and proxies give instead.
fn is_listing(reply: &Reply) -> bool {
    let says_so = |index: &Manifest| {
        index.media_type.as_deref() == Some(media_type::OCI_INDEX) || !index.manifests.is_empty()
    };
    content_type(reply) == media_type::OCI_INDEX
        || Manifest::parse(&reply.body).map_or_else(
            |_| json::is_object(&reply.body) || content_type(reply).ends_with("json"),
            |one| says_so(&one),
        )
}

fn entries(reply: &Reply) -> Result<Vec<Descriptor>, RegistryError> {
    Manifest::parse(&reply.body).map(|index| index.manifests).map_err(|error| RegistryError::NotAManifest {
        url: without_query(&reply.url),
        why: error.to_string(),
    })
}

/// Where manifests and listings go.
const MANIFEST: Body<'_> = Body::Memory { limit: limits::MANIFEST_BYTES };

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
