//! Tells what a folder or an archive is that was taken for a layout or a containerd root: told by its names, for messages alone. Nothing is decided by it.

use std::fmt;
use std::path::{Path, PathBuf};

use super::paths::blob_digest;

/// The form of a folder or of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreForm {
    /// A store, of the other kind than the one that it was taken for.
    Whole(Whole),
    /// A store is one or two folders further down.
    Above {
        /// Where.
        folder: PathBuf,
        /// What is there.
        whole: Whole,
    },
    /// A layout is in a folder of the archive.
    Within {
        /// The folder.
        folder: String,
    },
    /// A part of a store.
    PartOf {
        /// Where the store is.
        folder: PathBuf,
        /// What it is.
        whole: Whole,
    },
    /// What docker save wrote before Docker 25, and what writes the same: podman save, skopeo's `docker-archive:`, crane's tarballs.
    DockerArchive,
    /// skopeo's and podman's `dir:`.
    DirTransport,
    /// A package of zarf.
    Zarf,
    /// The storage of a registry, CNCF distribution's.
    RegistryStorage,
    /// containers-storage: podman's and CRI-O's.
    ContainersStorage,
    /// Docker's own store.
    DockerStorage,
    /// What containerd keeps while it runs.
    ContainerdState,
    /// Blobs, and nothing that lists them.
    BlobsAlone,
    /// There is nothing in it.
    Empty,
}

/// A store that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole {
    /// An OCI image layout.
    Layout,
    /// A root of containerd's.
    Root,
}

/// What tells a form: all these files or folders are there. The first that fits counts.
const MARKS: [(&[&str], StoreForm); 14] = [
    (&["zarf.yaml"], StoreForm::Zarf),
    (&["oci-layout"], StoreForm::Whole(Whole::Layout)),
    (&["io.containerd.metadata.v1.bolt"], StoreForm::Whole(Whole::Root)),
    (&["docker/registry/v2"], StoreForm::RegistryStorage),
    (&["registry/v2"], StoreForm::RegistryStorage),
    (&["v2/repositories"], StoreForm::RegistryStorage),
    (&["repositories", "blobs"], StoreForm::RegistryStorage),
    (&["version", "manifest.json"], StoreForm::DirTransport),
    (&["manifest.json"], StoreForm::DockerArchive),
    (&["repositories"], StoreForm::DockerArchive),
    (&["overlay-images"], StoreForm::ContainersStorage),
    (&["vfs-images"], StoreForm::ContainersStorage),
    (&["image/overlay2"], StoreForm::DockerStorage),
    (&["io.containerd.runtime.v2.task"], StoreForm::ContainerdState),
];

/// Folders of a folder that are looked into.
const FOLDERS: usize = 1_000;

impl StoreForm {
    fn from_marks(has: impl Fn(&str) -> bool) -> Option<Self> {
        let (_, form) = MARKS.iter().find(|(marks, _)| marks.iter().all(|mark| has(mark)))?;
        Some(form.clone())
    }

