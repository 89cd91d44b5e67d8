//! Reads manifests and indexes into descriptors.
//!
//! OCI image specification manifest.md and image-index.md, the artifact manifest of its 1.1 release candidates, and
//! Docker's manifest version 2, schema 2. Unknown members are ignored, as the specification demands; documents that containerd
//! would read differently are refused ([`shape`]).

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Deserialize;

use super::descriptor::null_as_default;
use super::{Descriptor, shape};
use crate::json::{self, JsonError, JsonProblem};
use crate::limits;

/// Media types by name.
pub mod media_type {
    /// OCI image manifest
    pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// OCI image index
    pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// Artifact manifest of OCI 1.1's release candidates, withdrawn; old signatures are stored in it.
    pub const OCI_ARTIFACT_MANIFEST: &str = "application/vnd.oci.artifact.manifest.v1+json";
    /// An OCI image's config
    pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// A Docker image's config
    pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
    /// The empty JSON object as a config
    pub const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";
    /// Docker image manifest, version 2, schema 2
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// Docker manifest list, version 2
    pub const DOCKER_MANIFEST_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

    /// Whether a media type is one of Docker's manifests.
    pub fn is_docker(text: &str) -> bool {
        matches!(text, DOCKER_MANIFEST | DOCKER_MANIFEST_LIST)
    }

    /// The media type of manifests that `text` is; `None` if it is not a manifest's.
    pub fn known_manifest(text: &str) -> Option<&'static str> {
        [OCI_MANIFEST, OCI_INDEX, OCI_ARTIFACT_MANIFEST, DOCKER_MANIFEST, DOCKER_MANIFEST_LIST]
            .into_iter()
            .find(|known| *known == text)
    }
}

/// What a media type says a manifest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManifestKind {
    /// One image or artifact: config and layers.
    Image,
    /// A list of manifests.
    Index,
    /// An artifact manifest of OCI 1.1's release candidates: blobs, no config.
    Artifact,
}

impl ManifestKind {
    /// The kind that `media_type` names; `None` if it names no manifest.
    pub fn from_media_type(media_type: &str) -> Option<Self> {
        match media_type {
            media_type::OCI_MANIFEST | media_type::DOCKER_MANIFEST => Some(Self::Image),
            media_type::OCI_INDEX | media_type::DOCKER_MANIFEST_LIST => Some(Self::Index),
            media_type::OCI_ARTIFACT_MANIFEST => Some(Self::Artifact),
            _ => None,
        }
    }
}

/// A manifest or index, read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// 2 in every manifest that the specification allows.
    #[serde(default)]
    pub schema_version: Option<u64>,
    /// What the manifest says of itself; optional in OCI.
    #[serde(default)]
    pub media_type: Option<String>,
    /// The type of an artifact.
    #[serde(default)]
    pub artifact_type: Option<String>,
    /// The configuration; absent in an index and an artifact manifest.
    #[serde(default)]
    pub config: Option<Descriptor>,
    /// The layers of an image.
    #[serde(default, deserialize_with = "null_as_default")]
    pub layers: Vec<Descriptor>,
    /// The blobs of an artifact manifest.
    #[serde(default, deserialize_with = "null_as_default")]
    pub blobs: Vec<Descriptor>,
    /// The manifests of an index.
    #[serde(default, deserialize_with = "null_as_default")]
    pub manifests: Vec<Descriptor>,
    /// What this manifest refers to.
    #[serde(default)]
    pub subject: Option<Descriptor>,
    /// Names and notes. They decide nothing: publishers write what they like into them.
    #[serde(default, deserialize_with = "null_as_default")]
    pub annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// Reads a manifest or index.
    ///
    /// # Errors
    /// [`ManifestError`] if the bytes are not such a JSON document or past a limit.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limits::LAYOUT_INDEX_BYTES {
            return Err(ManifestError::TooLarge);
        }
        let manifest: Self = json::read(bytes, &shape::MANIFEST).map_err(ManifestError::Malformed)?;
        let longest = manifest.layers.len().max(manifest.blobs.len()).max(manifest.manifests.len());
        if longest > limits::INDEX_ENTRIES {
            Err(ManifestError::TooManyEntries { entries: longest })
        } else {
            Ok(manifest)
        }
    }

    /// Every descriptor that this manifest names as its content, in order: config, layers, blobs, manifests. The subject
    /// is not content.
    pub fn content(&self) -> impl Iterator<Item = &Descriptor> {
        self.config.iter().chain(&self.layers).chain(&self.blobs).chain(&self.manifests)
    }

    /// Every descriptor that a manifest of that media type leads to: its subject, and what such a manifest holds. Docker's
    /// know no subject.
    pub fn successors(&self, media_type: &str) -> impl Iterator<Item = &Descriptor> {
        let subject = self.subject.as_ref().filter(|_| !media_type::is_docker(media_type));
        let (config, listed): (_, &[Descriptor]) = match ManifestKind::from_media_type(media_type) {
            Some(ManifestKind::Image) => (self.config.as_ref(), &self.layers),
            Some(ManifestKind::Index) => (None, &self.manifests),
            Some(ManifestKind::Artifact) => (None, &self.blobs),
            None => (None, &[]),
        };
        subject.into_iter().chain(config).chain(listed)
    }
}

