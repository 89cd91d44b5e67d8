//! Escapes what CI systems would take for commands in a program's output.
//!
//! CI systems obey marks in what a step prints: Azure Pipelines `##vso[…]` and `##[…]`, TeamCity `##teamcity[…]`, GitHub `##[…]`
//! anywhere in a line, and GitHub `::…::` at the beginning of a line. Names and messages come from nodes, images and
//! certificates, and such a mark in one of them could turn a failed job green. Each mark is broken where output leaves the
//! program: in text by the escape that hidden letters get elsewhere, in JSON by an escape that every reader undoes.

use std::borrow::Cow;
use std::io::{self, Write};

/// Escapes the marks in `text`.
///
/// The second letter of `##` is escaped, and the first of `::` if it may begin a command: at the beginning of a line, and before
/// a word that cannot be part of an IP address.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains("##") && !text.contains("::") {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    let (mut before, mut begins) = ('\n', true);
    for (at, letter) in text.char_indices() {
        let rest = text.get(at..).unwrap_or_default();
        match letter {
            '#' if before == '#' => escaped.push_str("\\u{23}"),
            ':' if rest.strip_prefix("::").is_some_and(|rest| begins || is_command(rest)) => {
                escaped.push_str("\\u{3a}");
            }
            _ => escaped.push(letter),
        }
        begins = is_line_end(letter) || begins && letter.is_whitespace();
        before = letter;
    }
    Cow::Owned(escaped)
}

/// Whether what follows `::` begins with a word that is longer than a group of an IPv6 address, or has other letters.
fn is_command(rest: &str) -> bool {
    let is_of_word = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_');
    let word = rest.split(|letter| !is_of_word(letter)).next().unwrap_or_default();
    word.len() > 4 || word.chars().any(|letter| !letter.is_ascii_hexdigit())
}

/// Every letter that some reader takes for the end of a line.
fn is_line_end(letter: char) -> bool {
    matches!(letter, '\n'..='\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Escapes the marks in JSON that is written to it. Every JSON reader reads the same from the result, because two of these
/// letters in a row occur only in strings.
pub struct JsonEscaper<W> {
    out: W,
    before: u8,
}

impl<W: Write> JsonEscaper<W> {
    /// Writes the escaped JSON to `out`.
    pub fn new(out: W) -> Self {
        Self { out, before: 0 }
    }

    /// The writer that the escaped JSON went to.
    pub fn into_inner(self) -> W {
        self.out
    }
}

impl<W: Write> Write for JsonEscaper<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let mut before = self.before;
        while let Some(at) = bytes.iter().position(|byte| {
            let is_second = matches!(byte, b'#' | b':') && *byte == before;
            before = *byte;
            is_second
        }) {
            let (plain, rest) = bytes.split_at(at);
            self.out.write_all(plain)?;
            self.out.write_all(if before == b'#' { br"\u0023" } else { br"\u003a" })?;
            bytes = rest.get(1..).unwrap_or_default();
        }
        self.before = before;
        self.out.write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Escapes the marks in JSON.
pub fn escape_json(bytes: &[u8]) -> Vec<u8> {
    let mut escaper = JsonEscaper::new(Vec::with_capacity(bytes.len()));
    // writing to memory cannot fail
    let _ = escaper.write_all(bytes);
    escaper.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a line has a mark that a CI system obeys.
    fn has_mark(line: &str) -> bool {
        line.contains("##") || line.trim_start().starts_with("::")
    }

    #[test]
    fn escapes_every_mark_in_text() {
        for (given, escaped) in [
            ("##vso[task.complete result=Succeeded]", r"#\u{23}vso[task.complete result=Succeeded]"),
            ("name: ##[error]x", r"name: #\u{23}[error]x"),
            ("####", r"#\u{23}\u{23}\u{23}"),
            ("::error file=a::b", r"\u{3a}:error file=a::b"),
            (" \t::set-output name=a::value", " \t\\u{3a}:set-output name=a\\u{3a}:value"),
            ("a\n::1\nb", "a\n\\u{3a}:1\nb"),
            ("node: ::stop-commands::x-y", r"node: \u{3a}:stop-commands\u{3a}:x-y"),
            (":::add-mask::", r"\u{3a}\u{3a}:add-mask::"),
        ] {
            assert_eq!(escape(given), escaped);
        }
    }

    #[test]
    fn leaves_other_text_as_it_is() {
        for plain in [
            "",
            "# a heading",
            "registry.example.test/app:v1@sha256:0",
            "fe80::1, 2001:db8::cafe and [::1]:22",
            "issue #1, #2",
        ] {
            assert!(matches!(escape(plain), Cow::Borrowed(_)) || escape(plain) == plain, "{plain}");
            assert_eq!(escape(plain), plain);
        }
    }

    #[test]
    fn whatever_pieces_come_together_nothing_has_mark_and_json_is_the_same() {
        let pieces =
            ["#", "##", ":", "::", "vso[x]", "error::", " ", "\n", "\r", "\\", "\"", "ä", "\u{2028}"];
        let mut obeyed = 0;
        for first in pieces {
            for second in pieces {
                for third in pieces {
                    let given = [first, second, third, second].concat();
                    obeyed += usize::from(given.split(is_line_end).any(has_mark));
                    let escaped = escape(&given);
                    assert!(!escaped.split(is_line_end).any(has_mark), "{given:?}");
                    assert_eq!(escape(&escaped), escaped);

                    let plain = serde_json::to_vec_pretty(&[[&given]]).unwrap();
                    let whole = escape_json(&plain);
                    // the same in whatever pieces it comes
                    let mut bytewise = JsonEscaper::new(Vec::new());
                    plain.iter().for_each(|byte| bytewise.write_all(&[*byte]).unwrap());
                    assert_eq!(bytewise.into_inner(), whole);
                    let back: [[String; 1]; 1] = serde_json::from_slice(&whole).unwrap();
                    assert_eq!(back[0][0], given);
                    let whole = String::from_utf8(whole).unwrap();
                    assert!(!whole.contains("##") && !whole.contains("::"));
                }
            }
        }
        assert!(obeyed > 500);
    }
}
