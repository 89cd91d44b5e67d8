//! Packs a run into one signed file of evidence, and verifies such a file from its raw inputs years later.
//!
//! [`pack`] takes a run's report, the trust directory and the bundles that were sent to the nodes, and a site key. [`check`]
//! takes the file and the public key. It believes none of the verdicts in the file and gives each of them again: every signature
//! of every image at the time that the node judged it, every statement, every count. Only the node could see the bytes of its
//! images and its containers. What rests on them remains the agent's word, and is counted as such.
//!
//! The file is a tar, plain or compressed. It holds `evidence.json` with the digest of every other member, its DSSE envelope, the
//! report, the archive of the trust directory that the report names, the bundles, and an in-toto statement for each node.

mod canonical;
mod check;
mod compare;
mod error;
mod pack;
mod unpacked;

pub use check::{Checked, NodeCheck, check};
pub use error::PackError;
pub use pack::{Packed, pack};
