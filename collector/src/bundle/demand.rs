//! Tells which CRLs a signature will demand, by its envelope and the trust directory, if there is one.
//!
//! A stranger who may push to a registry may push a signature with any number of URLs in its certificates. Under a trust directory
//! only chains that end at a trusted root count, and timestamps likewise, since no other signature can pass if authenticity is
//! enforced. Without one nothing tells a publisher's signature from a stranger's, and each may name a few ([`limits::UNVERIFIED_CRL_URLS`]).

use crate::errors::with_sources;
use crate::report::text::count;
use assay_judge::trust::Trust;
use assay_verifier::limits;
use assay_verifier::notary::envelope::Envelope;
use assay_verifier::notary::trust_policy::{PolicyError, Statement, TrustPolicy};
use assay_verifier::notary::trust_store::StoreType;
use assay_verifier::notary::verify::Verifier;
use assay_verifier::oci::{Descriptor, Repository};
use assay_verifier::outcome::CheckOutcome;
use assay_verifier::revocation;
use assay_verifier::time::UnixTime;
use assay_verifier::timestamp::{self, TimestampError};
use assay_verifier::x509::{self, Certificate};

/// A trust directory, and the time at which signatures are looked at under it.
#[derive(Debug)]
pub(crate) struct Trusting {
    trust: Trust,
    policy: TrustPolicy,
    at: UnixTime,
}

impl Trusting {
    /// # Errors
    /// [`PolicyError`] if the policy cannot be used.
    pub(crate) fn new(trust: Trust, at: UnixTime) -> Result<Self, PolicyError> {
        Ok(Self { policy: trust.policy.clone()?, trust, at })
    }
}

/// What a signature demands.
#[derive(Debug, Default)]
pub(super) struct Demand {
    /// Where its CRLs are published.
    pub(super) urls: Vec<String>,
    /// Why CRLs that it names are not among them.
    pub(super) left_out: Option<LeftOut>,
    /// What a person may want to know.
    pub(super) notes: Vec<String>,
}

/// Why CRLs are not fetched.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LeftOut {
    /// The signature cannot pass under the trust directory, so that nothing is missing without them.
    Untrusted(String),
    /// They may be missed or not.
    Unverified(String),
}

impl Demand {
    /// What the bytes of an envelope demand as a signature of `target` in `repository`.
    pub(super) fn of_envelope(
        trusting: Option<&Trusting>,
        repository: &Repository,
        target: &Descriptor,
        media_type: &str,
        bytes: &[u8],
    ) -> Self {
        let envelope = match Envelope::parse(media_type, bytes) {
            Ok(envelope) => envelope,
            Err(error) => {
                return Self::note(format!("an envelope that cannot be read: {}", with_sources(&error)));
            }
        };
        match trusting {
            None => Self::of_unverified(&envelope),
            Some(trusting) => trusting.demand(&envelope, repository, target, media_type, bytes),
        }
    }

    fn of_unverified(envelope: &Envelope) -> Self {
        let stamped = envelope.timestamp_token().map(timestamp::unverified_certificates);
        let (stamping, notes) = of_timestamp(stamped);
        let mut demand = Self { notes, ..Self::default() };
        demand.add(envelope.unverified_chain().iter().chain(&stamping));
        let all = demand.urls.len();
        if all > limits::UNVERIFIED_CRL_URLS {
            demand.urls.truncate(limits::UNVERIFIED_CRL_URLS);
            demand.left_out = Some(LeftOut::Unverified(format!(
                "it names {} and is not verified: {} are fetched; --trust DIR fetches all that trusted \
                 signers name",
                count(all, "CRL"),
                limits::UNVERIFIED_CRL_URLS
            )));
        }
        demand
    }

    fn note(text: String) -> Self {
        Self { notes: vec![text], ..Self::default() }
    }

    /// Adds what certificates name: the first URL of each before the second of any, so that a bound costs none its only one.
    fn add<'a>(&mut self, certificates: impl Iterator<Item = &'a Certificate>) {
        // a root cannot be revoked
        let certificates: Vec<&Certificate> = certificates.filter(|one| !x509::is_self_signed(one)).collect();
        for at in 0..limits::CRL_URLS {
            for url in certificates.iter().filter_map(|certificate| revocation::crl_urls(certificate).nth(at))
            {
                if !self.urls.iter().any(|known| known == url) {
                    self.urls.push(url.to_owned());
                }
            }
        }
        let of_ocsp_alone = certificates
            .iter()
            .filter(|certificate| certificate.crl_urls().is_empty() && !certificate.ocsp_urls().is_empty());
        self.notes.extend(of_ocsp_alone.map(|certificate| {
            format!(
                "the certificate {} names an OCSP responder and no CRL: its status is known only if a response is staged",
                certificate.subject()
            )
        }));
    }
}

impl Trusting {
    fn demand(
        &self,
        envelope: &Envelope,
        repository: &Repository,
        target: &Descriptor,
        media_type: &str,
        bytes: &[u8],
    ) -> Demand {
        let untrusted = |why: String| Demand { left_out: Some(LeftOut::Untrusted(why)), ..Demand::default() };
        let statement = match self.policy.statement_for(Some(repository)) {
            Ok(statement) => statement,
            Err(error) => return untrusted(format!("its CRLs are not fetched: {}", with_sources(&error))),
        };
        if statement.is_skip() {
            return Demand::note(format!("no CRLs: the statement {:?} verifies nothing", statement.name));
        }
        let Trust { store, evidence, .. } = &self.trust;
        let verifier = Verifier { trust_store: store, evidence, at: self.at };
        let checks = verifier.verify(media_type, bytes, target, statement).checks;
        let failed = [checks.integrity, checks.authenticity];
        if let Some(check) = failed.iter().find(|check| check.outcome != CheckOutcome::Passed) {
            let why = check.outcome.finding().map(|finding| finding.message.as_str()).unwrap_or_default();
            return untrusted(format!("its CRLs are not fetched, as it is not trusted: {why}"));
        }
        let (stamping, notes) = of_timestamp(self.timestamp(envelope, statement));
        let mut demand = Demand { notes, ..Demand::default() };
        demand.add(envelope.unverified_chain().iter().chain(&stamping));
        demand
    }

    /// The chain of the timestamp, to a root that the statement trusts; none if the statement asks for none.
    fn timestamp(
        &self,
        envelope: &Envelope,
        statement: &Statement,
    ) -> Option<Result<Vec<Certificate>, TimestampError>> {
        let stores = statement.stores(StoreType::Tsa);
        let usable = stores.filter_map(|name| self.trust.store.certificates(StoreType::Tsa, name).ok());
        let anchors = usable.flatten().cloned().collect::<Vec<_>>();
        let token = envelope.timestamp_token().filter(|_| !anchors.is_empty())?;
        let stamped = timestamp::verify(token, envelope.unverified_signature(), &anchors);
        Some(stamped.map(|timestamp| timestamp.chain))
    }
}

/// The certificates of a timestamp, or a note that they cannot be read.
fn of_timestamp(
    certificates: Option<Result<Vec<Certificate>, TimestampError>>,
) -> (Vec<Certificate>, Vec<String>) {
    match certificates {
        None => (Vec::new(), Vec::new()),
        Some(Ok(certificates)) => (certificates, Vec::new()),
        Some(Err(error)) => {
            (Vec::new(), vec![format!("the CRLs of its timestamp are not fetched: {}", with_sources(&error))])
        }
    }
}
