//! Hashes the content of images: everything that the store has and that is reachable from an image's target.
//!
//! Indexes, manifests and configs are read whole and hashed before anything in them is believed. Layers are only hashed, each distinct
//! one once in a run, on all threads. Absent blobs are counted, and those that must not be absent are named.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use assay_report::{Content, ContentMode, Mismatch, Namespace, Node};
use assay_verifier::json::{self, JsonError, JsonProblem};
use assay_verifier::limits;
use assay_verifier::oci::{Descriptor, Digest, Manifest, ManifestKind, Platform, media_type, shape};

use assay_judge::graph::{Walk, check_depth};
use assay_judge::image::{Image, is_attestation};
use assay_judge::judgement::CheckedContent;
use assay_judge::parallel;
use assay_judge::store::{BlobError, Store, fetch, verify};

/// Which content of images is hashed, and for whom.
pub(crate) struct ContentCheck<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) mode: ContentMode,
    /// The machine that would run the images; none if the store is a copy, whose images may be for any machine.
    pub(crate) node: Option<&'a Node>,
    pub(crate) jobs: usize,
}

impl ContentCheck<'_> {
    /// What is known of an image of which nothing is read.
    pub(crate) fn unread(&self) -> CheckedContent {
        let content = Content { mode: self.mode, ..Content::default() };
        CheckedContent { content, ..CheckedContent::default() }
    }

    /// Hashes the content of `images`, and gives each with what its content is, in the same order. Reads nothing at
    /// [`ContentMode::None`].
    pub(crate) fn run<T: AsRef<Image> + Send>(&self, images: Vec<T>) -> Vec<(T, CheckedContent)> {
        if self.mode == ContentMode::None {
            return images.into_iter().map(|image| (image, self.unread())).collect();
        }
        let mut walked = Vec::with_capacity(images.len());
        let mut budget = Budget::default();
        let mut images = images.into_iter();
        // a few at a time, so that what exceeds the budget is never in memory, and the same images exceed it every time
        while !images.as_slice().is_empty() {
            let part: Vec<T> = images.by_ref().take(self.jobs.max(1) * 2).collect();
            if budget.is_spent() {
                let limited = || Walked {
                    content: CheckedContent { limit: Some(budget.words()), ..self.unread() },
                    layers: Vec::new(),
                };
                walked.extend(part.into_iter().map(|image| (image, limited())));
                continue;
            }
            let walks = parallel::map(
                self.jobs,
                part,
                || (),
                |(), image| {
                    let (walked, blobs) = ContentWalk::through(self, image.as_ref()).finish();
                    (image, walked, blobs)
                },
            );
            walked
                .extend(walks.into_iter().map(|(image, walked, blobs)| (image, budget.spend(walked, blobs))));
        }
        let layers = self.layers(&walked);
        walked
            .into_iter()
            .map(|(image, Walked { mut content, layers: own })| {
                let namespace = image.as_ref().namespace.as_ref();
                for layer in &own {
                    let outcome = layers.outcome(namespace, layer);
                    note(&mut content, layer, outcome);
                }
                content.content.mismatched.sort();
                content.content.mismatched.dedup();
                (image, content)
            })
            .collect()
    }

    /// Hashes each distinct layer once.
    fn layers<T: AsRef<Image>>(&self, walked: &[(T, Walked)]) -> HashedLayers {
        let wanted: BTreeMap<(Option<&Namespace>, Key<'_>), &Descriptor> = walked
            .iter()
            .flat_map(|(image, walked)| {
                let namespace = image.as_ref().namespace.as_ref();
                walked.layers.iter().map(move |layer| ((namespace, key(layer)), layer))
            })
            .collect();
        // each namespace is asked whether it has a blob, but the bytes are the same in all
        let mut distinct: HashMap<Key<'_>, (Option<&Namespace>, &Descriptor)> = HashMap::new();
        let mut absent: BTreeMap<Option<Namespace>, HashSet<Digest>> = BTreeMap::new();
        for ((namespace, key), layer) in wanted {
            if self.store.has(namespace, &layer.digest) {
                distinct.entry(key).or_insert((namespace, layer));
            } else {
                absent.entry(namespace.cloned()).or_default().insert(layer.digest.clone());
            }
        }
        // the largest first: a large one taken last would leave the other threads idle
        let mut order: Vec<(Option<&Namespace>, &Descriptor)> = distinct.into_values().collect();
        order.sort_unstable_by_key(|(_, layer)| (std::cmp::Reverse(layer.size), &layer.digest));
        let hashed = parallel::map(
            self.jobs,
            order,
            || vec![0; BUFFER_BYTES],
            |buffer, (namespace, layer)| {
                (
                    (layer.digest.clone(), layer.size),
                    verify(self.store, namespace, &layer.digest, layer.size, buffer),
                )
            },
        );
        HashedLayers { absent, hashed: hashed.into_iter().collect() }
    }
}

