//! What containers run: each container's snapshot in, the image out whose layers the snapshot was made of.
//!
//! A container names an image, and by now the name may point at another one. What it runs is its snapshot, whose ancestor
//! bears the chain id of the layers that were unpacked (OCI image specification, config.md, "Layer ChainID"). Where that is
//! not of the named image, it is looked for among the others; where it is of none, the container runs what nobody judged.

use std::collections::{BTreeSet, HashMap};

use assay_shared::codes::Code;
use assay_shared::limits;
use assay_shared::oci::{Descriptor, Digest, Manifest, ManifestKind, Reference};
use assay_shared::report::{Contradiction, Effect};
use serde::Deserialize;

use crate::store::{Container, Listing, Record, Snapshot, Store, fetch};

/// What the containers of a store run.
#[derive(Debug, Default)]
pub(crate) struct Running {
    /// In the order of the listing's containers.
    pub(crate) runs: Vec<Runs>,
    /// Where containers, snapshots and images contradict each other.
    pub(crate) findings: Vec<Contradiction>,
    /// Whether snapshots were looked at.
    pub(crate) checked: bool,
}

/// What a container runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Runs {
    /// The image that it names, as far as can be told.
    #[default]
    Named,
    /// Another image of its namespace: the name has been given to a new one since.
    Other(Digest),
    /// No image of its namespace.
    Nothing,
}

impl Running {
    /// What the names say, where images are not to be read.
    pub(crate) fn by_name(listing: &Listing) -> Self {
        Self { runs: vec![Runs::Named; listing.containers.len()], ..Self::default() }
    }

    /// Compares the containers' snapshots with the layers of the images.
    pub(crate) fn of(store: &dyn Store) -> Self {
        let listing = store.listing();
        let mut chains = Chains { store, known: HashMap::new() };
        let mut running = Self { checked: !listing.enumerated.is_empty(), ..Self::default() };
        for container in &listing.containers {
            let runs = running.one(listing, &mut chains, container);
            running.runs.push(runs);
        }
        running
    }

    fn one(&mut self, listing: &Listing, chains: &mut Chains<'_>, container: &Container) -> Runs {
        let Some(snapshot) = &container.snapshot else { return Runs::Named };
        let listed =
            |namespace: &&assay_shared::report::Enumerated| namespace.namespace == container.namespace;
        if listing.enumerated.iter().find(listed).is_none_or(|namespace| namespace.snapshots.is_none()) {
            self.checked = false;
            return Runs::Named;
        }
        let chain = match ancestor(listing, &container.namespace, snapshot) {
            Ok(chain) => chain,
            Err(missing) => {
                let message = format!(
                    "the container's snapshot {} of {} has nothing to stand on: {missing} is not in the store",
                    snapshot.key, snapshot.snapshotter
                );
                self.find(Code::ContainerSnapshotMissing, Effect::Inconclusive, container, message);
                return Runs::Named;
            }
        };
        let own: Vec<&Record> =
            listing.records.iter().filter(|record| record.namespace == container.namespace).collect();
        let Some(named) = own.iter().find(|record| container.image.as_ref() == Some(&record.name)) else {
            // a name that nothing bears is unlisted, whatever the snapshot is of
            return Runs::Named;
        };
        if chains.of(named).is_none_or(|of_image| of_image.contains(&chain)) {
            return Runs::Named;
        }
        let repository = repository(&named.name);
        let mut same = own.clone();
        same.retain(|record| chains.of(record).is_some_and(|of_image| of_image.contains(&chain)));
        // of images with the same layers, first those that once may have had the name
        same.sort_by_key(|record| {
            (repository.is_none() || self::repository(&record.name) != repository, &record.target.digest)
        });
        if let Some(record) = same.first() {
            return Runs::Other(record.target.digest.clone());
        }
        let message = format!(
            "the container names {}, and its snapshot is made of other layers ({})",
            named.name,
            chain.as_ref().map_or("none", Digest::as_str)
        );
        self.find(Code::ContainerSnapshotDiffers, Effect::Failed, container, message);
        Runs::Nothing
    }

    fn find(&mut self, code: Code, effect: Effect, container: &Container, message: String) {
        self.findings.push(Contradiction {
            code: code.as_str().to_owned(),
            effect,
            namespace: container.namespace.clone(),
            id: container.usage.id.clone(),
            message,
        });
    }
}

fn repository(name: &str) -> Option<String> {
    Some(name.parse::<Reference>().ok()?.repository.to_string())
}

/// The chain id that a snapshot was made on: the name of its nearest ancestor that is a digest. None where it was made on
/// nothing, as an image without layers is. Others, such as copies for a user namespace, lie between.
///
/// # Errors
/// The key of the snapshot that is not there.
fn ancestor(listing: &Listing, namespace: &str, snapshot: &Snapshot) -> Result<Option<Digest>, String> {
    let mut key = snapshot.key.clone();
    for _ in 0..limits::SNAPSHOT_DEPTH {
        let place =
            (namespace.to_owned(), Snapshot { snapshotter: snapshot.snapshotter.clone(), key: key.clone() });
        let Some(parent) = listing.snapshots.get(&place) else { return Err(key) };
        if let Ok(chain) = key.parse() {
            return Ok(Some(chain));
        }
        match parent {
            Some(parent) => key.clone_from(parent),
            None => return Ok(None),
        }
    }
    Err(key)
}

