//! Distinguished names of certificates: values decoded, text as RFC 4514 writes it.
//!
//! The text is for people. Names are compared as DER (issuer and subject in a chain) or by decoded values (trusted
//! identities), never as text.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use x509_parser::asn1_rs::{Any, Tag};
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::X509Name;

/// A distinguished name: its attributes in the order of the certificate, multi-valued RDNs flattened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistinguishedName {
    attributes: Vec<Attribute>,
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
    /// The short name of the type, such as `CN`; none where RFC 4514 and Go know none.
    pub fn short_name(&self) -> Option<&'static str> {
        Some(match self.oid.as_str() {
            "2.5.4.3" => "CN",
            "2.5.4.5" => "SERIALNUMBER",
            "2.5.4.6" => "C",
            "2.5.4.7" => "L",
            "2.5.4.8" => "ST",
            "2.5.4.9" => "STREET",
            "2.5.4.10" => "O",
            "2.5.4.11" => "OU",
            "2.5.4.17" => "POSTALCODE",
            _ => return None,
        })
    }
}

impl DistinguishedName {
    /// Reads the DER of a name; none where it is malformed.
    pub(crate) fn parse(der: &[u8]) -> Option<Self> {
        let (rest, name) = X509Name::from_der(der).ok()?;
        if rest.is_empty() { Self::from_name(&name) } else { None }
    }

    /// Reads a name; none where a value is no string, or not of the form that its ASN.1 type demands.
    pub(super) fn from_name(name: &X509Name<'_>) -> Option<Self> {
        let attribute = |attribute: &x509_parser::x509::AttributeTypeAndValue<'_>| {
            Some(Attribute {
                oid: attribute.attr_type().to_id_string(),
                value: text(attribute.attr_value())?,
            })
        };
        Some(Self { attributes: name.iter_attributes().map(attribute).collect::<Option<_>>()? })
    }

    /// The attributes in the order of the certificate.
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }
}

/// The text of a string; none for other types and for letters that the type does not have.
fn text(any: &Any<'_>) -> Option<String> {
    let utf8 = || core::str::from_utf8(any.data).ok().map(ToString::to_string);
    let only =
        |allowed: fn(u8) -> bool| if any.data.iter().all(|byte| allowed(*byte)) { utf8() } else { None };
    match any.tag() {
        Tag::Utf8String => utf8(),
        Tag::PrintableString => only(is_printable),
        Tag::NumericString => only(|byte| byte.is_ascii_digit() || byte == b' '),
        Tag::Ia5String => only(|byte| byte.is_ascii()),
        // the world reads T.61 as Latin-1
        Tag::T61String => Some(any.data.iter().map(|byte| char::from(*byte)).collect()),
        Tag::BmpString => bmp_text(any.data),
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
