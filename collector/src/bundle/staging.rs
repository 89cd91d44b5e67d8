//! Collects blobs and CRLs in a folder, and makes one layout with its `bundle.json` of them.
//!
//! The folder stands beside the output under its name with `.partial`. It holds no `index.json` before everything else is
//! there, and a `bundle.json` that says `partial`, so that nothing takes it for a bundle. What a run left there is used
//! again once its digest was checked; what the finished bundle does not list is removed. Everything appears whole or not at
//! all.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use assay_judge::replacement::Replacement;
use assay_judge::store::blob_path;
use assay_report::bundle::{
    BUNDLE_SCHEMA, BundleManifest, CRLS, CarriedCrl, CarriedFile, CarriedLayerFiles, Completeness, DOCUMENT,
    Gap, GapKind, LockedImage, SIGNATURE, Tool,
};
use assay_verifier::limits;
use assay_verifier::oci::{Descriptor, Digest, media_type};

use super::packing::Packing;
use crate::archive::ArchiveError;
use crate::report::text::count;

/// A bundle in the making.
#[derive(Debug)]
pub struct Staging {
    folder: PathBuf,
    out: PathBuf,
}

/// What a finished bundle holds.
#[derive(Clone, Debug, Default)]
pub struct BundleContent {
    /// The entries of `index.json`: images under their names, and signature manifests without.
    pub entries: Vec<Descriptor>,
    /// The digests of the blobs.
    pub blobs: BTreeSet<Digest>,
    /// The lock.
    pub images: Vec<LockedImage>,
    /// The CRLs, each in the file that it names.
    pub crls: Vec<CarriedCrl>,
    /// The lists of layers' files, which are among the blobs.
    pub layer_files: Vec<CarriedLayerFiles>,
    /// The paths of other evidence of revocation, published at an unknown place.
    pub evidence: BTreeSet<String>,
    /// What is missing.
    pub gaps: Vec<Gap>,
    /// What is of no use to any verifier, and what signatures name that the trust directory does not trust. It is named with the
    /// gaps, and nothing is missing without it.
    pub left_out: Vec<Gap>,
    /// Whether gaps are as they should be.
    pub gaps_accepted: bool,
}

impl BundleContent {
    /// Adds the list of a layer's files.
    ///
    /// # Errors
    /// What is then missing, if all lists together would take more than a bundle may have.
    pub(super) fn add_layer_files(&mut self, files: CarriedLayerFiles) -> Result<(), Gap> {
        let all = self.layer_files.iter().map(|files| files.size).fold(files.size, u64::saturating_add);
        if all > limits::LAYER_LISTS_BYTES {
            let most = limits::LAYER_LISTS_BYTES;
            let why = format!("the lists of layers' files take more than {most} bytes; make several bundles");
            return Err(Gap { kind: GapKind::LayerFiles, what: files.layer.to_string(), why });
        }
        self.blobs.insert(files.list.clone());
        self.layer_files.push(files);
        Ok(())
    }
}

/// A bundle that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedBundle {
    /// Its document.
    pub manifest: BundleManifest,
    /// Bytes of the file; of all files together if it is a folder.
    pub size: u64,
}

/// Signs the bytes of `bundle.json`, and gives the DSSE envelope's JSON.
pub type Signer<'a> = dyn Fn(&[u8]) -> Result<Vec<u8>, String> + 'a;