/// The chain ids of images, each found out once.
struct Chains<'s> {
    store: &'s dyn Store,
    known: HashMap<(String, Digest), Option<BTreeSet<Option<Digest>>>>,
}

impl Chains<'_> {
    /// The chain ids of the image's layers, one for each platform that is there; none where that cannot be told.
    fn of(&mut self, record: &Record) -> Option<&BTreeSet<Option<Digest>>> {
        let place = (record.namespace.clone(), record.target.digest.clone());
        if !self.known.contains_key(&place) {
            let mut found = BTreeSet::new();
            let mut budget = limits::INDEX_ENTRIES;
            let told = self.manifest(&record.namespace, &record.target, 1, &mut budget, &mut found);
            self.known.insert(place.clone(), told.filter(|()| !found.is_empty()).map(|()| found));
        }
        self.known.get(&place)?.as_ref()
    }

    /// Adds the chain ids of a manifest. What is absent adds none; none is told where something cannot be read.
    fn manifest(
        &self,
        namespace: &str,
        target: &Descriptor,
        depth: usize,
        budget: &mut usize,
        found: &mut BTreeSet<Option<Digest>>,
    ) -> Option<()> {
        *budget = budget.checked_sub(1)?;
        let is_index = match ManifestKind::of(&target.media_type)? {
            ManifestKind::Index if depth > limits::INDEX_DEPTH => return None,
            kind => kind == ManifestKind::Index,
        };
        if !self.store.has(namespace, &target.digest) {
            return Some(());
        }
        let bytes = fetch(self.store, namespace, target, limits::MANIFEST_BYTES).ok()?;
        let manifest = Manifest::parse(&bytes).ok()?;
        if is_index {
            let children =
                manifest.manifests.iter().filter(|child| ManifestKind::of(&child.media_type).is_some());
            return children.map(|child| self.manifest(namespace, child, depth + 1, budget, found)).collect();
        }
        let config = manifest.config?;
        if self.store.has(namespace, &config.digest) {
            let bytes = fetch(self.store, namespace, &config, limits::MANIFEST_BYTES).ok()?;
            // what has no layers to unpack, such as an attestation, is not run
            if let Ok(config) = serde_json::from_slice::<Config>(&bytes) {
                found.insert(chain_id(&config.rootfs.diff_ids));
            }
        }
        Some(())
    }
}

/// What an image's config says of its layers. OCI image specification, config.md.
#[derive(Deserialize)]
struct Config {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    /// The layers' digests, uncompressed, the lowest first.
    #[serde(default)]
    diff_ids: Vec<Digest>,
}

/// The name of layers applied one after another.
fn chain_id(diff_ids: &[Digest]) -> Option<Digest> {
    let (first, rest) = diff_ids.split_first()?;
    Some(
        rest.iter().fold(first.clone(), |chain, layer| Digest::sha256(format!("{chain} {layer}").as_bytes())),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chain_ids_are_those_of_the_specification() {
        let [a, b, c] = [b"a", b"b", b"c"].map(|layer| Digest::sha256(layer));
        assert_eq!(chain_id(&[]), None);
        assert_eq!(chain_id(std::slice::from_ref(&a)), Some(a.clone()));
        let two = Digest::sha256(format!("{a} {b}").as_bytes());
        assert_eq!(chain_id(&[a.clone(), b.clone()]), Some(two.clone()));
        assert_eq!(chain_id(&[a, b, c.clone()]), Some(Digest::sha256(format!("{two} {c}").as_bytes())));
    }

    #[test]
    fn the_ancestor_is_the_nearest_chain() {
        let chain = Digest::sha256(b"layers");
        let snapshot = |key: &str| Snapshot { snapshotter: "overlayfs".into(), key: key.into() };
        let listing = Listing {
            snapshots: [
                ("container", Some("mapped")),
                ("mapped", Some(chain.as_str())),
                (chain.as_str(), Some("sha256:lower")),
                ("alone", None),
                ("orphan", Some("nothing")),
                ("loop", Some("pool")),
                ("pool", Some("loop")),
            ]
            .into_iter()
            .map(|(key, parent)| (("n".to_owned(), snapshot(key)), parent.map(str::to_owned)))
            .collect(),
            ..Listing::default()
        };
        let of = |key: &str| ancestor(&listing, "n", &snapshot(key));
        assert_eq!(of("container"), Ok(Some(chain)));
        assert_eq!(of("alone"), Ok(None));
        assert_eq!(of("orphan"), Err("nothing".to_owned()));
        assert_eq!(of("absent"), Err("absent".to_owned()));
        assert!(of("loop").is_err());
    }
}
