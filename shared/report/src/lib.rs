//! What both programs say: reports, verdicts and exit codes. The types are the schema; `schema/` in `shared` holds the
//! JSON Schemas made from them.
//!
//! Every list is sorted before it is written, so equal input gives equal bytes.

#![no_std]
#![deny(missing_docs)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::as_conversions,
        clippy::arithmetic_side_effects
    )
)]

extern crate alloc;

mod asked;
mod bounds;
pub mod bundle;
pub mod clean;
mod coverage;
pub mod document;
pub mod evidence;
mod exit_code;
mod image;
mod inventory;
mod node;
mod omitted;
#[cfg(feature = "schema")]
pub mod schema;
mod signature;
mod site;
pub mod statement;
mod verdict;
mod waiver;
pub mod words;

pub use asked::{Asked, CONTAINERD_PIPE, CONTAINERD_SOCKET, canonical_store};
pub use bounds::{TooLarge, check_size};
pub use coverage::*;
pub use exit_code::ExitCode;
pub use image::*;
pub use inventory::{INVENTORY_SCHEMA, Inventory, InventoryImage};
pub use node::*;
pub use omitted::{List, Omitted};
pub use signature::*;
pub use site::*;
pub use verdict::*;
pub use waiver::{SiteWaivers, WaivedImage, Waiver, WaiverState};