    /// The form of an archive that has members of these paths; none if it is not known.
    pub(crate) fn of_archive<'n>(names: impl Iterator<Item = &'n str> + Clone) -> Option<Self> {
        let has = |mark: &str| {
            let is_below = |name: &str| name.strip_prefix(mark).is_some_and(|rest| rest.starts_with('/'));
            names.clone().any(|name| name == mark || is_below(name))
        };
        let within = || {
            let folder = names.clone().find_map(|name| name.strip_suffix("/oci-layout"))?;
            Some(Self::Within { folder: folder.to_owned() })
        };
        let form = Self::from_marks(has).filter(|form| *form != Self::Whole(Whole::Layout)).or_else(within);
        if form.is_some() {
            return form;
        }
        if names.clone().next().is_none() {
            return Some(Self::Empty);
        }
        names.map(blob_digest).any(|digest| digest.is_some()).then_some(Self::BlobsAlone)
    }

    /// The form of what is at `path`, as its names tell; none if it is not known.
    pub fn of_path(path: &Path) -> Option<Self> {
        let whole =
            |folder: &Path| match Self::from_marks(|mark| folder.join(mark).symlink_metadata().is_ok()) {
                Some(Self::Whole(whole)) => Some(whole),
                _ => None,
            };
        let above = |folder: PathBuf| Some(Self::Above { whole: whole(&folder)?, folder });
        let part_of = |folder: &Path| {
            // the folder that a relative path is in has no name
            let folder = std::path::absolute(folder).unwrap_or_default();
            Some(Self::PartOf { whole: whole(&folder)?, folder })
        };
        let form = Self::from_marks(|mark| path.join(mark).symlink_metadata().is_ok());
        if form.is_some() {
            return form;
        }
        let parents = std::path::absolute(path).unwrap_or_default();
        if let Some(form) = parents.ancestors().skip(1).take(3).find_map(part_of) {
            return Some(form);
        }
        let mut names = Vec::new();
        for entry in path.read_dir().ok()?.take(FOLDERS) {
            names.push(entry.ok()?.file_name());
        }
        names.sort_unstable();
        let is_blob = |hex: &str| blob_digest(&format!("blobs/sha256/{hex}")).is_some();
        let are_blobs = || names.iter().any(|name| name == "blobs" || name.to_str().is_some_and(is_blob));
        // Docker keeps containerd's root in its own folder
        let folders = names.iter().map(|name| path.join(name)).chain([path.join("containerd/daemon")]);
        match folders.filter(|folder| folder.is_dir()).find_map(above) {
            Some(form) => Some(form),
            None if names.is_empty() => Some(Self::Empty),
            None => are_blobs().then_some(Self::BlobsAlone),
        }
    }
}

/// Why something without an `oci-layout` is not a layout.
pub(crate) fn why(form: Option<&StoreForm>) -> String {
    form.map_or("it has no oci-layout".to_owned(), |form| format!("it {form}"))
}

impl fmt::Display for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Layout => "an OCI image layout (layout:PATH)",
            Self::Root => "a containerd root (root:PATH)",
        })
    }
}

impl fmt::Display for StoreForm {
    /// What it is and what to do, to stand behind "it".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole(whole) => return write!(f, "is {whole}; give it as that"),
            Self::Above { folder, whole } => {
                return write!(f, "has {whole} in {}; give that folder", folder.display());
            }
            Self::Within { folder } => {
                return write!(
                    f,
                    "has an OCI image layout in its folder {folder}; unpack it and give that folder, or pack it anew with \
                     tar -C {folder} -cf layout.tar ."
                );
            }
            Self::PartOf { folder, whole } => {
                return write!(f, "is a part of {}, which is {whole}; give that folder", folder.display());
            }
            Self::DockerArchive => {
                "is an archive in Docker's own form, as docker save before version 25, podman save, skopeo's docker-archive: and \
                 crane write it; its manifests and digests were made anew, so that no signature is of what it holds; copy the \
                 image from its registry into an OCI layout, with skopeo copy, oras cp or crane pull --format=oci"
            }
            Self::DirTransport => {
                "is a folder of skopeo's dir: form; make a layout of it with skopeo copy --all --preserve-digests dir:PATH \
                 oci:LAYOUT"
            }
            Self::Zarf => {
                "is a package of zarf, whose images are an OCI image layout in its folder images; unpack it with zarf tools \
                 archiver decompress, and give that folder"
            }
            Self::RegistryStorage => {
                "is the storage of a registry; copy the images out of that registry into an OCI layout, with skopeo copy or oras cp"
            }
            Self::ContainersStorage => {
                "is the storage of podman or CRI-O; copy the images from their registry into an OCI layout, with skopeo copy"
            }
            Self::DockerStorage => {
                "is Docker's own store, which keeps no manifest that a signature could be of; copy the images from their registry \
                 into an OCI layout, with skopeo copy"
            }
            Self::ContainerdState => {
                "is containerd's state and not its root, which is /var/lib/containerd unless its configuration says otherwise"
            }
            Self::BlobsAlone => {
                "has blobs, and no index.json that says which of them are images; copy the whole layout"
            }
            Self::Empty => "is empty",
        })
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write scratch folders")]
mod tests {
    use super::*;

