//! A layout to be looked into: a folder as it is, or a tar, plain or compressed, unpacked into a scratch folder of our own.
//!
//! Whoever wrote it is not believed. Of an archive only members that a bundle has are taken, under names made here; links,
//! members that come twice and streams that grow implausibly are refused; what is larger than a manifest, layers above all,
//! is left where it is and known by its size. In a folder links are followed as the agent does. One manifest is in memory at a
//! time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use assay_judge::store::blob_digest;
use assay_judge::store::directory::Directory;
use assay_judge::store::form::{self, StoreForm};
use assay_judge::store::members::{self, Growth, Kind};
use assay_report::bundle::{
    BundleManifest, CRLS, CarriedFile, DOCUMENT, FileError, SIGNATURE, is_plain_path,
};
use assay_report::document::DocumentError;
use assay_verifier::json::{self, JsonError};
use assay_verifier::limits;
use assay_verifier::oci::{Descriptor, Digest, DigestAlgorithm, Manifest, ManifestError, media_type, shape};
use assay_verifier::revocation::is_litter;

use super::blob_path;
use crate::archive::{self, ArchiveError};
use crate::scratch::Scratch;

/// A layout, opened.
#[derive(Debug)]
pub struct Opened {
    path: PathBuf,
    folder: Directory,
    /// The folder goes when this does.
    scratch: Option<Scratch>,
    entries: Vec<Descriptor>,
    document: Option<BundleManifest>,
    /// Small files of an archive: a folder of them would take longer to make than they take to read.
    kept: BTreeMap<String, Vec<u8>>,
    /// Files of an archive that were left in it, with their sizes.
    left: BTreeMap<String, u64>,
}