/// How the layers of all images came out.
struct HashedLayers {
    /// By namespace.
    absent: BTreeMap<Option<Namespace>, HashSet<Digest>>,
    hashed: HashMap<(Digest, u64), Result<(), BlobError>>,
}

impl HashedLayers {
    fn outcome(&self, namespace: Option<&Namespace>, layer: &Descriptor) -> Result<(), BlobError> {
        if self.absent.get(&namespace.cloned()).is_some_and(|absent| absent.contains(&layer.digest)) {
            return Err(BlobError::Absent);
        }
        self.hashed.get(&(layer.digest.clone(), layer.size)).cloned().unwrap_or(Err(BlobError::Absent))
    }
}

/// What the walk through an image came to. Its layers are not hashed yet.
struct Walked {
    content: CheckedContent,
    layers: Vec<Descriptor>,
}

/// How much of all images was walked through.
#[derive(Debug, Default)]
struct Budget {
    blobs: usize,
    bytes: u64,
}

impl Budget {
    /// Counts a walk. If it was too much, nothing of it is kept but the limit.
    fn spend(&mut self, mut walked: Walked, blobs: usize) -> Walked {
        self.blobs = self.blobs.saturating_add(blobs);
        self.bytes = self.bytes.saturating_add(walked.content.content.bytes);
        if self.is_spent() {
            walked.content.limit = Some(self.words());
            walked.layers = Vec::new();
        }
        walked
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

/// Digest and size. If two descriptors of one digest differ in size, one of them is wrong.
type Key<'d> = (&'d Digest, u64);

fn key(descriptor: &Descriptor) -> Key<'_> {
    (&descriptor.digest, descriptor.size)
}

/// Long enough to make few calls, short enough to stay in the cache between reading and hashing.
const BUFFER_BYTES: usize = 128 << 10;

/// Records the outcome of a blob.
fn note(checked: &mut CheckedContent, descriptor: &Descriptor, outcome: Result<(), BlobError>) {
    let content = &mut checked.content;
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
        Err(error) => checked.unjudged.push(format!("{} {error}", descriptor.digest)),
    }
}

/// The walk through one image's indexes, manifests and configs.
struct ContentWalk<'a> {
    check: &'a ContentCheck<'a>,
    namespace: Option<&'a Namespace>,
    content: CheckedContent,
    platforms: BTreeSet<String>,
    layers: Vec<Descriptor>,
    /// Every blob that the walk meets counts as visited, by digest and size. If two descriptors of one digest differ in size, one of them
    /// is wrong.
    graph: Walk<Entry, (Digest, u64)>,
    /// The outcomes of the manifests among them, for manifests that are listed again.
    reached: HashMap<(Digest, u64), Reached>,
    /// The indexes that must lead to something that is there.
    needed: Vec<NeededIndex>,
}

/// The image's own manifest or an entry of an index, yet to be visited.
struct Entry {
    descriptor: Descriptor,
    /// Whether it is what would run here.
    is_needed: bool,
    /// The place of the index that lists it in [`ContentWalk::needed`]; none if that index is not needed.
    index: Option<usize>,
}

/// An index that is what would run here, and what of it is there.
struct NeededIndex {
    digest: Digest,
    lists_own: bool,
    has_own: bool,
    has_any: bool,
}

/// What became of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    Read,
    Absent,
    /// It is there and is not what it should be, which is recorded.
    Bad,
}

