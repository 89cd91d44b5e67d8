//! Makes one bundle of several layouts, or a slim one of one. It keeps manifests, signatures, envelopes, CRLs, and the lists of the
//! layers of what it keeps; it makes those lists if that is asked for. It leaves layers and everything else behind. All evidence of revocation is kept except older lists of the same URL, since a lost list
//! may be the one that revokes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use assay_report::bundle::{
    BundleManifest, CarriedCrl, CarriedLayerFiles, Completeness, Gap, GapKind, LockedImage,
};
use assay_verifier::limits;
use assay_verifier::notary::manifest::SignatureManifest;
use assay_verifier::oci::{Descriptor, Digest, ManifestKind};

use super::census::LayoutCensus;
use super::layer_files::{MadeList, diff_ids, is_compared};
use super::opened::{OpenError, Opened};
use super::signature_graph::{SignatureGraph, is_signature};
use super::staging::{BundleContent, FinishedBundle, Signer, Staging, StagingError};
use crate::errors::with_sources;

/// Layouts could not be made into a bundle.
#[derive(Debug, thiserror::Error)]
pub enum RepackError {
    /// One of them cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// One of them was not finished.
    #[error("{}: is partial: what made it did not finish; run assay bundle create again", path.display())]
    Partial {
        /// Which.
        path: PathBuf,
    },
    /// Two of them have other lists of one layer's files.
    #[error(
        "{} and {}: the lists of the files of the layer {layer} are not the same; make one of the bundles again",
        one.display(),
        other.display()
    )]
    Lists {
        /// The layer.
        layer: Digest,
        /// One of them.
        one: PathBuf,
        /// The other.
        other: PathBuf,
    },
    /// The bundle cannot be written.
    #[error(transparent)]
    Write(#[from] StagingError),
}

/// Makes one bundle of layouts. With `rootfs` it gets lists of the files of those layers that have none yet.
///
/// # Errors
/// [`RepackError`]; nothing is at `out` then that was not there before.
pub(crate) fn repack(
    layouts: &[Opened],
    rootfs: bool,
    out: &Path,
    signer: Option<&Signer<'_>>,
) -> Result<FinishedBundle, RepackError> {
    for layout in layouts {
        layout.check_files()?;
        if layout.document().is_some_and(|document| !document.is_usable()) {
            return Err(RepackError::Partial { path: layout.path().to_owned() });
        }
    }
    let staging = Staging::open(out)?;
    let mut content = BundleContent { gaps_accepted: true, ..BundleContent::default() };
    let mut graph = SignatureGraph::default();
    let mut sparse = Vec::new();
    let mut layers = BTreeSet::new();
    for layout in layouts {
        let census = LayoutCensus::take(layout, |_, _| ())?;
        let mut kept = BTreeSet::new();
        layout.each_manifest(|descriptor, manifest| -> Result<(), RepackError> {
            // images, what lists them, and signatures; other things that refer to an image are left behind
            if census.is_companion(&descriptor.digest, &manifest) && !is_signature(descriptor, &manifest) {
                return Ok(());
            }
            copy(layout, &staging, &mut content, &descriptor.digest, limits::MANIFEST_BYTES)?;
            if let Ok(Some(signature)) = SignatureManifest::read(&descriptor.media_type, &manifest) {
                let limit = u64::try_from(limits::ENVELOPE_BYTES).unwrap_or(u64::MAX);
                // verification needs no config; other tools that read the bundle do
                if let Some(config) = &manifest.config {
                    copy(layout, &staging, &mut content, &config.digest, limit)?;
                }
                if !copy(layout, &staging, &mut content, &signature.envelope.digest, limit)? {
                    let gap = Gap {
                        kind: GapKind::Signature,
                        what: signature.subject.digest.to_string(),
                        why: format!("the envelope of its signature {} is not there", descriptor.digest),
                    };
                    sparse.push((signature.envelope.digest, gap));
                }
            }
            graph.add(descriptor, &manifest);
            layers.extend(manifest.layers.into_iter().map(|layer| layer.digest));
            kept.insert(descriptor.digest.clone());
            Ok(())
        })?;
        // what may be an image for readers that know its type
        for (_, image) in
            census.images().filter(|(_, image)| ManifestKind::from_media_type(&image.media_type).is_none())
        {
            if image.size <= limits::MANIFEST_BYTES && layout.has(&image.digest) {
                copy(layout, &staging, &mut content, &image.digest, limits::MANIFEST_BYTES)?;
                kept.insert(image.digest.clone());
            }
        }
        let is_kept = |entry: &&Descriptor| kept.contains(&entry.digest) || !layout.has(&entry.digest);
        content.entries.extend(layout.entries().iter().filter(is_kept).cloned());
    }
    let documents: Vec<&BundleManifest> = layouts.iter().filter_map(Opened::document).collect();
    content.images = images(&documents, &graph);
    content.crls = crls(layouts, &staging)?;
    layer_files(layouts, &layers, &staging, &mut content)?;
    for layout in layouts.iter().filter(|_| rootfs) {
        make_lists(layout, &staging, &mut content)?;
    }
    for layout in layouts {
        layout.each_undescribed(|_, bytes| -> Result<(), RepackError> {
            content.evidence.insert(staging.add_evidence(&bytes)?);
            Ok(())
        })?;
    }
    let (complete, others): (Vec<_>, Vec<_>) =
        documents.iter().partition(|document| document.completeness == Completeness::Complete);
    content.gaps.extend(gaps(&documents, &others));
    // another layout may have had it
    sparse.retain(|(envelope, _)| !content.blobs.contains(envelope));
    content.gaps.extend(sparse.into_iter().map(|(_, gap)| gap));
    // what a complete bundle names, it does not miss
    content.left_out = gaps(&documents, &complete);
    Ok(staging.finish(content, signer)?)
}

