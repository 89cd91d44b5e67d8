//! Checks a certificate against staged OCSP responses. RFC 6960.
//!
//! An answer counts if it names the certificate by its issuer and serial number and is signed by the issuer or by a responder
//! that the issuer appointed. Nothing is asked over a network, so nonces mean nothing.

use alloc::string::ToString as _;
use alloc::vec::Vec;

use super::crl_check::lists_pass;
use super::error::Unknown;
use super::evidence::StagedResponse;
use super::ocsp::{Answer, AnswerStatus};
use super::published::is_http;
use super::question::Question;
use super::reason::RevocationReason;
use super::status::{CertStatus, Revocation, StatusInfo};
use crate::time::UnixTime;
use crate::x509::{Certificate, ExtendedKeyUsage, KeyUsage, SignatureError, check_issued_by, oid};

/// The staged answers about a certificate.
pub(super) struct Answers<'a> {
    certificate: &'a Certificate,
    at: UnixTime,
    /// The answers that count, each with the name of its file
    signed: Vec<(&'a str, &'a Answer)>,
    /// Why others do not count
    refused: Vec<Unknown>,
    /// What those that count say
    pub(super) statuses: Vec<StatusInfo<'a>>,
    /// Why it is unknown what an answer says that may be a revocation
    pub(super) spoiled: Option<Unknown>,
}

impl<'a> Answers<'a> {
    pub(super) fn gather(
        question: &Question<'a>,
        certificate: &'a Certificate,
        issuer: &Certificate,
    ) -> Self {
        let mut answers = Self {
            certificate,
            at: question.at,
            signed: Vec::new(),
            refused: Vec::new(),
            statuses: Vec::new(),
            spoiled: None,
        };
        for (staged, answer) in question.evidence.answers_by_serial(certificate.serial()) {
            if !answer.is_about(certificate, issuer) {
                continue;
            }
            match staged.check_origin(question, answer, issuer) {
                Ok(()) => {
                    answers.signed.push((&staged.file, answer));
                    answers.statuses.push(answer.info(question));
                }
                Err(why) if answer.is_spoiled_by(&why) => {
                    answers.spoiled.get_or_insert(why);
                }
                Err(why) => answers.refused.push(why),
            }
        }
        answers
    }

    /// Checks that the newest answer is in force and says that the certificate is good. That none revokes it was checked before.
    pub(super) fn current(&self) -> Result<(), Unknown> {
        let urls = self.certificate.ocsp_urls();
        if let Some(url) = urls.first()
            && !urls.iter().any(|url| is_http(url))
        {
            return Err(Unknown::UnsupportedUrl { url: Some(url.clone()) });
        }
        let (future, issued): (Vec<_>, Vec<_>) =
            self.signed.iter().partition(|(_, answer)| answer.this_update > self.at);
        let newest = issued.into_iter().max_by_key(|(_, answer)| answer.order());
        let Some((file, answer)) = newest else {
            let future = future.into_iter().map(|(file, answer)| Unknown::NotYetValid {
                file: file.to_string(),
                this_update: answer.this_update,
            });
            let reasons = self.refused.iter().cloned().chain(future);
            return Err(reasons.max_by_key(Unknown::progress).unwrap_or(Unknown::OcspMissing));
        };
        answer.check_good(file, self.at)
    }
}

impl StagedResponse {
    /// Checks that an answer of this response was given by who may give it, and can be understood.
    fn check_origin(
        &self,
        question: &Question<'_>,
        answer: &Answer,
        issuer: &Certificate,
    ) -> Result<(), Unknown> {
        let Self { file, response } = self;
        let file = || file.clone();
        let signer = self.signer(question, answer, issuer)?;
        response
            .message
            .verify_signature(signer.public_key(), &response.signature)
            .map_err(|error| Unknown::Signature { file: file(), error })?;
        match response.critical_extension.as_ref().or(answer.critical_extension.as_ref()) {
            Some(oid) => Err(Unknown::CriticalExtension { file: file(), oid: oid.clone() }),
            None => Ok(()),
        }
    }

