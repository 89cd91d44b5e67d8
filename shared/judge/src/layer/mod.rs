//! Reads what a layer's tar holds, as containerd reads it: its entries in their order, each file's content as a digest.
//!
//! The agent applies the entries to trees, and the collector lists them for nodes that discard their layers.

mod entries;
mod error;
mod hashed;
mod list;
mod member;
mod read;
mod sparse;
mod take;

pub use error::{LayerError, Unsupported};
pub use list::{ListError, read_list, write_list};
pub use member::{Bytes, Device, Kind, Member, MemberKind, Sha256, WHITEOUT, printable};
pub use read::{read, read_within};
pub use take::{TakeContent, TakeEntries};
