//! Distinguished names of certificates: values decoded, text as RFC 4514 writes it.
//!
//! The text is for people. Names are compared as DER (issuer and subject in a chain) or by decoded values (trusted
//! identities), never as text.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use der::asn1::AnyRef;
use der::{Decode as _, DecodeValue, Sequence, Tag, Tagged as _};

use crate::asn1::{Oid, SequenceOf, SetOf};

/// A distinguished name: its attributes in the order of the certificate, multi-valued RDNs flattened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistinguishedName {
    attributes: Vec<Attribute>,
    /// Where in `attributes` each RDN ends
    ends: Vec<usize>,
}

/// An attribute of a distinguished name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The type as a dotted object identifier.
    pub oid: String,
    /// The value as text.
    pub value: String,
}

impl Attribute {
    /// Types with a short name that RFC 4514 and Go know.
    pub(crate) const SHORT_NAMES: [(&str, &str); 9] = [
        ("2.5.4.3", "CN"),
        ("2.5.4.5", "SERIALNUMBER"),
        ("2.5.4.6", "C"),
        ("2.5.4.7", "L"),
        ("2.5.4.8", "ST"),
        ("2.5.4.9", "STREET"),
        ("2.5.4.10", "O"),
        ("2.5.4.11", "OU"),
        ("2.5.4.17", "POSTALCODE"),
    ];

    /// The short name of the type, such as `CN`; `None` if RFC 4514 and Go know none.
    pub(crate) fn short_name(&self) -> Option<&'static str> {
        Self::SHORT_NAMES.into_iter().find(|(oid, _)| *oid == self.oid).map(|(_, name)| name)
    }

    /// What people call a type without a short name; its object identifier if it has no other name.
    pub(crate) fn familiar_name(&self) -> &str {
        match self.oid.as_str() {
            "1.2.840.113549.1.9.1" => "emailAddress (E)",
            "0.9.2342.19200300.100.1.1" => "UID",
            "0.9.2342.19200300.100.1.25" => "DC",
            oid => oid,
        }
    }
}

impl DistinguishedName {
    /// Reads the DER of a name; `None` if it is malformed, or a value is not a string of the form that its type demands.
    pub(crate) fn parse(der: &[u8]) -> Option<Self> {
        let mut name = Self { attributes: Vec::new(), ends: Vec::new() };
        for relative_name in SequenceOf::from_der(der).ok()?.iter::<SetOf<'_>>() {
            for attribute in relative_name.ok()?.iter::<AttributeTypeAndValue<'_>>() {
                let AttributeTypeAndValue { oid, value } = attribute.ok()?;
                let value = text(value.tag(), value.value())?;
                name.attributes.push(Attribute { oid: oid.to_string(), value });
            }
            name.ends.push(name.attributes.len());
        }
        Some(name)
    }

    /// A name of these attributes.
    #[cfg(test)]
    pub(crate) fn new(attributes: Vec<Attribute>) -> Self {
        let ends = (1..=attributes.len()).collect();
        Self { attributes, ends }
    }

    /// The attributes in the order of the certificate.
    pub(crate) fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// The relative distinguished names, each with its attributes.
    pub(super) fn relative_names(&self) -> impl Iterator<Item = &[Attribute]> {
        let starts = core::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| self.attributes.get(start..*end).unwrap_or_default())
    }
}

#[derive(DecodeValue)]
struct AttributeTypeAndValue<'a> {
    oid: Oid<'a>,
    value: AnyRef<'a>,
}

impl<'a> Sequence<'a> for AttributeTypeAndValue<'a> {}

/// The text of a string; `None` for other types and for letters that the type does not have.
fn text(tag: Tag, bytes: &[u8]) -> Option<String> {
    let utf8 = || core::str::from_utf8(bytes).ok().map(ToString::to_string);
    let only = |allowed: fn(u8) -> bool| if bytes.iter().all(|byte| allowed(*byte)) { utf8() } else { None };
    match tag {
        Tag::Utf8String => utf8(),
        Tag::PrintableString => only(is_printable),
        Tag::NumericString => only(|byte| byte.is_ascii_digit() || byte == b' '),
        Tag::Ia5String => only(|byte| byte.is_ascii()),
        // T.61 is read as Latin-1, as everywhere.
        Tag::TeletexString => Some(bytes.iter().map(|byte| char::from(*byte)).collect()),
        Tag::BmpString => bmp_text(bytes),
        _ => None,
    }
}

/// X.680 section 41.4, and the two letters that certificates in use have beside them.
fn is_printable(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" '()+,-./:=?*&".contains(&byte)
}

/// UCS-2, big-endian: no surrogates, no noncharacters; a terminating zero is dropped.
fn bmp_text(bytes: &[u8]) -> Option<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let pairs = pairs.strip_suffix(&[[0, 0]]).unwrap_or(pairs);
    let letter = |pair: &[u8; 2]| match u16::from_be_bytes(*pair) {
        0xfffe | 0xffff | 0xfdd0..=0xfdef => None,
        point => char::from_u32(point.into()),
    };
    if rest.is_empty() { pairs.iter().map(letter).collect() } else { None }
}

impl fmt::Display for DistinguishedName {
    /// RFC 4514: the last attribute first, types by short name, values escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, attribute) in self.attributes.iter().rev().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            let name = attribute.short_name().unwrap_or(&attribute.oid);
            write!(f, "{name}={}", Escaped(&attribute.value))?;
        }
        Ok(())
    }
}

/// A value with the escapes of RFC 4514 section 2.4.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.0.chars().count().saturating_sub(1);
        for (at, letter) in self.0.chars().enumerate() {
            match letter {
                '\0' => f.write_str("\\00")?,
                '"' | '+' | ',' | ';' | '<' | '>' | '\\' => write!(f, "\\{letter}")?,
                ' ' if at == 0 || at == last => f.write_str("\\ ")?,
                '#' if at == 0 => f.write_str("\\#")?,
                _ => write!(f, "{letter}")?,
            }
        }
        Ok(())
    }
}
