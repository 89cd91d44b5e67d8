//! Counts the layers of images whose files no bundle lists, as far as the bundles have the images' manifests.

use std::collections::BTreeSet;

use assay_judge::bundle::{Bundle, Bundles};
use assay_judge::graph::Walk;
use assay_judge::store::fetch;
use assay_verifier::limits;
use assay_verifier::oci::census::is_layer;
use assay_verifier::oci::{Descriptor, Digest, Manifest, ManifestKind, media_type};

use super::layer_files::is_compared;

/// The layers whose files bundles list.
pub(super) struct Listed<'b> {
    bundles: &'b Bundles,
    layers: BTreeSet<&'b Digest>,
}

impl<'b> Listed<'b> {
    /// None if no bundle has a list, because then lists were not asked for.
    pub(super) fn new(bundles: &'b Bundles) -> Option<Self> {
        let files = bundles.each.iter().flat_map(Bundle::layer_files);
        let layers: BTreeSet<&Digest> = files.map(|files| &files.layer).collect();
        (!layers.is_empty()).then_some(Self { bundles, layers })
    }

    /// How many layers of an image have no list; none if the bundles do not have all manifests that have layers. `platforms` are those
    /// that nodes have of the image, if they say so.
    pub(super) fn missing(&self, image: Descriptor, platforms: Option<&BTreeSet<String>>) -> Option<u64> {
        let mut missing = BTreeSet::new();
        let mut walk = Walk::within(limits::IMAGE_BLOBS);
        walk.add_root(image);
        while let Some((entry, depth)) = walk.take_next() {
            let is_index = ManifestKind::from_media_type(&entry.media_type) == Some(ManifestKind::Index);
            let is_needed = is_index || is_compared(&entry, platforms);
            if !is_needed || !walk.visit(entry.digest.clone()).ok()? {
                continue;
            }
            let manifest = self.manifest(&entry)?;
            if !is_index && !is_unpacked(&manifest) {
                continue;
            }
            let layers = manifest.layers.into_iter().map(|layer| layer.digest);
            missing.extend(layers.filter(|layer| !self.layers.contains(layer)));
            walk.follow(depth, manifest.manifests).ok()?;
        }
        Some(missing.len() as u64)
    }

    fn manifest(&self, entry: &Descriptor) -> Option<Manifest> {
        let read = |layout| fetch(layout, None, entry, limits::MANIFEST_BYTES).ok();
        let bytes = self.bundles.each.iter().find_map(|bundle| read(&bundle.layout))?;
        Manifest::parse(&bytes).ok()
    }
}

/// Whether a manifest's layers may be unpacked, as far as its types say: not those of a chart. Bundles have no configs.
fn is_unpacked(manifest: &Manifest) -> bool {
    let of_image = |config: &Descriptor| {
        matches!(config.media_type.as_str(), media_type::OCI_CONFIG | media_type::DOCKER_CONFIG)
    };
    manifest.config.as_ref().is_some_and(of_image)
        || manifest.layers.iter().any(|layer| is_layer(&layer.media_type))
}
