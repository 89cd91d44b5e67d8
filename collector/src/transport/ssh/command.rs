//! A command for a node's shell.

use std::time::Duration;

use crate::transport::input::Input;

/// A command for a node's shell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Command<'a> {
    /// The text that the shell gets.
    pub(super) text: &'a str,
    /// What the command reads.
    pub(super) input: Option<&'a Input>,
    /// How long it may take.
    pub(super) limit: Duration,
    /// How many bytes it may write to its standard output.
    pub(super) output_limit: usize,
}
