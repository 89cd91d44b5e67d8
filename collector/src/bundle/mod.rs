//! Bundles as files: what is fetched becomes one layout with its `bundle.json`, and any layout becomes what a command asks
//! of it.
//!
//! A [`WantList`] says which images; [`fetch()`] brings what belongs to them. [`Staging`] is a bundle in the making: a
//! folder beside the output, marked as partial, which a later run takes up again. It becomes the output (`packing.rs`) in
//! one step, whole, and the same content always gives the same bytes. [`Opened`] is a bundle or another tool's layout to be
//! looked into: hostile input, of which nothing is written outside a scratch folder. [`check`] foresees what nodes will
//! make of bundles, [`Contents`] lists and compares them, [`repack`] makes one of several.

mod check;
mod contents;
mod crls;
mod demand;
mod fetch;
mod listed;
mod opened;
mod packing;
mod repack;
mod staging;
mod text;
mod wanted;

pub use check::{BundleCheck, CHECK_SCHEMA, CheckedImage, Expiring, Unsigned, check};
pub use contents::{CarriedImage, Change, Contents, DIFF_SCHEMA, Difference, LIST_SCHEMA, Signed};
pub use demand::Trusting;
pub use fetch::{Event, Plan, fetch};
pub use listed::Companion;
pub use opened::{OpenError, OpenProblem, Opened};
pub(crate) use packing::FORM;
pub use packing::Packing;
pub use repack::{RepackError, repack};
pub use staging::{Content, Finished, Signer, Staging, StagingError};
pub use text::{check_text, contents_text, difference_text};
pub use wanted::{WantError, WantList, Wanted, Which};

use assay_verifier::oci::Digest;

/// The path of a blob in a layout.
pub fn blob_path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

/// `oci-layout` as every tool writes it.
const OCI_LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// The annotation that names an image in `index.json`.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
