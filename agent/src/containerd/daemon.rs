//! Reads the namespaces, image records, containers and content of a containerd daemon.
//!
//! It speaks gRPC on the unix socket or the Windows named pipe. Blobs are read from the daemon's files if possible, because that is
//! ten times faster, and otherwise through gRPC. The daemon says whether a namespace has a blob: on disk all namespaces share them.

use std::collections::BTreeMap;
use std::io;

use assay_report::{Namespace, Unreadable};
use assay_verifier::oci::Digest;
use containerd_client::services::v1::snapshots::Info as SnapshotInfo;
use containerd_client::services::v1::{Container as GrpcContainer, Image as GrpcImage, Info};

use super::catalogue::{
    Catalogue, ContainerRecord, ContentRecord, ImageRecord, RecordKind, SnapshotRecord, is_reference,
};
use super::client::{Client, ContainerdError, Failure};
use super::root::SNAPSHOTTER;
use assay_judge::store::directory::Directory;
use assay_judge::store::{
    Blob, BlobContent, BlobError, ContentFiles, Listing, Manifests, Snapshot, Snapshotter, Store,
};

/// A containerd daemon, listed once.
struct Containerd {
    client: Client,
    catalogue: Catalogue,
    /// The daemon's content, if it can be read.
    content: Option<Directory>,
}

/// Connects and lists the `namespaces`, or all if none is given.
///
/// # Errors
/// [`ContainerdError`] if nothing can be listed. A namespace that cannot be listed is named in the listing.
pub(crate) fn open(address: &str, namespaces: &[Namespace]) -> Result<Box<dyn Store>, ContainerdError> {
    let client = Client::connect(address)?;
    let version = client.version()?;
    let mut catalogue = Catalogue::new(namespaces);
    catalogue.listing.containerd = Some(version);
    let there = client.namespaces()?;
    for namespace in &there {
        if catalogue.namespace(namespace) {
            list(&client, &mut catalogue, namespace);
        }
    }
    match client.namespaces() {
        Ok(now) => confirm(&mut catalogue, &there, &now),
        Err(error) => {
            let what = "namespaces".to_owned();
            catalogue.listing.unreadable.push(Unreadable { what, why: error.to_string() });
        }
    }
    let content = client.content_root().and_then(|root| Directory::new(&root).ok());
    Ok(Box::new(Containerd { content, catalogue: catalogue.finish(), client }))
}

impl Containerd {
    /// The blob's file; none if it cannot be read and the daemon must be asked.
    ///
    /// # Errors
    /// [`BlobError::Unreadable`] if it is not a regular file. Opening a pipe would wait for ever, in the daemon too.
    fn file(&self, digest: &Digest) -> Result<Option<Blob<'_>>, BlobError> {
        match self.content.as_ref().map(|content| content.blob(digest)) {
            Some(Err(error)) if error.kind() == io::ErrorKind::Unsupported => Err(error.into()),
            Some(Ok((bytes, size))) => Ok(Some(Blob { size, content: BlobContent::Stream(bytes) })),
            _ => Ok(None),
        }
    }
}

/// Notes the namespaces that appeared or were removed while they were listed. Their listings are not complete.
fn confirm(catalogue: &mut Catalogue, before: &[Namespace], after: &[Namespace]) {
    let gone = before.iter().filter(|one| !after.contains(one)).map(|one| (one, "was removed"));
    let new = after.iter().filter(|one| !before.contains(one)).map(|one| (one, "appeared"));
    for (namespace, what) in gone.chain(new) {
        if catalogue.wants(namespace) {
            catalogue.unreadable(
                namespace,
                "namespace",
                &format!("it {what} while the store was read; run again"),
            );
        }
    }
}

/// Lists one namespace. A failure is noted, and the rest is listed.
fn list(client: &Client, catalogue: &mut Catalogue, namespace: &Namespace) {
    match client.images(namespace) {
        Ok(images) => {
            images.into_iter().for_each(|image| catalogue.image(namespace, image.into()));
            catalogue.enumerated(namespace, RecordKind::Records);
        }
        Err(failure) => catalogue.unreadable(namespace, "images", &failure.to_string()),
    }
    match client.containers(namespace, |one| catalogue.container(namespace, one.into())) {
        Ok(()) => catalogue.enumerated(namespace, RecordKind::Containers),
        Err(failure) => catalogue.unreadable(namespace, "containers", &failure.to_string()),
    }
    let mut complete = true;
    for snapshotter in catalogue.snapshotters(namespace) {
        let of = |info: SnapshotInfo| SnapshotRecord {
            snapshotter: snapshotter.clone(),
            key: info.name,
            parent: info.parent,
        };
        let listed =
            client.snapshots(namespace, &snapshotter, |info| catalogue.snapshot(namespace, of(info)));
        if let Err(failure) = listed {
            catalogue.unreadable(namespace, &format!("snapshots of {snapshotter}"), &failure.to_string());
            complete = false;
        }
    }
    if complete {
        catalogue.enumerated(namespace, RecordKind::Snapshots);
    }
    let mut content = Vec::new();
    match client.content(namespace, |info| content.push(info.into())) {
        Ok(()) => catalogue.content(namespace, content),
        Err(failure) => catalogue.unreadable(namespace, "content", &failure.to_string()),
    }
}

