//! Finds signatures in stores and bundles, by the digest of what they claim to sign.
//!
//! A layout is walked from its `index.json` through every index in it, which covers listings under a fallback tag (OCI distribution
//! specification, "Referrers Tag Schema"). A containerd store does not record what a blob is, so small blobs are looked into. A
//! manifest is believed if its bytes are those that its descriptor names. One bad manifest never hides another.

use std::collections::{BTreeMap, HashMap, HashSet};

use assay_report::{Namespace, Reason, Unreadable};
use assay_verifier::codes::Code;
use assay_verifier::json;
use assay_verifier::limits;
use assay_verifier::notary::manifest::SignatureManifest;
use assay_verifier::oci::census::{self, Census, Nature};
use assay_verifier::oci::{
    CompanionTag, Descriptor, Digest, Manifest, ManifestError, ManifestKind, companion_tag, media_type,
};

use crate::graph::{GraphLimit, Walk};
use crate::sources::{Origin, Sources};
use crate::store::{BlobError, Manifests, Record, Store, StoredBlob, fetch, read_unchecked};

/// A manifest that claims to be a signature of its subject.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub origin: Origin,
    /// The namespace that its blobs are in.
    pub namespace: Option<Namespace>,
    pub digest: Digest,
    pub subject: Descriptor,
    /// The envelope, or why the manifest does not lead to one.
    pub envelope: Result<Descriptor, ManifestFlaw>,
}

/// What is wrong with a signature manifest.
#[derive(Clone, Debug)]
pub struct ManifestFlaw {
    pub(crate) code: Code,
    pub message: String,
}

/// Something that refers to an image and is not a signature of the Notary Project. The first in this order is shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum OtherReferrer {
    /// A signature of another kind, by its type or tag.
    Signature(String),
    /// Something else, by its type.
    Artifact(String),
}

/// Letters of a type that are shown: real types have under 70.
const KIND_LETTERS: usize = 100;

impl OtherReferrer {
    fn new(manifest: &Manifest, media_type: &str) -> Self {
        let kind = shown(census::kind(media_type, manifest));
        if ["cosign", "sigstore", "signature"].iter().any(|word| kind.contains(word)) {
            Self::Signature(kind)
        } else {
            Self::Artifact(kind)
        }
    }
}

/// A type or a tag as it is shown.
fn shown(kind: &str) -> String {
    kind.chars().filter(char::is_ascii_graphic).take(KIND_LETTERS).collect()
}

/// An entry of an index: the index is the parent of the manifest.
#[derive(Clone, Copy, Debug)]
struct Parent {
    /// The place of the index in [`Signatures::indexes`].
    index: usize,
    /// The place of the entry in the index.
    entry: usize,
}

/// An index whose bytes match its descriptor.
#[derive(Debug)]
struct ReadIndex {
    descriptor: Descriptor,
    listed: Vec<Descriptor>,
}

/// A manifest in the store of the images. It may belong to no image.
#[derive(Clone, Debug)]
pub struct StoredManifest {
    pub namespace: Option<Namespace>,
    pub digest: Digest,
    /// The most telling of its types.
    pub kind: String,
    /// What it refers to.
    pub subject: Option<Digest>,
}

/// Digest, media type and size of what candidates claim to sign.
type Subject = (Digest, String, u64);

fn subject(descriptor: &Descriptor) -> Subject {
    (descriptor.digest.clone(), descriptor.media_type.clone(), descriptor.size)
}

/// The candidates for one target, in the order in which they were found.
#[derive(Debug, Default)]
struct Candidates {
    candidates: Vec<Candidate>,
    /// Where each is among them.
    places: HashMap<Digest, usize>,
}

