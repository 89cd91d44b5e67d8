//! Makes the image of the agent: an OCI image layout with one index for all platforms. Equal input gives equal bytes, so that two
//! sites, or one site twice, have one digest for one content.
//!
//! Each platform's image has one layer with its agent. A second layer, the same for all, has the trust directory and the bundles
//! where [`pod`](super::pod) says. Nothing in the image tells when, where or by whom it was made.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use assay_verifier::oci::{Descriptor, Digest, DigestAlgorithm, Platform as ImagePlatform, media_type};
use serde::Serialize;

use super::pod::{AGENT, BUNDLES, TRUST};
use crate::archive::{self, Archive, ArchiveError};
use crate::bundle::Packing;
use crate::nodes::{Os, Platform};
use crate::scratch::Scratch;
use crate::transport::Input;

/// An image, ready to be written or pushed.
pub(crate) struct AgentImage {
    /// The files are here.
    _scratch: Scratch,
    /// The index, which is the image.
    pub(crate) index: Descriptor,
    /// What the index leads to, and the index itself last, each with its file: a manifest stands after what it names.
    pub(crate) blobs: Vec<(Descriptor, PathBuf)>,
    /// The platforms that it has an agent for.
    pub(crate) platforms: Vec<Platform>,
}

/// The image cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A file cannot be packed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The system refuses a scratch folder, or a layer cannot be read back.
    #[error("a layer cannot be written")]
    Layer(#[from] io::Error),
    /// A document cannot be written as JSON.
    #[error("a document of the image cannot be written")]
    Document(#[from] serde_json::Error),
    /// No agent is for Linux.
    #[error(
        "there is no agent for Linux, which the image is for; name one with --agent, or build one with cargo agent"
    )]
    NoAgent,
}

/// OCI image specification, manifest.md.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'d> {
    schema_version: u8,
    media_type: &'static str,
    config: &'d Descriptor,
    layers: Vec<&'d Descriptor>,
}

/// OCI image specification, image-index.md.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index<'d> {
    schema_version: u8,
    media_type: &'static str,
    manifests: &'d [Descriptor],
}

/// OCI image specification, config.md.
#[derive(Serialize)]
struct Config<'d> {
    architecture: &'static str,
    os: &'static str,
    config: Execution,
    rootfs: Rootfs<'d>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Execution {
    entrypoint: [&'static str; 1],
    working_dir: &'static str,
}

#[derive(Serialize)]
struct Rootfs<'d> {
    #[serde(rename = "type")]
    kind: &'static str,
    diff_ids: Vec<&'d Digest>,
}

/// A layer, compressed.
struct Layer {
    descriptor: Descriptor,
    /// The digest of the tar itself.
    diff_id: Digest,
}

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// The annotations of a layout's entry from which containerd and others take its name and its tag.
const CONTAINERD_NAME: &str = "io.containerd.image.name";
const REF_NAME: &str = "org.opencontainers.image.ref.name";

impl AgentImage {
    /// Makes the image of the agents for Linux, with the files of a trust directory by their paths there, and with bundles.
    ///
    /// # Errors
    /// [`ImageError`]
    pub(crate) fn new(
        agents: &BTreeMap<Platform, Input>,
        trust: &[(String, Input)],
        bundles: &[Input],
    ) -> Result<Self, ImageError> {
        let scratch = Scratch::new()?;
        let mut blobs = Blobs { folder: scratch.path(), each: Vec::new() };
        let content = content(trust, bundles)?.map(|content| blobs.layer(&content)).transpose()?;
        let mut manifests = Vec::new();
        let mut platforms = Vec::new();
        for (platform, agent) in agents.iter().filter(|(platform, _)| platform.os == Os::Linux) {
            let architecture = platform.architecture.as_str();
            let mut program = Archive::for_all();
            program.add(inside(AGENT), 0o755, agent)?;
            let program = blobs.layer(&program.finish())?;
            let layers: Vec<&Layer> = [&program].into_iter().chain(&content).collect();
            let config = blobs.document(
                CONFIG,
                &Config {
                    architecture,
                    os: platform.os.as_str(),
                    config: Execution { entrypoint: [AGENT], working_dir: "/" },
                    rootfs: Rootfs {
                        kind: "layers",
                        diff_ids: layers.iter().map(|layer| &layer.diff_id).collect(),
                    },
                },
            )?;
            let manifest = blobs.document(
                media_type::OCI_MANIFEST,
                &Manifest {
                    schema_version: 2,
                    media_type: media_type::OCI_MANIFEST,
                    config: &config,
                    layers: layers.iter().map(|layer| &layer.descriptor).collect(),
                },
            )?;
            let of_image = ImagePlatform {
                architecture: architecture.to_owned(),
                os: platform.os.as_str().to_owned(),
                ..ImagePlatform::default()
            };
            manifests.push(Descriptor { platform: Some(of_image), ..manifest });
            platforms.push(*platform);
        }
        if manifests.is_empty() {
            return Err(ImageError::NoAgent);
        }
        let index = Index { schema_version: 2, media_type: media_type::OCI_INDEX, manifests: &manifests };
        let index = blobs.document(media_type::OCI_INDEX, &index)?;
        let blobs = blobs.each;
        Ok(Self { _scratch: scratch, index, blobs, platforms })
    }

