//! A layout to be listed, compared, merged or slimmed, read as the agent reads it.
//!
//! Its content is hostile input: every blob is checked against its digest before it is used, and one manifest is in memory at a
//! time.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use assay_judge::graph::{GraphLimit, Walk};
use assay_judge::store::layout::{Layout, LayoutError, LayoutProblem, Reading};
use assay_judge::store::{BlobContent, BlobError, Store as _, is_evidence, may_be_manifest, read_unchecked};
use assay_report::Unreadable;
use assay_report::bundle::{BundleManifest, DOCUMENT, FileError, SIGNATURE};
use assay_report::document::DocumentError;
use assay_verifier::limits;
use assay_verifier::oci::{Descriptor, Digest, Manifest, ManifestError, media_type};

/// A layout, opened.
pub struct Opened {
    path: PathBuf,
    layout: Layout,
    document: Option<BundleManifest>,
}

impl Opened {
    /// Opens a bundle, or a layout that any tool wrote.
    ///
    /// # Errors
    /// [`OpenError`] if it is not a layout, if two readers could understand it differently, or if its `index.json` has an entry
    /// that is not a descriptor.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let layout = Layout::open(path, Reading::Copy)?;
        let mut opened = Self { path: path.to_owned(), layout, document: None };
        if let Some(entry) = opened.layout.listing().unreadable.first() {
            return Err(opened.error(OpenProblem::Entry(entry.clone())));
        }
        if let Some(bytes) = opened.layout.file(DOCUMENT)? {
            let document = BundleManifest::parse(&bytes).map_err(|error| opened.error(error.into()))?;
            opened.document = Some(document);
        }
        Ok(opened)
    }

    /// The path that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The entries of `index.json`.
    pub fn entries(&self) -> &[Descriptor] {
        self.layout.entries()
    }

    /// `bundle.json`; none in the layouts of other tools.
    pub fn document(&self) -> Option<&BundleManifest> {
        self.document.as_ref()
    }

    /// The DSSE envelope over `bundle.json`.
    ///
    /// # Errors
    /// [`OpenError`] if it cannot be read.
    pub fn signature(&self) -> Result<Option<Vec<u8>>, OpenError> {
        Ok(self.layout.file(SIGNATURE)?)
    }

    /// Hands the evidence of revocation that its document does not describe to `take`, whatever the files are called, sorted by
    /// path.
    ///
    /// # Errors
    /// [`OpenError`] if a file cannot be read or has a name that is not text; what `take` refuses.
    pub fn each_undescribed<E: From<OpenError>>(
        &self,
        mut take: impl FnMut(String, Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let described: BTreeSet<&str> =
            self.document.iter().flat_map(|document| &document.crls).map(|crl| crl.file.as_str()).collect();
        for path in self.layout.sizes().map_err(OpenError::from)?.into_keys() {
            if is_evidence(&path) && !described.contains(path.as_str()) {
                // a listed file must not be lost
                let bytes = self.crl(&path)?;
                let bytes = bytes.ok_or_else(|| self.error(OpenProblem::Name { path: path.clone() }))?;
                take(path, bytes)?;
            }
        }
        Ok(())
    }

    /// The bytes of the evidence of revocation at that path; none if it is not there, or the path is not one of evidence.
    ///
    /// # Errors
    /// [`OpenError`] if it cannot be read.
    pub fn crl(&self, path: &str) -> Result<Option<Vec<u8>>, OpenError> {
        if is_evidence(path) { Ok(self.layout.file(path)?) } else { Ok(None) }
    }

    /// The bytes of a blob, which are what its digest says; none if it is not there.
    ///
    /// # Errors
    /// [`OpenProblem::Blob`] if the bytes are others, cannot be read, or are more than `limit`.
    pub fn blob(&self, digest: &Digest, limit: u64) -> Result<Option<Vec<u8>>, OpenError> {
        let error = match read_unchecked(&self.layout, None, digest, limit) {
            Ok(bytes) if digest.matches(&bytes) => return Ok(Some(bytes)),
            Ok(bytes) => BlobError::Mismatch { found: digest.algorithm().digest(&bytes).to_string() },
            Err(BlobError::Absent) => return Ok(None),
            Err(error) => error,
        };
        Err(self.error(OpenProblem::Blob { digest: digest.clone(), error }))
    }

    /// The bytes of a blob of any size, unchecked.
    ///
    /// # Errors
    /// [`BlobError`] if it is not there, or if it is in a compressed archive and too large to be kept.
    pub(super) fn stream(&self, digest: &Digest) -> Result<Box<dyn Read + Send + '_>, BlobError> {
        match self.layout.open(None, digest)?.content {
            BlobContent::Stream(stream) => Ok(stream),
            BlobContent::Hashed(_) => {
                Err(io::Error::other("it is in a compressed archive; unpack the archive").into())
            }
        }
    }

    /// Whether a blob is there.
    pub fn has(&self, digest: &Digest) -> bool {
        self.layout.has(None, digest)
    }

    /// Whether a blob of unknown type may be a manifest.
    pub(super) fn may_be_manifest(&self, digest: &Digest) -> bool {
        may_be_manifest(&self.layout, None, digest)
    }

    /// A manifest or index; none if it is not there.
    ///
    /// # Errors
    /// As [`Self::blob`], and if it is not a manifest.
    pub fn manifest(&self, digest: &Digest) -> Result<Option<Manifest>, OpenError> {
        let bytes = self.blob(digest, limits::MANIFEST_BYTES)?;
        let manifest = bytes.map(|bytes| Manifest::parse(&bytes)).transpose();
        manifest.map_err(|error| {
            self.error(OpenProblem::Manifest { digest: digest.clone(), error: error.into() })
        })
    }

    /// Hands every manifest that `index.json` leads to and that is there to `take`, once for each media type that it is listed
    /// under, in the order in which it is met.
    ///
    /// # Errors
    /// As [`Self::manifest`], and if there are more than any real layout has; what `take` refuses.
    pub fn each_manifest<E: From<OpenError>>(
        &self,
        mut take: impl FnMut(&Descriptor, Manifest) -> Result<(), E>,
    ) -> Result<(), E> {
        let over = |limit: GraphLimit| self.error(limit.into());
        let is_manifest = |entry: &&Descriptor| media_type::known_manifest(&entry.media_type).is_some();
        let mut walk = Walk::default();
        for root in self.entries().iter().filter(is_manifest) {
            walk.add_root(root.clone());
            while let Some((descriptor, depth)) = walk.take_next() {
                // a wrong entry must not hide the right one
                let key = (descriptor.digest.clone(), media_type::known_manifest(&descriptor.media_type));
                if !walk.visit(key).map_err(over)? {
                    continue;
                }
                let Some(manifest) = self.manifest(&descriptor.digest)? else { continue };
                walk.count_entries(manifest.manifests.len()).map_err(over)?;
                walk.follow(depth, manifest.manifests.iter().filter(is_manifest).cloned()).map_err(over)?;
                take(&descriptor, manifest)?;
            }
        }
        Ok(())
    }

    /// Bytes of all files together, unpacked.
    ///
    /// # Errors
    /// [`OpenError`] if a folder cannot be read, or if something other than files and folders is there.
    pub fn size(&self) -> Result<u64, OpenError> {
        Ok(self.layout.sizes()?.into_values().sum())
    }

    /// Checks that its files are those that its document lists, if it has one.
    ///
    /// # Errors
    /// [`OpenProblem::File`] with the first that is not.
    pub fn check_files(&self) -> Result<(), OpenError> {
        let Some(document) = &self.document else { return Ok(()) };
        document.check_files(self.layout.files()?).map_err(|error| self.error(error.into()))
    }

    /// An error of this layout.
    pub(super) fn error(&self, problem: OpenProblem) -> OpenError {
        OpenError { path: self.path.clone(), problem }
    }
}

