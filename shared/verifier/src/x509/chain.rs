//! Checks the chain that an envelope or a timestamp carries: an ordered walk from the leaf to a self-signed root, without a
//! search.
//!
//! Signature specification, "Certificate Chain Requirements". Whether the chain is trusted is another question.

use super::certificate::Certificate;
use super::constraints::{ConstraintError, Purpose, check_constraints};
use super::requirements::{RequirementError, check_ca, check_code_signing_leaf, check_timestamping_leaf};
use super::signature::{SignatureError, verify_signature};
use crate::codes::Code;
use crate::limits;

/// Checks the chain of a signer of artifacts: leaf first, every certificate issued by the next, the last one self-signed.
///
/// # Errors
/// The first [`ChainError`] that is met.
pub fn check_code_signing_chain(chain: &[Certificate]) -> Result<(), ChainError> {
    check_chain(chain, true, check_code_signing_leaf)?;
    check_constraints(chain, Purpose::CodeSigning).map_err(ChainError::Constraint)
}

/// Checks the chain of a timestamping authority by the same rules; key usages need not be critical. What its
/// certificates demand of each other is not checked here.
///
/// # Errors
/// The first [`ChainError`] that is met.
pub fn check_timestamping_chain(chain: &[Certificate]) -> Result<(), ChainError> {
    check_chain(chain, false, check_timestamping_leaf)
}

fn check_chain(
    chain: &[Certificate],
    usage_must_be_critical: bool,
    check_leaf: fn(&Certificate) -> Result<(), RequirementError>,
) -> Result<(), ChainError> {
    if chain.len() > limits::CHAIN_CERTIFICATES {
        return Err(ChainError::TooLong { certificates: chain.len() });
    }
    let (leaf, cas) = chain.split_first().ok_or(ChainError::Empty)?;
    for (at, pair) in chain.windows(2).enumerate() {
        let [certificate, issuer] = pair else { continue };
        if is_self_signed(certificate) {
            return Err(ChainError::EarlyRoot { at });
        }
        check_issued_by(certificate, issuer).map_err(|error| error.at(at))?;
    }
    let root = chain.last().ok_or(ChainError::Empty)?;
    let last = chain.len().saturating_sub(1);
    check_issued_by(root, root).map_err(|error| match error.at(last) {
        ChainError::IssuerName { .. } | ChainError::Signature { error: SignatureError::Wrong, .. } => {
            ChainError::NoRoot { at: last }
        }
        other => other,
    })?;
    for (below, ca) in cas.iter().enumerate() {
        let at = below.saturating_add(1);
        check_ca(ca, below, usage_must_be_critical).map_err(|error| ChainError::Requirement { at, error })?;
    }
    check_leaf(leaf).map_err(|error| ChainError::Requirement { at: 0, error })
}

/// Checks that `issuer` issued `certificate`: names equal byte for byte, signature right. What makes `issuer` a CA is
/// another check.
///
/// # Errors
/// [`ChainError::IssuerName`] or [`ChainError::Signature`], with position 0.
pub fn check_issued_by(certificate: &Certificate, issuer: &Certificate) -> Result<(), ChainError> {
    if certificate.issuer_der() != issuer.subject_der() {
        return Err(ChainError::IssuerName { at: 0 });
    }
    check_signed_by(certificate, issuer).map_err(|error| ChainError::Signature { at: 0, error })
}

fn check_signed_by(certificate: &Certificate, issuer: &Certificate) -> Result<(), SignatureError> {
    verify_signature(
        issuer.public_key(),
        certificate.signature_algorithm(),
        certificate.tbs(),
        certificate.signature(),
    )
}

/// Whether a certificate verifies under its own key, whomever it names as its issuer.
pub(crate) fn is_signed_by_itself(certificate: &Certificate) -> bool {
    check_signed_by(certificate, certificate).is_ok()
}

/// Whether a certificate names itself as its issuer and verifies under its own key. The name alone decides nothing.
pub fn is_self_signed(certificate: &Certificate) -> bool {
    check_issued_by(certificate, certificate).is_ok()
}

/// Why certificates are not a chain. Positions count from the leaf, which is 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// There is no certificate.
    #[error("the chain is empty")]
    Empty,
    /// More certificates than [`limits::CHAIN_CERTIFICATES`].
    #[error("the chain has too many certificates: {certificates}")]
    TooLong {
        /// How many.
        certificates: usize,
    },
    /// A certificate before the last one is self-signed.
    #[error("certificate {at} is self-signed and not the last of the chain")]
    EarlyRoot {
        /// Its position.
        at: usize,
    },
    /// A certificate names another issuer than the next one's subject.
    #[error("certificate {at} names another issuer than the certificate after it")]
    IssuerName {
        /// Its position.
        at: usize,
    },
    /// A certificate was not signed by the next one's key.
    #[error("certificate {at} is not signed by the certificate after it: {error}")]
    Signature {
        /// Its position.
        at: usize,
        /// Why.
        error: SignatureError,
    },
    /// The last certificate is not self-signed.
    #[error("the chain ends at certificate {at}, which is not a self-signed root")]
    NoRoot {
        /// Its position.
        at: usize,
    },
    /// A certificate is not what the specification demands at its place.
    #[error("certificate {at} {error}")]
    Requirement {
        /// Its position.
        at: usize,
        /// What it lacks, or has too much.
        error: RequirementError,
    },
    /// A certificate does not allow what stands below it, or cannot be evaluated.
    #[error("the chain is not allowed: {0}")]
    Constraint(ConstraintError),
}

impl ChainError {
    /// The code that reports give.
    pub fn code(&self) -> Code {
        match self {
            Self::Empty => Code::ChainMissing,
            Self::TooLong { .. } => Code::ChainTooLong,
            Self::IssuerName { .. } | Self::Signature { error: SignatureError::Wrong, .. } => {
                Code::ChainOrder
            }
            Self::Signature { .. } => Code::ChainAlgorithm,
            Self::EarlyRoot { .. } | Self::NoRoot { .. } => Code::ChainRoot,
            Self::Requirement { .. } => Code::CertificateRequirement,
            Self::Constraint(_) => Code::ChainConstraint,
        }
    }

    fn at(self, at: usize) -> Self {
        match self {
            Self::IssuerName { .. } => Self::IssuerName { at },
            Self::Signature { error, .. } => Self::Signature { at, error },
            other => other,
        }
    }
}