impl<'a> ContentWalk<'a> {
    fn through(check: &'a ContentCheck<'a>, image: &'a Image) -> Self {
        let mut walk = Self {
            check,
            namespace: image.namespace.as_ref(),
            content: check.unread(),
            platforms: BTreeSet::new(),
            layers: Vec::new(),
            graph: Walk::within(limits::IMAGE_BLOBS),
            reached: HashMap::new(),
            needed: Vec::new(),
        };
        let Some(target) = image.target.recorded() else { return walk };
        // the platform of an image by itself is the one that its config names
        let target = Descriptor { platform: None, ..target.clone() };
        walk.graph.add_root(Entry { descriptor: target, is_needed: true, index: None });
        while let Some((entry, depth)) = walk.graph.take_next() {
            walk.visit(&entry, depth);
        }
        walk.note_lacking();
        walk
    }

    /// What the walk came to, and how many blobs it met.
    fn finish(mut self) -> (Walked, usize) {
        self.content.platforms = self.platforms.into_iter().collect();
        (Walked { content: self.content, layers: self.layers }, self.graph.visited())
    }

    fn unjudged(&mut self, why: String) {
        self.content.unjudged.push(why);
    }

    fn visit(&mut self, entry: &Entry, depth: usize) {
        let Entry { descriptor, is_needed, index } = entry;
        let is_root = depth == 1;
        let is_layer = !is_root && ManifestKind::from_media_type(&descriptor.media_type).is_none();
        if is_layer {
            self.layer(descriptor);
        } else if self.manifest(descriptor, *is_needed, depth) == Reached::Absent {
            if is_root {
                self.unjudged(format!("the image's own manifest {} is not in the store", descriptor.digest));
            }
            return;
        }
        if let Some(index) = index.and_then(|index| self.needed.get_mut(index)) {
            index.has_any |= is_layer || !is_attestation(descriptor);
            index.has_own |= !is_layer && *is_needed;
        }
    }

    /// Reads a manifest and adds what it names, once. If it is needed, its config must be there.
    fn manifest(&mut self, descriptor: &Descriptor, is_needed: bool, depth: usize) -> Reached {
        let key = (descriptor.digest.clone(), descriptor.size);
        if let Some(reached) = self.reached.get(&key) {
            return *reached;
        }
        let reached = match self.graph.visit(key.clone()).and(check_depth(depth)) {
            Ok(()) => self.first_visit(descriptor, is_needed, depth),
            Err(_) => {
                self.content.limit =
                    Some(format!("{} is nested too deep or among too many blobs", descriptor.digest));
                Reached::Bad
            }
        };
        self.reached.insert(key, reached);
        reached
    }

    fn first_visit(&mut self, descriptor: &Descriptor, is_needed: bool, depth: usize) -> Reached {
        let bytes = match self.read(descriptor) {
            Ok(bytes) => bytes,
            Err(reached) => return reached,
        };
        let manifest = match Manifest::parse(&bytes) {
            Ok(manifest) => manifest,
            Err(error) => {
                self.unjudged(format!("{} {error}", descriptor.digest));
                return Reached::Bad;
            }
        };
        self.content.manifests.push(descriptor.digest.clone());
        if manifest.manifests.is_empty()
            || ManifestKind::from_media_type(&descriptor.media_type) != Some(ManifestKind::Index)
        {
            self.image(&manifest, descriptor.platform.as_ref(), is_needed);
        } else {
            self.index(descriptor, manifest.manifests, is_needed, depth);
        }
        Reached::Read
    }

    /// Adds the manifests of an index. Those of other platforms may be absent. One for this node's platform must be there, or one for any
    /// platform if the index has none for the node's or the node is not known.
    fn index(&mut self, descriptor: &Descriptor, listed: Vec<Descriptor>, is_needed: bool, depth: usize) {
        let own = |entry: &Descriptor| {
            self.check.node.is_some_and(|node| entry.platform.as_ref().is_some_and(|of| runs_on(node, of)))
        };
        let lists_own = listed.iter().any(own);
        // by digest: one manifest may be listed for several platforms
        let candidates: HashSet<Digest> = listed
            .iter()
            .filter(|entry| match self.check.node {
                // an entry without a platform is for this node if no other entry is
                Some(_) => own(entry) || !lists_own && entry.platform.is_none(),
                None => !is_attestation(entry),
            })
            .map(|entry| entry.digest.clone())
            .collect();
        let index = is_needed.then_some(self.needed.len());
        if is_needed {
            let digest = descriptor.digest.clone();
            self.needed.push(NeededIndex { digest, lists_own, has_own: false, has_any: false });
        }
        let entry = |descriptor: Descriptor| {
            let is_needed = is_needed && candidates.contains(&descriptor.digest);
            Entry { descriptor, is_needed, index }
        };
        self.graph.add(depth, listed.into_iter().map(entry));
    }