    /// The image as an OCI image layout in one tar. containerd imports it under `name`, which is not part of its digest.
    ///
    /// # Errors
    /// [`ImageError`]
    pub(crate) fn layout(&self, name: Option<&str>) -> Result<Input, ImageError> {
        let mut entry = self.index.clone();
        if let Some(name) = name {
            let tag = name.rsplit_once(':').map_or(name, |(_, tag)| tag);
            entry.annotations = [(CONTAINERD_NAME, name), (REF_NAME, tag)]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into();
        }
        let index = Index { schema_version: 2, media_type: media_type::OCI_INDEX, manifests: &[entry] };
        let mut layout = Archive::for_all();
        layout.add("oci-layout", 0o644, &input(br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()))?;
        layout.add("index.json", 0o644, &input(serde_json::to_vec(&index)?))?;
        for (blob, file) in &self.blobs {
            let path = format!("blobs/{}/{}", blob.digest.algorithm().name(), blob.digest.hex());
            layout.add(&path, 0o644, &archive::file(file)?)?;
        }
        Ok(layout.finish())
    }
}

/// The layer that all platforms share; none if there is nothing in it.
fn content(trust: &[(String, Input)], bundles: &[Input]) -> Result<Option<Input>, ArchiveError> {
    let mut content = Archive::for_all();
    for (number, bundle) in bundles.iter().enumerate() {
        content.add(&format!("{}/{number}.tar", inside(BUNDLES)), 0o644, bundle)?;
    }
    for (name, file) in trust {
        content.add(&format!("{}/{name}", inside(TRUST)), 0o644, file)?;
    }
    Ok((!trust.is_empty() || !bundles.is_empty()).then(|| content.finish()))
}

/// What an image consists of, in the order in which it is pushed, in files of a folder.
struct Blobs<'f> {
    folder: &'f Path,
    each: Vec<(Descriptor, PathBuf)>,
}

impl Blobs<'_> {
    /// Compresses a tar.
    fn layer(&mut self, tar: &Input) -> Result<Layer, ImageError> {
        let path = self.next();
        Packing::Gzip.pack(tar, &path)?;
        let file = archive::file(&path)?;
        let descriptor = Descriptor::new(LAYER, digest(&file)?, file.size());
        self.each.push((descriptor.clone(), path));
        Ok(Layer { descriptor, diff_id: digest(tar)? })
    }

    fn document(&mut self, media_type: &str, document: &impl Serialize) -> Result<Descriptor, ImageError> {
        let bytes = serde_json::to_vec(document)?;
        let path = self.next();
        std::fs::write(&path, &bytes)?;
        let descriptor = Descriptor::new(media_type, Digest::sha256(&bytes), bytes.len() as u64);
        self.each.push((descriptor.clone(), path));
        Ok(descriptor)
    }

    fn next(&self) -> PathBuf {
        self.folder.join(self.each.len().to_string())
    }
}

fn input(bytes: Vec<u8>) -> Input {
    let mut input = Input::default();
    input.bytes(bytes);
    input
}

fn digest(input: &Input) -> io::Result<Digest> {
    let mut hasher = DigestAlgorithm::Sha256.hasher();
    input.read(|bytes| hasher.update(bytes))?;
    Ok(hasher.finish())
}

/// A path in the image as tars write it.
fn inside(path: &str) -> &str {
    path.trim_start_matches('/')
}

#[cfg(test)]
mod tests {
    use assay_judge::store::layout::{Layout, Reading};
    use assay_verifier::oci::Manifest as Parsed;

    use super::*;
    use crate::nodes::Architecture;

