//! Reads the trust directory: policy, trust stores, CRLs and the site's public keys. Both programs read it here, so that
//! `assay trust check` sees what the agent will see.
//!
//! It is an error only if the directory or the policy file is missing, because nothing can be judged without them. An invalid policy
//! and an unusable store are facts that the verdicts report.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use assay_verifier::dsse::{KeyError, VerifyingKey};
use assay_verifier::limits;
use assay_verifier::notary::trust_policy::{PolicyError, TrustPolicy};
use assay_verifier::notary::trust_store::{StoreEntry, StoreType, TrustStore};
use assay_verifier::oci::Digest;
use assay_verifier::revocation::{EvidenceError, RevocationEvidence, is_litter};
use walkdir::{DirEntry, WalkDir};

use crate::confinement::explain;

/// What the site trusts.
#[derive(Debug)]
pub struct Trust {
    /// The policy document's file.
    pub policy_path: PathBuf,
    /// SHA-256 of the policy document, lower-case hex.
    pub policy_sha256: String,
    /// The policy, or why it cannot be used.
    pub policy: Result<TrustPolicy, PolicyError>,
    /// The trust stores, each usable or not.
    pub store: TrustStore,
    /// The CRLs and OCSP responses, and the files that cannot be used.
    pub evidence: RevocationEvidence,
    /// The keys that vouch for the site's bundles and evidence, by file name.
    pub keys: Vec<VerifyingKey>,
    /// Whether `keys/` holds anything, usable or not. If it does, every bundle must be signed by one of the keys.
    pub(crate) names_keys: bool,
    /// What does not change a verdict by itself.
    pub warnings: Vec<TrustWarning>,
}

/// Something in a trust directory that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustWarning {
    /// What it is about.
    pub about: WarningSubject,
    /// The file, trust store or member.
    pub what: String,
    /// What is wrong with it.
    pub why: String,
}

/// What a [`TrustWarning`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarningSubject {
    /// An unknown member of the policy, which has no effect.
    Policy,
    /// A trust store that cannot be used.
    Store,
    /// Something that a bundle was to carry and does not.
    Gap,
    /// A file in `keys`, or the folder.
    Key,
}

impl fmt::Display for TrustWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

impl WarningSubject {
    pub(crate) fn warn(
        self,
        warnings: &mut Vec<TrustWarning>,
        what: impl fmt::Display,
        why: impl fmt::Display,
    ) {
        warnings.push(TrustWarning { about: self, what: what.to_string(), why: why.to_string() });
    }
}

/// Reads a trust directory.
///
/// # Errors
/// [`TrustError`] if the directory or the policy file is missing or cannot be read.
pub fn read(directory: &Path) -> Result<Trust, TrustError> {
    let at = |problem| TrustError { path: directory.to_owned(), problem };
    let metadata = directory.metadata().map_err(|error| at(TrustProblem::Unreadable(error)))?;
    if !metadata.is_dir() {
        return Err(at(TrustProblem::NotADirectory));
    }
    let (policy_path, document) = policy_document(directory)?;
    let mut warnings = Vec::new();
    let policy = TrustPolicy::parse(&document);
    if let Ok(policy) = &policy {
        for member in policy.unknown_members() {
            WarningSubject::Policy.warn(
                &mut warnings,
                "trust policy",
                format_args!("unknown member {member} is ignored"),
            );
        }
    }
    let store = trust_store(&directory.join("truststore").join("x509"), &mut warnings);
    for (store_type, name, error) in store.unusable() {
        let what = format_args!("trust store {}:{name}", store_type.folder());
        WarningSubject::Store.warn(&mut warnings, what, error);
    }
    let evidence = evidence(&directory.join("crls"));
    let keys_folder = directory.join("keys");
    let keys = keys(&keys_folder, &mut warnings);
    let names_keys = keys_folder.exists() && children(&keys_folder).next().is_some();
    warnings.sort_by_cached_key(TrustWarning::to_string);
    let policy_sha256 = Digest::sha256(&document).hex().to_owned();
    Ok(Trust { policy_path, policy_sha256, policy, store, evidence, keys, names_keys, warnings })
}

