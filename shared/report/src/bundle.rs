//! Reads and writes `bundle.json`, `assay/bundle/v1`: what a bundle of signatures says of itself.
//!
//! A bundle is an OCI image layout that any tool may have made. One that `assay bundle create` made also has this document and
//! `crls/`. The document names every other file with its digest, so that one signature over it ([`SIGNATURE`]) covers all of
//! them. A document that two readers could understand differently is refused, and so is a path that leads out of the bundle.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::document::{self, DocumentError};
use assay_verifier::oci::Digest;
use assay_verifier::time::UnixTime;

/// The value of [`BundleManifest::schema`].
pub const BUNDLE_SCHEMA: &str = "assay/bundle/v1";

/// The document's name in a bundle.
pub const DOCUMENT: &str = "bundle.json";

/// The name of the DSSE envelope over the document. It and the document are the two files that the document does not list.
pub const SIGNATURE: &str = "bundle.json.dsse";

/// The type of the envelope's payload, which is the document byte for byte.
pub const PAYLOAD_TYPE: &str = "application/vnd.assay.bundle.v1+json";

/// The folder of CRLs in a bundle. A file has the name that the reference's cache gives it, the SHA-256 of its URL in hex.
pub const CRLS: &str = "crls";

/// What a bundle says of itself. Equal content gives equal bytes: nothing in it tells when or where it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BundleManifest {
    /// [`BUNDLE_SCHEMA`]
    pub schema: String,
    /// What made it.
    pub tool: Tool,
    /// Whether all that was asked for is in it.
    pub completeness: Completeness,
    /// The lock: names and the digests that they stood for, sorted. A name may stand for several, as nodes have it.
    pub images: Vec<LockedImage>,
    /// The CRLs in it, sorted by file.
    pub crls: Vec<CarriedCrl>,
    /// The lists of layers' files in it, sorted. Only a list that is named here counts: a layout may carry whatever strangers
    /// pushed to its registry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layer_files: Vec<CarriedLayerFiles>,
    /// What was asked for and is not in it, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
    /// Every other file of the bundle, sorted by path.
    pub files: Vec<CarriedFile>,
}

/// What made a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Tool {
    /// The program.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Whether a bundle has what it was made for. There is one rule for everything that was asked for and cannot be had, whatever its
/// [`GapKind`]: it is named, and a bundle with gaps is written only if its maker accepts them; then the bundle says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Completeness {
    /// Every image, every signature that its registry lists, and every CRL that was asked for is in it. What is not available anywhere
    /// used is named among the gaps.
    Complete,
    /// Something is missing, and the maker of the bundle accepted that.
    GapsAccepted,
    /// It was not finished, and nothing verifies by it.
    Partial,
}

/// A name and what it stood for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LockedImage {
    /// The reference as nodes have it.
    pub reference: String,
    /// The digest of the index or manifest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its size in bytes.
    pub size: u64,
    /// How many signatures of it, and of the manifests that it lists, are in the bundle.
    pub signatures: u64,
}

/// A CRL in a bundle.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CarriedCrl {
    /// Its path in the bundle.
    pub file: String,
    /// Where it was published.
    pub url: String,
    /// The issuer's name, RFC 4514.
    pub issuer: String,
    /// Whether it is a delta, which is of use only beside its base.
    pub delta: bool,
    /// When it was issued.
    pub this_update: UnixTime,
    /// When the next is due; after that it proves nothing.
    pub next_update: Option<UnixTime>,
}

/// The list of a layer's files, with which nodes compare what they unpacked after they discarded the layer itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CarriedLayerFiles {
    /// The digest of the layer, as manifests name it.
    pub layer: Digest,
    /// The digest of its tar, as configs name it.
    pub diff_id: Digest,
    /// The digest of the list, which is a blob of the bundle.
    pub list: Digest,
    /// Bytes of the list.
    pub size: u64,
    /// How many entries the layer has.
    pub entries: u64,
}

/// Something that was asked for and could not be had.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Gap {
    /// What kind of thing.
    pub kind: GapKind,
    /// An image's reference, a CRL's URL, or the signature whose CRLs are not there.
    pub what: String,
    /// Why it is not there.
    pub why: String,
}

