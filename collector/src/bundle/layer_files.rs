//! Carries the lists of layers' files ([`assay_judge::layer`]), so that nodes which discard their layers compare what they unpacked.
//!
//! Each layer is downloaded once into a file without a name, both of its digests are checked, and only its list is kept. Images
//! without a signature get lists too: another bundle may have their signatures, and a list alone lets nothing pass.

use std::collections::BTreeSet;
use std::io::{Read, Seek as _};

use assay_judge::image::is_attestation;
use assay_judge::image_config;
use assay_judge::layer::{ListError, write_list};
use assay_report::bundle::{CarriedLayerFiles, Gap, GapKind};
use assay_report::words::count;
use assay_verifier::limits;
use assay_verifier::oci::{Descriptor, Digest, Manifest, ManifestKind, Repository};

use super::carrier::{Carrier, FetchEvent};
use super::staging::StagingError;
use super::wanted::Wanted;
use crate::errors::with_sources;
use crate::registry::{Fetched, RegistryError};

/// A manifest of an image, and the entry of the index that lists it.
pub(super) struct ImageManifest {
    pub(super) fetched: Fetched,
    pub(super) entry: Descriptor,
}

/// Whether nodes compare what is unpacked of a manifest that an index lists, or that stands by itself: containers of Windows have
/// other snapshots. `platforms` are those that nodes have of the image, if they say so.
pub(super) fn is_compared(entry: &Descriptor, platforms: Option<&BTreeSet<String>>) -> bool {
    if ManifestKind::from_media_type(&entry.media_type) != Some(ManifestKind::Image) {
        return false;
    }
    let Some(platform) = &entry.platform else { return true };
    let own = format!("{}/{}", platform.os, platform.architecture);
    let is_own = |said: &String| said.split(' ').next().is_some_and(|said| is_variant(said, &own));
    let is_had = platforms.is_none_or(|platforms| platforms.iter().any(is_own));
    platform.os != "windows" && !is_attestation(entry) && is_had
}

