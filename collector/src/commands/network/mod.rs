//! The commands that reach nodes or registries, or sign.

mod bundle;
mod cleanup;
#[cfg(feature = "kubernetes")]
mod cluster_run;
mod dry_run;
mod error;
mod evidence;
mod nodes;
mod run;
mod site_key;

pub use bundle::bundle;
pub use cleanup::cleanup;
pub use error::NetworkError;
pub use evidence::evidence;
pub use nodes::nodes;
pub use run::run;
pub use site_key::site_key;
