//! Reads PEM into blocks, each a label and its bytes. RFC 7468, read as the reference's library reads it.
//!
//! Text around blocks is explanation. A block that is malformed (another label at its end, not base64) is skipped like such
//! text, and its contents are missed later. Lines of `name: value` at a block's head are headers (RFC 1421) and are ignored.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// One block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// What it says it is, such as `CERTIFICATE`.
    pub(crate) label: String,
    /// What is in it.
    pub(crate) contents: Vec<u8>,
}

/// A block whose end has not been met.
struct Open<'a> {
    label: &'a [u8],
    base64: Vec<u8>,
    in_headers: bool,
}

/// The blocks of `text`, in order.
pub(crate) fn blocks(text: &[u8]) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Open<'_>> = None;
    for line in text.split(|byte| *byte == b'\n') {
        let trimmed = line.trim_ascii_end();
        if let Some(label) = between(trimmed, BEGIN) {
            // a block that was not ended does not count
            open = Some(Open { label, base64: Vec::new(), in_headers: true });
        } else if line.starts_with(END) {
            if let Some(block) = open.take().filter(|open| between(trimmed, END) == Some(open.label)) {
                blocks.extend(block.close());
            }
        } else if let Some(block) = &mut open {
            block.in_headers &= line.contains(&b':');
            if !block.in_headers {
                block.base64.extend(line.iter().filter(|byte| !b" \t\r".contains(byte)));
            }
        }
    }
    blocks
}

impl Open<'_> {
    /// The block; `None` if it is not base64 or its label is not text.
    fn close(self) -> Option<Block> {
        let label = core::str::from_utf8(self.label).ok()?.to_string();
        Some(Block { label, contents: STANDARD.decode(&self.base64).ok()? })
    }
}

/// How many times a block seems to begin, wherever in a line.
pub(crate) fn begins(text: &[u8]) -> usize {
    text.windows(BEGIN.len()).filter(|window| *window == BEGIN).count()
}

/// The label of a line that begins or ends a block.
fn between<'a>(line: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    line.strip_prefix(start)?.strip_suffix(b"-----")
}

pub(crate) const BEGIN: &[u8] = b"-----BEGIN ";
pub(crate) const END: &[u8] = b"-----END ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_what_is_none() {
        let good = "-----BEGIN A B-----\nAQID\n-----END A B-----\n";
        let one = [Block { label: "A B".into(), contents: [1, 2, 3].into() }];
        for text in [
            good,
            "text\n-----BEGIN A B-----\r\nAQ\r\n ID\t\r\n-----END A B----- \r\nmore",
            "-----BEGIN A B-----\nProc-Type: 4,ENCRYPTED\nX: y\n\nAQID\n-----END A B-----",
            "-----BEGIN A B-----\nAQID\n-----BEGIN A B-----\nAQID\n-----END A B-----",
            "-----BEGIN C-----\nAQID\n-----END D-----\n-----BEGIN A B-----\nAQID\n-----END A B-----",
            "-----BEGIN C-----\nA!ID\n-----END C-----\n-----BEGIN A B-----\nAQID\n-----END A B-----",
        ] {
            assert_eq!(blocks(text.as_bytes()), one, "{text}");
        }
        for text in [
            "",
            "AQID",
            " -----BEGIN A B-----\nAQID\n-----END A B-----",
            "-----BEGIN A B-----\nAQID",
            "-----BEGIN A B-----\nAQID\n-----END A B----",
            "-----BEGIN A B-----\nAQID\n-----END AB-----",
            "-----BEGIN A B-----\nAQI\n-----END A B-----",
            "-----BEGIN A B-----\rAQID\r-----END A B-----\r",
        ] {
            assert_eq!(blocks(text.as_bytes()), [], "{text}");
        }
        let both = blocks([good, good].concat().as_bytes());
        assert_eq!(both, [one.clone(), one].concat());
    }
}
