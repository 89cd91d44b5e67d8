//! Finds the image that each container runs: the one whose layers the container's snapshot was made of.
//!
//! A container names an image, and by now the name may point at another one. What the container runs is its snapshot. Every
//! snapshot below that has the chain id of the layers up to it (OCI image specification, config.md, "Layer ChainID"), down to the
//! lowest. Only the copy for the container's own user namespace, or Docker's snapshot for the container, may lie between. If the
//! snapshots are not those of the named image, the other images are searched for them. If they belong to no image, the container
//! runs something that was not judged. Whether an unpacked layer still has its content is not checked here.

use std::collections::{BTreeSet, HashMap};

use assay_report::{Contradiction, Effect, Namespace};
use assay_verifier::codes::Code;
use assay_verifier::limits;
use assay_verifier::oci::{Descriptor, Digest, Manifest, ManifestKind, Reference};

use assay_judge::graph::{Walk, check_depth};
use assay_judge::image_config;
use assay_judge::store::{Container, Listing, Record, Snapshot, Store, docker, fetch};

/// What the containers of a store run.
#[derive(Debug, Default)]
pub(crate) struct RunningImages {
    /// In the order of the listing's containers.
    pub(crate) by_container: Vec<RunningImage>,
    /// Where containers, snapshots and images contradict each other.
    pub(crate) findings: Vec<Contradiction>,
    /// Whether snapshots were looked at.
    pub(crate) checked: bool,
}

/// What a container runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum RunningImage {
    /// The image that it names, as far as can be told.
    #[default]
    Named,
    /// Another image of its namespace: the name has been given to a new one since.
    Other(Digest),
    /// No image of its namespace.
    Nothing,
}

impl RunningImages {
    /// What the names say. No image is read.
    pub(crate) fn by_names(listing: &Listing) -> Self {
        Self { by_container: vec![RunningImage::Named; listing.containers.len()], ..Self::default() }
    }

    /// Compares the snapshots of the containers with the layers of the images.
    pub(crate) fn by_snapshots(store: &dyn Store) -> Self {
        let listing = store.listing();
        let mut chains = Chains { store, known: HashMap::new(), lower: HashMap::new() };
        let mut running = Self { checked: !listing.enumerated.is_empty(), ..Self::default() };
        for container in &listing.containers {
            let runs = running.find_image(listing, &mut chains, container);
            running.by_container.push(runs);
        }
        running
    }

    fn find_image(
        &mut self,
        listing: &Listing,
        chains: &mut Chains<'_>,
        container: &Container,
    ) -> RunningImage {
        let listed = |namespace: &&assay_report::Enumerated| {
            namespace.namespace.as_ref() == Some(&container.namespace)
        };
        if listing.enumerated.iter().find(listed).is_none_or(|namespace| namespace.snapshots.is_none()) {
            self.checked = false;
            return RunningImage::Named;
        }
        let Some(snapshot) = &container.snapshot else {
            if let Some(name) = &container.image {
                let message = format!("the container names {name} and has no snapshot");
                self.add_finding(Code::ContainerSnapshotMissing, Effect::Inconclusive, container, message);
            }
            return RunningImage::Named;
        };
        let below = match below(listing, &container.namespace, snapshot) {
            Ok(below) => below,
            Err(missing) => {
                let message = format!(
                    "the container's snapshot {} of {} is incomplete: {missing} is not in the store",
                    snapshot.key, snapshot.snapshotter
                );
                self.add_finding(Code::ContainerSnapshotMissing, Effect::Inconclusive, container, message);
                return RunningImage::Named;
            }
        };
        let own: Vec<&Record> = listing
            .records
            .iter()
            .filter(|record| record.namespace.as_ref() == Some(&container.namespace))
            .collect();
        // without the container's own mappings it cannot be told whether the first is a copy; Docker's is told by its name
        let is_copy = match &below[..] {
            [init, ..] if docker::is_init(container, init) => Some(true),
            [copy, of, ..] => container.ids.as_ref().map(|ids| ids.names_copy(copy, of)),
            _ => Some(false),
        };
        let layers = if is_copy == Some(true) { &below[1..] } else { &below[..] };
        let named = own.iter().find(|record| container.image.as_ref() == Some(&record.name)).copied();
        // a container whose name is not recorded is unlisted, whatever its snapshot; so is one without image and layers
        if named.is_none() && (container.image.is_some() || layers.is_empty()) {
            return RunningImage::Named;
        }
        if named.is_some_and(|named| chains.match_layers(named, layers)) {
            return RunningImage::Named;
        }
        let repository = named.and_then(|named| repository(&named.name));
        let mut same = own.clone();
        same.retain(|record| chains.match_layers(record, layers));
        // of images with the same layers, first those that once may have had the name
        same.sort_by_key(|record| {
            (repository.is_none() || self::repository(&record.name) != repository, &record.target.digest)
        });
        if let Some(record) = same.first() {
            return RunningImage::Other(record.target.digest.clone());
        }
        // a container without an image's name and layers is unlisted
        let Some(named) = named else { return RunningImage::Named };
        let top = layers.first().copied().unwrap_or("nothing");
        let name = &named.name;
        let unknown = if chains.layers(named).is_unknown {
            Some(format!(
                "the layers of {name} cannot be known, and the container's snapshot is made on {top}"
            ))
        } else if is_copy.is_none() && chains.match_layers(named, &below[1..]) {
            Some(format!(
                "the container names {name}, and its specification, which cannot be read, would say whether {top} is a copy of \
                 its layers"
            ))
        } else {
            None
        };
        if let Some(message) = unknown {
            self.add_finding(Code::ContainerSnapshotUnknown, Effect::Inconclusive, container, message);
            return RunningImage::Named;
        }
        let message = format!(
            "the container names {name}, and its snapshot is made on {top}, which is not of its layers"
        );
        self.add_finding(Code::ContainerSnapshotDiffers, Effect::Failed, container, message);
        RunningImage::Nothing
    }

