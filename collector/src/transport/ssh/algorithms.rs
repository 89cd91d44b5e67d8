//! Chooses the algorithms that are offered to a host. None has a known weakness: no SHA-1, no CBC, no group below 3,072 bits.
//! Compression is offered (`zlib@openssh.com`, which begins after the login), so that uploads are compressed.

use std::borrow::Cow;

use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{AlgorithmKind, Preferred, cipher, compression, kex, mac};

use super::host_keys::Known;

/// What is offered: the types of known host keys first, without those whose key turned out not to be the pinned one.
pub(super) fn preferred(known: &Known, shown: &[Algorithm]) -> Preferred {
    let types = known.key_types();
    let is_known = |algorithm: &Algorithm| match algorithm {
        Algorithm::Rsa { .. } => types.contains(&"ssh-rsa"),
        other => types.contains(&other.as_str()),
    };
    let is_shown = |algorithm: &Algorithm| match algorithm {
        Algorithm::Rsa { .. } => shown.iter().any(|shown| matches!(shown, Algorithm::Rsa { .. })),
        other => shown.contains(other),
    };
    let mut keys: Vec<Algorithm> =
        HOST_KEYS.iter().filter(|algorithm| !is_shown(algorithm)).cloned().collect();
    keys.sort_by_key(|algorithm| !is_known(algorithm));
    let certificates = if known.has_authorities() { HOST_KEYS } else { &[] };
    Preferred {
        kex: Cow::Borrowed(KEX),
        key: Cow::Owned(keys),
        host_key_certificates: Cow::Borrowed(certificates),
        cipher: Cow::Borrowed(CIPHERS),
        mac: Cow::Borrowed(MACS),
        compression: Cow::Borrowed(COMPRESSION),
    }
}

/// Whether an algorithm of any kind has no part that is known to be weak: hash, mode, cipher or size. A marker of an extension in a
/// list of algorithms is not an algorithm.
pub(super) fn is_strong(name: &str) -> bool {
    const OLD: [&str; 8] = ["sha1", "md5", "cbc", "arcfour", "ripemd", "-group1-", "rsa1024", "des"];
    const EXTENSIONS: [&str; 2] = ["ext-info-", "kex-strict-"];
    !matches!(name, "ssh-rsa" | "ssh-dss" | "none")
        && !OLD.iter().any(|old| name.contains(old))
        && !EXTENSIONS.iter().any(|extension| name.starts_with(extension))
}

/// The option of `sshd_config` that sets which algorithms of a kind a server offers.
pub(super) fn option_of(kind: &AlgorithmKind) -> &'static str {
    match kind {
        AlgorithmKind::Kex => "KexAlgorithms",
        AlgorithmKind::Key => "HostKeyAlgorithms",
        AlgorithmKind::Cipher => "Ciphers",
        AlgorithmKind::Compression => "Compression",
        AlgorithmKind::Mac => "MACs",
    }
}

const KEX: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
    kex::DH_GEX_SHA256,
    kex::DH_G18_SHA512,
    kex::DH_G16_SHA512,
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
];

const HOST_KEYS: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];

/// GCM first: it is fast in hardware, and prefix truncation does not affect it if the other side lacks strict key exchange.
const CIPHERS: &[cipher::Name] = &[
    cipher::AES_128_GCM,
    cipher::AES_256_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_CTR,
    cipher::AES_128_CTR,
];

const MACS: &[mac::Name] = &[mac::HMAC_SHA256_ETM, mac::HMAC_SHA512_ETM, mac::HMAC_SHA256, mac::HMAC_SHA512];

const COMPRESSION: &[compression::Name] = &[compression::ZLIB_LEGACY, compression::NONE];
