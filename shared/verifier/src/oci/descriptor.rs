//! Descriptors: what names a blob. OCI image specification, descriptor.md.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::Digest;

/// A descriptor. Two descriptors name the same artifact when media type, digest and size are equal ([`same_target`]
/// compares just these, as the Notary Project demands).
///
/// [`same_target`]: Descriptor::same_target
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "Members")]
pub struct Descriptor {
    /// The media type, exactly as the descriptor that was followed gives it.
    pub media_type: String,
    /// The content's digest.
    pub digest: Digest,
    /// The content's size in bytes.
    pub size: u64,
    /// The type of an artifact's manifest, if a referrers listing repeats it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Names and notes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The platform of a manifest in an index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

/// The members of a descriptor as they are read. Those that mean nothing here must be of their types all the same, since
/// the reference reads nothing of a document in which one is not.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members {
    media_type: String,
    digest: Digest,
    size: u64,
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    platform: Option<Platform>,
    #[serde(default, rename = "urls")]
    _urls: Option<Vec<String>>,
    #[serde(default)]
    data: Option<String>,
}

impl TryFrom<Members> for Descriptor {
    type Error = &'static str;

    fn try_from(members: Members) -> Result<Self, Self::Error> {
        let Members { media_type, digest, size, artifact_type, annotations, platform, data, .. } = members;
        if data.is_some_and(|data| STANDARD.decode(data).is_err()) {
            return Err("data is not base64");
        }
        Ok(Self { media_type, digest, size, artifact_type, annotations, platform })
    }
}

impl Descriptor {
    /// A descriptor with nothing but the three members that name content.
    pub fn new(media_type: impl Into<String>, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.into(),
            digest,
            size,
            artifact_type: None,
            annotations: BTreeMap::new(),
            platform: None,
        }
    }

    /// Whether both name the same artifact: equal media type, digest and size.
    pub fn same_target(&self, other: &Self) -> bool {
        self.media_type == other.media_type && self.digest == other.digest && self.size == other.size
    }
}

/// The platform that a manifest is for. OCI image specification, image-index.md, "platform".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Platform {
    /// CPU architecture in Go's words, such as `amd64`.
    #[serde(deserialize_with = "null_as_default")]
    pub architecture: String,
    /// Operating system in Go's words, such as `linux`.
    #[serde(deserialize_with = "null_as_default")]
    pub os: String,
    /// Windows build, such as `10.0.20348.2700`.
    #[serde(rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// What the operating system must offer, such as `win32k`.
    #[serde(
        rename = "os.features",
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub os_features: Vec<String>,
    /// CPU variant, such as `v8`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if let Some(variant) = &self.variant {
            write!(f, "/{variant}")?;
        }
        Ok(())
    }
}

/// Go writes an absent map or list as `null`.
pub(super) fn null_as_default<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
