//! OCI image layouts: a directory, a tar, or a tar in gzip or Zstandard, told apart by what they are and not by name.
//!
//! OCI image specification, image-layout.md. The records are the entries of `index.json` that have a name; which of the others are
//! images too, [`census`] says. Blobs may be missing.

mod archive;
mod beside;
mod compression;
mod error;
mod index;
pub mod members;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use assay_report::bundle::{CarriedFile, DOCUMENT, SIGNATURE};
use assay_report::{Enumerated, Namespace};
use assay_verifier::limits;
use assay_verifier::oci::census;
use assay_verifier::oci::{Descriptor, Digest};

pub use archive::Reading;
pub(crate) use beside::Beside;
pub use error::{LayoutError, LayoutProblem};

use super::directory::{Directory, name};
use super::form::StoreForm;
use super::paths::{blob_digest, blob_path, is_beside, is_evidence};
use super::{Blob, BlobContent, BlobError, Hashed, Listing, Manifests, Record, Store, verify};
use archive::Archive;
use beside::{contents, crls};
use error::ArchiveError;
use index::{check_version, read_index, record};

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
    /// [`LayoutError`] if the path is not a layout that can be read.
    pub fn open(path: &Path, reading: Reading) -> Result<Self, LayoutError> {
        let at = |problem| LayoutError { path: path.to_owned(), problem };
        let (files, oci_layout, index) = read_files(path, reading).map_err(at)?;
        let oci_layout = oci_layout.ok_or_else(|| at(LayoutProblem::NoOciLayout(form(path, &files))))?;
        check_version(&oci_layout).map_err(at)?;
        let index = index.ok_or(LayoutProblem::NoIndex).map_err(at)?;
        let (mut entries, unreadable) = read_index(&index).map_err(at)?;
        let records: Vec<Record> = entries.iter().filter_map(record).collect();
        // Nothing else is asked of them, and layouts may list tens of thousands. A map that was emptied keeps its memory.
        for entry in entries.iter_mut().filter(|_| reading != Reading::Copy) {
            let annotations = std::mem::take(&mut entry.annotations).into_iter();
            entry.annotations = annotations.filter(|(key, _)| key == census::KIND).collect();
        }
        let count = u64::try_from(records.len()).ok();
        let enumerated = vec![Enumerated { records: count, ..Enumerated::default() }];
        let listing = Listing { records, enumerated, unreadable, ..Listing::default() };
        let (oci_layout, index) = (Hashed::sha256(&oci_layout), Hashed::sha256(&index));
        Ok(Self { path: path.to_owned(), files, oci_layout, index, entries, listing })
    }

    /// The digest that reports name this layout by: of the file, or of a directory's `index.json`.
    ///
    /// # Errors
    /// Where the file cannot be read to its end.
    pub fn digest(&self) -> Result<Digest, LayoutError> {
        match self.files {
            Files::Directory(_) => Ok(self.index.digest.clone()),
            Files::Archive(_) => digest_of(&self.path).map_err(|error| self.at(error.into())),
        }
    }

    /// Every entry of `index.json`, with all its annotations only after [`Reading::Copy`].
    pub fn entries(&self) -> &[Descriptor] {
        &self.entries
    }

    /// Reads what stands beside the layout.
    ///
    /// # Errors
    /// [`LayoutError`] if a file that is there cannot be read or is larger than any real one.
    pub(crate) fn beside(&self) -> Result<Beside, LayoutError> {
        let crls = match &self.files {
            Files::Archive(archive) => {
                let crls = archive.beside.iter().filter(|(path, _)| is_evidence(path));
                crls.map(|(path, bytes)| (path.clone(), Ok(bytes.clone()))).collect()
            }
            Files::Directory(directory) => crls(directory).map_err(|error| self.at(error.into()))?,
        };
        Ok(Beside { document: self.file(DOCUMENT)?, signature: self.file(SIGNATURE)?, crls })
    }

    /// The bytes of a file beside the layout; none if it is not there, or the path is not one of such a file.
    ///
    /// # Errors
    /// [`LayoutError`] if it cannot be read or is larger than any real one.
    pub fn file(&self, path: &str) -> Result<Option<Vec<u8>>, LayoutError> {
        match &self.files {
            Files::Archive(archive) => Ok(archive.beside.get(path).cloned()),
            Files::Directory(_) if !is_beside(path) => Ok(None),
            Files::Directory(directory) => match contents(directory, path) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(LayoutProblem::Unreadable(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(problem) => Err(self.at(problem)),
            },
        }
    }

    /// Every file by its path, with its size. Links in a directory count as what they lead to.
    ///
    /// # Errors
    /// [`LayoutError`] if a folder cannot be read, or if something other than files and folders is there.
    pub fn sizes(&self) -> Result<BTreeMap<String, u64>, LayoutError> {
        let failed = |error: io::Error| self.at(error.into());
        match &self.files {
            Files::Archive(archive) => {
                let documents = [("oci-layout", &self.oci_layout), ("index.json", &self.index)];
                let documents = documents.map(|(path, hashed)| (path.to_owned(), hashed.size));
                Ok(archive.sizes().chain(documents).collect())
            }
            Files::Directory(directory) => {
                let size = |path: PathBuf| {
                    let metadata = directory.root().join(&path).metadata()?;
                    Ok((name(&path), metadata.len()))
                };
                directory.files().and_then(|paths| paths.into_iter().map(size).collect()).map_err(failed)
            }
        }
    }

    /// Every file with its digest, in no order. Links in a directory count as what they lead to.
    ///
    /// # Errors
    /// [`LayoutError`] if one cannot be read.
    pub fn files(&self) -> Result<Vec<CarriedFile>, LayoutError> {
        let unreadable = |path: &str, why: String| self.at(io::Error::other(format!("{path}: {why}")).into());
        let mut buffer = vec![0; 128 << 10];
        let mut files = vec![carried("oci-layout", &self.oci_layout), carried("index.json", &self.index)];
        // a blob that is not what its name says is a file with another digest
        let mut blob = |digest: &Digest| -> Result<CarriedFile, LayoutError> {
            let path = blob_path(digest);
            let size = self.open(None, digest).map(|blob| blob.size);
            let size = size.map_err(|error| unreadable(&path, error.to_string()))?;
            match verify(self, None, digest, size, &mut buffer) {
                Ok(()) => Ok(CarriedFile { path, size, digest: digest.clone() }),
                Err(BlobError::Mismatch { .. }) => Ok(carried(&path, &Hashed::sha256(b""))),
                Err(error) => Err(unreadable(&path, error.to_string())),
            }
        };
        match &self.files {
            Files::Archive(archive) => {
                for digest in archive.digests() {
                    files.push(blob(digest)?);
                }
                files
                    .extend(archive.beside.iter().map(|(path, bytes)| carried(path, &Hashed::sha256(bytes))));
                files.extend(archive.others.iter().map(|(path, _)| carried(path, &Hashed::sha256(b""))));
            }
            Files::Directory(directory) => {
                let paths = directory.files().map_err(|error| self.at(error.into()))?;
                for path in paths.iter().map(|path| name(path)) {
                    match blob_digest(&path) {
                        _ if ["oci-layout", "index.json"].contains(&path.as_str()) => {}
                        Some(digest) => files.push(blob(&digest)?),
                        None if is_beside(&path) => {
                            let bytes = contents(directory, &path).map_err(|problem| self.at(problem))?;
                            files.push(carried(&path, &Hashed::sha256(&bytes)));
                        }
                        None => files.push(carried(&path, &Hashed::sha256(b""))),
                    }
                }
            }
        }
        Ok(files)
    }

    fn at(&self, problem: LayoutProblem) -> LayoutError {
        LayoutError { path: self.path.clone(), problem }
    }
}

impl Store for Layout {
    fn listing(&self) -> &Listing {
        &self.listing
    }

    fn open(&self, _: Option<&Namespace>, digest: &Digest) -> Result<Blob<'_>, BlobError> {
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

fn carried(path: &str, hashed: &Hashed) -> CarriedFile {
    CarriedFile { path: path.to_owned(), size: hashed.size, digest: hashed.digest.clone() }
}

fn digest_of(path: &Path) -> io::Result<Digest> {
    let mut hasher = assay_verifier::oci::DigestAlgorithm::Sha256.hasher();
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 128 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(&buffer[..read]),
        }
    }
}
