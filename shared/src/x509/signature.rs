//! Public keys and the signatures that certificates, CRLs and timestamps carry: RFC 3279, 4055, 5758, 8410.
//!
//! SHA-1, MD5 and MD2 are refused everywhere; RSASSA-PSS must use one hash throughout and a salt of its length.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{self as lc, UnparsedPublicKey, VerificationAlgorithm};
use x509_parser::oid_registry as registry;
use x509_parser::prelude::{FromDer as _, SubjectPublicKeyInfo};
use x509_parser::public_key::RSAPublicKey;
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::AlgorithmIdentifier;

/// The hash functions that signatures may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hash {
    /// SHA-256
    Sha256,
    /// SHA-384
    Sha384,
    /// SHA-512
    Sha512,
}

impl Hash {
    /// The hash that an object identifier names in dotted form; none for SHA-1 and all others.
    pub fn from_oid(oid: &str) -> Option<Self> {
        match oid {
            "2.16.840.1.101.3.4.2.1" => Some(Self::Sha256),
            "2.16.840.1.101.3.4.2.2" => Some(Self::Sha384),
            "2.16.840.1.101.3.4.2.3" => Some(Self::Sha512),
            _ => None,
        }
    }

    /// The length of the hash in bytes.
    pub fn length(self) -> u32 {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The hash of `bytes`.
    pub fn digest(self, bytes: &[u8]) -> Vec<u8> {
        digest::digest(self.algorithm(), bytes).as_ref().to_vec()
    }

    fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }
}

/// A signature algorithm of a certificate, CRL or timestamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5
    RsaPkcs1(Hash),
    /// RSASSA-PSS, one hash throughout, salt of its length
    RsaPss(Hash),
    /// ECDSA, the signature in ASN.1 form
    Ecdsa(Hash),
    /// Ed25519
    Ed25519,
    /// Anything else, by its object identifier: SHA-1, unequal PSS hashes, …
    Unsupported(String),
}

impl SignatureAlgorithm {
    pub(super) fn from_identifier(identifier: &AlgorithmIdentifier<'_>) -> Self {
        let oid = &identifier.algorithm;
        let known = [
            (&registry::OID_PKCS1_SHA256WITHRSA, Self::RsaPkcs1(Hash::Sha256)),
            (&registry::OID_PKCS1_SHA384WITHRSA, Self::RsaPkcs1(Hash::Sha384)),
            (&registry::OID_PKCS1_SHA512WITHRSA, Self::RsaPkcs1(Hash::Sha512)),
            (&registry::OID_SIG_ECDSA_WITH_SHA256, Self::Ecdsa(Hash::Sha256)),
            (&registry::OID_SIG_ECDSA_WITH_SHA384, Self::Ecdsa(Hash::Sha384)),
            (&registry::OID_SIG_ECDSA_WITH_SHA512, Self::Ecdsa(Hash::Sha512)),
            (&registry::OID_SIG_ED25519, Self::Ed25519),
        ];
        if let Some((_, algorithm)) = known.into_iter().find(|(known, _)| *known == oid) {
            return algorithm;
        }
        if *oid == registry::OID_PKCS1_RSASSAPSS
            && let Some(hash) =
                identifier.parameters.as_ref().and_then(|any| pss_hash(&RsaSsaPssParams::try_from(any).ok()?))
        {
            return Self::RsaPss(hash);
        }
        Self::Unsupported(oid.to_id_string())
    }

    /// The algorithm that the DER of an `AlgorithmIdentifier` names; none where it is malformed.
    pub fn parse(der: &[u8]) -> Option<Self> {
        let (rest, identifier) = AlgorithmIdentifier::from_der(der).ok()?;
        rest.is_empty().then(|| Self::from_identifier(&identifier))
    }
}

/// The hash of PSS parameters that agree with themselves: RFC 4055 section 3.1.
fn pss_hash(params: &RsaSsaPssParams<'_>) -> Option<Hash> {
    let hash = Hash::from_oid(&params.hash_algorithm_oid().to_id_string())?;
    let mask = params.mask_gen_algorithm().ok()?;
    let agrees = mask.mgf.to_id_string() == "1.2.840.113549.1.1.8"
        && Hash::from_oid(&mask.hash.to_id_string()) == Some(hash)
        && params.salt_length() == hash.length()
        && params.trailer_field() == 1;
    agrees.then_some(hash)
}

/// A subject's public key.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    algorithm: KeyAlgorithm,
    /// RSA: the DER of `RSAPublicKey`; EC: the uncompressed point; Ed25519: the key
    bytes: Vec<u8>,
}