/// What a [`Gap`] is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum GapKind {
    /// An image, one of the manifests that it lists, or the index that lists it.
    Image,
    /// A signature that the registry lists.
    Signature,
    /// The registry's list of what refers to an image, or a part of it: it is unknown whether there are signatures.
    Listing,
    /// The list of a layer's files: nodes that discarded the layer cannot compare what they unpacked, and say so.
    LayerFiles,
    /// A CRL: certificates that demand it have an unknown status, which verification says by itself.
    Crl,
}

/// A file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CarriedFile {
    /// Its path from the bundle's root, with `/`.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its digest.
    pub digest: Digest,
}

impl BundleManifest {
    /// Reads the document.
    ///
    /// # Errors
    /// [`DocumentError`] if it is not one, is of another version, or says what no bundle can be.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        let manifest: Self = document::read(bytes, BUNDLE_SCHEMA)?;
        document::check_paths(manifest.files.iter().map(|file| file.path.as_str()), is_listed_path)?;
        Ok(manifest)
    }

    /// The document's bytes.
    ///
    /// # Errors
    /// Never in practice: only maps whose keys are not text cannot be written, and there are none.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Whether verification may rest on the bundle.
    pub fn is_usable(&self) -> bool {
        self.completeness != Completeness::Partial
    }

    /// What is missing of images and their signatures: by each image's name, by the digest that a name has behind its `@`, and by those
    /// that the name is locked to.
    pub fn missing(&self) -> BTreeMap<&str, &Gap> {
        let mut missing = BTreeMap::new();
        for gap in self.gaps.iter().filter(|gap| !matches!(gap.kind, GapKind::Crl | GapKind::LayerFiles)) {
            let digest = gap.what.rsplit_once('@').map(|(_, digest)| digest);
            for name in core::iter::once(gap.what.as_str()).chain(digest) {
                missing.entry(name).or_insert(gap);
            }
        }
        for image in &self.images {
            if let Some(&gap) = missing.get(image.reference.as_str()) {
                missing.entry(image.digest.as_str()).or_insert(gap);
            }
        }
        missing
    }

    /// Compares the list of files with those that are there; `found` need not name the document and its signature.
    ///
    /// # Errors
    /// The first [`FileError`] by path.
    pub fn check_files(&self, found: impl IntoIterator<Item = CarriedFile>) -> Result<(), FileError> {
        let is_listed = |file: &CarriedFile| ![DOCUMENT, SIGNATURE].contains(&file.path.as_str());
        check_files(&self.files, found.into_iter().filter(is_listed))
    }
}

/// Compares a list of files with those that are there.
///
/// # Errors
/// The first [`FileError`] by path.
pub fn check_files(
    files: &[CarriedFile],
    found: impl IntoIterator<Item = CarriedFile>,
) -> Result<(), FileError> {
    let mut listed = BTreeMap::new();
    for file in files {
        if listed.insert(file.path.as_str(), file).is_some() {
            return Err(FileError::Twice { path: file.path.clone() });
        }
    }
    let mut found: Vec<CarriedFile> = found.into_iter().collect();
    found.sort();
    for file in found {
        match listed.remove(file.path.as_str()) {
            None => return Err(FileError::Added { path: file.path }),
            Some(listed) if listed.size != file.size || listed.digest != file.digest => {
                return Err(FileError::Changed { path: file.path });
            }
            Some(_) => {}
        }
    }
    match listed.into_keys().next() {
        Some(path) => Err(FileError::Missing { path: path.to_string() }),
        None => Ok(()),
    }
}

/// Whether a path stays inside the bundle and reads the same everywhere: parts of plain letters, none of them a dot alone.
pub fn is_plain_path(path: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    };
    path.len() <= 255 && path.split('/').all(is_part)
}

fn is_listed_path(path: &str) -> bool {
    is_plain_path(path) && ![DOCUMENT, SIGNATURE].contains(&path)
}

