//! Images that inventories list, judged by the bundles that are to travel, before they do: by the code that will judge them on
//! the node.
//!
//! In: bundles, a trust directory, images by name and target. Out: the images as a node report will have them. What only a
//! node knows is left out: the images' content, and signatures in its own store.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use assay_shared::bundle::BundleManifest;
use assay_shared::oci::{Descriptor, Digest};
use assay_shared::report::{Content, ContentMode, Image as ImageReport, Unreadable, Via};
use assay_shared::time::UnixTime;
use assay_shared::verify::Verifier;

use crate::bundle::{Bundle, BundleFault, Lock};
use crate::content::Checked;
use crate::inventory::Inventory;
use crate::signatures::{Signatures, Source};
use crate::store::{Blob, BlobError, Listing, Manifests, Record, Store};
use crate::trust::Trust;
use crate::verify::Judge;
use crate::{parallel, report};

/// An image of an inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The names that point at it.
    pub references: Vec<String>,
    /// What they point at.
    pub target: Descriptor,
}

/// Bundles that are to travel.
pub struct Rehearsal {
    bundles: Vec<Bundle>,
}

/// A bundle that the agent would refuse as a whole.
#[derive(Debug, thiserror::Error)]
#[error("bundle: {0}")]
pub struct Refused(#[from] BundleFault);

/// What the images of inventories will be.
#[derive(Clone, Debug)]
pub struct Foreseen {
    /// For each time the images, sorted by digest; the same images for each.
    pub images: Vec<Vec<ImageReport>>,
    /// What could not be read of the bundles.
    pub unreadable: Vec<Unreadable>,
}

impl Rehearsal {
    /// Opens bundles as the agent does, and adds their CRLs to the trust directory's.
    ///
    /// # Errors
    /// [`Refused`] where the agent would refuse one: it is partial, changed, or not signed by a key that `trust` names.
    pub fn open(paths: &[PathBuf], trust: &mut Trust) -> Result<Self, Refused> {
        let keys = trust.names_keys.then_some(&trust.keys[..]);
        let bundles = paths.iter().map(|path| Bundle::open(path, keys)).collect::<Result<Vec<_>, _>>()?;
        for bundle in &bundles {
            bundle.add_evidence(&mut trust.evidence, &mut trust.warnings);
        }
        Ok(Self { bundles })
    }

    /// The bundles' paths with what each says of itself; none where another tool made it.
    pub fn documents(&self) -> impl Iterator<Item = (&Path, Option<&BundleManifest>)> {
        self.bundles.iter().map(|bundle| (bundle.path.as_path(), bundle.manifest.as_ref()))
    }

    /// The images that the bundles name, by their locks and their own listings.
    pub fn named(&self) -> Vec<Listed> {
        let locked =
            self.bundles.iter().filter_map(|bundle| bundle.manifest.as_ref()).flat_map(|one| &one.images);
        let locked = locked.map(|image| Listed {
            references: vec![image.reference.clone()],
            target: Descriptor::new(&image.media_type, image.digest.clone(), image.size),
        });
        let others = self.bundles.iter().filter(|bundle| bundle.manifest.is_none());
        let records = others.flat_map(|bundle| &bundle.layout.listing().records);
        let named = records
            .map(|record| Listed { references: vec![record.name.clone()], target: record.target.clone() });
        locked.chain(named).collect()
    }

    /// Judges the images at each of `times`.
    pub fn judge(
        &self,
        trust: &Trust,
        listed: &[Listed],
        accept: &BTreeSet<Via>,
        times: &[UnixTime],
    ) -> Foreseen {
        let store = NamesOnly(listing(listed));
        let mut sources = vec![Source { store: &store, name: "store".to_owned() }];
        sources.extend(
            self.bundles
                .iter()
                .map(|bundle| Source { store: &bundle.layout, name: bundle.path.display().to_string() }),
        );
        let signatures = Signatures::collect(&sources);
        let inventory = Inventory::new(&store.0, &[], |record| signatures.is_referrer(record));
        let lock = Lock::new(&self.bundles);
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        let at = |at: &UnixTime| {
            let verifier = Verifier { trust_store: &trust.store, evidence: &trust.evidence, at: *at };
            let judge = Judge {
                policy: &trust.policy,
                verifier,
                sources: &sources,
                signatures: &signatures,
                lock: &lock,
                accept,
            };
            parallel::map(
                jobs,
                &inventory.images,
                || (),
                |(), image| {
                    let content = Content { mode: ContentMode::None, ..Content::default() };
                    let unread = Checked { content, ..Checked::default() };
                    report::image(image.clone(), judge.judge(image), unread)
                },
            )
        };
        Foreseen { images: times.iter().map(at).collect(), unreadable: signatures.unreadable.clone() }
    }
}

/// A store of which nothing is known but what it lists.
struct NamesOnly(Listing);

impl Store for NamesOnly {
    fn listing(&self) -> &Listing {
        &self.0
    }

    fn open(&self, _: &str, _: &Digest) -> Result<Blob<'_>, BlobError> {
        Err(BlobError::Absent)
    }

    fn manifests(&self) -> Manifests<'_> {
        Manifests::Roots(&[])
    }
}

fn listing(listed: &[Listed]) -> Listing {
    let record = |name: &str, image: &Listed| Record {
        namespace: String::new(),
        name: name.to_owned(),
        target: image.target.clone(),
    };
    let records = listed.iter().flat_map(|image| {
        // an image without a name still is one, by its digest
        let nameless = image.references.is_empty().then(|| record(image.target.digest.as_str(), image));
        image.references.iter().map(move |name| record(name, image)).chain(nameless)
    });
    Listing { records: records.collect(), ..Listing::default() }
}
