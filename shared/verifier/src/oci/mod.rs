//! Names and blobs as typed OCI values: digests, descriptors, references, manifests and indexes.
//!
//! Sources: OCI image specification 1.1 (descriptor, manifest, index), distribution specification 1.1 (references), and
//! Docker's image manifest version 2, schema 2, which registries still serve.

pub mod census;
mod descriptor;
mod digest;
mod manifest;
mod reference;
pub mod shape;

pub use descriptor::{Descriptor, Platform};
pub use digest::{Digest, DigestAlgorithm, DigestError, Hasher};
pub use manifest::{Manifest, ManifestError, ManifestKind, media_type};
pub use reference::{CompanionTag, Reference, ReferenceError, Repository, companion_tag};
