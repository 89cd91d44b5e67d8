//! `assay kubernetes`: makes what a cluster is given, and removes what runs have left there.

mod cleanup;
mod command;
mod error;
mod image;
mod manifest;

pub use command::kubernetes;
pub use error::KubernetesError;
