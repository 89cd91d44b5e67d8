//! What containerd's metadata holds, by namespace: image records, containers and content, as a daemon tells them or as its
//! file has them. Both come through here in the words of containerd's API, so that both give the same report.

use std::collections::{BTreeMap, HashMap};

use assay_shared::oci::{Descriptor, Digest};
use assay_shared::report::{ContainerUse, Unreadable};

use super::{BlobError, Container, Listing, Manifests, Record, Snapshot, StoredBlob};

/// The metadata of a containerd, listed once.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    /// The namespaces to list; empty: all.
    wanted: Vec<String>,
    pub(super) listing: Listing,
    /// Blobs by namespace; a namespace whose content could not be listed is absent.
    content: BTreeMap<String, BTreeMap<Digest, Stored>>,
}

#[derive(Debug)]
struct Stored {
    size: u64,
    refers: bool,
}

/// An image record.
#[derive(Debug, Default)]
pub(super) struct ImageRecord {
    pub(super) name: String,
    pub(super) media_type: String,
    pub(super) digest: String,
    pub(super) size: i64,
}

/// A container's record.
#[derive(Debug, Default)]
pub(super) struct ContainerRecord {
    pub(super) id: String,
    pub(super) image: String,
    pub(super) snapshotter: String,
    pub(super) snapshot_key: String,
    pub(super) labels: HashMap<String, String>,
}

/// A blob's record.
#[derive(Debug, Default)]
pub(super) struct ContentRecord {
    pub(super) digest: String,
    pub(super) size: i64,
    /// Whether a label says that it refers to other content.
    pub(super) refers: bool,
}

impl Catalogue {
    /// A catalogue of the `wanted` namespaces, all that there are where none is given.
    pub(super) fn new(wanted: &[String]) -> Self {
        Self { wanted: wanted.to_vec(), ..Self::default() }
    }

    /// Takes in a namespace that is there; false where it is not wanted.
    pub(super) fn namespace(&mut self, name: &str) -> bool {
        let wanted = self.wanted.is_empty() || self.wanted.iter().any(|wanted| wanted == name);
        if wanted {
            self.listing.namespaces.push(name.to_owned());
        }
        wanted
    }

    pub(super) fn image(&mut self, namespace: &str, record: ImageRecord) {
        let ImageRecord { name, media_type, digest, size } = record;
        let target = match (digest.parse(), u64::try_from(size)) {
            (Ok(digest), Ok(size)) => Descriptor::new(media_type, digest, size),
            (Err(_), _) => {
                return self.unreadable(
                    namespace,
                    &format!("image {name}"),
                    "the record's target has no digest",
                );
            }
            (_, Err(_)) => {
                return self.unreadable(
                    namespace,
                    &format!("image {name}"),
                    "the record's target has no size",
                );
            }
        };
        self.listing.records.push(Record { namespace: namespace.to_owned(), name, target });
    }

    pub(super) fn container(&mut self, namespace: &str, record: ContainerRecord) {
        let ContainerRecord { id, image, snapshotter, snapshot_key, labels } = record;
        let label = |name: &str| labels.get(name).filter(|value| !value.is_empty()).cloned();
        let usage = ContainerUse {
            pod: label("io.kubernetes.pod.name"),
            pod_namespace: label("io.kubernetes.pod.namespace"),
            // a pod's sandbox has none
            container: label("io.kubernetes.container.name"),
            id,
        };
        self.listing.containers.push(Container {
            namespace: namespace.to_owned(),
            image: Some(image).filter(|name| !name.is_empty()),
            snapshot: (!snapshot_key.is_empty()).then_some(Snapshot { snapshotter, key: snapshot_key }),
            usage,
        });
    }

    /// Takes in everything that a namespace's content store lists.
    pub(super) fn content(&mut self, namespace: &str, records: impl IntoIterator<Item = ContentRecord>) {
        let stored = |record: ContentRecord| {
            // containerd itself keeps digests of no other form
            let digest = record.digest.parse().ok()?;
            Some((digest, Stored { size: u64::try_from(record.size).ok()?, refers: record.refers }))
        };
        self.content.insert(namespace.to_owned(), records.into_iter().filter_map(stored).collect());
    }

    /// Notes what could not be listed.
    pub(super) fn unreadable(&mut self, namespace: &str, what: &str, why: &str) {
        let what = format!("{namespace}: {what}");
        self.listing.unreadable.push(Unreadable { what, why: why.to_owned() });
    }

    /// Sorts everything, and notes the wanted namespaces that are not there.
    pub(super) fn finish(mut self) -> Self {
        self.listing.namespaces.sort();
        let mut wanted = std::mem::take(&mut self.wanted);
        wanted.sort();
        wanted.dedup();
        for namespace in wanted {
            if !self.listing.namespaces.contains(&namespace) {
                self.unreadable(&namespace, "namespace", "there is no such namespace");
            }
        }
        let Listing { records, containers, .. } = &mut self.listing;
        records.sort_by(|one, other| (&one.namespace, &one.name).cmp(&(&other.namespace, &other.name)));
        containers.sort_by(|one, other| (&one.namespace, &one.usage).cmp(&(&other.namespace, &other.usage)));
        self
    }

    /// The size of a blob that `namespace` has.
    ///
    /// # Errors
    /// [`BlobError::Absent`] where it does not have it, [`BlobError::Unreadable`] where that is not known.
    pub(super) fn size(&self, namespace: &str, digest: &Digest) -> Result<u64, BlobError> {
        let content = self.content.get(namespace).ok_or_else(|| BlobError::Unreadable {
            why: format!("the content of namespace {namespace} could not be listed"),
        })?;
        content.get(digest).map(|stored| stored.size).ok_or(BlobError::Absent)
    }

    /// Whether `namespace` has the blob, as far as is known.
    pub(super) fn has(&self, namespace: &str, digest: &Digest) -> bool {
        self.content.get(namespace).is_none_or(|content| content.contains_key(digest))
    }

    /// Every blob of every namespace.
    pub(super) fn manifests(&self) -> Manifests<'_> {
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

/// Whether a content label says that the blob refers to other content, as manifests and indexes do.
pub(super) fn is_reference(label: &str) -> bool {
    label.starts_with("containerd.io/gc.ref.content")
}
