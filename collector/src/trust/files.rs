//! Reads the files that are to stand in a trust directory, and names their places in it.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use assay_verifier::limits;
use assay_verifier::notary::trust_policy::TrustStoreName;
use assay_verifier::notary::trust_store::{StoreEntry, TrustStore};

use super::error::TrustEditError;

/// The bytes of a file of at most `limit` bytes.
pub(super) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, TrustEditError> {
    let unreadable = |source| TrustEditError::Unreadable { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(TrustEditError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(bytes)
}

/// The bytes of a certificate file that can stand in that store.
pub(super) fn read_anchor(path: &Path, store: &TrustStoreName) -> Result<Vec<u8>, TrustEditError> {
    let bytes = read(path, limits::TRUST_STORE_FILE_BYTES)?;
    let mut trial = TrustStore::default();
    trial.add(store.store_type, &store.name, [(file_name(path)?, StoreEntry::File(bytes.clone()))]);
    match trial.certificates(store.store_type, &store.name) {
        Ok(_) => Ok(bytes),
        Err(source) => {
            let source = Box::new(source);
            Err(TrustEditError::Store { path: path.to_owned(), store: store.clone(), source })
        }
    }
}

/// The last part of a path.
pub(super) fn file_name(path: &Path) -> Result<String, TrustEditError> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).ok_or_else(|| TrustEditError::Name { path: path.to_owned() })
}

/// The place of a store's file in a trust directory.
pub(super) fn store_file(store: &TrustStoreName, file: &str) -> PathBuf {
    ["truststore", "x509", store.store_type.folder(), &store.name, file].iter().collect()
}
