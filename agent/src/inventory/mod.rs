//! Takes stock of a store: groups records into images, finds what runs, proves what was looked at, and notices changes.

pub(crate) mod changes;
pub(crate) mod coverage;
mod images;
pub(crate) mod running;

pub(crate) use images::{Inventory, UnknownImage};
