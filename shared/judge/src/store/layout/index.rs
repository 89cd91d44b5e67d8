//! Reads the two documents of a layout, `oci-layout` and `index.json`.

use std::collections::BTreeMap;

use assay_report::Unreadable;
use assay_verifier::json;
use assay_verifier::limits;
use assay_verifier::oci::census;
use assay_verifier::oci::{Descriptor, Platform, shape};
use serde::Deserialize;

use super::error::LayoutProblem;
use crate::store::Record;

pub(super) fn check_version(oci_layout: &[u8]) -> Result<(), LayoutProblem> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct OciLayout {
        image_layout_version: String,
    }
    match json::read::<OciLayout>(oci_layout, &shape::LAYOUT) {
        Ok(layout) if layout.image_layout_version == "1.0.0" => Ok(()),
        _ => Err(LayoutProblem::Version),
    }
}

/// An entry of `index.json`, which may be none: a bad entry must not hide the others.
#[derive(Deserialize)]
#[serde(untagged)]
enum AnyEntry {
    Descriptor(Box<Entry>),
    Other(serde::de::IgnoredAny),
}

/// An entry before its digest is known to be one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(default)]
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
    #[serde(default)]
    platform: Option<Platform>,
}

pub(super) fn read_index(bytes: &[u8]) -> Result<(Vec<Descriptor>, Vec<Unreadable>), LayoutProblem> {
    #[derive(Deserialize)]
    struct Index {
        #[serde(default)]
        manifests: Option<Vec<AnyEntry>>,
    }
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limits::LAYOUT_INDEX_BYTES {
        return Err(LayoutProblem::IndexTooLarge);
    }
    let index: Index = json::read(bytes, &shape::MANIFEST).map_err(LayoutProblem::IndexMalformed)?;
    let listed = index.manifests.unwrap_or_default();
    if listed.len() > limits::LAYOUT_ENTRIES {
        return Err(LayoutProblem::TooManyEntries);
    }
    let mut entries = Vec::new();
    let mut unreadable = Vec::new();
    for (at, entry) in listed.into_iter().enumerate() {
        if unreadable.len() >= limits::BAD_ENTRIES {
            return Err(LayoutProblem::TooManyBadEntries);
        }
        let AnyEntry::Descriptor(entry) = entry else {
            unreadable.push(Unreadable {
                what: format!("index.json: entry {}", at.saturating_add(1)),
                why: "not a descriptor".to_owned(),
            });
            continue;
        };
        let Entry { media_type, digest, size, artifact_type, annotations, platform } = *entry;
        match digest.parse() {
            Ok(digest) => entries.push(Descriptor {
                media_type,
                digest,
                size,
                artifact_type,
                annotations: annotations.unwrap_or_default(),
                platform,
            }),
            Err(error) => {
                unreadable
                    .push(Unreadable { what: format!("index.json: {digest}"), why: format!("{error}") });
            }
        }
    }
    Ok((entries, unreadable))
}

/// What an entry of `index.json` names; none if it has no name.
pub(super) fn record(entry: &Descriptor) -> Option<Record> {
    let name = census::name(entry)?.to_owned();
    let target = Descriptor::new(&entry.media_type, entry.digest.clone(), entry.size);
    Some(Record { namespace: None, name, target, marked: census::is_marked(entry) })
}
