//! Text that nodes, operators and signers wrote, made safe to show as [`assay_report::clean`] does it, in the lengths that
//! reports have room for.

pub(crate) use assay_report::clean::{block, line};

/// Characters of a name. A full image reference has at most 512, a distinguished name or a path rarely more.
pub(crate) const NAME: usize = 512;

/// Characters of a message or hint: some ten lines.
pub(crate) const MESSAGE: usize = 1_000;

/// Characters of a text of many lines. With the cases of one node it stays far below what CI systems read of one file.
pub(crate) const BLOCK: usize = 16_000;

/// A name of any kind: a node's, an image's, a signer's.
pub(crate) fn name(text: &str) -> String {
    line(text, NAME)
}

/// A message or hint.
pub(crate) fn message(text: &str) -> String {
    line(text, MESSAGE)
}

/// A message or hint, or `otherwise` if there is none.
pub(crate) fn message_or(text: Option<&str>, otherwise: &str) -> String {
    match text.filter(|text| !text.trim().is_empty()) {
        Some(text) => message(text),
        None => otherwise.to_owned(),
    }
}
