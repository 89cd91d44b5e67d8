//! A certificate against the staged CRLs. RFC 5280 section 6.3.3; trust policy specification, "CRLs".
//!
//! Every distribution point of the certificate must have a list that holds, as in the reference implementation, which
//! cannot tell which points are alternatives and which are parts. A list is found by the name of its file, as the reference
//! finds it by its URL, and where there is none of that name and issuer, by its issuer; of several that hold, the newest
//! counts. A list that was staged for one point stands for another of the same certificate only where it says so itself.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::crl::{Crl, Entry, Number, invalidity_date};
use super::evidence::{FileNames, StagedCrl};
use super::{Mismatch, NotGood, Question, Revocation, RevocationReason, Unknown};
use crate::limits;
use crate::x509::{Certificate, oid};

/// Whether a certificate names a URL where CRLs are to be had.
pub(super) fn has_points(certificate: &Certificate) -> bool {
    !certificate.crl_urls().is_empty()
}

/// Checks a certificate against the lists of all its distribution points; one that has none cannot be revoked.
pub(super) fn check(
    question: &Question<'_>,
    certificate: &Certificate,
    issuer: &Certificate,
) -> Result<(), NotGood> {
    let urls = certificate.crl_urls();
    if urls.is_empty() && certificate.extension(oid::CRL_DISTRIBUTION_POINTS).is_some() {
        return Err(Unknown::UnsupportedUrl { url: String::new() }.into());
    }
    if urls.len() > limits::CRL_URLS {
        return Err(Unknown::TooManyUrls { urls: urls.len() }.into());
    }
    let check = Check { question, certificate, issuer };
    urls.iter().try_for_each(|url| check.point(url))
}

/// Whether a URL is one that the reference would fetch.
pub(super) fn is_http(url: &str) -> bool {
    url.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"))
}

struct Check<'a> {
    question: &'a Question<'a>,
    certificate: &'a Certificate,
    issuer: &'a Certificate,
}

impl<'a> Check<'a> {
    /// One distribution point.
    fn point(&self, url: &str) -> Result<(), NotGood> {
        if !is_http(url) {
            return Err(Unknown::UnsupportedUrl { url: url.to_string() }.into());
        }
        let names = FileNames::of(url);
        let evidence = self.question.evidence;
        let mut best: Option<&StagedCrl> = None;
        let mut revoked = None;
        let mut why = Unknown::CrlMissing { url: url.to_string() };
        if let Some(file) = evidence.malformed_files().iter().find(|file| names.include(file)) {
            why = Unknown::Malformed { file: file.clone() };
        }
        let is_named = |staged: &&StagedCrl| names.include(&staged.file);
        let is_own = |staged: &StagedCrl| staged.crl.issuer_der == self.certificate.issuer_der();
        let has_named = evidence.staged_crls().iter().filter(is_named).any(is_own);
        let is_candidate =
            |staged: &&StagedCrl| is_named(staged) || (!has_named && self.may_cover(staged, url));
        for staged in evidence.staged_crls().iter().filter(is_candidate) {
            match self.check_base(staged) {
                Ok(()) if best.is_none_or(|best| best.crl.this_update < staged.crl.this_update) => {
                    best = Some(staged);
                }
                Ok(()) => {}
                Err(error) => {
                    if matches!(error, Unknown::Stale { .. }) {
                        revoked = revoked.or(self.lasting_revocation(staged));
                    }
                    if progress(&error) > progress(&why) {
                        why = error;
                    }
                }
            }
        }
        match (best, revoked) {
            (Some(staged), _) => self.judge(staged),
            // What an expired list says of good certificates is void; a revocation is for ever.
            (None, Some(revocation)) => Err(NotGood::Revoked(revocation)),
            (None, None) => Err(why.into()),
        }
    }

    /// Whether a list may be that of a distribution point though it has another name: the certificate's issuer made it and
    /// it was not staged for another point. A list that names its points itself decides by that alone.
    fn may_cover(&self, staged: &StagedCrl, url: &str) -> bool {
        if staged.crl.issuer_der != self.certificate.issuer_der() || staged.crl.delta_of.is_some() {
            return false;
        }
        match &staged.crl.scope.urls {
            Some(urls) => urls.iter().any(|named| named == url),
            None => {
                let mut others = self.certificate.crl_urls().iter().filter(|other| *other != url);
                !others.any(|other| FileNames::of(other).include(&staged.file))
            }
        }
    }

