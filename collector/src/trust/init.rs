//! Makes a new trust directory for a site's own CA.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use assay_verifier::notary::trust_policy::{Level, Statement, TrustPolicy, TrustStoreName};
use assay_verifier::notary::trust_store::StoreType;

use super::changes::{self, Changes};
use super::error::TrustEditError;
use super::files::{file_name, read_anchor, store_file};
use super::policy::{self, NewStatement, SignatureVerification};

/// Whom a new trust directory trusts.
#[derive(Clone, Debug)]
pub(crate) struct OwnCa {
    /// The name of the statement and of its trust stores.
    pub name: String,
    /// The repositories that the statement is for, or `*`.
    pub scopes: Vec<String>,
    /// What is made of failed checks.
    pub level: Level,
    /// Files of certificates by the type of their store.
    pub anchors: Vec<(StoreType, PathBuf)>,
    /// Subjects of signing certificates, with or without `x509.subject:` before them, or `*`.
    pub identities: Vec<String>,
}

/// Makes a trust directory.
///
/// # Errors
/// [`TrustEditError`]
pub(crate) fn init(directory: &Path, own: &OwnCa, force: bool) -> Result<(), TrustEditError> {
    // a colon before the first attribute ends a kind, the right one or not
    let has_kind = |identity: &str| identity.split('=').next().is_some_and(|first| first.contains(':'));
    let identity = |identity: &String| match identity.as_str() {
        "*" => identity.clone(),
        subject if has_kind(subject) => identity.clone(),
        subject => format!("x509.subject: {subject}"),
    };
    let mut files = Changes::default();
    let mut stores = BTreeSet::new();
    for (store_type, path) in &own.anchors {
        let store: TrustStoreName = format!("{}:{}", store_type.folder(), own.name)
            .parse()
            .map_err(|source| TrustEditError::StoreName { name: own.name.clone(), source })?;
        files.add(store_file(&store, &file_name(path)?), read_anchor(path, &store)?)?;
        stores.insert(store);
    }
    let statement = NewStatement {
        name: own.name.clone(),
        registry_scopes: own.scopes.clone(),
        signature_verification: SignatureVerification::new(own.level),
        trust_stores: stores.iter().map(ToString::to_string).collect(),
        trusted_identities: own.identities.iter().map(identity).collect(),
    };
    write_new(directory, files, &statement, force)
}

/// Writes a trust directory with that statement alone.
pub(super) fn write_new(
    directory: &Path,
    mut files: Changes,
    statement: &NewStatement,
    force: bool,
) -> Result<(), TrustEditError> {
    let document = policy::document(statement)?;
    let read = TrustPolicy::parse(&document)?;
    let mut never = read.statements().iter().flat_map(Statement::never_matching);
    if let Some((identity, why)) = never.next() {
        return Err(TrustEditError::NeverMatches { identity, why });
    }
    files.add(policy::FILE.into(), document)?;
    changes::require_free(directory, force)?;
    files.write(directory, force)
}
