//! Unpacks a file of evidence into a scratch folder. Nothing in it is believed unless a key vouches for it.
//!
//! The list of members and its signature come first in the file, and only they are read until a key is known to vouch for the
//! list. Then every member is unpacked in the list's order, and not a byte more than the list says. At the end the file must be,
//! byte for byte, what packing the members gives ([`canonical`]).

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use assay_judge::store::members::{self, Growth, Kind, Member};
use assay_report::bundle::{CarriedFile, FileError};
use assay_report::evidence::{DOCUMENT, EvidenceManifest, PAYLOAD_TYPE, SIGNATURE};
use assay_verifier::dsse::{DsseEnvelope, VerifyingKey};
use assay_verifier::limits;
use assay_verifier::oci::DigestAlgorithm;

use super::canonical;
use super::error::UnpackError;
use super::pack::tar_of;
use crate::archive::{self, ArchiveError};
use crate::scratch::Scratch;

/// A file of evidence that a key vouches for as a whole.
pub(super) struct Unpacked {
    scratch: Scratch,
    pub(super) manifest: EvidenceManifest,
    /// The keys that signed it.
    pub(super) signers: Vec<String>,
}

impl Unpacked {
    /// Unpacks a file and checks every byte of it.
    ///
    /// # Errors
    /// [`UnpackError`] if it is not what one of `keys` signed.
    pub(super) fn open(path: &Path, keys: &[VerifyingKey]) -> Result<Self, UnpackError> {
        let mut stage = Stage::Document;
        members::each(File::open(path)?, Growth::Any, |member| stage.take(member, keys))?;
        let (unpacked, members) = match stage {
            Stage::Document => return Err(UnpackError::Missing { name: DOCUMENT }),
            Stage::Signature { .. } => return Err(UnpackError::Missing { name: SIGNATURE }),
            Stage::Members { missing, .. } if !missing.is_empty() => {
                let path = missing.into_iter().next().map(|file| file.path).unwrap_or_default();
                return Err(FileError::Missing { path }.into());
            }
            Stage::Members { unpacked, .. } => {
                let names = unpacked.manifest.files.iter().map(|file| &*file.path);
                let members = [DOCUMENT, SIGNATURE]
                    .into_iter()
                    .chain(names)
                    .map(|name| Ok((name.to_owned(), archive::file(&unpacked.path(name))?)))
                    .collect::<Result<Vec<_>, ArchiveError>>()?;
                (unpacked, members)
            }
        };
        canonical::check(path, &tar_of(&members)?, unpacked.manifest.packing)?;
        Ok(*unpacked)
    }

    /// Where a member is.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Unpacks the archive of the trust directory; returns the folder and the archive's digest.
    pub(super) fn trust(&self, name: &str) -> Result<(PathBuf, String), UnpackError> {
        let folder = self.scratch.path().join("trust");
        fs::create_dir(&folder)?;
        let mut members = tar::Archive::new(File::open(self.path(name))?);
        for member in members.entries()? {
            let mut member = member?;
            // this program made the archive, and a key vouches for it; `unpack_in` refuses what leads out of the folder
            if !member.unpack_in(&folder)? {
                return Err(UnpackError::Name {
                    name: String::from_utf8_lossy(&member.path_bytes()).into_owned(),
                });
            }
        }
        Ok((folder, archive::sha256(&archive::file(&self.path(name))?)?))
    }
}

/// How far the file has been read.
enum Stage {
    /// Nothing has been read.
    Document,
    /// The list of its members, for which no key vouches yet.
    Signature { document: Vec<u8> },
    /// The list, its signature, and all members except those in `missing`.
    Members { unpacked: Box<Unpacked>, missing: VecDeque<CarriedFile> },
}

impl Stage {
    fn take(&mut self, member: &mut Member<'_>, keys: &[VerifyingKey]) -> Result<(), UnpackError> {
        let size = |limit: usize| u64::try_from(limit).unwrap_or(u64::MAX);
        match self {
            Self::Document => {
                expect_file(member, DOCUMENT)?;
                *self = Self::Signature { document: member.bytes(limits::BUNDLE_DOCUMENT_BYTES)? };
            }
            Self::Signature { document } => {
                expect_file(member, SIGNATURE)?;
                let signature = member.bytes(size(limits::DSSE_ENVELOPE_BYTES))?;
                let signers = {
                    let envelope = DsseEnvelope::parse(&signature)?;
                    let verified = envelope.verify(PAYLOAD_TYPE, keys)?;
                    if verified.payload != document {
                        return Err(UnpackError::OtherDocument);
                    }
                    verified.signers.iter().map(|key| key.id().to_owned()).collect()
                };
                let manifest = EvidenceManifest::parse(document)?;
                let missing = manifest.files.iter().cloned().collect();
                let unpacked = Unpacked { scratch: Scratch::new()?, manifest, signers };
                fs::write(unpacked.path(DOCUMENT), document)?;
                fs::write(unpacked.path(SIGNATURE), signature)?;
                *self = Self::Members { unpacked: Box::new(unpacked), missing };
            }
            // a folder has no content; one that does not belong there is found at the end
            Self::Members { .. } if member.kind == Kind::Folder && member.size == 0 => {}
            Self::Members { unpacked, missing } => {
                let Some(file) = missing.pop_front_if(|file| file.path == member.path) else {
                    return Err(UnpackError::Name { name: member.path.clone() });
                };
                let changed = || FileError::Changed { path: file.path.clone() };
                if member.kind != Kind::File || member.size != file.size {
                    return Err(changed().into());
                }
                unpack(member, &file, &unpacked.path(&file.path))?;
            }
        }
        Ok(())
    }
}

/// Checks that a member is the file of that name.
fn expect_file(member: &Member<'_>, name: &'static str) -> Result<(), UnpackError> {
    if member.kind == Kind::File && member.path == name { Ok(()) } else { Err(UnpackError::Missing { name }) }
}

/// Writes a member to `target` and checks its digest.
fn unpack(member: &mut Member<'_>, file: &CarriedFile, target: &Path) -> Result<(), UnpackError> {
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut written = File::create_new(target)?;
    let mut hasher = DigestAlgorithm::Sha256.hasher();
    let mut buffer = vec![0; 128 << 10];
    loop {
        let read = member.read(&mut buffer)?;
        let bytes = buffer.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        hasher.update(bytes);
        written.write_all(bytes)?;
    }
    if hasher.finish() == file.digest {
        Ok(())
    } else {
        Err(FileError::Changed { path: file.path.clone() }.into())
    }
}
