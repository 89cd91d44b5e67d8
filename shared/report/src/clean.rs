//! Makes text that others wrote safe to pass on and to show: in a report, in a terminal, in XML, in HTML.
//!
//! The input may hold anything that a string can: terminal escapes, line ends, letters that reverse the reading order,
//! invisible letters, letters that XML forbids, megabytes. The output has none of it. Nothing is dropped silently: a letter
//! that must not be shown as itself is written as `\u{1b}`, so that a reader sees it, and text that is cut says how much is
//! missing. Markup is not escaped here; XML and HTML writers do that.
//!
//! Clean text stays as it is: what the agent cleans before it writes, the collector finds clean. So neither an escape nor the
//! words that say what is missing exceed the allowed length.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;

/// Combining marks that may follow each other: real text has two at most, defaced text covers its neighbours with dozens.
const MARKS: usize = 2;

/// `text` on one line, of at most `most` letters.
pub fn line(text: &str, most: usize) -> String {
    changed(text, most, false).unwrap_or_else(|| text.to_owned())
}

/// `text` with its line ends, of at most `most` letters.
pub fn block(text: &str, most: usize) -> String {
    changed(text, most, true).unwrap_or_else(|| text.to_owned())
}

/// The clean form of `text`; `None` if that is `text` itself.
pub(crate) fn changed(text: &str, most: usize, keep_lines: bool) -> Option<String> {
    let letters = text.chars().count();
    if letters <= most && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return None;
    }
    let room = most.saturating_sub(missing(letters, most).chars().count());
    let mut cleaned = String::with_capacity(text.len().min(most));
    let mut length = 0_usize;
    let mut marks = 0_usize;
    let mut is_changed = false;
    // how many bytes of the clean text have room beside the words for what is missing, and how many letters that is
    let mut kept = (0, letters);
    for (at, letter) in text.chars().enumerate() {
        marks = if is_mark(letter) { marks.saturating_add(1) } else { 0 };
        if letter == '\n' && keep_lines || !is_hidden(letter) && marks <= MARKS {
            cleaned.push(letter);
            length = length.saturating_add(1);
        } else {
            is_changed = true;
            let shown = letter.escape_unicode();
            length = length.saturating_add(shown.len());
            cleaned.extend(shown);
        }
        if length <= room {
            kept = (cleaned.len(), letters.saturating_sub(at).saturating_sub(1));
        }
        if length > most {
            cleaned.truncate(kept.0);
            cleaned.push_str(&missing(kept.1, most));
            return Some(cleaned);
        }
    }
    is_changed.then_some(cleaned)
}

/// What stands for letters that are missing where `most` are allowed.
fn missing(letters: usize, most: usize) -> String {
    if most < SHORT { "…".to_owned() } else { format!("… ({letters} more letters)") }
}

/// Letters that have no room for words.
const SHORT: usize = 40;

/// Letters that steer instead of showing, or that look like nothing: Unicode's `Default_Ignorable_Code_Point` and
/// controls, every space but the common one, and what is not a letter at all.
fn is_hidden(letter: char) -> bool {
    letter != ' '
        && (letter.is_control()
            || letter.is_whitespace()
            || matches!(letter,
                '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
                | '\u{180b}'..='\u{180f}' // Mongolian variation selectors and vowel separator
                | '\u{200b}'..='\u{200f}' // zero width, direction marks
                | '\u{2028}'..='\u{202e}' // line and paragraph ends, direction embeddings and overrides
                | '\u{2060}'..='\u{206f}' // joiners, direction isolates
                | '\u{2800}' | '\u{3164}' | '\u{ffa0}' // letters drawn as nothing
                | '\u{fdd0}'..='\u{fdef}' // noncharacters
                | '\u{fe00}'..='\u{fe0f}' // variation selectors
                | '\u{feff}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}') // tags, more variation selectors
            // U+FFFE and U+FFFF, which XML forbids, and their likes on every plane
            || u32::from(letter) & 0xfffe == 0xfffe)
}

/// The blocks of combining marks that stack on any letter.
fn is_mark(letter: char) -> bool {
    matches!(letter,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn shows_what_is_hidden() {
        for (text, shown) in [
            ("registry.example.test/app:v1", "registry.example.test/app:v1"),
            ("Müller & Söhne, 東京 <b>", "Müller & Söhne, 東京 <b>"),
            ("\u{1b}[31mred\u{1b}[0m", "\\u{1b}[31mred\\u{1b}[0m"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("a\0b\u{7f}\r\n\t", "a\\u{0}b\\u{7f}\\u{d}\\u{a}\\u{9}"),
            ("gpj.\u{202e}exe\u{2066}", "gpj.\\u{202e}exe\\u{2066}"),
            ("a\u{200b}\u{feff}\u{ad}\u{e0041}b", "a\\u{200b}\\u{feff}\\u{ad}\\u{e0041}b"),
            ("a\u{a0}b\u{3000}", "a\\u{a0}b\\u{3000}"),
            ("\u{fffe}\u{ffff}\u{1fffe}\u{10ffff}", "\\u{fffe}\\u{ffff}\\u{1fffe}\\u{10ffff}"),
            ("e\u{301}\u{302}\u{303}\u{304}", "e\u{301}\u{302}\\u{303}\\u{304}"),
            ("", ""),
        ] {
            assert_eq!(line(text, 512), shown);
        }
    }

    #[test]
    fn keeps_line_ends_only_where_they_belong() {
        assert_eq!(block("a\nb\r\n\u{85}", 50), "a\nb\\u{d}\n\\u{85}");
        assert_eq!(line("a\nb", 50), "a\\u{a}b");
    }

    #[test]
    fn says_how_much_was_cut() {
        assert_eq!(line("äbcde", 5), "äbcde");
        assert_eq!(line("äbcdef", 5), "äbcd…");
        assert_eq!(line(&"ä".repeat(60), 60), "ä".repeat(60));
        assert_eq!(line(&"ä".repeat(61), 60), "ä".repeat(41) + "… (20 more letters)");
        // The escape of a letter is not cut in two.
        assert_eq!(line(&"\u{1b}".repeat(11), 60), "\\u{1b}".repeat(6) + "… (5 more letters)");
    }

    #[test]
    fn clean_text_stays_as_it_is() {
        let pieces = [
            "a",
            "\n",
            "\u{1b}",
            "\u{301}",
            "…",
            "\\",
            "\u{202e}",
            "ß",
            "\u{fffe}",
            "##vso[task]",
            "::error::",
            "\u{1f600}",
            "… (3 more letters)",
        ];
        let mut changed = 0;
        for first in pieces {
            for second in pieces {
                for repeated in [1, 2, 7, 30] {
                    let text = (first.to_owned() + second).repeat(repeated);
                    for most in [1, 5, 39, 40, 41, 60, 1_000] {
                        for clean in [line, block] {
                            let once = clean(&text, most);
                            assert_eq!(clean(&once, most), once, "{most}: {}", text.escape_unicode());
                            assert!(once.chars().count() <= most);
                            changed += usize::from(once != text);
                        }
                    }
                }
            }
        }
        assert!(changed > 1_000);
    }

    #[test]
    fn no_letter_of_unicode_gets_through_that_xml_forbids_or_a_terminal_obeys() {
        let mut letters = 0;
        for letter in '\0'..=char::MAX {
            letters += 1;
            for shown in line(&letter.to_string(), 512).chars() {
                let xml = matches!(shown, ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
                assert!(xml && !shown.is_control(), "{}", letter.escape_unicode());
            }
        }
        assert_eq!(letters, 0x11_0000 - 0x800);
    }
}