/// A bundle cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum StagingError {
    /// Something else is at the bundle's path.
    #[error("{}: is there already; remove it, or name another place", path.display())]
    Exists {
        /// The output.
        path: PathBuf,
    },
    /// A path that names no file, such as `..`.
    #[error("{}: names no file or folder to write", path.display())]
    Name {
        /// The output.
        path: PathBuf,
    },
    /// The operating system refuses.
    #[error("{}: cannot be written", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something is missing, and gaps are not allowed.
    #[error("{} could not be fetched, and no bundle was written", count(*.gaps, "item"))]
    Gaps {
        /// How many things.
        gaps: usize,
    },
    /// A blob that was fetched is not what its digest says any more.
    #[error("{path}: was changed while the bundle was made", path = path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// More than an agent can keep of a bundle that it can read only from front to back.
    #[error(
        "{}: a compressed bundle of this size is more than an agent keeps in memory; run again with a name that ends in .tar",
        path.display()
    )]
    TooLargeToCompress {
        /// The output.
        path: PathBuf,
    },
    /// Lists of layers' files, which an agent reads in any order.
    #[error(
        "{}: a compressed bundle cannot carry lists of layers' files, which an agent reads in any order; run again with a name that ends in .tar",
        path.display()
    )]
    ListsInCompressed {
        /// The output.
        path: PathBuf,
    },
    /// The files cannot be packed.
    #[error(transparent)]
    Pack(#[from] ArchiveError),
    /// The document cannot be written as JSON.
    #[error("bundle.json cannot be written as JSON")]
    Document(#[from] serde_json::Error),
    /// The document cannot be signed.
    #[error("signing bundle.json: {0}")]
    Sign(String),
}

impl Staging {
    /// Begins a bundle that will be at `out`, or goes on with one that an earlier run left unfinished.
    ///
    /// # Errors
    /// [`StagingError`] if a folder is at `out` that is not empty, or nothing can be written there.
    pub fn open(out: &Path) -> Result<Self, StagingError> {
        let name = out.file_name().ok_or_else(|| StagingError::Name { path: out.to_owned() })?;
        let exists = || StagingError::Exists { path: out.to_owned() };
        match fs::metadata(out) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(StagingError::Write { path: out.to_owned(), source }),
            Ok(metadata) if metadata.is_file() && Packing::from_name(out) != Packing::Folder => {}
            Ok(metadata) if metadata.is_dir() && Packing::from_name(out) == Packing::Folder => {
                let mut entries = fs::read_dir(out)
                    .map_err(|source| StagingError::Write { path: out.to_owned(), source })?;
                if entries.next().is_some() {
                    return Err(exists());
                }
            }
            Ok(_) => return Err(exists()),
        }
        let mut partial = name.to_owned();
        partial.push(".partial");
        let folder = out.with_file_name(partial);
        if fs::symlink_metadata(&folder).is_ok_and(|metadata| !metadata.is_dir()) {
            return Err(StagingError::Exists { path: folder });
        }
        let staging = Self { folder, out: out.to_owned() };
        for algorithm in ["sha256", "sha384", "sha512"] {
            staging.make_folder(&format!("blobs/{algorithm}"))?;
        }
        staging.make_folder(CRLS)?;
        // what an earlier run wrote last is removed first, since without it the folder is not a layout
        for name in ["index.json", SIGNATURE] {
            staging.remove(name)?;
        }
        let partial = manifest(BundleContent::default(), Completeness::Partial, Vec::new());
        staging.write(DOCUMENT, &partial.to_bytes()?)?;
        Ok(staging)
    }

    /// The folder, while it is in the making.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The bytes of a blob that is there already, by an earlier run or this one; none if it is not, or is not what its
    /// digest says.
    pub fn blob(&self, digest: &Digest) -> Option<Vec<u8>> {
        let bytes = fs::read(self.folder.join(blob_path(digest))).ok()?;
        digest.matches(&bytes).then_some(bytes)
    }

    /// Adds a blob.
    ///
    /// # Errors
    /// [`StagingError::Write`]; [`StagingError::Changed`] if `bytes` are not what `digest` names.
    pub fn add_blob(&self, digest: &Digest, bytes: &[u8]) -> Result<(), StagingError> {
        let path = blob_path(digest);
        if !digest.matches(bytes) {
            return Err(StagingError::Changed { path: self.folder.join(path) });
        }
        self.write(&path, bytes)
    }

    /// The list of a layer's files that an earlier run left; none if it did not, or if it is not what was said of it.
    pub(super) fn layer_files(&self, layer: &Descriptor, diff_id: &Digest) -> Option<CarriedLayerFiles> {
        let bytes = fs::read(self.folder.join(listed_path(&layer.digest))).ok()?;
        let files: CarriedLayerFiles = serde_json::from_slice(&bytes).ok()?;
        let is_it = files.layer == layer.digest && files.diff_id == *diff_id;
        let list = self.blob(&files.list).filter(|list| list.len() as u64 == files.size);
        (is_it && list.is_some()).then_some(files)
    }

    /// Adds the list of a layer's files.
    ///
    /// # Errors
    /// As [`Self::add_blob`].
    pub(super) fn add_layer_files(&self, files: &CarriedLayerFiles, list: &[u8]) -> Result<(), StagingError> {
        self.add_blob(&files.list, list)?;
        self.make_folder(LISTED)?;
        self.write(&listed_path(&files.layer), &serde_json::to_vec(files)?)
    }

    /// Adds the CRL that was published at `url`, and gives its path in the bundle.
    ///
    /// # Errors
    /// [`StagingError::Write`]
    pub fn add_crl(&self, url: &str, bytes: &[u8]) -> Result<String, StagingError> {
        let path = crl_path(url);
        self.write(&path, bytes)?;
        Ok(path)
    }

    /// Adds evidence of revocation that was published at an unknown place, and gives its path in the bundle.
    ///
    /// # Errors
    /// [`StagingError::Write`]
    pub fn add_evidence(&self, bytes: &[u8]) -> Result<String, StagingError> {
        let path = format!("{CRLS}/{}", Digest::sha256(bytes).hex());
        self.write(&path, bytes)?;
        Ok(path)
    }

    /// Makes the bundle of what was added, and puts it in its place.
    ///
    /// # Errors
    /// [`StagingError`]; then nothing is at the output that was not there before, and what was added is kept for another
    /// run.
    pub fn finish(
        &self,
        content: BundleContent,
        signer: Option<&Signer<'_>>,
    ) -> Result<FinishedBundle, StagingError> {
        // one rule for every kind of gap
        let completeness = match (content.gaps.is_empty(), content.gaps_accepted) {
            (true, _) => Completeness::Complete,
            (false, true) => Completeness::GapsAccepted,
            (false, false) => return Err(StagingError::Gaps { gaps: content.gaps.len() }),
        };
        if !content.layer_files.is_empty()
            && matches!(Packing::from_name(&self.out), Packing::Gzip | Packing::Zstd)
        {
            return Err(StagingError::ListsInCompressed { path: self.out.clone() });
        }
        let mut names = vec!["oci-layout".to_owned(), "index.json".to_owned()];
        names.extend(content.crls.iter().map(|crl| crl.file.clone()));
        names.extend(content.evidence.iter().cloned());
        names.extend(content.blobs.iter().map(blob_path));
        names.sort();
        names.dedup();
        self.remove_all_but(&names)?;
        self.write("oci-layout", OCI_LAYOUT)?;
        self.write("index.json", &index(content.entries.clone())?)?;

        let files = names.iter().map(|name| self.carried(name)).collect::<Result<Vec<_>, _>>()?;
        let manifest = manifest(content, completeness, files);
        let document = manifest.to_bytes()?;
        if let Some(signer) = signer {
            self.write(SIGNATURE, &signer(&document).map_err(StagingError::Sign)?)?;
            names.insert(0, SIGNATURE.to_owned());
        }
        self.write(DOCUMENT, &document)?;
        names.insert(0, DOCUMENT.to_owned());
        let size = self.put_in_place(&names)?;
        Ok(FinishedBundle { manifest, size })
    }

    fn put_in_place(&self, names: &[String]) -> Result<u64, StagingError> {
        let failed = |source| StagingError::Write { path: self.out.clone(), source };
        let packing = Packing::from_name(&self.out);
        if packing == Packing::Folder {
            // a folder that is there is empty, or it is not replaced
            fs::rename(&self.folder, &self.out).map_err(failed)?;
            let size = |name: &String| Ok(fs::metadata(self.out.join(name))?.len());
            return names.iter().map(size).sum::<io::Result<u64>>().map_err(failed);
        }
        if matches!(packing, Packing::Gzip | Packing::Zstd) {
            // as the agent's reader counts: a member's content, and twice what it takes beside that
            let kept = |name: &String| {
                let size = fs::metadata(self.folder.join(name))?.len();
                Ok(size.saturating_add(2 * limits::ARCHIVE_MEMBER_BYTES))
            };
            let kept = names.iter().map(kept).sum::<io::Result<u64>>().map_err(failed)?;
            if kept > limits::ARCHIVE_KEPT_BYTES {
                return Err(StagingError::TooLargeToCompress { path: self.out.clone() });
            }
        }
        packing.write(&self.folder, names, &self.out)?;
        let folder = &self.folder;
        fs::remove_dir_all(folder).map_err(|source| StagingError::Write { path: folder.clone(), source })?;
        Ok(fs::metadata(&self.out).map_err(failed)?.len())
    }

    /// A file as the document lists it. Blobs are hashed once more: the list is of what is there, not of what was meant.
    fn carried(&self, name: &str) -> Result<CarriedFile, StagingError> {
        let path = self.folder.join(name);
        let mut bytes = Vec::new();
        File::open(&path)
            .and_then(|mut file| file.read_to_end(&mut bytes))
            .map_err(|source| StagingError::Write { path: path.clone(), source })?;
        let digest =
            match name.strip_prefix("blobs/").and_then(|rest| rest.replacen('/', ":", 1).parse().ok()) {
                None => Digest::sha256(&bytes),
                Some(digest) if Digest::matches(&digest, &bytes) => digest,
                Some(_) => return Err(StagingError::Changed { path }),
            };
        Ok(CarriedFile { path: name.to_owned(), size: bytes.len() as u64, digest })
    }

    fn make_folder(&self, name: &str) -> Result<(), StagingError> {
        let path = self.folder.join(name);
        fs::create_dir_all(&path).map_err(|source| StagingError::Write { path, source })
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StagingError> {
        let path = self.folder.join(name);
        let write = || {
            let mut file = Replacement::open(&path)?;
            file.write_all(bytes)?;
            file.put()
        };
        write().map_err(|source| StagingError::Write { path: path.clone(), source })
    }

    fn remove(&self, name: &str) -> Result<(), StagingError> {
        let path = self.folder.join(name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(StagingError::Write { path, source })
            }
            _ => Ok(()),
        }
    }

    /// Removes what an earlier run left and this bundle does not hold.
    fn remove_all_but(&self, names: &[String]) -> Result<(), StagingError> {
        let walk = |folder: &str| -> io::Result<()> {
            for entry in fs::read_dir(self.folder.join(folder))? {
                let entry = entry?;
                let name = format!("{folder}{}", entry.file_name().to_string_lossy());
                if !entry.file_type()?.is_dir() && name != DOCUMENT && names.binary_search(&name).is_err() {
                    fs::remove_file(entry.path())?;
                }
            }
            Ok(())
        };
        let failed = |source| StagingError::Write { path: self.folder.clone(), source };
        let listed = self.folder.join(LISTED);
        if listed.is_dir() {
            fs::remove_dir_all(&listed).map_err(failed)?;
        }
        for folder in ["", "crls/", "blobs/sha256/", "blobs/sha384/", "blobs/sha512/"] {
            walk(folder).map_err(failed)?;
        }
        for algorithm in ["sha256", "sha384", "sha512"] {
            // one that is not empty stays
            let _ = fs::remove_dir(self.folder.join("blobs").join(algorithm));
        }
        let _ = fs::remove_dir(self.folder.join(CRLS));
        Ok(())
    }
}

