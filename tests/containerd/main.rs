//! Tests that need a real containerd: Debian's and containerd 2.

mod agent_image;
mod census;
mod containerd;
mod content;
mod custody;
mod drift;
mod guest;
mod hints;
mod image_verifier;
mod images;
mod inventory;
mod layer_files;
mod procedure;
mod rootfs;
mod rootfs_real;
mod rootfs_recipes;
mod stores;
