//! Adds certificates, CRLs, keys and statements to an existing trust directory.

use std::path::{Path, PathBuf};

use assay_judge::trust;
use assay_verifier::dsse::VerifyingKey;
use assay_verifier::limits;
use assay_verifier::notary::trust_policy::TrustStoreName;
use assay_verifier::revocation::RevocationEvidence;

use super::changes::Changes;
use super::error::TrustEditError;
use super::files::{file_name, read, read_anchor, store_file};
use super::policy;

/// What is to be added.
#[derive(Clone, Debug, Default)]
pub(crate) struct Additions {
    /// Files of certificates by their store.
    pub anchors: Vec<(TrustStoreName, PathBuf)>,
    /// CRLs and OCSP responses.
    pub crls: Vec<PathBuf>,
    /// Public keys of the site.
    pub keys: Vec<PathBuf>,
    /// Statements, each a JSON object in a file.
    pub statements: Vec<PathBuf>,
}

/// Adds to a trust directory.
///
/// # Errors
/// [`TrustEditError`]
pub(crate) fn add(directory: &Path, additions: &Additions, force: bool) -> Result<(), TrustEditError> {
    // only init makes a directory without a policy into a trust directory
    let there = trust::read(directory)?;
    let mut files = Changes::default();
    for (store, path) in &additions.anchors {
        files.add(store_file(store, &file_name(path)?), read_anchor(path, store)?)?;
    }
    for path in &additions.crls {
        let name = file_name(path)?;
        files.add(Path::new("crls").join(&name), read_crl(path, &name)?)?;
    }
    for path in &additions.keys {
        let bytes = read(path, limits::SITE_KEY_BYTES as u64)?;
        VerifyingKey::read(&bytes).map_err(|source| TrustEditError::Key { path: path.clone(), source })?;
        files.add(Path::new("keys").join(key_name(&file_name(path)?, &bytes)), bytes)?;
    }
    if !additions.statements.is_empty() {
        let mut document = read(&there.policy_path, limits::TRUST_POLICY_BYTES)?;
        for path in &additions.statements {
            let bytes = read(path, limits::TRUST_POLICY_BYTES)?;
            let (name, statement) = policy::parse_statement(&bytes)
                .map_err(|source| TrustEditError::NotAStatement { path: path.clone(), source })?;
            document = policy::with_statement(&document, &name, statement, force)?;
        }
        files.replace(file_name(&there.policy_path)?.into(), document);
    }
    files.write(directory, force)
}

/// The bytes of a file of revocation evidence.
pub(super) fn read_crl(path: &Path, name: &str) -> Result<Vec<u8>, TrustEditError> {
    let bytes = read(path, limits::EVIDENCE_FILE_BYTES)?;
    RevocationEvidence::default()
        .add_file(name, &bytes)
        .map_err(|source| TrustEditError::Crl { path: path.to_owned(), source })?;
    Ok(bytes)
}

/// The name under which a key is found: it ends in `.pub` or `.pem`.
fn key_name(name: &str, bytes: &[u8]) -> String {
    if name.ends_with(".pub") || name.ends_with(".pem") {
        name.to_owned()
    } else if bytes.starts_with(b"-----BEGIN") {
        format!("{name}.pem")
    } else {
        format!("{name}.pub")
    }
}
