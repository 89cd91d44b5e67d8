//! Why a trust directory cannot be made or changed.

use std::io;
use std::path::PathBuf;

use assay_judge::trust::TrustError;
use assay_verifier::dsse::KeyError;
use assay_verifier::json::JsonError;
use assay_verifier::notary::trust_policy::{NeverMatches, PolicyError, StatementError, TrustStoreName};
use assay_verifier::notary::trust_store::{FileError, TrustStoreError};
use assay_verifier::revocation::EvidenceError;

use crate::output::OutputError;

/// A trust directory cannot be made or changed; nothing was written unless the error is of writing.
#[derive(Debug, thiserror::Error)]
pub enum TrustEditError {
    /// A file cannot be read.
    #[error("{}: cannot be read", path.display())]
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
    /// A file does not hold certificates.
    #[error("{}: does not hold certificates", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why.
        source: FileError,
    },
    /// A certificate that cannot stand in a trust store.
    #[error("{}: the trust store {store} would be refused", path.display())]
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
    /// A file is not a CRL.
    #[error("{}: is not evidence of revocation that can be used", path.display())]
    Crl {
        /// The file.
        path: PathBuf,
        /// Why.
        source: EvidenceError,
    },
    /// A file is not a public key.
    #[error("{}: is not a public key of a site", path.display())]
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
    /// A statement is not a JSON object with a name.
    #[error("{}: is not one statement of a trust policy, which is a JSON object with a name", path.display())]
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
    #[error("the trust policy would be refused")]
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
    /// The directory to read is not a trust directory.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// No trust store can have this name.
    #[error("{name:?} cannot name a trust store")]
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
