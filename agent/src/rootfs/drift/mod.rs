//! What containers wrote: the files by which each differs from its image, and what is mounted over files of the image.
//!
//! On overlayfs the uppermost folder of a container has what it wrote, and whiteouts for what it deleted. With the native snapshotter a
//! container has a copy of all files, which is compared with the snapshot that it is a copy of. Nothing is mounted, written or locked.
//! What was not looked at, for whatever reason, is said and is not clean.

mod check;
mod class;
mod layer;
mod mounts;
mod stack;
#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write scratch folders")]
mod tests;

pub(crate) use check::check;
