//! Why `assay kubernetes` ended.

use assay_verifier::oci::ReferenceError;

use crate::archive::ArchiveError;
use crate::kubernetes::image::ImageError;
use crate::kubernetes::manifest::ManifestError;
use crate::registry::RegistryError;
use crate::visit::PayloadError;

/// What a cluster is given cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum KubernetesError {
    /// The trust directory or a bundle cannot be used.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The image cannot be made.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The file cannot be written.
    #[error("the image cannot be written")]
    Unwritten(#[source] ArchiveError),
    /// A name does not name an image.
    #[error(
        "{name:?} is not the name of an image with its registry, such as registry.example/tools/assay:v1"
    )]
    Name {
        /// What was given.
        name: String,
        /// Why not.
        source: ReferenceError,
    },
    /// A name has a digest, which the image itself gives.
    #[error("{name:?} has a digest; leave it out, because it follows from what is in the image")]
    Digest {
        /// What was given.
        name: String,
    },
    /// There is no node.
    #[error("the site file names no node that can run the image: it is for Linux")]
    NoNode,
    /// A node's images are in a layout, which a pod does not see.
    #[error(
        "node {node:?}: its store is {store}, and a pod sees containerd alone: containerd:ADDRESS or root:DIR"
    )]
    Store {
        /// The node.
        node: String,
        /// Its store.
        store: String,
    },
    /// The manifest cannot be written.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The registry does not take the image.
    #[error("the image was not pushed: {0}")]
    NotPushed(String),
}

impl From<RegistryError> for KubernetesError {
    fn from(error: RegistryError) -> Self {
        Self::NotPushed(crate::errors::with_sources(&error))
    }
}
