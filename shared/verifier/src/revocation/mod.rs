//! Checks without a network that no certificate of a chain is revoked: staged CRLs and OCSP responses and a time decide.
//!
//! Trust policy specification, "Certificate Revocation Evaluation"; RFC 5280 section 6.3 and RFC 6960. A certificate that
//! names neither a CRL nor an OCSP responder needs no evidence. For any other the evidence must be staged, be whole, be
//! signed by the certificate's own issuer, be about this certificate and be in force. Otherwise the status is unknown, and an
//! unknown status does not pass.
//!
//! Everything that is staged and validly signed is weighed together. Names and places of files hide nothing:
//!
//! - A revocation in any list or answer counts, whether that is in force or not, and even if it was issued after the time of
//!   verification: issuers drop entries of expired certificates, and what has been signed stays known. Only `certificateHold`
//!   can end: a hold counts unless something newer no longer has it.
//! - The newest list for each of its distribution points says that a certificate is good, if that list is in force; so does the
//!   newest OCSP answer, if the certificate names a responder.
//! - A file that cannot be used may have revoked any certificate, so no status is known that rests on staged files.

mod crl;
mod crl_check;
mod error;
mod evidence;
mod memo;
mod ocsp;
mod ocsp_check;
mod outlook;
mod published;
mod question;
mod reason;
mod status;

use alloc::string::ToString as _;
use alloc::vec::Vec;

pub use crl::Crl;
pub use error::{EvidenceError, EvidenceMismatch, RevocationError, Unknown};
pub use evidence::{RevocationEvidence, UnusableFile, is_litter};
pub use outlook::{EvidenceKind, Outlook, Standing};
pub use published::{PublishedCrl, crl_urls};
pub use reason::RevocationReason;

use crl_check::{Lists, has_points};
use memo::StatusKey;
use ocsp_check::Answers;
use question::Question;
use status::{NotGood, Revocation, StatusInfo, not_revoked};

use crate::time::UnixTime;
use crate::x509::Certificate;
pub use crate::x509::Purpose;

/// Checks that no certificate of `chain` but the root, which cannot be revoked, is revoked at the time `at`.
///
/// `chain` is leaf first and was found good by [`check_code_signing_chain`](crate::x509::check_code_signing_chain) or
/// [`check_timestamping_chain`](crate::x509::check_timestamping_chain). With `authentic_signing_time` a certificate that
/// became invalid only after that time counts as good; pass it only if the time is vouched for.
///
/// # Errors
/// [`RevocationError::Revoked`] if any certificate is, otherwise [`RevocationError::Unknown`] if any status is unknown.
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

impl Question<'_> {
    fn status(&self, certificate: &Certificate, issuer: &Certificate) -> Result<(), NotGood> {
        let key = StatusKey {
            certificate: certificate.sha256().clone(),
            issuer: issuer.sha256().clone(),
            at: self.at,
            authentic_signing_time: self.authentic_signing_time,
        };
        self.evidence.memo().status(key, || self.weigh(certificate, issuer))
    }

    /// Revoked, if anything says so. Else OCSP if the certificate names a responder; CRLs if it names none or that gave no answer.
    fn weigh(&self, certificate: &Certificate, issuer: &Certificate) -> Result<(), NotGood> {
        let lists = Lists::gather(self, certificate, issuer);
        let answers = Answers::gather(self, certificate, issuer);
        let statuses: Vec<&StatusInfo<'_>> = lists.statuses.iter().chain(&answers.statuses).collect();
        not_revoked(&statuses, lists.spoiled.as_ref().or(answers.spoiled.as_ref()))?;
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
}
