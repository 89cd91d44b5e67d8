//! Tests that need a real sshd, and a containerd behind it.

mod fleet;
mod readme;
mod rootfs;
