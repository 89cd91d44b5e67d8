//! The site: which nodes there are and how each is reached. Pure.
//!
//! Everything that later becomes a file name, an address or an argument is checked here, once.

mod error;
pub(crate) mod host_key_list;
pub(crate) mod kubernetes;
mod node;
mod platform;
mod site_file;
pub(crate) mod ssh_config;
mod values;
pub(crate) mod write;

pub(crate) use error::SiteFileError;
pub(crate) use node::{Hop, Node, SshAddress, Sudo};
pub(crate) use platform::{Architecture, Os, Platform};
pub(crate) use site_file::{Site, resolve};
pub(crate) use values::site_name;
