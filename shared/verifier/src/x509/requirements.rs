//! Checks what each certificate in a chain must be at its place. Signature specification, "Certificate requirements"; the
//! reference decides where it is known to be stricter or laxer.

use alloc::string::{String, ToString as _};

use super::{Certificate, KeyAlgorithm, oid};

/// Checks what every certificate but the leaf must be: a CA that may sign certificates.
///
/// `below` is the number of CA certificates between this one and the leaf, which its path length must allow. For
/// timestamping the key usage need not be critical.
///
/// # Errors
/// The first [`RequirementError`] that is met.
pub(crate) fn check_ca(
    certificate: &Certificate,
    below: usize,
    usage_must_be_critical: bool,
) -> Result<(), RequirementError> {
    let constraints = certificate.basic_constraints().ok_or(RequirementError::NotCa)?;
    if !constraints.ca || !certificate.is_v3() {
        return Err(RequirementError::NotCa);
    }
    if constraints.path_length.is_some_and(|most| usize::try_from(most).unwrap_or(usize::MAX) < below) {
        return Err(RequirementError::PathLength);
    }
    let usage = certificate.key_usage().ok_or(RequirementError::NoKeyUsage)?;
    if usage_must_be_critical && !usage.critical {
        return Err(RequirementError::KeyUsageNotCritical);
    }
    if usage.key_cert_sign() {
        Ok(())
    } else {
        Err(RequirementError::KeyUsage { bit: "keyCertSign is missing" })
    }
}

/// Checks what a certificate that signs artifacts must be.
///
/// # Errors
/// The first [`RequirementError`] that is met.
pub(crate) fn check_code_signing_leaf(certificate: &Certificate) -> Result<(), RequirementError> {
    check_leaf(certificate)?;
    if certificate.key_usage().is_some_and(|usage| !usage.critical) {
        return Err(RequirementError::KeyUsageNotCritical);
    }
    // codeSigning is not demanded: production certificates carry private purposes only
    let forbidden = [
        oid::ANY_EXTENDED_KEY_USAGE,
        oid::SERVER_AUTH,
        oid::CLIENT_AUTH,
        oid::EMAIL_PROTECTION,
        oid::TIME_STAMPING,
        oid::OCSP_SIGNING,
    ];
    let purposes = certificate.extended_key_usage().map_or(&[][..], |usage| &usage.purposes);
    match purposes.iter().find(|purpose| forbidden.contains(&purpose.as_str())) {
        Some(purpose) => Err(RequirementError::ExtendedKeyUsage { purpose: purpose.clone() }),
        None => Ok(()),
    }
}

/// Checks what a certificate that signs timestamps must be. RFC 3161 section 2.3.
///
/// # Errors
/// The first [`RequirementError`] that is met.
pub(crate) fn check_timestamping_leaf(certificate: &Certificate) -> Result<(), RequirementError> {
    check_leaf(certificate)?;
    let usage = certificate.extended_key_usage().ok_or(RequirementError::TimeStamping)?;
    if usage.critical && usage.purposes == [oid::TIME_STAMPING] {
        Ok(())
    } else {
        Err(RequirementError::TimeStamping)
    }
}

fn check_leaf(certificate: &Certificate) -> Result<(), RequirementError> {
    if certificate.basic_constraints().is_some_and(|constraints| constraints.ca) {
        return Err(RequirementError::LeafIsCa);
    }
    let usage = certificate.key_usage().ok_or(RequirementError::NoKeyUsage)?;
    if !usage.digital_signature() {
        return Err(RequirementError::KeyUsage { bit: "digitalSignature is missing" });
    }
    let forbidden = [
        (usage.key_encipherment(), "keyEncipherment is set"),
        (usage.data_encipherment(), "dataEncipherment is set"),
        (usage.key_agreement(), "keyAgreement is set"),
        (usage.key_cert_sign(), "keyCertSign is set"),
        (usage.crl_sign(), "cRLSign is set"),
        (usage.encipher_only(), "encipherOnly is set"),
        (usage.decipher_only(), "decipherOnly is set"),
    ];
    if let Some((_, bit)) = forbidden.into_iter().find(|(set, _)| *set) {
        return Err(RequirementError::KeyUsage { bit });
    }
    match certificate.public_key().algorithm() {
        KeyAlgorithm::Rsa { bits: 2048 | 3072 | 4096 }
        | KeyAlgorithm::P256
        | KeyAlgorithm::P384
        | KeyAlgorithm::P521 => Ok(()),
        other => Err(RequirementError::LeafKey { key: other.to_string() }),
    }
}

/// What a certificate lacks, or has too much.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequirementError {
    /// A certificate above the leaf is not a CA of version 3.
    #[error("is not a CA")]
    NotCa,
    /// The leaf is a CA.
    #[error("is a CA, which must not sign artifacts")]
    LeafIsCa,
    /// More CA certificates stand below it than its path length allows.
    #[error("allows fewer CA certificates below it")]
    PathLength,
    /// There is no keyUsage.
    #[error("has no key usage")]
    NoKeyUsage,
    /// keyUsage is not critical.
    #[error("has a key usage that is not critical")]
    KeyUsageNotCritical,
    /// A bit of keyUsage is missing or one too many.
    #[error("has the wrong key usage: {bit}")]
    KeyUsage {
        /// Which, and what is wrong with it.
        bit: &'static str,
    },
    /// A purpose that a signer of artifacts may not have.
    #[error("has the extended key usage {purpose}, which a signer must not have")]
    ExtendedKeyUsage {
        /// Its object identifier.
        purpose: String,
    },
    /// The extended key usage is not exactly timeStamping, or not critical.
    #[error("must have exactly one extended key usage, timeStamping, marked critical")]
    TimeStamping,
    /// The leaf's key is of a kind or size that signatures may not be made with.
    #[error("has a key of kind {key}")]
    LeafKey {
        /// The kind of key.
        key: String,
    },
}
