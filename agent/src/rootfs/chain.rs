//! Reads the layers of an image from its manifests and configs, and says what containerd calls their snapshots.

use assay_judge::graph::{GraphLimit, Walk, check_depth};
use assay_judge::image::{Image, is_attestation};
use assay_judge::store::{Store, fetch};
use assay_report::words::count;
use assay_verifier::limits;
use assay_verifier::oci::{Descriptor, Digest, Manifest, ManifestKind};

use assay_judge::image_config;

/// The layers of an image's manifest, the lowest first, with what containerd calls their snapshots.
pub(super) struct Chain {
    pub(super) manifest: Descriptor,
    pub(super) config: Digest,
    pub(super) layers: Vec<(Descriptor, Digest)>,
    pub(super) keys: Vec<Digest>,
}

impl Chain {
    pub(super) fn top(&self) -> Option<&str> {
        self.keys.last().map(Digest::as_str)
    }
}

/// The layers of every manifest of an image that is there and has any.
pub(super) fn chains(store: &dyn Store, image: &Image) -> Result<Vec<Chain>, String> {
    let mut found = Vec::new();
    let mut walk = Walk::within(limits::IMAGE_BLOBS);
    image.target.recorded().into_iter().for_each(|target| walk.add_root(target.clone()));
    while let Some((descriptor, depth)) = walk.take_next() {
        let over =
            |_: GraphLimit| format!("{} is nested too deep or among too many blobs", descriptor.digest);
        if !walk.visit((descriptor.digest.clone(), descriptor.size)).map_err(over)? {
            continue;
        }
        check_depth(depth).map_err(over)?;
        let Some(kind) = ManifestKind::from_media_type(&descriptor.media_type) else { continue };
        // manifests of other platforms are not there; that of the image itself is, or its content is not judged
        if is_attestation(&descriptor) || !store.has(image.namespace.as_ref(), &descriptor.digest) {
            continue;
        }
        let read = |descriptor: &Descriptor| {
            fetch(store, image.namespace.as_ref(), descriptor, limits::MANIFEST_BYTES)
                .map_err(|error| format!("{} {error}", descriptor.digest))
        };
        let manifest =
            Manifest::parse(&read(&descriptor)?).map_err(|error| format!("{} {error}", descriptor.digest))?;
        if kind == ManifestKind::Index {
            // of manifests with the same layers, the blobs of the last are read
            walk.add(depth, manifest.manifests.into_iter().rev());
            continue;
        }
        let Some(config) = &manifest.config else { continue };
        if !store.has(image.namespace.as_ref(), &config.digest) {
            return Err(format!("the config {} is not in the store", config.digest));
        }
        let diff_ids = image_config::diff_ids(&read(config)?)
            .map_err(|error| format!("the config {} is malformed: {error}", config.digest))?;
        let Some(diff_ids) = diff_ids else { continue };
        if diff_ids.len() != manifest.layers.len() {
            return Err(format!(
                "{} has {}, and its config names {}",
                descriptor.digest,
                count(manifest.layers.len(), "layer"),
                diff_ids.len()
            ));
        }
        let mut keys: Vec<Digest> = Vec::new();
        for diff_id in &diff_ids {
            keys.push(image_config::chain_id(keys.last(), diff_id));
        }
        let config = config.digest.clone();
        let layers = manifest.layers.into_iter().zip(diff_ids).collect();
        found.push(Chain { manifest: descriptor, config, layers, keys });
    }
    Ok(found)
}