impl Opened {
    /// Opens a bundle, or a layout that any tool wrote.
    ///
    /// # Errors
    /// [`OpenError`] where it is no layout, or one that two readers could understand differently.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let at = |problem| OpenError { path: path.to_owned(), problem };
        let (mut kept, mut left) = (BTreeMap::new(), BTreeMap::new());
        let scratch = if path.metadata().map_err(|error| at(error.into()))?.is_dir() {
            None
        } else {
            let scratch = Scratch::new().map_err(|error| at(error.into()))?;
            (kept, left) = unpack(path, scratch.path()).map_err(|problem| match problem {
                OpenProblem::Archive(members::ArchiveError::NotAnArchive(_)) => {
                    match StoreForm::of_path(path) {
                        Some(form) => at(OpenProblem::NoLayout(Some(form))),
                        None => at(problem),
                    }
                }
                problem => at(problem),
            })?;
            Some(scratch)
        };
        let folder = Directory::new(scratch.as_ref().map_or(path, Scratch::path));
        let folder = folder.map_err(|error| at(error.into()))?;
        let mut opened =
            Self { path: path.to_owned(), folder, scratch, entries: Vec::new(), document: None, kept, left };
        opened.entries = opened.read_index().map_err(at)?;
        if let Some(bytes) = opened.file(DOCUMENT, limits::BUNDLE_DOCUMENT_BYTES).map_err(at)? {
            opened.document = Some(BundleManifest::parse(&bytes).map_err(|error| at(error.into()))?);
        }
        Ok(opened)
    }

    /// The path that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The entries of `index.json`.
    pub fn entries(&self) -> &[Descriptor] {
        &self.entries
    }

    /// `bundle.json`; none in the layouts of other tools.
    pub fn document(&self) -> Option<&BundleManifest> {
        self.document.as_ref()
    }

    /// The DSSE envelope over `bundle.json`.
    ///
    /// # Errors
    /// [`OpenError`] where it cannot be read.
    pub fn signature(&self) -> Result<Option<Vec<u8>>, OpenError> {
        let limit = u64::try_from(limits::DSSE_ENVELOPE_BYTES).unwrap_or(u64::MAX);
        self.file(SIGNATURE, limit).map_err(|problem| OpenError { path: self.path.clone(), problem })
    }

    /// The paths of the evidence of revocation that its document does not describe, whatever the files are called; sorted.
    ///
    /// # Errors
    /// As [`Self::names`].
    pub fn undescribed(&self) -> Result<Vec<String>, OpenError> {
        let described: BTreeSet<&str> =
            self.document.iter().flat_map(|document| &document.crls).map(|crl| crl.file.as_str()).collect();
        let names = self.names()?.into_keys();
        Ok(names.filter(|path| is_evidence(path) && !described.contains(path.as_str())).collect())
    }

    /// The bytes of the evidence of revocation at that path; none where it is not there, or the path is of no such file.
    ///
    /// # Errors
    /// [`OpenError`] where it cannot be read.
    pub fn crl(&self, path: &str) -> Result<Option<Vec<u8>>, OpenError> {
        if !is_evidence(path) {
            return Ok(None);
        }
        self.file(path, limits::EVIDENCE_FILE_BYTES)
            .map_err(|problem| OpenError { path: self.path.clone(), problem })
    }

    /// The bytes of a blob, which are what its digest says; none where it is not there. Layers of an archive are not there
    /// either.
    ///
    /// # Errors
    /// [`OpenProblem::Altered`] where the bytes are others, [`OpenProblem::TooLarge`] where there are more than `limit`.
    pub fn blob(&self, digest: &Digest, limit: u64) -> Result<Option<Vec<u8>>, OpenError> {
        let at = |problem| OpenError { path: self.path.clone(), problem };
        match self.file(&blob_path(digest), limit).map_err(at)? {
            Some(bytes) if !digest.matches(&bytes) => {
                Err(at(OpenProblem::Altered { digest: digest.clone() }))
            }
            bytes => Ok(bytes),
        }
    }

    /// Whether a blob is there, in the folder or in the archive.
    pub fn has(&self, digest: &Digest) -> bool {
        let name = blob_path(digest);
        self.kept.contains_key(&name)
            || self.left.contains_key(&name)
            || !self.folder.blob(digest).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    /// A manifest or index, read; none where it is not there.
    ///
    /// # Errors
    /// As [`Self::blob`], and where it is no manifest.
    pub fn manifest(&self, digest: &Digest) -> Result<Option<Manifest>, OpenError> {
        let at = |problem| OpenError { path: self.path.clone(), problem };
        self.blob(digest, limits::MANIFEST_BYTES)?
            .map(|bytes| Manifest::parse(&bytes))
            .transpose()
            .map_err(|error| at(OpenProblem::Manifest { digest: digest.clone(), error: error.into() }))
    }

    /// Hands every manifest that `index.json` leads to and that is there to `take`, once for each media type that it is listed under,
    /// in the order in which it is met.
    ///
    /// # Errors
    /// As [`Self::manifest`], and where there are more than any real layout has; what `take` refuses.
    pub fn each_manifest<E: From<OpenError>>(
        &self,
        mut take: impl FnMut(&Descriptor, Manifest) -> Result<(), E>,
    ) -> Result<(), E> {
        let too_many = || OpenError { path: self.path.clone(), problem: OpenProblem::TooManyManifests };
        let mut seen = BTreeSet::new();
        let mut listed = 0_usize;
        for entry in &self.entries {
            let mut open = vec![(entry.clone(), 1)];
            while let Some((descriptor, depth)) = open.pop() {
                let Some(media_type) = media_type::of_manifest(&descriptor.media_type) else { continue };
                // a wrong entry must not hide the right one
                if !seen.insert((descriptor.digest.clone(), media_type)) {
                    continue;
                }
                if seen.len() > limits::GRAPH_MANIFESTS || depth > limits::INDEX_DEPTH {
                    return Err(too_many().into());
                }
                let Some(manifest) = self.manifest(&descriptor.digest)? else { continue };
                listed = listed.saturating_add(manifest.manifests.len());
                if listed > limits::GRAPH_MANIFESTS {
                    return Err(too_many().into());
                }
                open.extend(manifest.manifests.iter().rev().map(|child| (child.clone(), depth + 1)));
                take(&descriptor, manifest)?;
            }
        }
        Ok(())
    }

    /// Every file by its path, with its size, sorted.
    ///
    /// # Errors
    /// [`OpenError`] where a folder cannot be read, or something else than files and folders is there.
    pub fn names(&self) -> Result<BTreeMap<String, u64>, OpenError> {
        let at = |problem| OpenError { path: self.path.clone(), problem };
        let mut names = self.left.clone();
        names.extend(self.kept.iter().map(|(name, bytes)| (name.clone(), bytes.len() as u64)));
        for (name, path) in archive::files_of(&self.folder).map_err(|error| at(error.into()))? {
            names.insert(name, path.metadata().map_err(|error| at(error.into()))?.len());
        }
        Ok(names)
    }

    /// Checks that its files are those that its document lists; nothing where it has none.
    ///
    /// # Errors
    /// [`OpenProblem::File`] with the first that is not.
    pub fn check_files(&self) -> Result<(), OpenError> {
        let at = |problem| OpenError { path: self.path.clone(), problem };
        let Some(document) = &self.document else { return Ok(()) };
        let carried = |(path, size): (String, u64)| {
            // a blob is hashed as its name says, and every other file with SHA-256
            let algorithm = blob_digest(&path).map_or(DigestAlgorithm::Sha256, |digest| digest.algorithm());
            let digest = if self.left.contains_key(&path) {
                // no bundle of ours has any
                algorithm.digest(b"")
            } else if let Some(bytes) = self.kept.get(&path) {
                algorithm.digest(bytes)
            } else {
                let digest = self.bytes(&path).and_then(|bytes| archive::digest(bytes, algorithm));
                digest.map_err(|error| at(error.into()))?
            };
            Ok(CarriedFile { path, size, digest })
        };
        let files = self.names()?.into_iter().map(carried).collect::<Result<Vec<_>, OpenError>>()?;
        document.check_files(files).map_err(|error| at(error.into()))
    }

    /// What is in a file that was not kept.
    fn bytes(&self, name: &str) -> io::Result<Box<dyn Read>> {
        Ok(match blob_digest(name) {
            Some(digest) => self.folder.blob(&digest)?.0,
            None => Box::new(self.folder.open(Path::new(name))?.0),
        })
    }

    fn read_index(&self) -> Result<Vec<Descriptor>, OpenProblem> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct OciLayout {
            image_layout_version: String,
        }
        let layout = self.file("oci-layout", limits::LAYOUT_INDEX_BYTES)?;
        let layout = layout.ok_or_else(|| OpenProblem::NoLayout(self.form()))?;
        match json::read::<OciLayout>(&layout, &shape::LAYOUT) {
            Ok(layout) if layout.image_layout_version == "1.0.0" => {}
            _ => return Err(OpenProblem::Version),
        }
        let index = self.file("index.json", limits::LAYOUT_INDEX_BYTES)?.ok_or(OpenProblem::NoIndex)?;
        let index: Index = json::read(&index, &shape::MANIFEST).map_err(OpenProblem::Index)?;
        Ok(index.manifests.unwrap_or_default())
    }

    /// What it is, not being a layout.
    fn form(&self) -> Option<StoreForm> {
        match self.scratch {
            None => StoreForm::of_path(&self.path),
            Some(_) => StoreForm::of_archive(self.left.keys().chain(self.kept.keys()).map(String::as_str)),
        }
    }

    /// A file of at most `limit` bytes; none where it is not there.
    fn file(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, OpenProblem> {
        if let Some(bytes) = self.kept.get(name) {
            let is_within = bytes.len() as u64 <= limit;
            return is_within
                .then(|| Some(bytes.clone()))
                .ok_or_else(|| OpenProblem::TooLarge { name: name.to_owned(), limit });
        }
        let file = match self.bytes(name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                return Err(OpenProblem::NotAFile { name: name.to_owned() });
            }
            Err(error) => return Err(error.into()),
        };
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(OpenProblem::TooLarge { name: name.to_owned(), limit });
        }
        Ok(Some(bytes))
    }
}

