//! Checks a certificate against the staged CRLs. RFC 5280 section 6.3.3; trust policy specification, "CRLs".
//!
//! Lists are told apart by their contents, never by the names of their files. Only lists that the certificate's issuer signed
//! count. Of those that are about the certificate, the newest decides whether its status is known. Every distribution point
//! of the certificate must be covered, as in the reference implementation, which cannot tell which points are alternatives and
//! which are parts: by a list that names the point, or by one that names none and so is complete. A complete list in the file of
//! another of the certificate's points covers only that one: the reference, which finds files by URL, asks for one at each.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::cmp::Reverse;

use super::crl::{Crl, Entry, Scope};
use super::error::{EvidenceError, EvidenceMismatch, Unknown};
use super::evidence::StagedCrl;
use super::published::is_http;
use super::question::Question;
use super::reason::RevocationReason;
use super::status::{CertStatus, Revocation, StatusInfo, not_revoked};
use crate::limits;
use crate::oci::Digest;
use crate::time::UnixTime;
use crate::x509::{Certificate, SignatureError, oid};

/// Whether a certificate names places where CRLs are available.
pub(super) fn has_points(certificate: &Certificate) -> bool {
    certificate.extension(oid::CRL_DISTRIBUTION_POINTS).is_some()
}

/// The staged lists of a certificate's issuer.
pub(super) struct Lists<'a> {
    certificate: &'a Certificate,
    at: UnixTime,
    /// The lists that the issuer signed and that can be understood, whatever they are about
    signed: Vec<&'a StagedCrl>,
    /// Why the others do not count
    refused: Vec<Unknown>,
    /// What those that were signed say of the certificate
    pub(super) statuses: Vec<StatusInfo<'a>>,
    /// Why it is unknown what one of the issuer's own lists says of the certificate
    pub(super) spoiled: Option<Unknown>,
}

impl<'a> Lists<'a> {
    pub(super) fn gather(
        question: &Question<'a>,
        certificate: &'a Certificate,
        issuer: &'a Certificate,
    ) -> Self {
        let mut lists = Self {
            certificate,
            at: question.at,
            signed: Vec::new(),
            refused: Vec::new(),
            statuses: Vec::new(),
            spoiled: None,
        };
        for (staged, signature) in question.evidence.lists_of(issuer) {
            let outcome = lists
                .check_origin(staged, signature, issuer)
                .and_then(|()| lists.status_in(question, staged).map(|status| lists.info(staged, status)));
            match outcome {
                Ok(info) => {
                    lists.signed.push(staged);
                    lists.statuses.push(info);
                }
                Err(why) if is_spoiling(&why) => {
                    lists.spoiled.get_or_insert(why);
                }
                Err(why) => lists.refused.push(why),
            }
        }
        lists
    }

    /// Checks who made a list, and that it can be understood.
    fn check_origin(
        &self,
        staged: &StagedCrl,
        signature: Result<(), SignatureError>,
        issuer: &Certificate,
    ) -> Result<(), Unknown> {
        let file = || staged.file.clone();
        if self.certificate.issuer_der() != issuer.subject_der() {
            return Err(Unknown::NotForCertificate { file: file(), mismatch: EvidenceMismatch::Issuer });
        }
        let is_ca = issuer.basic_constraints().is_some_and(|constraints| constraints.ca);
        if !is_ca || issuer.key_usage().is_some_and(|usage| !usage.crl_sign()) {
            return Err(Unknown::SignerNotAllowed { file: file(), signer: issuer.subject().to_string() });
        }
        signature.map_err(|error| Unknown::Signature { file: file(), error })?;
        match &staged.crl.critical_extension {
            Some(oid) => Err(Unknown::CriticalExtension { file: file(), oid: oid.clone() }),
            None => Ok(()),
        }
    }

