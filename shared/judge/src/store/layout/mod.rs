//! OCI image layouts: a directory, a tar, or a tar in gzip or Zstandard, told apart by what they are and not by name.
//!
//! OCI image specification, image-layout.md. The records are the entries of `index.json` that have a name; which of the others are
//! images too, [`census`] says. Blobs may be missing.

mod archive;
mod beside;
mod compression;
pub mod members;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use assay_report::bundle::DOCUMENT;
use assay_report::{Enumerated, Unreadable};
use assay_verifier::json::{self, JsonError};
use assay_verifier::limits;
use assay_verifier::oci::census;
use assay_verifier::oci::{Descriptor, Digest, Platform, shape};
use serde::Deserialize;

pub use beside::Beside;
use beside::{is_beside, is_unasked};

use super::directory::Directory;
use super::form::{StoreForm, why};
use super::{Blob, BlobContent, BlobError, Hashed, Listing, Manifests, Record, Store};
use crate::confinement::explain;
use archive::Archive;
use members::ArchiveError;

/// How much of a layout will be asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// Manifests, configs and envelopes.
    #[default]
    Manifests,
    /// The digests of layers too.
    Everything,
}

/// An OCI image layout.
pub struct Layout {
    path: PathBuf,
    files: Files,
    /// Digest and size of `oci-layout` and `index.json`.
    oci_layout: Hashed,
    index: Hashed,
    entries: Vec<Descriptor>,
    listing: Listing,
}

enum Files {
    Directory(Directory),
    Archive(Box<Archive>),
}

impl Layout {
    /// Opens a layout and reads its `index.json`.
    ///
    /// # Errors
    /// [`LayoutError`] where the path is no layout that can be read.
    pub fn open(path: &Path, reading: Reading) -> Result<Self, LayoutError> {
        let at = |problem| LayoutError { path: path.to_owned(), problem };
        let (files, oci_layout, index) = read_files(path, reading).map_err(at)?;
        let oci_layout = oci_layout.ok_or_else(|| at(LayoutProblem::NoOciLayout(form(path, &files))))?;
        check_version(&oci_layout).map_err(at)?;
        let index = index.ok_or(LayoutProblem::NoIndex).map_err(at)?;
        let (mut entries, unreadable) = read_index(&index).map_err(at)?;
        let records: Vec<Record> = entries.iter().filter_map(record).collect();
        // Nothing else is asked of them, and layouts may list tens of thousands. A map that was emptied keeps its memory.
        for entry in &mut entries {
            let annotations = std::mem::take(&mut entry.annotations).into_iter();
            entry.annotations = annotations.filter(|(key, _)| key == census::KIND).collect();
        }
        let count = u64::try_from(records.len()).ok();
        let enumerated = vec![Enumerated { records: count, ..Enumerated::default() }];
        let listing = Listing { records, enumerated, unreadable, ..Listing::default() };
        let (oci_layout, index) = (Hashed::of(&oci_layout), Hashed::of(&index));
        Ok(Self { path: path.to_owned(), files, oci_layout, index, entries, listing })
    }

    /// The digest that reports name this layout by: of the file, or of a directory's `index.json`.
    ///
    /// # Errors
    /// Where the file cannot be read to its end.
    pub fn digest(&self) -> Result<Digest, LayoutError> {
        match self.files {
            Files::Directory(_) => Ok(self.index.digest.clone()),
            Files::Archive(_) => digest_of(&self.path)
                .map_err(|error| LayoutError { path: self.path.clone(), problem: error.into() }),
        }
    }
}

impl Store for Layout {
    fn listing(&self) -> &Listing {
        &self.listing
    }

    fn open(&self, _: &str, digest: &Digest) -> Result<Blob<'_>, BlobError> {
        match &self.files {
            Files::Archive(archive) => archive.blob(digest),
            Files::Directory(directory) => {
                let (bytes, size) = directory.blob(digest)?;
                Ok(Blob { size, content: BlobContent::Stream(bytes) })
            }
        }
    }

    fn is_bundle(&self) -> bool {
        match &self.files {
            Files::Archive(archive) => archive.beside.contains_key(DOCUMENT),
            Files::Directory(directory) => directory.open(Path::new(DOCUMENT)).is_ok(),
        }
    }

    fn manifests(&self) -> Manifests<'_> {
        Manifests::Roots(&self.entries)
    }
}

