//! Judges images by what is on disk. The agent, `assay bundle check`, `assay evidence check` and containerd's image verifier
//! share this crate: layouts as folders and archives, the trust directory, bundles and their locks, candidates for signatures,
//! and the verdicts.
//!
//! It reads files and nothing else. It has no network and no command line.

pub mod bundle;
pub mod ci_commands;
pub mod confinement;
pub mod custody;
pub mod errors;
pub mod footing;
pub mod graph;
pub mod image;
pub mod image_config;
pub mod judge;
pub mod judgement;
pub mod layer;
pub mod offline;
pub mod parallel;
pub mod population;
pub mod replacement;
pub mod signatures;
pub mod sources;
pub mod store;
pub mod trust;