    /// Checks that a list holds as a base list for the certificate.
    fn check_base(&self, staged: &StagedCrl) -> Result<(), Unknown> {
        let StagedCrl { file, crl, .. } = staged;
        self.check_origin(file, crl)?;
        if let Some(mismatch) = self.mismatch(crl) {
            return Err(Unknown::NotForCertificate { file: file.clone(), mismatch });
        }
        self.check_time(file, crl)
    }

    /// Checks who made a list, and that it can be understood.
    fn check_origin(&self, file: &str, crl: &Crl) -> Result<(), Unknown> {
        let file = || file.to_string();
        if crl.issuer_der != self.certificate.issuer_der() || crl.issuer_der != self.issuer.subject_der() {
            return Err(Unknown::NotForCertificate { file: file(), mismatch: Mismatch::Issuer });
        }
        let is_ca = self.issuer.basic_constraints().is_some_and(|constraints| constraints.ca);
        if !is_ca || self.issuer.key_usage().is_some_and(|usage| !usage.crl_sign()) {
            return Err(Unknown::SignerNotAllowed {
                file: file(),
                signer: self.issuer.subject().to_string(),
            });
        }
        crl.check_signature(self.issuer).map_err(|error| Unknown::Signature { file: file(), error })?;
        match &crl.critical_extension {
            Some(oid) => Err(Unknown::CriticalExtension { file: file(), oid: oid.clone() }),
            None => Ok(()),
        }
    }

    /// In what a list is not about the certificate.
    fn mismatch(&self, crl: &Crl) -> Option<Mismatch> {
        let scope = &crl.scope;
        let is_ca = self.certificate.basic_constraints().is_some_and(|constraints| constraints.ca);
        let names_point =
            |urls: &Vec<String>| urls.iter().any(|url| self.certificate.crl_urls().contains(url));
        if crl.delta_of.is_some() {
            Some(Mismatch::Delta)
        } else if scope.indirect {
            Some(Mismatch::Indirect)
        } else if scope.only_some_reasons {
            Some(Mismatch::Reasons)
        } else if scope.only_attribute_certificates
            || (scope.only_leaves && is_ca)
            || (scope.only_cas && !is_ca)
        {
            Some(Mismatch::Kind)
        } else if scope.urls.as_ref().is_some_and(|urls| !names_point(urls)) {
            Some(Mismatch::DistributionPoint)
        } else {
            None
        }
    }

    /// Checks that a list is in force.
    fn check_time(&self, file: &str, crl: &Crl) -> Result<(), Unknown> {
        let (file, at) = (|| file.to_string(), self.question.at);
        let next_update = crl.next_update.ok_or_else(|| Unknown::NoNextUpdate { file: file() })?;
        if crl.this_update > at {
            return Err(Unknown::NotYetValid { file: file(), this_update: crl.this_update });
        }
        if next_update < at { Err(Unknown::Stale { file: file(), next_update }) } else { Ok(()) }
    }

    /// What a list that holds says of the certificate, its delta counted in.
    fn judge(&self, staged: &StagedCrl) -> Result<(), NotGood> {
        let delta = self.delta(staged)?;
        let mut entries = Vec::new();
        for crl in [Some((staged.file.as_str(), &staged.crl)), delta].into_iter().flatten() {
            let (file, crl) = crl;
            let listed =
                crl.entries(self.certificate).map_err(|_| Unknown::Malformed { file: file.to_string() })?;
            entries.extend(listed.into_iter().map(|entry| (file, entry)));
        }
        self.judge_entries(&entries)
    }