/// A layout cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}", path.display())]
pub struct OpenError {
    /// The layout.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub problem: OpenProblem,
}

/// What is wrong with a layout.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenProblem {
    /// It is not a layout that can be read.
    #[error(transparent)]
    Layout(#[from] LayoutProblem),
    /// An entry of `index.json` is not a descriptor.
    #[error("{}: {}", .0.what, .0.why)]
    Entry(Unreadable),
    /// `bundle.json` is not a bundle's document.
    #[error("its bundle.json cannot be used; make the bundle again")]
    Document(#[from] DocumentError),
    /// A file of evidence has a name that is not text.
    #[error("its {path} cannot be opened by this name; rename it")]
    Name {
        /// Its path, as well as it can be shown.
        path: String,
    },
    /// A blob is altered, too large, or cannot be read.
    #[error("its blob {digest} {error}; copy or fetch the layout again")]
    Blob {
        /// Its name.
        digest: Digest,
        /// Why.
        error: BlobError,
    },
    /// A blob is listed as a manifest but does not parse as one.
    #[error("its manifest {digest} {error}; have the image built again, or leave it out")]
    Manifest {
        /// Its name.
        digest: Digest,
        /// Why.
        error: Box<ManifestError>,
    },
    /// Its indexes list more, or are nested deeper, than in any real layout.
    #[error("its index.json leads to too much; split the layout into several")]
    Graph(#[from] GraphLimit),
    /// The signatures of its images are more than any real layout has.
    #[error(
        "its images have more than {} signatures between them; split the layout into several",
        limits::GRAPH_MANIFESTS
    )]
    TooManySignatures,
    /// Its files are not those that its document lists.
    #[error(transparent)]
    File(#[from] FileError),
}

impl From<LayoutError> for OpenError {
    fn from(LayoutError { path, problem }: LayoutError) -> Self {
        Self { path, problem: problem.into() }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use assay_judge::store::members::ArchiveError;

    use super::super::{BundleContent, Staging};
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
    const LAYOUT: (&str, tar::EntryType, &[u8]) = ("oci-layout", FILE, br#"{"imageLayoutVersion":"1.0.0"}"#);
    const INDEX: (&str, tar::EntryType, &[u8]) = ("index.json", FILE, b"{}");

    #[test]
    fn hostile_archives_write_nothing_outside_and_are_refused() {
        let escape = open(&tar_of(&[LAYOUT, INDEX, ("../escape", FILE, b"x"), ("/tmp/escape", FILE, b"x")]));
        assert_eq!(escape.unwrap_or_else(|error| panic!("{error}")).layout.sizes().unwrap().len(), 4);
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
        assert!(matches!(
            open(b"PK"),
            Err(OpenProblem::Layout(LayoutProblem::Archive(ArchiveError::NotAnArchive(_))))
        ));
        let whole = tar_of(&[LAYOUT, INDEX, ("crls/a", FILE, &[7; 4096])]);
        assert!(matches!(
            open(&whole[..whole.len() - 4096]),
            Err(OpenProblem::Layout(LayoutProblem::Archive(ArchiveError::CutShort(_))))
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
        assert!(open(&bomb).is_err());
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
            let content = BundleContent {
                entries: vec![entry.clone()],
                blobs: [digest.clone()].into(),
                ..BundleContent::default()
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
