//! Relates signature manifests to what they sign.

use std::collections::{BTreeMap, BTreeSet};

use assay_verifier::notary::manifest::SignatureManifest;
use assay_verifier::oci::{Descriptor, Digest, Manifest};

/// Which manifests sign what, and what indexes list.
#[derive(Debug, Default)]
pub(super) struct SignatureGraph {
    signatures: BTreeMap<Digest, BTreeSet<Digest>>,
    children: BTreeMap<Digest, Vec<Digest>>,
}

impl SignatureGraph {
    /// Adds what a manifest says.
    pub(super) fn add(&mut self, descriptor: &Descriptor, manifest: &Manifest) {
        if is_signature(descriptor, manifest)
            && let Some(subject) = &manifest.subject
        {
            self.signatures.entry(subject.digest.clone()).or_default().insert(descriptor.digest.clone());
        }
        if !manifest.manifests.is_empty() {
            let children = || manifest.manifests.iter().map(|child| child.digest.clone()).collect();
            self.children.entry(descriptor.digest.clone()).or_insert_with(children);
        }
    }

    /// What is signed, each with its signatures.
    pub(super) fn subjects(&self) -> impl Iterator<Item = (&Digest, &BTreeSet<Digest>)> {
        self.signatures.iter()
    }

    /// The signatures of a target, and of the manifests that it lists.
    pub(super) fn signatures_of(&self, target: &Digest) -> BTreeSet<&Digest> {
        let children = self.children.get(target).into_iter().flatten();
        let subjects = std::iter::once(target).chain(children);
        subjects.filter_map(|subject| self.signatures.get(subject)).flatten().collect()
    }
}

/// Whether a manifest claims to be a signature, a flawed one too.
pub(super) fn is_signature(descriptor: &Descriptor, manifest: &Manifest) -> bool {
    SignatureManifest::read(&descriptor.media_type, manifest) != Ok(None)
}
