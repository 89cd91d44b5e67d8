//! Revocation without a network: a chain, staged CRLs and OCSP responses and a time in; no certificate revoked, or which
//! one is, or of which one it is not known, out.
//!
//! Trust policy specification, "Certificate Revocation Evaluation"; RFC 5280 section 6.3 and RFC 6960. A certificate that
//! names neither a CRL nor an OCSP responder needs no evidence. For any other the evidence must be there, be whole, be
//! signed by the certificate's own issuer, speak of this certificate and be fresh; otherwise the status is unknown, and
//! unknown is no pass.
//!
//! Everything that is staged and validly signed is weighed together; names and places of files hide nothing:
//!
//! - A revocation in any list or answer counts, whether that is in force or not, and even if it was issued after the time of
//!   verification: issuers drop entries of expired certificates, and what has been signed is known. Only `certificateHold` can
//!   end: a hold counts unless something newer no longer has it.
//! - That a certificate is good says the newest list for each of its distribution points, if it is in force, or the newest OCSP
//!   answer, if the certificate names a responder.
//! - A file that cannot be used may revoke anybody, so that no status is known that rests on staged files.

mod crl;
mod crl_check;
mod evidence;
mod memo;
mod ocsp;
mod outlook;
mod published;

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::fmt;

pub use crl::Crl;
pub use evidence::{EvidenceError, RevocationEvidence, UnusableFile};
pub use outlook::{EvidenceKind, Outlook, Standing};
pub use published::{PublishedCrl, crl_urls};

use crl_check::{Lists, has_points};
use memo::Asked;
use ocsp::Answers;

use crate::codes::Code;
use crate::time::UnixTime;
pub use crate::x509::Purpose;
use crate::x509::{Certificate, SignatureError};

/// Whether a file's name is one of those that operating systems leave in folders unasked: such a file is no evidence, and
/// nobody means it to be.
pub fn is_litter(name: &str) -> bool {
    let known = [".DS_Store", "Thumbs.db", "desktop.ini"];
    name.starts_with("._") || known.iter().any(|known| name.eq_ignore_ascii_case(known))
}

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
    evidence: &RevocationEvidence,
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
    evidence: &'a RevocationEvidence,
    at: UnixTime,
    authentic_signing_time: Option<UnixTime>,
}

/// Why a certificate does not count as good.
#[derive(Clone)]
enum NotGood {
    Revoked(Revocation),
    Unknown(Unknown),
}

/// That a certificate is revoked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Revocation {
    at: UnixTime,
    reason: Option<RevocationReason>,
}

impl From<Unknown> for NotGood {
    fn from(why: Unknown) -> Self {
        Self::Unknown(why)
    }
}

/// What one list or answer, validly signed, says of a certificate.
struct Statement<'a> {
    /// The list; none for an OCSP answer.
    list: Option<&'a Crl>,
    issued: UnixTime,
    /// Whether its silence means that the certificate is good, as far as its series has not gone on.
    counts_as_good: bool,
    says: Says,
}

/// What a list or an answer says.
enum Says {
    /// No revocation.
    Nothing,
    /// Revoked for good.
    Revoked(Revocation),
    /// Revoked for the time being.
    OnHold(Revocation),
    /// On hold no more.
    Released { at: UnixTime },
    /// The responder does not know the certificate.
    NotKnown,
}

impl Question<'_> {
    fn status(&self, certificate: &Certificate, issuer: &Certificate) -> Result<(), NotGood> {
        let asked = Asked {
            certificate: certificate.sha256().clone(),
            issuer: issuer.sha256().clone(),
            at: self.at,
            authentic_signing_time: self.authentic_signing_time,
        };
        self.evidence.memo().status(asked, || self.weigh(certificate, issuer))
    }

    /// Revoked, if anything says so. Else OCSP if the certificate names a responder; CRLs if it names none or that gave no answer.
    fn weigh(&self, certificate: &Certificate, issuer: &Certificate) -> Result<(), NotGood> {
        let lists = Lists::of(self, certificate, issuer);
        let answers = Answers::of(self, certificate, issuer);
        let statements: Vec<&Statement<'_>> = lists.statements.iter().chain(&answers.statements).collect();
        not_revoked(&statements, lists.spoiled.as_ref().or(answers.spoiled.as_ref()))?;
        let (has_points, has_responders) = (has_points(certificate), !certificate.ocsp_urls().is_empty());
        if !has_points && !has_responders {
            return Ok(());
        }
        if let Some((first, more)) = self.evidence.unusable().split_first() {
            let UnusableFile { file, error } = first.clone();
            return Err(Unknown::Unusable { file, error, more: more.len() }.into());
        }
        if has_responders {
            match answers.current() {
                Err(_) if has_points => {}
                answer => return Ok(answer?),
            }
        }
        Ok(lists.current()?)
    }

    /// Whether CRLs say that a certificate is good: it names places of CRLs, and they are there and do not list it.
    fn lists_pass(&self, certificate: &Certificate, issuer: &Certificate) -> bool {
        let lists = Lists::of(self, certificate, issuer);
        let statements: Vec<&Statement<'_>> = lists.statements.iter().collect();
        not_revoked(&statements, lists.spoiled.as_ref()).is_ok()
            && has_points(certificate)
            && lists.current().is_ok()
    }

    /// Whether what was revoked or became invalid at `invalid_since` was good when the signature was made.
    fn predates(&self, invalid_since: UnixTime) -> bool {
        self.authentic_signing_time.is_some_and(|signed| signed < invalid_since)
    }
}

