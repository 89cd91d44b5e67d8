//! What both programs say: reports, verdicts and exit codes. The types are the schema; `schema/` in `shared` holds the
//! JSON Schemas made from them.
//!
//! Every list is sorted before it is written, so equal input gives equal bytes.

mod asked;
mod bounds;
mod exit_code;
mod image_id;
mod inventory;
mod node;
#[cfg(feature = "schema")]
pub mod schema;
mod site;
mod verdict;
mod waiver;

pub use asked::{Asked, CONTAINERD_PIPE, CONTAINERD_SOCKET, store_meant};
pub use bounds::{List, Omitted, TooLarge, check_size};
pub use exit_code::ExitCode;
pub use image_id::ImageId;
pub use inventory::{INVENTORY_SCHEMA, Inventory, InventoryImage};
pub use node::*;
pub use site::*;
pub use verdict::{Action, Check, CheckResult, Checks, Reason, Status, Target, Via};
pub use waiver::{SiteWaivers, WaivedImage, Waiver, WaiverState};

/// The form of the SHA-256 digests that stand without their algorithm.
#[cfg(feature = "schema")]
const HEX_SHA256: &str = "^[0-9a-f]{64}$";
