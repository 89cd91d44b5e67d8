//! Pushes an image to its registry: blobs first, then manifests. OCI distribution specification, "Push".
//!
//! A blob that is there is not sent again. A large one is sent in pieces, so that memory does not grow with it. Nothing that is
//! sent follows a redirect.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

use assay_verifier::limits;
use assay_verifier::oci::{Descriptor, ManifestKind, Repository};
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};

use super::endpoint::{Ask, Endpoint, unexpected};
use super::error::RegistryError;
use super::http::{Body, Reply};

/// Bytes that are sent at once. Some registries take no less than 5 MiB in one of several pieces.
const PIECE: usize = 5 << 20;

/// How the pieces of a blob are called.
const BYTES: &str = "application/octet-stream";

/// Where short answers go.
const ANSWER: Body<'_> = Body::Memory { limit: limits::MANIFEST_BYTES };

impl Endpoint {
    /// Pushes what an image consists of, each with its file: a manifest stands after what it names, and the image is the last. It
    /// gets `tag` beside its digest.
    ///
    /// # Errors
    /// [`RegistryError`]
    pub(super) async fn push(
        &self,
        repository: &Repository,
        tag: Option<&str>,
        image: &[(Descriptor, PathBuf)],
    ) -> Result<(), RegistryError> {
        for (blob, path) in image {
            let mut file = File::open(path)?;
            if ManifestKind::from_media_type(&blob.media_type).is_none() {
                self.push_blob(repository, blob, &mut file).await?;
            } else {
                let bytes = piece(&mut file, usize::MAX)?;
                self.push_manifest(repository, blob, blob.digest.as_str(), &bytes).await?;
                if let Some(tag) = tag
                    && image.last().is_some_and(|(last, _)| last == blob)
                {
                    self.push_manifest(repository, blob, tag, &bytes).await?;
                }
            }
        }
        Ok(())
    }

    async fn push_manifest(
        &self,
        repository: &Repository,
        manifest: &Descriptor,
        reference: &str,
        bytes: &[u8],
    ) -> Result<(), RegistryError> {
        let url = self.host.url(repository, "manifests", reference);
        let headers = headers([(CONTENT_TYPE, &manifest.media_type)]);
        self.send(repository, url, Method::PUT, &headers, bytes, 201).await?;
        Ok(())
    }

    async fn push_blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        file: &mut File,
    ) -> Result<(), RegistryError> {
        let there = self.host.url(repository, "blobs", blob.digest.as_str());
        let head = Ask { method: &Method::HEAD, headers: &HeaderMap::new(), content: &[], answer: ANSWER };
        match self.ask(repository, there, head).await {
            Ok(reply) if reply.status.as_u16() == 200 => return Ok(()),
            // not there, or not for those who may only push
            Ok(_) | Err(RegistryError::Unauthorized { .. }) => {}
            Err(error) => return Err(error),
        }
        let begin = self.host.url(repository, "blobs", "uploads/");
        let mut at =
            self.send(repository, begin, Method::POST, &HeaderMap::new(), &[], 202).await?.location()?;
        let mut sent = 0;
        let mut bytes = piece(file, PIECE)?;
        while bytes.len() as u64 != blob.size.saturating_sub(sent) {
            if bytes.is_empty() {
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
            }
            let end = sent.saturating_add(bytes.len() as u64);
            let range = format!("{sent}-{}", end.saturating_sub(1));
            let headers = headers([(CONTENT_TYPE, BYTES), (CONTENT_RANGE, &range)]);
            at = self.send(repository, at, Method::PATCH, &headers, &bytes, 202).await?.location()?;
            sent = end;
            bytes = piece(file, PIECE)?;
        }
        at.query_pairs_mut().append_pair("digest", blob.digest.as_str());
        self.send(repository, at, Method::PUT, &headers([(CONTENT_TYPE, BYTES)]), &bytes, 201).await?;
        Ok(())
    }

    async fn send(
        &self,
        repository: &Repository,
        url: Url,
        method: Method,
        headers: &HeaderMap,
        content: &[u8],
        expected: u16,
    ) -> Result<Reply, RegistryError> {
        let ask = Ask { method: &method, headers, content, answer: ANSWER };
        let reply = self.ask(repository, url, ask).await?;
        if reply.status.as_u16() == expected { Ok(reply) } else { Err(unexpected(&reply)) }
    }
}

/// The next bytes of a file, `most` of them.
fn piece(file: &mut File, most: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn headers<const N: usize>(each: [(HeaderName, &str); N]) -> HeaderMap {
    // media types and ranges have no letters that a header could not hold
    each.into_iter().filter_map(|(name, value)| Some((name, HeaderValue::from_str(value).ok()?))).collect()
}