/// The policy document. Two of them at once are an error: the reference reads either name, and somebody would have meant the one
/// that is not taken.
fn policy_document(directory: &Path) -> Result<(PathBuf, Vec<u8>), TrustError> {
    let mut found = None;
    for name in ["trustpolicy.oci.json", "trustpolicy.json"] {
        let path = directory.join(name);
        // as in the reference, a link is not accepted: its target may change while it is read
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(TrustError { path, problem: error.into() }),
            Ok(_) if found.is_some() => {
                return Err(TrustError { path: directory.to_owned(), problem: TrustProblem::TwoPolicies });
            }
            Ok(metadata) => found = Some((path, metadata)),
        }
    }
    let Some((path, metadata)) = found else {
        return Err(TrustError { path: directory.to_owned(), problem: TrustProblem::NoPolicy });
    };
    if !metadata.is_file() {
        return Err(TrustError { path, problem: TrustProblem::NotRegular });
    }
    match read_up_to(&path, limits::TRUST_POLICY_BYTES) {
        Ok(Some(bytes)) => Ok((path, bytes)),
        Ok(None) => Err(TrustError { path, problem: TrustProblem::TooLarge }),
        Err(error) => Err(TrustError { path, problem: error.into() }),
    }
}

/// Every store of every type. Anything that is not as it must be makes its store unusable, and the verifier reports that if a
/// statement uses the store.
fn trust_store(x509: &Path, warnings: &mut Vec<TrustWarning>) -> TrustStore {
    let mut store = TrustStore::default();
    for store_type in StoreType::ALL {
        let folder = x509.join(store_type.folder());
        match folder.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                WarningSubject::Store.warn(warnings, folder.display(), explain(&error));
                continue;
            }
            Ok(_) => {}
        }
        for named in children(&folder) {
            let named = match named {
                Ok(named) => named,
                Err(error) => {
                    WarningSubject::Store.warn(warnings, folder.display(), explain(&error));
                    continue;
                }
            };
            let Some(name) = named.file_name().to_str() else {
                WarningSubject::Store.warn(warnings, named.path().display(), "the name is not UTF-8");
                continue;
            };
            if named.file_type().is_dir() {
                let files = children(named.path()).map(|file| match file {
                    Ok(file) => (file.file_name().to_string_lossy().into_owned(), store_entry(&file)),
                    Err(error) => (name.to_owned(), StoreEntry::Unreadable(explain(&error))),
                });
                store.add(store_type, name, files);
            } else {
                store.add_unusable(store_type, name, "not a directory");
            }
        }
    }
    store
}

fn store_entry(file: &DirEntry) -> StoreEntry {
    if !file.file_type().is_file() {
        return StoreEntry::NotRegular;
    }
    match read_up_to(file.path(), limits::TRUST_STORE_FILE_BYTES) {
        Ok(Some(bytes)) => StoreEntry::File(bytes),
        Ok(None) => StoreEntry::Unreadable(format!("larger than {} bytes", limits::TRUST_STORE_FILE_BYTES)),
        Err(error) => StoreEntry::Unreadable(explain(&error)),
    }
}

