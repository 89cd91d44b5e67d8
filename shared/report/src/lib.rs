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
pub mod document;
pub mod evidence;
mod exit_code;
mod image_id;
mod inventory;
mod node;
#[cfg(feature = "schema")]
pub mod schema;
mod site;
pub mod statement;
mod waiver;
pub mod words;

pub use asked::{Asked, CONTAINERD_PIPE, CONTAINERD_SOCKET, store_meant};
pub use assay_verifier::outcome::{Action, Check, CheckResult, Checks, Reason, Status, Target, Via};
pub use assay_verifier::outcome::{ChainCertificate, CrlInput, Timestamp, TrustedCertificate};
pub use bounds::{List, Omitted, TooLarge, check_size};
pub use exit_code::ExitCode;
pub use image_id::ImageId;
pub use inventory::{INVENTORY_SCHEMA, Inventory, InventoryImage};
pub use node::*;
pub use site::*;
pub use waiver::{SiteWaivers, WaivedImage, Waiver, WaiverState};

/// The form of the SHA-256 digests that stand without their algorithm.
#[cfg(feature = "schema")]
const HEX_SHA256: &str = "^[0-9a-f]{64}$";
