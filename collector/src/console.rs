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