    fn add_finding(&mut self, code: Code, effect: Effect, container: &Container, message: String) {
        self.findings.push(Contradiction {
            code: code.as_str().to_owned(),
            effect,
            namespace: Some(container.namespace.clone()),
            id: container.usage.id.clone(),
            message,
        });
    }
}

fn repository(name: &str) -> Option<String> {
    Some(name.parse::<Reference>().ok()?.repository.to_string())
}

/// The keys of the snapshots that a container's own was made on, the nearest first.
///
/// # Errors
/// The key of the snapshot that is not there.
fn below<'l>(listing: &'l Listing, namespace: &Namespace, own: &Snapshot) -> Result<Vec<&'l str>, String> {
    let mut below = Vec::new();
    let mut place = (namespace.clone(), own.clone());
    while below.len() < limits::SNAPSHOT_DEPTH
        && let Some(parent) = listing.snapshots.get(&place)
    {
        let Some(parent) = parent else { return Ok(below) };
        below.push(parent.as_str());
        place.1.key.clone_from(parent);
    }
    Err(place.1.key)
}

/// The chain ids of images, each found out once.
struct Chains<'s> {
    store: &'s dyn Store,
    known: HashMap<(Option<Namespace>, Digest), ImageLayers>,
    /// Every chain id with that of the layers below its topmost one; none below the lowest.
    lower: HashMap<Digest, Option<Digest>>,
}

/// The layers of an image.
#[derive(Default)]
struct ImageLayers {
    /// The chain ids of all layers together, one for each platform that is there; none for an image without layers.
    chains: BTreeSet<Option<Digest>>,
    /// Whether there may be more, because something cannot be read.
    is_unknown: bool,
}

