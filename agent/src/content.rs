//! An image's content: everything reachable from its target that the store has, hashed against its descriptors.
//!
//! Indexes, manifests and configs are read whole and hashed before a word of them is believed; layers are only hashed, each
//! distinct one once in a run, on all threads. What is absent is counted; what must not be absent is named.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use assay_shared::limits;
use assay_shared::oci::{Descriptor, Digest, Manifest, ManifestKind, Platform};
use assay_shared::report::{Content, ContentMode, Mismatch, Node};

use crate::inventory::Image;
use crate::parallel;
use crate::store::{BlobError, Hashed, Store, check, fetch, hash};

/// What the content of an image is.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) content: Content,
    /// Platforms of the manifests that are there, sorted.
    pub(crate) platforms: Vec<String>,
    /// Bytes of the config and the layers of the manifests that are there, as their descriptors say.
    pub(crate) layer_bytes: u64,
    /// Why the content cannot be judged; empty where it can.
    pub(crate) unjudged: Vec<String>,
    /// A limit that was met.
    pub(crate) limit: Option<String>,
    /// Every manifest that was reached.
    pub(crate) manifests: Vec<Digest>,
}

/// Hashes the content of `images`, results in their order. Nothing is read at [`ContentMode::None`]. `node` is the machine
/// that would run them; none where the store is a copy, which may be of any machine's images.
pub(crate) fn check_all(
    store: &dyn Store,
    images: &[&Image],
    mode: ContentMode,
    node: Option<&Node>,
    jobs: usize,
) -> Vec<Checked> {
    if mode == ContentMode::None {
        let nothing = || Checked { content: Content { mode, ..Content::default() }, ..Checked::default() };
        return images.iter().map(|_| nothing()).collect();
    }
    let walks = parallel::map(jobs, images, || (), |(), image| Walk::of(store, image, mode, node));
    let wanted: BTreeMap<(&str, &Digest), u64> = images
        .iter()
        .zip(&walks)
        .flat_map(|(image, walk)| {
            walk.layers.iter().map(|layer| ((image.namespace.as_str(), &layer.digest), layer.size))
        })
        .collect();
    // whether a namespace has a blob is asked for each namespace; the bytes are the same in all
    let mut distinct: HashMap<&Digest, (&str, u64)> = HashMap::new();
    let mut absent: HashSet<(&str, &Digest)> = HashSet::new();
    for ((namespace, digest), size) in wanted {
        if store.has(namespace, digest) {
            distinct.entry(digest).or_insert((namespace, size));
        } else {
            absent.insert((namespace, digest));
        }
    }
    // the largest first: a large one taken last would leave the other threads idle
    let mut order: Vec<(&Digest, &str, u64)> =
        distinct.into_iter().map(|(digest, (namespace, size))| (digest, namespace, size)).collect();
    order.sort_unstable_by_key(|(digest, _, size)| (std::cmp::Reverse(*size), *digest));
    let hashed = parallel::map(
        jobs,
        &order,
        || vec![0; BUFFER_BYTES],
        |buffer, (digest, namespace, _)| hash(store, namespace, digest, buffer),
    );
    let hashed: HashMap<&Digest, Result<Hashed, BlobError>> =
        order.iter().map(|(digest, ..)| *digest).zip(hashed).collect();

    let finish = |(image, walk): (&&Image, &Walk<'_>)| {
        let mut checked = Checked {
            content: walk.content.clone(),
            platforms: walk.platforms.iter().cloned().collect(),
            layer_bytes: walk.layer_bytes,
            unjudged: walk.unjudged.clone(),
            limit: walk.limit.clone(),
            manifests: walk.manifests.clone(),
        };
        for layer in &walk.layers {
            let outcome = if absent.contains(&(image.namespace.as_str(), &layer.digest)) {
                Err(BlobError::Absent)
            } else {
                hashed.get(&layer.digest).cloned().unwrap_or(Err(BlobError::Absent))
            };
            note(
                &mut checked.content,
                &mut checked.unjudged,
                layer,
                outcome.and_then(|found| check(layer, &found)),
            );
        }
        checked.content.mismatched.sort();
        checked.content.mismatched.dedup();
        checked
    };
    images.iter().zip(&walks).map(finish).collect()
}

