//! A containerd daemon: its namespaces, image records, containers and content, read-only.
//!
//! gRPC on the unix socket or the Windows named pipe; blobs are read from the daemon's files where they can be, since that
//! is ten times faster, else through gRPC. Whether a namespace has a blob is what the daemon says: on disk all namespaces
//! share them.

mod client;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use assay_shared::oci::{Descriptor, Digest};
use assay_shared::report::{ContainerUse, Unreadable};
use containerd_client::services::v1::{Container as GrpcContainer, Image as GrpcImage};

pub(crate) use client::ContainerdError;

use super::{Blob, BlobContent, BlobError, Container, Listing, Manifests, Record, Store, StoredBlob};
use client::{Client, Failure};

/// A containerd daemon, listed once.
pub(crate) struct Containerd {
    client: Client,
    listing: Listing,
    /// Blobs by namespace; a namespace whose content could not be listed is absent.
    content: BTreeMap<String, BTreeMap<Digest, Stored>>,
    /// Where the daemon keeps its blobs, where that can be read.
    blobs: Option<PathBuf>,
}

struct Stored {
    size: u64,
    refers: bool,
}

impl Containerd {
    /// Connects and lists the `namespaces`, all that there are where none is given.
    ///
    /// # Errors
    /// [`ContainerdError`] where nothing can be listed. A namespace that cannot be listed is named in the listing.
    pub(crate) fn open(address: &str, namespaces: &[String]) -> Result<Self, ContainerdError> {
        let client = Client::connect(address)?;
        let version = client.version()?;
        let mut there = client.namespaces()?;
        there.sort();
        let mut store = Self {
            blobs: client.content_root().filter(|root| root.read_dir().is_ok()),
            listing: Listing { containerd: Some(version), ..Listing::default() },
            content: BTreeMap::new(),
            client,
        };
        let mut wanted = if namespaces.is_empty() { there.clone() } else { namespaces.to_vec() };
        wanted.sort();
        wanted.dedup();
        for namespace in wanted {
            if there.contains(&namespace) {
                store.list(&namespace);
                store.listing.namespaces.push(namespace);
            } else {
                store.unreadable(&namespace, "namespace", "there is no such namespace");
            }
        }
        let listing = &mut store.listing;
        listing
            .records
            .sort_by(|one, other| (&one.namespace, &one.name).cmp(&(&other.namespace, &other.name)));
        listing
            .containers
            .sort_by(|one, other| (&one.namespace, &one.usage).cmp(&(&other.namespace, &other.usage)));
        Ok(store)
    }

    /// Lists one namespace; what fails is noted, and the rest goes on.
    fn list(&mut self, namespace: &str) {
        match self.client.images(namespace) {
            Ok(images) => {
                for image in images {
                    match record(namespace, image) {
                        Ok(record) => self.listing.records.push(record),
                        Err((name, why)) => self.unreadable(namespace, &format!("image {name}"), why),
                    }
                }
            }
            Err(failure) => self.unreadable(namespace, "images", &failure.to_string()),
        }
        let mut containers = Vec::new();
        let listed = self.client.containers(namespace, |one| containers.push(container(namespace, one)));
        self.listing.containers.append(&mut containers);
        if let Err(failure) = listed {
            self.unreadable(namespace, "containers", &failure.to_string());
        }
        let mut content = BTreeMap::new();
        let listed = self.client.content(namespace, |info| {
            // the daemon itself keeps digests of no other form
            if let (Ok(digest), Ok(size)) = (info.digest.parse(), u64::try_from(info.size)) {
                let refers =
                    info.labels.keys().any(|label| label.starts_with("containerd.io/gc.ref.content"));
                content.insert(digest, Stored { size, refers });
            }
        });
        match listed {
            Ok(()) => {
                self.content.insert(namespace.to_owned(), content);
            }
            Err(failure) => self.unreadable(namespace, "content", &failure.to_string()),
        }
    }

    fn unreadable(&mut self, namespace: &str, what: &str, why: &str) {
        let what = format!("{namespace}: {what}");
        self.listing.unreadable.push(Unreadable { what, why: why.to_owned() });
    }

    /// The blob's file, where the daemon's files can be read and it is the one that the daemon knows.
    fn file(&self, digest: &Digest, size: u64) -> Option<File> {
        let path = self.blobs.as_ref()?.join(digest.algorithm().name()).join(digest.hex());
        let file = File::open(path).ok()?;
        let metadata = file.metadata().ok()?;
        // another size: perhaps not the daemon's file but one of another mount, so the daemon is asked
        (metadata.is_file() && metadata.len() == size).then_some(file)
    }
}

impl Store for Containerd {
    fn listing(&self) -> &Listing {
        &self.listing
    }

    fn open(&self, namespace: &str, digest: &Digest) -> Result<Blob<'_>, BlobError> {
        let content = self.content.get(namespace).ok_or_else(|| BlobError::Unreadable {
            why: format!("the content of namespace {namespace} could not be listed"),
        })?;
        let size = content.get(digest).ok_or(BlobError::Absent)?.size;
        if let Some(file) = self.file(digest, size) {
            return Ok(Blob { size, content: BlobContent::Stream(Box::new(file)) });
        }
        let stream = self.client.read(namespace, digest).map_err(|failure| match failure {
            Failure::NotFound => BlobError::Absent,
            other => BlobError::Unreadable { why: other.to_string() },
        })?;
        Ok(Blob { size, content: BlobContent::Stream(Box::new(stream)) })
    }

    fn has(&self, namespace: &str, digest: &Digest) -> bool {
        self.content.get(namespace).is_none_or(|content| content.contains_key(digest))
    }

    fn manifests(&self) -> Manifests<'_> {
        let blobs = self.content.iter().flat_map(|(namespace, blobs)| {
            blobs.iter().map(|(digest, stored)| StoredBlob {
                namespace,
                digest,
                size: stored.size,
                refers: stored.refers,
            })
        });
        Manifests::Blobs(blobs.collect())
    }
}

/// An image record; its name and what is wrong with it where it points at nothing that can be.
fn record(namespace: &str, image: GrpcImage) -> Result<Record, (String, &'static str)> {
    let GrpcImage { name, target, .. } = image;
    let Some(target) = target else { return Err((name, "the record has no target")) };
    let Ok(digest) = target.digest.parse() else { return Err((name, "the record's target has no digest")) };
    let Ok(size) = u64::try_from(target.size) else { return Err((name, "the record's target has no size")) };
    Ok(Record {
        namespace: namespace.to_owned(),
        name,
        target: Descriptor::new(target.media_type, digest, size),
    })
}

fn container(namespace: &str, container: GrpcContainer) -> Container {
    let label = |name: &str| container.labels.get(name).filter(|value| !value.is_empty()).cloned();
    let usage = ContainerUse {
        pod: label("io.kubernetes.pod.name"),
        pod_namespace: label("io.kubernetes.pod.namespace"),
        // a pod's sandbox has none
        container: label("io.kubernetes.container.name"),
        id: container.id,
    };
    let image = Some(container.image).filter(|name| !name.is_empty());
    Container { namespace: namespace.to_owned(), image, usage }
}
