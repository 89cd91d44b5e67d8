//! What the store has: records into images, what runs, what was looked at, and what changed meanwhile.

pub(crate) mod changes;
pub(crate) mod coverage;
mod images;
pub(crate) mod running;

pub(crate) use images::{Inventory, UnknownImage};
