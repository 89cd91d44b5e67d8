//! Distinguished names of certificates: values decoded, text as RFC 4514 writes it.
//!
//! The text is for people. Names are compared as DER (issuer and subject in a chain) or by decoded values (trusted
//! identities), never as text.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use x509_parser::asn1_rs::{Any, Tag};
use x509_parser::x509::X509Name;

use crate::oci::hex;

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
    /// The value as text; none where its ASN.1 type is not a string.
    pub value: Option<String>,
    /// The value's content octets.
    pub raw: Vec<u8>,
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
    /// Reads a name; none where a string is not of the form that its ASN.1 type demands.
    pub(super) fn from_name(name: &X509Name<'_>) -> Option<Self> {
        let attribute = |attribute: &x509_parser::x509::AttributeTypeAndValue<'_>| {
            let any = attribute.attr_value();
            Some(Attribute {
                oid: attribute.attr_type().to_id_string(),
                value: text(any)?,
                raw: any.data.to_vec(),
            })
        };
        Some(Self { attributes: name.iter_attributes().map(attribute).collect::<Option<_>>()? })
    }

    /// The attributes in the order of the certificate.
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }
}

/// The text of a string type; `Some(None)` for other types, none for a malformed string.
fn text(any: &Any<'_>) -> Option<Option<String>> {
    let utf8 = |bytes: &[u8]| core::str::from_utf8(bytes).ok().map(ToString::to_string);
    Some(Some(match any.tag() {
        Tag::Utf8String => utf8(any.data)?,
        Tag::PrintableString | Tag::NumericString | Tag::Ia5String => {
            if !any.data.is_ascii() {
                return None;
            }
            utf8(any.data)?
        }
        // T.61 is read as the reference reads it: as Latin-1 where it is not UTF-8
        Tag::T61String => {
            utf8(any.data).unwrap_or_else(|| any.data.iter().map(|byte| char::from(*byte)).collect())
        }
        Tag::BmpString => {
            let (pairs, rest) = any.data.as_chunks::<2>();
            if !rest.is_empty() {
                return None;
            }
            char::decode_utf16(pairs.iter().map(|pair| u16::from_be_bytes(*pair)))
                .collect::<Result<_, _>>()
                .ok()?
        }
        _ => return Some(None),
    }))
}

impl fmt::Display for DistinguishedName {
    /// RFC 4514: the last attribute first, types by short name, values escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, attribute) in self.attributes.iter().rev().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            match (attribute.short_name(), &attribute.value) {
                (Some(name), Some(value)) => write!(f, "{name}={}", Escaped(value))?,
                (None, Some(value)) => write!(f, "{}={}", attribute.oid, Escaped(value))?,
                (_, None) => write!(f, "{}=#{}", attribute.oid, hex(&attribute.raw))?,
            }
        }
        Ok(())
    }
}

/// A value with the escapes of RFC 4514 section 2.4.
struct Escaped<'a>(&'a str);

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
