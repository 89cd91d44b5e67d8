//! Lists what a bundle or any other tool's layout holds: images with their signatures, CRLs, gaps. Compares two of them.
//! Nothing is verified here.

use std::collections::{BTreeMap, BTreeSet};

use assay_report::bundle::{CarriedCrl, CarriedFile, CarriedLayerFiles, Completeness, Gap};
use assay_verifier::dsse::DsseEnvelope;
use assay_verifier::limits;
use assay_verifier::oci::Digest;
use serde::Serialize;

use super::census::{Companion, LayoutCensus};
use super::opened::{OpenError, OpenProblem, Opened};
use super::signature_graph::SignatureGraph;
use crate::errors::with_sources;

/// The value of [`Contents::schema`].
pub(super) const LIST_SCHEMA: &str = "assay/bundle-list/v1";

/// What a bundle holds.
#[derive(Clone, Debug, Serialize)]
pub struct Contents {
    /// `LIST_SCHEMA`
    pub schema: &'static str,
    /// Its path as given.
    pub path: String,
    /// The program that made it, as it says; null if it does not say.
    pub tool: Option<String>,
    /// Whether all that was asked for is in it, as it says.
    pub completeness: Option<Completeness>,
    /// The ids of the keys that are said to have signed it; nothing of it was checked.
    pub signed_by: Vec<String>,
    /// What is wrong with its files, if they are not those that it lists.
    pub damage: Option<String>,
    /// The images, sorted by name.
    pub images: Vec<CarriedImage>,
    /// What is signed that is not among the images, nor listed by one, sorted.
    pub signs: Vec<Signed>,
    /// What belongs to images and is not an image, sorted.
    pub companions: Vec<Companion>,
    /// Entries without a name whose manifests are not there, so that they may be images. Sorted.
    pub unknown: Vec<Digest>,
    /// The CRLs, sorted by file.
    pub crls: Vec<CarriedCrl>,
    /// Other evidence of revocation, published at an unknown place; sorted.
    pub evidence: Vec<CarriedFile>,
    /// The lists of layers' files, sorted by layer.
    pub layer_files: Vec<CarriedLayerFiles>,
    /// What was asked for and is not in it.
    pub gaps: Vec<Gap>,
    /// Its size in bytes, unpacked.
    pub size: u64,
}

/// An image of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct CarriedImage {
    /// Its name; its digest if it has none.
    pub reference: String,
    /// Its digest.
    pub digest: Digest,
    /// The signature manifests of it, and of the manifests that it lists.
    pub signatures: Vec<Digest>,
}

/// Something that is signed and that the bundle does not list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Signed {
    /// Its digest.
    pub digest: Digest,
    /// The signature manifests of it.
    pub signatures: Vec<Digest>,
}

impl Contents {
    /// Looks into a layout.
    ///
    /// # Errors
    /// [`OpenError`] if something in it cannot be read.
    pub fn read(opened: &Opened) -> Result<Self, OpenError> {
        let document = opened.document();
        let signature = opened.signature()?;
        let envelope = signature.and_then(|bytes| DsseEnvelope::parse(&bytes).ok());
        let mut graph = SignatureGraph::default();
        let census = LayoutCensus::take(opened, |descriptor, manifest| graph.add(descriptor, manifest))?;
        let mut signatures = BTreeMap::new();
        let mut listed = 0;
        let mut images = Vec::new();
        let locked = document.into_iter().flat_map(|document| &document.images);
        let locked = locked.map(|image| (image.reference.clone(), image.digest.clone()));
        for (reference, digest) in
            locked.chain(census.images().map(|(name, image)| (name, image.digest.clone())))
        {
            // names may share an image, and each repeats its signatures
            let known = signatures.entry(digest.clone()).or_insert_with(|| graph.signatures_of(&digest));
            listed += known.len();
            if listed > limits::GRAPH_MANIFESTS {
                return Err(opened.error(OpenProblem::TooManySignatures));
            }
            let signatures = known.iter().map(|signature| (*signature).clone()).collect();
            images.push(CarriedImage { reference, digest, signatures });
        }
        images.sort();
        images.dedup();
        let of_images: BTreeSet<&Digest> = images.iter().flat_map(|image| &image.signatures).collect();
        let signs = graph.subjects().filter(|(_, by)| by.iter().any(|one| !of_images.contains(one)));
        let signs = signs
            .map(|(digest, by)| Signed { digest: digest.clone(), signatures: by.iter().cloned().collect() });
        let signs = signs.collect();
        let mut evidence = Vec::new();
        opened.each_undescribed(|path, bytes| -> Result<(), OpenError> {
            evidence.push(CarriedFile { path, size: bytes.len() as u64, digest: Digest::sha256(&bytes) });
            Ok(())
        })?;
        Ok(Self {
            schema: LIST_SCHEMA,
            path: opened.path().display().to_string(),
            tool: document.map(|document| format!("{} {}", document.tool.name, document.tool.version)),
            completeness: document.map(|document| document.completeness),
            signed_by: envelope.iter().flat_map(DsseEnvelope::key_ids).map(str::to_owned).collect(),
            damage: opened.check_files().err().map(|error| with_sources(&error.problem)),
            images,
            signs,
            companions: census.companions(),
            unknown: census.unknown(),
            crls: document.map(|document| document.crls.clone()).unwrap_or_default(),
            evidence,
            layer_files: document.map(|document| document.layer_files.clone()).unwrap_or_default(),
            gaps: document.map(|document| document.gaps.clone()).unwrap_or_default(),
            size: opened.size()?,
        })
    }

