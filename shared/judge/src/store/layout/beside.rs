//! Reads what a bundle has beside its layout: `bundle.json`, its signature, and CRLs.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::Path;

use assay_report::bundle::CRLS;
use assay_verifier::limits;

use super::error::LayoutProblem;
use crate::confinement::explain;
use crate::store::directory::{Directory, is_stray, name};

/// A CRL's path, with its bytes or why they cannot be read.
pub(super) type FoundCrl = (String, Result<Vec<u8>, String>);

/// What a bundle has beside its layout. All of it is absent from the layouts of other tools.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    /// `bundle.json`
    pub(crate) document: Option<Vec<u8>>,
    /// The DSSE envelope over it.
    pub(crate) signature: Option<Vec<u8>>,
    /// CRLs, sorted.
    pub(crate) crls: Vec<FoundCrl>,
}

/// The CRLs of a directory, and what of them cannot be read.
///
/// # Errors
/// [`io::Error`] with the first link that leads out of the layout.
pub(super) fn crls(directory: &Directory) -> io::Result<Vec<FoundCrl>> {
    let mut found = BTreeMap::new();
    directory.each_below(Path::new(CRLS), |path, there| {
        if found.len() >= limits::EVIDENCE_FILES {
            found.insert(CRLS.to_owned(), Err(format!("more than {} files", limits::EVIDENCE_FILES)));
            return Ok(());
        }
        // a name that is not text is shown as well as possible, and opened as it is
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

/// The bytes of a file that is not a blob.
pub(super) fn contents(directory: &Directory, path: impl AsRef<Path>) -> Result<Vec<u8>, LayoutProblem> {
    let path = path.as_ref();
    let (file, size) = directory.open(path)?;
    let limit = limits::EVIDENCE_FILE_BYTES;
    if size > limit {
        return Err(io::Error::other(format!("{} is larger than {limit} bytes", path.display())).into());
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}
