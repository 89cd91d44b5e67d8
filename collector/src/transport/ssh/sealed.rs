//! Reads what a private key file contains: a key, or an encrypted key and how it is encrypted. Pure.
//!
//! The forms are OpenSSH's (PROTOCOL.key), PKCS#8 (RFC 5958; encrypted after RFC 8018), PKCS#1 and SEC 1 in PEM with OpenSSL's
//! traditional encryption (RFC 1421 section 4.6.1.3), and PuTTY's. A wrong passphrase is told from all other faults,
//! because a person who is told to type it again must be able to succeed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pkcs8::der::asn1::ObjectIdentifier;
use pkcs8::der::{Decode as _, Header, Reader, SliceReader, Tag};
use pkcs8::spki::AlgorithmIdentifierRef;
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef, pkcs5};
use russh::keys::{self, PrivateKey, PublicKey};
use ssh_key::Cipher;

/// A private key file's text, as far as it is read without a passphrase.
pub(super) enum Form {
    /// The key.
    Plain(Box<PrivateKey>),
    /// The key is encrypted.
    Sealed(Sealed),
}

/// A key that is encrypted in a supported way.
pub(super) enum Sealed {
    OpenSsh(Box<PrivateKey>),
    /// DER.
    Pkcs8(Vec<u8>),
    /// The encrypted DER of what the label says.
    Traditional {
        label: String,
        cipher: Cipher,
        iv: Vec<u8>,
        bytes: Vec<u8>,
    },
    /// The whole text.
    Putty(String),
}

/// Why there is no key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// It is not a supported private key.
    NotAKey(String),
    /// It is encrypted in a way that is not supported.
    Encryption(String),
    /// The passphrase is wrong.
    WrongPassphrase,
}

#[expect(clippy::needless_pass_by_value, reason = "map_err gives it away")]
fn not_a_key(reason: impl ToString) -> Problem {
    Problem::NotAKey(reason.to_string())
}

/// The first words of PuTTY's form.
const PUTTY: &str = "PuTTY-User-Key-File-";

/// Whether a text is in PuTTY's form.
pub(super) fn is_putty(text: &str) -> bool {
    text.trim_start().starts_with(PUTTY)
}

/// Reads a private key file's text.
pub(super) fn read(text: &str) -> Result<Form, Problem> {
    let text = text.trim_start();
    if is_putty(text) {
        return putty(text);
    }
    let Pem { label, headers, bytes } =
        pem(text).ok_or_else(|| not_a_key("there is no PEM of a private key"))?;
    match label {
        "OPENSSH PRIVATE KEY" => openssh(&bytes),
        "ENCRYPTED PRIVATE KEY" => pkcs8(bytes),
        _ => match headers.iter().find_map(|line| line.strip_prefix("DEK-Info:")) {
            Some(info) => traditional(label, info.trim(), bytes),
            None => plain(label, &bytes).map(Form::from),
        },
    }
}

impl From<PrivateKey> for Form {
    fn from(key: PrivateKey) -> Self {
        Self::Plain(Box::new(key))
    }
}

impl Sealed {
    /// The public half, if the file contains it unencrypted.
    pub(super) fn public(&self) -> Option<PublicKey> {
        match self {
            Self::OpenSsh(key) => Some(key.public_key().clone()),
            Self::Pkcs8(_) | Self::Traditional { .. } => None,
            Self::Putty(text) => {
                let mut lines = text.lines().skip_while(|line| !line.starts_with("Public-Lines: "));
                let count = lines.next()?.strip_prefix("Public-Lines: ")?.parse().ok()?;
                let bytes = STANDARD.decode(lines.take(count).collect::<String>()).ok()?;
                PublicKey::from_bytes(&bytes).ok()
            }
        }
    }

