//! Tells apart what a store lists: images with and without a name, and what only belongs to images. The decision itself is made by
//! [`assay_verifier::oci::census`].

use std::collections::{HashMap, HashSet};

use assay_report::{Companion, ImageId, Namespace, Unlisted, Unreadable};
use assay_verifier::limits;
use assay_verifier::oci::census::{self, Nature, Unnamed};
use assay_verifier::oci::{Descriptor, Digest, Manifest, companion_tag};

use crate::signatures::{Signatures, reader};
use crate::store::{Manifests, Record, Store, fetch, may_be_manifest};

/// What a store lists in addition to the images that have a name.
#[derive(Debug, Default)]
pub struct Population {
    /// Images without a name; their digests serve as names.
    pub unnamed: Vec<Record>,
    /// What belongs to images, sorted.
    pub companions: Vec<Companion>,
    /// Entries that are not manifests.
    pub blobs: Vec<Unlisted>,
    /// Entries of which it is not known what they are.
    pub unreadable: Vec<Unreadable>,
}

impl Population {
    /// Looks at what `store` lists. It is the store that `signatures` were collected from.
    pub fn new(store: &dyn Store, signatures: &Signatures) -> Self {
        let listing = store.listing();
        let mut population = Self::default();
        let companions = listing.records.iter().filter(|record| signatures.is_companion(record));
        let companions: Vec<&Record> = companions.collect();
        let mut images: HashMap<(&Option<Namespace>, &str), &Digest> = HashMap::new();
        if !companions.is_empty() {
            let named = listing.records.iter().filter(|record| !signatures.is_companion(record));
            images.extend(named.map(|one| ((&one.namespace, &*one.name), &one.target.digest)));
        }
        for record in companions {
            let mut companion =
                described(store, record.namespace.as_ref(), Some(&record.name), &record.target);
            let of_name = || companion_tag(&record.name).and_then(|tag| tag.subject);
            let beside = || images.get(&(&record.namespace, &*record.name)).map(|digest| (*digest).clone());
            companion.subject = companion.subject.or_else(of_name).or_else(beside);
            population.companions.push(companion);
        }
        let named =
            listing.records.iter().map(|one| ImageId::new(one.namespace.as_ref(), &one.target)).collect();
        let layout = LayoutFacts { store, signatures, named, signed: signatures.own_signatures() };
        match store.manifests() {
            Manifests::Roots(roots) => {
                for (entry, what) in census::unnamed(roots, &layout) {
                    population.add(&layout, entry, what);
                }
            }
            Manifests::Blobs(_) => population.add_referrers(&layout),
        }
        population.companions.sort();
        population
    }

    fn add(&mut self, layout: &LayoutFacts<'_>, entry: &Descriptor, what: Unnamed) {
        let image = || Record {
            namespace: None,
            name: entry.digest.to_string(),
            target: Descriptor::new(&entry.media_type, entry.digest.clone(), entry.size),
            marked: false,
        };
        match what {
            Unnamed::Image => self.unnamed.push(image()),
            // what is signed under this very descriptor is an image, whether it is here or not
            Unnamed::Missing if !layout.signatures.candidates(entry).is_empty() => self.unnamed.push(image()),
            // it is already reported that it cannot be read
            Unnamed::Missing if layout.signatures.is_unread(&entry.digest) => {}
            Unnamed::Missing => self.unreadable.push(Unreadable {
                what: format!("index.json: {}", entry.digest),
                why: "the entry has no name and its manifest is missing, so it may be an image".to_owned(),
            }),
            Unnamed::Companion => self.companions.push(described(layout.store, None, None, entry)),
            Unnamed::Signature => {}
            Unnamed::Blob => self.blobs.push(Unlisted {
                namespace: None,
                kind: "blob".to_owned(),
                id: entry.digest.to_string(),
                name: Some(entry.media_type.clone()).filter(|name| !name.is_empty()),
            }),
        }
    }

    /// Adds what a content store holds without a name and what refers to an image.
    fn add_referrers(&mut self, layout: &LayoutFacts<'_>) {
        let named: HashSet<(Option<&Namespace>, &Digest)> =
            layout.named.iter().map(|target| (target.namespace, target.digest)).collect();
        let referrers = layout.signatures.in_store.iter().filter(|found| {
            found.subject.is_some()
                && layout.signatures.nature(&found.digest) == Nature::Attached
                && !layout.signed.contains(&found.digest)
                && !named.contains(&(found.namespace.as_ref(), &found.digest))
        });
        self.companions.extend(referrers.map(|found| Companion {
            namespace: found.namespace.clone(),
            name: None,
            digest: found.digest.clone(),
            kind: found.kind.clone(),
            subject: found.subject.clone(),
        }));
    }
}

/// Describes a companion by its manifest.
fn described(
    store: &dyn Store,
    namespace: Option<&Namespace>,
    name: Option<&str>,
    target: &Descriptor,
) -> Companion {
    let bytes = fetch(store, namespace, target, limits::MANIFEST_BYTES).ok();
    let manifest = bytes.and_then(|bytes| Manifest::parse(&bytes).ok()).unwrap_or_default();
    Companion {
        namespace: namespace.cloned(),
        name: name.map(str::to_owned),
        digest: target.digest.clone(),
        kind: census::kind(&target.media_type, &manifest).to_owned(),
        subject: census::subject(&manifest, &mut reader(store, namespace)),
    }
}

/// What is known of a store that is a layout.
struct LayoutFacts<'s> {
    store: &'s dyn Store,
    signatures: &'s Signatures,
    named: HashSet<ImageId<'s>>,
    signed: HashSet<&'s Digest>,
}

impl census::Layout for LayoutFacts<'_> {
    fn is_named(&self, entry: &Descriptor) -> bool {
        self.named.contains(&ImageId::new(None, entry))
    }

    fn listed_by(&self, digest: &Digest) -> &[Descriptor] {
        self.signatures.own_listed_by(digest)
    }

    fn nature(&self, digest: &Digest) -> Nature {
        self.signatures.nature(digest)
    }

    fn is_signature(&self, digest: &Digest) -> bool {
        self.signed.contains(digest)
    }

    fn has(&self, digest: &Digest) -> bool {
        self.store.has(None, digest) && !self.signatures.is_unread(digest)
    }

    fn may_be_manifest(&self, entry: &Descriptor) -> bool {
        may_be_manifest(self.store, None, &entry.digest)
    }

    fn is_bundle(&self) -> bool {
        self.store.is_bundle()
    }
}
