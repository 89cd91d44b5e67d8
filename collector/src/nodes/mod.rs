//! The site: which nodes there are and how each is reached. Pure.
//!
//! Everything that later becomes a file name, an address or an argument is checked here, once.

mod error;
pub mod host_key_list;
pub mod kubernetes;
mod node;
mod platform;
mod site_file;
pub mod ssh_config;
mod values;
pub mod write;

pub use error::{SiteFileError, SiteFileProblem};
pub use node::{Hop, Node, SshAddress, Sudo};
pub use platform::{Architecture, Os, Platform};
pub use site_file::{Site, resolve};
pub use values::site_name;