/// Every signature of every source.
#[derive(Debug, Default)]
pub struct Signatures {
    by_subject: BTreeMap<Subject, Candidates>,
    /// Sorted by the digest of what is listed.
    parents: Vec<Parent>,
    /// Signature manifests in each source.
    counts: HashMap<Origin, u64>,
    /// Manifests in the store of the images.
    pub in_store: Vec<StoredManifest>,
    /// What could not be read. A signature may be missing because of it.
    pub unreadable: Vec<Unreadable>,
    /// What is listed as a manifest but does not parse as one.
    pub warnings: Vec<String>,
    /// Manifests that cannot be judged, with the reason and a message: those of the store that differ from their descriptors, and
    /// malformed ones of any source.
    damaged: HashMap<Digest, (Reason, String)>,
    /// Manifests that the store has and that cannot be read.
    unread: HashSet<Digest>,
    /// Which manifests cannot be run and only belong to images.
    census: Census,
    /// By subject, one thing that refers to it and is not a signature of the Notary Project. It is only for messages.
    others: HashMap<Digest, OtherReferrer>,
    indexes: Vec<ReadIndex>,
    /// By digest, the place of the first such index.
    index_of: HashMap<Digest, usize>,
    /// How many of the indexes the store has. They come first.
    own_indexes: usize,
}

impl Signatures {
    /// Looks through all sources.
    pub fn collect(sources: Sources<'_>) -> Self {
        let mut signatures = Self::default();
        for (origin, store) in sources.each() {
            let mut search = Search {
                signatures: &mut signatures,
                store,
                origin,
                name: sources.name(origin),
                graph: Walk::default(),
                mismatched: HashSet::new(),
            };
            match store.manifests() {
                Manifests::Roots(roots) => {
                    if let Err(limit) = search.walk(roots) {
                        search.unreadable(None, limit.to_string());
                    }
                }
                Manifests::Blobs(blobs) => search.scan(&blobs),
            }
            if origin == Origin::Store {
                signatures.own_indexes = signatures.indexes.len();
            }
        }
        for ReadIndex { descriptor, listed } in &signatures.indexes {
            let listed = listed.iter().map(|entry| &entry.digest);
            signatures.census.add_listing(&descriptor.digest, listed);
        }
        sources.each().for_each(|(_, store)| signatures.add_tagged(&store.listing().records));
        let mut parents = std::mem::take(&mut signatures.parents);
        let key = |parent: &Parent| {
            let ReadIndex { descriptor, listed } = signatures.indexes.get(parent.index)?;
            Some((&listed.get(parent.entry)?.digest, &descriptor.digest, &descriptor.media_type))
        };
        parents.sort_by(|one, other| key(one).cmp(&key(other)));
        signatures.parents = parents;
        signatures.unreadable.sort();
        signatures.unreadable.dedup();
        signatures.warnings.sort();
        signatures.warnings.dedup();
        signatures
    }

    /// The manifests that claim to sign exactly this target, in the order of the sources.
    pub(crate) fn candidates(&self, target: &Descriptor) -> &[Candidate] {
        self.by_subject.get(&subject(target)).map_or(&[], |claims| &claims.candidates)
    }

    /// Whether a signature names this target's digest with another media type or size.
    pub(crate) fn misses(&self, target: &Descriptor) -> bool {
        let target = subject(target);
        let of_digest = self.by_subject.range((target.0.clone(), String::new(), 0)..);
        of_digest.take_while(|(other, _)| other.0 == target.0).any(|(other, _)| *other != target)
    }

    /// Something that refers to this target and is not a signature of the Notary Project.
    pub(crate) fn other_referrer(&self, target: &Descriptor) -> Option<&OtherReferrer> {
        self.others.get(&target.digest)
    }

    /// How many signature manifests a source has.
    pub fn count(&self, origin: Origin) -> u64 {
        self.counts.get(&origin).copied().unwrap_or(0)
    }

