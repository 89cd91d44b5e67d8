//! Trust stores: named lists of certificates, given as the bytes of files.
//!
//! Trust store and trust policy specification, "Trust Store". One bad file makes its store unusable; an unusable store harms
//! only the statements that name it. A certificate is trusted if its DER equals that of one in the store; no path is built.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::file_form::FileForm;
use crate::limits;
use crate::pem;
use crate::x509::{Certificate, CertificateError, KeyUsage, is_self_signed, is_signed_by_itself};

/// What the certificates of a store vouch for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StoreType {
    /// Signers of the scheme `notary.x509`
    Ca,
    /// Signers of the scheme `notary.x509.signingAuthority`
    SigningAuthority,
    /// Timestamping authorities
    Tsa,
}

impl StoreType {
    /// Every type.
    pub const ALL: [Self; 3] = [Self::Ca, Self::SigningAuthority, Self::Tsa];

    /// The name in trust policies and of the folder.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Ca => "ca",
            Self::SigningAuthority => "signingAuthority",
            Self::Tsa => "tsa",
        }
    }

    /// The type of that name.
    pub(crate) fn from_folder(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|store_type| store_type.folder() == name)
    }
}

/// What stands in the folder of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreEntry {
    /// A regular file and its bytes.
    File(Vec<u8>),
    /// A folder, symbolic link or anything else.
    NotRegular,
    /// Something that could not be read, and why.
    Unreadable(String),
}

/// All stores, each read or found unusable.
#[derive(Clone, Debug, Default)]
pub struct TrustStore {
    stores: BTreeMap<(StoreType, String), Result<Vec<Certificate>, TrustStoreError>>,
}

impl TrustStore {
    /// Adds the store of that type and name with what its folder holds, by file name.
    pub fn add(
        &mut self,
        store_type: StoreType,
        name: &str,
        entries: impl IntoIterator<Item = (String, StoreEntry)>,
    ) {
        self.stores.insert((store_type, name.to_string()), read_store(store_type, entries));
    }

    /// Records that a store cannot be used, such as one whose folder is a symbolic link.
    pub fn add_unusable(&mut self, store_type: StoreType, name: &str, why: impl Into<String>) {
        let error = TrustStoreError::Unreadable { file: name.to_string(), why: why.into() };
        self.stores.insert((store_type, name.to_string()), Err(error));
    }

    /// The certificates of a store.
    ///
    /// # Errors
    /// [`TrustStoreError`] if the store does not exist, or anything in it is not as it must be.
    pub fn certificates(&self, store_type: StoreType, name: &str) -> Result<&[Certificate], TrustStoreError> {
        match self.stores.get(&(store_type, name.to_string())) {
            // these are not folders of their own
            _ if matches!(name, "." | "..") => Err(TrustStoreError::Missing),
            Some(Ok(certificates)) => Ok(certificates),
            Some(Err(error)) => Err(error.clone()),
            None => Err(TrustStoreError::Missing),
        }
    }

    /// Every store that can be used, with its certificates.
    pub fn usable(&self) -> impl Iterator<Item = (StoreType, &str, &[Certificate])> {
        self.stores.iter().filter_map(|((store_type, name), store)| {
            Some((*store_type, name.as_str(), store.as_ref().ok()?.as_slice()))
        })
    }

    /// Every store that cannot be used, with the reason.
    pub fn unusable(&self) -> impl Iterator<Item = (StoreType, &str, &TrustStoreError)> {
        self.stores.iter().filter_map(|((store_type, name), store)| {
            Some((*store_type, name.as_str(), store.as_ref().err()?))
        })
    }
}