/// Long enough to make few calls, short enough to stay in the cache between reading and hashing.
const BUFFER_BYTES: usize = 128 << 10;

/// Writes down how a blob came out.
fn note(
    content: &mut Content,
    unjudged: &mut Vec<String>,
    descriptor: &Descriptor,
    outcome: Result<(), BlobError>,
) {
    match outcome {
        Ok(()) => {
            content.checked += 1;
            content.bytes = content.bytes.saturating_add(descriptor.size);
        }
        Err(BlobError::Absent) => content.absent += 1,
        Err(BlobError::Mismatch { found }) => content.mismatched.push(Mismatch {
            digest: descriptor.digest.clone(),
            media_type: descriptor.media_type.clone(),
            found,
        }),
        Err(error) => unjudged.push(format!("{} {error}", descriptor.digest)),
    }
}

/// The walk through one image's indexes, manifests and configs.
struct Walk<'a> {
    store: &'a dyn Store,
    namespace: &'a str,
    mode: ContentMode,
    node: Option<&'a Node>,
    content: Content,
    platforms: BTreeSet<String>,
    layers: Vec<Descriptor>,
    layer_bytes: u64,
    unjudged: Vec<String>,
    limit: Option<String>,
    manifests: Vec<Digest>,
    /// Digest and size: where two descriptors of one digest differ in size, one of them is wrong.
    seen: HashSet<(Digest, u64)>,
    /// What became of the manifests among them, for one that is listed again.
    visited: HashMap<(Digest, u64), Reached>,
}

/// What became of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    Read,
    Absent,
    /// It is there and is not what it should be; that is noted.
    Bad,
}

impl<'a> Walk<'a> {
    fn of(store: &'a dyn Store, image: &'a Image, mode: ContentMode, node: Option<&'a Node>) -> Self {
        let mut walk = Self {
            store,
            namespace: &image.namespace,
            mode,
            node,
            content: Content { mode, ..Content::default() },
            platforms: BTreeSet::new(),
            layers: Vec::new(),
            layer_bytes: 0,
            unjudged: Vec::new(),
            limit: None,
            manifests: Vec::new(),
            seen: HashSet::new(),
            visited: HashMap::new(),
        };
        if walk.manifest(&image.target, None, true, 1) == Reached::Absent {
            walk.unjudged
                .push(format!("the image's own manifest {} is not in the store", image.target.digest));
        }
        walk
    }

    /// Reads a manifest and what it names, once. `needed`: it is what would be run here, so its config must be there.
    fn manifest(
        &mut self,
        descriptor: &Descriptor,
        platform: Option<&Platform>,
        needed: bool,
        depth: usize,
    ) -> Reached {
        let key = (descriptor.digest.clone(), descriptor.size);
        if let Some(reached) = self.visited.get(&key) {
            return *reached;
        }
        self.seen.insert(key.clone());
        let reached = self.first_visit(descriptor, platform, needed, depth);
        self.visited.insert(key, reached);
        reached
    }

    fn first_visit(
        &mut self,
        descriptor: &Descriptor,
        platform: Option<&Platform>,
        needed: bool,
        depth: usize,
    ) -> Reached {
        if depth > limits::INDEX_DEPTH || self.seen.len() > limits::INDEX_ENTRIES {
            self.limit = Some(format!("{} is nested too deep or among too many blobs", descriptor.digest));
            return Reached::Bad;
        }
        let bytes = match self.read(descriptor) {
            Ok(bytes) => bytes,
            Err(reached) => return reached,
        };
        let manifest = match Manifest::parse(&bytes) {
            Ok(manifest) => manifest,
            Err(error) => {
                self.unjudged.push(format!("{} {error}", descriptor.digest));
                return Reached::Bad;
            }
        };
        self.manifests.push(descriptor.digest.clone());
        if manifest.manifests.is_empty()
            || ManifestKind::of(&descriptor.media_type) != Some(ManifestKind::Index)
        {
            self.image(&manifest, platform, needed);
        } else {
            self.index(descriptor, &manifest, needed, depth);
        }
        Reached::Read
    }

