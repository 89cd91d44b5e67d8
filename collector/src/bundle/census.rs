//! Tells which entries of a layout are images, with and without a name, and which only belong to images.
//! [`assay_verifier::oci::census`] decides, as on nodes.

use std::collections::{BTreeMap, BTreeSet};

use assay_verifier::oci::census::{self, Census, Nature, Unnamed};
use assay_verifier::oci::{Descriptor, Digest, Manifest, companion_tag};
use serde::Serialize;

use super::opened::{OpenError, Opened};
use super::signature_graph::is_signature;

/// A manifest of a layout that belongs to an image and is not one itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Companion {
    /// The name that it is listed under; null if it has none.
    pub name: Option<String>,
    /// Its digest.
    pub digest: Digest,
    /// What it is: the most telling of its types.
    pub kind: String,
    /// The digest of what it belongs to; null if it does not tell.
    pub subject: Option<Digest>,
}

/// What a layout lists.
pub(super) struct LayoutCensus<'o> {
    opened: &'o Opened,
    census: Census,
    indexes: BTreeMap<Digest, Vec<Descriptor>>,
    signatures: BTreeSet<Digest>,
    named: BTreeSet<(&'o Digest, &'o str, u64)>,
    /// What the entries are that do not belong to another one, with their names.
    entries: Vec<(Option<&'o str>, &'o Descriptor, Unnamed)>,
    companions: BTreeSet<&'o Digest>,
}

impl<'o> LayoutCensus<'o> {
    /// Looks at every manifest of a layout, and shows each to `look`.
    ///
    /// # Errors
    /// As [`Opened::each_manifest`].
    pub(super) fn take(
        opened: &'o Opened,
        mut look: impl FnMut(&Descriptor, &Manifest),
    ) -> Result<Self, OpenError> {
        let named = opened.entries().iter().filter(|entry| census::name(entry).is_some()).map(target);
        let (census, named) = (Census::default(), named.collect());
        let (indexes, signatures) = (BTreeMap::new(), BTreeSet::new());
        let (entries, companions) = (Vec::new(), BTreeSet::new());
        let mut listed = Self { opened, census, indexes, signatures, named, entries, companions };
        opened.each_manifest(|descriptor, manifest| -> Result<(), OpenError> {
            let digest = &descriptor.digest;
            let nature = listed.census.add(digest, &manifest, &mut reader(opened));
            if nature != Nature::Image && is_signature(descriptor, &manifest) {
                listed.signatures.insert(digest.clone());
            }
            if !manifest.manifests.is_empty() {
                let entries = manifest.manifests.iter();
                let entries = entries
                    .map(|entry| Descriptor::new(&entry.media_type, entry.digest.clone(), entry.size))
                    .collect();
                listed.indexes.insert(digest.clone(), entries);
            }
            look(descriptor, &manifest);
            Ok(())
        })?;
        for (index, entries) in &listed.indexes {
            listed.census.add_listing(index, entries.iter().map(|entry| &entry.digest));
        }
        listed.sort_entries();
        Ok(listed)
    }

    /// The entries of `index.json` that are `what`, with their names.
    fn entries(&self, what: Unnamed) -> impl Iterator<Item = (Option<&'o str>, &'o Descriptor)> {
        let entries = self.entries.iter().filter(move |(.., is)| *is == what);
        entries.map(|(name, entry, _)| (*name, *entry))
    }

    /// The images by name; by digest if they have none.
    pub(super) fn images(&self) -> impl Iterator<Item = (String, &'o Descriptor)> {
        self.entries(Unnamed::Image)
            .map(|(name, entry)| (name.map_or_else(|| entry.digest.to_string(), str::to_owned), entry))
    }

    /// What belongs to images, sorted.
    pub(super) fn companions(&self) -> Vec<Companion> {
        let images: BTreeMap<Option<&str>, &Digest> =
            self.entries(Unnamed::Image).map(|(name, entry)| (name, &entry.digest)).collect();
        let companion = |(name, entry): (Option<&str>, &Descriptor)| {
            let manifest = self.opened.manifest(&entry.digest).ok().flatten().unwrap_or_default();
            let of_name = || companion_tag(name?)?.subject;
            let beside = || images.get(&Some(name?)).map(|digest| (*digest).clone());
            let subject = census::subject(&manifest, &mut reader(self.opened));
            Companion {
                name: name.map(str::to_owned),
                digest: entry.digest.clone(),
                kind: census::kind(&entry.media_type, &manifest).to_owned(),
                subject: subject.or_else(of_name).or_else(beside),
            }
        };
        let companions: BTreeSet<Companion> = self.entries(Unnamed::Companion).map(companion).collect();
        companions.into_iter().collect()
    }

    /// Entries without a name that may be images or not, sorted.
    pub(super) fn unknown(&self) -> Vec<Digest> {
        let unknown: BTreeSet<&Digest> =
            self.entries(Unnamed::Missing).map(|(_, entry)| &entry.digest).collect();
        unknown.into_iter().cloned().collect()
    }

    /// Whether a manifest only belongs to an image, under every name that it has.
    pub(super) fn is_companion(&self, digest: &Digest, manifest: &Manifest) -> bool {
        let is_one = manifest.subject.is_some() && self.census.nature(digest) != Nature::Image;
        is_one || self.companions.contains(digest)
    }

    fn sort_entries(&mut self) {
        let entries = self.opened.entries();
        let named = entries.iter().filter_map(|entry| Some((census::name(entry)?, entry)));
        let named = named.map(|(name, entry)| {
            let nature = self.census.nature(&entry.digest);
            let is_companion = nature.is_companion(Some(name), census::is_marked(entry));
            (Some(name), entry, if is_companion { Unnamed::Companion } else { Unnamed::Image })
        });
        let unnamed = census::unnamed(entries, self).into_iter().map(|(entry, what)| (None, entry, what));
        self.entries = named.chain(unnamed).collect();
        self.companions = self.entries(Unnamed::Companion).map(|(_, entry)| &entry.digest).collect();
        for (_, image) in self.entries(Unnamed::Image).collect::<Vec<_>>() {
            self.companions.remove(&image.digest);
        }
    }
}

impl census::Layout for LayoutCensus<'_> {
    fn is_named(&self, entry: &Descriptor) -> bool {
        self.named.contains(&target(entry))
    }

    fn listed_by(&self, digest: &Digest) -> &[Descriptor] {
        self.indexes.get(digest).map_or(&[], Vec::as_slice)
    }

    fn nature(&self, digest: &Digest) -> Nature {
        self.census.nature(digest)
    }

    fn is_signature(&self, digest: &Digest) -> bool {
        self.signatures.contains(digest)
    }

    fn has(&self, digest: &Digest) -> bool {
        self.opened.has(digest)
    }

    fn may_be_manifest(&self, entry: &Descriptor) -> bool {
        self.opened.may_be_manifest(&entry.digest)
    }

    fn is_bundle(&self) -> bool {
        self.opened.document().is_some()
    }
}

fn target(entry: &Descriptor) -> (&Digest, &str, u64) {
    (&entry.digest, &entry.media_type, entry.size)
}

/// Reads blobs whole, as a census wants them.
fn reader(opened: &Opened) -> impl FnMut(&Descriptor, u64) -> Option<Vec<u8>> {
    |blob, limit| opened.blob(&blob.digest, limit).ok().flatten()
}
