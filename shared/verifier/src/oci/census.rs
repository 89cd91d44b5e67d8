//! Decides which manifests of a store are images, and which are only companions of one.
//!
//! Signatures, attestations and SBOMs are stored as manifests beside the images that they are about. Registries without an API
//! for referrers list them under tags such as `sha256-<hex>.sig` (distribution specification, "Referrers Tag Schema"; cosign),
//! and tools that copy images write them into `index.json`. Neither a name nor a media type makes a companion: containerd runs
//! whatever it can unpack, so a manifest is a companion only if nothing in it can be unpacked ([`Nature`]).
//!
//! An entry of `index.json` without a name is an image too, unless it is a companion or another entry leads to it ([`unnamed`]).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use serde::Deserialize;

use crate::json;
use crate::limits;
use crate::oci::{Descriptor, Digest, Manifest, ManifestKind, companion_tag, media_type, shape};

/// The annotations that name an image in `index.json`; the first that says something counts.
const NAMES: [&str; 2] = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

/// The annotation that cosign and hauler tell images from their companions by, such as `dev.cosignproject.cosign/sigs`.
pub const KIND: &str = "kind";

/// The name of an entry of `index.json`; `None` if it has none.
pub fn name(entry: &Descriptor) -> Option<&str> {
    NAMES
        .iter()
        .filter_map(|key| entry.annotations.get(*key))
        .map(String::as_str)
        .find(|name| !name.is_empty())
}

/// Whether an entry of `index.json` is marked as what belongs to an image, which is to be seen.
pub fn is_marked(entry: &Descriptor) -> bool {
    let kind = entry.annotations.get(KIND).and_then(|kind| kind.split_once('/'));
    kind.is_some_and(|(_, kind)| {
        ["sigs", "atts", "sboms", "referrers"].iter().any(|known| kind.starts_with(known))
    })
}

/// What a manifest is by its content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nature {
    /// It may be run, or that is unknown.
    #[default]
    Image,
    /// Nothing in it can be run; whether it belongs to an image, its name tells.
    NotRunnable,
    /// The same, and its types are those of SBOMs, or it lists what belongs to images.
    Document,
    /// The same, and it says itself that it belongs to an image: by its `subject`, or by the types of signatures and attestations.
    Attached,
}

impl Nature {
    /// Whether a manifest of that name belongs to an image and is not one itself. `marked`: what lists it says so.
    pub fn is_companion(self, name: Option<&str>, marked: bool) -> bool {
        let is_marked_or_tagged = || marked || name.is_some_and(|name| companion_tag(name).is_some());
        match self {
            Self::Image => false,
            Self::NotRunnable => is_marked_or_tagged(),
            Self::Document => name.is_none() || is_marked_or_tagged(),
            Self::Attached => true,
        }
    }
}

/// Reads a blob whole, its digest and size checked; `None` if that cannot be done or it has more bytes than the limit.
pub type Read<'r> = dyn FnMut(&Descriptor, u64) -> Option<Vec<u8>> + 'r;

/// What the manifests of a store are by their content.
#[derive(Clone, Debug, Default)]
pub struct Census {
    /// Those that cannot be run.
    natures: BTreeMap<Digest, Nature>,
    /// Indexes of nothing but such.
    listings: BTreeMap<Digest, Nature>,
    /// Blobs that were looked into, and whether containerd would unpack them as layers.
    unpacked: BTreeMap<Digest, bool>,
}

impl Census {
    /// Takes in a manifest whose bytes are what its digest says, and gives what it is.
    pub fn add(&mut self, digest: &Digest, manifest: &Manifest, read: &mut Read<'_>) -> Nature {
        let nature = self.judge(manifest, read);
        if nature != Nature::Image {
            self.natures.insert(digest.clone(), nature);
        }
        nature
    }

