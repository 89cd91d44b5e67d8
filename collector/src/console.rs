//! Words for people on standard error, data on standard output. A reader that went away is no reason to panic, and no CI
//! system finds a command in either.

use std::io::{self, Write as _};

use assay_judge::ci_commands;
use assay_report::clean;

/// Words for people, mostly a line.
pub(crate) fn say(words: &str) {
    let words = clean::block(words, usize::MAX);
    let _ = writeln!(io::stderr().lock(), "{}", ci_commands::escape(&words));
}

/// Text on standard output.
pub(crate) fn print(text: &str) {
    print_own(&ci_commands::escape(text));
}

/// Text on standard output that is this program's alone, as it is.
pub(crate) fn print_own(text: &str) {
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

/// A value as JSON on standard output.
pub(crate) fn print_json(value: &impl serde::Serialize) {
    // the values that are shown are structs of text, numbers and lists, which cannot fail to be written
    let json = serde_json::to_vec_pretty(value).unwrap_or_default();
    print_line(&json);
}

/// A value as JSON in one line on standard output.
pub(crate) fn print_json_line(value: &impl serde::Serialize) {
    print_line(&serde_json::to_vec(value).unwrap_or_default());
}

fn print_line(json: &[u8]) {
    let mut line = ci_commands::escape_json(json);
    line.push(b'\n');
    let _ = io::stdout().lock().write_all(&line);
}