    /// Folders and archives with the same names in them.
    #[test]
    fn forms_are_told_by_names() {
        let blob = format!("blobs/sha256/{}", "a".repeat(64));
        let [whole_root, _] = [Whole::Root, Whole::Layout].map(StoreForm::Whole);
        for (names, form) in [
            (&["zarf.yaml", "images/oci-layout", "images/index.json"][..], StoreForm::Zarf),
            (&["manifest.json", "repositories", "abc/layer.tar"], StoreForm::DockerArchive),
            (&["repositories", "abc/layer.tar"], StoreForm::DockerArchive),
            (&["manifest.json", "version"], StoreForm::DirTransport),
            (
                &["docker/registry/v2/repositories/a", "docker/registry/v2/blobs/b"],
                StoreForm::RegistryStorage,
            ),
            (&["registry/v2/blobs/b"], StoreForm::RegistryStorage),
            (&["repositories/a", "blobs/b"], StoreForm::RegistryStorage),
            (&["overlay-images/images.json"], StoreForm::ContainersStorage),
            (&["image/overlay2/repositories.json"], StoreForm::DockerStorage),
            (&["io.containerd.runtime.v2.task/k8s.io/a"], StoreForm::ContainerdState),
            (&["io.containerd.metadata.v1.bolt/meta.db"], whole_root),
            (&[&blob], StoreForm::BlobsAlone),
        ] {
            assert_eq!(StoreForm::of_archive(names.iter().copied()), Some(form.clone()), "{names:?}");
            let folder = tempfile::tempdir().unwrap();
            for name in names {
                let path = folder.path().join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, "").unwrap();
            }
            assert_eq!(StoreForm::of_path(folder.path()), Some(form), "{names:?}");
        }
    }

    #[test]
    fn a_store_that_is_near_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        assert_eq!(StoreForm::of_path(folder.path()), Some(StoreForm::Empty));
        assert_eq!(StoreForm::of_archive([].into_iter()), Some(StoreForm::Empty));
        std::fs::create_dir_all(path("docker/containerd/daemon/io.containerd.metadata.v1.bolt")).unwrap();
        let root = path("docker/containerd/daemon");
        let above = |folder, whole| Some(StoreForm::Above { folder, whole });
        assert_eq!(StoreForm::of_path(&path("docker")), above(root.clone(), Whole::Root));
        assert_eq!(StoreForm::of_path(&path("docker/containerd")), above(root.clone(), Whole::Root));
        let part = root.join("io.containerd.metadata.v1.bolt");
        let part_of = |folder, whole| Some(StoreForm::PartOf { folder, whole });
        assert_eq!(StoreForm::of_path(&part), part_of(root, Whole::Root));

        std::fs::create_dir_all(path("a/layout/blobs/sha256")).unwrap();
        std::fs::write(path("a/layout/oci-layout"), "").unwrap();
        std::fs::write(path("a/layout/index.json"), "").unwrap();
        assert_eq!(StoreForm::of_path(&path("a")), above(path("a/layout"), Whole::Layout));
        for part in ["index.json", "blobs", "blobs/sha256"] {
            let form = StoreForm::of_path(&path("a/layout").join(part));
            assert_eq!(form, part_of(path("a/layout"), Whole::Layout), "{part}");
        }
        for name in ["a/layout/oci-layout", "/a/layout/oci-layout"] {
            let folder = name.strip_suffix("/oci-layout").unwrap().to_owned();
            assert_eq!(StoreForm::of_archive([name].into_iter()), Some(StoreForm::Within { folder }));
        }
        std::fs::create_dir(path("b")).unwrap();
        std::fs::write(path("b/other"), "").unwrap();
        assert_eq!(StoreForm::of_path(&path("b")), None);
    }
}
