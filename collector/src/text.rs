//! Text that came from elsewhere, made safe to show: no control characters, no direction overrides, a bounded length.

/// Characters of a message that a report keeps.
pub(crate) const MESSAGE_CHARS: usize = 2_000;

/// `text` with every character that could steer a terminal or hide text replaced, cut to `limit` characters.
pub(crate) fn clean(text: &str, limit: usize) -> String {
    let mut cleaned: String =
        text.chars().take(limit).map(|c| if is_unsafe(c) { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(limit).is_some() {
        cleaned.push('…');
    }
    cleaned
}

/// Whether [`clean`] would change the text.
pub(crate) fn is_clean(text: &str, limit: usize) -> bool {
    text.chars().nth(limit).is_none() && !text.chars().any(is_unsafe)
}

fn is_unsafe(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        // Bidirectional overrides and isolates, line and paragraph separators, and what is no character at all.
        '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{2028}'
        | '\u{2029}'
        | '\u{fffe}'
        | '\u{ffff}' => true,
        c => c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_is_left() {
        assert_eq!(clean("a\u{1b}[2Jb\u{9b}c\u{202e}d\ne", 100), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d\ne");
        assert_eq!(clean("äöü", 2), "äö…");
        assert!(is_clean("äö", 2) && !is_clean("äöü", 2) && !is_clean("\u{7f}", 9));
    }
}