    /// The manifests of an index. Those of other platforms may be absent; of this node's platform one must be there, and
    /// where the index has none for it, or the node is not known, one of any.
    fn index(&mut self, descriptor: &Descriptor, index: &Manifest, needed: bool, depth: usize) {
        let own = |entry: &Descriptor| {
            self.node.is_some_and(|node| entry.platform.as_ref().is_some_and(|of| runs_on(node, of)))
        };
        let has_own = index.manifests.iter().any(own);
        // by digest: one manifest may be listed for several platforms
        let candidates: HashSet<&Digest> = index
            .manifests
            .iter()
            .filter(|entry| match self.node {
                // an entry without a platform is for this node where no other is
                Some(_) => own(entry) || !has_own && entry.platform.is_none(),
                None => !is_attestation(entry),
            })
            .map(|entry| &entry.digest)
            .collect();
        let mut any = false;
        let mut any_own = false;
        for entry in &index.manifests {
            if ManifestKind::of(&entry.media_type).is_none() {
                self.layer(entry);
                any = true;
                continue;
            }
            let is_candidate = candidates.contains(&entry.digest);
            if self.manifest(entry, entry.platform.as_ref(), needed && is_candidate, depth + 1)
                != Reached::Absent
            {
                any |= !is_attestation(entry);
                any_own |= is_candidate;
            }
        }
        match self.node {
            Some(Node { os, architecture, .. }) if needed && has_own && !any_own => self.unjudged.push(
                format!("{}: the manifest for {os}/{architecture} is not in the store", descriptor.digest),
            ),
            _ if needed && !any => self
                .unjudged
                .push(format!("{}: none of the manifests that it lists is in the store", descriptor.digest)),
            _ => {}
        }
    }

    /// The config and the layers of one image manifest, or the blobs of an artifact.
    fn image(&mut self, manifest: &Manifest, platform: Option<&Platform>, needed: bool) {
        let mut platform = platform.map(Platform::to_string);
        if let Some(config) = &manifest.config {
            self.layer_bytes = self.layer_bytes.saturating_add(config.size);
            if self.seen.insert((config.digest.clone(), config.size)) {
                match self.read(config) {
                    Ok(bytes) => platform = platform.or_else(|| platform_of(&bytes)),
                    Err(Reached::Absent) if needed => {
                        self.unjudged.push(format!("the config {} is not in the store", config.digest));
                    }
                    Err(_) => {}
                }
            }
        }
        self.platforms.extend(platform);
        for layer in manifest.layers.iter().chain(&manifest.blobs) {
            self.layer(layer);
        }
    }

    fn layer(&mut self, layer: &Descriptor) {
        self.layer_bytes = self.layer_bytes.saturating_add(layer.size);
        if self.mode == ContentMode::Full && self.seen.insert((layer.digest.clone(), layer.size)) {
            if self.seen.len() > limits::INDEX_ENTRIES {
                self.limit = Some(format!("more than {} blobs", limits::INDEX_ENTRIES));
            } else {
                self.layers.push(Descriptor::new(&layer.media_type, layer.digest.clone(), layer.size));
            }
        }
    }

    /// Reads and hashes a manifest or config, and writes down how that came out.
    fn read(&mut self, descriptor: &Descriptor) -> Result<Vec<u8>, Reached> {
        let outcome = fetch(self.store, self.namespace, descriptor, limits::MANIFEST_BYTES);
        let (reached, result) = match outcome {
            Ok(bytes) => (Ok(bytes), Ok(())),
            Err(BlobError::Absent) => (Err(Reached::Absent), Err(BlobError::Absent)),
            Err(BlobError::TooLarge { limit }) => {
                self.limit = Some(format!("{} is larger than {limit} bytes", descriptor.digest));
                return Err(Reached::Bad);
            }
            Err(error) => (Err(Reached::Bad), Err(error)),
        };
        note(&mut self.content, &mut self.unjudged, descriptor, result);
        reached
    }
}

fn runs_on(node: &Node, platform: &Platform) -> bool {
    platform.os == node.os && platform.architecture == node.architecture
}

/// Build tools list attestations as manifests for a platform that does not exist.
pub(crate) fn is_attestation(entry: &Descriptor) -> bool {
    entry
        .platform
        .as_ref()
        .is_some_and(|platform| platform.os == "unknown" && platform.architecture == "unknown")
}

/// The platform that an image config names.
fn platform_of(config: &[u8]) -> Option<String> {
    let platform: Platform = serde_json::from_slice(config).ok()?;
    (!platform.os.is_empty()).then(|| platform.to_string())
}
