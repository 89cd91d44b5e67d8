//! Makes a key pair: the private key in PKCS#8, which only its owner can read, and beside it the public key as OpenSSH's line.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use assay_verifier::dsse::{KeyKind, VerifyingKey};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::pkcs8::Document;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::SiteKeyError;

/// A key pair that has been written.
#[derive(Debug)]
pub struct Created {
    /// The file of the public key: the private key's name and `.pub`.
    pub public_path: PathBuf,
    /// The public key.
    pub public: VerifyingKey,
}

/// Makes a key pair and writes the private key to `path` and the public key to `path` with `.pub`.
///
/// # Errors
/// [`SiteKeyError::Exists`] if either file exists; [`SiteKeyError::Write`].
pub fn create(path: &Path, kind: KeyKind, comment: &str) -> Result<Created, SiteKeyError> {
    let mut public_path = path.as_os_str().to_owned();
    public_path.push(".pub");
    let public_path = PathBuf::from(public_path);
    if public_path.symlink_metadata().is_ok() {
        return Err(SiteKeyError::Exists { path: public_path });
    }
    let (private, public) = generate(kind).map_err(|_| SiteKeyError::Generate)?;
    let public = VerifyingKey::read(pem("PUBLIC KEY", &public).as_bytes())
        .map_err(|source| SiteKeyError::Unsuitable { path: public_path.clone(), source })?;
    write_new(path, pem("PRIVATE KEY", private.as_ref()).as_bytes(), true)?;
    let line = format!("{} {comment}", public.to_openssh());
    if let Err(error) = write_new(&public_path, format!("{}\n", line.trim_end()).as_bytes(), false) {
        // a private key without its public key is of no use
        let _ = fs::remove_file(path);
        return Err(error);
    }
    Ok(Created { public_path, public })
}

/// The DER of a new key's `PrivateKeyInfo` and `SubjectPublicKeyInfo`.
fn generate(kind: KeyKind) -> Result<(Document, Vec<u8>), Unspecified> {
    fn public<K: KeyPair<PublicKey: AsDer<PublicKeyX509Der<'static>>>>(
        pair: &K,
    ) -> Result<Vec<u8>, Unspecified> {
        Ok(pair.public_key().as_der()?.as_ref().to_vec())
    }
    let algorithm = match kind {
        KeyKind::Ed25519 => {
            let pair = Ed25519KeyPair::generate()?;
            return Ok((pair.to_pkcs8v1()?, public(&pair)?));
        }
        KeyKind::EcdsaP256 => &ECDSA_P256_SHA256_ASN1_SIGNING,
        KeyKind::EcdsaP384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
    };
    let pair = EcdsaKeyPair::generate(algorithm)?;
    Ok((pair.to_pkcs8v1()?, public(&pair)?))
}

/// The PEM text of RFC 7468.
fn pem(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let lines: Vec<&str> =
        (0..base64.len()).step_by(64).filter_map(|at| base64.get(at..base64.len().min(at + 64))).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// Writes a file that must not exist yet, and removes it if it cannot be written whole.
fn write_new(path: &Path, bytes: &[u8], private: bool) -> Result<(), SiteKeyError> {
    let mut file = open_new(path, private).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => SiteKeyError::Exists { path: path.to_owned() },
        _ => SiteKeyError::Write { path: path.to_owned(), source },
    })?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|source| {
        let _ = fs::remove_file(path);
        SiteKeyError::Write { path: path.to_owned(), source }
    })
}

#[cfg(unix)]
fn open_new(path: &Path, private: bool) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mode = if private { 0o600 } else { 0o644 };
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

/// On Windows a new file inherits its folder's access list: keep keys in a private folder.
#[cfg(not(unix))]
fn open_new(path: &Path, _: bool) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}
