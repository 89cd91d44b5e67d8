//! Words for people on standard error, data on standard output. A reader that went away is no reason to panic.

use std::io::{self, Write as _};

/// One line for people.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Text on standard output.
pub(crate) fn print(text: &str) {
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

/// A value as JSON on standard output.
pub(crate) fn print_json(value: &impl serde::Serialize) {
    // the values that are shown are structs of text, numbers and lists, which cannot fail to be written
    print(&(serde_json::to_string_pretty(value).unwrap_or_default() + "\n"));
}