/// Checks that no statement revokes the certificate, the first revocation counting, and that all of them were understood.
fn not_revoked(statements: &[&Statement<'_>], spoiled: Option<&Unknown>) -> Result<(), NotGood> {
    let revocations = statements.iter().filter_map(|statement| match statement.says {
        Says::Revoked(revocation) => Some(revocation),
        _ => None,
    });
    if let Some(first) = revocations.min() {
        return Err(NotGood::Revoked(first));
    }
    if let Some(why) = spoiled {
        return Err(why.clone().into());
    }
    // what is newest lifts most
    let mut newest_first: Vec<&Statement<'_>> = statements.to_vec();
    newest_first.sort_by_key(|statement| Reverse(statement.issued));
    for statement in statements {
        if let Says::OnHold(held) = &statement.says
            && !newest_first.iter().any(|newer| newer.lifts(statement, held))
        {
            return Err(NotGood::Revoked(*held));
        }
    }
    Ok(())
}

/// Why a certificate was revoked: a `CRLReason` of RFC 5280 section 5.3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

/// Why it is not known whether a certificate is revoked. `file` is the name under which a file was staged.
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
    #[error("it names too many distribution points: {urls}")]
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
        mismatch: EvidenceMismatch,
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
    /// A staged file cannot be used, and nobody knows whom it would have revoked.
    #[error("{file} cannot be used: {error}{}", if *.more == 0 { String::new() } else { alloc::format!("; nor can {more} more") })]
    Unusable {
        /// Which.
        file: String,
        /// Why.
        error: EvidenceError,
        /// How many other files cannot be used either.
        more: usize,
    },
    /// The evidence has a critical extension that is not known.
    #[error("{file} has the critical extension {oid}, which is not known")]
    CriticalExtension {
        /// Which.
        file: String,
        /// The extension.
        oid: String,
    },
    /// The certificate of who signed the OCSP response is neither the issuer's nor in the response.
    #[error("{file} does not bring the certificate of its responder, {responder}")]
    ResponderMissing {
        /// The response.
        file: String,
        /// The responder as the response names it.
        responder: String,
    },
    /// The certificate of who signed the OCSP response has expired, or is not valid yet.
    #[error(
        "{file} is signed by {responder}, whose certificate is valid from {not_before} to {not_after} only"
    )]
    ResponderNotValid {
        /// The response.
        file: String,
        /// The responder's subject.
        responder: String,
        /// When its validity begins.
        not_before: UnixTime,
        /// When its validity ends.
        not_after: UnixTime,
    },
    /// The CRL has deltas, and none that goes with it is staged.
    #[error("no delta is staged that goes with {file}; {}", if .url.is_empty() { "where deltas are published it does not say".to_string() } else { alloc::format!("deltas are published at {url}") })]
    DeltaMissing {
        /// The CRL.
        file: String,
        /// Where its deltas are published; empty if it does not say so by a URL.
        url: String,
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
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceMismatch {
    /// Another CA issued it.
    #[error("another CA issued it")]
    Issuer,
    /// It is the list of another distribution point.
    #[error("it is the list of {list}, and the certificate asks for that of {certificate}")]
    DistributionPoint {
        /// Where the certificate says that its list is.
        certificate: String,
        /// Where the list says that it is.
        list: String,
    },
    /// Its distribution point is named relative to its issuer (`nameRelativeToCRLIssuer`).
    #[error("it names its distribution point relative to its issuer, which is not supported")]
    RelativeName,
    /// It lists CA certificates only, or all but those.
    #[error("it lists another kind of certificate")]
    Kind,
    /// It lists revocations for some reasons only.
    #[error("it lists revocations for some reasons only")]
    Reasons,
    /// It is an indirect list.
    #[error("it is an indirect CRL, which is not supported")]
    Indirect,
    /// It is a delta, which is no list by itself.
    #[error("it is a delta, and its base is not staged")]
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
            Self::ResponderMissing { .. } => Code::RevocationResponderMissing,
            Self::ResponderNotValid { .. } => Code::RevocationResponderNotValid,
            Self::NoNextUpdate { .. } => Code::RevocationMalformed,
            Self::Unusable { error, .. } => error.code(),
            Self::CriticalExtension { .. } => Code::RevocationCriticalExtension,
        }
    }
}
