//! Defines what an image is: one target in one namespace, with every name that points at it and every container that runs it.

use std::collections::BTreeMap;

use assay_report::{ContainerUse, ImageId, Namespace};
use assay_verifier::oci::{Descriptor, Digest, Reference};

use crate::store::Record;

/// One target in one namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    pub namespace: Option<Namespace>,
    pub target: ImageTarget,
    /// Sorted.
    pub references: Vec<String>,
    /// Sorted.
    pub in_use: Vec<ContainerUse>,
}

/// What is known of the content of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageTarget {
    /// What the store's records say.
    Recorded(Descriptor),
    /// The digest that a container names: the image's record is gone.
    Unrecorded(Digest),
}

impl ImageTarget {
    /// What the store's records say; none if the record is gone.
    pub fn recorded(&self) -> Option<&Descriptor> {
        match self {
            Self::Recorded(target) => Some(target),
            Self::Unrecorded(_) => None,
        }
    }

    /// The digest, which is always known.
    pub fn digest(&self) -> &Digest {
        match self {
            Self::Recorded(target) => &target.digest,
            Self::Unrecorded(digest) => digest,
        }
    }

    /// Digest, media type and size, as reports write them: of an image without a record the latter are not known.
    pub fn into_report(self) -> (Digest, String, u64) {
        match self {
            Self::Recorded(target) => (target.digest, target.media_type, target.size),
            Self::Unrecorded(digest) => (digest, String::new(), 0),
        }
    }
}

/// Groups records into images. Their names keep the order of the records, and no container is known to run them.
pub fn group<'r>(records: impl IntoIterator<Item = &'r Record>) -> BTreeMap<ImageId<'r>, Image> {
    let mut images: BTreeMap<ImageId<'_>, Image> = BTreeMap::new();
    for record in records {
        let image =
            images.entry(ImageId::new(record.namespace.as_ref(), &record.target)).or_insert_with(|| Image {
                namespace: record.namespace.clone(),
                target: ImageTarget::Recorded(record.target.clone()),
                references: Vec::new(),
                in_use: Vec::new(),
            });
        image.references.push(record.name.clone());
    }
    images
}

impl AsRef<Self> for Image {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl Image {
    /// What identifies the image.
    pub fn id(&self) -> ImageId<'_> {
        let namespace = self.namespace.as_ref();
        match &self.target {
            ImageTarget::Recorded(target) => ImageId::new(namespace, target),
            ImageTarget::Unrecorded(digest) => ImageId::unrecorded(namespace, digest),
        }
    }

    /// Sorts the names and the containers.
    pub fn sort(&mut self) {
        self.references.sort();
        self.references.dedup();
        self.in_use.sort();
    }

    /// Whether `wanted` names this image: one of its references, its digest, or `repository@digest`.
    pub fn answers_to(&self, wanted: &str) -> bool {
        if self.references.iter().any(|name| name == wanted) || self.target.digest().as_str() == wanted {
            return true;
        }
        let Ok(Reference { repository, tag: None, digest: Some(digest) }) = wanted.parse() else {
            return false;
        };
        let same_repository =
            |name: &String| name.parse::<Reference>().is_ok_and(|one| one.repository == repository);
        digest == *self.target.digest() && self.references.iter().any(same_repository)
    }
}

/// Whether an entry of an index is an attestation. Build tools list attestations as manifests for a platform that does not exist.
pub fn is_attestation(entry: &Descriptor) -> bool {
    entry
        .platform
        .as_ref()
        .is_some_and(|platform| platform.os == "unknown" && platform.architecture == "unknown")
}