    /// Takes in what an index lists, once all manifests are.
    pub fn add_listing<'d>(&mut self, index: &Digest, listed: impl Iterator<Item = &'d Digest>) {
        let nature = match listed.map(|digest| self.natures.get(digest).copied().unwrap_or_default()).min() {
            None | Some(Nature::Image) => return,
            Some(Nature::NotRunnable | Nature::Document) => Nature::NotRunnable,
            Some(Nature::Attached) => Nature::Document,
        };
        self.listings.insert(index.clone(), nature);
    }

    /// What a manifest is; an image if it was not taken in.
    pub fn nature(&self, digest: &Digest) -> Nature {
        let known = self.natures.get(digest).or_else(|| self.listings.get(digest));
        known.copied().unwrap_or_default()
    }

    fn judge(&mut self, manifest: &Manifest, read: &mut Read<'_>) -> Nature {
        if !manifest.manifests.is_empty() {
            return Nature::Image;
        }
        let config = manifest.config.as_ref().filter(|config| config.digest != Digest::sha256(b"{}"));
        // the empty object names neither layers nor a program, whatever layers there are beside it
        if manifest.subject.is_some() && config.is_none() {
            return Nature::Attached;
        }
        let mut parts = manifest.layers.iter().chain(&manifest.blobs);
        if parts.any(|part| is_layer(&part.media_type)) {
            return Nature::Image;
        }
        if config.is_some_and(|config| self.may_run(manifest, config, read)) {
            return Nature::Image;
        }
        if manifest.subject.is_some() || is_of(manifest, &ATTACHED) {
            Nature::Attached
        } else if is_of(manifest, &DOCUMENTS) {
            Nature::Document
        } else {
            Nature::NotRunnable
        }
    }

    /// Whether a config says what to run: a platform or a program; or layers, which may be unpacked already, by another image, and
    /// then need no unpacking, whatever the manifest calls its own. Cosign's configs name the manifest's own parts, which are no
    /// layers, so that nothing can run them.
    fn may_run(&mut self, manifest: &Manifest, config: &Descriptor, read: &mut Read<'_>) -> bool {
        #[derive(Deserialize)]
        struct Config {
            #[serde(default)]
            os: Option<String>,
            #[serde(default)]
            architecture: Option<String>,
            #[serde(default)]
            config: Option<Program>,
            #[serde(default)]
            rootfs: Option<Rootfs>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Program {
            #[serde(default)]
            entrypoint: Option<serde::de::IgnoredAny>,
            #[serde(default)]
            cmd: Option<serde::de::IgnoredAny>,
        }
        #[derive(Deserialize)]
        struct Rootfs {
            #[serde(default)]
            diff_ids: Option<Vec<String>>,
        }
        let Some(bytes) = read(config, limits::SCANNED_BLOB_BYTES) else { return true };
        let Ok(config) = json::read::<Config>(&bytes, &shape::CONFIG) else {
            return json::is_object(&bytes);
        };
        let layers = config.rootfs.and_then(|rootfs| rootfs.diff_ids).unwrap_or_default();
        if layers.is_empty() {
            let platform = [config.os, config.architecture];
            let has_program = |program: Program| program.entrypoint.is_some() || program.cmd.is_some();
            return platform.into_iter().flatten().any(|part| !part.is_empty())
                || config.config.is_some_and(has_program);
        }
        let own: BTreeMap<&str, &Descriptor> =
            manifest.layers.iter().map(|layer| (layer.digest.as_str(), layer)).collect();
        layers.iter().any(|layer| own.get(layer.as_str()).is_none_or(|layer| self.is_unpacked(layer, read)))
    }

    fn is_unpacked(&mut self, layer: &Descriptor, read: &mut Read<'_>) -> bool {
        if let Some(known) = self.unpacked.get(&layer.digest) {
            return *known;
        }
        if self.unpacked.len() >= limits::COMPANION_LAYERS {
            return true;
        }
        let unpacked = read(layer, limits::MANIFEST_BYTES).is_none_or(|bytes| begins_as_layer(&bytes));
        self.unpacked.insert(layer.digest.clone(), unpacked);
        unpacked
    }
}

/// What an entry of `index.json` without a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unnamed {
    /// An image, named by its digest.
    Image,
    /// What belongs to an image.
    Companion,
    /// A signature, as the layout says.
    Signature,
    /// Unknown: what it leads to is not there, or cannot be read.
    Missing,
    /// Something that is not a manifest.
    Blob,
}

/// What is known of the manifests of a layout.
pub trait Layout {
    /// Whether an entry has a name, or another one of the same target has.
    fn is_named(&self, entry: &Descriptor) -> bool;