    /// Certificate on hold or not: the latest entry decides. Any other entry is a revocation, for whatever reason.
    fn judge_entries(&self, entries: &[(&str, Entry<'_>)]) -> Result<(), NotGood> {
        let mut on_hold: Option<&Entry<'_>> = None;
        for (file, entry) in entries {
            let file = || file.to_string();
            if let Some(oid) = &entry.critical_extension {
                return Err(Unknown::CriticalExtension { file: file(), oid: oid.clone() }.into());
            }
            if let Some(der) = entry.invalidity_date {
                let since = invalidity_date(der).ok_or_else(|| Unknown::Malformed { file: file() })?;
                if self.question.predates(since) {
                    continue;
                }
            }
            match entry.reason {
                Some(RevocationReason::CERTIFICATE_HOLD | RevocationReason::REMOVE_FROM_CRL) => {
                    if on_hold.is_none_or(|latest| latest.revoked_at < entry.revoked_at) {
                        on_hold = Some(entry);
                    }
                }
                _ => return Err(entry.revocation()),
            }
        }
        match on_hold {
            Some(entry) if entry.reason == Some(RevocationReason::CERTIFICATE_HOLD) => {
                Err(entry.revocation())
            }
            _ => Ok(()),
        }
    }

    /// The revocation in a list that has expired, unless it was for the time being.
    fn lasting_revocation(&self, staged: &StagedCrl) -> Option<Revocation> {
        let file = staged.file.as_str();
        let entries: Vec<_> =
            staged.crl.entries(self.certificate).ok()?.into_iter().map(|entry| (file, entry)).collect();
        match self.judge_entries(&entries) {
            Err(NotGood::Revoked(revocation))
                if revocation.reason != Some(RevocationReason::CERTIFICATE_HOLD) =>
            {
                Some(revocation)
            }
            _ => None,
        }
    }

    /// The delta that goes with a base list: the one beside it in the cache; else, where the base says that there are
    /// deltas, the one that is staged for the first of its URLs for which any is; else the newest that its issuer made. None
    /// where the base says nothing of deltas.
    fn delta(&self, staged: &'a StagedCrl) -> Result<Option<(&'a str, &'a Crl)>, Unknown> {
        if let Some(delta) = &staged.delta {
            self.check_delta(staged, &staged.file, delta)?;
            return Ok(Some((&staged.file, delta)));
        }
        let missing = || Unknown::DeltaMissing { file: staged.file.clone() };
        if staged.crl.delta_urls.is_empty() {
            // Deltas that only the certificate knows of may have another scope; the reference gives up there.
            let is_named = self.certificate.extension(oid::FRESHEST_CRL).is_some();
            return if is_named { Err(missing()) } else { Ok(None) };
        }
        let names: Vec<_> =
            staged.crl.delta_urls.iter().filter(|url| is_http(url)).map(|url| FileNames::of(url)).collect();
        if names.is_empty() || names.len() > limits::CRL_URLS {
            return Err(missing());
        }
        let crls = self.question.evidence.staged_crls();
        for names in &names {
            let named: Vec<_> = crls.iter().filter(|other| names.include(&other.file)).collect();
            if !named.is_empty() {
                return self.newest_delta(staged, named).map(Some);
            }
        }
        let of_issuer = |other: &&StagedCrl| {
            other.crl.delta_of.is_some() && other.crl.issuer_der == staged.crl.issuer_der
        };
        self.newest_delta(staged, crls.iter().filter(of_issuer)).map(Some).map_err(|_| missing())
    }

    /// The newest of some lists that is a delta of `base`, or why the last of them is none.
    fn newest_delta(
        &self,
        base: &StagedCrl,
        candidates: impl IntoIterator<Item = &'a StagedCrl>,
    ) -> Result<(&'a str, &'a Crl), Unknown> {
        let mut best: Option<(&str, &Crl)> = None;
        let mut why = Unknown::DeltaMissing { file: base.file.clone() };
        for StagedCrl { file, crl, .. } in candidates {
            match self.check_delta(base, file, crl) {
                Ok(()) if best.is_none_or(|(_, best)| best.number < crl.number) => best = Some((file, crl)),
                Ok(()) => {}
                Err(error) => why = error,
            }
        }
        best.ok_or(why)
    }

    /// Checks that a list is a delta of a base. RFC 5280 section 5.2.4.
    fn check_delta(&self, base: &StagedCrl, file: &str, delta: &Crl) -> Result<(), Unknown> {
        self.check_origin(file, delta)?;
        if goes_with(&base.crl, delta) != Some(true) {
            return Err(Unknown::DeltaMismatch { file: file.to_string(), base: base.file.clone() });
        }
        self.check_time(file, delta)
    }
}

/// Whether a delta is newer than a base, builds on it or an older one, and has its scope; none where either lacks a number.
fn goes_with(base: &Crl, delta: &Crl) -> Option<bool> {
    let (number, of): (&Number, &Number) = (delta.number.as_ref()?, delta.delta_of.as_ref()?);
    let base_number = base.number.as_ref()?;
    Some(number > base_number && of <= base_number && delta.scope == base.scope)
}

impl Entry<'_> {
    fn revocation(&self) -> NotGood {
        NotGood::Revoked(Revocation { at: self.revoked_at, reason: self.reason })
    }
}

/// How far evidence got before it failed: of several that fail, the one that got farthest says most.
pub(super) fn progress(why: &Unknown) -> u8 {
    match why {
        Unknown::CrlMissing { .. } | Unknown::OcspMissing => 0,
        Unknown::NotForCertificate { .. } => 1,
        Unknown::Malformed { .. } => 2,
        Unknown::Signature { .. } | Unknown::SignerNotAllowed { .. } => 3,
        Unknown::CriticalExtension { .. } => 4,
        Unknown::NoNextUpdate { .. } | Unknown::NotYetValid { .. } => 5,
        _ => 6,
    }
}
