//! Copies a notation configuration directory into a trust directory: its policy, its trust stores and, if they are named, its
//! cached CRLs. Signing keys (`signingkeys.json`, `localkeys`) and plugins are not copied.

use std::fs;
use std::path::Path;

use assay_judge::trust;
use assay_verifier::limits;
use assay_verifier::notary::trust_policy::TrustStoreName;

use super::add;
use super::changes::{self, Changes};
use super::error::TrustEditError;
use super::files::{file_name, read, store_file};

/// Copies what verification needs from `from`, which [`check`](super::check) found nothing malformed in, byte for byte.
///
/// # Errors
/// [`TrustEditError`]
pub(crate) fn import(
    from: &Path,
    crl_cache: Option<&Path>,
    directory: &Path,
    force: bool,
) -> Result<(), TrustEditError> {
    let there = trust::read(from)?;
    let mut files = Changes::default();
    files
        .add(file_name(&there.policy_path)?.into(), read(&there.policy_path, limits::TRUST_POLICY_BYTES)?)?;
    for (store_type, name, _) in there.store.usable() {
        let store = TrustStoreName { store_type, name: name.to_owned() };
        let folder = store_file(&store, "");
        for (file, path) in children(&from.join(folder))? {
            files.add(store_file(&store, &file), read(&path, limits::TRUST_STORE_FILE_BYTES)?)?;
        }
    }
    let staged = from.join("crls");
    for folder in [Some(staged.as_path()).filter(|path| path.is_dir()), crl_cache].into_iter().flatten() {
        for (file, path) in children(folder)? {
            files.add(Path::new("crls").join(&file), add::read_crl(&path, &file)?)?;
        }
    }
    changes::require_free(directory, force)?;
    files.write(directory, force)
}

/// The regular files of a folder, sorted by name.
fn children(folder: &Path) -> Result<Vec<(String, std::path::PathBuf)>, TrustEditError> {
    let unreadable = |source| TrustEditError::Unreadable { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_file() {
            files.push((file_name(&path)?, path));
        }
    }
    files.sort();
    Ok(files)
}
