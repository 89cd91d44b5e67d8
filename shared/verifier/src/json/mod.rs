//! Reads JSON that all readers understand in the same way: one value, no repeated member at any depth, and no name that
//! another reader would take for another one.
//!
//! serde_json's own `Value` silently takes the last of two equal members, and Go's reader also matches names in any letter
//! case. A document that two readers understand differently is refused here instead.

mod error;
mod shape;

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

pub use error::{JsonError, JsonProblem};
pub use shape::Shape;

/// Whether `bytes` begin as a JSON object does.
pub fn is_object(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"{")
}

/// Reads `bytes` as one JSON document of that shape.
///
/// # Errors
/// [`JsonError`] if it is not JSON, not UTF-8, nested too deep, followed by anything but white space, names a member twice,
/// has a name that other readers take for one of the shape's, or is not a `T`.
pub fn read<'de, T: Deserialize<'de>>(bytes: &'de [u8], shape: &Shape) -> Result<T, JsonError> {
    shape::check(bytes, shape)?;
    serde_json::from_slice(bytes).map_err(|error| JsonError::new(bytes, &error))
}

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

impl Value {
    /// Reads `bytes` as exactly one JSON value.
    ///
    /// # Errors
    /// As [`read`].
    pub fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        Self::parse_as(bytes, &Shape::Any)
    }

    /// Reads `bytes` as one JSON value of that shape.
    ///
    /// # Errors
    /// As [`read`].
    pub(crate) fn parse_as(bytes: &[u8], shape: &Shape) -> Result<Self, JsonError> {
        shape::check(bytes, shape)?;
        ValueVisitor
            .deserialize(&mut serde_json::Deserializer::from_slice(bytes))
            .map_err(|error| JsonError::new(bytes, &error))
    }

    /// The text, if this is text.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The members, if this is an object.
    pub(crate) fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The items, if this is a list.
    pub(crate) fn as_array(&self) -> Option<&[Value]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }
}

impl Object {
    /// The member of that exact name.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// All members, sorted by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// A member whose name differs from one of `known` in letter case only: the reference would take it for that one.
    pub(crate) fn case_variant_of(&self, known: &[&str]) -> Option<&str> {
        self.0
            .keys()
            .map(String::as_str)
            .find(|name| !known.contains(name) && known.iter().any(|known| shape::folds_to(name, known)))
    }
}

/// Builds a [`Value`] of a document in which no member comes twice.
struct ValueVisitor;