/// The evidence in a trust directory's folder `crls`: every file, at any depth and under any name. Links are followed, because a
/// CRL is believed for its signature and not for its place. A file that cannot be read is kept too: it may have revoked anything.
pub fn evidence(folder: &Path) -> RevocationEvidence {
    let mut evidence = RevocationEvidence::default();
    match folder.metadata() {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => {
            evidence.add_unreadable("crls", "not a directory");
            return evidence;
        }
        // a broken link is not the same as no folder
        Err(error) if error.kind() == io::ErrorKind::NotFound && folder.symlink_metadata().is_err() => {
            return evidence;
        }
        Err(error) => {
            evidence.add_unreadable("crls", explain(&error));
            return evidence;
        }
    }
    let is_evidence = |entry: &DirEntry| !is_litter(&entry.file_name().to_string_lossy());
    let files = WalkDir::new(folder).min_depth(1).follow_links(true).sort_by_file_name();
    for file in files.into_iter().filter_entry(is_evidence) {
        // names have slashes on every system
        let name = |path: Option<&Path>| {
            let path = path.map(|path| path.strip_prefix(folder).unwrap_or(path));
            let parts = path.into_iter().flatten().map(|part| part.to_string_lossy());
            ["crls".into()].into_iter().chain(parts).collect::<Vec<_>>().join("/")
        };
        let outcome = match file {
            Ok(file) if file.file_type().is_dir() => continue,
            Ok(file) if !file.file_type().is_file() => Err((name(Some(file.path())), NOT_REGULAR.to_owned())),
            Ok(file) => match read_up_to(file.path(), limits::EVIDENCE_FILE_BYTES) {
                Ok(Some(bytes)) => Ok((name(Some(file.path())), bytes)),
                Ok(None) => {
                    let why = format!("larger than {} bytes", limits::EVIDENCE_FILE_BYTES);
                    Err((name(Some(file.path())), why))
                }
                Err(error) => Err((name(Some(file.path())), explain(&error))),
            },
            Err(error) => Err((name(error.path()), explain(&error.into()))),
        };
        match outcome {
            Ok((name, bytes)) if evidence.add_file(&name, &bytes) == Err(EvidenceError::TooManyFiles) => {
                break;
            }
            Ok(_) => {}
            Err((name, why)) => evidence.add_unreadable(&name, why),
        }
    }
    evidence
}

/// The public keys in `keys/`: regular files that end in `.pub` or `.pem`, one key each. A file that is not a key is ignored with a
/// warning.
fn keys(folder: &Path, warnings: &mut Vec<TrustWarning>) -> Vec<VerifyingKey> {
    let mut keys = Vec::new();
    if folder.symlink_metadata().is_err() {
        return keys;
    }
    for file in children(folder) {
        let file = match file {
            Ok(file) => file,
            Err(error) => {
                WarningSubject::Key.warn(warnings, "keys", explain(&error));
                continue;
            }
        };
        let mut refuse = |why: String| {
            let what = format_args!("keys/{}", file.file_name().to_string_lossy());
            WarningSubject::Key.warn(warnings, what, format_args!("{why}; it is ignored"));
        };
        if !file.path().extension().is_some_and(|ending| ending == "pub" || ending == "pem") {
            refuse("the name ends neither in .pub nor in .pem".to_owned());
        } else if !file.file_type().is_file() {
            refuse(NOT_REGULAR.to_owned());
        } else if keys.len() >= limits::SITE_KEYS {
            refuse(format!("more than {} keys", limits::SITE_KEYS));
        } else {
            match read_up_to(file.path(), limits::SITE_KEY_BYTES as u64) {
                Ok(Some(bytes)) => match VerifyingKey::read(&bytes) {
                    Ok(key) => keys.push(key),
                    Err(error) => refuse(error.to_string()),
                },
                Ok(None) => refuse(KeyError::TooLarge.to_string()),
                Err(error) => refuse(explain(&error)),
            }
        }
    }
    keys
}

/// What is in a folder, sorted by name.
pub fn children(folder: &Path) -> impl Iterator<Item = io::Result<DirEntry>> {
    let children = WalkDir::new(folder).min_depth(1).max_depth(1).sort_by_file_name();
    children.into_iter().map(|child| child.map_err(io::Error::from))
}

/// The bytes of a file; none if there are more than `limit`.
fn read_up_to(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok((u64::try_from(bytes.len()).unwrap_or(u64::MAX) <= limit).then_some(bytes))
}