fn read_store(
    store_type: StoreType,
    entries: impl IntoIterator<Item = (String, StoreEntry)>,
) -> Result<Vec<Certificate>, TrustStoreError> {
    let mut certificates = Vec::new();
    for (file, entry) in entries {
        let bytes = match entry {
            StoreEntry::File(bytes) => bytes,
            StoreEntry::NotRegular => return Err(TrustStoreError::NotRegular { file }),
            StoreEntry::Unreadable(why) => return Err(TrustStoreError::Unreadable { file, why }),
        };
        for certificate in
            read_certificates(&bytes).map_err(|error| TrustStoreError::File { file: file.clone(), error })?
        {
            check(store_type, &certificate).map_err(|why| TrustStoreError::NotAnAnchor {
                file: file.clone(),
                subject: certificate.subject().to_string(),
                why,
            })?;
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() { Err(TrustStoreError::Empty) } else { Ok(certificates) }
}

/// The certificates of a PEM or DER file. PEM: every block is a certificate whatever its label, other text is ignored. DER:
/// certificates one after another, nothing else.
///
/// # Errors
/// [`FileError`] if there is none, or something else.
pub fn read_certificates(bytes: &[u8]) -> Result<Vec<Certificate>, FileError> {
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limits::TRUST_STORE_FILE_BYTES {
        return Err(FileError::TooLarge);
    }
    let blocks = pem::blocks(bytes);
    let certificates = if blocks.is_empty() {
        Certificate::parse_sequence(bytes).map_err(|error| FileError::describe(bytes, error))?
    } else {
        let parse = |block: &pem::Block| {
            Certificate::parse(&block.contents).map_err(|error| match FileForm::detect(&block.contents) {
                FileForm::Unknown | FileForm::OtherDer | FileForm::Text
                    if !block.label.contains("PRIVATE") =>
                {
                    FileError::Block { label: block.label.clone(), error: Box::new(error) }
                }
                _ if block.label.contains("PRIVATE") => FileError::Form(FileForm::PrivateKey),
                form => FileError::Form(form),
            })
        };
        blocks.iter().map(parse).collect::<Result<_, _>>()?
    };
    if certificates.is_empty() { Err(FileError::Form(FileForm::Empty)) } else { Ok(certificates) }
}

/// What a certificate must be to stand in a store: a CA or signed with its own key; in a `tsa` store self-signed and allowed
/// to issue. What a chain demands of its root beyond that is asked of the chain.
fn check(store_type: StoreType, certificate: &Certificate) -> Result<(), &'static str> {
    let constraints = certificate.basic_constraints();
    let is_ca = constraints.is_some_and(|constraints| constraints.ca);
    match store_type {
        StoreType::Ca | StoreType::SigningAuthority if is_ca || is_signed_by_itself(certificate) => Ok(()),
        StoreType::Ca | StoreType::SigningAuthority => Err("it is neither a CA nor self-signed"),
        StoreType::Tsa if !is_self_signed(certificate) => {
            Err("it is not self-signed; take the root of its chain")
        }
        // an older version has no extensions to say so
        StoreType::Tsa if !is_ca && (certificate.is_v3() || constraints.is_some()) => Err("it is not a CA"),
        StoreType::Tsa if certificate.key_usage().is_some_and(KeyUsage::forbids_issuing) => {
            Err("its key usage lacks keyCertSign")
        }
        StoreType::Tsa => Ok(()),
    }
}

/// Why a store cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustStoreError {
    /// There is no such store.
    #[error("does not exist")]
    Missing,
    /// There is no file in it.
    #[error("is empty")]
    Empty,
    /// Something in it is not a regular file.
    #[error("holds {file}, which is not a regular file")]
    NotRegular {
        /// Its name.
        file: String,
    },
    /// Something in it could not be read.
    #[error("holds {file}, which cannot be read: {why}")]
    Unreadable {
        /// Its name.
        file: String,
        /// Why.
        why: String,
    },
    /// A file is not a file of certificates.
    #[error("holds {file}, which is not usable: {error}")]
    File {
        /// Its name.
        file: String,
        /// Why.
        error: FileError,
    },
    /// A certificate that nothing can be anchored at.
    #[error("holds {file}, whose certificate {subject} cannot be trusted here: {why}")]
    NotAnAnchor {
        /// Its name.
        file: String,
        /// Whose certificate.
        subject: String,
        /// Why.
        why: &'static str,
    },
}

/// Why bytes are not a file of certificates.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// Longer than [`limits::TRUST_STORE_FILE_BYTES`].
    #[error("it is too large")]
    TooLarge,
    /// A PEM block that is not a certificate, such as a key.
    #[error("it holds a PEM block {label:?} that is not a certificate: {error}")]
    Block {
        /// The block's label.
        label: String,
        /// Why it is not one.
        error: Box<CertificateError>,
    },
    /// A file of another form.
    #[error("it is {0}; it must be certificates in PEM or DER")]
    Form(FileForm),
    /// A malformed certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

impl FileError {
    /// Why these bytes, in which there is no PEM, are not a file of certificates.
    fn describe(bytes: &[u8], error: CertificateError) -> Self {
        match FileForm::detect(bytes) {
            // what looks like a certificate, or a list of them, is told by what is wrong with it
            FileForm::Certificate | FileForm::OtherDer | FileForm::Unknown => Self::Certificate(error),
            form => Self::Form(form),
        }
    }
}