    /// Notes what no index that is needed leads to.
    fn note_lacking(&mut self) {
        for NeededIndex { digest, lists_own, has_own, has_any } in std::mem::take(&mut self.needed) {
            match self.check.node {
                Some(Node { os, architecture, .. }) if lists_own && !has_own => {
                    self.unjudged(format!(
                        "{digest}: the manifest for {os}/{architecture} is not in the store"
                    ));
                }
                _ if !has_any => {
                    self.unjudged(format!("{digest}: none of the manifests that it lists is in the store"));
                }
                _ => {}
            }
        }
    }

    /// The config and the layers of one image manifest, or the blobs of an artifact.
    fn image(&mut self, manifest: &Manifest, platform: Option<&Platform>, needed: bool) {
        let mut platform = platform.map(Platform::to_string);
        if let Some(config) = &manifest.config {
            self.content.layer_bytes = self.content.layer_bytes.saturating_add(config.size);
            if self.graph.visit((config.digest.clone(), config.size)) != Ok(false) {
                match self.read(config) {
                    Ok(bytes) => match platform_of(config, &bytes) {
                        Ok(said) => platform = platform.or(said),
                        Err(error) => {
                            self.unjudged(format!("the config {} is malformed: {error}", config.digest));
                        }
                    },
                    Err(Reached::Absent) if needed => {
                        self.unjudged(format!("the config {} is not in the store", config.digest));
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
        self.content.layer_bytes = self.content.layer_bytes.saturating_add(layer.size);
        let key = (layer.digest.clone(), layer.size);
        if self.check.mode != ContentMode::Full || self.graph.is_visited(&key) {
            return;
        }
        match self.graph.visit(key) {
            Ok(_) => self.layers.push(Descriptor::new(&layer.media_type, layer.digest.clone(), layer.size)),
            Err(_) => self.content.limit = Some(format!("more than {} blobs", limits::IMAGE_BLOBS)),
        }
    }

    /// Reads and hashes a manifest or config, and records the outcome.
    fn read(&mut self, descriptor: &Descriptor) -> Result<Vec<u8>, Reached> {
        let outcome = fetch(self.check.store, self.namespace, descriptor, limits::MANIFEST_BYTES);
        let (reached, result) = match outcome {
            Ok(bytes) => (Ok(bytes), Ok(())),
            Err(BlobError::Absent) => (Err(Reached::Absent), Err(BlobError::Absent)),
            Err(BlobError::TooLarge { limit }) => {
                self.content.limit = Some(format!("{} is larger than {limit} bytes", descriptor.digest));
                return Err(Reached::Bad);
            }
            Err(error) => (Err(Reached::Bad), Err(error)),
        };
        note(&mut self.content, descriptor, result);
        reached
    }
}

fn runs_on(node: &Node, platform: &Platform) -> bool {
    platform.os == node.os && platform.architecture == node.architecture
}

/// The platform that a config names; none for the config of an artifact, which may be of any kind.
///
/// # Errors
/// [`JsonError`] if it is not clear what containerd would read. containerd reads a config of any media type as an image's.
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
    use assay_judge::image::ImageTarget;
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
        let target = ImageTarget::Recorded(target.clone());
        Image { namespace: None, target, references: vec![], in_use: vec![] }
    }

    fn checked(store: &Memory, target: &Descriptor, mode: ContentMode) -> CheckedContent {
        let node = Node {
            hostname: None,
            machine_id: None,
            os: "linux".into(),
            architecture: "amd64".into(),
            containerd: None,
        };
        ContentCheck { store, mode, node: Some(&node), jobs: 2 }.run(vec![image(target)]).remove(0).1
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
    fn an_index_without_the_nodes_platform_needs_any_image() {
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
                // Each namespace sees the layer, and its bytes are the same.
                Image { namespace: Namespace::new(&(number % 3).to_string()), ..image(&target) }
            })
            .collect();
        let check = ContentCheck { store: &store, mode: ContentMode::Full, node: None, jobs: 3 };
        assert!(check.run(images).iter().all(|(_, one)| one.content.checked == 3));
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
