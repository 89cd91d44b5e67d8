//! Revocation without a network: a chain, staged CRLs and OCSP responses and a time in; no certificate revoked, or which
//! one is, or of which one it is not known, out.
//!
//! Trust policy specification, "Certificate Revocation Evaluation"; RFC 5280 section 6.3 and RFC 6960. A certificate that
//! names neither a CRL nor an OCSP responder cannot be revoked. For any other the evidence must be there, be whole, be
//! signed by the certificate's own issuer, speak of this certificate and be fresh; where it is not, the status is unknown,
//! and unknown is no pass.

mod crl;
mod crl_check;
mod evidence;
mod ocsp;
mod published;

use alloc::string::{String, ToString as _};
use core::fmt;

pub use evidence::{Evidence, EvidenceError};
pub use published::{PublishedCrl, crl_urls};

use crate::codes::Code;
use crate::time::UnixTime;
pub use crate::x509::Purpose;
use crate::x509::{Certificate, SignatureError};

/// Checks that no certificate of `chain` but the root, which nobody can revoke, is revoked at the time `at`.
///
/// `chain` is leaf first and was found good by [`check_code_signing_chain`](crate::x509::check_code_signing_chain) or
/// [`check_timestamping_chain`](crate::x509::check_timestamping_chain). With `authentic_signing_time` a certificate that
/// became invalid only after that time counts as good; pass it only where the time is vouched for.
///
/// # Errors
/// [`RevocationError::Revoked`] where any certificate is, else [`RevocationError::Unknown`] where any status is unknown.
pub fn check_chain(
    chain: &[Certificate],
    purpose: Purpose,
    evidence: &Evidence,
    at: UnixTime,
    authentic_signing_time: Option<UnixTime>,
) -> Result<(), RevocationError> {
    let question = Question { evidence, at, authentic_signing_time };
    let mut unknown = None;
    for pair in chain.windows(2) {
        let [certificate, issuer] = pair else { continue };
        let subject = || certificate.subject().to_string();
        match question.status(certificate, issuer) {
            Ok(()) => {}
            Err(NotGood::Revoked(Revocation { at, reason })) => {
                return Err(RevocationError::Revoked { purpose, certificate: subject(), at, reason });
            }
            Err(NotGood::Unknown(why)) => {
                unknown.get_or_insert_with(|| RevocationError::Unknown {
                    purpose,
                    certificate: subject(),
                    why,
                });
            }
        }
    }
    unknown.map_or(Ok(()), Err)
}

/// What is asked of every certificate.
#[derive(Clone, Copy)]
struct Question<'a> {
    evidence: &'a Evidence,
    at: UnixTime,
    authentic_signing_time: Option<UnixTime>,
}

/// Why a certificate does not count as good.
enum NotGood {
    Revoked(Revocation),
    Unknown(Unknown),
}

/// That a certificate is revoked.
struct Revocation {
    at: UnixTime,
    reason: Option<RevocationReason>,
}

impl From<Unknown> for NotGood {
    fn from(why: Unknown) -> Self {
        Self::Unknown(why)
    }
}

impl Question<'_> {
    /// OCSP where the certificate names a responder; CRLs where it names none or that gave no answer.
    fn status(&self, certificate: &Certificate, issuer: &Certificate) -> Result<(), NotGood> {
        if !certificate.ocsp_urls().is_empty() {
            match ocsp::check(self, certificate, issuer) {
                Err(NotGood::Unknown(_)) if crl_check::has_points(certificate) => {}
                answer => return answer,
            }
        }
        crl_check::check(self, certificate, issuer)
    }

    /// Whether what was revoked or became invalid at `invalid_since` was good when the signature was made.
    fn predates(&self, invalid_since: UnixTime) -> bool {
        self.authentic_signing_time.is_some_and(|signed| signed < invalid_since)
    }
}

/// Why a certificate was revoked: a `CRLReason` of RFC 5280 section 5.3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevocationReason(pub u8);

impl RevocationReason {
    /// Revoked for the time being.
    pub const CERTIFICATE_HOLD: Self = Self(6);
    /// Revoked no more.
    pub const REMOVE_FROM_CRL: Self = Self(8);
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0 => "unspecified",
            1 => "keyCompromise",
            2 => "cACompromise",
            3 => "affiliationChanged",
            4 => "superseded",
            5 => "cessationOfOperation",
            6 => "certificateHold",
            8 => "removeFromCRL",
            9 => "privilegeWithdrawn",
            10 => "aACompromise",
            other => return write!(f, "reason {other}"),
        })
    }
}

/// Why a chain is not known to be good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationError {
    /// A certificate is revoked.
    #[error("{purpose} {certificate} was revoked at {at}{}", .reason.map_or(String::new(), |reason| alloc::format!(" ({reason})")))]
    Revoked {
        /// What its chain is for.
        purpose: Purpose,
        /// Its subject.
        certificate: String,
        /// Since when.
        at: UnixTime,
        /// Why, where the issuer says so.
        reason: Option<RevocationReason>,
    },
    /// It is not known whether a certificate is revoked.
    #[error("{purpose} {certificate} may be revoked: {why}")]
    Unknown {
        /// What its chain is for.
        purpose: Purpose,
        /// Its subject.
        certificate: String,
        /// What is missing or wrong.
        why: Unknown,
    },
}

