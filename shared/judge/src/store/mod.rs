//! Image stores: what they list, and blobs by digest.
//!
//! A [`Listing`] is taken once, when a store is opened. A [`Blob`] is not believed before it is hashed ([`fetch()`], [`verify`]).
//! A store decides nothing; what it cannot read it names.

mod blob;
pub mod directory;
pub mod docker;
mod fetch;
pub mod file;
pub mod form;
mod id_map;
mod image_store;
pub mod layout;
mod listing;
#[doc(hidden)]
pub mod memory;
mod mount;
mod paths;
pub mod pulled;

pub use blob::{Blob, BlobContent, BlobError, Hashed};
pub use fetch::{fetch, may_be_manifest, read_unchecked, verify};
pub use id_map::IdMap;
pub use image_store::{ContentFiles, Manifests, Store, StoredBlob};
pub use layout::members;
pub use listing::{Container, Listing, Record, Snapshot, Snapshotter};
pub use mount::Mount;
pub use paths::{blob_digest, blob_path, is_evidence};
