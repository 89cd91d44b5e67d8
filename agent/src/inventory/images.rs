//! Groups image records and containers into images: one for each target in each namespace, with every name that points at it
//! and every container that runs it. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use assay_report::{ImageId, Namespace, Unlisted, words};
use assay_verifier::oci::{Digest, Reference};

use assay_judge::image::{self, Image, ImageTarget};
use assay_judge::store::{Listing, Record};

use super::running::RunningImage;

/// The images of a store.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    /// Sorted by namespace, then digest.
    pub(crate) images: Vec<Image>,
    /// Containers that no image record accounts for.
    pub(crate) unlisted: Vec<Unlisted>,
    /// How many images there are, even if the run is limited to some.
    pub(crate) total: u64,
    pub(crate) containers: u64,
}

impl Inventory {
    /// Groups the records of `listing` and the `unnamed` ones, except those that only belong to images according to
    /// `is_companion`. `runs` says what each container of the listing runs, in the listing's order.
    pub(crate) fn new(
        listing: &Listing,
        unnamed: &[Record],
        runs: &[RunningImage],
        is_companion: impl Fn(&Record) -> bool,
    ) -> Self {
        let containers = || listing.containers.iter().zip(runs);
        // the digests in the names of the containers' images
        let named: Vec<Option<Digest>> = listing
            .containers
            .iter()
            .map(|container| container.image.as_deref()?.parse::<Reference>().ok()?.digest)
            .collect();
        let used: BTreeSet<(Option<&Namespace>, &str)> = containers()
            .filter_map(|(one, runs)| {
                let what = match runs {
                    RunningImage::Other(digest) => digest.as_str(),
                    RunningImage::Named | RunningImage::Nothing => one.image.as_deref()?,
                };
                Some((Some(&one.namespace), what))
            })
            .collect();
        let records = || listing.records.iter().chain(unnamed);
        let mut by_name: HashMap<(Option<&Namespace>, &str), ImageId<'_>> = HashMap::new();
        for record in records() {
            let id = ImageId::new(record.namespace.as_ref(), &record.target);
            by_name.entry((record.namespace.as_ref(), &record.name)).or_insert(id);
        }
        // what a container runs is an image, even if it claims to be something else
        let runs = |record: &Record| {
            used.contains(&(record.namespace.as_ref(), &*record.name))
                || used.contains(&(record.namespace.as_ref(), record.target.digest.as_str()))
        };
        let mut images = image::group(records().filter(|record| runs(record) || !is_companion(record)));
        let mut unlisted = Vec::new();
        for ((container, runs), named) in containers().zip(&named) {
            let namespace = Some(&container.namespace);
            let by_name = |name: &String| by_name.get(&(namespace, name.as_str())).copied();
            let id = match runs {
                RunningImage::Named => container
                    .image
                    .as_ref()
                    .and_then(by_name)
                    .or_else(|| find_digest(namespace, named.as_ref()?, &images)),
                RunningImage::Other(digest) => find_digest(namespace, digest, &images),
                RunningImage::Nothing => None,
            };
            match id.and_then(|id| images.get_mut(&id)) {
                Some(image) => image.in_use.push(container.usage.clone()),
                None => {
                    unlisted.push(Unlisted {
                        namespace: namespace.cloned(),
                        kind: "container".to_owned(),
                        id: container.usage.id.clone(),
                        name: container.image.clone(),
                    });
                    if let Some(digest) = named.as_ref().filter(|_| *runs == RunningImage::Named) {
                        let id = ImageId::unrecorded(namespace, digest);
                        let image = images.entry(id).or_insert_with(|| unrecorded(namespace, digest));
                        image.references.extend(container.image.clone());
                        image.in_use.push(container.usage.clone());
                    }
                }
            }
        }
        let mut images: Vec<Image> = images.into_values().collect();
        images.iter_mut().for_each(Image::sort);
        unlisted.sort();
        Self { total: count(images.len()), containers: count(listing.containers.len()), images, unlisted }
    }

    /// Limits the inventory to the images that `wanted` names, unless it names none.
    ///
    /// # Errors
    /// [`UnknownImage`] if a name fits no image.
    pub(crate) fn select(&mut self, wanted: &[String]) -> Result<(), UnknownImage> {
        if wanted.is_empty() {
            return Ok(());
        }
        for name in wanted {
            if !self.images.iter().any(|image| image.answers_to(name)) {
                return Err(UnknownImage { name: name.clone(), images: self.total });
            }
        }
        self.images.retain(|image| wanted.iter().any(|name| image.answers_to(name)));
        Ok(())
    }
}

fn find_digest<'a>(
    namespace: Option<&'a Namespace>,
    digest: &'a Digest,
    images: &BTreeMap<ImageId<'a>, Image>,
) -> Option<ImageId<'a>> {
    let least = ImageId::unrecorded(namespace, digest);
    let (id, _) = images.range(least..).next()?;
    (id.namespace == namespace && id.digest == digest).then_some(*id)
}

