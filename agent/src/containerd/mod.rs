//! Reads containerd's store in two ways: through its daemon, or from its root on disk.

pub(crate) mod bolt;
mod catalogue;
mod client;
mod daemon;
mod metadata;
pub(crate) mod root;
#[cfg(target_os = "linux")]
pub(crate) mod snapshots;
#[cfg(test)]
mod tests;

pub(crate) use client::ContainerdError;
pub(crate) use daemon::Containerd;
pub(crate) use root::{Root, RootError};
