//! Prints messages for people on standard error and data on standard output. It does not panic if the reader is gone, and what it
//! prints never contains a command that a CI system would obey.

use std::io::{self, Write as _};

use assay_judge::ci_commands;
use assay_report::clean;

/// Prints a message for people, mostly one line.
pub(crate) fn say(words: &str) {
    let words = clean::block(words, usize::MAX);
    let _ = writeln!(io::stderr().lock(), "{}", ci_commands::escape(&words));
}

/// Prints text on standard output.
pub(crate) fn print(text: &str) {
    print_own(&ci_commands::escape(text));
}

/// Prints this program's own text on standard output, unchanged.
pub(crate) fn print_own(text: &str) {
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

/// Prints a value as JSON on standard output.
pub(crate) fn print_json(value: &impl serde::Serialize) {
    // The values are structs of text, numbers and lists, which can always be written.
    let json = serde_json::to_vec_pretty(value).unwrap_or_default();
    print_line(&json);
}

/// Prints a value as one line of JSON on standard output.
pub(crate) fn print_json_line(value: &impl serde::Serialize) {
    print_line(&serde_json::to_vec(value).unwrap_or_default());
}

fn print_line(json: &[u8]) {
    let mut line = ci_commands::escape_json(json);
    line.push(b'\n');
    let _ = io::stdout().lock().write_all(&line);
}