/// `index.json`, which may have more entries than an index among the blobs.
#[derive(serde::Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
}

/// Files by name, and the sizes of others.
type Unpacked = (BTreeMap<String, Vec<u8>>, BTreeMap<String, u64>);

/// Unpacks what a bundle has: small files into memory as far as [`KEPT_BYTES`] go, others into `folder`. Gives the former, and
/// what was left in the archive.
fn unpack(path: &Path, folder: &Path) -> Result<Unpacked, OpenProblem> {
    let (mut kept, mut left) = (BTreeMap::new(), BTreeMap::new());
    let (mut names, mut room) = (0_u64, KEPT_BYTES);
    members::each(File::open(path)?, Growth::Plausible, |member| {
        if member.kind == Kind::Folder {
            return Ok(());
        }
        let name = std::mem::take(&mut member.path);
        names = names.saturating_add(name.len() as u64).saturating_add(limits::ARCHIVE_MEMBER_BYTES);
        if names > limits::ARCHIVE_KEPT_BYTES {
            return Err(members::ArchiveError::TooMuchToKeep.into());
        }
        if !is_of_bundle(&name) {
            // nothing reads it; that it is there counts where a document lists all files
            left.insert(name, member.size);
            return Ok(());
        }
        if member.kind != Kind::File {
            return Err(OpenProblem::NotAFile { name });
        }
        let is_blob = name.starts_with("blobs/");
        // a name of evidence may be any, and means nothing
        let target = match is_plain_path(&name) {
            true => folder.join(&name),
            false => folder.join(CRLS).join(Digest::sha256(name.as_bytes()).hex()),
        };
        if target.symlink_metadata().is_ok() || left.contains_key(&name) || kept.contains_key(&name) {
            return Err(members::ArchiveError::Twice { name }.into());
        }
        let size = member.size;
        if is_blob && size > limits::MANIFEST_BYTES {
            left.insert(name, size);
            return Ok(());
        }
        if size > limits::EVIDENCE_FILE_BYTES {
            return Err(OpenProblem::TooLarge { name, limit: limits::EVIDENCE_FILE_BYTES });
        }
        if size <= limits::ARCHIVE_SMALL_BYTES && size <= room {
            room -= size;
            let mut bytes = Vec::new();
            member.read_to_end(&mut bytes)?;
            kept.insert(name, bytes);
            return Ok(());
        }
        fs::create_dir_all(target.parent().unwrap_or(folder))?;
        io::copy(member, &mut File::create_new(&target)?)?;
        Ok(())
    })?;
    Ok((kept, left))
}

