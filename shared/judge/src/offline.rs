//! Judges images by their signatures without the node that has them: before the bundles travel (`assay bundle check`), long after
//! (`assay evidence check`), and before an image is pulled.
//!
//! Images are given by name and descriptor. A node's report carries the signatures that only its store had. The trust directory and
//! the bundles are read as on a node, and the same code judges, so that each verdict is the one that the agent gives with
//! `--content none`.

use std::collections::{BTreeMap, BTreeSet};

use assay_report::{self as report, CarriedBlob, Namespace, Via};
use assay_verifier::oci::{Descriptor, Digest};
use assay_verifier::time::UnixTime;

use crate::bundle::Bundles;
use crate::image::{self, Image, is_attestation};
use crate::judge::Judge;
use crate::judgement::{CheckedContent, Judged};
use crate::population::Population;
use crate::signatures::Signatures;
use crate::sources::Sources;
use crate::store::layout::Layout;
use crate::store::{Blob, BlobContent, BlobError, Listing, Manifests, Record, Store};
use crate::trust::Trust;

impl Bundles {
    /// Judges images as of `at`, in parallel. `carried` is what the store that listed them had and the bundles do not have.
    pub fn judge(
        &self,
        trust: &Trust,
        at: UnixTime,
        accept: &BTreeSet<Via>,
        images: Vec<Record>,
        carried: &[CarriedBlob],
    ) -> Vec<report::Image> {
        self.judge_listed(&Carried::new(images, carried), trust, at, accept)
    }

    /// Judges the images that `store` lists, without reading their content.
    pub fn judge_listed(
        &self,
        store: &dyn Store,
        trust: &Trust,
        at: UnixTime,
        accept: &BTreeSet<Via>,
    ) -> Vec<report::Image> {
        let sources = Sources::new(store, self);
        let signatures = Signatures::collect(sources);
        // the list has images only; signatures were told apart when it was made
        let mut images: Vec<Image> = image::group(&store.listing().records).into_values().collect();
        images.iter_mut().for_each(Image::sort);
        let judge = Judge { trust, at, accept, lock: &self.lock, sources, signatures: &signatures };
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        let report = |judged: Judged| {
            let mut image = judged.with_content(CheckedContent::default()).into_report();
            image.bound();
            image
        };
        judge.judge_all(images, jobs).into_iter().map(report).collect()
    }

    /// What each of these indexes lists except attestations; nothing if its bytes are neither in a bundle nor carried.
    pub fn listed_by(&self, indexes: &[Descriptor], carried: &[CarriedBlob]) -> Vec<Vec<Descriptor>> {
        let store = Carried::new(Vec::new(), carried);
        let signatures = Signatures::collect(Sources::new(&store, self));
        let listed =
            |index| signatures.listed_by(index).iter().filter(|entry| !is_attestation(entry)).cloned();
        indexes.iter().map(|index| listed(index).collect()).collect()
    }

    /// What cannot be read of the bundles. Signatures may be missing because of it.
    pub fn unreadable(&self) -> Vec<report::Unreadable> {
        let nothing = Carried::new(Vec::new(), &[]);
        Signatures::collect(Sources::new(&nothing, self)).unreadable
    }

    /// The images that the bundles name, in their locks and in the listings of their layouts.
    pub fn named(&self) -> Vec<Record> {
        let locked =
            self.documents().filter_map(|(_, document)| document).flat_map(|one| &one.images).map(|image| {
                let target = Descriptor::new(&image.media_type, image.digest.clone(), image.size);
                Record::new(None, &image.reference, target)
            });
        locked.chain(self.each.iter().flat_map(|bundle| images_of(&bundle.layout))).collect()
    }
}

/// The images that a layout lists, with a name or without.
fn images_of(layout: &Layout) -> Vec<Record> {
    let signatures = Signatures::collect(Sources::without_bundles(layout));
    let unnamed = Population::new(layout, &signatures).unnamed;
    let named = layout.listing().records.iter().filter(|record| !signatures.is_companion(record)).cloned();
    named.chain(unnamed).collect()
}

/// What is known of a node's store: its names, and the blobs that its report carried.
struct Carried<'a> {
    listing: Listing,
    roots: Vec<Descriptor>,
    blobs: BTreeMap<&'a Digest, &'a [u8]>,
}

impl<'a> Carried<'a> {
    fn new(images: Vec<Record>, carried: &'a [CarriedBlob]) -> Self {
        let listing = Listing { records: images, ..Listing::default() };
        let roots = carried
            .iter()
            .map(|blob| {
                let size = u64::try_from(blob.data.len()).unwrap_or(u64::MAX);
                Descriptor::new(&blob.media_type, blob.digest.clone(), size)
            })
            .collect();
        Self { listing, roots, blobs: carried.iter().map(|blob| (&blob.digest, &blob.data[..])).collect() }
    }
}

impl Store for Carried<'_> {
    fn listing(&self) -> &Listing {
        &self.listing
    }

    fn open(&self, _: Option<&Namespace>, digest: &Digest) -> Result<Blob<'_>, BlobError> {
        let bytes = self.blobs.get(digest).ok_or(BlobError::Absent)?;
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(Blob { size, content: BlobContent::Stream(Box::new(*bytes)) })
    }

    /// It is not known which of the manifests that an index lists the node had, so each of them must be signed.
    fn has(&self, _: Option<&Namespace>, _: &Digest) -> bool {
        true
    }

    fn manifests(&self) -> Manifests<'_> {
        Manifests::Roots(&self.roots)
    }
}