    /// Every candidate, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Candidate> {
        self.by_subject.values().flat_map(|claims| &claims.candidates)
    }

    /// The indexes that list exactly this target, and those that list such an index, the nearest first. Each index has the digests
    /// of what it lists, so a signature of the outermost covers everything below it.
    pub fn parents_of<'a>(&'a self, target: &'a Descriptor) -> Vec<&'a Descriptor> {
        let mut found: Vec<&Descriptor> = Vec::new();
        let mut known = HashSet::from([(&target.digest, target.media_type.as_str())]);
        let mut nearest = vec![target];
        for _ in 1..limits::INDEX_DEPTH {
            let listing = |child: &&'a Descriptor| {
                let child = *child;
                let first = self.parents.partition_point(|parent| {
                    self.entry(*parent).is_some_and(|entry| entry.digest < child.digest)
                });
                let parents = self.parents.get(first..).unwrap_or_default().iter().copied();
                parents
                    .map_while(move |parent| {
                        let entry = self.entry(parent).filter(|entry| entry.digest == child.digest)?;
                        Some((entry, parent.index))
                    })
                    .filter(move |(entry, _)| entry.same_target(child))
                    .filter_map(|(_, index)| Some(&self.indexes.get(index)?.descriptor))
            };
            let above = nearest.iter().flat_map(listing);
            let above = above.filter(|index| known.insert((&index.digest, index.media_type.as_str())));
            nearest = above.take(limits::PARENT_INDEXES.saturating_sub(found.len())).collect();
            found.extend(&nearest);
        }
        found
    }

    fn entry(&self, parent: Parent) -> Option<&Descriptor> {
        self.indexes.get(parent.index)?.listed.get(parent.entry)
    }

    fn index(&self, digest: &Digest) -> Option<&ReadIndex> {
        self.indexes.get(*self.index_of.get(digest)?)
    }

    /// What is wrong with the image's own manifest, if its bytes were found and differ from what the store says.
    pub(crate) fn damage(&self, target: &Descriptor) -> Option<(Reason, &str)> {
        self.damaged.get(&target.digest).map(|(reason, why)| (*reason, why.as_str()))
    }

    /// What an index lists; nothing if the target is not an index or no source has its bytes.
    pub fn listed_by(&self, target: &Descriptor) -> &[Descriptor] {
        let index = self.index(&target.digest).filter(|index| index.descriptor.same_target(target));
        index.map_or(&[], |index| &index.listed)
    }

    /// Whether a record names something that only belongs to an image: nothing in it can be run.
    pub fn is_companion(&self, record: &Record) -> bool {
        self.census.nature(&record.target.digest).is_companion(Some(&record.name), record.marked)
    }

    /// Whether this is an index that lists nothing but referrers.
    pub fn lists_referrers(&self, index: &Digest) -> bool {
        self.index_of.contains_key(index) && self.census.nature(index) == Nature::Document
    }

    /// What a manifest is by its content.
    pub(crate) fn nature(&self, digest: &Digest) -> Nature {
        self.census.nature(digest)
    }

    /// Whether the store has a manifest that cannot be read.
    pub(crate) fn is_unread(&self, digest: &Digest) -> bool {
        self.unread.contains(digest)
    }

    /// What an index of the store lists. Only its digest is compared.
    pub(crate) fn own_listed_by(&self, digest: &Digest) -> &[Descriptor] {
        let own = self.index_of.get(digest).filter(|index| **index < self.own_indexes);
        own.and_then(|index| self.indexes.get(*index)).map_or(&[], |index| &index.listed)
    }

    /// The signatures of the Notary Project in the store, including those that were altered.
    pub(crate) fn own_signatures(&self) -> HashSet<&Digest> {
        let own = self
            .all()
            .filter(|candidate| candidate.origin == Origin::Store)
            .map(|candidate| &candidate.digest);
        own.filter(|digest| self.damaged.contains_key(*digest) || self.nature(digest) != Nature::Image)
            .collect()
    }

    /// Adds the records that belong to an image according to their tag: `sha256-<hex>.sig`.
    fn add_tagged(&mut self, records: &[Record]) {
        for record in records {
            let tag = companion_tag(&record.name).filter(|tag| !tag.suffix.is_empty());
            if let Some(CompanionTag { subject: Some(subject), suffix }) = tag
                && self.is_companion(record)
            {
                let other = match suffix {
                    "sig" => OtherReferrer::Signature("cosign's, under the tag sha256-….sig".to_owned()),
                    _ => OtherReferrer::Artifact(format!("under the tag sha256-….{}", shown(suffix))),
                };
                self.add_other(subject, other);
            }
        }
    }

    fn add_other(&mut self, subject: Digest, other: OtherReferrer) {
        let known = self.others.entry(subject).or_insert_with(|| other.clone());
        if other < *known {
            *known = other;
        }
    }
}

/// A manifest to visit.
enum Next {
    /// An entry of an index that was taken in.
    Listed(Parent),
    Other(Box<Descriptor>),
}