impl Chains<'_> {
    fn layers(&mut self, record: &Record) -> &ImageLayers {
        let place = (record.namespace.clone(), record.target.digest.clone());
        if !self.known.contains_key(&place) {
            let mut found = ImageLayers::default();
            let available = self.add_chains(record, &mut found.chains);
            found.is_unknown = match available {
                None => true,
                Some(Availability::Absent) => found.chains.is_empty(),
                Some(Availability::Complete) => false,
            };
            self.known.insert(place.clone(), found);
        }
        self.known.entry(place).or_default()
    }

    /// Whether snapshots, the uppermost first, are the unpacked layers of the image, all of them.
    fn match_layers(&mut self, record: &Record, snapshots: &[&str]) -> bool {
        let top = match snapshots.first().map(|key| key.parse()) {
            None => None,
            Some(Ok(chain)) => Some(chain),
            Some(Err(_)) => return false,
        };
        if !self.layers(record).chains.contains(&top) {
            return false;
        }
        let mut expected = top.as_ref();
        for key in snapshots {
            let Some(chain) = expected.filter(|chain| chain.as_str() == *key) else { return false };
            expected = self.lower.get(chain).and_then(Option::as_ref);
        }
        expected.is_none()
    }

    /// Adds the chain ids of the manifests of an image. None if something cannot be read.
    fn add_chains(&mut self, record: &Record, found: &mut BTreeSet<Option<Digest>>) -> Option<Availability> {
        let Record { namespace, target, .. } = record;
        let namespace = namespace.as_ref();
        let mut available = Availability::Complete;
        let mut walk = Walk::within(limits::IMAGE_BLOBS);
        walk.add_root(target.clone());
        while let Some((target, depth)) = walk.take_next() {
            let is_index = ManifestKind::from_media_type(&target.media_type)? == ManifestKind::Index;
            if !walk.visit((target.digest.clone(), target.size, is_index)).ok()? {
                continue;
            }
            if is_index {
                check_depth(depth).ok()?;
            }
            if !self.store.has(namespace, &target.digest) {
                available = Availability::Absent;
                continue;
            }
            let bytes = fetch(self.store, namespace, &target, limits::MANIFEST_BYTES).ok()?;
            let manifest = Manifest::parse(&bytes).ok()?;
            if is_index {
                let is_manifest =
                    |child: &Descriptor| ManifestKind::from_media_type(&child.media_type).is_some();
                walk.add(depth, manifest.manifests.into_iter().filter(is_manifest));
                continue;
            }
            let Some(config) = manifest.config else { continue };
            if !self.store.has(namespace, &config.digest) {
                available = Availability::Absent;
                continue;
            }
            let bytes = fetch(self.store, namespace, &config, limits::MANIFEST_BYTES).ok()?;
            if let Some(diff_ids) = image_config::diff_ids(&bytes).ok()? {
                let chain = self.chain(&diff_ids);
                found.insert(chain);
            }
        }
        Some(available)
    }

    /// The chain id of layers applied one after another, the lowest first.
    fn chain(&mut self, diff_ids: &[Digest]) -> Option<Digest> {
        let mut top = None;
        for layer in diff_ids {
            let chain = image_config::chain_id(top.as_ref(), layer);
            self.lower.insert(chain.clone(), top);
            top = Some(chain);
        }
        top
    }
}

/// Whether everything that names an image's layers is in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Availability {
    Complete,
    /// A manifest or config is not in the store, as those of other platforms are not.
    Absent,
}

#[cfg(test)]
mod tests {
    use super::*;
    use assay_judge::store::IdMap;
    use assay_judge::store::memory::Memory;
    use assay_report::{ContainerUse, Enumerated};
    use assay_verifier::oci::media_type;

