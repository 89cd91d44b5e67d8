//! What several commands share on the command line.

use clap::ValueEnum;

/// The groups of options in the help of commands that have many.
pub(super) const NODES: &str = "Nodes";
pub(super) const CONNECTION: &str = "Connection";
pub(super) const VERDICT: &str = "Verdict";
pub(super) const REGISTRIES: &str = "Registries";
pub(super) const OUTPUT: &str = "Output";

/// In which form a command writes what it found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TextOrJson {
    /// For people
    Text,
    /// For programs
    Json,
}
