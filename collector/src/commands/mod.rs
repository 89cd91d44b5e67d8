//! Carries out the subcommands.

mod agents;
mod bundle;
mod cleanup;
mod completions;
mod demo;
mod dry_run;
mod error;
mod evidence;
mod explain;
mod nodes;
mod report;
mod run;
mod runtime;
mod site_key;
mod trust;

pub use agents::agents;
pub use bundle::bundle;
pub use cleanup::cleanup;
pub use completions::{Shell, completion_script, completions};
pub use demo::demo;
pub use error::CommandError;
pub use evidence::evidence;
pub use explain::explain;
pub use nodes::nodes;
pub use report::report;
pub use run::run;
pub use site_key::site_key;
pub use trust::trust;