/// Copies a blob, and says whether it is there; layouts may be sparse.
fn copy(
    layout: &Opened,
    staging: &Staging,
    content: &mut BundleContent,
    digest: &Digest,
    limit: u64,
) -> Result<bool, RepackError> {
    let Some(bytes) = layout.blob(digest, limit)? else { return Ok(false) };
    staging.add_blob(digest, &bytes)?;
    content.blobs.insert(digest.clone());
    Ok(true)
}

/// The locks of all bundles, with the signatures that are there now.
fn images(documents: &[&BundleManifest], graph: &SignatureGraph) -> Vec<LockedImage> {
    let locked = documents.iter().flat_map(|document| &document.images);
    // names may share an image
    let mut counts = BTreeMap::new();
    let mut counted = |image: &LockedImage| LockedImage {
        signatures: *counts
            .entry(image.digest.clone())
            .or_insert_with(|| graph.signatures_of(&image.digest).len() as u64),
        ..image.clone()
    };
    locked.map(&mut counted).collect()
}

/// Copies the lists of the files of those `layers`. What other layers have is needed by nothing.
fn layer_files(
    layouts: &[Opened],
    layers: &BTreeSet<Digest>,
    staging: &Staging,
    content: &mut BundleContent,
) -> Result<(), RepackError> {
    let mut known = BTreeMap::<&Digest, (&Opened, &CarriedLayerFiles)>::new();
    for layout in layouts {
        let lists = layout.document().into_iter().flat_map(|document| &document.layer_files);
        for files in lists.filter(|files| layers.contains(&files.layer)) {
            let (first, same) = known.entry(&files.layer).or_insert((layout, files));
            if *same != files {
                return Err(RepackError::Lists {
                    layer: files.layer.clone(),
                    one: first.path().to_owned(),
                    other: layout.path().to_owned(),
                });
            }
        }
    }
    for (layer, (layout, files)) in known {
        if copy(layout, staging, content, &files.list, limits::LAYER_LIST_BYTES)? {
            let added = content.add_layer_files(files.clone());
            content.gaps.extend(added.err());
        } else {
            let why = format!("{}: the list of its files is not there", layout.path().display());
            content.gaps.push(Gap { kind: GapKind::LayerFiles, what: layer.to_string(), why });
        }
    }
    Ok(())
}

