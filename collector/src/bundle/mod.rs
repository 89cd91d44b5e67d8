//! Makes bundles of what it fetches, and lists, compares, checks, merges and slims bundles and other tools' layouts.
//!
//! A `WantList` says which images; `fetch()` fetches what belongs to them. [`Staging`] is a bundle in the making: a folder
//! beside the output, marked as partial, which a later run continues. It becomes the output in one step, and the same content
//! always gives the same bytes. [`Opened`] is a bundle or another tool's layout that is read. [`check()`] tells in advance how
//! nodes will judge the images, [`Contents`] lists and compares, `repack()` makes one bundle of several.

mod carrier;
mod census;
mod check;
mod contents;
mod crls;
mod demand;
mod fetch;
mod layer_files;
mod opened;
mod packing;
mod repack;
mod signature_graph;
mod signatures;
mod staging;
mod text;
mod unlisted;
mod wanted;

pub use check::{BundleCheck, check};
pub use contents::Contents;
pub use opened::{OpenError, OpenProblem, Opened};
pub use staging::{BundleContent, FinishedBundle, Signer, Staging, StagingError};

pub(crate) use carrier::FetchEvent;
pub(crate) use contents::Difference;
pub(crate) use demand::Trusting;
pub(crate) use fetch::{FetchPlan, fetch};
pub(crate) use packing::{COMPRESSOR_VERSION, Packing};
pub(crate) use repack::{RepackError, repack};
pub(crate) use text::{check_text, contents_text, difference_text};
pub(crate) use wanted::{WantError, WantList};
