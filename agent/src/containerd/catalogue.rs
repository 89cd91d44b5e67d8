//! Collects containerd's metadata by namespace: image records, containers and content. The daemon's answers and the file's records
//! both come here in the terms of containerd's API, so that both give the same report.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use assay_report::{ContainerUse, Enumerated, Namespace, Unreadable};
use assay_verifier::oci::{Descriptor, Digest};

use assay_judge::store::{
    BlobError, Container, ContentFiles, IdMap, Listing, Manifests, Mount, Record, Snapshot, StoredBlob,
    docker,
};

/// The metadata of a containerd, listed once.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    /// The namespaces to list; empty: all.
    wanted: Vec<Namespace>,
    /// Whether every namespace is listed.
    all: bool,
    pub(super) listing: Listing,
    /// Blobs by namespace; a namespace whose content could not be listed is absent.
    content: BTreeMap<Namespace, BTreeMap<Digest, Stored>>,
    /// Snapshots that are listed and that no container's snapshotter has.
    others: BTreeSet<(Namespace, Snapshot)>,
    /// What was listed to its end.
    complete: BTreeSet<(Namespace, RecordKind)>,
}

/// What a namespace has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RecordKind {
    Records,
    Containers,
    Snapshots,
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
    /// The JSON of its runtime specification, if it has one.
    pub(super) specification: Option<Vec<u8>>,
}

/// A snapshot's record.
#[derive(Debug, Default)]
pub(super) struct SnapshotRecord {
    pub(super) snapshotter: String,
    pub(super) key: String,
    /// Empty if it has none.
    pub(super) parent: String,
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
    /// A catalogue of the `wanted` namespaces, or of all if none is given.
    pub(super) fn new(wanted: &[Namespace]) -> Self {
        Self { wanted: wanted.to_vec(), all: wanted.is_empty(), ..Self::default() }
    }

    /// Whether a namespace is to be listed.
    pub(super) fn wants(&self, namespace: &Namespace) -> bool {
        self.all || self.wanted.contains(namespace)
    }

    /// Takes in a namespace that exists. False if it is not wanted.
    pub(super) fn namespace(&mut self, namespace: &Namespace) -> bool {
        let wanted = self.wants(namespace);
        if wanted {
            self.listing.namespaces.push(namespace.clone());
        }
        wanted
    }

    pub(super) fn image(&mut self, namespace: &Namespace, record: ImageRecord) {
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
        self.listing.records.push(Record { namespace: Some(namespace.clone()), name, target, marked: false });
    }

    pub(super) fn container(&mut self, namespace: &Namespace, record: ContainerRecord) {
        let ContainerRecord { id, image, snapshotter, snapshot_key, labels, specification } = record;
        let label = |name: &str| labels.get(name).filter(|value| !value.is_empty()).cloned();
        let usage = ContainerUse {
            pod: label("io.kubernetes.pod.name"),
            pod_namespace: label("io.kubernetes.pod.namespace"),
            // a pod's sandbox does not have this label
            container: label("io.kubernetes.container.name"),
            id,
            ..ContainerUse::default()
        };
        let snapshot = if !snapshot_key.is_empty() {
            Some(Snapshot { snapshotter, key: snapshot_key })
        } else if namespace.as_str() == docker::NAMESPACE {
            specification.as_ref().and_then(|json| docker::snapshot(&usage.id, json))
        } else {
            None
        };
        self.listing.containers.push(Container {
            namespace: namespace.clone(),
            image: Some(image).filter(|name| !name.is_empty()),
            snapshot,
            ids: match &specification {
                None => Some(IdMap::default()),
                Some(json) => IdMap::of_specification(json).ok(),
            },
            mounts: match &specification {
                None => Some(Vec::new()),
                Some(json) => Mount::of_specification(json).ok(),
            },
            usage,
        });
    }

    /// Takes in everything that a namespace's content store lists.
    pub(super) fn content(
        &mut self,
        namespace: &Namespace,
        records: impl IntoIterator<Item = ContentRecord>,
    ) {
        let stored = |record: ContentRecord| {
            // containerd itself keeps only digests of this form
            let digest = record.digest.parse().ok()?;
            Some((digest, Stored { size: u64::try_from(record.size).ok()?, refers: record.refers }))
        };
        self.content.insert(namespace.clone(), records.into_iter().filter_map(stored).collect());
    }

    pub(super) fn snapshot(&mut self, namespace: &Namespace, record: SnapshotRecord) {
        let SnapshotRecord { snapshotter, key, parent } = record;
        let parent = Some(parent).filter(|parent| !parent.is_empty());
        self.listing.snapshots.insert((namespace.clone(), Snapshot { snapshotter, key }), parent);
    }

    /// The snapshotters that containers of `namespace` use.
    pub(super) fn snapshotters(&self, namespace: &Namespace) -> BTreeSet<String> {
        let own = self.listing.containers.iter().filter(|container| container.namespace == *namespace);
        own.filter_map(|container| Some(container.snapshot.as_ref()?.snapshotter.clone())).collect()
    }