type Documents = (Files, Option<Vec<u8>>, Option<Vec<u8>>);

fn read_files(path: &Path, reading: Reading) -> Result<Documents, LayoutProblem> {
    let metadata = path.metadata()?;
    if metadata.is_dir() {
        let directory = Directory::new(path)?;
        let oci_layout = document(&directory, "oci-layout")?;
        let index = document(&directory, "index.json")?;
        return Ok((Files::Directory(directory), oci_layout, index));
    }
    if !metadata.is_file() {
        return Err(LayoutProblem::NeitherFileNorDirectory);
    }
    let mut archive = Archive::open(File::open(path)?, reading).map_err(|error| match error {
        // such as one document of a layout
        ArchiveError::NotAnArchive(_) => match StoreForm::of_path(path) {
            Some(form) => LayoutProblem::NoOciLayout(Some(form)),
            None => error.into(),
        },
        error => error.into(),
    })?;
    let (oci_layout, index) = (archive.oci_layout.take(), archive.index.take());
    Ok((Files::Archive(Box::new(archive)), oci_layout, index))
}

/// What it is that is not a layout.
fn form(path: &Path, files: &Files) -> Option<StoreForm> {
    match files {
        Files::Directory(_) => StoreForm::of_path(path),
        Files::Archive(archive) => archive.form(),
    }
}

fn document(directory: &Directory, name: &str) -> Result<Option<Vec<u8>>, LayoutProblem> {
    let file = match directory.open(Path::new(name)) {
        Ok((file, _)) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut bytes = Vec::new();
    file.take(limits::LAYOUT_INDEX_BYTES.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

fn check_version(oci_layout: &[u8]) -> Result<(), LayoutProblem> {
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

fn read_index(bytes: &[u8]) -> Result<(Vec<Descriptor>, Vec<Unreadable>), LayoutProblem> {
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

/// What an entry of `index.json` names; none where it has no name.
fn record(entry: &Descriptor) -> Option<Record> {
    let name = census::name(entry)?.to_owned();
    let target = Descriptor::new(&entry.media_type, entry.digest.clone(), entry.size);
    Some(Record { namespace: String::new(), name, target, marked: census::is_marked(entry) })
}

fn digest_of(path: &Path) -> io::Result<Digest> {
    let mut hasher = assay_verifier::oci::Algorithm::Sha256.hasher();
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 128 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(&buffer[..read]),
        }
    }
}

/// Why a path is no layout.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct LayoutError {
    /// The path.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: LayoutProblem,
}

/// What is wrong with a layout.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutProblem {
    /// It is absent or cannot be read.
    #[error("{}", explain(.0))]
    Unreadable(#[from] io::Error),
    /// A device, a pipe or a socket.
    #[error("is neither a directory nor a file")]
    NeitherFileNorDirectory,
    /// It is no tar, or the tar is damaged.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// There is no `oci-layout`.
    #[error("is not an OCI image layout: {}", why(.0.as_ref()))]
    NoOciLayout(Option<StoreForm>),
    /// `oci-layout` says something else than version 1.0.0.
    #[error("is no OCI image layout of version 1.0.0")]
    Version,
    /// There is no `index.json`.
    #[error("is no OCI image layout: index.json is missing")]
    NoIndex,
    /// `index.json` is larger than [`limits::LAYOUT_INDEX_BYTES`].
    #[error("its index.json is larger than {} bytes", limits::LAYOUT_INDEX_BYTES)]
    IndexTooLarge,
    /// `index.json` lists more than [`limits::LAYOUT_ENTRIES`].
    #[error("its index.json lists more than {} manifests", limits::LAYOUT_ENTRIES)]
    TooManyEntries,
    /// `index.json` lists [`limits::BAD_ENTRIES`] things that are no descriptors.
    #[error("its index.json lists {} entries that are not descriptors", limits::BAD_ENTRIES)]
    TooManyBadEntries,
    /// `index.json` is no index.
    #[error("its index.json is malformed: {0}")]
    IndexMalformed(JsonError),
}