const NOT_REGULAR: &str = "not a regular file";

/// Why a trust directory cannot be used at all.
#[derive(Debug, thiserror::Error)]
#[error("trust directory: {}", path.display())]
pub struct TrustError {
    /// The directory or file.
    pub(crate) path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub(crate) problem: TrustProblem,
}

impl From<io::Error> for TrustProblem {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

/// What is wrong with a trust directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TrustProblem {
    /// It is absent or cannot be read.
    #[error("{}", explain(.0))]
    Unreadable(io::Error),
    /// The path is something else.
    #[error("is not a directory; give the folder that has trustpolicy.json and truststore")]
    NotADirectory,
    /// It has no policy file.
    #[error(
        "holds neither trustpolicy.json nor trustpolicy.oci.json; assay trust init makes a trust directory"
    )]
    NoPolicy,
    /// It has both policy files.
    #[error("holds both trustpolicy.oci.json and trustpolicy.json; remove the one that does not apply")]
    TwoPolicies,
    /// The policy is a link, a folder or a device.
    #[error("is not a regular file; put the policy itself there")]
    NotRegular,
    /// The policy is larger than [`limits::TRUST_POLICY_BYTES`].
    #[error(
        "is larger than {} bytes, which no real policy is; put the policy there",
        limits::TRUST_POLICY_BYTES
    )]
    TooLarge,
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write scratch folders")]
mod tests {
    use assay_verifier::file_form::FileForm;
    use assay_verifier::json::JsonProblem;
    use assay_verifier::notary::trust_store::{FileError, TrustStoreError};

    use super::*;

    fn problem(directory: &Path) -> TrustProblem {
        read(directory).unwrap_err().problem
    }