    /// What an index lists whose bytes were read; nothing of another manifest.
    fn listed_by(&self, digest: &Digest) -> &[Descriptor];

    /// What a manifest is by its content.
    fn nature(&self, digest: &Digest) -> Nature;

    /// Whether it counts as a signature, even a broken one.
    fn is_signature(&self, digest: &Digest) -> bool;

    /// Whether its blob is there and can be read.
    fn has(&self, digest: &Digest) -> bool;

    /// Whether something of an unknown type that is there can be a manifest.
    fn may_be_manifest(&self, entry: &Descriptor) -> bool;

    /// Whether the layout is a bundle of assay's, which holds indexes for the sake of the images that they list.
    fn is_bundle(&self) -> bool;
}

/// The entries of `index.json` that have no name and that no other entry leads to, each target once, in their order.
pub fn unnamed<'e>(entries: &'e [Descriptor], layout: &dyn Layout) -> Vec<(&'e Descriptor, Unnamed)> {
    let mut known = BTreeSet::new();
    let mut nameless: Vec<&Descriptor> = entries.iter().filter(|entry| !layout.is_named(entry)).collect();
    nameless.retain(|entry| known.insert((&entry.digest, entry.media_type.as_str(), entry.size)));
    let inner = inner(entries, &nameless, layout);
    let outer = nameless.into_iter().filter(|entry| !inner.contains(&entry.digest));
    outer.filter(|entry| !is_parent(entry, layout)).map(|entry| (entry, what(entry, layout))).collect()
}

/// Those of `nameless` that an index leads to which is an entry itself, or which such an index leads to. What a manifest refers to
/// as its `subject` is not led to: a signature makes no image of another one.
fn inner<'l>(
    entries: &'l [Descriptor],
    nameless: &[&Descriptor],
    layout: &'l dyn Layout,
) -> BTreeSet<&'l Digest> {
    let nameless: BTreeSet<&Digest> = nameless.iter().map(|entry| &entry.digest).collect();
    let (mut inner, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let mut open: Vec<&Digest> = entries.iter().map(|entry| &entry.digest).collect();
    while let Some(index) = open.pop() {
        let listed = layout.listed_by(index);
        if !listed.is_empty() && seen.insert(index) {
            inner.extend(listed.iter().map(|entry| &entry.digest).filter(|digest| nameless.contains(digest)));
            open.extend(listed.iter().map(|entry| &entry.digest));
        }
    }
    inner
}

/// Whether an entry is there for the sake of an image with a name that it lists, and has nothing to run but that.
fn is_parent(entry: &Descriptor, layout: &dyn Layout) -> bool {
    let listed = layout.listed_by(&entry.digest);
    layout.is_bundle()
        && listed.iter().any(|listed| layout.is_named(listed))
        && listed.iter().all(|listed| layout.is_named(listed) || !layout.has(&listed.digest))
}

fn what(entry: &Descriptor, layout: &dyn Layout) -> Unnamed {
    let (digest, nature) = (&entry.digest, layout.nature(&entry.digest));
    if !layout.has(digest) {
        Unnamed::Missing
    } else if layout.is_signature(digest) {
        Unnamed::Signature
    } else if nature.is_companion(None, is_marked(entry)) {
        Unnamed::Companion
    } else if ManifestKind::from_media_type(&entry.media_type).is_some() || layout.may_be_manifest(entry) {
        Unnamed::Image
    } else {
        Unnamed::Blob
    }
}

/// What kind of thing a manifest says it is: the most telling of its types.
pub fn kind<'m>(media_type: &'m str, manifest: &'m Manifest) -> &'m str {
    let config = manifest.config.as_ref().map(|config| config.media_type.as_str());
    let is_telling = |kind: &&str| {
        !matches!(*kind, "" | media_type::OCI_CONFIG | media_type::DOCKER_CONFIG | media_type::OCI_EMPTY)
    };
    let layer = manifest.layers.first().map(|layer| layer.media_type.as_str());
    let kinds = [manifest.artifact_type.as_deref(), config, layer];
    kinds.into_iter().flatten().find(is_telling).unwrap_or(media_type)
}

