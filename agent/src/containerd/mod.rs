//! Reads containerd's store in two ways: through its daemon, or from its root on disk.

pub(crate) mod bolt;
mod catalogue;
#[cfg(feature = "daemon")]
mod client;
#[cfg(feature = "daemon")]
mod daemon;
mod metadata;
pub(crate) mod root;
#[cfg(target_os = "linux")]
pub(crate) mod snapshots;
#[cfg(test)]
mod tests;
#[cfg(not(feature = "daemon"))]
mod without_daemon;

#[cfg(feature = "daemon")]
pub(crate) use client::ContainerdError;
#[cfg(feature = "daemon")]
pub(crate) use daemon::open;
pub(crate) use root::{Root, RootError};
#[cfg(not(feature = "daemon"))]
pub(crate) use without_daemon::{ContainerdError, open};
