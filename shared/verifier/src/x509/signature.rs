//! Public keys and the signatures that certificates, CRLs and timestamps carry: RFC 3279, 4055, 5758, 8410.
//!
//! SHA-1, MD5 and MD2 are refused everywhere; RSASSA-PSS must use one hash throughout and a salt of its length.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{self as lc, ParsedPublicKey, UnparsedPublicKey, VerificationAlgorithm};
use der::asn1::{AnyRef, BitStringRef};
use der::{Decode as _, DecodeValue, Sequence};

use crate::asn1::{AlgorithmIdentifier, Integer, Oid, oid};

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
    /// The hash that an object identifier names in dotted form; `None` for SHA-1 and all others.
    pub(crate) fn from_oid(oid: &str) -> Option<Self> {
        match oid {
            "2.16.840.1.101.3.4.2.1" => Some(Self::Sha256),
            "2.16.840.1.101.3.4.2.2" => Some(Self::Sha384),
            "2.16.840.1.101.3.4.2.3" => Some(Self::Sha512),
            _ => None,
        }
    }

    /// The length of the hash in bytes.
    pub(crate) fn length(self) -> u32 {
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
    /// The algorithm that the DER of an `AlgorithmIdentifier` names; `None` if it is malformed.
    pub(crate) fn parse(der: &[u8]) -> Option<Self> {
        let AlgorithmIdentifier { algorithm, parameters } = AlgorithmIdentifier::from_der(der).ok()?;
        // parameters of the others mean nothing, and the reference does not look at them
        Some(match algorithm {
            SHA256_WITH_RSA => Self::RsaPkcs1(Hash::Sha256),
            SHA384_WITH_RSA => Self::RsaPkcs1(Hash::Sha384),
            SHA512_WITH_RSA => Self::RsaPkcs1(Hash::Sha512),
            ECDSA_WITH_SHA256 => Self::Ecdsa(Hash::Sha256),
            ECDSA_WITH_SHA384 => Self::Ecdsa(Hash::Sha384),
            ECDSA_WITH_SHA512 => Self::Ecdsa(Hash::Sha512),
            ED25519 if parameters.is_none() => Self::Ed25519,
            RSASSA_PSS => parameters
                .and_then(pss_hash)
                .map_or_else(|| Self::Unsupported(algorithm.to_string()), Self::RsaPss),
            _ => Self::Unsupported(algorithm.to_string()),
        })
    }
}

/// `RSASSA-PSS-params`, RFC 4055 section 3.1. What may be left out there stands for SHA-1 and is not accepted.
#[derive(DecodeValue)]
struct PssParameters<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    hash: AlgorithmIdentifier<'a>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT")]
    mask: AlgorithmIdentifier<'a>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT")]
    salt_length: u32,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    trailer: Option<u8>,
}

impl<'a> Sequence<'a> for PssParameters<'a> {}

/// The hash of PSS parameters that agree with themselves.
fn pss_hash(parameters: AnyRef<'_>) -> Option<Hash> {
    let parameters: PssParameters<'_> = parameters.decode_as().ok()?;
    let plain = |identifier: &AlgorithmIdentifier<'_>| identifier.parameters.is_none_or(AnyRef::is_null);
    let mask_hash: AlgorithmIdentifier<'_> = parameters.mask.parameters?.decode_as().ok()?;
    let hash = Hash::from_oid(&parameters.hash.algorithm.to_string())?;
    let agrees = parameters.mask.algorithm == MGF_1
        && mask_hash.algorithm == parameters.hash.algorithm
        && plain(&parameters.hash)
        && plain(&mask_hash)
        && parameters.salt_length == hash.length()
        && parameters.trailer.unwrap_or(1) == 1;
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
    pub(crate) fn algorithm(&self) -> &KeyAlgorithm {
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

    /// Reads a `SubjectPublicKeyInfo`; `None` if it is malformed, as the reference sees it: an RSA key without NULL, a
    /// point beside its curve, a DSA key that inherits its parameters. Keys of unknown kinds are kept as such, because a
    /// certificate that is never asked to verify anything may carry one.
    pub(crate) fn from_der(der: &[u8]) -> Option<Self> {
        let info = SubjectPublicKeyInfo::from_der(der).ok()?;
        let AlgorithmIdentifier { algorithm: kind, parameters } = info.algorithm;
        let bytes = info.key.as_bytes()?;
        let algorithm = match kind {
            RSA_ENCRYPTION => {
                parameters.filter(|parameters| parameters.is_null())?;
                let key = RsaPublicKey::from_der(bytes).ok()?;
                let exponent = key.exponent.0;
                if !key.exponent.is_positive() || exponent.len() > EXPONENT_BYTES {
                    return None;
                }
                KeyAlgorithm::Rsa { bits: modulus_bits(key.modulus.0)? }
            }
            EC_PUBLIC_KEY => {
                let (algorithm, verifier): (_, &'static dyn VerificationAlgorithm) =
                    match parameters?.decode_as::<Oid<'_>>().ok()? {
                        SECP256R1 => (KeyAlgorithm::P256, &lc::ECDSA_P256_SHA256_ASN1),
                        SECP384R1 => (KeyAlgorithm::P384, &lc::ECDSA_P384_SHA384_ASN1),
                        SECP521R1 => (KeyAlgorithm::P521, &lc::ECDSA_P521_SHA512_ASN1),
                        // the reference reads P-224 too, but nothing here can tell whether a point lies on it
                        _ => return None,
                    };
                // SEC 1 section 2.3.3: uncompressed
                if bytes.first() != Some(&4) || ParsedPublicKey::new(verifier, bytes).is_err() {
                    return None;
                }
                algorithm
            }
            ED25519 if parameters.is_none() && bytes.len() == 32 => KeyAlgorithm::Ed25519,
            ED25519 => return None,
            DSA => {
                let group: DsaParameters<'_> = parameters?.decode_as().ok()?;
                let numbers = [Integer::from_der(bytes).ok()?, group.p, group.q, group.g];
                if !numbers.into_iter().all(Integer::is_positive) {
                    return None;
                }
                KeyAlgorithm::Unsupported(kind.to_string())
            }
            _ => KeyAlgorithm::Unsupported(kind.to_string()),
        };
        Some(Self { algorithm, bytes: bytes.to_vec() })
    }
}

#[derive(DecodeValue)]
struct SubjectPublicKeyInfo<'a> {
    algorithm: AlgorithmIdentifier<'a>,
    key: BitStringRef<'a>,
}

