//! Finds the path from a timestamp's signer to a trusted root. RFC 5280 section 6, evaluated at the time of the timestamp.
//!
//! The token's certificates come in no order. Issuers are looked for among the trusted roots first, then among the token's own
//! certificates. Each path that reaches a root is then checked whole, and the first that holds is taken. A root that exists
//! self-signed and cross-signed has two paths, and either is enough.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use crate::limits;
use crate::time::UnixTime;
use crate::x509::{
    Certificate, ChainError, ConstraintError, Purpose, SignatureError, check_constraints, check_issued_by,
    check_timestamping_chain,
};

/// Finds a chain from `signer` to one of `anchors` that is valid for timestamping at every one of `times`: that of the
/// timestamp first, and the signer's own if it claims one.
pub(super) fn find(
    signer: &Certificate,
    certificates: &[Certificate],
    anchors: &[Certificate],
    times: &[UnixTime],
) -> Result<Vec<Certificate>, PathError> {
    let mut search =
        Search { certificates, anchors, times, steps: limits::TIMESTAMP_PATH_STEPS, error: None };
    match search.extend(&mut Vec::from([signer.clone()])) {
        Some(chain) => Ok(chain),
        None => Err(search
            .error
            .unwrap_or_else(|| PathError::Untrusted { subject: signer.subject().to_string() })),
    }
}

struct Search<'a> {
    certificates: &'a [Certificate],
    anchors: &'a [Certificate],
    times: &'a [UnixTime],
    /// How many signatures may yet be checked
    steps: usize,
    /// Why the first path that reached an anchor was not taken
    error: Option<PathError>,
}

impl Search<'_> {
    /// The first good chain that begins with `path`.
    fn extend(&mut self, path: &mut Vec<Certificate>) -> Option<Vec<Certificate>> {
        let issuer_name = path.last()?.issuer_der().to_vec();
        let (anchors, certificates) = (self.anchors, self.certificates);
        let is_candidate = |path: &[Certificate], certificate: &Certificate| {
            certificate.subject_der() == issuer_name
                && !path.iter().any(|known| is_same_entity(known, certificate))
        };
        let is_ambiguous = certificates.iter().filter(|other| is_candidate(path, other)).count() > 1;
        for (is_anchor, candidate) in
            anchors.iter().map(|anchor| (true, anchor)).chain(certificates.iter().map(|other| (false, other)))
        {
            if !is_candidate(path, candidate) {
                continue;
            }
            if path.len() >= limits::CHAIN_CERTIFICATES {
                return None;
            }
            // An anchor costs a check of the whole path, any other certificate one signature.
            let cost = if is_anchor { path.len().saturating_add(1) } else { 1 };
            let Some(steps) = self.steps.checked_sub(cost) else {
                self.error.get_or_insert(PathError::TooManyPaths);
                return None;
            };
            self.steps = steps;
            if !is_anchor && is_ambiguous && !self.is_issued_by(path, candidate) {
                continue;
            }
            path.push(candidate.clone());
            if is_anchor {
                match check(path, self.times) {
                    Ok(()) => return Some(path.clone()),
                    Err(error) => {
                        self.error.get_or_insert(error);
                    }
                }
            } else if let Some(chain) = self.extend(path) {
                return Some(chain);
            }
            path.pop();
        }
        None
    }

    /// Whether the last certificate of `path` was signed by `issuer`, whose name is right. It is asked if there are
    /// several of that name, because they would otherwise make up more paths than can be walked.
    fn is_issued_by(&mut self, path: &[Certificate], issuer: &Certificate) -> bool {
        let at = path.len().saturating_sub(1);
        match path.last().map(|certificate| check_issued_by(certificate, issuer)) {
            Some(Ok(())) => true,
            // Not a wrong turn, but the issuer, and an algorithm such as SHA-1: this is what to tell.
            Some(Err(ChainError::Signature {
                error: error @ SignatureError::UnsupportedAlgorithm { .. },
                ..
            })) => {
                self.error.get_or_insert(PathError::Chain { error: ChainError::Signature { at, error } });
                false
            }
            _ => false,
        }
    }
}

/// Whether two certificates are of one subject and key: a path that meets an entity twice is a loop.
fn is_same_entity(one: &Certificate, other: &Certificate) -> bool {
    one.subject_der() == other.subject_der() && one.public_key_info() == other.public_key_info()
}

/// Checks a whole path, leaf first, whose names agree and whose last certificate is trusted.
fn check(path: &[Certificate], times: &[UnixTime]) -> Result<(), PathError> {
    for certificate in path {
        if let Some(at) = times.iter().find(|at| !certificate.is_valid_at(**at)) {
            return Err(PathError::NotValidAt { subject: certificate.subject().to_string(), at: *at });
        }
    }
    check_constraints(path, Purpose::Timestamping)?;
    check_timestamping_chain(path).map_err(|error| PathError::Chain { error })
}

/// Why no path from a timestamp's signer to a trusted root holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// The token's certificates do not lead to a trusted root.
    #[error("its signer {subject} leads to no root in the policy's tsa stores")]
    Untrusted {
        /// The signer.
        subject: String,
    },
    /// A certificate was not valid when the timestamp was made, or when its signer claims to have made it.
    #[error("{subject} was not valid at {at}")]
    NotValidAt {
        /// Whose certificate.
        subject: String,
        /// The time.
        at: UnixTime,
    },
    /// A certificate does not allow what stands below it, or cannot be evaluated.
    #[error(transparent)]
    Constraint(#[from] ConstraintError),
    /// The certificates are not a chain, or not what they must be at their place.
    #[error("{error}")]
    Chain {
        /// Why.
        error: ChainError,
    },
    /// The token's certificates allow more paths than [`limits::TIMESTAMP_PATH_STEPS`] pays for.
    #[error("its certificates allow too many paths")]
    TooManyPaths,
}
