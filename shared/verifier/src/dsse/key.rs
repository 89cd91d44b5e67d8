//! A site's public keys: `SubjectPublicKeyInfo` in PEM (RFC 5280, RFC 5480, RFC 8410), or a line as OpenSSH writes it into
//! `.pub` files (RFC 4253 section 6.6, RFC 5656, RFC 8709).
//!
//! Both forms of one key are one key: its id is the fingerprint that `ssh-keygen -l` prints.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use aws_lc_rs::signature::{self as lc, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use crate::file_form::FileForm;
use crate::limits;
use crate::pem;
use crate::x509::{Hash, KeyAlgorithm, PublicKey, SignatureAlgorithm, verify_signature};

/// A public key that envelopes are verified with.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    kind: KeyKind,
    key: PublicKey,
    id: String,
}

/// The kinds of keys that sign envelopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Ed25519, RFC 8032
    Ed25519,
    /// ECDSA on P-256 with SHA-256
    EcdsaP256,
    /// ECDSA on P-384 with SHA-384
    EcdsaP384,
}

impl KeyKind {
    const ALL: [Self; 3] = [Self::Ed25519, Self::EcdsaP256, Self::EcdsaP384];

    /// The name in OpenSSH's keys and signatures.
    pub(crate) fn ssh_name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ssh-ed25519",
            Self::EcdsaP256 => "ecdsa-sha2-nistp256",
            Self::EcdsaP384 => "ecdsa-sha2-nistp384",
        }
    }

    /// RFC 5656 section 10.1
    fn ssh_curve(self) -> Option<&'static str> {
        match self {
            Self::Ed25519 => None,
            Self::EcdsaP256 => Some("nistp256"),
            Self::EcdsaP384 => Some("nistp384"),
        }
    }

    fn key_algorithm(self) -> KeyAlgorithm {
        match self {
            Self::Ed25519 => KeyAlgorithm::Ed25519,
            Self::EcdsaP256 => KeyAlgorithm::P256,
            Self::EcdsaP384 => KeyAlgorithm::P384,
        }
    }

    fn signature_algorithm(self) -> SignatureAlgorithm {
        match self {
            Self::Ed25519 => SignatureAlgorithm::Ed25519,
            Self::EcdsaP256 => SignatureAlgorithm::Ecdsa(Hash::Sha256),
            Self::EcdsaP384 => SignatureAlgorithm::Ecdsa(Hash::Sha384),
        }
    }

    /// Whether AWS-LC takes `bytes` for a key of this kind: a point must lie on its curve.
    fn accepts(self, bytes: &[u8]) -> bool {
        match self {
            Self::Ed25519 => ParsedPublicKey::new(&lc::ED25519, bytes).is_ok(),
            Self::EcdsaP256 => ParsedPublicKey::new(&lc::ECDSA_P256_SHA256_ASN1, bytes).is_ok(),
            Self::EcdsaP384 => ParsedPublicKey::new(&lc::ECDSA_P384_SHA384_ASN1, bytes).is_ok(),
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key_algorithm().fmt(f)
    }
}

impl VerifyingKey {
    /// Reads a file that holds one public key, in PEM or as OpenSSH's line.
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn read(file: &[u8]) -> Result<Self, KeyError> {
        if file.len() > limits::SITE_KEY_BYTES {
            return Err(KeyError::TooLarge);
        }
        let text = core::str::from_utf8(file).map_err(|_| KeyError::describe(file))?;
        if text.contains("PRIVATE KEY-----") {
            return Err(KeyError::Private);
        }
        if text.contains("-----BEGIN") {
            return Self::from_pem(file);
        }
        Self::from_openssh(text).map_err(|error| match error {
            KeyError::NotAKey => KeyError::describe(file),
            other => other,
        })
    }

    /// `SHA256:` and the base64 of the SHA-256 of the key as SSH encodes it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What kind of key it is.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The line that OpenSSH writes into `.pub` files, without comment and line break.
    pub fn to_openssh(&self) -> String {
        let blob = ssh_blob(self.kind, self.key.bytes());
        alloc::format!("{} {}", self.kind.ssh_name(), STANDARD.encode(blob))
    }

