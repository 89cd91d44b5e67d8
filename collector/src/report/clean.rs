//! Text that nodes, operators and signers wrote, made safe to show: in a terminal, in XML, in HTML.
//!
//! What comes in may hold anything that a string can: terminal escapes, line ends, letters that turn the reading order
//! around, letters that cannot be seen, letters that XML forbids, megabytes. What goes out has none of it. Nothing is
//! dropped in silence: a letter that must not be shown as itself is written as `\u{1b}`, so that a reader sees that it is
//! there, and text that is cut says how much is missing. Markup is not escaped here; XML and HTML writers do that.

/// Letters of a name: a full image reference has at most 512, a distinguished name or a path rarely more.
pub const NAME: usize = 512;

/// Letters of a message or hint, some ten lines.
pub const MESSAGE: usize = 1_000;

/// Letters of a text of many lines; with the cases of one node it stays far below what CI systems read of one file.
pub const BLOCK: usize = 16_000;

/// Combining marks that may follow each other: real text has two at most, defaced text covers its neighbours with dozens.
const MARKS: usize = 2;

/// `text` on one line, cut after `most` letters.
pub fn line(text: &str, most: usize) -> String {
    clean(text, most, false)
}

/// `text` with its line ends, cut after `most` letters.
pub fn block(text: &str, most: usize) -> String {
    clean(text, most, true)
}

/// A name of any kind: a node's, an image's, a signer's.
pub fn name(text: &str) -> String {
    line(text, NAME)
}

/// A message or hint.
pub fn message(text: &str) -> String {
    line(text, MESSAGE)
}

/// A message or hint, or `otherwise` where there is none.
pub fn message_or(text: Option<&str>, otherwise: &str) -> String {
    match text.filter(|text| !text.trim().is_empty()) {
        Some(text) => message(text),
        None => otherwise.to_owned(),
    }
}

fn clean(text: &str, most: usize, keep_lines: bool) -> String {
    let mut cleaned = String::with_capacity(text.len().min(most));
    let mut marks = 0;
    for (letters, (at, letter)) in text.char_indices().enumerate() {
        if letters == most {
            let missing = text.get(at..).map_or(0, |rest| rest.chars().count());
            cleaned.push_str(&format!("… ({missing} more letters)"));
            break;
        }
        marks = if is_mark(letter) { marks + 1 } else { 0 };
        if letter == '\n' && keep_lines {
            cleaned.push('\n');
        } else if is_hidden(letter) || marks > MARKS {
            cleaned.extend(letter.escape_unicode());
        } else {
            cleaned.push(letter);
        }
    }
    cleaned
}

/// Letters that steer instead of showing, or that look like nothing: Unicode's `Default_Ignorable_Code_Point` and
/// controls, every space but the common one, and what is no letter at all.
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
            assert_eq!(name(text), shown);
        }
    }

    #[test]
    fn keeps_line_ends_only_where_they_belong() {
        assert_eq!(block("a\nb\r\n\u{85}", 9), "a\nb\\u{d}\n\\u{85}");
        assert_eq!(line("a\nb", 9), "a\\u{a}b");
    }

    #[test]
    fn says_how_much_was_cut() {
        assert_eq!(line("äbcde", 5), "äbcde");
        assert_eq!(line("äbcdef", 5), "äbcde… (1 more letters)");
        assert_eq!(line(&"x".repeat(1_000_000), NAME).len(), NAME + "… (999488 more letters)".len());
    }

    #[test]
    fn no_letter_of_unicode_gets_through_that_xml_forbids_or_a_terminal_obeys() {
        let mut letters = 0;
        for letter in '\0'..=char::MAX {
            letters += 1;
            for shown in name(&letter.to_string()).chars() {
                let xml = matches!(shown, ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
                assert!(xml && !shown.is_control(), "{}", letter.escape_unicode());
            }
        }
        assert_eq!(letters, 0x11_0000 - 0x800);
    }
}