    fn info(&self, staged: &'a StagedCrl, status: CertStatus) -> StatusInfo<'a> {
        let crl = &staged.crl;
        StatusInfo {
            list: Some(crl),
            issued: crl.this_update,
            counts_as_good: self.mismatch(crl).is_none() && crl.this_update <= self.at,
            status,
        }
    }

    /// What a list says of the certificate: certificate on hold or not, the latest entry decides, as in the reference. Any
    /// other entry is a revocation, for whatever reason. A serial number is its issuer's only one, so that scope does not
    /// matter here; only lists of other things than the issuer's certificates may have the same number for something else.
    fn status_in(&self, question: &Question<'_>, staged: &StagedCrl) -> Result<CertStatus, Unknown> {
        let StagedCrl { file, crl, .. } = staged;
        let entries = crl.entries(self.certificate).map_err(|_| unusable(file))?;
        let others = [
            (crl.scope.indirect, EvidenceMismatch::Indirect),
            (crl.scope.only_attribute_certificates, EvidenceMismatch::Kind),
        ];
        if let Some((_, mismatch)) = others.into_iter().find(|(is_set, _)| *is_set && !entries.is_empty()) {
            return Err(Unknown::NotForCertificate { file: file.clone(), mismatch });
        }
        let mut latest: Option<&Entry> = None;
        for entry in &entries {
            if let Some(oid) = &entry.critical_extension {
                return Err(Unknown::CriticalExtension { file: file.clone(), oid: oid.clone() });
            }
            if entry.invalid_since.is_some_and(|since| question.predates(since)) {
                continue;
            }
            match entry.reason {
                Some(RevocationReason::CERTIFICATE_HOLD | RevocationReason::REMOVE_FROM_CRL) => {
                    if latest.is_none_or(|latest| latest.revoked_at < entry.revoked_at) {
                        latest = Some(entry);
                    }
                }
                _ => return Ok(CertStatus::Revoked(entry.revocation())),
            }
        }
        Ok(match latest {
            None => CertStatus::NotRevoked,
            Some(entry) if entry.reason == Some(RevocationReason::CERTIFICATE_HOLD) => {
                CertStatus::OnHold(entry.revocation())
            }
            Some(entry) => CertStatus::Released { at: entry.revoked_at },
        })
    }

    /// In what a list is not about the certificate, whatever the distribution point.
    fn mismatch(&self, crl: &Crl) -> Option<EvidenceMismatch> {
        let scope = &crl.scope;
        let is_ca = self.certificate.basic_constraints().is_some_and(|constraints| constraints.ca);
        let points = self.certificate.crl_urls();
        if let Some(mismatch) = scope.unsupported() {
            Some(mismatch)
        } else if (scope.only_leaves && is_ca) || (scope.only_cas && !is_ca) {
            Some(EvidenceMismatch::Kind)
        } else {
            let urls = scope.urls.as_ref()?;
            let names_point = urls.iter().any(|url| points.contains(url));
            (!names_point).then(|| another_point(&points.join(" and "), urls))
        }
    }

    /// Checks that the lists say of the certificate what can be known: that every distribution point has a list in force.
    /// That none of them revokes it was checked before.
    pub(super) fn current(&self) -> Result<(), Unknown> {
        let urls = self.certificate.crl_urls();
        if urls.is_empty() {
            return Err(Unknown::UnsupportedUrl { url: None });
        }
        if urls.len() > limits::CRL_URLS {
            return Err(Unknown::TooManyUrls { urls: urls.len() });
        }
        for url in urls {
            let own: BTreeSet<String> = file_names(url).collect();
            let others = urls.iter().filter(|other| *other != url).flat_map(|other| file_names(other));
            let elsewhere = others.filter(|name| !own.contains(name)).collect();
            self.point(url, &elsewhere)?;
        }
        Ok(())
    }

    /// One distribution point. `elsewhere`: the names of files that hold the lists of other points.
    fn point(&self, url: &str, elsewhere: &BTreeSet<String>) -> Result<(), Unknown> {
        if !is_http(url) {
            return Err(Unknown::UnsupportedUrl { url: Some(url.to_string()) });
        }
        let mut why = Unknown::CrlMissing { url: url.to_string() };
        let mut note = |other: Unknown| {
            if other.progress() > why.progress() {
                why = other;
            }
        };
        self.refused.iter().cloned().for_each(&mut note);
        let mut covering = Vec::new();
        for staged in self.signed.iter().copied() {
            let StagedCrl { file, crl, .. } = staged;
            let mismatch = if crl.delta_of.is_some() {
                Some(EvidenceMismatch::Delta)
            } else {
                self.mismatch(crl).or_else(|| {
                    let urls =
                        crl.scope.urls.as_ref().filter(|urls| !urls.iter().any(|named| named == url))?;
                    Some(another_point(url, urls))
                })
            };
            if let Some(mismatch) = mismatch {
                note(Unknown::NotForCertificate { file: file.clone(), mismatch });
            } else if crl.this_update > self.at {
                note(Unknown::NotYetValid { file: file.clone(), this_update: crl.this_update });
            } else if crl.scope.urls.is_some()
                || !elsewhere.contains(file.rsplit('/').next().unwrap_or_default())
            {
                covering.push(staged);
            }
        }
        match newest_of_series(covering) {
            None => Err(why),
            Some(newest) => {
                check_end(newest, self.at)?;
                self.check_delta(newest)
            }
        }
    }

    /// Checks that there is a delta of a base list, if the base says that there are deltas, or came with one.
    fn check_delta(&self, base: &StagedCrl) -> Result<(), Unknown> {
        // Deltas that only the certificate knows of may have another scope; the reference gives up there.
        let is_named = self.certificate.extension(oid::FRESHEST_CRL).is_some();
        let deltas = self.signed.iter().copied().filter(|staged| self.mismatch(&staged.crl).is_none());
        check_delta(base, is_named, deltas, self.at)
    }
}

/// The names of files that hold the list of a URL: that in the reference's cache, and the last part of the URL's path as
/// it stands and without percent escapes.
fn file_names(url: &str) -> impl Iterator<Item = String> {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let last = path.rsplit('/').next().unwrap_or(path);
    let names = [
        Some(Digest::sha256(url.as_bytes()).hex().to_string()),
        Some(last.to_string()),
        percent_decoded(last),
    ];
    names.into_iter().flatten().filter(|name| !name.is_empty())
}

/// `text` with its percent escapes replaced; `None` if they are malformed or do not give UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut pieces = text.split('%');
    bytes.extend_from_slice(pieces.next()?.as_bytes());
    for piece in pieces {
        let (escape, rest) = piece.split_at_checked(2)?;
        let digit = |at: usize| char::from(*escape.as_bytes().get(at)?).to_digit(16);
        bytes.push(u8::try_from(digit(0)?.checked_mul(16)?.checked_add(digit(1)?)?).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

fn unusable(file: &str) -> Unknown {
    Unknown::Unusable { file: file.to_string(), error: EvidenceError::Crl, more: 0 }
}

fn another_point(certificate: &str, list: &[String]) -> EvidenceMismatch {
    let list = if list.is_empty() { "a name without a URL".to_string() } else { list.join(" and ") };
    EvidenceMismatch::DistributionPoint { certificate: certificate.to_string(), list }
}

/// Whether a reason why an issuer's own list does not count leaves it open whom that list revokes.
pub(super) fn is_spoiling(why: &Unknown) -> bool {
    match why {
        Unknown::Signature { error, .. } => matches!(error, SignatureError::UnsupportedAlgorithm { .. }),
        Unknown::SignerNotAllowed { .. }
        | Unknown::NotForCertificate { mismatch: EvidenceMismatch::Issuer, .. } => false,
        _ => true,
    }
}

/// The newest of lists, which may be of several series: of each series the newest, by number and then by time; among series,
/// whose numbers have nothing to do with each other, by time.
fn newest_of_series<'a>(lists: impl IntoIterator<Item = &'a StagedCrl>) -> Option<&'a StagedCrl> {
    let mut series: BTreeMap<&Scope, Vec<&StagedCrl>> = BTreeMap::new();
    for staged in lists {
        series.entry(&staged.crl.scope).or_default().push(staged);
    }
    series.into_values().filter_map(newest).max_by_key(|staged| by_time(staged))
}

/// The newest list of one series: by number, then by time. One without a number is newer than the others if its time is later.
pub(super) fn newest<'a>(lists: impl IntoIterator<Item = &'a StagedCrl>) -> Option<&'a StagedCrl> {
    let (numbered, others): (Vec<_>, Vec<_>) =
        lists.into_iter().partition(|staged: &&StagedCrl| staged.crl.number.is_some());
    let numbered = numbered.into_iter().max_by_key(|staged| (&staged.crl.number, by_time(staged)));
    numbered.into_iter().chain(others).max_by_key(|staged| by_time(staged))
}

