//! Prints an error with everything that caused it.

use std::error::Error;

/// An error and its causes in one line. A cause is left out if the text before it ends with it.
pub fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.ends_with(words.trim_end()) {
            text += &format!(": {words}");
        }
        source = cause.source();
    }
    text
}
