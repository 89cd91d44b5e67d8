//! Trust directories made, changed and looked over before anything is verified by them.
//!
//! In: certificates, CRLs, public keys, policy statements, a notation configuration. Out: a folder of notation's shapes,
//! and a [`TrustCheck`] of what it would trust. What notation or this project's verifier would refuse is refused here by the
//! very same code ([`assay_judge::trust`], [`assay_verifier::notary::trust_policy`], [`assay_verifier::notary::trust_store`]); nothing that is
//! there is overwritten unless asked for, and the policy is written last, so that half a folder trusts nobody.

mod add;
mod changes;
mod check;
mod import;
mod init;
mod microsoft;
mod policy;
mod text;

use std::io;
use std::path::{Path, PathBuf};

use assay_judge::trust::TrustError;
use assay_verifier::dsse::KeyError;
use assay_verifier::json::JsonError;
use assay_verifier::limits;
use assay_verifier::notary::trust_policy::{NeverMatches, PolicyError, StatementError, TrustStoreName};
use assay_verifier::notary::trust_store::{FileError, StoreEntry, TrustStore, TrustStoreError};
use assay_verifier::revocation::{EvidenceError, RevocationEvidence, UnusableFile};

use crate::output::OutputError;

pub use add::{Additions, add};
pub use check::{Finding, SCHEMA, Severity, TrustCheck, check};
pub use import::import;
pub use init::{OwnCa, init};
pub use microsoft::{CrlToCarry, crls_to_carry, init_microsoft};
pub use text::text;

/// Checks that all evidence that is to be relied on can be used.
///
/// # Errors
/// [`UnusableEvidence`] otherwise.
pub fn usable(evidence: &RevocationEvidence) -> Result<(), UnusableEvidence> {
    match evidence.unusable() {
        [] => Ok(()),
        files => Err(UnusableEvidence { files: files.to_vec() }),
    }
}

/// Evidence of revocation that cannot be used. Nobody knows whom it would have revoked, so that no image could pass.
#[derive(Debug, thiserror::Error)]
#[error("evidence of revocation cannot be used: {}; {}", named(files), check::UNUSABLE_TODO)]
pub struct UnusableEvidence {
    /// The files.
    pub files: Vec<UnusableFile>,
}

/// The first of some files, and how many more there are.
fn named(files: &[UnusableFile]) -> String {
    const SHOWN: usize = 20;
    let mut named: Vec<String> = files.iter().take(SHOWN).map(ToString::to_string).collect();
    if files.len() > SHOWN {
        named.push(format!("and {} more", files.len() - SHOWN));
    }
    named.join(", ")
}

/// A trust directory cannot be made or changed; nothing was written unless the error is of writing.
#[derive(Debug, thiserror::Error)]
pub enum TrustEditError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is larger than anything of its kind.
    #[error("{}: larger than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What is read at most.
        limit: u64,
    },
    /// A file is no file of certificates.
    #[error("{}: {source}", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why.
        source: FileError,
    },
    /// A certificate that cannot stand in a trust store.
    #[error("{}: the trust store {store} would be refused: it {source}", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// The store.
        store: TrustStoreName,
        /// Why.
        source: Box<TrustStoreError>,
    },
    /// A certificate is not the one that the profile demands.
    #[error("{}: {found}, and must be {expected}{}", path.display(), hint.map(|hint| format!("; {hint}")).unwrap_or_default())]
    OtherCertificate {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: String,
        /// What it must be.
        expected: String,
        /// What may have happened.
        hint: Option<&'static str>,
    },
    /// A file is no CRL.
    #[error("{}: {source}", path.display())]
    Crl {
        /// The file.
        path: PathBuf,
        /// Why.
        source: EvidenceError,
    },
    /// A file is no public key.
    #[error("{}: {source}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KeyError,
    },
    /// An identity that no certificate can match.
    #[error("the identity {identity:?} {why}")]
    NeverMatches {
        /// The identity.
        identity: String,
        /// Why not.
        why: NeverMatches,
    },
    /// A statement is no JSON object with a name.
    #[error("{}: not one statement of a trust policy, which is a JSON object with a name: {source}", path.display())]
    NotAStatement {
        /// The file.
        path: PathBuf,
        /// Why.
        source: JsonError,
    },
    /// The policy would have two statements of one name.
    #[error("the policy has a statement {name:?} already; --force replaces it")]
    StatementExists {
        /// The name.
        name: String,
    },
    /// The policy would not be valid.
    #[error("the trust policy would be refused: {0}")]
    Policy(#[from] PolicyError),
    /// A folder or file that is there would be overwritten.
    #[error("{}: is there already, with other content; --force overwrites it", path.display())]
    Exists {
        /// The first such file.
        path: PathBuf,
    },
    /// The folder for a new trust directory holds something.
    #[error("{}: is not empty; name a new folder, or write over what is there with --force", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// Two given files would have one name.
    #[error("{}: another file that was given has this name too", path.display())]
    SameName {
        /// The name in the trust directory.
        path: PathBuf,
    },
    /// A name that no file in a trust directory can have.
    #[error("{}: the name is not UTF-8", path.display())]
    Name {
        /// The file.
        path: PathBuf,
    },
    /// The trust directory that is to be read is none.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// No trust store can have this name.
    #[error("the name {name:?} {source}")]
    StoreName {
        /// The name.
        name: String,
        /// Why.
        source: StatementError,
    },
    /// Writing failed.
    #[error(transparent)]
    Write(#[from] OutputError),
}

/// The bytes of a file of at most `limit` bytes.
fn read(path: &Path, limit: u64) -> Result<Vec<u8>, TrustEditError> {
    use std::io::Read as _;
    let unreadable = |source| TrustEditError::Unreadable { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(TrustEditError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(bytes)
}

/// The bytes of a certificate file, where that store could hold it.
fn read_anchor(path: &Path, store: &TrustStoreName) -> Result<Vec<u8>, TrustEditError> {
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
fn file_name(path: &Path) -> Result<String, TrustEditError> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).ok_or_else(|| TrustEditError::Name { path: path.to_owned() })
}

/// The place of a store's file in a trust directory.
fn store_file(store: &TrustStoreName, file: &str) -> PathBuf {
    ["truststore", "x509", store.store_type.folder(), &store.name, file].iter().collect()
}
