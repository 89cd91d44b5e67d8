//! An image's content: everything reachable from its target that the store has, hashed against its descriptors.
//!
//! Indexes, manifests and configs are read whole and hashed before a word of them is believed; layers are only hashed, each
//! distinct one once in a run, on all threads. What is absent is counted; what must not be absent is named.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use assay_report::{Content, ContentMode, Mismatch, Node};
use assay_verifier::json::{self, JsonError, JsonProblem};
use assay_verifier::limits;
use assay_verifier::oci::{Descriptor, Digest, Manifest, ManifestKind, Platform, media_type, shape};

use assay_judge::image::{Image, is_attestation};
use assay_judge::judged::Checked;
use assay_judge::parallel;
use assay_judge::store::{BlobError, Store, fetch, verify};

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
    let mut walks = Vec::with_capacity(images.len());
    let mut budget = Budget::default();
    // in few at a time, so that what is over the budget is never in memory, and the same images are over it every time
    for part in images.chunks(jobs.max(1) * 2) {
        if budget.is_spent() {
            walks.extend(
                part.iter()
                    .map(|image| Walk { limit: Some(budget.words()), ..Walk::new(store, image, mode, node) }),
            );
            continue;
        }
        let walked = parallel::map(jobs, part, || (), |(), image| Walk::of(store, image, mode, node));
        walks.extend(walked.into_iter().map(|walk| budget.spend(walk)));
    }
    let wanted: BTreeMap<(&str, Key<'_>), &Descriptor> = images
        .iter()
        .zip(&walks)
        .flat_map(|(image, walk)| {
            walk.layers.iter().map(|layer| ((image.namespace.as_str(), key(layer)), layer))
        })
        .collect();
    // whether a namespace has a blob is asked for each namespace; the bytes are the same in all
    let mut distinct: HashMap<Key<'_>, (&str, &Descriptor)> = HashMap::new();
    let mut absent: HashSet<(&str, &Digest)> = HashSet::new();
    for ((namespace, key), layer) in wanted {
        if store.has(namespace, &layer.digest) {
            distinct.entry(key).or_insert((namespace, layer));
        } else {
            absent.insert((namespace, &layer.digest));
        }
    }
    // the largest first: a large one taken last would leave the other threads idle
    let mut order: Vec<(&str, &Descriptor)> = distinct.into_values().collect();
    order.sort_unstable_by_key(|(_, layer)| (std::cmp::Reverse(layer.size), &layer.digest));
    let outcomes = parallel::map(
        jobs,
        &order,
        || vec![0; BUFFER_BYTES],
        |buffer, (namespace, layer)| verify(store, namespace, layer, buffer),
    );
    let hashed: HashMap<Key<'_>, Result<(), BlobError>> =
        order.iter().map(|(_, layer)| key(layer)).zip(outcomes).collect();

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
                hashed.get(&key(layer)).cloned().unwrap_or(Err(BlobError::Absent))
            };
            note(&mut checked.content, &mut checked.unjudged, layer, outcome);
        }
        checked.content.mismatched.sort();
        checked.content.mismatched.dedup();
        checked
    };
    images.iter().zip(&walks).map(finish).collect()
}

/// What the walks through all images may come to.
#[derive(Debug, Default)]
struct Budget {
    blobs: usize,
    bytes: u64,
}

impl Budget {
    /// The walk, of which nothing is kept but that a limit was met if it was too much.
    fn spend<'a>(&mut self, mut walk: Walk<'a>) -> Walk<'a> {
        self.blobs = self.blobs.saturating_add(walk.seen.len());
        self.bytes = self.bytes.saturating_add(walk.content.bytes);
        walk.seen = HashSet::new();
        walk.visited = HashMap::new();
        if self.is_spent() {
            walk.limit = Some(self.words());
            walk.layers = Vec::new();
        }
        walk
    }

    fn is_spent(&self) -> bool {
        self.blobs > limits::CONTENT_BLOBS || self.bytes > limits::CONTENT_READ_BYTES
    }

    fn words(&self) -> String {
        format!(
            "the images have more than {} blobs or {} bytes of manifests between them",
            limits::CONTENT_BLOBS,
            limits::CONTENT_READ_BYTES
        )
    }
}

/// Digest and size: where two descriptors of one digest differ in size, one of them is wrong.
type Key<'d> = (&'d Digest, u64);

