//! Bundles as files: what is fetched becomes one layout with its `bundle.json`, and any layout becomes what a command asks
//! of it.
//!
//! A [`WantList`] says which images; [`fetch()`] brings what belongs to them. [`Staging`] is a bundle in the making: a
//! folder beside the output, marked as partial, which a later run takes up again. It becomes the output (`packing.rs`) in
//! one step, whole, and the same content always gives the same bytes. [`Opened`] is a bundle or another tool's layout to be
//! looked into: hostile input, of which nothing is written outside a scratch folder. [`check`] foresees what nodes will
//! make of bundles, [`Contents`] lists and compares them, [`repack`] makes one of several.

mod carrier;
mod census;
mod check;
mod contents;
mod crls;
mod demand;
mod fetch;
mod opened;
mod packing;
mod repack;
mod signature_graph;
mod signatures;
mod staging;
mod text;
mod wanted;

pub use carrier::FetchEvent;
pub use census::Companion;
pub use check::{BundleCheck, CHECK_SCHEMA, CheckedImage, Expiring, Unsigned, check};
pub use contents::{CarriedImage, Change, Contents, DIFF_SCHEMA, Difference, LIST_SCHEMA, Signed};
pub use demand::Trusting;
pub use fetch::{FetchPlan, fetch};
pub use opened::{OpenError, OpenProblem, Opened};
pub(crate) use packing::COMPRESSOR_VERSION;
pub use packing::Packing;
pub use repack::{RepackError, repack};
pub use staging::{BundleContent, FinishedBundle, Signer, Staging, StagingError};
pub use text::{check_text, contents_text, difference_text};
pub use wanted::{WantError, WantList, Wanted, Which};