    #[test]
    fn rejects_a_directory_without_a_policy() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path();
        assert!(matches!(problem(&path.join("absent")), TrustProblem::Unreadable(_)));
        assert!(matches!(problem(path), TrustProblem::NoPolicy));
        std::fs::create_dir(path.join("trustpolicy.json")).unwrap();
        assert!(matches!(problem(path), TrustProblem::NotRegular));
        std::fs::write(path.join("file"), "").unwrap();
        assert!(matches!(problem(&path.join("file")), TrustProblem::NotADirectory));
    }

    #[test]
    fn a_malformed_policy_is_a_fact_and_two_are_an_error() {
        let scratch = tempfile::tempdir().unwrap();
        let [older, newer] =
            ["trustpolicy.json", "trustpolicy.oci.json"].map(|name| scratch.path().join(name));
        std::fs::write(&older, "{").unwrap();
        assert!(read(scratch.path()).unwrap().policy.is_err());
        std::fs::write(&newer, "[]").unwrap();
        assert!(matches!(problem(scratch.path()), TrustProblem::TwoPolicies));
        std::fs::remove_file(&older).unwrap();
        let trust = read(scratch.path()).unwrap();
        assert!(trust.policy.is_err() && trust.policy_sha256 == Digest::sha256(b"[]").hex());
        // This holds even if the other is a folder.
        std::fs::create_dir(&older).unwrap();
        assert!(matches!(problem(scratch.path()), TrustProblem::TwoPolicies));
    }

    /// Windows PowerShell's `>` writes UTF-16. The error names it instead of a malformed first letter.
    #[test]
    fn names_text_in_utf_16() {
        let scratch = tempfile::tempdir().unwrap();
        let ca = scratch.path().join("truststore/x509/ca/acme");
        std::fs::create_dir_all(&ca).unwrap();
        let wide = |text: &str| {
            [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect::<Vec<u8>>()
        };
        std::fs::write(scratch.path().join("trustpolicy.json"), wide("{}")).unwrap();
        std::fs::write(ca.join("ca.crt"), wide("-----BEGIN CERTIFICATE-----")).unwrap();
        let trust = read(scratch.path()).unwrap();
        let problem = trust.policy.map_err(|error| match error {
            PolicyError::Json(error) => error.problem,
            other => panic!("{other}"),
        });
        assert_eq!(problem.unwrap_err(), JsonProblem::Foreign(FileForm::Marked));
        let unusable: Vec<_> = trust.store.unusable().map(|(_, _, error)| error.clone()).collect();
        let error = FileError::Form(FileForm::Marked);
        assert_eq!(unusable, [TrustStoreError::File { file: "ca.crt".to_owned(), error }]);
    }

    #[test]
    #[cfg(unix)]
    fn keeps_evidence_that_cannot_be_read() {
        let scratch = tempfile::tempdir().unwrap();
        let crls = scratch.path().join("crls");
        let unusable = || evidence(&crls).unusable().iter().map(|one| one.file.clone()).collect::<Vec<_>>();
        assert!(unusable().is_empty(), "there need not be any");
        std::fs::write(&crls, "").unwrap();
        assert_eq!(unusable(), ["crls"], "not a folder");
        std::fs::remove_file(&crls).unwrap();
        std::os::unix::fs::symlink("gone", &crls).unwrap();
        assert_eq!(unusable(), ["crls"], "a link that leads nowhere");
        std::fs::remove_file(&crls).unwrap();

        let deep = crls.join("very/deep/down/there");
        std::fs::create_dir_all(&deep).unwrap();
        for litter in [".DS_Store", "Thumbs.db", "desktop.ini", "._list.crl"] {
            std::fs::write(deep.join(litter), "litter").unwrap();
        }
        assert!(unusable().is_empty(), "what operating systems leave there");
        std::os::unix::fs::symlink("gone", crls.join("dangling")).unwrap();
        std::fs::write(crls.join(".hidden"), "").unwrap();
        std::fs::write(deep.join("list.crl"), "<html>").unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(crls.join("socket")).unwrap();
        let expected = ["crls/.hidden", "crls/dangling", "crls/socket", "crls/very/deep/down/there/list.crl"];
        assert_eq!(unusable(), expected);
    }

    #[test]
    fn ignores_a_file_that_is_not_a_key_with_a_warning() {
        let scratch = tempfile::tempdir().unwrap();
        let keys = scratch.path().join("keys");
        std::fs::create_dir_all(keys.join("folder.pub")).unwrap();
        std::fs::write(scratch.path().join("trustpolicy.json"), "{}").unwrap();
        let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICDS7LTMAh3pE9Hv4lCqVYfP3WW6nGnGqJUPLUQkxVsN";
        for (name, text) in
            [("a.pub", line), ("b.pem", "no key"), ("c", line), ("large.pub", &line.repeat(1_000))]
        {
            std::fs::write(keys.join(name), text).unwrap();
        }
        let trust = read(scratch.path()).unwrap();
        assert_eq!(trust.keys.iter().map(VerifyingKey::to_openssh).collect::<Vec<_>>(), [line]);
        let named: Vec<_> = trust.warnings.iter().map(|warning| warning.what.as_str()).collect();
        assert_eq!(named, ["keys/b.pem", "keys/c", "keys/folder.pub", "keys/large.pub"]);
    }

    #[test]
    #[cfg(unix)]
    fn makes_a_store_with_anything_but_files_unusable() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path();
        let ca = path.join("truststore/x509/ca");
        std::fs::create_dir_all(ca.join("folder/inner")).unwrap();
        std::fs::create_dir_all(ca.join("empty")).unwrap();
        std::os::unix::fs::symlink("folder", ca.join("link")).unwrap();
        std::fs::write(ca.join("file"), "").unwrap();
        std::fs::write(path.join("trustpolicy.json"), "{}").unwrap();
        let trust = read(path).unwrap();
        let names: Vec<&str> = trust.store.unusable().map(|(_, name, _)| name).collect();
        assert_eq!(names, ["empty", "file", "folder", "link"]);
    }
}
