//! Several layouts become one bundle, or one becomes slim: manifests, signatures, envelopes and CRLs are kept, layers and
//! everything else are left behind. Of evidence of revocation nothing is left behind but older lists of the same URL: what is
//! lost may be the list that revokes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use assay_shared::bundle::{BundleManifest, CarriedCrl, Gap, GapKind, LockedImage};
use assay_shared::limits;
use assay_shared::oci::{Descriptor, Digest, Manifest};
use assay_shared::signature_manifest::SignatureManifest;

use super::contents::{Graph, is_signature};
use super::opened::{OpenError, Opened};
use super::staging::{Content, Finished, Signer, Staging, StagingError};

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
    /// The bundle cannot be written.
    #[error(transparent)]
    Write(#[from] StagingError),
}

/// Makes one bundle of layouts.
///
/// # Errors
/// [`RepackError`]; nothing is at `out` then that was not there before.
pub fn repack(layouts: &[Opened], out: &Path, signer: Option<&Signer<'_>>) -> Result<Finished, RepackError> {
    for layout in layouts {
        layout.check_files()?;
        if layout.document().is_some_and(|document| !document.is_usable()) {
            return Err(RepackError::Partial { path: layout.path().to_owned() });
        }
    }
    let staging = Staging::open(out)?;
    let mut content = Content { gaps_accepted: true, ..Content::default() };
    let mut graph = Graph::default();
    for layout in layouts {
        let mut kept = BTreeSet::new();
        layout.each_manifest(|descriptor, manifest| -> Result<(), RepackError> {
            if !is_kept(descriptor, &manifest) {
                return Ok(());
            }
            copy(layout, &staging, &mut content, &descriptor.digest, limits::MANIFEST_BYTES)?;
            if let Ok(Some(signature)) = SignatureManifest::of(&descriptor.media_type, &manifest) {
                let limit = u64::try_from(limits::ENVELOPE_BYTES).unwrap_or(u64::MAX);
                // verification needs no config; other tools that read the bundle do
                let config = manifest.config.iter().map(|config| &config.digest);
                for digest in config.chain([&signature.envelope.digest]) {
                    copy(layout, &staging, &mut content, digest, limit)?;
                }
            }
            graph.add(descriptor, &manifest);
            kept.insert(descriptor.digest.clone());
            Ok(())
        })?;
        content.entries.extend(layout.entries().iter().filter(|entry| kept.contains(&entry.digest)).cloned());
    }
    let documents: Vec<&BundleManifest> = layouts.iter().filter_map(Opened::document).collect();
    content.images = images(&documents, &graph);
    content.crls = crls(layouts, &staging)?;
    for layout in layouts {
        for path in layout.undescribed()? {
            if let Some(bytes) = layout.crl(&path)? {
                content.evidence.insert(staging.add_evidence(&bytes)?);
            }
        }
    }
    content.gaps = gaps(&documents);
    Ok(staging.finish(content, signer)?)
}

/// Images, what lists them, and signatures; other things that refer to an image are left behind.
fn is_kept(descriptor: &Descriptor, manifest: &Manifest) -> bool {
    manifest.subject.is_none() || is_signature(descriptor, manifest)
}

/// Copies a blob where it is there; layouts may be sparse.
fn copy(
    layout: &Opened,
    staging: &Staging,
    content: &mut Content,
    digest: &Digest,
    limit: u64,
) -> Result<(), RepackError> {
    if let Some(bytes) = layout.blob(digest, limit)? {
        staging.add_blob(digest, &bytes)?;
        content.blobs.insert(digest.clone());
    }
    Ok(())
}

/// The locks of all bundles, with the signatures that are there now.
fn images(documents: &[&BundleManifest], graph: &Graph) -> Vec<LockedImage> {
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

/// What is missing in one bundle and in no other that was made for it.
fn gaps(documents: &[&BundleManifest]) -> Vec<Gap> {
    let mut filled = BTreeSet::new();
    for document in documents {
        let missing: BTreeSet<&str> = document.gaps.iter().map(|gap| gap.what.as_str()).collect();
        let crls = document.crls.iter().map(|crl| (true, crl.url.as_str()));
        let images = document.images.iter().map(|image| (false, image.reference.as_str()));
        filled.extend(crls.chain(images).filter(|(_, what)| !missing.contains(what)));
    }
    let is_filled = |gap: &&Gap| filled.contains(&(gap.kind == GapKind::Crl, gap.what.as_str()));
    let all = documents.iter().flat_map(|document| &document.gaps);
    all.filter(|gap| !is_filled(gap)).cloned().collect()
}
