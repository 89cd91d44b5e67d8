//! Evidence: a run in one signed file, and the file verified from its raw inputs years later.
//!
//! [`pack`] takes a run's report, the trust directory and the bundles that were sent to the nodes, and a site key. [`check`]
//! takes the file and the public key, believes none of the verdicts in it, and gives them all again: every signature of every
//! image at the time that the node judged it, every statement, every count. What only the node could see, its images' bytes and
//! its containers, remains the agent's word, and is counted as such.
//!
//! The file is a tar, plain or compressed: `evidence.json` with the digest of every other member, its DSSE envelope, the report, the
//! trust directory as the very archive that the report names, the bundles, and an in-toto statement for each node.

mod canonical;
mod check;
mod discrepancy;
mod error;
mod pack;
mod unpacked;

pub use check::{Checked, NodeCheck, check};
pub use discrepancy::{Discrepancy, DiscrepancyKind};
pub use error::PackError;
pub use pack::{Packed, pack};
