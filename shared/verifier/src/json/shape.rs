//! Checks a document against the members that its readers know.

use alloc::borrow::Cow;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::ToString as _;
use core::cell::Cell;
use core::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::error::{JsonError, JsonProblem, shortened};
use crate::limits;

/// The names that the readers of a document give a meaning.
///
/// Go's `encoding/json`, which containerd and the reference read with, takes a member in another letter case for the one that
/// it knows, and of two members that it takes for the same one it keeps the last. A document in which that happens says one
/// thing here and another thing there, so it is refused. All names that Go's types know are listed, whether they are read here
/// or not.
#[derive(Debug)]
pub enum Shape {
    /// No name means anything: a text, or a map whose names are data.
    Any,
    /// A list of this.
    List(&'static Self),
    /// An object with these members, and any others.
    Object(&'static [(&'static str, &'static Self)]),
}

/// Checks that `bytes` are one JSON document in which no object names a member twice, and none has a name that Go's reader
/// would take for another one.
///
/// # Errors
/// [`JsonError`]
pub(super) fn check(bytes: &[u8], shape: &Shape) -> Result<(), JsonError> {
    walk(bytes, shape, None)
}

impl JsonError {
    /// What `error` says of `bytes`.
    pub fn new(bytes: &[u8], error: &serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        let what = text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text);
        let what = shortened(what);
        let problem = if error.is_data() {
            let missing = what.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
            if let Some(variant) = missing.and_then(|name| variant_of(bytes, name)) {
                return variant;
            }
            JsonProblem::Members { what }
        } else {
            JsonProblem::in_bytes(bytes, line, column).unwrap_or(JsonProblem::Syntax { what })
        };
        Self { problem, line, column }
    }
}

/// Where `bytes` have a member that is `name` in another letter case; `None` if they have not.
fn variant_of(bytes: &[u8], name: &str) -> Option<JsonError> {
    let refused = walk(bytes, &Shape::Any, Some(name)).err()?;
    matches!(refused.problem, JsonProblem::LetterCase { .. }).then_some(refused)
}

fn walk(bytes: &[u8], shape: &Shape, everywhere: Option<&str>) -> Result<(), JsonError> {
    let (found, values) = (Cell::new(None), Cell::new(0));
    let mut document = serde_json::Deserializer::from_slice(bytes);
    let walk = Walk { shape, everywhere, found: &found, values: &values };
    let walked = walk.deserialize(&mut document).and_then(|()| document.end());
    walked.map_err(|error| match found.take() {
        Some(problem) => JsonError { problem, line: error.line(), column: error.column() },
        None => JsonError::new(bytes, &error),
    })
}

/// A walk through one value. What it finds is left in `found`, because serde's errors carry text alone.
#[derive(Clone, Copy)]
struct Walk<'s, 'f> {
    shape: &'s Shape,
    /// A name that is known in every object.
    everywhere: Option<&'s str>,
    found: &'f Cell<Option<JsonProblem>>,
    /// Values so far: the reader after this walk takes memory for each.
    values: &'f Cell<usize>,
}

/// A member's name, borrowed unless it is written with escapes.
#[derive(Deserialize)]
struct Name<'n>(#[serde(borrow)] Cow<'n, str>);

impl<'de> DeserializeSeed<'de> for Walk<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.values.set(self.values.get().saturating_add(1));
        if self.values.get() > limits::JSON_VALUES {
            return Err(self.refuse(JsonProblem::TooManyValues));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let shape = match self.shape {
            Shape::List(item) => item,
            Shape::Any => &Shape::Any,
            // serde would take its items for the members in their order
            Shape::Object(_) => {
                return Err(self.refuse(JsonProblem::Members { what: "not an object".into() }));
            }
        };
        while items.next_element_seed(Walk { shape, ..self })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let known = if let Shape::Object(known) = self.shape { known } else { &[][..] };
        let mut names = BTreeSet::new();
        while let Some(Name(name)) = members.next_key()? {
            let shape = known.iter().find(|(one, _)| *one == name).map(|(_, shape)| *shape);
            let mut names_known = known.iter().map(|(one, _)| *one).chain(self.everywhere);
            if shape.is_none()
                && let Some(known) = names_known.find(|known| *known != name && folds_to(&name, known))
            {
                return Err(self.refuse(JsonProblem::letter_case(&name, known)));
            }
            if let Some(name) = names.replace(name) {
                return Err(self.refuse(JsonProblem::repeated(&name)));
            }
            members.next_value_seed(Walk { shape: shape.unwrap_or(&Shape::Any), ..self })?;
        }
        Ok(())
    }
}

impl Walk<'_, '_> {
    fn refuse<E: de::Error>(self, problem: JsonProblem) -> E {
        self.found.set(Some(problem));
        E::custom("")
    }
}

/// Whether Go's reader takes `name` for `known`.
pub(super) fn folds_to(name: &str, known: &str) -> bool {
    known.chars().map(fold).eq(name.chars().map(fold))
}

/// Unicode's simple folding of the letters that occur in the standards' names: ASCII, and the two letters beyond it that fold
/// into ASCII (long s and the Kelvin sign).
fn fold(letter: char) -> char {
    match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    }
}