/// Whether containerd unpacks a layer of that type, or runs it as it is: those of its differs in all releases, with whatever
/// suffix (`+gzip`, `+zstd`, `+encrypted`), Docker's, foreign ones, EROFS, and programs in WebAssembly.
pub fn is_layer(media_type: &str) -> bool {
    let media_type = media_type.to_ascii_lowercase();
    let begins = ["application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs."];
    let holds = ["rootfs", "erofs", "wasm", "x-gtar"];
    begins.iter().any(|begin| media_type.starts_with(begin))
        || holds.iter().any(|word| media_type.contains(word))
}

/// Whether bytes would be unpacked as an uncompressed layer: a tar, of no members too, or an EROFS image.
fn begins_as_layer(bytes: &[u8]) -> bool {
    let is_erofs = bytes.get(1024..1028) == Some(&0xe0f5_e1e2_u32.to_le_bytes());
    let Some(header) = bytes.get(..512) else { return bytes.is_empty() };
    is_erofs || header.iter().all(|byte| *byte == 0) || is_tar_header(header)
}

/// Whether a tar's header has the checksum that it should have, as Go reads it.
fn is_tar_header(header: &[u8]) -> bool {
    let field = header.get(148..156).unwrap_or_default();
    let text = core::str::from_utf8(field).unwrap_or_default();
    let text = text.trim_matches([' ', '\0']).split('\0').next().unwrap_or_default();
    let Ok(stated) = i64::from_str_radix(text, 8) else { return false };
    let sum = |of: fn(u8) -> i64| -> i64 {
        let byte = |(at, byte): (usize, &u8)| if (148..156).contains(&at) { 32 } else { of(*byte) };
        header.iter().enumerate().map(byte).sum()
    };
    stated == sum(i64::from) || stated == sum(|byte| i64::from(byte.cast_signed()))
}

/// The type of what cosign signs.
const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// Words in the types of signatures and attestations, and in those of SBOMs.
const ATTACHED: [&str; 4] = ["cosign", "sigstore", "dsse", "in-toto"];
const DOCUMENTS: [&str; 4] = ["spdx", "cyclonedx", "syft", "sbom"];

/// Whether a manifest is of a type with one of `words`, or all that it holds is.
fn is_of(manifest: &Manifest, words: &[&str]) -> bool {
    let is_word = |kind: &str| words.iter().any(|word| kind.contains(word));
    let config = manifest.config.as_ref().map(|config| config.media_type.as_str());
    let parts = || manifest.layers.iter().chain(&manifest.blobs);
    manifest.artifact_type.as_deref().is_some_and(is_word)
        || config.is_some_and(is_word)
        || parts().next().is_some() && parts().all(|part| is_word(&part.media_type))
}

