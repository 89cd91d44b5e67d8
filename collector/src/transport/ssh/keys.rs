//! Reads private key files and certificates. A passphrase is asked for here, once, before any node is visited.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::keys::{Certificate, PrivateKey, PublicKey};

use super::sealed::{self, Form, Problem};
use crate::text;

/// A key of a file, with its certificates.
#[derive(Clone)]
pub struct KeyFile {
    /// The file, for people.
    pub path: PathBuf,
    /// The key.
    pub key: Arc<PrivateKey>,
    /// The certificates.
    pub certificates: Vec<Certificate>,
}

/// Asks for a key file's passphrase; `None` if there is no terminal.
pub type Passphrase<'a> = &'a mut dyn FnMut(&Path) -> Option<String>;

/// A key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It cannot be read.
    #[error("{}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not a supported private key.
    #[error("{}: not a supported private key: {reason}; {}", path.display(), cure(path, *putty))]
    NotAKey {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
        /// Whether PuTTY wrote it.
        putty: bool,
    },
    /// It is encrypted in a way that is not supported.
    #[error("{}: encrypted with {encryption}, which is not supported; {}", path.display(), cure(path, *putty))]
    Encryption {
        /// The file.
        path: PathBuf,
        /// How it is encrypted.
        encryption: String,
        /// Whether PuTTY wrote it.
        putty: bool,
    },
    /// It is encrypted and there is no passphrase.
    #[error("{}: the key is encrypted; set ASSAY_KEY_PASSPHRASE, run on a terminal, or ssh-add it", path.display())]
    NoPassphrase {
        /// The file.
        path: PathBuf,
    },
    /// The passphrase is wrong.
    #[error("{}: the passphrase is wrong", path.display())]
    WrongPassphrase {
        /// The file.
        path: PathBuf,
    },
    /// A certificate cannot be read.
    #[error("{}: not a certificate of this key: {reason}", path.display())]
    Certificate {
        /// The certificate's file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl KeyError {
    fn new(path: &Path, text: &str, problem: Problem) -> Self {
        let (path, putty) = (path.to_owned(), sealed::is_putty(text));
        match problem {
            Problem::NotAKey(reason) => Self::NotAKey { path, reason, putty },
            Problem::Encryption(encryption) => Self::Encryption { path, encryption, putty },
            Problem::WrongPassphrase => Self::WrongPassphrase { path },
        }
    }
}

/// What to do about a key that cannot be used as it is.
fn cure(path: &Path, putty: bool) -> String {
    let path = path.display();
    let rewrite = if putty {
        format!("puttygen {path} -O private-openssh -o NEW writes it in OpenSSH's form")
    } else {
        format!("ssh-keygen -p -f {path} writes it anew in OpenSSH's form")
    };
    rewrite + ", or let an SSH agent hold it (ssh-add) and name its public key as identity"
}

impl KeyFile {
    /// Reads a private key file, and the named certificate or otherwise `<file>-cert.pub` if it exists.
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn read(
        path: &Path,
        certificate: Option<&Path>,
        passphrase: Passphrase<'_>,
    ) -> Result<Self, KeyError> {
        let text = read(path)?;
        let key = private_key(path, &text, passphrase)?;
        let certificates = match certificate {
            Some(path) => vec![self::certificate(path)?],
            None => beside(path)?.into_iter().collect(),
        };
        let other = certificates.iter().any(|one| one.public_key() != key.public_key().key_data());
        if other {
            let path = certificate.map_or_else(|| certificate_path(path), Path::to_owned);
            return Err(KeyError::Certificate { path, reason: "it is for another key".to_owned() });
        }
        Ok(Self { path: path.to_owned(), key: Arc::new(key), certificates })
    }
}

/// The public half of a key whose private half cannot be read from the file, because it is encrypted or not there. `None` if
/// neither the file nor `<file>.pub` has it.
///
/// # Errors
/// [`KeyError::Unreadable`]
pub fn public_half_of_encrypted(path: &Path) -> Result<Option<PublicKey>, KeyError> {
    let text = read(path)?;
    if let Ok(key) = PublicKey::from_openssh(text.trim()) {
        return Ok(Some(key));
    }
    match sealed::read(&text) {
        Ok(Form::Plain(_)) => return Ok(None),
        Ok(Form::Sealed(sealed)) => {
            if let Some(public) = sealed.public() {
                return Ok(Some(public));
            }
        }
        // An agent may hold a key that cannot be read here.
        Err(_) => {}
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    let beside = std::fs::read_to_string(PathBuf::from(name)).ok();
    Ok(beside.and_then(|text| PublicKey::from_openssh(text.trim()).ok()))
}

/// Reads a certificate.
///
/// # Errors
/// [`KeyError`]
pub fn certificate(path: &Path) -> Result<Certificate, KeyError> {
    let wrong = |reason: String| KeyError::Certificate { path: path.to_owned(), reason };
    Certificate::from_openssh(read(path)?.trim()).map_err(|error| wrong(error.to_string()))
}

/// The certificate beside a key file, as OpenSSH names it.
///
/// # Errors
/// [`KeyError`] if it exists and cannot be read.
pub fn beside(path: &Path) -> Result<Option<Certificate>, KeyError> {
    let path = certificate_path(path);
    if path.exists() { certificate(&path).map(Some) } else { Ok(None) }
}

fn certificate_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-cert.pub");
    PathBuf::from(name)
}

fn read(path: &Path) -> Result<String, KeyError> {
    text::read(path).map_err(|source| KeyError::Unreadable { path: path.to_owned(), source })
}

/// Reads the text of a private key file.
pub(super) fn private_key(
    path: &Path,
    text: &str,
    passphrase: Passphrase<'_>,
) -> Result<PrivateKey, KeyError> {
    let failed = |problem| KeyError::new(path, text, problem);
    match sealed::read(text).map_err(failed)? {
        Form::Plain(key) => Ok(*key),
        Form::Sealed(sealed) => match passphrase(path) {
            Some(passphrase) => sealed.open(&passphrase).map_err(failed),
            None => Err(KeyError::NoPassphrase { path: path.to_owned() }),
        },
    }
}