    /// Chains of no image yet.
    fn chains(store: &dyn Store) -> Chains<'_> {
        Chains { store, known: HashMap::new(), lower: HashMap::new() }
    }

    fn namespace() -> Namespace {
        Namespace::new("n").unwrap()
    }

    fn record() -> Record {
        let target = Descriptor::new("m", Digest::sha256(b"image"), 1);
        Record { namespace: Some(namespace()), name: "image".into(), target, marked: false }
    }

    #[test]
    fn chain_ids_are_those_of_the_specification() {
        let [a, b, c] = [b"a", b"b", b"c"].map(|layer| Digest::sha256(layer));
        let store = Memory::default();
        let mut chains = chains(&store);
        assert_eq!(chains.chain(&[]), None);
        assert_eq!(chains.chain(std::slice::from_ref(&a)), Some(a.clone()));
        let two = Digest::sha256(format!("{a} {b}").as_bytes());
        assert_eq!(chains.chain(&[a.clone(), b.clone()]), Some(two.clone()));
        assert_eq!(chains.chain(&[a, b, c.clone()]), Some(Digest::sha256(format!("{two} {c}").as_bytes())));
    }

    #[test]
    fn an_image_runs_on_all_of_its_layers_in_their_order() {
        let [a, b] = [b"a", b"b"].map(|layer| Digest::sha256(layer));
        let store = Memory::default();
        let mut chains = chains(&store);
        let two = chains.chain(&[a.clone(), b.clone()]);
        let layers = ImageLayers { chains: [two.clone()].into(), is_unknown: false };
        chains.known.insert((Some(namespace()), record().target.digest), layers);
        let two = two.unwrap();
        let (two, a, b) = (two.as_str(), a.as_str(), b.as_str());
        for (snapshots, expected) in [
            (&[two, a][..], true),
            // With the name alone, the container runs what it names. Otherwise the parent of its snapshot decides.
            (&[two], false),
            (&[two, b], false),
            (&[two, a, b], false),
            (&[two, "golden"], false),
            (&[two, "golden", a], false),
            (&["golden", two, a], false),
            (&[two, two, a], false),
            (&[a], false),
            (&[], false),
        ] {
            assert_eq!(chains.match_layers(&record(), snapshots), expected, "{snapshots:?}");
        }
        chains.known.clear();
        let layers = ImageLayers { chains: [None].into(), is_unknown: false };
        chains.known.insert((Some(namespace()), record().target.digest), layers);
        assert!(chains.match_layers(&record(), &[]) && !chains.match_layers(&record(), &[a]));
    }

    /// One container of an image whose layer is `layer`, and what is found. Its snapshot stands on `parent`.
    fn ran(config: &str, snapshot: Option<&str>, specification: Option<&str>) -> (RunningImage, Vec<String>) {
        let mut store = Memory::default();
        let config = store.put("config", config.as_bytes());
        let manifest = serde_json::json!({"config": config, "layers": []}).to_string();
        let target = store.put(media_type::OCI_MANIFEST, manifest.as_bytes());
        let of = |key: &str| Snapshot { snapshotter: "overlayfs".into(), key: key.into() };
        let layer = Digest::sha256(b"layer");
        let copy = format!("{layer}-1000-1000");
        for (key, parent) in [
            ("plain", Some(layer.as_str())),
            ("mapped", Some(&copy)),
            (&copy, Some(layer.as_str())),
            (layer.as_str(), None),
            ("bare", None),
        ] {
            store.listing.snapshots.insert((namespace(), of(key)), parent.map(str::to_owned));
        }
        store.listing.enumerated.push(Enumerated {
            namespace: Some(namespace()),
            snapshots: Some(5),
            ..Default::default()
        });
        store.listing.records.push(Record {
            namespace: Some(namespace()),
            name: "image".into(),
            target,
            marked: false,
        });
        store.listing.containers.push(Container {
            namespace: namespace(),
            image: Some("image".into()),
            snapshot: snapshot.map(of),
            ids: specification.and_then(|json| IdMap::of_specification(json.as_bytes()).ok()),
            mounts: None,
            usage: ContainerUse { id: "id".into(), ..ContainerUse::default() },
        });
        let mut running = RunningImages::by_snapshots(&store);
        let codes = running.findings.into_iter().map(|finding| finding.code).collect();
        (running.by_container.remove(0), codes)
    }

    #[test]
    fn a_manifest_is_read_once_however_often_it_is_listed() {
        let mut store = Memory::default();
        let config = store.put("config", br#"{"rootfs":{"diff_ids":null}}"#);
        let manifest = serde_json::json!({"config": config, "layers": []}).to_string();
        let manifest = store.put(media_type::OCI_MANIFEST, manifest.as_bytes());
        let listed = vec![manifest; limits::IMAGE_BLOBS];
        let index = serde_json::json!({"manifests": listed}).to_string();
        let target = store.put(media_type::OCI_INDEX, index.as_bytes());
        let mut chains = chains(&store);
        let layers = chains.layers(&Record { target, ..record() });
        assert!(!layers.is_unknown);
        assert_eq!(layers.chains, [None].into());
    }

    #[test]
    fn reports_what_cannot_be_known() {
        let layer = Digest::sha256(b"layer");
        let sound = format!(r#"{{"rootfs":{{"diff_ids":["{layer}"]}}}}"#);
        let ambiguous = format!(r#"{{"rootfs":{{"diff_ids":["{layer}"],"Diff_ids":[]}}}}"#);
        let mapping = r#"[{"containerID":0,"hostID":1000,"size":1}]"#;
        let mapped = format!(r#"{{"linux":{{"uidMappings":{mapping},"gidMappings":{mapping}}}}}"#);
        let none = Some("{}");
        let differs = (RunningImage::Nothing, Some("container-snapshot-differs"));
        let unknown = (RunningImage::Named, Some("container-snapshot-unknown"));
        for (why, config, snapshot, specification, (runs, code)) in [
            ("its layers", sound.as_str(), Some("plain"), none, (RunningImage::Named, None)),
            ("and nothing known of its users", &sound, Some("plain"), None, (RunningImage::Named, None)),
            ("its own copy", &sound, Some("mapped"), Some(&mapped), (RunningImage::Named, None)),
            ("another's copy", &sound, Some("mapped"), none, differs.clone()),
            ("a copy for an unknown user", &sound, Some("mapped"), None, unknown.clone()),
            ("nothing", &sound, Some("bare"), none, differs.clone()),
            ("no snapshot", &sound, None, none, (RunningImage::Named, Some("container-snapshot-missing"))),
            ("a config that readers read otherwise", &ambiguous, Some("plain"), none, unknown),
            ("an artifact", "{}", Some("plain"), none, differs.clone()),
            ("no layers", r#"{"rootfs":{"diff_ids":null}}"#, Some("bare"), none, (RunningImage::Named, None)),
            ("no layers, and one", r#"{"rootfs":{}}"#, Some("plain"), none, differs),
        ] {
            let found = ran(config, snapshot, specification);
            assert_eq!(found, (runs, code.map(str::to_owned).into_iter().collect()), "{why}");
        }
    }

    #[test]
    fn docker_puts_one_snapshot_between_an_image_and_its_container() {
        let layer = Digest::sha256(b"layer");
        let run = |namespace: &str, image: Option<&str>, chain: &[&str]| {
            let namespace = Namespace::new(namespace).unwrap();
            let mut store = Memory::default();
            let config = format!(r#"{{"rootfs":{{"diff_ids":["{layer}"]}}}}"#);
            let config = store.put("config", config.as_bytes());
            let manifest = serde_json::json!({"config": config, "layers": []}).to_string();
            let target = store.put(media_type::OCI_MANIFEST, manifest.as_bytes());
            let digest = target.digest.clone();
            store.listing.records.push(Record { namespace: Some(namespace.clone()), target, ..record() });
            let of = |key: &str| Snapshot { snapshotter: "overlayfs".into(), key: key.into() };
            for (key, parent) in chain.iter().zip(chain.iter().skip(1).map(Some).chain([None])) {
                let parent = parent.map(|parent| (*parent).to_owned());
                store.listing.snapshots.insert((namespace.clone(), of(key)), parent);
            }
            store.listing.enumerated.push(Enumerated {
                namespace: Some(namespace.clone()),
                snapshots: Some(4),
                ..Default::default()
            });
            store.listing.containers.push(Container {
                namespace: namespace.clone(),
                image: image.map(str::to_owned),
                snapshot: Some(of("id")),
                ids: None,
                mounts: None,
                usage: ContainerUse { id: "id".into(), ..ContainerUse::default() },
            });
            let mut running = RunningImages::by_snapshots(&store);
            let findings = running.findings.len();
            (running.by_container.remove(0), findings, digest)
        };
        let layer = layer.as_str();
        for (why, namespace, image, chain, runs, findings) in [
            ("Docker's", "moby", Some("image"), &["id", "id-init", layer][..], RunningImage::Named, 0),
            ("not Docker's", "k8s.io", Some("image"), &["id", "id-init", layer], RunningImage::Named, 1),
            ("another's", "moby", Some("image"), &["id", "other-init", layer], RunningImage::Named, 1),
            (
                "two",
                "moby",
                Some("image"),
                &["id", "id-init", "id-init-key", layer],
                RunningImage::Nothing,
                1,
            ),
            ("on no layer", "moby", Some("image"), &["id", "id-init"], RunningImage::Nothing, 1),
            ("nothing named", "moby", None, &["id", "id-init"], RunningImage::Named, 0),
            ("nothing known", "moby", None, &["id", "id-init", "golden", layer], RunningImage::Named, 0),
        ] {
            let (found, count, _) = run(namespace, image, chain);
            assert_eq!((found, count), (runs, findings), "{why}");
        }
        let (found, count, digest) = run("moby", None, &["id", "id-init", layer]);
        assert_eq!((found, count), (RunningImage::Other(digest), 0));
    }

    #[test]
    fn what_a_snapshot_was_made_on_is_followed_to_the_end() {
        let snapshot = |key: &str| Snapshot { snapshotter: "overlayfs".into(), key: key.into() };
        let listing = Listing {
            snapshots: [
                ("container", Some("upper")),
                ("upper", Some("lower")),
                ("lower", None),
                ("orphan", Some("nothing")),
                ("loop", Some("pool")),
                ("pool", Some("loop")),
            ]
            .into_iter()
            .map(|(key, parent)| ((namespace(), snapshot(key)), parent.map(str::to_owned)))
            .collect(),
            ..Listing::default()
        };
        let of = |key: &str| below(&listing, &namespace(), &snapshot(key));
        assert_eq!(of("container"), Ok(vec!["upper", "lower"]));
        assert_eq!(of("lower"), Ok(vec![]));
        assert_eq!(of("orphan"), Err("nothing".to_owned()));
        assert_eq!(of("absent"), Err("absent".to_owned()));
        assert!(of("loop").is_err());
    }
}
