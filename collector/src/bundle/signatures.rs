//! Carries the signatures of manifests: the manifests that refer to them, envelopes, and what those demand.

use std::collections::BTreeSet;

use assay_report::bundle::GapKind;
use assay_verifier::limits;
use assay_verifier::notary;
use assay_verifier::notary::manifest::SignatureManifest;
use assay_verifier::oci::{Descriptor, Digest, Manifest, Repository, media_type};

use super::carrier::{Carrier, lock};
use super::demand::{Demand, LeftOut};
use super::staging::StagingError;
use super::wanted::Wanted;
use crate::errors::with_sources;
use crate::registry::{Fetched, HttpError, ListedBy, Listing, RegistryError};
use crate::report::text::count;

impl Carrier {
    /// Carries every signature of a manifest, and gives their number. If the API lists none, the fallback tag is asked; if a host
    /// lists none or its list cannot be read to the end, the next host is asked. A list without signatures is not believed while
    /// there is another host to ask, and a list that cannot be read is not an empty one.
    pub(super) async fn signatures(
        &self,
        wanted: &Wanted,
        subject: &Descriptor,
        budget: &mut ReferrerBudget,
    ) -> Result<usize, StagingError> {
        let Wanted { repository, .. } = wanted;
        let digest = &subject.digest;
        let mut state = SignatureSearch::default();
        let mut faults = Vec::new();
        let mut fault = None;
        let listers = self.registries.listers(repository).await;
        let listers = listers.unwrap_or_else(|error| {
            fault = Some(error);
            Vec::new()
        });
        let has_mirrors = listers.len() > 1;
        for lister in listers {
            faults.extend(fault.take());
            for listed_by in [ListedBy::Api, ListedBy::FallbackTag] {
                let Listing { entries, fault: broken } =
                    lister.referrers(repository, digest, listed_by).await;
                fault = fault.or(broken);
                self.search(wanted, subject, entries, budget, &mut state).await?;
                if state.has_whole {
                    break;
                }
            }
            if state.has_whole && fault.is_none() {
                break;
            }
        }
        if let Some(error) = fault {
            let is_out_of_reach = matches!(error, RegistryError::Http(HttpError::Unreachable { .. }));
            faults.push(error);
            let error = RegistryError::all_failed(faults);
            let mut why = format!(
                "what refers to {digest} cannot be listed, or not all of it: {}",
                with_sources(&error)
            );
            if has_mirrors && is_out_of_reach {
                why += "; if only mirrors can be reached from here, name one as server in hosts.toml, so that its listing counts";
            }
            self.gap(GapKind::Listing, wanted.title(), why);
        }
        if state.unread > 0 {
            let why = format!(
                "{} of what refers to {digest} left unread, which may be signatures: at most {} manifests of an image are \
                 read, of at most {} bytes",
                count(state.unread, "manifest"),
                limits::REFERRERS_PER_IMAGE,
                limits::REFERRER_BYTES_PER_IMAGE
            );
            self.gap(GapKind::Listing, wanted.title(), why);
        }
        if state.beyond > 0 {
            let why = format!(
                "{digest} has {} more than the {} that a verifier tries",
                count(state.beyond, "signature"),
                limits::SIGNATURES_PER_IMAGE
            );
            self.gap(GapKind::Signature, wanted.title(), why);
        }
        Ok(state.carried)
    }

