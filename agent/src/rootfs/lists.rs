//! Finds the lists of layers' files that bundles carry, for layers that are not in the store any more.
//!
//! A list counts only if a bundle's document names it: what else a bundle holds may be from a registry, where strangers push.

use std::collections::BTreeMap;

use assay_judge::bundle::Bundle;
use assay_report::bundle::CarriedLayerFiles;
use assay_verifier::oci::{Descriptor, Digest};

/// The list of a layer's files, and the place of its bundle among all.
#[derive(Clone)]
pub(super) struct List {
    pub(super) bundle: usize,
    pub(super) carried: CarriedLayerFiles,
}

/// All lists, by layer.
pub(super) struct Lists<'s> {
    bundles: &'s [Bundle],
    by_layer: BTreeMap<&'s Digest, Vec<(usize, &'s CarriedLayerFiles)>>,
}

impl<'s> Lists<'s> {
    pub(super) fn new(bundles: &'s [Bundle]) -> Self {
        let mut by_layer: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (at, bundle) in bundles.iter().enumerate() {
            for carried in bundle.layer_files() {
                by_layer.entry(&carried.layer).or_default().push((at, carried));
            }
        }
        Self { bundles, by_layer }
    }

    /// The list of a layer whose tar the config names.
    ///
    /// # Errors
    /// Why there is none that may be used.
    pub(super) fn find(&self, layer: &Descriptor, diff_id: &Digest) -> Result<List, String> {
        let digest = &layer.digest;
        let Some([(bundle, first), others @ ..]) = self.by_layer.get(digest).map(Vec::as_slice) else {
            return Err(format!(
                "the layer {digest} is not in the store any more, and no bundle has the list of its files; containerd discards layers that are unpacked where discard_unpacked_layers is set, and assay bundle create --rootfs makes the lists"
            ));
        };
        let path = |at: usize| self.bundles[at].path().display();
        if let Some((other, _)) = others.iter().find(|(_, other)| other != first) {
            return Err(format!(
                "the layer {digest} is not in the store any more, and the lists of its files in {} and {} are not the same; make both bundles again, or use one",
                path(*bundle),
                path(*other)
            ));
        }
        if first.diff_id != *diff_id {
            return Err(format!(
                "the layer {digest} is not in the store any more, and the list of its files in {} is of the diff_id {}, which the config does not name",
                path(*bundle),
                first.diff_id
            ));
        }
        Ok(List { bundle: *bundle, carried: (*first).clone() })
    }
}
