//! The signed payload: which artifact was signed, and what the signer noted about it.
//!
//! Signature specification, "Payload".

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::json::{Object, Shape, Value};
use crate::oci::{Descriptor, shape};

/// What a payload says. The descriptor's members are text here, because one that is not a digest simply matches nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// Media type of the artifact.
    pub media_type: String,
    /// Digest of the artifact.
    pub digest: String,
    /// Size of the artifact in bytes.
    pub size: Option<u64>,
    /// User metadata: what the signer noted.
    pub annotations: BTreeMap<String, String>,
}

impl Payload {
    /// Reads a payload. Members that are missing stay empty and match nothing.
    ///
    /// # Errors
    /// [`PayloadError`] if it is not one JSON object without repeated members, or a member is of the wrong type.
    pub fn parse(bytes: &[u8]) -> Result<Self, PayloadError> {
        let payload = Value::parse_as(bytes, &PAYLOAD).map_err(|_| PayloadError)?;
        let target = member(payload.as_object().ok_or(PayloadError)?, "targetArtifact");
        let target = match target {
            None => return Ok(Self::default()),
            Some(target) => target.as_object().ok_or(PayloadError)?,
        };
        check_unused(target)?;
        let text = |name| match member(target, name) {
            None => Ok(String::new()),
            Some(value) => value.as_text().map(ToString::to_string).ok_or(PayloadError),
        };
        let size = match member(target, "size") {
            None => None,
            Some(Value::Unsigned(size)) => Some(*size),
            Some(_) => return Err(PayloadError),
        };
        let mut annotations = BTreeMap::new();
        if let Some(value) = member(target, "annotations") {
            for (name, value) in value.as_object().ok_or(PayloadError)?.iter() {
                annotations.insert(name.to_string(), value.as_text().ok_or(PayloadError)?.to_string());
            }
        }
        Ok(Self { media_type: text("mediaType")?, digest: text("digest")?, size, annotations })
    }

    /// Whether the payload names `target`: equal media type, digest and size.
    pub(crate) fn names(&self, target: &Descriptor) -> bool {
        self.media_type == target.media_type
            && self.digest == target.digest.as_str()
            && self.size == Some(target.size)
    }
}

/// Members of a descriptor that decide nothing must still be of their types, as in the reference.
fn check_unused(target: &Object) -> Result<(), PayloadError> {
    let is_texts = |value: &Value| {
        value.as_array().is_some_and(|items| items.iter().all(|item| item.as_text().is_some()))
    };
    let is_base64 = |value: &Value| value.as_text().is_some_and(|text| STANDARD.decode(text).is_ok());
    let is_platform = |value: &Value| {
        value.as_object().is_some_and(|platform| {
            platform.iter().all(|(name, value)| match name {
                _ if *value == Value::Null => true,
                "os.features" => is_texts(value),
                "architecture" | "os" | "os.version" | "variant" => value.as_text().is_some(),
                _ => true,
            })
        })
    };
    let fits = target.iter().all(|(name, value)| match name {
        _ if *value == Value::Null => true,
        "urls" => is_texts(value),
        "data" => is_base64(value),
        "platform" => is_platform(value),
        "artifactType" => value.as_text().is_some(),
        _ => true,
    });
    if fits { Ok(()) } else { Err(PayloadError) }
}

const PAYLOAD: Shape = Shape::Object(&[("targetArtifact", &shape::DESCRIPTOR)]);

/// The member `name`; `None` if it is absent or null.
fn member<'a>(object: &'a Object, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| **value != Value::Null)
}

/// The payload is not the JSON that the specification demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the payload is not the JSON that the specification demands")]
pub struct PayloadError;