impl Store for Containerd {
    fn listing(&self) -> &Listing {
        &self.catalogue.listing
    }

    fn open(&self, namespace: Option<&Namespace>, digest: &Digest) -> Result<Blob<'_>, BlobError> {
        let namespace = namespace.ok_or_else(|| BlobError::Absent.of_listed())?;
        let size = self.catalogue.size(namespace, digest)?;
        if let Some(blob) = self.file(digest)? {
            return Ok(blob);
        }
        let stream = self.client.read(namespace, digest).map_err(|failure| match failure {
            Failure::NotFound => BlobError::Absent.of_listed(),
            other => BlobError::Unreadable { why: other.to_string() },
        })?;
        Ok(Blob { size, content: BlobContent::Stream(Box::new(stream)) })
    }

    fn has(&self, namespace: Option<&Namespace>, digest: &Digest) -> bool {
        namespace.is_none_or(|namespace| self.catalogue.has(namespace, digest))
    }

    fn still_has(&self, namespace: Option<&Namespace>, digest: &Digest) -> bool {
        namespace.is_none_or(|namespace| self.client.lists(namespace, digest) != Err(Failure::NotFound))
    }

    fn content_files(&self) -> Option<ContentFiles> {
        let directory = self.content.as_ref()?;
        let files = self.catalogue.content_files(&directory.digests().ok()?);
        if files.is_sound() {
            return Some(files);
        }
        let mut now = Catalogue::new(&[]);
        for namespace in &self.catalogue.listing.namespaces {
            let mut content = Vec::new();
            self.client.content(namespace, |info| content.push(info.into())).ok()?;
            now.content(namespace, content);
        }
        let files = now.still(files, |digest| directory.lacks(digest));
        // if the daemon has a blob that cannot be seen here, these are not its files
        let has = |(namespace, digest): &(Namespace, Digest)| self.client.has(namespace, digest);
        (!files.lost.iter().any(has)).then_some(files)
    }

    fn snapshotters(&self) -> Vec<Snapshotter> {
        let mut snapshotters = self.client.snapshotters().unwrap_or_default();
        // daemons before 1.7 do not tell every folder, and all are beside that of the content
        let root = self.client.content_root().and_then(|content| Some(content.parent()?.to_owned()));
        for snapshotter in &mut snapshotters {
            let folder = || Some(root.as_ref()?.join(format!("{SNAPSHOTTER}{}", snapshotter.name)));
            snapshotter.folder = snapshotter.folder.take().or_else(folder);
        }
        snapshotters
    }

    fn has_snapshot(&self, namespace: &Namespace, snapshot: &Snapshot) -> bool {
        self.client.lists_snapshot(namespace, snapshot) != Err(Failure::NotFound)
    }

    fn running(&self, namespace: &Namespace) -> Result<Option<BTreeMap<String, u32>>, String> {
        self.client.running(namespace).map(Some).map_err(|failure| failure.to_string())
    }

    fn manifests(&self) -> Manifests<'_> {
        self.catalogue.manifests()
    }
}

impl From<GrpcImage> for ImageRecord {
    fn from(image: GrpcImage) -> Self {
        let target = image.target.unwrap_or_default();
        Self { name: image.name, media_type: target.media_type, digest: target.digest, size: target.size }
    }
}

impl From<GrpcContainer> for ContainerRecord {
    fn from(container: GrpcContainer) -> Self {
        let GrpcContainer { id, image, snapshotter, snapshot_key, labels, spec, .. } = container;
        let specification = spec.map(|any| any.value);
        Self { id, image, snapshotter, snapshot_key, labels, specification }
    }
}

impl From<Info> for ContentRecord {
    fn from(info: Info) -> Self {
        let refers = info.labels.keys().any(|label| is_reference(label));
        Self { digest: info.digest, size: info.size, refers }
    }
}
