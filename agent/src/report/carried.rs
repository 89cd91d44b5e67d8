//! Collects what a report carries for those who verify again: the bytes of signature manifests, envelopes and indexes that the
//! store has and no bundle does.

use std::collections::{BTreeMap, HashMap, HashSet};

use assay_report::{CarriedBlob, Namespace, Via};
use assay_verifier::limits;
use assay_verifier::oci::Digest;

use assay_judge::image::is_attestation;
use assay_judge::judgement::Examined;
use assay_judge::signatures::{Candidate, Signatures, sniff};
use assay_judge::sources::{Origin, Sources};
use assay_judge::store::{Store, read_unchecked};

/// The blobs that the verdicts on `images` rest on, sorted, and how many are too many. A blob that cannot be read is
/// left out, and the next verification finds it missing.
pub(crate) fn collect(
    Sources { store, bundles }: Sources<'_>,
    signatures: &Signatures,
    images: &[Examined],
) -> (Vec<CarriedBlob>, usize) {
    let in_store: HashMap<&Digest, &Candidate> =
        signatures.all().filter(|one| one.origin == Origin::Store).map(|one| (&one.digest, one)).collect();
    // by digest: the namespace, and the media type unless it is a manifest
    let mut wanted: BTreeMap<&Digest, (Option<&Namespace>, Option<&str>)> = BTreeMap::new();
    for examined in images {
        let image = &examined.image;
        let rows = examined.judgement.signatures.kept.iter();
        for row in rows.filter(|row| row.origin == Origin::Store) {
            let Some(candidate) = in_store.get(&row.signature.digest) else { continue };
            wanted.insert(&candidate.digest, (candidate.namespace.as_ref(), None));
            if let Ok(envelope) = &candidate.envelope {
                wanted.insert(&envelope.digest, (candidate.namespace.as_ref(), Some(&envelope.media_type)));
            }
        }
        let manifests = match (examined.via(), image.target.recorded()) {
            (None, _) | (_, None) => Vec::new(),
            (Some(Via::ParentIndex), Some(target)) => signatures.parents_of(target),
            (Some(Via::PlatformManifest), Some(target)) => {
                let listed = signatures.listed_by(target).iter().filter(|entry| !is_attestation(entry));
                std::iter::once(target).chain(listed).collect()
            }
        };
        for manifest in manifests {
            wanted.insert(&manifest.digest, (image.namespace.as_ref(), None));
        }
    }
    wanted.retain(|digest, _| !bundles.iter().any(|bundle| bundle.layout.has(None, digest)));
    let omitted = drop_largest(store, &mut wanted);
    let read = |(digest, (namespace, media_type)): (&Digest, (Option<&Namespace>, Option<&str>))| {
        let data = read_unchecked(store, namespace, digest, limits::MANIFEST_BYTES).ok()?;
        let media_type = match media_type {
            Some(media_type) => media_type.to_owned(),
            None => sniff(&data).ok()??.0,
        };
        digest.matches(&data).then(|| CarriedBlob { digest: digest.clone(), media_type, data })
    };
    (wanted.into_iter().filter_map(read).collect(), omitted)
}

/// Keeps the smallest blobs, as many as a report may carry, and gives how many were dropped.
fn drop_largest(
    store: &dyn Store,
    wanted: &mut BTreeMap<&Digest, (Option<&Namespace>, Option<&str>)>,
) -> usize {
    let size = |(digest, (namespace, _)): (&&Digest, &(Option<&Namespace>, Option<&str>))| {
        Some((store.open(*namespace, digest).ok()?.size, (*digest).clone()))
    };
    let mut by_size: Vec<(u64, Digest)> = wanted.iter().filter_map(size).collect();
    by_size.sort_unstable();
    let mut left = u64::try_from(limits::CARRIED_BYTES).unwrap_or(u64::MAX);
    let fits = by_size.iter().take_while(|(size, _)| {
        let rest = left.checked_sub(*size);
        left = rest.unwrap_or(0);
        rest.is_some()
    });
    let fitting = fits.count();
    let dropped: HashSet<&Digest> = by_size.iter().skip(fitting).map(|(_, digest)| digest).collect();
    wanted.retain(|digest, _| !dropped.contains(digest));
    dropped.len()
}