    /// Whether it can be used as it is.
    pub fn is_usable(&self) -> bool {
        self.damage.is_none() && self.completeness != Some(Completeness::Partial)
    }
}

/// The value of [`Difference::schema`].
pub(super) const DIFF_SCHEMA: &str = "assay/bundle-diff/v1";

/// How a bundle differs from an earlier one.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Difference {
    /// [`DIFF_SCHEMA`]
    pub schema: &'static str,
    /// What differs, sorted by what it is about.
    pub changes: Vec<Change>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Change {
    /// `image`, `signature`, `crl`, `evidence`, `layer-files` or `gap`
    pub kind: &'static str,
    /// An image's name, for a signature that of its image; a CRL's URL; the digest of other evidence; the digest of a
    /// layer; what is missing.
    pub what: String,
    /// What it was; null if it is new.
    pub old: Option<String>,
    /// What it is; null if it is gone.
    pub new: Option<String>,
}

impl Difference {
    /// Compares two bundles.
    pub(crate) fn between(old: &Contents, new: &Contents) -> Self {
        let mut changes = Vec::new();
        changes.extend(changed("image", &images(old), &images(new)));
        changes.extend(changed("signature", &signatures(old), &signatures(new)));
        let crls =
            |contents: &Contents| sets(&contents.crls, |crl| (crl.url.clone(), crl.this_update.to_string()));
        changes.extend(changed("crl", &crls(old), &crls(new)));
        // whatever the file is called
        let evidence = |contents: &Contents| {
            sets(&contents.evidence, |file| (file.digest.to_string(), file.digest.to_string()))
        };
        changes.extend(changed("evidence", &evidence(old), &evidence(new)));
        let lists = |contents: &Contents| {
            sets(&contents.layer_files, |files| (files.layer.to_string(), files.list.to_string()))
        };
        changes.extend(changed("layer-files", &lists(old), &lists(new)));
        let gaps = |contents: &Contents| sets(&contents.gaps, |gap| (gap.what.clone(), gap.why.clone()));
        changes.extend(changed("gap", &gaps(old), &gaps(new)));
        changes.sort();
        Self { schema: DIFF_SCHEMA, changes }
    }
}

type Sets = BTreeMap<String, BTreeSet<String>>;

fn sets<T>(items: &[T], pair: impl Fn(&T) -> (String, String)) -> Sets {
    let mut sets = Sets::new();
    for (name, value) in items.iter().map(pair) {
        sets.entry(name).or_default().insert(value);
    }
    sets
}

fn images(contents: &Contents) -> Sets {
    sets(&contents.images, |image| (image.reference.clone(), image.digest.to_string()))
}

fn signatures(contents: &Contents) -> Sets {
    let mut sets = Sets::new();
    for image in contents.images.iter().filter(|image| !image.signatures.is_empty()) {
        let digests = image.signatures.iter().map(ToString::to_string);
        sets.entry(image.reference.clone()).or_default().extend(digests);
    }
    sets
}

/// What is in one and not in the other. A single value that became another single value is one change.
fn changed(kind: &'static str, old: &Sets, new: &Sets) -> Vec<Change> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let nothing = BTreeSet::new();
    let mut changes = Vec::new();
    for what in names {
        let (old, new) = (old.get(what).unwrap_or(&nothing), new.get(what).unwrap_or(&nothing));
        let mut gone: Vec<&String> = old.difference(new).collect();
        let mut come: Vec<&String> = new.difference(old).collect();
        let change = |old: Option<&String>, new: Option<&String>| Change {
            kind,
            what: what.clone(),
            old: old.cloned(),
            new: new.cloned(),
        };
        if let ([one], [other]) = (gone.as_slice(), come.as_slice()) {
            changes.push(change(Some(*one), Some(*other)));
            (gone, come) = (Vec::new(), Vec::new());
        }
        changes.extend(gone.into_iter().map(|value| change(Some(value), None)));
        changes.extend(come.into_iter().map(|value| change(None, Some(value))));
    }
    changes
}
