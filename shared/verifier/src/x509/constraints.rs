//! Checks what the certificates of a path demand of each other, whatever the reader's own requirements: critical extensions
//! are evaluated or the path is refused, a CA's purposes bound what it issues, its name constraints bound the names. RFC 5280
//! section 6.1.

use alloc::string::{String, ToString as _};
use core::fmt;

use der::Decode as _;

use super::extensions::PolicyConstraints;
use super::general_name::GeneralName;
use super::name_constraints::NameConstraints;
use super::{Certificate, Extension, constrained_names, oid};

/// What a chain is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Signing artifacts. The signer itself need not have the purpose codeSigning: production certificates carry private
    /// purposes only.
    CodeSigning,
    /// Signing timestamps
    Timestamping,
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CodeSigning => "signing certificate",
            Self::Timestamping => "timestamping certificate",
        })
    }
}

/// Checks that the certificates of a path, leaf first, allow each other. Signatures, names of issuers and times are other
/// checks.
///
/// # Errors
/// The first [`ConstraintError`] that is met.
pub(crate) fn check_constraints(path: &[Certificate], purpose: Purpose) -> Result<(), ConstraintError> {
    for (at, certificate) in path.iter().enumerate() {
        let subject = || certificate.subject().to_string();
        let mut critical = certificate.extensions().iter().filter(|extension| extension.critical);
        if let Some(extension) = critical.find(|extension| !is_evaluated(extension, purpose)) {
            return Err(ConstraintError::CriticalExtension {
                subject: subject(),
                oid: extension.oid.clone(),
            });
        }
        if demands_policy(certificate) {
            let oid = oid::POLICY_CONSTRAINTS.into();
            return Err(ConstraintError::CriticalExtension { subject: subject(), oid });
        }
        let is_bound = at > 0 || purpose == Purpose::Timestamping;
        if is_bound && !may_serve(certificate, purpose) {
            return Err(ConstraintError::Purpose { subject: subject(), purpose });
        }
    }
    let subject = |at: usize| path.get(at).map(|one| one.subject().to_string()).unwrap_or_default();
    constrained_names::check(path, purpose == Purpose::Timestamping).map_err(|(below, above)| {
        ConstraintError::NameConstraints { subject: subject(below), issuer: subject(above) }
    })
}

/// Whether an extension is taken into account, so that it may be critical.
fn is_evaluated(extension: &Extension, purpose: Purpose) -> bool {
    let value = &extension.value;
    // The reference does not compare directory names when it evaluates a path, which it does for timestamps.
    let is_compared = |name: GeneralName<'_>| match name {
        GeneralName::Directory(_) => purpose == Purpose::CodeSigning,
        GeneralName::Other => false,
        _ => true,
    };
    match extension.oid.as_str() {
        oid::SUBJECT_ALTERNATIVE_NAME => {
            GeneralName::alternative_names(value).is_some_and(|names| names.into_iter().any(is_compared))
        }
        oid::NAME_CONSTRAINTS => {
            NameConstraints::read(value).is_some_and(|constraints| constraints.bases().all(is_compared))
        }
        // Where deltas are published is asked for signers ([`crate::revocation`]); the reference refuses it above a TSA.
        oid::FRESHEST_CRL => purpose == Purpose::CodeSigning,
        // What policies a path is good for is not asked, so those that speak of policies change nothing, but for a
        // demand for an explicit one.
        oid::KEY_USAGE
        | oid::BASIC_CONSTRAINTS
        | oid::EXTENDED_KEY_USAGE
        | oid::CRL_DISTRIBUTION_POINTS
        | oid::CERTIFICATE_POLICIES
        | oid::POLICY_MAPPINGS
        | oid::POLICY_CONSTRAINTS
        | oid::INHIBIT_ANY_POLICY => true,
        _ => false,
    }
}

/// Whether a certificate has no extended key usage, any, or that of the purpose: a CA's usages bound those of all below it.
fn may_serve(certificate: &Certificate, purpose: Purpose) -> bool {
    certificate.extended_key_usage().is_none_or(|usage| {
        let own = match purpose {
            Purpose::CodeSigning => oid::CODE_SIGNING,
            Purpose::Timestamping => oid::TIME_STAMPING,
        };
        let wanted = [own, oid::ANY_EXTENDED_KEY_USAGE];
        usage.purposes.iter().any(|purpose| wanted.contains(&purpose.as_str()))
    })
}

/// Whether a certificate makes the paths through it prove a policy, which is not evaluated here.
fn demands_policy(certificate: &Certificate) -> bool {
    certificate.extension(oid::POLICY_CONSTRAINTS).is_some_and(|extension| {
        PolicyConstraints::from_der(&extension.value)
            .is_ok_and(|constraints| constraints.require_explicit_policy.is_some())
    })
}

/// Why the certificates of a path do not allow each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConstraintError {
    /// A critical extension that is not evaluated.
    #[error("{subject} has the critical extension {oid}, which is not evaluated")]
    CriticalExtension {
        /// Whose certificate.
        subject: String,
        /// The extension.
        oid: String,
    },
    /// A certificate is limited to other purposes.
    #[error("{subject} is limited to other purposes than that of a {purpose}")]
    Purpose {
        /// Whose certificate.
        subject: String,
        /// What the chain is for.
        purpose: Purpose,
    },
    /// A certificate has a name that a CA above it may not issue for.
    #[error(
        "{subject} has a name outside the name constraints of {issuer}, or one that cannot be compared with them"
    )]
    NameConstraints {
        /// Whose certificate.
        subject: String,
        /// Whose constraints.
        issuer: String,
    },
}