fn key(descriptor: &Descriptor) -> Key<'_> {
    (&descriptor.digest, descriptor.size)
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
    fn new(store: &'a dyn Store, image: &'a Image, mode: ContentMode, node: Option<&'a Node>) -> Self {
        Self {
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
        }
    }

    fn of(store: &'a dyn Store, image: &'a Image, mode: ContentMode, node: Option<&'a Node>) -> Self {
        let mut walk = Self::new(store, image, mode, node);
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
            || ManifestKind::from_media_type(&descriptor.media_type) != Some(ManifestKind::Index)
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
            if ManifestKind::from_media_type(&entry.media_type).is_none() {
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
                    Ok(bytes) => match platform_of(config, &bytes) {
                        Ok(said) => platform = platform.or(said),
                        Err(error) => {
                            self.unjudged.push(format!("the config {} is malformed: {error}", config.digest));
                        }
                    },
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

/// The platform that a config names; none for an artifact's config, which may be of any kind.
///
/// # Errors
/// Where it cannot be told what containerd would read, which takes the config of any media type for an image's.
fn platform_of(config: &Descriptor, bytes: &[u8]) -> Result<Option<String>, JsonError> {
    let is_of_image =
        matches!(config.media_type.as_str(), media_type::OCI_CONFIG | media_type::DOCKER_CONFIG);
    match json::read::<Platform>(bytes, &shape::CONFIG) {
        Ok(platform) => Ok((!platform.os.is_empty()).then(|| platform.to_string())),
        Err(error) if is_of_image => Err(error),
        Err(JsonError { problem: JsonProblem::Members { .. }, .. }) => Ok(None),
        Err(error) => {
            if json::is_object(bytes) {
                Err(error)
            } else {
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use assay_verifier::oci::media_type;
    use serde_json::{Value, json};

    use super::*;
    use assay_judge::store::memory::Memory;

    /// Images put into a store.
    trait Images: Sized {
        fn manifest(&mut self, layer: &str) -> Descriptor;
        fn index(&mut self, entries: &[(&Descriptor, Option<(&str, &str)>)]) -> Descriptor;
        fn without(&self, digests: &[&Digest]) -> Self;
        /// The parts of a manifest.
        fn content(&self, manifest: &Descriptor) -> Vec<Digest>;
    }

    impl Images for Memory {
        fn manifest(&mut self, layer: &str) -> Descriptor {
            let config = self.put("config", format!(r#"{{"os":"linux","of":"{layer}"}}"#).as_bytes());
            let layer = self.put("layer", layer.as_bytes());
            let manifest = json!({"config": config, "layers": [layer]}).to_string();
            self.put(media_type::OCI_MANIFEST, manifest.as_bytes())
        }

        fn index(&mut self, entries: &[(&Descriptor, Option<(&str, &str)>)]) -> Descriptor {
            let entry = |(descriptor, platform): &(&Descriptor, Option<(&str, &str)>)| {
                let mut entry = serde_json::to_value(descriptor).unwrap();
                if let Some((os, architecture)) = platform {
                    entry["platform"] = json!({"os": os, "architecture": architecture});
                }
                entry
            };
            let manifests: Vec<Value> = entries.iter().map(entry).collect();
            self.put(media_type::OCI_INDEX, json!({"manifests": manifests}).to_string().as_bytes())
        }

        fn without(&self, digests: &[&Digest]) -> Self {
            let kept = self.blobs.iter().filter(|(digest, _)| !digests.contains(digest));
            let blobs = kept.map(|(digest, content)| (digest.clone(), content.clone())).collect();
            Self { blobs, ..Self::default() }
        }

        fn content(&self, manifest: &Descriptor) -> Vec<Digest> {
            let manifest = Manifest::parse(&self.blobs[&manifest.digest]).unwrap();
            manifest.content().map(|part| part.digest.clone()).collect()
        }
    }

    fn image(target: &Descriptor) -> Image {
        let target = target.clone();
        Image { namespace: String::new(), target, references: vec![], in_use: vec![], recorded: true }
    }

    fn checked(store: &Memory, target: &Descriptor, mode: ContentMode) -> Checked {
        let node = Node {
            hostname: None,
            machine_id: None,
            os: "linux".into(),
            architecture: "amd64".into(),
            containerd: None,
        };
        check_all(store, &[&image(target)], mode, Some(&node), 2).remove(0)
    }

    const OWN: Option<(&str, &str)> = Some(("linux", "amd64"));
    const FOREIGN: Option<(&str, &str)> = Some(("windows", "amd64"));

    #[test]
    fn the_nodes_own_platform_must_be_there_with_its_config() {
        let mut store = Memory::default();
        let (own, foreign) = (store.manifest("own"), store.manifest("foreign"));
        let index = store.index(&[(&own, OWN), (&foreign, FOREIGN)]);
        let (own_parts, foreign_parts) = (store.content(&own), store.content(&foreign));
        for (absent, judged) in [
            (&[][..], true),
            (&[&foreign.digest], true),
            (&[&foreign_parts[0]], true),
            (&[&own_parts[1], &foreign_parts[1]], true),
            (&[&own_parts[0]], false),
            (&[&own.digest], false),
            (&[&index.digest], false),
        ] {
            let checked = checked(&store.without(absent), &index, ContentMode::Full);
            assert_eq!(checked.unjudged.is_empty(), judged, "{:?}", checked.unjudged);
            assert_eq!(checked.content.absent, absent.len() as u64);
        }
    }

    #[test]
    fn an_index_without_the_nodes_platform_needs_any_and_attestations_are_none() {
        let mut store = Memory::default();
        let (foreign, attestation) = (store.manifest("foreign"), store.manifest("attestation"));
        let index = store.index(&[(&foreign, FOREIGN), (&attestation, Some(("unknown", "unknown")))]);
        assert!(checked(&store, &index, ContentMode::Full).unjudged.is_empty());
        let attested = store.without(&[&foreign.digest]);
        assert!(!checked(&attested, &index, ContentMode::Full).unjudged.is_empty());
    }

    #[test]
    fn nested_indexes_are_followed_to_the_nodes_platform() {
        let mut store = Memory::default();
        let own = store.manifest("own");
        let inner = store.index(&[(&own, OWN)]);
        let outer = store.index(&[(&inner, None)]);
        let whole = checked(&store, &outer, ContentMode::Full);
        assert_eq!((whole.content.checked, whole.platforms), (5, vec!["linux/amd64".to_owned()]));
        let lacking = store.without(&[&own.digest]);
        assert!(!checked(&lacking, &outer, ContentMode::Full).unjudged.is_empty());
    }

    #[test]
    fn wrong_bytes_sizes_and_unreadable_blobs_are_told_apart() {
        let mut store = Memory::default();
        let manifest = store.manifest("layer");
        let layer = store.content(&manifest)[1].clone();
        store.blobs.insert(layer.clone(), b"other".to_vec());
        let wrong = checked(&store, &manifest, ContentMode::Full);
        assert_eq!((wrong.content.mismatched.len(), wrong.content.checked), (1, 2));
        assert!(checked(&store, &manifest, ContentMode::Metadata).content.mismatched.is_empty());
        store.unreadable.insert(layer);
        let unreadable = checked(&store, &manifest, ContentMode::Full);
        assert_eq!((unreadable.content.mismatched.len(), unreadable.unjudged.len()), (0, 1));
        let resized = Descriptor { size: manifest.size + 1, ..manifest };
        assert_eq!(checked(&store, &resized, ContentMode::Full).content.mismatched.len(), 1);
    }

    #[test]
    fn a_layer_of_many_images_is_read_once() {
        let mut store = Memory::default();
        let layer = store.put("layer", b"shared");
        let images: Vec<Image> = (0..20)
            .map(|number| {
                let config = store.put("config", format!(r#"{{"of":{number}}}"#).as_bytes());
                let manifest = json!({"config": config, "layers": [layer]}).to_string();
                let target = store.put(media_type::OCI_MANIFEST, manifest.as_bytes());
                // each namespace sees it, and the bytes are the same
                Image { namespace: (number % 3).to_string(), ..image(&target) }
            })
            .collect();
        let checked = check_all(&store, &images.iter().collect::<Vec<_>>(), ContentMode::Full, None, 3);
        assert!(checked.iter().all(|one| one.content.checked == 3));
        let opened = store.opened.into_inner().unwrap();
        assert_eq!(opened.iter().filter(|digest| **digest == layer.digest).count(), 1);
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |indexes: usize| {
            let mut store = Memory::default();
            let mut target = store.manifest("own");
            for _ in 0..indexes {
                target = store.index(&[(&target, None)]);
            }
            checked(&store, &target, ContentMode::Full).limit
        };
        assert_eq!(nested(limits::INDEX_DEPTH - 1), None);
        assert!(nested(limits::INDEX_DEPTH).is_some());
    }

    #[test]
    fn nothing_is_read_at_none() {
        let absent = Descriptor::new(media_type::OCI_MANIFEST, Digest::sha256(b""), 0);
        let checked = checked(&Memory::default(), &absent, ContentMode::None);
        assert!(checked.unjudged.is_empty() && checked.content.absent == 0);
    }
}
