//! Why bytes are not the JSON that they should be, in words that say what they are instead.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;
use core::fmt;

use crate::file_form::FileForm;
use crate::limits;

/// Bytes are not the JSON document that they should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// What is wrong.
    pub problem: JsonProblem,
    /// Where reading stopped, counted from 1.
    pub line: usize,
    /// Where in that line, in bytes, counted from 1.
    pub column: usize,
}

/// What is wrong with a JSON document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonProblem {
    /// Something else altogether.
    #[error("not JSON; it is {0}")]
    Foreign(FileForm),
    /// A comment, in the notation of another language.
    #[error("a comment, which JSON does not have; remove it")]
    Comment,
    /// A syntax error.
    #[error("not JSON: {what}")]
    Syntax {
        /// What the parser says.
        what: String,
    },
    /// JSON, and not what this document must be.
    #[error("{what}")]
    Members {
        /// What the reader says.
        what: String,
    },
    /// More values than [`limits::JSON_VALUES`].
    #[error("it has more than {} values", limits::JSON_VALUES)]
    TooManyValues,
    /// A member that one object names twice.
    #[error("the member {name:?} stands twice in one object")]
    Repeated {
        /// Its name.
        name: String,
    },
    /// A member that other readers take for one that it is not.
    #[error("the member {name:?} is not written {known:?}, and some readers take it for that")]
    LetterCase {
        /// As it stands in the document.
        name: String,
        /// As it must be written.
        known: String,
    },
}

impl JsonProblem {
    pub(super) fn repeated(name: &str) -> Self {
        Self::Repeated { name: shortened(name) }
    }

    pub(super) fn letter_case(name: &str, known: &str) -> Self {
        Self::LetterCase { name: shortened(name), known: known.to_owned() }
    }

    /// What bytes are that are not JSON from that place on; `None` if nothing more is known of them.
    pub(super) fn in_bytes(bytes: &[u8], line: usize, column: usize) -> Option<Self> {
        let is_json = bytes.trim_ascii_start().first().is_some_and(|first| b"{[".contains(first));
        match FileForm::detect(bytes) {
            form if !is_json && !matches!(form, FileForm::Text | FileForm::Unknown) => {
                return Some(Self::Foreign(form));
            }
            _ => {}
        }
        let line = bytes.split(|byte| *byte == b'\n').nth(line.checked_sub(1)?)?;
        let rest = line.get(column.checked_sub(1)?..)?;
        let is_comment = rest.starts_with(b"//") || rest.starts_with(b"/*") || rest.starts_with(b"#");
        is_comment.then_some(Self::Comment)
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { problem, line, column } = self;
        match problem {
            JsonProblem::Foreign(_) => write!(f, "{problem}"),
            _ => write!(f, "{problem} (line {line}, column {column})"),
        }
    }
}

impl core::error::Error for JsonError {}

/// Text of a document as an error repeats it.
pub(super) fn shortened(text: &str) -> String {
    const LETTERS: usize = 200;
    let mut letters = text.chars();
    let short: String = letters.by_ref().take(LETTERS).collect();
    if letters.next().is_none() { short } else { format!("{short}…") }
}
