//! General names, as alternative names and name constraints hold them. RFC 5280 section 4.2.1.6.

use alloc::vec::Vec;
use core::net::IpAddr;

use der::Decode as _;

use super::uri;
use crate::asn1::{SequenceOf, Tlv};

/// A general name; text is ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GeneralName<'a> {
    Mail(&'a str),
    Host(&'a str),
    Uri(&'a str),
    Address(&'a [u8]),
    /// The DER of a name, which may be malformed
    Directory(&'a [u8]),
    /// Of another kind, or of one of these kinds in a form that is not read
    Other,
}

impl<'a> GeneralName<'a> {
    /// Reads a name; `None` for text that is not ASCII.
    pub(super) fn read(tlv: Tlv<'a>) -> Option<Self> {
        let (tag, content) = (*tlv.0.first()?, tlv.content()?);
        let text = || core::str::from_utf8(content).ok().filter(|text| text.is_ascii());
        Some(match tag {
            0x81 => Self::Mail(text()?),
            0x82 => Self::Host(text()?),
            0x86 => Self::Uri(text()?),
            0x87 => Self::Address(content),
            0xa4 => Self::Directory(content),
            _ => Self::Other,
        })
    }

    /// Reads a subjectAltName, given as the extension's value; `None` if the reference refuses it.
    pub(super) fn alternative_names(value: &'a [u8]) -> Option<Vec<Self>> {
        let mut names = Vec::new();
        for name in SequenceOf::from_der(value).ok()?.iter::<Tlv<'_>>() {
            let name = Self::read(name.ok()?)?;
            let is_good = match name {
                Self::Uri(text) => uri::host(text).is_some_and(|host| is_domain(&host)),
                Self::Address(bytes) => matches!(bytes.len(), 4 | 16),
                _ => true,
            };
            if !is_good {
                return None;
            }
            names.push(name);
        }
        Some(names)
    }

    /// Whether this is well-formed as the base of a subtree, as the reference sees it.
    pub(super) fn is_constraint(self) -> bool {
        let is_domain =
            |text: &str| is_domain(text.strip_prefix('.').filter(|rest| !rest.is_empty()).unwrap_or(text));
        match self {
            Self::Host(text) => is_domain(text),
            Self::Mail(text) if text.contains('@') => mailbox(text).is_some(),
            Self::Mail(text) => is_domain(text),
            Self::Uri(text) => text.parse::<IpAddr>().is_err() && is_domain(text),
            Self::Address(bytes) => {
                matches!(bytes.len(), 8 | 32) && is_mask(bytes.get(bytes.len() / 2..).unwrap_or_default())
            }
            Self::Directory(_) | Self::Other => true,
        }
    }
}

/// Whether text is a domain name, or nothing: labels of printable letters, none of them empty.
pub(super) fn is_domain(text: &str) -> bool {
    text.is_empty()
        || text.split('.').all(|label| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_graphic()))
}

/// Whether a mask is ones followed by zeros.
fn is_mask(mask: &[u8]) -> bool {
    let mut ended = false;
    mask.iter().all(|byte| {
        let fits = byte.leading_ones().saturating_add(byte.trailing_zeros()) >= 8 && (!ended || *byte == 0);
        ended |= *byte != 0xff;
        fits
    })
}

/// The local part of a mailbox, without its quotes and escapes, and its domain; `None` if the text is not a mailbox.
/// RFC 5321 section 4.1.2, with the escapes outside of quotes that RFC 3696 shows, as in the reference.
pub(super) fn mailbox(text: &str) -> Option<(Vec<u8>, &str)> {
    let bytes = text.as_bytes();
    let is_quoted = bytes.first() == Some(&b'"');
    let mut at = usize::from(is_quoted);
    let mut local = Vec::new();
    loop {
        let byte = *bytes.get(at)?;
        let is_end = if is_quoted { byte == b'"' } else { !is_atom_byte(byte) && byte != b'\\' };
        if is_end {
            at = at.checked_add(usize::from(is_quoted))?;
            break;
        }
        let escape = usize::from(byte == b'\\');
        at = at.checked_add(escape)?;
        let byte = *bytes.get(at)?;
        if is_quoted && (matches!(byte, 0 | 10 | 13) || byte == 9 && escape == 0) {
            return None;
        }
        local.push(byte);
        at = at.checked_add(1)?;
    }
    let has_bad_dots = !is_quoted
        && (local.is_empty()
            || local.starts_with(b".")
            || local.ends_with(b".")
            || local.windows(2).any(|pair| pair == b".."));
    let domain = text.get(at..)?.strip_prefix('@')?;
    (!has_bad_dots && is_domain(domain)).then_some((local, domain))
}

fn is_atom_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_have_no_holes() {
        for (mask, is_good) in [
            (&[255, 255, 255, 0][..], true),
            (&[255, 128, 0, 0], true),
            (&[0; 16], true),
            (&[255; 4], true),
            (&[255, 254, 0, 0], true),
            (&[255, 0, 255, 0], false),
            (&[255, 253, 0, 0], false),
            (&[255, 1, 0, 0], false),
            (&[0, 0, 0, 128], false),
        ] {
            assert_eq!(is_mask(mask), is_good, "{mask:?}");
        }
    }

    #[test]
    fn constraints_as_the_reference_takes_them() {
        use GeneralName::{Host, Mail, Uri};
        for (name, is_good) in [
            (Host(""), true),
            (Host("a.test"), true),
            (Host(".a.test"), true),
            (Host("*.a.test"), true),
            (Host("."), false),
            (Host("..a"), false),
            (Host("a..b"), false),
            (Host("a."), false),
            (Host("a b"), false),
            (Host("a\0b"), false),
            (Mail("a.test"), true),
            (Mail(".a.test"), true),
            (Mail("u@a.test"), true),
            (Mail("@a.test"), false),
            (Mail("u@a..test"), false),
            (Mail("u v@a.test"), false),
            (Uri("a.test"), true),
            (Uri("192.0.2.1"), false),
            (Uri("2001:db8::1"), false),
            (Uri("a:1"), true),
        ] {
            assert_eq!(name.is_constraint(), is_good, "{name:?}");
        }
    }

    #[test]
    fn mailboxes_are_checked() {
        for (text, want) in [
            ("a@b", Some(("a", "b"))),
            ("a.b+c@d.e", Some(("a.b+c", "d.e"))),
            ("a@", Some(("a", ""))),
            ("\"a b\"@c", Some(("a b", "c"))),
            ("\"a\\\"b\"@c", Some(("a\"b", "c"))),
            ("\"\"@c", Some(("", "c"))),
            ("a\\.b@c", Some(("a.b", "c"))),
            ("a\\ b@c", Some(("a b", "c"))),
            ("\"a\tb\"@c", None),
            ("", None),
            ("a", None),
            ("@c", None),
            ("\"a@c", None),
            ("\"a\"b@c", None),
            ("a b@c", None),
            (".a@c", None),
            ("a.@c", None),
            ("a..b@c", None),
            ("a@b..c", None),
            ("a@b c", None),
        ] {
            let want = want.map(|(local, domain): (&str, &str)| (local.as_bytes().to_vec(), domain));
            assert_eq!(mailbox(text), want, "{text}");
        }
    }
}