/// The search through one source.
struct Search<'a, 's> {
    signatures: &'a mut Signatures,
    store: &'s dyn Store,
    origin: Origin,
    /// What reports call the source.
    name: String,
    /// Visited by digest, size and media type, so that a wrong entry does not hide the right one.
    graph: Walk<Next, (Digest, u64, &'static str)>,
    /// Manifests that were read although they differ from their entries.
    mismatched: HashSet<Digest>,
}

impl Search<'_, '_> {
    /// Follows every index from `roots`.
    fn walk(&mut self, roots: &[Descriptor]) -> Result<(), GraphLimit> {
        for root in roots {
            self.graph.add_root(Next::Other(Box::new(root.clone())));
            while let Some((next, depth)) = self.graph.take_next() {
                let descriptor = match next {
                    Next::Listed(parent) => self.signatures.entry(parent).cloned(),
                    Next::Other(descriptor) => Some(*descriptor),
                };
                if let Some(descriptor) = descriptor {
                    self.visit(&descriptor, depth)?;
                }
            }
        }
        Ok(())
    }

    /// Takes in one manifest, and adds what it leads to.
    ///
    /// # Errors
    /// The limit that ends the search.
    fn visit(&mut self, descriptor: &Descriptor, depth: usize) -> Result<(), GraphLimit> {
        let Some(media_type) = media_type::known_manifest(&descriptor.media_type) else { return Ok(()) };
        if !self.graph.visit((descriptor.digest.clone(), descriptor.size, media_type))? {
            return Ok(());
        }
        let Some(manifest) = self.manifest(descriptor) else { return Ok(()) };
        self.graph.count_entries(manifest.manifests.len())?;
        let index = self.take(None, descriptor, &manifest, depth == 1);
        // what a manifest refers to is as reachable as what it holds
        let is_manifest = |next: &Descriptor| media_type::known_manifest(&next.media_type).is_some();
        let other = |next: &Descriptor| Next::Other(Box::new(next.clone()));
        let too_deep = match index {
            None => {
                let next = manifest.successors(media_type).filter(|next| is_manifest(next));
                self.graph.follow(depth, next.map(other))
            }
            Some(index) => {
                let subject = manifest.subject.iter().filter(|_| !media_type::is_docker(media_type));
                let subject = subject.filter(|subject| is_manifest(subject)).map(other);
                let entries = manifest.manifests.iter().enumerate().filter(|(_, next)| is_manifest(next));
                let entries = entries.map(|(entry, _)| Next::Listed(Parent { index, entry }));
                self.graph.follow(depth, subject.chain(entries))
            }
        };
        if let Err(limit) = too_deep {
            self.unreadable(Some(descriptor.digest.as_str()), limit.to_string());
        }
        Ok(())
    }

    /// Reads a manifest of a layout; none if it cannot be used. A signature whose bytes differ from its entry stays a candidate,
    /// which will fail.
    fn manifest(&mut self, descriptor: &Descriptor) -> Option<Manifest> {
        match fetch(self.store, None, descriptor, limits::MANIFEST_BYTES) {
            Ok(bytes) => match Manifest::parse(&bytes) {
                Ok(manifest) => Some(manifest),
                Err(error) => {
                    self.odd(&descriptor.digest, &error.to_string());
                    self.malformed(&descriptor.digest, &error);
                    None
                }
            },
            // layouts may be sparse
            Err(BlobError::Absent) => None,
            Err(BlobError::Mismatch { found }) => {
                self.damaged(descriptor, Reason::ContentMismatch, "is not what its digest and size say");
                // once, even if several entries give it another size
                if !self.mismatched.insert(descriptor.digest.clone()) {
                    return None;
                }
                let bytes = read_unchecked(self.store, None, &descriptor.digest, limits::MANIFEST_BYTES);
                let manifest = Manifest::parse(&bytes.ok()?).ok()?;
                if SignatureManifest::read(&descriptor.media_type, &manifest) != Ok(None) {
                    let message = format!(
                        "the signature manifest {} of {} bytes is {found}",
                        descriptor.digest, descriptor.size
                    );
                    self.flawed(None, &descriptor.digest, manifest.subject?, message);
                }
                None
            }
            Err(error @ BlobError::TooLarge { .. }) => {
                self.odd(&descriptor.digest, &error.to_string());
                None
            }
            Err(error) => {
                self.unreadable(Some(descriptor.digest.as_str()), error.to_string());
                if self.origin == Origin::Store {
                    self.signatures.unread.insert(descriptor.digest.clone());
                }
                None
            }
        }
    }