/// Bytes of an archive's small files that are kept in memory.
const KEPT_BYTES: u64 = 24 << 20;

/// Whether a path is of a file that a bundle may have.
fn is_of_bundle(name: &str) -> bool {
    ["oci-layout", "index.json", DOCUMENT, SIGNATURE].contains(&name)
        || blob_digest(name).is_some()
        || is_evidence(name)
}

/// Whether a path is of evidence of revocation: everything in the folder of CRLs is meant to be that, but for what operating
/// systems leave in folders.
fn is_evidence(path: &str) -> bool {
    let rest = path.strip_prefix(CRLS).and_then(|rest| rest.strip_prefix('/'));
    let name = rest.and_then(|rest| rest.rsplit('/').next());
    name.is_some_and(|name| !name.is_empty() && !is_litter(name))
}

/// Why a layout cannot be looked into.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct OpenError {
    /// The layout.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: OpenProblem,
}

/// What is wrong with a layout.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenProblem {
    /// It is absent, damaged, or cannot be read.
    #[error(transparent)]
    Unreadable(io::Error),
    /// It is no archive, or one that is damaged or past a limit.
    #[error(transparent)]
    Archive(#[from] members::ArchiveError),
    /// There is no `oci-layout`.
    #[error("is not an OCI image layout: {}", form::why(.0.as_ref()))]
    NoLayout(Option<StoreForm>),
    /// There is no `index.json`.
    #[error("is not an OCI image layout: it has no index.json")]
    NoIndex,
    /// `oci-layout` says something else than version 1.0.0.
    #[error("is no OCI image layout of version 1.0.0")]
    Version,
    /// `index.json` is no index.
    #[error("its index.json is malformed: {0}")]
    Index(JsonError),
    /// `bundle.json` is none.
    #[error("its bundle.json: {0}")]
    Document(#[from] DocumentError),
    /// A file of the layout is a link, a device or a folder.
    #[error("its {name} is no regular file")]
    NotAFile {
        /// The file.
        name: String,
    },
    /// A file that is larger than any real one.
    #[error("its {name} is larger than {limit} bytes")]
    TooLarge {
        /// The file.
        name: String,
        /// What is read of such a file.
        limit: u64,
    },
    /// A blob's bytes are not what its name says.
    #[error("the blob {digest} is altered")]
    Altered {
        /// Its name.
        digest: Digest,
    },
    /// A blob is listed as a manifest and is none.
    #[error("{digest}: {error}")]
    Manifest {
        /// Its name.
        digest: Digest,
        /// Why.
        error: Box<ManifestError>,
    },
    /// Indexes list more, or are nested deeper, than in any real layout.
    #[error("its indexes are larger or nested deeper than in any real layout")]
    TooManyManifests,
    /// Its files are not those that its document lists.
    #[error("{0}")]
    File(#[from] FileError),
    /// Its files cannot be listed.
    #[error(transparent)]
    Files(#[from] ArchiveError),
}

impl From<io::Error> for OpenProblem {
    /// What is wrong with a member comes out of reading it.
    fn from(error: io::Error) -> Self {
        error.downcast::<members::ArchiveError>().map_or_else(Self::Unreadable, Self::Archive)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Content, Staging};
    use super::*;

    fn tar_of(members: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, kind, content) in members {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_entry_type(*kind);
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_cksum();
            builder.append(&header, *content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn open(bytes: &[u8]) -> Result<Opened, OpenProblem> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("layout.tar");
        fs::write(&path, bytes).unwrap();
        Opened::open(&path).map_err(|error| error.problem)
    }

    const FILE: tar::EntryType = tar::EntryType::Regular;
    const LAYOUT: (&str, tar::EntryType, &[u8]) = ("oci-layout", FILE, super::super::OCI_LAYOUT);
    const INDEX: (&str, tar::EntryType, &[u8]) = ("index.json", FILE, b"{}");

    #[test]
    fn hostile_archives_write_nothing_outside_and_are_refused() {
        let escape = open(&tar_of(&[LAYOUT, INDEX, ("../escape", FILE, b"x"), ("/tmp/escape", FILE, b"x")]));
        assert_eq!(escape.unwrap().left.len(), 2, "left in the archive");
        for (members, what) in [
            (vec![LAYOUT, INDEX, INDEX], "twice"),
            (vec![LAYOUT, ("index.json", tar::EntryType::Symlink, b"")], "a link"),
            (vec![LAYOUT, ("index.json", tar::EntryType::Char, b"")], "a device"),
            (vec![LAYOUT], "no index"),
            (vec![INDEX], "no layout"),
            (vec![LAYOUT, ("index.json", FILE, b"[")], "no JSON"),
            (vec![LAYOUT, INDEX, (DOCUMENT, FILE, b"{}")], "no document"),
        ] {
            assert!(open(&tar_of(&members)).is_err(), "{what}");
        }
        assert!(matches!(open(b"PK"), Err(OpenProblem::Archive(members::ArchiveError::NotAnArchive(_)))));
        let whole = tar_of(&[LAYOUT, INDEX, ("crls/a", FILE, &[7; 4096])]);
        assert!(matches!(
            open(&whole[..whole.len() - 4096]),
            Err(OpenProblem::Archive(members::ArchiveError::CutShort(_)))
        ));
    }

    #[test]
    fn bombs_are_not_unpacked() {
        // one frame of zeros for 4 MiB each: 512 bytes become a gigabyte, whatever the name of the file says
        let zeros = ruzstd::encoding::compress_to_vec(
            &vec![0; 4 << 20][..],
            ruzstd::encoding::CompressionLevel::Fastest,
        );
        let mut header = tar::Header::new_gnu();
        header.set_size(1 << 30);
        header.as_old_mut().name[..10].copy_from_slice(b"index.json");
        header.set_cksum();
        let mut bomb = ruzstd::encoding::compress_to_vec(
            &header.as_bytes()[..],
            ruzstd::encoding::CompressionLevel::Fastest,
        );
        for _ in 0..256 {
            bomb.extend_from_slice(&zeros);
        }
        if let Ok(opened) = open(&bomb) {
            panic!("{opened:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_in_every_packing_and_a_changed_file_is_found() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.tar", "a.tar.gz", "a.tar.zst", "folder"] {
            let out = folder.path().join(name);
            let staging = Staging::open(&out).unwrap();
            let digest = Digest::sha256(b"{}");
            staging.add_blob(&digest, b"{}").unwrap();
            let entry = Descriptor::new(media_type::OCI_INDEX, digest.clone(), 2);
            let content = Content {
                entries: vec![entry.clone()],
                blobs: [digest.clone()].into(),
                ..Content::default()
            };
            let finished = staging.finish(content, None).unwrap();
            let opened = Opened::open(&out).unwrap();
            assert_eq!(opened.document(), Some(&finished.manifest));
            assert_eq!(opened.entries(), [entry]);
            let mut manifests = 0;
            opened
                .each_manifest(|_, _| -> Result<(), OpenError> {
                    manifests += 1;
                    Ok(())
                })
                .unwrap();
            assert_eq!(manifests, 1);
            opened.check_files().unwrap();
        }
        let out = folder.path().join("folder");
        fs::write(out.join("more"), "").unwrap();
        let added = Opened::open(&out).unwrap().check_files().unwrap_err().problem;
        assert!(matches!(added, OpenProblem::File(FileError::Added { .. })));
    }
}