/// Why it is not known whether a certificate is revoked. `file` is the name of the staged file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unknown {
    /// No CRL is staged for a distribution point.
    #[error("no CRL is staged for {url}")]
    CrlMissing {
        /// The distribution point.
        url: String,
    },
    /// The certificate names an OCSP responder only, and no response is staged.
    #[error("its issuer publishes no CRL, and no OCSP response is staged")]
    OcspMissing,
    /// The responder does not know the certificate.
    #[error("{file}: the OCSP responder does not know it")]
    OcspUnknown {
        /// The response.
        file: String,
    },
    /// A distribution point or responder is not one of HTTP, or names no URL at all.
    #[error("it is to be asked for at {}", if .url.is_empty() { "no URL" } else { .url })]
    UnsupportedUrl {
        /// The URL.
        url: String,
    },
    /// The certificate names more distribution points than [`CRL_URLS`](crate::limits::CRL_URLS).
    #[error("it names {urls} distribution points")]
    TooManyUrls {
        /// How many.
        urls: usize,
    },
    /// The evidence is too old.
    #[error("{file} expired at {next_update}")]
    Stale {
        /// Which.
        file: String,
        /// When the next was due.
        next_update: UnixTime,
    },
    /// The evidence does not say until when it holds.
    #[error("{file} does not say when it expires")]
    NoNextUpdate {
        /// Which.
        file: String,
    },
    /// The evidence is from later than the time of verification.
    #[error("{file} holds from {this_update} on only")]
    NotYetValid {
        /// Which.
        file: String,
        /// When it was issued.
        this_update: UnixTime,
    },
    /// The evidence is not about this certificate.
    #[error("{file} is not about it: {mismatch}")]
    NotForCertificate {
        /// Which.
        file: String,
        /// What does not agree.
        mismatch: Mismatch,
    },
    /// The evidence was not signed by who must have signed it.
    #[error("{file}: {error}")]
    Signature {
        /// Which.
        file: String,
        /// Why.
        error: SignatureError,
    },
    /// Who signed the evidence may not do that.
    #[error("{file} is signed by {signer}, which may not do that")]
    SignerNotAllowed {
        /// Which.
        file: String,
        /// The signer's subject.
        signer: String,
    },
    /// The evidence is malformed.
    #[error("{file} is malformed")]
    Malformed {
        /// Which.
        file: String,
    },
    /// The evidence has a critical extension that is not known.
    #[error("{file} has the critical extension {oid}, which is not known")]
    CriticalExtension {
        /// Which.
        file: String,
        /// The extension.
        oid: String,
    },
    /// The CRL has deltas, and none that goes with it is staged.
    #[error("no delta is staged that goes with {file}")]
    DeltaMissing {
        /// The CRL.
        file: String,
    },
    /// A delta does not go with its base.
    #[error("{file} is no delta of {base}")]
    DeltaMismatch {
        /// The delta.
        file: String,
        /// The CRL.
        base: String,
    },
}

/// In what evidence is not about a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// Another CA issued it.
    #[error("another CA issued it")]
    Issuer,
    /// It is the list of another distribution point.
    #[error("it is of another distribution point")]
    DistributionPoint,
    /// It lists CA certificates only, or all but those.
    #[error("it lists another kind of certificate")]
    Kind,
    /// It lists revocations for some reasons only.
    #[error("it lists revocations for some reasons only")]
    Reasons,
    /// It is an indirect list.
    #[error("it is an indirect CRL")]
    Indirect,
    /// It is a delta, which is no list by itself.
    #[error("it is a delta")]
    Delta,
}

impl RevocationError {
    /// The code that reports give.
    pub fn code(&self) -> Code {
        match self {
            Self::Revoked { .. } => Code::CertificateRevoked,
            Self::Unknown { why, .. } => why.code(),
        }
    }
}

impl Unknown {
    /// The code that reports give.
    pub fn code(&self) -> Code {
        match self {
            Self::CrlMissing { .. } | Self::DeltaMissing { .. } => Code::RevocationMissing,
            Self::OcspMissing => Code::RevocationOcspMissing,
            Self::OcspUnknown { .. } => Code::RevocationOcspUnknown,
            Self::UnsupportedUrl { .. } | Self::TooManyUrls { .. } => Code::RevocationUrl,
            Self::Stale { .. } => Code::RevocationStale,
            Self::NotYetValid { .. } => Code::RevocationNotYetValid,
            Self::NotForCertificate { .. } | Self::DeltaMismatch { .. } => Code::RevocationNotForCertificate,
            Self::Signature { .. } | Self::SignerNotAllowed { .. } => Code::RevocationSignature,
            Self::Malformed { .. } | Self::NoNextUpdate { .. } => Code::RevocationMalformed,
            Self::CriticalExtension { .. } => Code::RevocationCriticalExtension,
        }
    }
}
