//! What a bundle has beside its layout: `bundle.json`, its signature, and CRLs; and the digests of all its files.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::Path;

use assay_report::bundle::{CRLS, CarriedFile, DOCUMENT, SIGNATURE};
use assay_verifier::limits;
use assay_verifier::oci::{Descriptor, Digest};
use assay_verifier::revocation::is_litter;

use super::{Files, Layout, LayoutError, LayoutProblem};
use crate::confinement::explain;
use crate::store::directory::{Directory, blob_digest, is_stray, name};
use crate::store::{BlobError, Hashed, Store as _, verify};

/// A CRL's path, with its bytes or why they cannot be read.
type FoundCrl = (String, Result<Vec<u8>, String>);

/// What a bundle has beside its layout. All of it is absent from the layouts of other tools.
#[derive(Debug, Default)]
pub struct Beside {
    /// `bundle.json`
    pub document: Option<Vec<u8>>,
    /// The DSSE envelope over it.
    pub signature: Option<Vec<u8>>,
    /// CRLs, sorted.
    pub crls: Vec<FoundCrl>,
}

/// Whether a path is of a file that a bundle has beside its layout. Everything in its folder of CRLs is meant to be one, whatever
/// its name.
pub(super) fn is_beside(path: &str) -> bool {
    path == DOCUMENT || path == SIGNATURE || (is_in_crls(path) && !is_unasked(path))
}

fn is_in_crls(path: &str) -> bool {
    let rest = path.strip_prefix(CRLS).and_then(|rest| rest.strip_prefix('/'));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.ends_with('/'))
}

/// Whether a path is of a file that operating systems leave in folders unasked.
pub(super) fn is_unasked(path: &str) -> bool {
    is_litter(path.rsplit('/').next().unwrap_or(path))
}

impl Layout {
    /// Reads what stands beside the layout.
    ///
    /// # Errors
    /// [`LayoutError`] where a file that is there cannot be read or is larger than any real one.
    pub fn beside(&self) -> Result<Beside, LayoutError> {
        match &self.files {
            Files::Archive(archive) => {
                let mut files = archive.beside.clone();
                let (document, signature) = (files.remove(DOCUMENT), files.remove(SIGNATURE));
                let crls = files.into_iter().map(|(path, bytes)| (path, Ok(bytes))).collect();
                Ok(Beside { document, signature, crls })
            }
            Files::Directory(directory) => {
                let there = |name| match contents(directory, name) {
                    Ok(bytes) => Ok(Some(bytes)),
                    Err(LayoutProblem::Unreadable(error)) if error.kind() == io::ErrorKind::NotFound => {
                        Ok(None)
                    }
                    Err(problem) => Err(self.at(problem)),
                };
                let crls = crls(directory).map_err(|error| self.at(error.into()))?;
                Ok(Beside { document: there(DOCUMENT)?, signature: there(SIGNATURE)?, crls })
            }
        }
    }

    /// Every file with its digest, in no order; links in a directory count as what they lead to.
    ///
    /// # Errors
    /// [`LayoutError`] where one cannot be read.
    pub fn files(&self) -> Result<Vec<CarriedFile>, LayoutError> {
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
                let paths = directory.files().map_err(|error| self.at(error.into()))?;
                for path in paths.iter().map(|path| name(path)) {
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

pub(super) fn blob_path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

/// The CRLs of a directory, and what of them cannot be read.
///
/// # Errors
/// [`io::Error`] with the first link that leads out of the layout.
fn crls(directory: &Directory) -> io::Result<Vec<FoundCrl>> {
    let mut found = BTreeMap::new();
    directory.each_below(Path::new(CRLS), |path, there| {
        if found.len() >= limits::EVIDENCE_FILES {
            found.insert(CRLS.to_owned(), Err(format!("more than {} files", limits::EVIDENCE_FILES)));
            return Ok(());
        }
        // a name that is no text is shown as well as may be, and opened as it is
        let bytes = match there {
            Ok(()) => contents(directory, &path).map_err(|problem| problem.to_string()),
            Err(error) if is_stray(&error) => return Err(error),
            Err(error) => Err(explain(&error)),
        };
        found.insert(name(&path), bytes);
        Ok(())
    })?;
    Ok(found.into_iter().collect())
}

fn contents(directory: &Directory, name: impl AsRef<Path>) -> Result<Vec<u8>, LayoutProblem> {
    let name = name.as_ref();
    let (file, size) = directory.open(name)?;
    let limit = limits::EVIDENCE_FILE_BYTES;
    if size > limit {
        return Err(io::Error::other(format!("{} is larger than {limit} bytes", name.display())).into());
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}
