//! How errors are shown. An error's own text is about its own layer only; the chain is joined here, where it is shown.

/// An error and its causes in one line. A cause is left out if the text before it already ends with it.
pub(crate) fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.ends_with(cause.trim_end()) {
            text += &format!(": {cause}");
        }
        source = error.source();
    }
    text
}