/// Why bytes are not a manifest or index.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Longer than [`limits::LAYOUT_INDEX_BYTES`].
    #[error("is larger than any manifest")]
    TooLarge,
    /// Not the JSON of a manifest.
    #[error("is malformed: {0}")]
    Malformed(JsonError),
    /// More entries than [`limits::INDEX_ENTRIES`].
    #[error("has too many entries: {entries}")]
    TooManyEntries {
        /// How many.
        entries: usize,
    },
}

impl ManifestError {
    /// Whether some readers take the bytes for a manifest.
    pub fn is_ambiguous(&self) -> bool {
        matches!(
            self,
            Self::Malformed(JsonError {
                problem: JsonProblem::Repeated { .. } | JsonProblem::LetterCase { .. },
                ..
            })
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_go_null_lists_and_ignores_unknown_members() {
        let manifest =
            Manifest::parse(br#"{"schemaVersion":2,"layers":null,"manifests":null,"other":{"a":1}}"#)
                .unwrap();
        assert_eq!(manifest.content().count(), 0);
    }

    /// A descriptor with one member more.
    fn descriptor(more: &str) -> String {
        let digest = super::super::Digest::sha256(b"");
        alloc::format!(r#"{{"mediaType":"m","digest":"{digest}","size":1,{more}}}"#)
    }

    #[test]
    fn documents_that_containerd_reads_otherwise_are_refused() {
        let twice = |name: &str, value: &str| alloc::format!(r#"{{"{name}":{value},"{name}":{value}}}"#);
        let one = |name: &str, value: &str| alloc::format!(r#"{{"{name}":{value}}}"#);
        for document in [
            twice("layers", "[]"),
            twice("x", "1"),
            one("annotations", &twice("x", r#""y""#)),
            one("x", &twice("y", "1")),
            one("Manifests", "[]"),
            one("manife\u{17f}ts", "[]"),
            one("manife\\u017fts", "[]"),
            one("CONFIG", "{}"),
            one("fslayers", "[]"),
            one("config", &descriptor(r#""Digest":"x""#)),
            one("subject", &descriptor(r#""Size":1"#)),
            one("layers", &alloc::format!("[{}]", descriptor(r#""DATA":"""#))),
            one("blobs", &alloc::format!("[{}]", descriptor(r#""uRLs":[]"#))),
            one("manifests", &alloc::format!("[{}]", descriptor(r#""artifacttype":"a""#))),
            one("manifests", &alloc::format!("[{}]", descriptor(r#""platform":{"OS":"linux"}"#))),
            one("manifests", &alloc::format!("[{}]", descriptor(r#""platform":{"os.Version":"1"}"#))),
        ] {
            let refused = Manifest::parse(document.as_bytes());
            assert!(refused.is_err_and(|error| error.is_ambiguous()), "{document}");
        }
        for document in [
            one("manifest", "[]"),
            one("x", r#"{"Config":1,"config":2}"#),
            one("annotations", r#"{"A":"1","a":"2"}"#),
            one("config", &descriptor(r#""annotations":{"Digest":"x","digest":"y"}"#)),
        ] {
            assert!(Manifest::parse(document.as_bytes()).is_ok(), "{document}");
        }
    }

    #[test]
    fn every_member_that_is_read_is_one_that_readers_know() {
        let platform =
            r#""platform":{"architecture":"a","os":"o","os.version":"1","os.features":["f"],"variant":"v"}"#;
        let text = descriptor(&alloc::format!(r#""artifactType":"a","annotations":{{"a":"b"}},{platform}"#));
        let descriptor: Descriptor = serde_json::from_str(&text).unwrap();
        let written = serde_json::to_string(&descriptor).unwrap();
        // Readers would take the member for this one with any letter in the other case.
        for name in written.split('"').filter(|name| written.contains(&alloc::format!("\"{name}\":"))) {
            let (known, other) =
                (alloc::format!("\"{name}\":"), alloc::format!("\"{}\":", name.to_uppercase()));
            let document = alloc::format!(r#"{{"config":{}}}"#, written.replace(&known, &other));
            let refused = Manifest::parse(document.as_bytes());
            assert!(refused.is_err_and(|error| error.is_ambiguous()) || name == "a", "{document}");
        }
    }

    #[test]
    fn entries_are_bounded() {
        let index = |count| {
            let entry = alloc::format!(
                r#"{{"mediaType":"{}","digest":"{}","size":1}}"#,
                media_type::OCI_MANIFEST,
                super::super::Digest::sha256(b"")
            );
            alloc::format!(r#"{{"manifests":[{}]}}"#, alloc::vec![entry; count].join(","))
        };
        assert!(Manifest::parse(index(limits::INDEX_ENTRIES).as_bytes()).is_ok());
        let over = limits::INDEX_ENTRIES + 1;
        assert_eq!(
            Manifest::parse(index(over).as_bytes()),
            Err(ManifestError::TooManyEntries { entries: over })
        );
    }
}
