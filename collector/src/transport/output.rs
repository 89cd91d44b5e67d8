//! What a command leaves: its output, and how it ended.

use crate::clean;

/// What a command left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Output {
    /// How it ended.
    pub(super) exit: Exit,
    /// Its standard output, whole.
    pub(super) stdout: Vec<u8>,
    /// The first [`STDERR_BYTES`] of its standard error.
    pub(super) stderr: Vec<u8>,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// It exited with this status.
    Code(u32),
    /// A signal killed it.
    Signal(String),
    /// The node did not say; never a success.
    Unknown,
}

/// Bytes of a command's standard error that are kept; more says nothing new.
pub(super) const STDERR_BYTES: usize = 64 << 10;

impl Output {
    /// What the command said about its failure, cleaned for people; never empty.
    pub(super) fn complaint(&self) -> String {
        let stderr = clean::block(String::from_utf8_lossy(&self.stderr).trim(), clean::MESSAGE);
        match (&self.exit, stderr.is_empty()) {
            (_, false) => stderr,
            (Exit::Code(code), true) => format!("exit status {code}"),
            (Exit::Signal(signal), true) => format!("killed by signal {signal}"),
            (Exit::Unknown, true) => "no exit status".to_owned(),
        }
    }
}
