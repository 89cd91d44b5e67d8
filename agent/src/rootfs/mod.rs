//! What runs is what was signed: unpacked snapshots, compared with the layers that they were unpacked from.
//!
//! A layer's tar is read once, and its digests are checked; if the layer is not in the store any more, the list of its files in a
//! bundle is read instead. What its snapshot's folder must hold follows from it as containerd's
//! applier says. The folder is then walked and compared, file by file. Nothing is mounted, written or locked.

#[cfg(target_os = "linux")]
mod apply;
#[cfg(target_os = "linux")]
mod chain;
#[cfg(target_os = "linux")]
mod compare;
#[cfg(target_os = "linux")]
mod drift;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod finding;
#[cfg(target_os = "linux")]
pub(crate) mod fuzz;
#[cfg(target_os = "linux")]
mod in_step;
#[cfg(all(test, target_os = "linux"))]
#[expect(clippy::disallowed_methods, reason = "tests write scratch folders")]
mod in_step_tests;
#[cfg(target_os = "linux")]
mod layers;
#[cfg(target_os = "linux")]
mod lists;
#[cfg(all(test, target_os = "linux"))]
mod lists_tests;
#[cfg(target_os = "linux")]
mod model;
#[cfg(target_os = "linux")]
mod mounted;
#[cfg(all(test, target_os = "linux"))]
mod mutations;
#[cfg(target_os = "linux")]
mod plan;
#[cfg(target_os = "linux")]
mod proof;
#[cfg(target_os = "linux")]
mod roots;
#[cfg(target_os = "linux")]
mod shelf;
#[cfg(target_os = "linux")]
mod snapshot;
#[cfg(target_os = "linux")]
mod stand;
#[cfg(target_os = "linux")]
mod task;
#[cfg(all(test, target_os = "linux"))]
mod tests;
#[cfg(target_os = "linux")]
mod tree;

#[cfg(target_os = "linux")]
pub(crate) use drift::check as check_drift;
#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::{check, check_drift};
#[cfg(target_os = "linux")]
pub(crate) use proof::check;
