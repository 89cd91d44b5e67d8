//! Reads a containerd root on disk without its daemon: of a node that is down or not trusted, or of a golden image.
//!
//! The folder that containerd calls `root` gives the same store as the daemon, from `meta.db` and the files of the content store.
//! Nothing is locked or written, and a daemon may run meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use assay_report::{Namespace, Unreadable};
use assay_verifier::oci::Digest;

use super::bolt::{self, BoltError, Pages};
use super::catalogue::Catalogue;
use super::metadata;
use assay_judge::confinement::explain;
use assay_judge::store::directory::{Directory, is_stray};
use assay_judge::store::form::StoreForm;
use assay_judge::store::{
    Blob, BlobContent, BlobError, ContentFiles, Listing, Manifests, Snapshot, Snapshotter, Store,
};

/// A containerd root.
pub(crate) struct Root {
    path: PathBuf,
    metadata: File,
    namespaces: Vec<Namespace>,
    catalogue: Catalogue,
    /// None if there is no content yet.
    content: Option<Directory>,
}

/// The place of containerd's metadata in its root.
pub(super) const METADATA: &str = "io.containerd.metadata.v1.bolt/meta.db";

/// The place of its content.
const CONTENT: &str = "io.containerd.content.v1.content";

/// What the name of a snapshotter's folder begins with.
pub(super) const SNAPSHOTTER: &str = "io.containerd.snapshotter.v1.";

/// The place of unpacked images on Windows.
const WINDOWS_SNAPSHOTS: &str = "io.containerd.snapshotter.v1.windows";

impl Root {
    /// Reads the metadata of the `namespaces`, or of all if none is given.
    ///
    /// # Errors
    /// [`RootError`] if the folder is not a containerd root or its metadata cannot be read.
    pub(crate) fn open(path: &Path, namespaces: &[Namespace]) -> Result<Self, RootError> {
        let at = |problem| RootError { path: path.to_owned(), problem };
        let directory = Directory::new(path).map_err(|error| at(error.into()))?;
        if !path.is_dir() {
            return Err(at(RootProblem::NotAFolder));
        }
        let metadata = match directory.open_anywhere(Path::new(METADATA)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(at(RootProblem::NoMetadata(StoreForm::of_path(path))));
            }
            Err(error) => return Err(at(error.into())),
        };
        let mut catalogue = read(&metadata, namespaces).map_err(at)?;
        if path.join(WINDOWS_SNAPSHOTS).is_dir() {
            catalogue.listing.os = Some("windows".to_owned());
        }
        let content = match directory.folder(Path::new(CONTENT)) {
            Ok(content) => Some(content),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) if is_stray(&error) => {
                // the images keep their rows
                let what = CONTENT.to_owned();
                catalogue.listing.unreadable.push(Unreadable { what, why: error.to_string() });
                None
            }
            Err(error) => return Err(at(error.into())),
        };
        Ok(Self { path: path.to_owned(), metadata, namespaces: namespaces.to_vec(), catalogue, content })
    }
}

/// Reads any bytes as metadata.
pub(crate) fn fuzz(bytes: &[u8]) {
    let _ = read(bytes, &[]);
}

fn read<P: Pages + ?Sized>(metadata: &P, namespaces: &[Namespace]) -> Result<Catalogue, RootProblem> {
    bolt::read(metadata, |file| metadata::read(&file, namespaces))?.ok_or(RootProblem::NotContainerds)
}

impl Store for Root {
    fn listing(&self) -> &Listing {
        &self.catalogue.listing
    }

    fn open(&self, namespace: Option<&Namespace>, digest: &Digest) -> Result<Blob<'_>, BlobError> {
        let namespace = namespace.ok_or_else(|| BlobError::Absent.of_listed())?;
        self.catalogue.size(namespace, digest)?;
        let content = self.content.as_ref().ok_or_else(|| BlobError::Absent.of_listed())?;
        let (bytes, size) = content.blob(digest).map_err(|error| match is_stray(&error) {
            // the same words as for the daemon, which does not see the link
            true => BlobError::Absent.of_listed(),
            false => BlobError::from(error).of_listed(),
        })?;
        Ok(Blob { size, content: BlobContent::Stream(bytes) })
    }

    fn has(&self, namespace: Option<&Namespace>, digest: &Digest) -> bool {
        namespace.is_none_or(|namespace| self.catalogue.has(namespace, digest))
    }

    fn still_has(&self, namespace: Option<&Namespace>, digest: &Digest) -> bool {
        namespace.is_none_or(|namespace| {
            read(&self.metadata, &self.namespaces).map_or(true, |now| now.has(namespace, digest))
        })
    }

    fn content_files(&self) -> Option<ContentFiles> {
        let content = self.content.as_ref()?;
        let files = self.catalogue.content_files(&content.digests().ok()?);
        if files.is_sound() {
            return Some(files);
        }
        let now = read(&self.metadata, &self.namespaces).ok()?;
        Some(now.still(files, |digest| content.lacks(digest)))
    }

    fn snapshotters(&self) -> Vec<Snapshotter> {
        let mut folders: BTreeMap<String, PathBuf> = BTreeMap::new();
        for entry in self.path.read_dir().into_iter().flatten().flatten() {
            if let Some(name) = entry.file_name().to_str().and_then(|name| name.strip_prefix(SNAPSHOTTER)) {
                folders.insert(name.to_owned(), entry.path());
            }
        }
        let named = self.catalogue.snapshotters_of_all();
        let names: BTreeSet<String> = folders.keys().cloned().chain(named).collect();
        names.into_iter().map(|name| Snapshotter { folder: folders.remove(&name), name }).collect()
    }

    fn has_snapshot(&self, namespace: &Namespace, snapshot: &Snapshot) -> bool {
        read(&self.metadata, &self.namespaces).map_or(true, |now| now.has_snapshot(namespace, snapshot))
    }

    fn manifests(&self) -> Manifests<'_> {
        self.catalogue.manifests()
    }
}

/// Why a folder cannot be read as a containerd root.
#[derive(Debug, thiserror::Error)]
#[error("{}", path.display())]
pub(crate) struct RootError {
    /// The folder.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub problem: RootProblem,
}

impl From<io::Error> for RootProblem {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

/// What is wrong with a containerd root.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RootProblem {
    /// It is absent or may not be read.
    #[error("{}", explain(.0))]
    Unreadable(io::Error),
    /// It is a file, such as a layout's archive.
    #[error(
        "is a file, but a containerd root is a folder; give an archive of a layout as layout:PATH, and mount the image of a disk"
    )]
    NotAFolder,
    /// It has no metadata.
    #[error("is not a containerd root: {}", match .0 {
        Some(form) => format!("it {form}"),
        None => format!("it has no {METADATA}"),
    })]
    NoMetadata(Option<StoreForm>),
    /// The metadata is damaged or of another version.
    #[error("its {METADATA} cannot be used")]
    Metadata(#[from] BoltError),
    /// It is a sound database of something else.
    #[error("its {METADATA} is not containerd's: it has no schema v1")]
    NotContainerds,
}
