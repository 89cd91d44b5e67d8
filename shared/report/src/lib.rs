//! The documents that assay's programs write and read: reports, bundles, evidence, waivers, exit codes.
//!
//! The types are the schema; `schema/` beside this crate holds the JSON Schemas made from them. Every list is sorted before it
//! is written, so equal input gives equal bytes. Outcomes of the verifier become report types here, and only here
//! ([`Signature::new`], [`TrustedCertificate::list`], [`CrlInput::list`]). The crate does no I/O and reads no clock.
//!
//! Another project reads a report like this. A report comes from a machine that may be hostile, so its size is checked before
//! it is parsed, and its texts and lists are bounded before they are shown.
//!
//! ```
//! use assay_report::{ExitCode, NodeReport, check_size};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let bytes = br#"{"schema":"assay/node-report/v1","run":{"id":"","started":"2026-01-01T00:00:00Z",
//! #   "finished":"2026-01-01T00:00:00Z","verified_at":"2026-01-01T00:00:00Z"},"agent":{"version":"","target":"","sha256":null},
//! #   "node":{"hostname":null,"machine_id":null,"os":"linux","architecture":"amd64","containerd":null},
//! #   "inputs":{"store":"","trust_policy":{"sha256":""},"trust_store":[],"bundles":[],"crls":[]},
//! #   "coverage":{"namespaces":[],"images":0,"containers":0,"unlisted":[],"unreadable":[]},"images":[],
//! #   "summary":{"passed":0,"failed":0,"skipped":0,"inconclusive":0}}"#;
//! check_size(bytes)?;
//! let mut report: NodeReport = serde_json::from_slice(bytes)?;
//! report.bound();
//! // no image was seen, and that is never success
//! assert_eq!(report.verdict(), ExitCode::Incomplete);
//! # Ok(())
//! # }
//! ```
//!
//! # Layout
//!
//! | file | what it holds |
//! |---|---|
//! | `node.rs` | the node report, `assay/node-report/v1`: the run, the agent, the node, the inputs |
//! | `coverage.rs`, `image.rs`, `signature.rs` | its parts: what was looked at; one image; one signature and its checks |
//! | `namespace.rs` | containerd's namespaces |
//! | `custody.rs` | the chain from a container to the root certificate |
//! | `verdict.rs`, `exit_code.rs` | statuses and reasons; what both programs exit with |
//! | `asked.rs` | what an agent was asked to do |
//! | `site.rs`, `waiver.rs` | the site report, `assay/site-report/v1`; the exceptions that a site granted |
//! | `inventory.rs` | the inventory, `assay/inventory/v1` |
//! | [`bundle`], [`evidence`], [`document`] | `bundle.json` and `evidence.json`, and what both share |
//! | [`statement`] | in-toto statements about nodes |
//! | `bounds/`, `omitted.rs` | bounds on reports, and what they leave out |
//! | [`frame`] | a report in the log of a container |
//! | [`clean`], [`words`] | text that is safe to show; counts in words |

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
mod custody;
pub mod document;
mod drift;
pub mod evidence;
mod exit_code;
pub mod frame;
mod image;
mod inventory;
mod namespace;
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

pub use asked::{Asked, CONTAINERD_PIPE, CONTAINERD_SOCKET, RootfsMode, canonical_store};
pub use bounds::{TooLarge, check_size};
pub use coverage::*;
pub use custody::*;
pub use drift::*;
pub use exit_code::ExitCode;
pub use image::*;
pub use inventory::{INVENTORY_SCHEMA, Inventory, InventoryImage};
pub use namespace::Namespace;
pub use node::*;
pub use omitted::{List, Omitted};
pub use signature::*;
pub use site::*;
pub use verdict::*;
pub use waiver::{SiteWaivers, WaivedImage, Waiver, WaiverState};