/// How the files differ from the list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// A file that is not on the list.
    #[error("{path} is not one of its files: it was added")]
    Added {
        /// The file.
        path: String,
    },
    /// A file with another size or digest.
    #[error("{path} was changed")]
    Changed {
        /// The file.
        path: String,
    },
    /// A file of the list that is not there.
    #[error("{path} is missing")]
    Missing {
        /// The file.
        path: String,
    },
    /// A file that the list names twice.
    #[error("{path} is listed twice")]
    Twice {
        /// The file.
        path: String,
    },
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn file(path: &str, bytes: &[u8]) -> CarriedFile {
        CarriedFile { path: path.into(), size: bytes.len() as u64, digest: Digest::sha256(bytes) }
    }

    fn manifest() -> BundleManifest {
        BundleManifest {
            schema: BUNDLE_SCHEMA.into(),
            tool: Tool { name: "assay".into(), version: "0".into() },
            completeness: Completeness::Complete,
            images: vec![LockedImage {
                reference: "r.example/app:v1".into(),
                digest: Digest::sha256(b"1"),
                media_type: "m".into(),
                size: 1,
                signatures: 1,
            }],
            crls: vec![],
            layer_files: vec![],
            gaps: vec![],
            files: vec![file("index.json", b"i"), file("oci-layout", b"o")],
        }
    }

    #[test]
    fn reads_what_it_writes() {
        let manifest = manifest();
        assert_eq!(BundleManifest::parse(&manifest.to_bytes().unwrap()), Ok(manifest.clone()));
    }

    #[test]
    fn other_versions_and_paths_are_refused() {
        let text = String::from_utf8(manifest().to_bytes().unwrap()).unwrap();
        for (from, to) in [
            ("assay/bundle/v1", "assay/bundle/v2"),
            ("\"schema\"", "\"images\": [], \"schema\""),
            ("index.json", "../index.json"),
            ("index.json", "/index.json"),
            ("index.json", "blobs//x"),
            ("index.json", "bundle.json"),
            ("index.json", "a\\\\b"),
        ] {
            assert!(BundleManifest::parse(text.replace(from, to).as_bytes()).is_err(), "{to}");
        }
    }

    #[test]
    fn what_is_missing_is_known_by_every_name_of_its_image() {
        let gap = |kind, what: &str| Gap { kind, what: what.into(), why: "gone".into() };
        let (one, other) = (Digest::sha256(b"1"), Digest::sha256(b"2"));
        let by_digest = alloc::format!("r.example/other@{other}");
        let gaps = vec![
            gap(GapKind::Listing, "r.example/app:v1"),
            gap(GapKind::Image, &by_digest),
            gap(GapKind::Crl, "http://r.example/crl"),
        ];
        let manifest = BundleManifest { gaps, ..manifest() };
        let missing = manifest.missing();
        let kind = |name: &str| missing.get(name).map(|gap| gap.kind);
        for name in ["r.example/app:v1", one.as_str()] {
            assert_eq!(kind(name), Some(GapKind::Listing), "{name}");
        }
        for name in [by_digest.as_str(), other.as_str()] {
            assert_eq!(kind(name), Some(GapKind::Image), "{name}");
        }
        assert_eq!(missing.len(), 4);
    }

    #[test]
    fn every_file_is_as_listed() {
        let manifest = manifest();
        let both = || vec![file("index.json", b"i"), file("oci-layout", b"o")];
        assert_eq!(manifest.check_files(both()), Ok(()));
        let with = |more: CarriedFile| manifest.check_files(both().into_iter().chain([more]));
        assert_eq!(with(file(DOCUMENT, b"")), Ok(()));
        assert!(matches!(with(file("more", b"")), Err(FileError::Added { .. })));
        let changed = manifest.check_files(vec![file("index.json", b"j"), file("oci-layout", b"o")]);
        assert!(matches!(changed, Err(FileError::Changed { .. })));
        assert!(matches!(manifest.check_files([]), Err(FileError::Missing { .. })));
        let twice = BundleManifest {
            files: [manifest.files.clone(), manifest.files.clone()].concat(),
            ..manifest.clone()
        };
        assert!(matches!(twice.check_files(both()), Err(FileError::Twice { .. })));
    }
}
