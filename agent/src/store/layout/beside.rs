//! What a bundle has beside its layout: `bundle.json`, its signature, and CRLs; and the digests of all its files.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::Path;

use assay_shared::bundle::{CRLS, CarriedFile, DOCUMENT, SIGNATURE, is_plain_path};
use assay_shared::limits;
use assay_shared::oci::{Descriptor, Digest};
use walkdir::WalkDir;

use super::{Files, Layout, LayoutError, LayoutProblem};
use crate::store::directory::Directory;
use crate::store::{BlobError, Hashed, Store as _, verify};

/// What a bundle has beside its layout. All of it is absent from the layouts of other tools.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    /// `bundle.json`
    pub(crate) document: Option<Vec<u8>>,
    /// The DSSE envelope over it.
    pub(crate) signature: Option<Vec<u8>>,
    /// CRLs by their path, sorted.
    pub(crate) crls: Vec<(String, Vec<u8>)>,
}

/// Whether a path is of a file that a bundle has beside its layout.
pub(super) fn is_beside(path: &str) -> bool {
    let is_crl = |name: &str| is_plain_path(name) && !name.contains('/');
    path == DOCUMENT
        || path == SIGNATURE
        || path.strip_prefix(CRLS).and_then(|rest| rest.strip_prefix('/')).is_some_and(is_crl)
}

impl Layout {
    /// Reads what stands beside the layout.
    ///
    /// # Errors
    /// [`LayoutError`] where a file that is there cannot be read or is larger than any real one.
    pub(crate) fn beside(&self) -> Result<Beside, LayoutError> {
        let mut files = match &self.files {
            Files::Archive(archive) => archive.beside.clone(),
            Files::Directory(directory) => read(directory).map_err(|problem| self.at(problem))?,
        };
        let (document, signature) = (files.remove(DOCUMENT), files.remove(SIGNATURE));
        Ok(Beside { document, signature, crls: files.into_iter().collect() })
    }

    /// Every file with its digest, in no order; links in a directory count as what they lead to.
    ///
    /// # Errors
    /// [`LayoutError`] where one cannot be read.
    pub(crate) fn files(&self) -> Result<Vec<CarriedFile>, LayoutError> {
        let unreadable = |path: &str, why: String| self.at(io::Error::other(format!("{path}: {why}")).into());
        let mut buffer = vec![0; 128 << 10];
        let mut files = vec![carried("oci-layout", &self.oci_layout), carried("index.json", &self.index)];
        // a blob that is not what its name says is a file with another digest
        let mut blob = |digest: &Digest| -> Result<CarriedFile, LayoutError> {
            let path = blob_path(digest);
            let size = self.open("", digest).map(|blob| blob.size);
            let size = size.map_err(|error| unreadable(&path, error.to_string()))?;
            match verify(self, "", &Descriptor::new("", digest.clone(), size), &mut buffer) {
                Ok(()) => Ok(CarriedFile { path, size, digest: digest.clone() }),
                Err(BlobError::Mismatch { .. }) => Ok(carried(&path, &Hashed::of(b""))),
                Err(error) => Err(unreadable(&path, error.to_string())),
            }
        };
        match &self.files {
            Files::Archive(archive) => {
                for digest in archive.digests() {
                    files.push(blob(digest)?);
                }
                files.extend(archive.beside.iter().map(|(path, bytes)| carried(path, &Hashed::of(bytes))));
                files.extend(archive.others.iter().map(|path| carried(path, &Hashed::of(b""))));
            }
            Files::Directory(directory) => {
                for path in names(&self.path).map_err(|problem| self.at(problem))? {
                    match blob_digest(&path) {
                        _ if ["oci-layout", "index.json"].contains(&path.as_str()) => {}
                        Some(digest) => files.push(blob(&digest)?),
                        None if is_beside(&path) => {
                            let bytes = contents(directory, &path).map_err(|problem| self.at(problem))?;
                            files.push(carried(&path, &Hashed::of(&bytes)));
                        }
                        None => files.push(carried(&path, &Hashed::of(b""))),
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

fn carried(path: &str, hashed: &Hashed) -> CarriedFile {
    CarriedFile { path: path.to_owned(), size: hashed.size, digest: hashed.digest.clone() }
}

fn blob_path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

fn blob_digest(path: &str) -> Option<Digest> {
    path.strip_prefix("blobs/")?.replacen('/', ":", 1).parse().ok()
}

/// The files of a directory that stand beside the layout.
fn read(directory: &Directory) -> Result<BTreeMap<String, Vec<u8>>, LayoutProblem> {
    let mut found = BTreeMap::new();
    let mut names = vec![DOCUMENT.to_owned(), SIGNATURE.to_owned()];
    let crls = WalkDir::new(directory.root().join(CRLS)).min_depth(1).max_depth(1).follow_links(true);
    for entry in crls {
        match entry {
            Ok(entry) => names.push(format!("{CRLS}/{}", entry.file_name().to_string_lossy())),
            Err(error) if error.io_error().is_some_and(|error| error.kind() == io::ErrorKind::NotFound) => {}
            Err(error) => return Err(io::Error::from(error).into()),
        }
        if names.len() > limits::EVIDENCE_FILES {
            return Err(io::Error::other("more CRLs than any real bundle has").into());
        }
    }
    for name in names.into_iter().filter(|name| is_beside(name)) {
        match contents(directory, &name) {
            Ok(bytes) => {
                found.insert(name, bytes);
            }
            Err(LayoutProblem::Unreadable(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

fn contents(directory: &Directory, name: &str) -> Result<Vec<u8>, LayoutProblem> {
    let (file, size) = directory.open(Path::new(name))?;
    if size > limits::EVIDENCE_FILE_BYTES {
        return Err(io::Error::other(format!("{name} is larger than any real one")).into());
    }
    let mut bytes = Vec::new();
    file.take(limits::EVIDENCE_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The paths of a directory's files and links, without the hidden folders that Kubernetes keeps the files of a mount in.
fn names(root: &Path) -> Result<Vec<String>, LayoutProblem> {
    let is_hidden = |entry: &walkdir::DirEntry| {
        entry.depth() == 1 && entry.file_name().to_string_lossy().starts_with("..")
    };
    let mut names = Vec::new();
    for entry in WalkDir::new(root).min_depth(1).into_iter().filter_entry(|entry| !is_hidden(entry)) {
        let entry = entry.map_err(io::Error::from)?;
        if entry.file_type().is_dir() {
            continue;
        }
        let path = entry.path().strip_prefix(root).unwrap_or(entry.path());
        let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
        names.push(parts.join("/"));
        if names.len() > limits::ARCHIVE_MEMBERS {
            return Err(io::Error::other("more files than any real bundle has").into());
        }
    }
    Ok(names)
}