/// Whether a platform is this one, or one of its variants.
fn is_variant(platform: &str, own: &str) -> bool {
    platform.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Carrier {
    /// Carries the lists of the layers of an image: of its manifest, or of those that its index lists.
    pub(super) async fn layer_files(
        &self,
        wanted: &Wanted,
        root: &Digest,
        manifests: &[ImageManifest],
    ) -> Result<(), StagingError> {
        let platforms = self.wanted.platforms(root);
        for image in manifests.iter().filter(|image| is_compared(&image.entry, platforms)) {
            let Fetched { descriptor, manifest, .. } = &image.fetched;
            let diff_ids = match self.diff_ids(&wanted.repository, manifest).await {
                Ok(Some(diff_ids)) => diff_ids,
                // such as a chart: nothing unpacks it
                Ok(None) => continue,
                Err(why) => {
                    let why = format!("the lists of its layers' files: {}: {why}", descriptor.digest);
                    self.gap(GapKind::LayerFiles, wanted.title(), why);
                    continue;
                }
            };
            for (layer, diff_id) in manifest.layers.iter().zip(&diff_ids) {
                self.list_layer(wanted, layer, diff_id).await?;
            }
        }
        Ok(())
    }

    /// The digests of a manifest's unpacked layers; none if it has none to unpack.
    async fn diff_ids(
        &self,
        repository: &Repository,
        manifest: &Manifest,
    ) -> Result<Option<Vec<Digest>>, String> {
        let Some(config) = &manifest.config else { return Ok(None) };
        let bytes = self.blob(repository, config, limits::MANIFEST_BYTES).await;
        let bytes = bytes.map_err(|error| format!("its config: {}", with_sources(&error)))?;
        diff_ids(manifest, &bytes)
    }

    async fn list_layer(
        &self,
        wanted: &Wanted,
        layer: &Descriptor,
        diff_id: &Digest,
    ) -> Result<(), StagingError> {
        // images share layers
        if !self.listed().insert((layer.digest.clone(), diff_id.clone())) {
            return Ok(());
        }
        let files = match self.staging.layer_files(layer, diff_id) {
            Some(files) => files,
            None => match self.make_list(&wanted.repository, layer, diff_id).await {
                Ok(made) => {
                    self.staging.add_layer_files(&made.files, &made.list)?;
                    made.files
                }
                Err(error) => {
                    let why = format!(
                        "the list of the files of this layer of {}: {}",
                        wanted.title(),
                        with_sources(&error)
                    );
                    self.gap(GapKind::LayerFiles, layer.digest.as_str(), why);
                    return Ok(());
                }
            },
        };
        let added = self.content().add_layer_files(files);
        match added {
            Ok(()) => self.say(FetchEvent::LayerFiles { layer: layer.digest.clone() }),
            Err(Gap { kind, what, why }) => self.gap(kind, &what, why),
        }
        Ok(())
    }

    async fn make_list(
        &self,
        repository: &Repository,
        layer: &Descriptor,
        diff_id: &Digest,
    ) -> Result<MadeList, MakeError> {
        // an error would say that the semaphore was closed, which nothing does
        let _permit = self.listing.acquire().await.ok();
        let mut file = tempfile::tempfile_in(self.staging.folder()).map_err(ListError::Write)?;
        self.registries.large_blob(repository, layer, &file).await?;
        let (layer, diff_id) = (layer.clone(), diff_id.clone());
        let make = move || -> Result<MadeList, MakeError> {
            file.rewind().map_err(ListError::Write)?;
            Ok(MadeList::of(file, layer, diff_id)?)
        };
        tokio::task::spawn_blocking(make).await.map_err(|_| MakeError::Stopped)?
    }
}

/// The digests of a manifest's unpacked layers, as its config names them; none if it has none to unpack, such as a chart.
///
/// # Errors
/// Why they are not known, in words.
pub(super) fn diff_ids(manifest: &Manifest, config: &[u8]) -> Result<Option<Vec<Digest>>, String> {
    let diff_ids = image_config::diff_ids(config)
        .map_err(|error| format!("its config is malformed: {}", with_sources(&error)))?;
    match diff_ids {
        Some(diff_ids) if diff_ids.len() != manifest.layers.len() => Err(format!(
            "it has {}, and its config names {}",
            count(manifest.layers.len(), "layer"),
            diff_ids.len()
        )),
        diff_ids => Ok(diff_ids),
    }
}

/// A list, and what is said of it.
pub(super) struct MadeList {
    pub(super) files: CarriedLayerFiles,
    pub(super) list: Vec<u8>,
}

impl MadeList {
    /// The list of the layer that `stream` should be.
    ///
    /// # Errors
    /// [`ListError`]
    pub(super) fn of(
        stream: impl Read + Send,
        layer: Descriptor,
        diff_id: Digest,
    ) -> Result<Self, ListError> {
        let mut list = Vec::new();
        let entries = write_list(stream, &layer, &diff_id, &mut list)?;
        let size = list.len() as u64;
        let files =
            CarriedLayerFiles { layer: layer.digest, diff_id, list: Digest::sha256(&list), size, entries };
        Ok(Self { files, list })
    }
}

/// A list cannot be made.
#[derive(Debug, thiserror::Error)]
enum MakeError {
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    List(#[from] ListError),
    #[error("reading it stopped")]
    Stopped,
}

/// Layers that are listed at once: each takes a processor, and its list is in memory.
pub(super) const LISTING: usize = 2;

#[cfg(test)]
mod tests {
    use assay_verifier::oci::{Platform, media_type};

    use super::*;

    #[test]
    fn lists_are_made_for_the_platforms_that_nodes_have() {
        let entry = |platform: Option<(&str, &str)>| Descriptor {
            platform: platform.map(|(os, architecture)| Platform {
                os: os.to_owned(),
                architecture: architecture.to_owned(),
                ..Platform::default()
            }),
            ..Descriptor::new(media_type::OCI_MANIFEST, Digest::sha256(b""), 0)
        };
        let nodes = BTreeSet::from(["linux/arm64/v8".to_owned(), "windows/amd64 10.0.20348.1".to_owned()]);
        for (platform, anywhere, on_nodes) in [
            (None, true, true),
            (Some(("linux", "amd64")), true, false),
            (Some(("linux", "arm64")), true, true),
            (Some(("linux", "arm")), true, false),
            (Some(("windows", "amd64")), false, false),
            (Some(("unknown", "unknown")), false, false),
        ] {
            let entry = entry(platform);
            assert_eq!(is_compared(&entry, None), anywhere, "{platform:?}");
            assert_eq!(is_compared(&entry, Some(&nodes)), on_nodes, "{platform:?}");
        }
    }
}