    /// The key.
    pub(super) fn open(&self, passphrase: &str) -> Result<PrivateKey, Problem> {
        match self {
            Self::OpenSsh(key) => match key.decrypt(passphrase) {
                Ok(key) => usable(key),
                // The parsed key does not know that it was decrypted.
                Err(ssh_key::Error::Crypto) => Err(Problem::WrongPassphrase),
                Err(error) => Err(not_a_key(error)),
            },
            Self::Pkcs8(der) => {
                let sealed = EncryptedPrivateKeyInfoRef::try_from(der.as_slice()).map_err(not_a_key)?;
                match sealed.encryption_algorithm.decrypt(passphrase, sealed.encrypted_data.as_bytes()) {
                    // A wrong passphrase gives a well-formed padding once in 256 times.
                    Ok(der) if PrivateKeyInfoRef::from_der(&der).is_err() => Err(Problem::WrongPassphrase),
                    Ok(der) => plain("PRIVATE KEY", &der),
                    Err(pkcs5::Error::DecryptFailed) => Err(Problem::WrongPassphrase),
                    Err(error) => Err(not_a_key(error)),
                }
            }
            Self::Traditional { label, cipher, iv, bytes } => {
                let (key_size, _) = cipher.key_and_iv_size().unwrap_or_default();
                let mut der = bytes.clone();
                let key = bytes_to_key(passphrase.as_bytes(), iv, key_size);
                cipher.decrypt(&key, iv, &mut der, None).map_err(not_a_key)?;
                let padding = usize::from(der.last().copied().unwrap_or_default());
                der.truncate(der.len().saturating_sub(padding));
                if padding > cipher.block_size() || !is_sequence(&der) {
                    return Err(Problem::WrongPassphrase);
                }
                plain(label, &der)
            }
            Self::Putty(text) => match keys::decode_secret_key(text, Some(passphrase)) {
                Ok(key) => Ok(key),
                // The library does not export the type.
                Err(keys::Error::SshKey(ssh_key::Error::Ppk(error)))
                    if format!("{error:?}") == "IncorrectMac" =>
                {
                    Err(Problem::WrongPassphrase)
                }
                Err(error) => Err(not_a_key(error)),
            },
        }
    }
}

/// A PEM file (RFC 7468), and the headers of RFC 1421.
struct Pem<'a> {
    label: &'a str,
    headers: Vec<&'a str>,
    bytes: Vec<u8>,
}

/// The first private key of a text.
fn pem(text: &str) -> Option<Pem<'_>> {
    let mut lines = text.lines().map(str::trim);
    let label = lines.find_map(|line| {
        let label = line.strip_prefix("-----BEGIN ")?.strip_suffix("-----")?;
        label.ends_with("PRIVATE KEY").then_some(label)
    })?;
    let (headers, body): (Vec<_>, Vec<_>) =
        lines.take_while(|line| !line.starts_with("-----END ")).partition(|line| line.contains(':'));
    Some(Pem { label, headers, bytes: STANDARD.decode(body.concat()).ok()? })
}

/// A key without encrypted parts.
fn plain(label: &str, der: &[u8]) -> Result<PrivateKey, Problem> {
    let text = format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der));
    match keys::decode_secret_key(&text, None) {
        Ok(key) => Ok(key),
        Err(keys::Error::CouldNotReadKey) => Err(not_a_key(format!("{label} is not understood"))),
        Err(error) => Err(not_a_key(error)),
    }
}

/// A key that can sign here.
fn usable(key: PrivateKey) -> Result<PrivateKey, Problem> {
    match key.algorithm() {
        keys::Algorithm::SkEd25519 | keys::Algorithm::SkEcdsaSha2NistP256 => {
            Err(not_a_key("it is in a security key, which an SSH agent has to ask; ssh-add it"))
        }
        _ => Ok(key),
    }
}

fn openssh(bytes: &[u8]) -> Result<Form, Problem> {
    /// PROTOCOL.key: the magic before the names of the cipher and the key derivation, each of which follows its length.
    const MAGIC: &[u8] = b"openssh-key-v1\0";
    let names = bytes.strip_prefix(MAGIC).and_then(|rest| {
        let (cipher, rest) = name(rest)?;
        Some((cipher, name(rest)?.0))
    });
    let (cipher, derivation) = names.ok_or_else(|| not_a_key("it is cut"))?;
    if Cipher::new(cipher).is_err() || !matches!(derivation, "none" | "bcrypt") {
        return Err(Problem::Encryption(format!("{cipher} with {derivation}")));
    }
    let key = PrivateKey::from_bytes(bytes).map_err(not_a_key)?;
    if key.is_encrypted() {
        Ok(Form::Sealed(Sealed::OpenSsh(Box::new(key))))
    } else {
        usable(key).map(Form::from)
    }
}