/// The image that a manifest says it belongs to, by its `subject` or, in a signature of cosign, by what is signed.
pub fn subject(manifest: &Manifest, read: &mut Read<'_>) -> Option<Digest> {
    #[derive(Deserialize)]
    struct Payload {
        critical: Critical,
    }
    #[derive(Deserialize)]
    struct Critical {
        image: Image,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Image {
        docker_manifest_digest: Digest,
    }
    if let Some(subject) = &manifest.subject {
        return Some(subject.digest.clone());
    }
    let signed = manifest.layers.iter().find(|layer| layer.media_type == SIMPLE_SIGNING)?;
    let bytes = read(signed, limits::SCANNED_BLOB_BYTES)?;
    let payload: Payload = json::read(&bytes, &json::Shape::Any).ok()?;
    Some(payload.critical.image.docker_manifest_digest)
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::ToString as _;

    use super::*;

    /// A blob store in memory.
    #[derive(Default)]
    struct Blobs(BTreeMap<Digest, Vec<u8>>);

    impl Blobs {
        fn put(&mut self, media_type: &str, bytes: &[u8]) -> Descriptor {
            let digest = Digest::sha256(bytes);
            self.0.insert(digest.clone(), bytes.to_vec());
            Descriptor::new(media_type, digest, bytes.len() as u64)
        }

        /// The nature of a manifest of these layers, whose config names them and has so many bytes more.
        fn nature(&mut self, census: &mut Census, layers: &[Descriptor], more: usize) -> Nature {
            let names: Vec<String> =
                layers.iter().map(|layer| format!("{:?}", layer.digest.as_str())).collect();
            let text = format!(r#"{{"rootfs":{{"diff_ids":[{}]}}}}"#, names.join(","));
            let config = format!("{text}{}", " ".repeat(more.saturating_sub(text.len())));
            let config = self.put(media_type::OCI_CONFIG, config.as_bytes());
            let manifest = Manifest { config: Some(config), layers: layers.to_vec(), ..Manifest::default() };
            let read = &mut |blob: &Descriptor, limit| {
                self.0.get(&blob.digest).filter(|bytes| bytes.len() as u64 <= limit).cloned()
            };
            census.add(&Digest::sha256(b""), &manifest, read)
        }
    }

    #[test]
    fn what_is_looked_into_is_bounded() {
        let (mut blobs, mut census) = (Blobs::default(), Census::default());
        let most = usize::try_from(limits::SCANNED_BLOB_BYTES).unwrap();
        for (bytes, nature) in [(most, Nature::NotRunnable), (most + 1, Nature::Image)] {
            assert_eq!(blobs.nature(&mut census, &[], bytes), nature);
        }
        let largest = usize::try_from(limits::MANIFEST_BYTES).unwrap();
        for (bytes, nature) in [(largest, Nature::NotRunnable), (largest + 1, Nature::Image)] {
            let layer = blobs.put("text/plain", &alloc::vec![b'x'; bytes]);
            assert_eq!(blobs.nature(&mut census, &[layer], 0), nature);
        }
        let before = census.unpacked.len();
        for number in before..limits::COMPANION_LAYERS {
            let layer = blobs.put("text/plain", number.to_string().as_bytes());
            assert_eq!(blobs.nature(&mut census, &[layer], 0), Nature::NotRunnable);
        }
        let known = blobs.put("text/plain", before.to_string().as_bytes());
        assert_eq!(blobs.nature(&mut census, &[known], 0), Nature::NotRunnable);
        let another = blobs.put("text/plain", b"another");
        assert_eq!(blobs.nature(&mut census, &[another], 0), Nature::Image);
        assert_eq!(census.unpacked.len(), limits::COMPANION_LAYERS);
    }

    #[test]
    fn layers_are_known_by_how_they_begin() {
        let mut header = [0_u8; 512];
        header[..5].copy_from_slice(b"file\xff");
        header[148..156].fill(b' ');
        let sums = [
            header.iter().map(|byte| i64::from(*byte)).sum::<i64>(),
            header.iter().map(|byte| i64::from(byte.cast_signed())).sum(),
        ];
        for (sum, is_tar) in [(sums[0], true), (sums[1], true), (sums[0] + 1, false)] {
            header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            assert_eq!(begins_as_layer(&header), is_tar);
        }
        let mut erofs = alloc::vec![b'x'; 2048];
        assert!(!begins_as_layer(&erofs));
        erofs[1024..1028].copy_from_slice(&[0xe2, 0xe1, 0xf5, 0xe0]);
        assert!(begins_as_layer(&erofs));
        for (bytes, is_layer) in [(&[][..], true), (&[0; 512], true), (&[0; 511], false), (b"{}", false)] {
            assert_eq!(begins_as_layer(bytes), is_layer, "{}", bytes.len());
        }
    }

    #[test]
    fn names_and_marks_of_entries() {
        let entry = |annotations: &[(&str, &str)]| {
            let mut entry = Descriptor::new(media_type::OCI_MANIFEST, Digest::sha256(b""), 0);
            let annotations = annotations.iter().map(|(key, value)| ((*key).into(), (*value).into()));
            entry.annotations = annotations.collect();
            entry
        };
        let [first, second] = NAMES;
        for (annotations, expected) in [
            (&[][..], None),
            (&[(first, "")], None),
            (&[(first, ""), (second, "v1")], Some("v1")),
            (&[(first, "r/app:v1"), (second, "v1")], Some("r/app:v1")),
        ] {
            assert_eq!(name(&entry(annotations)), expected);
        }
        for (kind, expected) in [
            ("dev.cosignproject.cosign/sigs", true),
            ("dev.hauler/referrers/abc", true),
            ("dev.cosignproject.cosign/image", false),
            ("dev.cosignproject.cosign/imageIndex", false),
            ("sigs", false),
        ] {
            assert_eq!(is_marked(&entry(&[(KIND, kind)])), expected, "{kind}");
        }
    }
}
