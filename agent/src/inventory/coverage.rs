//! Proves what was looked at, and holds the parts of the store against each other.

use std::collections::{BTreeSet, HashSet};

use assay_report::{
    Companion, Contradiction, Coverage, CrossCheck, Effect, Namespace, Omitted, Unlisted, Unreadable,
};
use assay_verifier::codes::Code;
use assay_verifier::oci::Digest;

use super::Inventory;
use super::running::RunningImages;
use assay_judge::population::Population;
use assay_judge::signatures::Signatures;
use assay_judge::store::{ContentFiles, Store};

// which parts of the store are compared; README.md explains each
const CONTAINERS_IMAGES: &str = "containers-images";
const CONTAINERS_SNAPSHOTS: &str = "containers-snapshots";
const RECORDS_FILES: &str = "content-records-files";
const FILES_RECORDS: &str = "content-files-records";
const MANIFESTS_IMAGES: &str = "manifests-images";

/// What was looked at. `reached` are the manifests that belong to images; none if content was not looked at, and then nothing is
/// known of manifests that belong to no image.
pub(crate) fn prove(
    store: &dyn Store,
    inventory: &Inventory,
    population: Population,
    running: RunningImages,
    signatures: &Signatures,
    reached: Option<&HashSet<Digest>>,
) -> Coverage {
    let listing = store.listing();
    let mut unlisted: BTreeSet<Unlisted> = inventory.unlisted.iter().cloned().collect();
    let mut cross_check = CrossCheck::default();
    let mut checked = |what: &str| cross_check.checked.push(what.to_owned());
    if listing.enumerated.iter().any(|namespace| namespace.containers.is_some()) {
        checked(CONTAINERS_IMAGES);
    }
    if running.checked && listing.enumerated.iter().any(|namespace| namespace.snapshots.is_some()) {
        checked(CONTAINERS_SNAPSHOTS);
    }
    cross_check.findings = running.findings;
    if let Some(files) = store.content_files() {
        cross_check.checked.push(RECORDS_FILES.to_owned());
        if files.stray.is_some() {
            cross_check.checked.push(FILES_RECORDS.to_owned());
        }
        cross_check.findings.extend(contradictions(files));
    }
    if let Some(reached) = reached {
        cross_check.checked.push(MANIFESTS_IMAGES.to_owned());
        unlisted.extend(loose(&population.companions, signatures, reached));
    }
    unlisted.extend(population.blobs);
    cross_check.checked.sort();
    cross_check.findings.sort();
    let mut unreadable: Vec<Unreadable> = listing
        .unreadable
        .iter()
        .chain(&signatures.unreadable)
        .cloned()
        .chain(population.unreadable)
        .collect();
    unreadable.sort();
    unreadable.dedup();
    Coverage {
        namespaces: listing.namespaces.iter().map(Namespace::to_string).collect(),
        images: inventory.total,
        containers: inventory.containers,
        unlisted: unlisted.into_iter().collect(),
        companions: population.companions,
        unreadable,
        enumerated: listing.enumerated.clone(),
        cross_check,
        omitted: Omitted::default(),
    }
}

/// Manifests that belong to no image, and refer to none.
fn loose<'a>(
    companions: &'a [Companion],
    signatures: &'a Signatures,
    reached: &'a HashSet<Digest>,
) -> impl Iterator<Item = Unlisted> + 'a {
    let companions: HashSet<&Digest> = companions.iter().map(|one| &one.digest).collect();
    let loose = signatures.in_store.iter().filter(move |manifest| {
        let belongs_to_image = match &manifest.subject {
            Some(subject) => reached.contains(subject),
            None => companions.contains(&manifest.digest),
        };
        !reached.contains(&manifest.digest)
            && !belongs_to_image
            && !signatures.lists_referrers(&manifest.digest)
    });
    loose.map(|manifest| Unlisted {
        namespace: manifest.namespace.clone(),
        kind: "manifest".to_owned(),
        id: manifest.digest.to_string(),
        name: Some(manifest.kind.clone()),
    })
}

/// Records without a file, and files without a record.
fn contradictions(files: ContentFiles) -> impl Iterator<Item = Contradiction> {
    let finding = |code: Code, effect, namespace, digest: &Digest, message: &str| Contradiction {
        code: code.as_str().to_owned(),
        effect,
        namespace,
        id: digest.to_string(),
        message: message.to_owned(),
    };
    let lost = files.lost.into_iter().map(move |(namespace, digest)| {
        let message = "the blob is recorded, but its file is missing";
        finding(Code::ContentFileMissing, Effect::Inconclusive, Some(namespace), &digest, message)
    });
    let stray = files.stray.into_iter().flatten().map(move |digest| {
        let message = "the blob has a file, but no namespace has a record of it";
        finding(Code::ContentRecordMissing, Effect::None, None, &digest, message)
    });
    lost.chain(stray)
}
