//! Names the namespaces of containerd.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

use serde::{Deserialize as _, Deserializer, Serializer};

/// A namespace of containerd, by its name, which is not empty. A layout has none: what is in it has `None` in its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(Arc<str>);

impl Namespace {
    /// The namespace of that name; `None` if the name is empty.
    pub fn new(name: &str) -> Option<Self> {
        (!name.is_empty()).then(|| Self(name.into()))
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What documents write: an absent namespace is an empty text.
    pub fn text(namespace: Option<&Self>) -> &str {
        namespace.map_or("", Self::as_str)
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

pub(crate) fn serialize<S: Serializer>(
    namespace: &Option<Namespace>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(Namespace::text(namespace.as_ref()))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Namespace>, D::Error> {
    String::deserialize(deserializer).map(|name| Namespace::new(&name))
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    struct Document {
        #[serde(with = "crate::namespace")]
        namespace: Option<Namespace>,
    }

    #[test]
    fn an_absent_namespace_is_written_as_an_empty_text() {
        for (json, namespace) in
            [(r#"{"namespace":""}"#, None), (r#"{"namespace":"k8s.io"}"#, Namespace::new("k8s.io"))]
        {
            let document = Document { namespace };
            assert_eq!(serde_json::to_string(&document).unwrap(), json);
            assert_eq!(serde_json::from_str::<Document>(json).unwrap(), document);
        }
        for json in ["{}", r#"{"namespace":null}"#] {
            assert!(serde_json::from_str::<Document>(json).is_err(), "{json}");
        }
    }
}