impl<'de> DeserializeSeed<'de> for ValueVisitor {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
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
        while let Some(item) = items.next_element_seed(Self)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = BTreeMap::new();
        while let Some(name) = members.next_key()? {
            object.insert(name, members.next_value_seed(Self)?);
        }
        Ok(Value::Object(Object(object)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file_form::{FileForm, Packer};

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
    fn what_is_wrong_is_said() {
        let problem = |bytes: &[u8]| {
            let JsonError { problem, line, column } = Value::parse(bytes).unwrap_err();
            (problem, (line, column))
        };
        for (bytes, what, place) in [
            (&b"\n \n"[..], JsonProblem::Foreign(FileForm::Empty), None),
            (b"\xef\xbb\xbf{}", JsonProblem::Foreign(FileForm::Marked), None),
            (b"\xff\xfe{\0}\0", JsonProblem::Foreign(FileForm::Marked), None),
            (b"\x1f\x8b\x08\0", JsonProblem::Foreign(FileForm::Packed(Packer::Gzip)), None),
            (b"\x28\xb5\x2f\xfd\0", JsonProblem::Foreign(FileForm::Packed(Packer::Zstd)), None),
            (b"PK\x03\x04", JsonProblem::Foreign(FileForm::Packed(Packer::Zip)), None),
            (b"\xd2\x84\x40", JsonProblem::Foreign(FileForm::Cose), None),
            (b"\x30\x82\x01\0", JsonProblem::Foreign(FileForm::CutOff), None),
            (b"\n<!DOCTYPE html>", JsonProblem::Foreign(FileForm::WebPage), None),
            (b"-----BEGIN CERTIFICATE-----", JsonProblem::Foreign(FileForm::BrokenPem), None),
            (b"eyJhbGciOi.e30.AA", JsonProblem::Foreign(FileForm::Token), None),
            (b"// why\n{}", JsonProblem::Comment, Some((1, 1))),
            (b"{\n  # why\n}", JsonProblem::Comment, Some((2, 3))),
            (b"{\"a\": 1 /* why */}", JsonProblem::Comment, Some((1, 9))),
            (b"[\n1, // why\n2]", JsonProblem::Comment, Some((2, 4))),
            (b"{\"a\":1,\n \"a\":2}", JsonProblem::Repeated { name: "a".into() }, Some((2, 4))),
        ] {
            let (found, at) = problem(bytes);
            assert_eq!(found, what, "{}", String::from_utf8_lossy(bytes));
            assert!(place.is_none_or(|place| place == at), "{found}: {at:?}");
        }
        for (bytes, at) in [(&b"{\n\"a\" 1}"[..], (2, 5)), (b"{\"a\":1,}", (1, 8)), (b"{\"a\":", (1, 5))] {
            let (found, place) = problem(bytes);
            assert!(matches!(found, JsonProblem::Syntax { .. }), "{found}");
            assert_eq!(place, at, "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn names_that_other_readers_fold_are_refused_where_they_are_known() {
        const SHAPE: Shape =
            Shape::Object(&[("tasks", &Shape::List(&Shape::Object(&[("id", &Shape::Any)])))]);
        let refusal = |text: &str| Value::parse_as(text.as_bytes(), &SHAPE).map_err(|error| error.problem);
        for (text, name, known) in [
            (r#"{"Tasks":[]}"#, "Tasks", "tasks"),
            (r#"{"tasks":[],"TA\u017fks":[]}"#, "TA\u{17f}ks", "tasks"),
            ("{\"tas\u{212a}s\":[]}", "tas\u{212a}s", "tasks"),
            (r#"{"tasks":[{"id":1},{"ID":1}]}"#, "ID", "id"),
        ] {
            let expected = JsonProblem::LetterCase { name: name.into(), known: known.into() };
            assert_eq!(refusal(text), Err(expected), "{text}");
        }
        for text in [r#"{"ID":1,"id":2}"#, r#"{"tasks":{"ID":1}}"#, r#"{"task":[]}"#] {
            assert!(refusal(text).is_ok(), "{text}");
        }
        for text in [r#"[{"Tasks":1}]"#, r#"{"tasks":[[1]]}"#] {
            assert!(matches!(refusal(text), Err(JsonProblem::Members { .. })), "{text}");
        }
    }

    #[test]
    fn a_member_that_is_missing_is_looked_for_in_another_letter_case() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Document {
            schema: Inner,
        }
        #[derive(Debug, PartialEq, Deserialize)]
        struct Inner {
            name: u8,
        }
        let refusal =
            |text: &str| read::<Document>(text.as_bytes(), &Shape::Any).map_err(|error| error.problem);
        let variant =
            |name: &str, known: &str| JsonProblem::LetterCase { name: name.into(), known: known.into() };
        assert_eq!(refusal(r#"{"Schema":{"name":1}}"#), Err(variant("Schema", "schema")));
        assert_eq!(refusal(r#"{"schema":{"NAME":1}}"#), Err(variant("NAME", "name")));
        assert!(matches!(refusal("{}"), Err(JsonProblem::Members { .. })));
        assert_eq!(
            refusal(r#"{"schema":{"name":1},"Schema":2}"#),
            Ok(Document { schema: Inner { name: 1 } })
        );
    }

    #[test]
    fn values_are_counted_before_anything_is_kept() {
        let list = |values: usize| [&b"["[..], &b"0,".repeat(values - 2), b"0]"].concat();
        assert!(Value::parse(&list(crate::limits::JSON_VALUES)).is_ok());
        let over = Value::parse(&list(crate::limits::JSON_VALUES + 1)).unwrap_err();
        assert_eq!(over.problem, JsonProblem::TooManyValues);
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