    fn agents(platforms: &[(Os, Architecture)]) -> BTreeMap<Platform, Input> {
        let of = |&(os, architecture): &(Os, Architecture)| {
            let platform = Platform { os, architecture };
            (platform, input(format!("agent for {platform}").into_bytes()))
        };
        platforms.iter().map(of).collect()
    }

    fn both() -> BTreeMap<Platform, Input> {
        agents(&[
            (Os::Linux, Architecture::Amd64),
            (Os::Linux, Architecture::Arm64),
            (Os::Windows, Architecture::Amd64),
        ])
    }

    fn image(agents: &BTreeMap<Platform, Input>) -> AgentImage {
        let trust = [("trustpolicy.json".to_owned(), input(b"{}".to_vec()))];
        AgentImage::new(agents, &trust, &[input(b"a bundle".to_vec())]).unwrap()
    }

    fn bytes(input: &Input) -> Vec<u8> {
        let mut bytes = Vec::new();
        input.read(|piece| bytes.extend_from_slice(piece)).unwrap();
        bytes
    }

    /// The digest of this image changes only if what it is made of, or the compressor, changes.
    #[test]
    fn equal_input_gives_equal_bytes() {
        let (image, again) = (image(&both()), image(&both()));
        assert_eq!(image.index, again.index);
        assert_eq!(
            image.index.digest.as_str(),
            "sha256:fcad1acf9a3202cd39e6b4dd08ba3e8533ff989b0bbb92e34212f5318ddebe0f"
        );
        let layout = |image: &AgentImage, name| bytes(&image.layout(name).unwrap());
        assert!(layout(&image, None) == layout(&again, None));
        assert!(layout(&image, None) != layout(&image, Some("r.example/assay:1")));
    }

    #[test]
    fn what_it_consists_of_is_what_it_names() {
        let image = image(&both());
        assert_eq!(
            image.platforms.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["linux/amd64", "linux/arm64"]
        );
        for (at, (blob, file)) in image.blobs.iter().enumerate() {
            let content = std::fs::read(file).unwrap();
            assert!(blob.digest.matches(&content) && blob.size == content.len() as u64);
            // What is sent to a registry first must be read first.
            let Ok(manifest) = Parsed::parse(&content) else { continue };
            for named in manifest.manifests.iter().chain(&manifest.layers).chain(&manifest.config) {
                assert!(image.blobs[..at].iter().any(|(before, _)| before.same_target(named)), "{named:?}");
            }
        }
        assert_eq!(image.blobs.last().map(|(blob, _)| blob), Some(&image.index));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.tar");
        Packing::Tar.pack(&image.layout(Some("r.example/assay:1")).unwrap(), &path).unwrap();
        let layout = Layout::open(&path, Reading::Everything).unwrap();
        let listing = assay_judge::store::Store::listing(&layout);
        let names: Vec<_> =
            listing.records.iter().map(|record| (&*record.name, &record.target.digest)).collect();
        assert_eq!(names, [("r.example/assay:1", &image.index.digest)]);
    }

    #[test]
    fn files_are_where_pods_look_for_them() {
        let files = |layer: &Path| {
            let layer = std::fs::File::open(layer).unwrap();
            let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(layer));
            let entries = tar.entries().unwrap().map(|entry| {
                let entry = entry.unwrap();
                let path = entry.path().unwrap().to_str().unwrap().to_owned();
                format!("{:o} {path}", entry.header().mode().unwrap())
            });
            entries.collect::<Vec<_>>()
        };
        let image = image(&agents(&[(Os::Linux, Architecture::Amd64)]));
        let layers: Vec<_> = image.blobs.iter().filter(|(blob, _)| blob.media_type == LAYER).collect();
        assert_eq!(
            files(&layers[0].1),
            [
                "755 assay/",
                "755 assay/bundles/",
                "644 assay/bundles/0.tar",
                "755 assay/trust/",
                "644 assay/trust/trustpolicy.json"
            ]
        );
        assert_eq!(files(&layers[1].1), ["755 assay-agent"]);
    }

    #[test]
    fn an_image_needs_an_agent_for_linux() {
        let windows = agents(&[(Os::Windows, Architecture::Amd64)]);
        assert!(matches!(AgentImage::new(&windows, &[], &[]), Err(ImageError::NoAgent)));
        let alone = AgentImage::new(&agents(&[(Os::Linux, Architecture::Arm64)]), &[], &[]).unwrap();
        assert_eq!(alone.blobs.iter().filter(|(blob, _)| blob.media_type == LAYER).count(), 1);
    }
}
