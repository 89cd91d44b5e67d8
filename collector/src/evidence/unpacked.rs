//! A file of evidence as its members, in a scratch folder: nothing in it is believed but what a key vouches for.
//!
//! The file must be, byte for byte, the tar that its members make: no header, no padding and nothing at the end says anything
//! that is not looked at.

use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use assay_shared::bundle::{CarriedFile, FileError, check_files};
use assay_shared::document::DocumentError;
use assay_shared::dsse::{Envelope, EnvelopeError, VerifyError, VerifyingKey};
use assay_shared::evidence::{DOCUMENT, EvidenceManifest, PAYLOAD_TYPE, SIGNATURE, is_listed_path};
use assay_shared::limits;
use assay_shared::oci::Algorithm;

use super::pack::tar_of;
use crate::bundle::{OpenProblem, stream};
use crate::scratch::Scratch;
use crate::visit::archive::{self, ArchiveError};

/// A file of evidence that a key vouches for as a whole.
pub(super) struct Unpacked {
    scratch: Scratch,
    pub(super) manifest: EvidenceManifest,
    /// The keys that signed it.
    pub(super) signers: Vec<String>,
}

impl Unpacked {
    /// Unpacks a file, and checks every byte of it.
    ///
    /// # Errors
    /// [`Altered`] where it is not what one of `keys` signed.
    pub(super) fn open(path: &Path, keys: &[VerifyingKey]) -> Result<Self, Altered> {
        let scratch = Scratch::new()?;
        let (found, sha256) = unpack(path, scratch.path())?;
        let at = |name: &str| fs::read(scratch.path().join(name));
        let document = at(DOCUMENT).map_err(|_| Altered::Missing { name: DOCUMENT })?;
        let envelope = at(SIGNATURE).map_err(|_| Altered::Missing { name: SIGNATURE })?;
        let envelope = Envelope::parse(&envelope)?;
        let verified = envelope.verify(PAYLOAD_TYPE, keys)?;
        if verified.payload != document {
            return Err(Altered::OtherDocument);
        }
        let signers = verified.signers.iter().map(|key| key.id().to_owned()).collect();
        let manifest = EvidenceManifest::parse(&document)?;
        let members = found.into_iter().filter(|file| ![DOCUMENT, SIGNATURE].contains(&file.path.as_str()));
        check_files(&manifest.files, members)?;

        let names = [DOCUMENT, SIGNATURE].into_iter().chain(manifest.files.iter().map(|file| &*file.path));
        let members = names
            .map(|name| Ok((name.to_owned(), archive::file(&scratch.path().join(name))?)))
            .collect::<Result<Vec<_>, ArchiveError>>()?;
        if archive::sha256(&tar_of(&members)?)? != sha256 {
            return Err(Altered::OtherTar);
        }
        Ok(Self { scratch, manifest, signers })
    }

    /// Where a member is.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Unpacks the archive of the trust directory into a folder, which it gives with the archive's digest.
    pub(super) fn trust(&self, name: &str) -> Result<(PathBuf, String), Altered> {
        let folder = self.scratch.path().join("trust");
        fs::create_dir(&folder)?;
        let mut members = tar::Archive::new(File::open(self.path(name))?);
        for member in members.entries()? {
            let mut member = member?;
            // the same program made the archive, and a key vouches for it; `unpack_in` refuses what leads out of the folder
            if !member.unpack_in(&folder)? {
                return Err(Altered::Name {
                    name: String::from_utf8_lossy(&member.path_bytes()).into_owned(),
                });
            }
        }
        Ok((folder, archive::sha256(&archive::file(&self.path(name))?)?))
    }
}

/// Writes the members into `folder`; gives each with its digest, and the digest of the whole tar.
fn unpack(path: &Path, folder: &Path) -> Result<(Vec<CarriedFile>, String), Altered> {
    let mut hashed = Hashing { stream: stream(path)?, hasher: Algorithm::Sha256.hasher() };
    let mut found = Vec::new();
    let mut buffer = vec![0; 128 << 10];
    let mut members = tar::Archive::new(&mut hashed);
    for member in members.entries()? {
        let mut member = member?;
        if member.header().entry_type().is_dir() {
            continue;
        }
        let name = String::from_utf8_lossy(&member.path_bytes()).into_owned();
        let is_known = [DOCUMENT, SIGNATURE].contains(&name.as_str()) || is_listed_path(&name);
        if !member.header().entry_type().is_file() || !is_known || found.len() >= limits::ARCHIVE_MEMBERS {
            return Err(Altered::Name { name });
        }
        let target = folder.join(&name);
        fs::create_dir_all(target.parent().unwrap_or(folder))?;
        let mut file = File::create_new(&target)?;
        let mut hasher = Algorithm::Sha256.hasher();
        let mut size = 0;
        loop {
            let read = member.read(&mut buffer)?;
            let bytes = buffer.get(..read).unwrap_or_default();
            if bytes.is_empty() {
                break;
            }
            hasher.update(bytes);
            file.write_all(bytes)?;
            size += read as u64;
        }
        found.push(CarriedFile { path: name, size, digest: hasher.finish() });
    }
    io::copy(&mut hashed, &mut io::sink())?;
    Ok((found, hashed.hasher.finish().hex().to_owned()))
}

/// A stream that is hashed as it is read.
struct Hashing<R> {
    stream: R,
    hasher: assay_shared::oci::Hasher,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        self.hasher.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

/// Why a file is not the evidence that a key vouches for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Altered {
    /// It is damaged, or cannot be read.
    #[error("{0}")]
    Unreadable(#[from] io::Error),
    /// It is no tar.
    #[error("it {0}")]
    Packing(#[from] OpenProblem),
    /// A member that no pack has.
    #[error("its member {name} is none that a pack of evidence has, or comes twice")]
    Name {
        /// The member.
        name: String,
    },
    /// A member that every pack has.
    #[error("its member {name} is missing")]
    Missing {
        /// The member.
        name: &'static str,
    },
    /// The envelope is none.
    #[error("{SIGNATURE}: {0}")]
    Envelope(#[from] EnvelopeError),
    /// No key vouches for it.
    #[error("{SIGNATURE}: {0}")]
    Signature(#[from] VerifyError),
    /// The envelope is around another document.
    #[error("{SIGNATURE} is of another {DOCUMENT}")]
    OtherDocument,
    /// The document is none.
    #[error("{DOCUMENT}: {0}")]
    Document(#[from] DocumentError),
    /// A member is not the one that was signed.
    #[error("{0}")]
    File(#[from] FileError),
    /// Something between the members was changed.
    #[error("a header, padding or the end of the file was changed")]
    OtherTar,
    /// A member cannot be packed again.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}