/// What kind of key a public key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyAlgorithm {
    /// RSA with a modulus of that many bits
    Rsa {
        /// Exact bit length of the modulus
        bits: usize,
    },
    /// P-256
    P256,
    /// P-384
    P384,
    /// P-521
    P521,
    /// Ed25519
    Ed25519,
    /// Any other, by its object identifier, or that of its curve
    Unsupported(String),
}

impl core::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Debug::fmt(&self.algorithm, f)
    }
}

impl PublicKey {
    /// What kind of key this is.
    pub fn algorithm(&self) -> &KeyAlgorithm {
        &self.algorithm
    }

    /// The key's bytes as AWS-LC takes them.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The key of these bytes, which are as AWS-LC takes them; whether they are one shows when they verify something.
    pub(crate) fn from_bytes(algorithm: KeyAlgorithm, bytes: Vec<u8>) -> Self {
        Self { algorithm, bytes }
    }

    /// Reads the DER of a `SubjectPublicKeyInfo` and nothing after it; none where it is malformed.
    pub(crate) fn from_der(der: &[u8]) -> Option<Self> {
        let (rest, info) = SubjectPublicKeyInfo::from_der(der).ok()?;
        if rest.is_empty() { Self::from_info(&info) } else { None }
    }

    /// Reads a `SubjectPublicKeyInfo`; none where it is malformed. Keys of unknown kinds are kept as such, since a
    /// certificate that is never asked to verify anything may carry one.
    pub(super) fn from_info(info: &SubjectPublicKeyInfo<'_>) -> Option<Self> {
        let bytes = info.subject_public_key.data.to_vec();
        let oid = &info.algorithm.algorithm;
        let algorithm = if *oid == registry::OID_PKCS1_RSAENCRYPTION {
            // RFC 3279 section 2.3.1: parameters are NULL
            let parameters = info.algorithm.parameters.as_ref()?;
            parameters.as_null().ok()?;
            let (rest, key) = RSAPublicKey::from_der(&bytes).ok()?;
            if !rest.is_empty() {
                return None;
            }
            KeyAlgorithm::Rsa { bits: modulus_bits(key.modulus)? }
        } else if *oid == registry::OID_KEY_TYPE_EC_PUBLIC_KEY {
            let curve = info.algorithm.parameters.as_ref()?.as_oid().ok()?.to_id_string();
            let (algorithm, coordinate) = match curve.as_str() {
                "1.2.840.10045.3.1.7" => (KeyAlgorithm::P256, 32),
                "1.3.132.0.34" => (KeyAlgorithm::P384, 48),
                "1.3.132.0.35" => (KeyAlgorithm::P521, 66),
                // P-224 is read and verifies nothing; other curves are not even read, as the reference has it
                "1.3.132.0.33" => (KeyAlgorithm::Unsupported(curve), 28),
                _ => return None,
            };
            // an uncompressed point: SEC 1 section 2.3.3
            let (form, coordinates) = bytes.split_first()?;
            if *form != 4 || coordinates.len() != 2_usize.checked_mul(coordinate)? {
                return None;
            }
            algorithm
        } else if *oid == registry::OID_SIG_ED25519 {
            KeyAlgorithm::Ed25519
        } else {
            KeyAlgorithm::Unsupported(oid.to_id_string())
        };
        Some(Self { algorithm, bytes })
    }
}

/// The bit length of a modulus given as the content of a DER integer; none where it is zero or negative.
fn modulus_bits(integer: &[u8]) -> Option<usize> {
    if integer.first()? & 0x80 != 0 {
        return None;
    }
    let significant: &[u8] = match integer.iter().position(|byte| *byte != 0) {
        Some(start) => integer.get(start..)?,
        None => return None,
    };
    let leading_zeros = usize::try_from(significant.first()?.leading_zeros()).ok()?;
    significant.len().checked_mul(8)?.checked_sub(leading_zeros)
}

impl core::fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA-{bits}"),
            Self::P256 => f.write_str("P-256"),
            Self::P384 => f.write_str("P-384"),
            Self::P521 => f.write_str("P-521"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Unsupported(oid) => f.write_str(oid),
        }
    }
}

/// Checks that `signature` over `message` was made with the private key of `key`.
///
/// # Errors
/// [`SignatureError`]; whether it is the wrong signature, or one of a kind that is not accepted.
pub fn verify_signature(
    key: &PublicKey,
    algorithm: &SignatureAlgorithm,
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    let verifier = verifier(key, algorithm)?;
    UnparsedPublicKey::new(verifier, &key.bytes).verify(message, signature).map_err(|_| SignatureError::Wrong)
}

/// A message that is kept to check its signature again and again: hashed once where the algorithm allows it, since CRLs
/// have megabytes and are asked about for every image.
#[derive(Clone)]
pub(crate) struct SignedMessage {
    algorithm: SignatureAlgorithm,
    content: MessageContent,
}

