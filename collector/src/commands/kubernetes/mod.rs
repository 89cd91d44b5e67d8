//! `assay kubernetes`: makes what a cluster is given.

mod command;
mod error;
mod image;
mod manifest;

pub use command::kubernetes;
pub use error::KubernetesError;