/// A name after its length (RFC 4251 section 5, `string`).
fn name(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (name, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    Some((std::str::from_utf8(name).ok()?, rest))
}

fn pkcs8(der: Vec<u8>) -> Result<Form, Problem> {
    match EncryptedPrivateKeyInfoRef::try_from(der.as_slice()) {
        Ok(sealed) if sealed.encryption_algorithm.pbes2().is_some() => Ok(Form::Sealed(Sealed::Pkcs8(der))),
        _ => Err(scheme(&der).map_or_else(|| not_a_key("it is not well-formed"), Problem::Encryption)),
    }
}

/// What a PKCS#8 key is encrypted with.
fn scheme(der: &[u8]) -> Option<String> {
    let mut reader = SliceReader::new(der).ok()?;
    Header::decode(&mut reader).ok()?;
    let scheme = AlgorithmIdentifierRef::decode(&mut reader).ok()?;
    if scheme.oid != pkcs5::pbes2::PBES2_OID {
        return Some(named(scheme.oid));
    }
    let part = |parts: &mut SliceReader<'_>| Some(AlgorithmIdentifierRef::decode(parts).ok()?.oid);
    let mut parts = SliceReader::new(scheme.parameters?.value()).ok()?;
    let (derivation, cipher) = (part(&mut parts)?, part(&mut parts)?);
    Some(format!("PBES2 with {derivation} and {cipher}"))
}

/// The schemes of RFC 8018 appendix A.3 and RFC 7292 appendix C, as OpenSSL calls them.
fn named(scheme: ObjectIdentifier) -> String {
    let oid = scheme.to_string();
    let name = match oid.as_str() {
        "1.2.840.113549.1.5.3" => "PBE-MD5-DES",
        "1.2.840.113549.1.5.6" => "PBE-MD5-RC2-64",
        "1.2.840.113549.1.5.10" => "PBE-SHA1-DES",
        "1.2.840.113549.1.5.11" => "PBE-SHA1-RC2-64",
        "1.2.840.113549.1.12.1.1" => "PBE-SHA1-RC4-128",
        "1.2.840.113549.1.12.1.2" => "PBE-SHA1-RC4-40",
        "1.2.840.113549.1.12.1.3" => "PBE-SHA1-3DES",
        "1.2.840.113549.1.12.1.4" => "PBE-SHA1-2DES",
        "1.2.840.113549.1.12.1.5" => "PBE-SHA1-RC2-128",
        "1.2.840.113549.1.12.1.6" => "PBE-SHA1-RC2-40",
        _ => return oid,
    };
    name.to_owned()
}

fn traditional(label: &str, info: &str, bytes: Vec<u8>) -> Result<Form, Problem> {
    let (name, iv) = info.split_once(',').unwrap_or((info, ""));
    let cipher = match name.trim().to_ascii_uppercase().as_str() {
        "DES-EDE3-CBC" => Cipher::TdesCbc,
        "AES-128-CBC" => Cipher::Aes128Cbc,
        "AES-192-CBC" => Cipher::Aes192Cbc,
        "AES-256-CBC" => Cipher::Aes256Cbc,
        other => return Err(Problem::Encryption(other.to_owned())),
    };
    let iv =
        from_hex(iv.trim()).filter(|iv| Some(iv.len()) == cipher.key_and_iv_size().map(|(_, size)| size));
    match iv {
        Some(iv) if !bytes.is_empty() && bytes.len().is_multiple_of(cipher.block_size()) => {
            Ok(Form::Sealed(Sealed::Traditional { label: label.to_owned(), cipher, iv, bytes }))
        }
        _ => Err(not_a_key("it is cut")),
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// OpenSSL's `EVP_BytesToKey` with MD5 and one round: the salt is the first eight bytes of the initialization vector.
fn bytes_to_key(passphrase: &[u8], iv: &[u8], size: usize) -> Vec<u8> {
    let salt = iv.get(..8).unwrap_or(iv);
    let mut key: Vec<u8> = Vec::new();
    let mut last: Vec<u8> = Vec::new();
    while key.len() < size {
        last = md5::compute([&last, passphrase, salt].concat()).to_vec();
        key.extend(&last);
    }
    key.truncate(size);
    key
}

/// Whether the bytes are one DER SEQUENCE and nothing else.
fn is_sequence(der: &[u8]) -> bool {
    let Ok(mut reader) = SliceReader::new(der) else { return false };
    let header = Header::decode(&mut reader);
    header.is_ok_and(|header| header.tag() == Tag::Sequence && header.length() == reader.remaining_len())
}

fn putty(text: &str) -> Result<Form, Problem> {
    let encryption = text.lines().find_map(|line| line.strip_prefix("Encryption: "));
    match encryption.map_or("none", str::trim) {
        "none" => keys::decode_secret_key(text, None).map(Form::from).map_err(not_a_key),
        "aes256-cbc" => Ok(Form::Sealed(Sealed::Putty(text.to_owned()))),
        other => Err(Problem::Encryption(other.to_owned())),
    }
}