    /// Notes that all records of a kind in `namespace` were listed. Only then is their count known.
    pub(super) fn enumerated(&mut self, namespace: &Namespace, kind: RecordKind) {
        self.complete.insert((namespace.clone(), kind));
    }

    /// Notes that something could not be listed.
    pub(super) fn unreadable(&mut self, namespace: &Namespace, what: &str, why: &str) {
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
                self.unreadable(&namespace, "namespace", "the namespace does not exist");
            }
        }
        let used: BTreeMap<Namespace, BTreeSet<String>> = self
            .listing
            .namespaces
            .iter()
            .map(|namespace| (namespace.clone(), self.snapshotters(namespace)))
            .collect();
        let others = &mut self.others;
        self.listing.snapshots.retain(|place, _| {
            let (namespace, one) = place;
            let is_used = used.get(namespace).is_some_and(|used| used.contains(&one.snapshotter));
            if !is_used {
                others.insert(place.clone());
            }
            is_used
        });
        self.listing.enumerated =
            self.listing.namespaces.iter().map(|namespace| self.count(namespace)).collect();
        let Listing { records, containers, .. } = &mut self.listing;
        records.sort_by(|one, other| (&one.namespace, &one.name).cmp(&(&other.namespace, &other.name)));
        containers.sort_by(|one, other| (&one.namespace, &one.usage).cmp(&(&other.namespace, &other.usage)));
        self
    }

    /// The number of records of each kind that was listed completely.
    fn count(&self, namespace: &Namespace) -> Enumerated {
        let Listing { records, containers, snapshots, .. } = &self.listing;
        let is_own = |other: &Namespace| other == namespace;
        let known = |kind, count: usize| {
            let complete = self.complete.contains(&(namespace.clone(), kind));
            complete.then(|| u64::try_from(count).unwrap_or(u64::MAX))
        };
        let content = self.content.get(namespace).map(BTreeMap::len);
        Enumerated {
            namespace: Some(namespace.clone()),
            records: known(
                RecordKind::Records,
                records.iter().filter(|one| one.namespace.as_ref().is_some_and(is_own)).count(),
            ),
            containers: known(
                RecordKind::Containers,
                containers.iter().filter(|one| is_own(&one.namespace)).count(),
            ),
            snapshots: known(
                RecordKind::Snapshots,
                snapshots.keys().filter(|(other, _)| is_own(other)).count(),
            ),
            content: content.and_then(|count| u64::try_from(count).ok()),
        }
    }

    /// Compares the records of content with the files.
    pub(super) fn content_files(&self, files: &BTreeSet<Digest>) -> ContentFiles {
        let mut recorded = BTreeSet::new();
        let mut lost = Vec::new();
        for (namespace, blobs) in &self.content {
            recorded.extend(blobs.keys());
            let gone = blobs.keys().filter(|digest| !files.contains(*digest));
            lost.extend(gone.map(|digest| (namespace.clone(), digest.clone())));
        }
        let complete = self.all && self.listing.namespaces.iter().all(|one| self.content.contains_key(one));
        let stray = || files.iter().filter(|digest| !recorded.contains(digest)).cloned().collect();
        ContentFiles { lost, stray: complete.then(stray) }
    }

    /// What of `files` still holds after the content was listed again. A live store changes while it is read.
    pub(super) fn still(&self, mut files: ContentFiles, is_gone: impl Fn(&Digest) -> bool) -> ContentFiles {
        let content = &self.content;
        files.lost.retain(|(namespace, digest)| {
            content.get(namespace).is_some_and(|blobs| blobs.contains_key(digest)) && is_gone(digest)
        });
        if let Some(stray) = &mut files.stray {
            stray.retain(|digest| {
                !is_gone(digest) && !content.values().any(|blobs| blobs.contains_key(digest))
            });
        }
        files
    }

    /// The size of a blob that `namespace` has.
    ///
    /// # Errors
    /// [`BlobError::Absent`] if it does not have it, [`BlobError::Unreadable`] if that is not known.
    pub(super) fn size(&self, namespace: &Namespace, digest: &Digest) -> Result<u64, BlobError> {
        let content = self.content.get(namespace).ok_or_else(|| BlobError::Unreadable {
            why: format!("the content of namespace {namespace} could not be listed"),
        })?;
        content.get(digest).map(|stored| stored.size).ok_or(BlobError::Absent)
    }

    /// The snapshotters that anything of any namespace is unpacked with.
    pub(super) fn snapshotters_of_all(&self) -> BTreeSet<String> {
        let places = self.listing.snapshots.keys().chain(&self.others);
        places.map(|(_, snapshot)| snapshot.snapshotter.clone()).collect()
    }

    /// Whether a snapshot is listed.
    pub(super) fn has_snapshot(&self, namespace: &Namespace, snapshot: &Snapshot) -> bool {
        let place = (namespace.clone(), snapshot.clone());
        self.listing.snapshots.contains_key(&place) || self.others.contains(&place)
    }

    /// Whether `namespace` has the blob, as far as is known.
    pub(super) fn has(&self, namespace: &Namespace, digest: &Digest) -> bool {
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