impl<'a> Sequence<'a> for SubjectPublicKeyInfo<'a> {}

/// RFC 3279 section 2.3.1
#[derive(DecodeValue)]
struct RsaPublicKey<'a> {
    modulus: Integer<'a>,
    exponent: Integer<'a>,
}

impl<'a> Sequence<'a> for RsaPublicKey<'a> {}

/// RFC 3279 section 2.3.2
#[derive(DecodeValue)]
struct DsaParameters<'a> {
    p: Integer<'a>,
    q: Integer<'a>,
    g: Integer<'a>,
}

impl<'a> Sequence<'a> for DsaParameters<'a> {}

/// The bit length of a modulus given as the content of a DER integer; `None` if it is zero or negative.
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
pub(crate) fn verify_signature(
    key: &PublicKey,
    algorithm: &SignatureAlgorithm,
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    let verifier = verifier(key, algorithm)?;
    UnparsedPublicKey::new(verifier, &key.bytes).verify(message, signature).map_err(|_| SignatureError::Wrong)
}

/// A message that is kept to check its signature again and again: hashed once where the algorithm allows it, because CRLs
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

/// Bytes of an RSA key's public exponent, as in the reference; real ones have three.
const EXPONENT_BYTES: usize = 8;

/// rsaEncryption, RFC 3279 section 2.3.1
const RSA_ENCRYPTION: Oid<'static> = oid!("1.2.840.113549.1.1.1");
/// id-dsa, RFC 3279 section 2.3.2
const DSA: Oid<'static> = oid!("1.2.840.10040.4.1");
/// id-ecPublicKey, RFC 5480 section 2.1.1
const EC_PUBLIC_KEY: Oid<'static> = oid!("1.2.840.10045.2.1");
/// P-256, RFC 5480 section 2.1.1.1
const SECP256R1: Oid<'static> = oid!("1.2.840.10045.3.1.7");
/// P-384
const SECP384R1: Oid<'static> = oid!("1.3.132.0.34");
/// P-521
const SECP521R1: Oid<'static> = oid!("1.3.132.0.35");
/// id-Ed25519, RFC 8410 section 3: key and signature
const ED25519: Oid<'static> = oid!("1.3.101.112");
/// sha256WithRSAEncryption, RFC 4055 section 5
const SHA256_WITH_RSA: Oid<'static> = oid!("1.2.840.113549.1.1.11");
/// sha384WithRSAEncryption
const SHA384_WITH_RSA: Oid<'static> = oid!("1.2.840.113549.1.1.12");
/// sha512WithRSAEncryption
const SHA512_WITH_RSA: Oid<'static> = oid!("1.2.840.113549.1.1.13");
/// id-RSASSA-PSS, RFC 4055 section 3
const RSASSA_PSS: Oid<'static> = oid!("1.2.840.113549.1.1.10");
/// id-mgf1, RFC 4055 section 2.2
const MGF_1: Oid<'static> = oid!("1.2.840.113549.1.1.8");
/// ecdsa-with-SHA256, RFC 5758 section 3.2
const ECDSA_WITH_SHA256: Oid<'static> = oid!("1.2.840.10045.4.3.2");
/// ecdsa-with-SHA384
const ECDSA_WITH_SHA384: Oid<'static> = oid!("1.2.840.10045.4.3.3");
/// ecdsa-with-SHA512
const ECDSA_WITH_SHA512: Oid<'static> = oid!("1.2.840.10045.4.3.4");