    /// The certificate that the response says signed it: the issuer's, or one that the issuer appointed.
    fn signer<'a>(
        &'a self,
        question: &Question<'_>,
        answer: &Answer,
        issuer: &'a Certificate,
    ) -> Result<&'a Certificate, Unknown> {
        let Self { file, response } = self;
        let file = || file.clone();
        if response.responder.names(issuer) {
            return Ok(issuer);
        }
        let mut certificates = response.certificates.iter();
        let responder =
            certificates.find(|certificate| response.responder.names(certificate)).ok_or_else(|| {
                Unknown::ResponderMissing { file: file(), responder: response.responder.to_string() }
            })?;
        let not_allowed =
            || Unknown::SignerNotAllowed { file: file(), signer: responder.subject().to_string() };
        let signs_ocsp =
            |usage: &ExtendedKeyUsage| usage.purposes.iter().any(|purpose| purpose == oid::OCSP_SIGNING);
        let may_sign = responder.extended_key_usage().is_some_and(signs_ocsp)
            && responder.key_usage().is_none_or(KeyUsage::digital_signature)
            && check_issued_by(responder, issuer).is_ok();
        if !may_sign {
            return Err(not_allowed());
        }
        // A revocation stays what it was when it was signed; that a certificate is good, only who may say so now says.
        let is_good = matches!(answer.status, AnswerStatus::Good);
        let was_valid = !is_good && responder.is_valid_at(answer.this_update);
        if !was_valid && !responder.is_valid_at(question.at) {
            return Err(Unknown::ResponderNotValid {
                file: file(),
                responder: responder.subject().to_string(),
                not_before: responder.not_before(),
                not_after: responder.not_after(),
            });
        }
        // A responder that says what is good must not be revoked: its issuer says that it need not be asked, or a CRL says so.
        let is_trusted = !is_good
            || responder.extension(OCSP_NO_CHECK).is_some()
            || lists_pass(question, responder, issuer);
        if is_trusted { Ok(responder) } else { Err(not_allowed()) }
    }
}

impl Answer {
    /// Checks that the answer is in force and says that the certificate is good, or good when it was used: whether it is
    /// revoked is another question.
    pub(super) fn check_good(&self, file: &str, at: UnixTime) -> Result<(), Unknown> {
        let file = || file.to_string();
        if self.this_update > at {
            return Err(Unknown::NotYetValid { file: file(), this_update: self.this_update });
        }
        let next_update = self.next_update.ok_or_else(|| Unknown::NoNextUpdate { file: file() })?;
        if next_update < at {
            return Err(Unknown::Stale { file: file(), next_update });
        }
        match self.status {
            AnswerStatus::Good => Ok(()),
            AnswerStatus::Unknown => Err(Unknown::OcspUnknown { file: file() }),
            // if something newer has lifted a hold, that has to say that the certificate is good
            AnswerStatus::Revoked { reason: Some(RevocationReason::CERTIFICATE_HOLD), .. } => {
                Err(Unknown::OcspMissing)
            }
            AnswerStatus::Revoked { .. } => Ok(()),
        }
    }

    /// What the answer says.
    fn info(&self, question: &Question<'_>) -> StatusInfo<'static> {
        let status = match self.status {
            AnswerStatus::Good => CertStatus::NotRevoked,
            AnswerStatus::Unknown => CertStatus::NotKnown,
            AnswerStatus::Revoked { .. }
                if self.invalid_since.is_some_and(|since| question.predates(since)) =>
            {
                CertStatus::NotRevoked
            }
            AnswerStatus::Revoked { at, reason: reason @ Some(RevocationReason::CERTIFICATE_HOLD) } => {
                CertStatus::OnHold(Revocation { at, reason })
            }
            AnswerStatus::Revoked { at, reason } => CertStatus::Revoked(Revocation { at, reason }),
        };
        let in_force =
            self.this_update <= question.at && self.next_update.is_some_and(|next| question.at <= next);
        StatusInfo { list: None, issued: self.this_update, counts_as_good: in_force, status }
    }

    /// Whether the reason why the answer does not count leaves it open whether it revokes.
    fn is_spoiled_by(&self, why: &Unknown) -> bool {
        let is_open = match why {
            Unknown::CriticalExtension { .. } => true,
            Unknown::Signature { error, .. } => matches!(error, SignatureError::UnsupportedAlgorithm { .. }),
            _ => false,
        };
        is_open && !matches!(self.status, AnswerStatus::Good)
    }
}

/// id-pkix-ocsp-nocheck, RFC 6960 section 4.2.2.2.1
const OCSP_NO_CHECK: &str = "1.3.6.1.5.5.7.48.1.5";
