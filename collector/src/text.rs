//! Reads text files that people write. Windows PowerShell's `>` writes UTF-16, and some editors put a byte order mark before UTF-8.

use std::borrow::Cow;
use std::io;
use std::path::Path;

/// The same text as UTF-8 without a byte order mark. Without a mark the bytes are returned unchanged.
pub(crate) fn utf8(bytes: &[u8]) -> Cow<'_, [u8]> {
    let wide = |text: &[u8], unit: fn([u8; 2]) -> u16| {
        let (units, []) = text.as_chunks::<2>() else { return Cow::Borrowed(bytes) };
        let units = units.iter().map(|bytes| unit(*bytes)).collect::<Vec<_>>();
        String::from_utf16(&units).map_or(Cow::Borrowed(bytes), |text| Cow::Owned(text.into_bytes()))
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => Cow::Borrowed(rest),
        _ => Cow::Borrowed(bytes),
    }
}

/// Decodes a text.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] if it is neither UTF-8 nor UTF-16.
pub(crate) fn decode(bytes: &[u8]) -> io::Result<Cow<'_, str>> {
    let neither = || io::Error::new(io::ErrorKind::InvalidData, "neither UTF-8 nor UTF-16; save it as UTF-8");
    match utf8(bytes) {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| neither()),
        Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|_| neither()),
    }
}

/// Reads a file as text.
///
/// # Errors
/// [`io::Error`], also if it is not text.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    decode(&std::fs::read(path)?).map(Cow::into_owned)
}

/// The line of a byte offset, counted from 1.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_windows_writes_is_read() {
        let text = "größe = \u{1f600}\r\n";
        let wide = |mark: [u8; 2], bytes: fn(u16) -> [u8; 2]| {
            mark.into_iter().chain(text.encode_utf16().flat_map(bytes)).collect::<Vec<u8>>()
        };
        let forms = [
            text.as_bytes().to_vec(),
            [b"\xef\xbb\xbf", text.as_bytes()].concat(),
            wide([0xff, 0xfe], u16::to_le_bytes),
            wide([0xfe, 0xff], u16::to_be_bytes),
        ];
        for bytes in forms {
            assert_eq!(decode(&bytes).unwrap(), text);
        }
        // half a unit, half a surrogate pair, another encoding
        for bytes in [&b"\xff\xfea"[..], b"\xff\xfe\x3d\xd8", b"gr\xf6\xdfe"] {
            assert_eq!(decode(bytes).unwrap_err().kind(), io::ErrorKind::InvalidData);
            assert_eq!(utf8(bytes), bytes);
        }
    }
}