/// Makes lists of the files of a layout's layers, of those images that are kept. What cannot be listed is a gap.
fn make_lists(layout: &Opened, staging: &Staging, content: &mut BundleContent) -> Result<(), RepackError> {
    let mut known: BTreeSet<Digest> = content.layer_files.iter().map(|files| files.layer.clone()).collect();
    layout.each_manifest(|descriptor, manifest| -> Result<(), RepackError> {
        let is_kept = content.blobs.contains(&descriptor.digest) && !is_signature(descriptor, &manifest);
        let Some(config) = manifest.config.as_ref().filter(|_| is_kept && is_compared(descriptor, None))
        else {
            return Ok(());
        };
        // of what was slim already, the configs are not there
        if manifest.layers.iter().all(|layer| known.contains(&layer.digest)) {
            return Ok(());
        }
        let gap = |content: &mut BundleContent, what: &Digest, why: String| {
            let why = format!("{}: {why}", layout.path().display());
            content.gaps.push(Gap { kind: GapKind::LayerFiles, what: what.to_string(), why });
        };
        let diff_ids = match layout.blob(&config.digest, limits::MANIFEST_BYTES)? {
            Some(bytes) => diff_ids(&manifest, &bytes),
            None => Err("its config is not there".to_owned()),
        };
        let diff_ids = match diff_ids {
            Ok(diff_ids) => diff_ids.unwrap_or_default(),
            Err(why) => {
                gap(content, &descriptor.digest, format!("the lists of its layers' files: {why}"));
                return Ok(());
            }
        };
        for (layer, diff_id) in manifest.layers.into_iter().zip(diff_ids) {
            // images share layers
            if !known.insert(layer.digest.clone()) {
                continue;
            }
            let digest = layer.digest.clone();
            let stream = layout.stream(&digest).map_err(|error| with_sources(&error));
            let made = stream.and_then(|stream| {
                MadeList::of(stream, layer, diff_id).map_err(|error| with_sources(&error))
            });
            match made {
                Ok(MadeList { files, list }) => {
                    staging.add_layer_files(&files, &list)?;
                    let added = content.add_layer_files(files);
                    content.gaps.extend(added.err());
                }
                Err(why) => gap(content, &digest, format!("the list of its files: {why}")),
            }
        }
        Ok(())
    })
}

/// The newest CRL of each URL.
fn crls(layouts: &[Opened], staging: &Staging) -> Result<Vec<CarriedCrl>, RepackError> {
    let mut newest = BTreeMap::<&str, (&Opened, &CarriedCrl)>::new();
    for (layout, crl) in layouts
        .iter()
        .filter_map(|layout| Some((layout, layout.document()?)))
        .flat_map(|(layout, document)| document.crls.iter().map(move |crl| (layout, crl)))
    {
        let known = newest.entry(&crl.url).or_insert((layout, crl));
        if known.1.this_update < crl.this_update {
            *known = (layout, crl);
        }
    }
    let mut carried = Vec::new();
    for (url, (layout, crl)) in newest {
        if let Some(bytes) = layout.crl(&crl.file)? {
            carried.push(CarriedCrl { file: staging.add_crl(url, &bytes)?, ..crl.clone() });
        }
    }
    Ok(carried)
}

/// What is missing `of` bundles and is in none of all.
fn gaps(documents: &[&BundleManifest], of: &[&BundleManifest]) -> Vec<Gap> {
    let mut crls = BTreeSet::new();
    let mut listed = BTreeSet::new();
    let mut carried: BTreeMap<&str, BTreeSet<&Digest>> = BTreeMap::new();
    for document in documents {
        let missing = document.missing();
        listed.extend(document.layer_files.iter().map(|files| files.layer.as_str()));
        crls.extend(document.crls.iter().map(|crl| crl.url.as_str()));
        for LockedImage { reference, digest, .. } in &document.images {
            if !missing.contains_key(digest.as_str()) && !missing.contains_key(reference.as_str()) {
                carried.entry(reference).or_default().insert(digest);
            }
        }
    }
    let mut gaps = Vec::new();
    for document in of.iter().filter(|document| !document.gaps.is_empty()) {
        let mut locked: BTreeMap<&str, BTreeSet<&Digest>> = BTreeMap::new();
        for LockedImage { reference, digest, .. } in &document.images {
            locked.entry(reference).or_default().insert(digest);
        }
        let none = BTreeSet::new();
        // a name that stands for another image elsewhere fills nothing
        let is_filled = |gap: &&Gap| match gap.kind {
            GapKind::Crl => crls.contains(gap.what.as_str()),
            GapKind::LayerFiles => listed.contains(gap.what.as_str()),
            GapKind::Image | GapKind::Signature | GapKind::Listing => carried
                .get(gap.what.as_str())
                .is_some_and(|there| locked.get(gap.what.as_str()).unwrap_or(&none).is_subset(there)),
        };
        gaps.extend(document.gaps.iter().filter(|gap| !is_filled(gap)).cloned());
    }
    gaps
}