/// The order of lists by time. Of two of one time the one that holds for a shorter time comes last, so that it decides.
fn by_time(staged: &StagedCrl) -> (UnixTime, Reverse<Option<UnixTime>>, bool) {
    (staged.crl.this_update, Reverse(staged.crl.next_update), staged.with_delta)
}

/// Checks that a list, which was issued by then, is in force.
pub(super) fn check_end(staged: &StagedCrl, at: UnixTime) -> Result<(), Unknown> {
    let file = || staged.file.clone();
    let next_update = staged.crl.next_update.ok_or_else(|| Unknown::NoNextUpdate { file: file() })?;
    if next_update < at { Err(Unknown::Stale { file: file(), next_update }) } else { Ok(()) }
}

/// Checks that of `deltas` one goes with a base list that asks for it, and that the newest of those is in force. RFC 5280
/// section 5.2.4. `is_named`: whether the certificate itself says that there are deltas.
pub(super) fn check_delta<'a>(
    base: &StagedCrl,
    is_named: bool,
    deltas: impl Iterator<Item = &'a StagedCrl>,
    at: UnixTime,
) -> Result<(), Unknown> {
    let urls = &base.crl.delta_urls;
    let is_asked_for = base.with_delta || !urls.is_empty() || base.crl.has_relative_deltas;
    let missing = |url: Option<&String>| Unknown::DeltaMissing { file: base.file.clone(), url: url.cloned() };
    if !is_asked_for {
        return if is_named { Err(missing(None)) } else { Ok(()) };
    }
    let usable = urls.iter().filter(|url| is_http(url)).count();
    if !base.with_delta && (usable == 0 || usable > limits::CRL_URLS) {
        return Err(missing(urls.first()));
    }
    let mut why = missing(urls.iter().find(|url| is_http(url)));
    let mut fitting = Vec::new();
    for staged in deltas.filter(|staged| staged.crl.delta_of.is_some()) {
        let file = || staged.file.clone();
        if goes_with(&base.crl, &staged.crl) != Some(true) {
            why = Unknown::DeltaMismatch { file: file(), base: base.file.clone() };
        } else if staged.crl.this_update > at {
            why = Unknown::NotYetValid { file: file(), this_update: staged.crl.this_update };
        } else {
            fitting.push(staged);
        }
    }
    check_end(newest(fitting).ok_or(why)?, at)
}

/// Whether a delta is newer than a base, builds on it or an older one, and has its scope; `None` if either lacks a number.
fn goes_with(base: &Crl, delta: &Crl) -> Option<bool> {
    let (number, of) = (delta.number.as_ref()?, delta.delta_of.as_ref()?);
    let base_number = base.number.as_ref()?;
    Some(number > base_number && of <= base_number && delta.scope == base.scope)
}

impl Entry {
    fn revocation(&self) -> Revocation {
        Revocation { at: self.revoked_at, reason: self.reason }
    }
}

/// Whether CRLs say that a certificate is good: it names places of CRLs, and they are there and do not list it.
pub(super) fn lists_pass(question: &Question<'_>, certificate: &Certificate, issuer: &Certificate) -> bool {
    let lists = Lists::gather(question, certificate, issuer);
    let statuses: Vec<&StatusInfo<'_>> = lists.statuses.iter().collect();
    not_revoked(&statuses, lists.spoiled.as_ref()).is_ok()
        && has_points(certificate)
        && lists.current().is_ok()
}