#[derive(Clone)]
enum MessageContent {
    Hashed(digest::Digest),
    Whole(Vec<u8>),
}

impl SignedMessage {
    pub(crate) fn new(algorithm: SignatureAlgorithm, message: &[u8]) -> Self {
        let content = match &algorithm {
            SignatureAlgorithm::RsaPkcs1(hash)
            | SignatureAlgorithm::RsaPss(hash)
            | SignatureAlgorithm::Ecdsa(hash) => {
                MessageContent::Hashed(digest::digest(hash.algorithm(), message))
            }
            SignatureAlgorithm::Ed25519 => MessageContent::Whole(message.to_vec()),
            // refused whatever the message
            SignatureAlgorithm::Unsupported(_) => MessageContent::Whole(Vec::new()),
        };
        Self { algorithm, content }
    }

    /// As [`verify_signature`].
    pub(crate) fn verify_signature(&self, key: &PublicKey, signature: &[u8]) -> Result<(), SignatureError> {
        match &self.content {
            MessageContent::Whole(message) => verify_signature(key, &self.algorithm, message, signature),
            MessageContent::Hashed(digest) => {
                UnparsedPublicKey::new(verifier(key, &self.algorithm)?, &key.bytes)
                    .verify_digest(digest, signature)
                    .map_err(|_| SignatureError::Wrong)
            }
        }
    }
}

/// AWS-LC's verification of `algorithm` with keys of the kind of `key`.
fn verifier(
    key: &PublicKey,
    algorithm: &SignatureAlgorithm,
) -> Result<&'static dyn VerificationAlgorithm, SignatureError> {
    use Hash::{Sha256, Sha384, Sha512};
    use KeyAlgorithm as Key;
    use SignatureAlgorithm as Alg;
    Ok(match (algorithm, &key.algorithm) {
        // Go, and so the reference, takes RSA keys from 1024 bits in CAs; a leaf's key has its own rule.
        (Alg::RsaPkcs1(Sha256), Key::Rsa { .. }) => &lc::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        (Alg::RsaPkcs1(Sha384), Key::Rsa { .. }) => &lc::RSA_PKCS1_2048_8192_SHA384,
        (Alg::RsaPkcs1(Sha512), Key::Rsa { .. }) => &lc::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        (Alg::RsaPss(Sha256), Key::Rsa { .. }) => &lc::RSA_PSS_2048_8192_SHA256,
        (Alg::RsaPss(Sha384), Key::Rsa { .. }) => &lc::RSA_PSS_2048_8192_SHA384,
        (Alg::RsaPss(Sha512), Key::Rsa { .. }) => &lc::RSA_PSS_2048_8192_SHA512,
        (Alg::Ecdsa(Sha256), Key::P256) => &lc::ECDSA_P256_SHA256_ASN1,
        (Alg::Ecdsa(Sha384), Key::P256) => &lc::ECDSA_P256_SHA384_ASN1,
        (Alg::Ecdsa(Sha512), Key::P256) => &lc::ECDSA_P256_SHA512_ASN1,
        (Alg::Ecdsa(Sha256), Key::P384) => &lc::ECDSA_P384_SHA256_ASN1,
        (Alg::Ecdsa(Sha384), Key::P384) => &lc::ECDSA_P384_SHA384_ASN1,
        (Alg::Ecdsa(Sha512), Key::P384) => &lc::ECDSA_P384_SHA512_ASN1,
        (Alg::Ecdsa(Sha256), Key::P521) => &lc::ECDSA_P521_SHA256_ASN1,
        (Alg::Ecdsa(Sha384), Key::P521) => &lc::ECDSA_P521_SHA384_ASN1,
        (Alg::Ecdsa(Sha512), Key::P521) => &lc::ECDSA_P521_SHA512_ASN1,
        (Alg::Ed25519, Key::Ed25519) => &lc::ED25519,
        (Alg::Unsupported(oid), _) => return Err(SignatureError::UnsupportedAlgorithm { oid: oid.clone() }),
        (_, key) => return Err(SignatureError::UnsuitableKey { key: key.to_string() }),
    })
}

/// Why a signature was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// It was not made by this key over these bytes.
    #[error("signature is wrong")]
    Wrong,
    /// The algorithm is not accepted: SHA-1, MD5, unequal PSS hashes, or unknown.
    #[error("signature algorithm {oid} is not accepted")]
    UnsupportedAlgorithm {
        /// Its object identifier.
        oid: String,
    },
    /// The key cannot make signatures of this algorithm, or is of a kind that is not supported.
    #[error("a key of kind {key} cannot have made it")]
    UnsuitableKey {
        /// The kind of the key.
        key: String,
    },
}