    /// Looks into every blob that may be a manifest.
    fn scan(&mut self, blobs: &[StoredBlob<'_>]) {
        for blob in blobs {
            let limit = if blob.refers { limits::MANIFEST_BYTES } else { limits::SCANNED_BLOB_BYTES };
            if blob.size > limit {
                continue;
            }
            let bytes = match read_unchecked(self.store, Some(blob.namespace), blob.digest, limit) {
                Ok(bytes) => bytes,
                Err(BlobError::Absent) => continue,
                // a blob that belongs to no image may be removed at any time; if it belongs to one, its absence is found there
                Err(_) if !self.store.still_has(Some(blob.namespace), blob.digest) => continue,
                Err(error) => {
                    let what = format!("{}: {}", blob.namespace, blob.digest);
                    self.unreadable(Some(&what), error.to_string());
                    continue;
                }
            };
            let (media_type, manifest) = match sniff(&bytes) {
                Ok(Some(found)) => found,
                Ok(None) => continue,
                Err(error) => {
                    if blob.digest.matches(&bytes) {
                        self.malformed(blob.digest, &error);
                    }
                    continue;
                }
            };
            let descriptor = Descriptor::new(media_type, blob.digest.clone(), blob.size);
            if blob.digest.matches(&bytes) {
                self.take(Some(blob.namespace), &descriptor, &manifest, true);
            } else if SignatureManifest::read(&descriptor.media_type, &manifest) != Ok(None)
                && let Some(subject) = manifest.subject
            {
                let message = format!("the signature manifest {} is altered", blob.digest);
                self.flawed(Some(blob.namespace), blob.digest, subject, message);
            }
        }
    }

    /// Takes in a manifest whose bytes match its descriptor. `listed` says that the store itself lists it, and not only another
    /// manifest. Gives the place of an index in [`Signatures::indexes`].
    fn take(
        &mut self,
        namespace: Option<&Namespace>,
        descriptor: &Descriptor,
        manifest: &Manifest,
        listed: bool,
    ) -> Option<usize> {
        let digest = &descriptor.digest;
        if self.origin == Origin::Store && listed {
            self.signatures.in_store.push(StoredManifest {
                namespace: namespace.cloned(),
                digest: digest.clone(),
                kind: census::kind(&descriptor.media_type, manifest).to_owned(),
                subject: manifest.subject.as_ref().map(|subject| subject.digest.clone()),
            });
        }
        let read = &mut reader(self.store, namespace);
        let nature = self.signatures.census.add(digest, manifest, read);
        if ManifestKind::from_media_type(&descriptor.media_type) == Some(ManifestKind::Index) {
            return Some(self.index(descriptor, manifest));
        }
        match SignatureManifest::read(&descriptor.media_type, manifest) {
            Ok(None) => {
                let subject = match nature {
                    Nature::Image => manifest.subject.as_ref().map(|subject| subject.digest.clone()),
                    _ => census::subject(manifest, read),
                };
                if let Some(subject) = subject {
                    let other = OtherReferrer::new(manifest, &descriptor.media_type);
                    self.signatures.add_other(subject, other);
                }
            }
            Ok(Some(SignatureManifest { subject, envelope })) => {
                self.candidate(namespace, digest, subject, Ok(envelope));
            }
            Err(error) => {
                let flaw = ManifestFlaw { code: error.code(), message: error.to_string() };
                self.candidate(namespace, digest, *error.subject, Err(flaw));
            }
        }
        None
    }

    fn index(&mut self, descriptor: &Descriptor, manifest: &Manifest) -> usize {
        let listed = manifest.manifests.iter().map(|child| Descriptor {
            platform: child.platform.clone(),
            ..Descriptor::new(&child.media_type, child.digest.clone(), child.size)
        });
        let listed: Vec<Descriptor> = listed.collect();
        let Signatures { indexes, index_of, parents, .. } = &mut *self.signatures;
        let index = indexes.len();
        parents.extend((0..listed.len()).map(|entry| Parent { index, entry }));
        let descriptor = Descriptor::new(&descriptor.media_type, descriptor.digest.clone(), descriptor.size);
        index_of.entry(descriptor.digest.clone()).or_insert(index);
        indexes.push(ReadIndex { descriptor, listed });
        index
    }

    fn flawed(
        &mut self,
        namespace: Option<&Namespace>,
        digest: &Digest,
        subject: Descriptor,
        message: String,
    ) {
        self.candidate(
            namespace,
            digest,
            subject,
            Err(ManifestFlaw { code: Code::SignatureManifest, message }),
        );
    }

    fn candidate(
        &mut self,
        namespace: Option<&Namespace>,
        digest: &Digest,
        subject: Descriptor,
        envelope: Result<Descriptor, ManifestFlaw>,
    ) {
        *self.signatures.counts.entry(self.origin).or_default() += 1;
        let Candidates { candidates, places } =
            self.signatures.by_subject.entry(self::subject(&subject)).or_default();
        let place = *places.entry(digest.clone()).or_insert(candidates.len());
        // the same signature in two sources or namespaces counts once, and a sound manifest replaces a flawed one
        match candidates.get_mut(place) {
            Some(known) if known.envelope.is_ok() || envelope.is_err() => {}
            Some(known) => {
                (known.origin, known.namespace, known.envelope) = (self.origin, namespace.cloned(), envelope);
            }
            None => candidates.push(Candidate {
                origin: self.origin,
                namespace: namespace.cloned(),
                digest: digest.clone(),
                subject,
                envelope,
            }),
        }
    }

    /// Notes a malformed manifest whose bytes match its digest. It cannot be judged in any source.
    fn malformed(&mut self, digest: &Digest, error: &ManifestError) {
        let message = format!("the manifest {digest} {error}");
        self.signatures.damaged.insert(digest.clone(), (Reason::Unreadable, message));
    }

    fn damaged(&mut self, descriptor: &Descriptor, reason: Reason, why: &str) {
        if self.origin == Origin::Store {
            let message = format!("the manifest {} {why}", descriptor.digest);
            self.signatures.damaged.insert(descriptor.digest.clone(), (reason, message));
        }
    }

    fn odd(&mut self, digest: &Digest, why: &str) {
        self.signatures.warnings.push(format!("{}: {digest}: {why}", self.name));
    }

    /// Notes what of the source cannot be read, or that the source itself cannot be.
    fn unreadable(&mut self, what: Option<&str>, why: String) {
        let name = &self.name;
        let what = what.map_or_else(|| name.clone(), |what| format!("{name}: {what}"));
        self.signatures.unreadable.push(Unreadable { what, why });
    }
}

/// Reads bytes of unknown type as a manifest, and gives its media type too; none if they are not a manifest.
///
/// # Errors
/// [`ManifestError`] if other readers would read another manifest, or none.
pub fn sniff(bytes: &[u8]) -> Result<Option<(String, Manifest)>, ManifestError> {
    if !json::is_object(bytes) {
        return Ok(None);
    }
    let manifest = match Manifest::parse(bytes) {
        Ok(manifest) => manifest,
        Err(error) => return if error.is_ambiguous() { Err(error) } else { Ok(None) },
    };
    let media_type = match &manifest.media_type {
        Some(media_type) => media_type.clone(),
        None if manifest.config.is_some() => media_type::OCI_MANIFEST.to_owned(),
        None if !manifest.manifests.is_empty() => media_type::OCI_INDEX.to_owned(),
        None => return Ok(None),
    };
    Ok(ManifestKind::from_media_type(&media_type).map(|_| (media_type, manifest)))
}

/// Reads whole blobs of one namespace for a census.
pub(crate) fn reader<'s>(
    store: &'s dyn Store,
    namespace: Option<&'s Namespace>,
) -> impl FnMut(&Descriptor, u64) -> Option<Vec<u8>> + 's {
    move |blob, limit| fetch(store, namespace, blob, limit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn does_not_take_other_json_for_a_manifest() {
        for bytes in [
            &br#"{"architecture":"amd64","os":"linux","config":{"Env":[]},"rootfs":{"type":"layers"}}"#[..],
            b"{}",
            b"[]",
            b"\x1f\x8b",
            b"",
        ] {
            assert_eq!(sniff(bytes), Ok(None));
        }
        let index =
            format!(r#"{{"manifests":[{{"mediaType":"m","digest":"{}","size":1}}]}}"#, Digest::sha256(b""));
        assert_eq!(sniff(index.as_bytes()).unwrap().unwrap().0, media_type::OCI_INDEX);
    }
}
