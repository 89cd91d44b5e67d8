//! Reads files with holes, in the three forms that GNU tar writes with PAX headers: 0.0, 0.1 and 1.0. GNU tar manual, "Storing Sparse
//! Files".
//!
//! They are read as Go's `archive/tar` reads them, since containerd does. The older form without PAX headers has an entry type of
//! its own, which containerd refuses.

use std::io::Read;

use assay_verifier::limits;

use super::entries::Records;
use super::error::{LayerError, damaged};
use super::hashed::{BLOCK, Hashed};
use super::take::TakeContent;

/// Where the map of an entry's parts is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// In the records: forms 0.0 and 0.1.
    InRecords,
    /// Before the content: form 1.0.
    InContent,
}

/// The form of an entry with holes; none for any other entry, and for forms that Go does not know and does not look at.
pub(super) fn form(records: &Records) -> Option<Form> {
    let text = |key| records.get(key).unwrap_or_default();
    match (text(b"GNU.sparse.major"), text(b"GNU.sparse.minor")) {
        (b"0", b"0" | b"1") => Some(Form::InRecords),
        (b"1", b"0") => Some(Form::InContent),
        (b"", b"") if records.get(b"GNU.sparse.map").is_some() => Some(Form::InRecords),
        _ => None,
    }
}

/// Gives the content of a file, holes included, to `content`. `packed` is the size of what the tar has of it.
pub(super) fn expand(
    tar: &mut Hashed<impl Read>,
    form: Form,
    records: &Records,
    packed: u64,
    buffer: &mut [u8],
    content: &mut dyn TakeContent,
) -> Result<(), LayerError> {
    let size = size(records, packed)?;
    let mut left = packed;
    let parts = match form {
        Form::InRecords => in_records(records)?,
        Form::InContent => in_content(tar, &mut left)?,
    };
    // Go checks the whole map before it reads on
    let mut at = 0;
    for (offset, length) in &parts {
        let end = offset.checked_add(*length).filter(|end| *end <= size).ok_or_else(malformed)?;
        if *offset < at {
            return Err(malformed());
        }
        at = end;
    }
    let mut at = 0;
    for (offset, length) in parts {
        zeros(tar, offset - at, content)?;
        left = left.checked_sub(length).ok_or_else(malformed)?;
        tar.each(length, buffer, |piece| content.piece(piece))?;
        at = offset + length;
    }
    zeros(tar, size - at, content)?;
    if left == 0 { Ok(()) } else { Err(malformed()) }
}

/// The size of a file, holes included.
pub(super) fn size(records: &Records, packed: u64) -> Result<u64, LayerError> {
    match records.get(b"GNU.sparse.size").or_else(|| records.get(b"GNU.sparse.realsize")) {
        Some(size) => u64::try_from(number(size)?).map_err(|_| malformed()),
        None => Ok(packed),
    }
}

fn zeros(
    tar: &mut Hashed<impl Read>,
    mut size: u64,
    content: &mut dyn TakeContent,
) -> Result<(), LayerError> {
    const ZEROS: [u8; 16 << 10] = [0; 16 << 10];
    tar.count_hole(size)?;
    while size > 0 {
        let piece = ZEROS.len().min(usize::try_from(size).unwrap_or(usize::MAX));
        content.piece(&ZEROS[..piece]);
        size = size.saturating_sub(u64::try_from(piece).unwrap_or(u64::MAX));
    }
    Ok(())
}

/// Offset and length of each part that has content, in the records of the entry.
fn in_records(records: &Records) -> Result<Vec<(u64, u64)>, LayerError> {
    let count = number(records.get(b"GNU.sparse.numblocks").unwrap_or_default())?;
    let numbers =
        records.get(b"GNU.sparse.map").map(|map| map.split(|byte| *byte == b',')).into_iter().flatten();
    let parts = pairs(numbers)?;
    if usize::try_from(count).is_ok_and(|count| count == parts.len()) { Ok(parts) } else { Err(malformed()) }
}

/// The same in whole blocks before the content, one number a line, the count of parts first.
fn in_content(tar: &mut Hashed<impl Read>, left: &mut u64) -> Result<Vec<(u64, u64)>, LayerError> {
    let (mut text, mut lines, mut wanted) = (Vec::new(), 0, 1);
    loop {
        if lines >= wanted {
            let mut lines = text.split(|byte| *byte == b'\n');
            let count = number(lines.next().unwrap_or_default())?;
            let count = usize::try_from(count).ok().and_then(|count| count.checked_mul(2));
            let count = count.ok_or_else(malformed)?;
            if wanted > 1 || count == 0 {
                return pairs(lines.take(count));
            }
            wanted = count.saturating_add(1);
            continue;
        }
        *left = left.checked_sub(BLOCK).ok_or_else(malformed)?;
        if text.len() >= limits::SPARSE_MAP_BYTES {
            return Err(damaged("the map of a sparse file is implausibly large"));
        }
        tar.each(BLOCK, &mut [0; 512], |piece| {
            text.extend_from_slice(piece);
            lines += piece.iter().filter(|byte| **byte == b'\n').count();
        })?;
    }
}

fn pairs<'b>(mut numbers: impl Iterator<Item = &'b [u8]>) -> Result<Vec<(u64, u64)>, LayerError> {
    let number = |text| u64::try_from(number(text)?).map_err(|_| malformed());
    let mut pairs = Vec::new();
    while let Some(offset) = numbers.next() {
        let length = numbers.next().ok_or_else(malformed)?;
        pairs.push((number(offset)?, number(length)?));
    }
    Ok(pairs)
}

/// A number as Go's `strconv.ParseInt` reads it.
fn number(text: &[u8]) -> Result<i64, LayerError> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or_else(malformed)
}

fn malformed() -> LayerError {
    damaged("the map of a sparse file is malformed")
}
