//! JSON as the Notary Project's documents demand it: one value, no member twice, at no depth.
//!
//! serde_json's own `Value` silently takes the last of two equal members, and the reference implementation also matches
//! names in any letter case; a signed document that two readers understand differently is refused here instead.

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// One JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number written without fraction or exponent, zero or positive.
    Unsigned(u64),
    /// Any other number; its value never matters here.
    OtherNumber,
    /// Text.
    Text(String),
    /// A list.
    Array(Vec<Value>),
    /// Members by name.
    Object(Object),
}

/// The members of a JSON object, each name once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object(BTreeMap<String, Value>);

/// Whether `bytes` begin with a byte order mark, as UTF-16 from Windows PowerShell's `>` does and UTF-8 from some editors.
pub(crate) fn begins_with_mark(bytes: &[u8]) -> bool {
    [&b"\xff\xfe"[..], b"\xfe\xff", b"\xef\xbb\xbf"].iter().any(|mark| bytes.starts_with(mark))
}

impl Value {
    /// Reads `bytes` as exactly one JSON value.
    ///
    /// # Errors
    /// [`JsonError`] where it is not JSON, not UTF-8, nested too deep, followed by anything but white space, or names a
    /// member twice.
    pub fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        serde_json::from_slice(bytes)
            .map_err(|error| JsonError { line: error.line(), column: error.column() })
    }

    /// The text, if this is text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The members, if this is an object.
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The items, if this is a list.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }
}

impl Object {
    /// The member of that exact name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// All members, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// A member whose name differs from one of `known` in letter case only: the reference would take it for that one.
    pub fn case_variant_of(&self, known: &[&str]) -> Option<&str> {
        self.0.keys().map(String::as_str).find(|name| {
            !known.contains(name)
                && known.iter().any(|known| known.chars().map(fold).eq(name.chars().map(fold)))
        })
    }
}

/// Go's case folding of the letters that occur in the standard's names: ASCII, and the two letters beyond it that fold
/// into ASCII (long s and the Kelvin sign).
fn fold(letter: char) -> char {
    match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    }
}

/// The bytes are not one JSON value in the sense of [`Value::parse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not one JSON value without repeated members (line {line}, column {column})")]
pub struct JsonError {
    /// Where reading stopped, counted from 1.
    pub line: usize,
    /// Where in that line, counted from 1.
    pub column: usize,
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value without repeated members")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Unsigned(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::OtherNumber)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::OtherNumber)
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = BTreeMap::new();
        while let Some((name, value)) = members.next_entry::<String, Value>()? {
            if object.insert(name, value).is_some() {
                return Err(de::Error::custom("member named twice"));
            }
        }
        Ok(Value::Object(Object(object)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_two_readers_could_understand_differently() {
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"x":[{"a":1,"\u0061":2}]}"#,
            "{} {}",
            "{}x",
            "",
            "\u{feff}{}",
            "[1,]",
            "{\"a\":\"\\ud800\"}",
        ] {
            assert!(Value::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Value::parse(b"\"\xff\"").is_err());
        assert!(Value::parse(" {} \n".as_bytes()).is_ok());
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth| [b"[".repeat(depth), b"]".repeat(depth)].concat();
        assert!(Value::parse(&nested(crate::limits::JSON_DEPTH - 1)).is_ok());
        assert!(Value::parse(&nested(crate::limits::JSON_DEPTH)).is_err());
    }

    #[test]
    fn finds_names_that_the_reference_would_fold() {
        for name in ["LEVEL", "Level", "leve\u{6c}"] {
            let object = Value::parse(alloc::format!("{{\"{name}\":1}}").as_bytes()).unwrap();
            let found = object.as_object().unwrap().case_variant_of(&["level"]).is_some();
            assert_eq!(found, name != "level", "{name}");
        }
        let object = Value::parse("{\"tru\u{17f}tStores\":1}".as_bytes()).unwrap();
        assert!(object.as_object().unwrap().case_variant_of(&["trustStores"]).is_some());
    }
}
