//! Says how staged evidence stands, by the rules of verification but without a certificate to ask about: for a person who
//! prepares evidence.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::crl::{Crl, Scope};
use super::crl_check::{check_delta, check_end, newest};
use super::error::Unknown;
use super::evidence::{RevocationEvidence, StagedCrl, StagedResponse};
use super::ocsp::Answer;
use crate::time::UnixTime;
use crate::x509::Certificate;

/// A staged CRL, or an answer in a staged OCSP response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// The name of its file as it was staged.
    pub file: String,
    /// What it is.
    pub kind: EvidenceKind,
    /// Its issuer's name, RFC 4514; the responder's of an OCSP answer.
    pub issuer: String,
    /// When it was issued.
    pub this_update: UnixTime,
    /// When the next is due.
    pub next_update: Option<UnixTime>,
    /// What it is worth.
    pub standing: Standing,
}

/// What a piece of evidence is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EvidenceKind {
    /// A complete list.
    Crl,
    /// A delta of one.
    DeltaCrl,
    /// An answer about the certificate with this serial number, in hex.
    OcspAnswer {
        /// The serial number.
        serial: String,
    },
}

/// What a piece of evidence is worth at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is the newest of its kind and in force: it can prove that a certificate is good.
    Current,
    /// A newer one decides. What this one revokes stays revoked.
    Superseded {
        /// The file of the newer one.
        by: String,
    },
    /// It proves of no certificate that it is good. What it revokes is revoked, unless someone else signed it.
    ProvesNothing(Unknown),
}

impl RevocationEvidence {
    /// How every CRL and every OCSP answer stands at a time, in the order in which they were staged. Signatures are checked of
    /// those lists whose issuer is among `issuers`.
    pub fn outlook(&self, issuers: &[&Certificate], at: UnixTime) -> Vec<Outlook> {
        let mut all = self.lists(issuers, at);
        all.extend(self.answers(at));
        all
    }

    fn lists(&self, issuers: &[&Certificate], at: UnixTime) -> Vec<Outlook> {
        let staged = self.staged_crls();
        let alone: Vec<_> = staged.iter().map(|staged| check_alone(staged, issuers, at)).collect();
        let mut series: BTreeMap<_, Vec<&StagedCrl>> = BTreeMap::new();
        for (staged, _) in staged.iter().zip(&alone).filter(|(_, outcome)| outcome.is_ok()) {
            series.entry(series_of(&staged.crl)).or_default().push(staged);
        }
        let newest: BTreeMap<_, _> =
            series.iter().filter_map(|(key, lists)| Some((*key, newest(lists.iter().copied())?))).collect();
        let standing = |staged: &StagedCrl, alone: Result<(), Unknown>| {
            let (issuer, scope, is_delta) = series_of(&staged.crl);
            match newest.get(&(issuer, scope, is_delta)) {
                _ if alone.is_err() => alone.into(),
                Some(newer) if !core::ptr::eq(*newer, staged) => {
                    Standing::Superseded { by: newer.file.clone() }
                }
                _ => {
                    let deltas = series.get(&(issuer, scope, true)).into_iter().flatten().copied();
                    let goes_on = || if is_delta { Ok(()) } else { check_delta(staged, false, deltas, at) };
                    check_end(staged, at).and_then(|()| goes_on()).into()
                }
            }
        };
        let outlook = |(staged, alone): (&StagedCrl, _)| Outlook {
            file: staged.file.clone(),
            kind: if staged.crl.delta_of.is_some() { EvidenceKind::DeltaCrl } else { EvidenceKind::Crl },
            issuer: staged.crl.issuer.to_string(),
            this_update: staged.crl.this_update,
            next_update: staged.crl.next_update,
            standing: standing(staged, alone),
        };
        staged.iter().zip(alone).map(outlook).collect()
    }

    fn answers(&self, at: UnixTime) -> Vec<Outlook> {
        let all = || {
            self.responses()
                .iter()
                .flat_map(|staged| staged.response.answers.iter().map(move |answer| (staged, answer)))
        };
        let mut newest: BTreeMap<_, (&str, &Answer)> = BTreeMap::new();
        for (staged, answer) in all().filter(|(_, answer)| answer.this_update <= at) {
            let newer = newest.entry(answer.about()).or_insert((&staged.file, answer));
            if newer.1.order() < answer.order() {
                *newer = (&staged.file, answer);
            }
        }
        let outlook = |(staged, answer): (&StagedResponse, &Answer)| {
            let standing = match newest.get(&answer.about()) {
                Some((file, newer)) if answer.this_update <= at && !core::ptr::eq(*newer, answer) => {
                    Standing::Superseded { by: file.to_string() }
                }
                _ => answer.check_good(&staged.file, at).into(),
            };
            Outlook {
                file: staged.file.clone(),
                kind: EvidenceKind::OcspAnswer {
                    serial: answer.serial.iter().map(|byte| format!("{byte:02x}")).collect(),
                },
                issuer: staged.response.responder.to_string(),
                this_update: answer.this_update,
                next_update: answer.next_update,
                standing,
            }
        };
        all().map(outlook).collect()
    }
}

impl From<Result<(), Unknown>> for Standing {
    fn from(outcome: Result<(), Unknown>) -> Self {
        outcome.map_or_else(Self::ProvesNothing, |()| Self::Current)
    }
}

/// The lists that go on from each other: of one issuer, about one thing.
fn series_of(crl: &Crl) -> (&[u8], &Scope, bool) {
    (&crl.issuer_der, &crl.scope, crl.delta_of.is_some())
}

/// Checks what does not depend on other lists: that a list is signed, understood and not from the future.
fn check_alone(staged: &StagedCrl, issuers: &[&Certificate], at: UnixTime) -> Result<(), Unknown> {
    let StagedCrl { file, crl, .. } = staged;
    let file = || file.clone();
    let mut signers = issuers.iter().filter(|issuer| issuer.subject_der() == crl.issuer_der).peekable();
    if signers.peek().is_some() {
        let checked: Vec<_> = signers.map(|issuer| crl.check_signature(issuer)).collect();
        if let (false, Some(Err(error))) = (checked.iter().any(Result::is_ok), checked.first()) {
            return Err(Unknown::Signature { file: file(), error: error.clone() });
        }
    }
    if let Some(oid) = &crl.critical_extension {
        return Err(Unknown::CriticalExtension { file: file(), oid: oid.clone() });
    }
    if let Some(mismatch) = crl.scope.unsupported() {
        return Err(Unknown::NotForCertificate { file: file(), mismatch });
    }
    if crl.this_update > at {
        return Err(Unknown::NotYetValid { file: file(), this_update: crl.this_update });
    }
    Ok(())
}