    /// Whether the key's owner made `signature` over `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        verify_signature(&self.key, &self.kind.signature_algorithm(), message, signature).is_ok()
    }

    fn from_pem(file: &[u8]) -> Result<Self, KeyError> {
        let mut blocks = pem::blocks(file).into_iter();
        let (Some(block), None) = (blocks.next(), blocks.next()) else {
            return Err(KeyError::describe(file));
        };
        if block.label != "PUBLIC KEY" {
            return Err(KeyError::OtherPemBlock { label: block.label });
        }
        let key = PublicKey::from_der(&block.contents).ok_or(KeyError::NotAKey)?;
        let kind = KeyKind::ALL.into_iter().find(|kind| kind.key_algorithm() == *key.algorithm());
        let kind = kind.ok_or_else(|| KeyError::Kind { kind: key.algorithm().to_string() })?;
        Self::new(kind, key)
    }

    fn from_openssh(text: &str) -> Result<Self, KeyError> {
        let mut lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        let (Some(line), None) = (lines.next(), lines.next()) else { return Err(KeyError::NotAKey) };
        let mut words = line.split_ascii_whitespace();
        let (Some(name), Some(blob)) = (words.next(), words.next()) else { return Err(KeyError::NotAKey) };
        let blob = STANDARD.decode(blob).map_err(|_| KeyError::NotAKey)?;
        let kind = KeyKind::ALL.into_iter().find(|kind| kind.ssh_name() == name);
        let kind = kind.ok_or_else(|| KeyError::Kind { kind: name.to_string() })?;
        // the key is the last string in it; what stands before it has one form
        let length = match kind {
            KeyKind::Ed25519 => 32,
            KeyKind::EcdsaP256 => 65,
            KeyKind::EcdsaP384 => 97,
        };
        let start = blob.len().checked_sub(length).ok_or(KeyError::NotAKey)?;
        let bytes = blob.get(start..).ok_or(KeyError::NotAKey)?;
        if ssh_blob(kind, bytes) != blob {
            return Err(KeyError::NotAKey);
        }
        Self::new(kind, PublicKey::from_bytes(kind.key_algorithm(), bytes.to_vec()))
    }

    fn new(kind: KeyKind, key: PublicKey) -> Result<Self, KeyError> {
        if !kind.accepts(key.bytes()) {
            return Err(KeyError::NotAKey);
        }
        let fingerprint = Hash::Sha256.digest(&ssh_blob(kind, key.bytes()));
        let id = alloc::format!("SHA256:{}", STANDARD_NO_PAD.encode(fingerprint));
        Ok(Self { kind, key, id })
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.id)
    }
}

/// The key as SSH encodes it.
pub(super) fn ssh_blob(kind: KeyKind, key: &[u8]) -> Vec<u8> {
    let mut blob = Vec::new();
    let names = [Some(kind.ssh_name()), kind.ssh_curve()];
    for string in names.into_iter().flatten().map(str::as_bytes).chain([key]) {
        blob.extend(u32::try_from(string.len()).unwrap_or(u32::MAX).to_be_bytes());
        blob.extend_from_slice(string);
    }
    blob
}

/// Why a file is not a public key of a site.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Longer than [`limits::SITE_KEY_BYTES`].
    #[error("it is larger than {} bytes", limits::SITE_KEY_BYTES)]
    TooLarge,
    /// It is a private key, which belongs nowhere near a trust directory.
    #[error("it is a private key; give the public one, and keep this one to yourself")]
    Private,
    /// A PEM block of another kind.
    #[error("it is a PEM block {label:?}, and must be \"PUBLIC KEY\"")]
    OtherPemBlock {
        /// The block's label.
        label: String,
    },
    /// A key of a kind that does not sign envelopes.
    #[error("it is a key of the kind {kind}, and must be Ed25519, ECDSA P-256 or ECDSA P-384")]
    Kind {
        /// The kind.
        kind: String,
    },
    /// A file of another form.
    #[error("it is {0}; it must be one public key in PEM, or as a line of OpenSSH's")]
    Form(FileForm),
    /// Anything else.
    #[error("it is not one public key, in PEM or as a line of OpenSSH's")]
    NotAKey,
}

impl KeyError {
    /// Why this file is not a key.
    fn describe(file: &[u8]) -> Self {
        match FileForm::detect(file) {
            FileForm::OpenSsh | FileForm::PublicKey | FileForm::Text | FileForm::Unknown => Self::NotAKey,
            form => Self::Form(form),
        }
    }
}