    /// Reads what is listed in search of signatures. No type that a listing gives is believed, in neither direction.
    async fn search(
        &self,
        wanted: &Wanted,
        subject: &Descriptor,
        mut entries: Vec<Descriptor>,
        budget: &mut ReferrerBudget,
        state: &mut SignatureSearch,
    ) -> Result<(), StagingError> {
        // what the budget leaves unread is what is least likely to be one
        entries.sort_by_key(|entry| match entry.artifact_type.as_deref() {
            Some(notary::media_type::SIGNATURE) => 0,
            None | Some("" | media_type::OCI_EMPTY) => 1,
            Some(_) => 2,
        });
        for entry in &entries {
            if !state.seen.insert((entry.digest.clone(), entry.size)) {
                continue;
            }
            if !budget.spend(entry.size) {
                state.unread += 1;
                continue;
            }
            match self.signature(wanted, subject, entry, state).await {
                Ok(()) => {}
                Err(Trouble::Registry(error)) => {
                    let digest = &entry.digest;
                    let why = if says_signature(entry) {
                        format!("the signature {digest}: {}", with_sources(&error))
                    } else {
                        format!("{digest}, which may be a signature: {}", with_sources(&error))
                    };
                    self.gap(GapKind::Signature, wanted.title(), why);
                }
                Err(Trouble::Staging(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Carries what a listing names, with its envelope and config, if it is a signature of this subject.
    async fn signature(
        &self,
        wanted: &Wanted,
        subject: &Descriptor,
        entry: &Descriptor,
        state: &mut SignatureSearch,
    ) -> Result<(), Trouble> {
        let repository = &wanted.repository;
        let fetched = match self.referrer(repository, entry).await? {
            Ok(fetched) => fetched,
            Err(why) if says_signature(entry) => {
                let why = format!("the signature {}: {why}, and no verifier reads it", entry.digest);
                self.leave_out(GapKind::Signature, wanted.title(), why);
                return Ok(());
            }
            Err(why) => {
                self.note(format!("{}: {}: {why}", wanted.title(), entry.digest));
                return Ok(());
            }
        };
        let signature = match SignatureManifest::read(&fetched.descriptor.media_type, &fetched.manifest) {
            Ok(Some(signature)) if signature.subject.digest == subject.digest => Some(signature),
            // the agent says what is wrong with it
            Err(error) if error.subject.digest == subject.digest => None,
            Ok(_) | Err(_) => {
                // a later run need not ask for it; the bundle does not get it
                self.staging.add_blob(&entry.digest, &fetched.bytes)?;
                return Ok(());
            }
        };
        if state.carried == limits::SIGNATURES_PER_IMAGE {
            state.beyond += 1;
            return Ok(());
        }
        if let Some(signature) = &signature {
            let envelope = &signature.envelope;
            let limit = u64::try_from(limits::ENVELOPE_BYTES).unwrap_or(u64::MAX);
            if envelope.size > limit {
                let why = format!(
                    "the envelope of the signature {} has more than {limit} bytes, and no verifier reads it",
                    entry.digest
                );
                self.leave_out(GapKind::Signature, wanted.title(), why);
                return Ok(());
            }
            let bytes = self.blob(repository, envelope, limit).await?;
            if let Some(config) = &fetched.manifest.config
                && config.size <= CONFIG_BYTES
            {
                // other tools copy a signature only with its config
                let empty = (config.digest == Digest::sha256(EMPTY)).then(|| EMPTY.to_vec());
                let config_bytes = match empty {
                    Some(empty) => empty,
                    None => self.blob(repository, config, CONFIG_BYTES).await?,
                };
                self.keep(&config.digest, &config_bytes)?;
            }
            self.keep(&envelope.digest, &bytes)?;
            state.has_whole = true;
            if self.crls {
                let demand = Demand::of_envelope(
                    self.trusting.as_ref(),
                    repository,
                    subject,
                    &envelope.media_type,
                    &bytes,
                );
                self.demand(wanted, &entry.digest, demand);
            }
        }
        self.keep(&entry.digest, &fetched.bytes)?;
        self.content().entries.push(fetched.descriptor);
        state.carried += 1;
        Ok(())
    }

    /// What a listing names, from an earlier run if that left it, or why it is not a manifest. It is of the type that it gives
    /// itself, else of the one that the listing or the registry gives it.
    async fn referrer(
        &self,
        repository: &Repository,
        entry: &Descriptor,
    ) -> Result<Result<Fetched, String>, RegistryError> {
        let (content_type, bytes) = match self.staging.blob(&entry.digest) {
            Some(bytes) if bytes.len() as u64 == entry.size => (String::new(), bytes),
            _ => self.registries.referrer(repository, entry).await?,
        };
        let manifest = match Manifest::parse(&bytes) {
            Ok(manifest) => manifest,
            Err(error) => return Ok(Err(with_sources(&error))),
        };
        let own = manifest.media_type.as_deref().filter(|own| !own.is_empty());
        let types = own.map_or_else(|| vec![&*entry.media_type, &*content_type], |own| vec![own]);
        let known = types.iter().find_map(|one| media_type::known_manifest(one));
        let Some(known) = known else {
            return Ok(Err(format!("it is of the type {:?}", types.join(" or "))));
        };
        let descriptor = Descriptor::new(known, entry.digest.clone(), entry.size);
        Ok(Ok(Fetched { descriptor, bytes, manifest }))
    }

    pub(super) async fn blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        limit: u64,
    ) -> Result<Vec<u8>, RegistryError> {
        match self.staging.blob(&blob.digest) {
            Some(bytes) if bytes.len() as u64 == blob.size && blob.size <= limit => Ok(bytes),
            _ => self.registries.blob(repository, blob, limit).await,
        }
    }

    /// Notes which CRLs a signature demands.
    fn demand(&self, wanted: &Wanted, signature: &Digest, demand: Demand) {
        let Demand { urls, left_out, notes } = demand;
        let whose = format!("the signature {signature} of {}", wanted.title());
        for note in notes {
            self.note(format!("{whose}: {note}"));
        }
        match left_out {
            None => {}
            Some(LeftOut::Unverified(why)) => self.gap(GapKind::Crl, &whose, why),
            Some(LeftOut::Untrusted(why)) => self.leave_out(GapKind::Crl, &whose, why),
        }
        let mut known = lock(&self.urls);
        for url in urls {
            // the same one is named in every run
            let first = known.entry(url).or_insert_with(|| whose.clone());
            if whose < *first {
                first.clone_from(&whose);
            }
        }
    }
}

/// What may still be read of what refers to an image.
pub(super) struct ReferrerBudget {
    manifests: usize,
    bytes: u64,
}

impl Default for ReferrerBudget {
    fn default() -> Self {
        Self { manifests: limits::REFERRERS_PER_IMAGE, bytes: limits::REFERRER_BYTES_PER_IMAGE }
    }
}

impl ReferrerBudget {
    /// Whether a manifest of that size may be read as well.
    fn spend(&mut self, size: u64) -> bool {
        let left = (self.manifests.checked_sub(1), self.bytes.checked_sub(size));
        let (Some(manifests), Some(bytes)) = left else { return false };
        if size > limits::MANIFEST_BYTES {
            return false;
        }
        *self = Self { manifests, bytes };
        true
    }
}

/// What was found of a manifest's signatures.
#[derive(Default)]
struct SignatureSearch {
    /// Digest and size of what was looked at: several places list the same.
    seen: BTreeSet<(Digest, u64)>,
    /// Signatures that are in the bundle.
    carried: usize,
    /// Whether one of them has an envelope.
    has_whole: bool,
    /// Signatures beyond those that a verifier tries.
    beyond: usize,
    /// What the budget left unread.
    unread: usize,
}

/// Why a signature is not in the bundle.
enum Trouble {
    Registry(RegistryError),
    Staging(StagingError),
}

impl From<RegistryError> for Trouble {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

impl From<StagingError> for Trouble {
    fn from(error: StagingError) -> Self {
        Self::Staging(error)
    }
}

/// Whether a listing calls it a signature.
fn says_signature(entry: &Descriptor) -> bool {
    entry.artifact_type.as_deref() == Some(notary::media_type::SIGNATURE)
}

/// Bytes of a signature manifest's config: it is the empty object.
const CONFIG_BYTES: u64 = 64 << 10;

/// The config of every signature.
const EMPTY: &[u8] = b"{}";