/// An image of which only the digest in a container's image name is known.
fn unrecorded(namespace: Option<&Namespace>, digest: &Digest) -> Image {
    Image {
        namespace: namespace.cloned(),
        target: ImageTarget::Unrecorded(digest.clone()),
        references: Vec::new(),
        in_use: Vec::new(),
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// That no image of the store has a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no image in the store is called {name}; assay-agent inventory lists what is there: {}", words::count(*.images, "image"))]
pub(crate) struct UnknownImage {
    /// The name as given.
    pub name: String,
    /// How many images there are.
    pub images: u64,
}

#[cfg(test)]
mod tests {
    use assay_report::ContainerUse;
    use assay_verifier::oci::Descriptor;

    use super::*;
    use assay_judge::store::Container;

    const NAMESPACE: &str = "k8s.io";

    fn record(name: &str, content: &str) -> Record {
        let target = Descriptor::new("m", Digest::sha256(content.as_bytes()), 1);
        Record { namespace: Namespace::new(NAMESPACE), name: name.into(), target, marked: false }
    }

    fn container(id: &str, image: Option<&str>) -> Container {
        let usage = ContainerUse { id: id.into(), ..ContainerUse::default() };
        Container {
            namespace: Namespace::new(NAMESPACE).unwrap(),
            image: image.map(str::to_owned),
            snapshot: None,
            ids: None,
            mounts: None,
            usage,
        }
    }

    /// What names alone say.
    fn inventory(listing: &Listing) -> Inventory {
        Inventory::new(listing, &[], &vec![RunningImage::Named; listing.containers.len()], |_| false)
    }

    fn names(inventory: &Inventory) -> Vec<Vec<&str>> {
        inventory.images.iter().map(|image| image.references.iter().map(String::as_str).collect()).collect()
    }

    #[test]
    fn names_of_one_target_are_one_image() {
        let mut other = record("r.example/app:v1", "app");
        other.namespace = Namespace::new("other");
        let records = vec![
            record("r.example/app:v1", "app"),
            record("r.example/app@sha256:…", "app"),
            record("sha256:config", "app"),
            other,
        ];
        let inventory = inventory(&Listing { records, ..Listing::default() });
        assert_eq!(
            names(&inventory),
            [vec!["r.example/app:v1", "r.example/app@sha256:…", "sha256:config"], vec!["r.example/app:v1"]]
        );
    }

    #[test]
    fn records_that_disagree_on_one_digest_are_two_images() {
        let mut other = record("r.example/app:v2", "app");
        other.target.size = 2;
        let records = vec![record("r.example/app:v1", "app"), other];
        let inventory = inventory(&Listing { records, ..Listing::default() });
        assert_eq!(inventory.images.len(), 2);
    }

    #[test]
    fn every_container_is_an_image_in_use_or_unlisted() {
        let digest = Digest::sha256(b"app");
        let gone = format!("r.example/gone@{}", Digest::sha256(b"gone"));
        let listing = Listing {
            records: vec![record("r.example/app:v1", "app"), record("r.example/signature", "signature")],
            containers: vec![
                container("by-tag", Some("r.example/app:v1")),
                container("by-digest", Some(&format!("r.example/app@{digest}"))),
                container("gone", Some(&gone)),
                container("unknown", Some("r.example/other:v1")),
                container("none", None),
                container("odd", Some("r.example/signature")),
            ],
            ..Listing::default()
        };
        let runs = vec![RunningImage::Named; listing.containers.len()];
        let inventory = Inventory::new(&listing, &[], &runs, |record| record.name == "r.example/signature");
        let used: BTreeMap<&str, (bool, usize)> = inventory
            .images
            .iter()
            .map(|image| {
                (image.references[0].as_str(), (image.target.recorded().is_some(), image.in_use.len()))
            })
            .collect();
        assert_eq!(
            used,
            BTreeMap::from([
                ("r.example/app:v1", (true, 2)),
                (gone.as_str(), (false, 1)),
                ("r.example/signature", (true, 1)),
            ])
        );
        let unlisted: Vec<&str> = inventory.unlisted.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(unlisted, ["gone", "none", "unknown"]);
    }

    #[test]
    fn a_container_counts_for_what_it_runs_and_not_for_what_it_names() {
        let old = Digest::sha256(b"old");
        let listing = Listing {
            records: vec![record("r.example/app:v1", "new"), record("sha256:old", "old")],
            containers: vec![
                container("after", Some("r.example/app:v1")),
                container("before", Some("r.example/app:v1")),
                container("changed", Some(&format!("r.example/app:v1@{old}"))),
            ],
            ..Listing::default()
        };
        let runs = [RunningImage::Named, RunningImage::Other(old), RunningImage::Nothing];
        let inventory = Inventory::new(&listing, &[], &runs, |_| true);
        let users: BTreeMap<&str, Vec<&str>> = inventory
            .images
            .iter()
            .map(|image| {
                let users = image.in_use.iter().map(|user| user.id.as_str());
                (image.references[0].as_str(), users.collect())
            })
            .collect();
        assert_eq!(
            users,
            BTreeMap::from([("r.example/app:v1", vec!["after"]), ("sha256:old", vec!["before"])])
        );
        assert_eq!(inventory.unlisted.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["changed"]);
    }

    #[test]
    fn images_are_selected_by_reference_digest_and_both() {
        let digest = Digest::sha256(b"app");
        let records = vec![record("r.example/app:v1", "app"), record("r.example/other:v1", "other")];
        let listing = Listing { records, ..Listing::default() };
        for wanted in ["r.example/app:v1", digest.as_str(), &format!("r.example/app@{digest}")] {
            let mut inventory = inventory(&listing);
            assert_eq!(inventory.select(&[wanted.to_owned()]), Ok(()));
            assert_eq!((inventory.images.len(), inventory.total), (1, 2), "{wanted}");
        }
        for wanted in ["r.example/app:v2", "app", &format!("r.example/other@{digest}")] {
            let mut inventory = inventory(&listing);
            let unknown = inventory.select(&["r.example/app:v1".to_owned(), wanted.to_owned()]);
            assert_eq!(unknown, Err(UnknownImage { name: wanted.to_owned(), images: 2 }));
        }
    }
}