/// Where it is said of which layer a list is, while the bundle is in the making.
const LISTED: &str = "listed";

fn listed_path(layer: &Digest) -> String {
    format!("{LISTED}/{}-{}.json", layer.algorithm().name(), layer.hex())
}

/// Where the CRL of a URL is in a bundle: under the name that the reference's cache gives it, by which verification finds
/// it.
pub(super) fn crl_path(url: &str) -> String {
    format!("{CRLS}/{}", Digest::sha256(url.as_bytes()).hex())
}

/// `index.json` of these entries, sorted, each once.
fn index(mut entries: Vec<Descriptor>) -> Result<Vec<u8>, serde_json::Error> {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Index {
        schema_version: u8,
        media_type: &'static str,
        manifests: Vec<Descriptor>,
    }
    entries.sort_by(|one, other| (&one.annotations, &one.digest).cmp(&(&other.annotations, &other.digest)));
    entries.dedup();
    serde_json::to_vec(&Index { schema_version: 2, media_type: media_type::OCI_INDEX, manifests: entries })
}

fn manifest(content: BundleContent, completeness: Completeness, files: Vec<CarriedFile>) -> BundleManifest {
    let BundleContent { mut images, mut crls, mut layer_files, mut gaps, left_out, .. } = content;
    gaps.extend(left_out);
    images.sort();
    images.dedup();
    crls.sort();
    crls.dedup();
    layer_files.sort();
    layer_files.dedup();
    gaps.sort();
    gaps.dedup();
    BundleManifest {
        schema: BUNDLE_SCHEMA.to_owned(),
        tool: Tool { name: "assay".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
        completeness,
        images,
        crls,
        layer_files,
        gaps,
        files,
    }
}

/// `oci-layout` as every tool writes it.
const OCI_LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(staging: &Staging, content: &mut BundleContent, bytes: &[u8]) -> Descriptor {
        let digest = Digest::sha256(bytes);
        staging.add_blob(&digest, bytes).unwrap();
        content.blobs.insert(digest.clone());
        Descriptor::new(media_type::OCI_MANIFEST, digest, bytes.len() as u64)
    }

    fn make(out: &Path) -> FinishedBundle {
        let staging = Staging::open(out).unwrap();
        let mut content = BundleContent::default();
        for bytes in [b"one".as_slice(), b"two"] {
            let entry = blob(&staging, &mut content, bytes);
            content.entries.insert(0, entry);
        }
        staging.finish(content, None).unwrap()
    }

    #[test]
    fn the_same_content_gives_the_same_bytes_in_every_packing() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.tar", "a.tar.gz", "a.tar.zst"] {
            let [one, other] = ["1", "2"].map(|number| {
                let out = folder.path().join(format!("{number}{name}"));
                let finished = make(&out);
                let bytes = fs::read(&out).unwrap();
                assert_eq!(finished.size, bytes.len() as u64);
                bytes
            });
            assert!(one == other, "{name}");
        }
        make(&folder.path().join("folder"));
        assert!(folder.path().join("folder/index.json").is_file());
        let left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 7, "{left:?}");
    }

    #[test]
    fn what_agents_could_not_keep_is_not_compressed() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = 12;
        let size = usize::try_from(limits::ARCHIVE_KEPT_BYTES).unwrap() / blobs;
        for (name, fits) in [("a.tar.gz", false), ("a.tar.zst", false), ("a.tar", true), ("folder", true)] {
            let staging = Staging::open(&folder.path().join(name)).unwrap();
            let mut content = BundleContent::default();
            for number in 0..blobs {
                blob(&staging, &mut content, &vec![u8::try_from(number).unwrap(); size]);
            }
            let finished = staging.finish(content, None);
            assert_eq!(finished.is_ok(), fits, "{name}");
            assert!(fits || matches!(finished, Err(StagingError::TooLargeToCompress { .. })));
        }
    }

    #[test]
    fn what_is_not_finished_is_not_a_layout_and_is_taken_up_again() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("site.tar");
        let staging = Staging::open(&out).unwrap();
        let mut content = BundleContent::default();
        let kept = blob(&staging, &mut content, b"kept");
        let dropped = blob(&staging, &mut content, b"dropped");
        content.gaps.push(Gap { kind: GapKind::Image, what: "r.example/app:v1".into(), why: "gone".into() });
        assert!(matches!(staging.finish(content, None), Err(StagingError::Gaps { gaps: 1 })));
        let partial = folder.path().join("site.tar.partial");
        assert!(!out.exists() && !partial.join("index.json").exists());
        let document = BundleManifest::parse(&fs::read(partial.join(DOCUMENT)).unwrap()).unwrap();
        assert!(!document.is_usable());

        let staging = Staging::open(&out).unwrap();
        assert_eq!(staging.blob(&kept.digest).unwrap(), b"kept");
        fs::write(partial.join(blob_path(&dropped.digest)), "changed").unwrap();
        assert!(staging.blob(&dropped.digest).is_none());
        let content = BundleContent {
            blobs: [kept.digest.clone()].into(),
            entries: vec![kept],
            ..BundleContent::default()
        };
        let finished = staging.finish(content, None).unwrap();
        assert_eq!(finished.manifest.files.len(), 3);
        assert!(out.is_file() && !partial.exists());
    }

    #[test]
    fn nothing_that_is_there_is_overwritten_by_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        fs::create_dir(&out).unwrap();
        fs::write(out.join("mine"), "").unwrap();
        assert!(matches!(Staging::open(&out), Err(StagingError::Exists { .. })));
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(matches!(Staging::open(&folder.path().join("file")), Err(StagingError::Exists { .. })));
        assert!(matches!(Staging::open(Path::new("..")), Err(StagingError::Name { .. })));
    }

    #[test]
    fn lists_take_as_much_as_a_bundle_may_have_and_no_more() {
        let files = |layer: &str, size| CarriedLayerFiles {
            layer: Digest::sha256(layer.as_bytes()),
            diff_id: Digest::sha256(b""),
            list: Digest::sha256(layer.as_bytes()),
            size,
            entries: 0,
        };
        let mut content = BundleContent::default();
        assert_eq!(content.add_layer_files(files("first", 1)), Ok(()));
        assert_eq!(content.add_layer_files(files("second", limits::LAYER_LISTS_BYTES - 1)), Ok(()));
        let gap = content.add_layer_files(files("third", 1)).unwrap_err();
        assert_eq!((gap.kind, gap.what), (GapKind::LayerFiles, files("third", 1).layer.to_string()));
        assert_eq!((content.layer_files.len(), content.blobs.len()), (2, 2));
    }
}
