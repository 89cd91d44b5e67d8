//! Joins the parts of an archive and unpacks it.
//!
//! The parts are files of a mounted folder, `part-0000`, `part-0001` and so on; Kubernetes' own entries beside them begin with two
//! dots. The archive is what a visit over SSH uploads: a tar of the trust directory and the bundles, compressed. Nothing is
//! unpacked unless the whole has the digest that the collector named. Every loop is bounded, because someone else may have made
//! the folder.
#![expect(
    clippy::disallowed_methods,
    reason = "what was delivered is unpacked into the job's own scratch folder"
)]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Component, Path, PathBuf};

use assay_judge::confinement::explain;
use assay_judge::store::members::{self, ArchiveError, Growth, Kind, Member};
use assay_verifier::limits;
use assay_verifier::oci::{Digest, DigestAlgorithm};

/// Joins the parts in `folder` and unpacks them into `scratch`.
///
/// # Errors
/// [`DeliveryError`]. What is in `scratch` then is of no use.
pub(super) fn unpack(folder: &Path, sha256: &Digest, scratch: &Path) -> Result<(), DeliveryError> {
    let archive = scratch.join("delivered");
    if join(folder, &archive)? != *sha256 {
        return Err(DeliveryError::Digest { expected: sha256.clone() });
    }
    let file = File::open(&archive).map_err(|source| DeliveryError::Scratch { path: archive, source })?;
    members::each(file, Growth::Plausible, |member| place(member, scratch))
}

/// Writes the parts to one file and gives its digest.
fn join(folder: &Path, archive: &Path) -> Result<Digest, DeliveryError> {
    let cannot_write = |source| DeliveryError::Scratch { path: archive.to_owned(), source };
    let count = count(folder)?;
    let mut file = create(archive).map_err(cannot_write)?;
    let mut hasher = DigestAlgorithm::Sha256.hasher();
    let mut room = limits::DELIVERED_BYTES;
    for number in 0..count {
        let path = folder.join(part_name(number));
        let cannot_read = |source| DeliveryError::Folder { path: path.clone(), source };
        let mut part = File::open(&path).map_err(cannot_read)?.take(room.saturating_add(1));
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = part.read(&mut buffer).map_err(cannot_read)?;
            if read == 0 {
                break;
            }
            let bytes = &buffer[..read];
            room =
                room.checked_sub(u64::try_from(read).unwrap_or(u64::MAX)).ok_or(DeliveryError::TooLarge)?;
            hasher.update(bytes);
            file.write_all(bytes).map_err(cannot_write)?;
        }
    }
    Ok(hasher.finish())
}

/// How many parts there are. None may be missing, and nothing else may be there.
fn count(folder: &Path) -> Result<usize, DeliveryError> {
    let unreadable = |source| DeliveryError::Folder { path: folder.to_owned(), source };
    let mut parts = 0;
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("..") {
            continue;
        }
        let number = name.strip_prefix("part-").and_then(|number| number.parse().ok());
        match number.filter(|number| *name == part_name(*number)) {
            Some(number) if number < PARTS => parts += 1,
            _ => return Err(DeliveryError::NotAPart { name: name.into_owned() }),
        }
    }
    match (0..parts).find(|number| !folder.join(part_name(*number)).exists()) {
        Some(number) => Err(DeliveryError::Missing { name: part_name(number) }),
        None if parts == 0 => Err(DeliveryError::Missing { name: part_name(0) }),
        None => Ok(parts),
    }
}

fn part_name(number: usize) -> String {
    format!("part-{number:04}")
}

/// Writes one file of the archive.
fn place(member: &mut Member<'_>, scratch: &Path) -> Result<(), DeliveryError> {
    let name = Path::new(&member.path);
    let is_inside = name.components().all(|part| matches!(part, Component::Normal(_)));
    match member.kind {
        Kind::Folder if is_inside => return Ok(()),
        Kind::File if is_inside => {}
        _ => return Err(DeliveryError::Member { name: member.path.clone() }),
    }
    let path = scratch.join(name);
    let cannot_write = |source| DeliveryError::Scratch { path: path.clone(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(cannot_write)?;
    }
    let mut file = create(&path).map_err(cannot_write)?;
    let copied = io::copy(member, &mut file).map_err(cannot_write)?;
    if copied == member.size { Ok(()) } else { Err(cannot_write(io::ErrorKind::UnexpectedEof.into())) }
}

/// A file that is not there yet: no member replaces another, and no link is followed.
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Parts of an archive. An archive of [`limits::DELIVERED_BYTES`] has a dozen.
const PARTS: usize = 1_000;

/// Why what was delivered cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeliveryError {
    #[error("{}: the parts cannot be read: {}", path.display(), explain(source))]
    Folder { path: PathBuf, source: io::Error },
    #[error("{name:?} is not a part of an archive; parts are named part-0000, part-0001 and so on")]
    NotAPart { name: String },
    #[error("{name} is missing")]
    Missing { name: String },
    #[error("the parts have more than {} bytes", limits::DELIVERED_BYTES)]
    TooLarge,
    #[error("the parts are not the archive that was sent, {expected}")]
    Digest { expected: Digest },
    #[error("the archive that was sent")]
    Archive(#[from] ArchiveError),
    #[error("the archive that was sent has {name:?}, which is not a file in its folder")]
    Member { name: String },
    #[error("{}: cannot be written: {}", path.display(), explain(source))]
    Scratch { path: PathBuf, source: io::Error },
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Delivers a tar of these members, whose names are written as they are.
    fn unpacked(members: &[(&str, tar::EntryType, &[u8])]) -> (tempfile::TempDir, Result<(), DeliveryError>) {
        let mut tar = Vec::new();
        for (name, kind, content) in members {
            let mut header = tar::Header::new_ustar();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(content.len() as u64);
            header.set_cksum();
            tar.extend(header.as_bytes());
            tar.extend_from_slice(content);
            tar.resize(tar.len().next_multiple_of(512), 0);
        }
        tar.resize(tar.len() + 1024, 0);
        let folder = tempfile::tempdir().unwrap();
        let outcome = delivered(folder.path(), &tar);
        (folder, outcome)
    }

    fn delivered(folder: &Path, archive: &[u8]) -> Result<(), DeliveryError> {
        let [parts, scratch] = ["parts", "scratch"].map(|name| folder.join(name));
        fs::create_dir(&parts).unwrap();
        fs::create_dir(&scratch).unwrap();
        fs::write(parts.join("part-0000"), archive).unwrap();
        unpack(&parts, &Digest::sha256(archive), &scratch)
    }

    use tar::EntryType::{Directory, Fifo, Link, Regular, Symlink};

    #[test]
    fn files_are_placed_in_the_scratch_folder() {
        let (folder, outcome) = unpacked(&[
            ("trust/", Directory, b""),
            ("trust/trustpolicy.json", Regular, b"{}"),
            ("./bundles/a.tar", Regular, b"bundle"),
        ]);
        outcome.unwrap();
        let read = |name: &str| fs::read(folder.path().join("scratch").join(name)).unwrap();
        assert_eq!(read("trust/trustpolicy.json"), b"{}");
        assert_eq!(read("bundles/a.tar"), b"bundle");
    }

    #[test]
    fn nothing_is_placed_elsewhere_and_nothing_is_replaced() {
        for (name, kind) in [
            ("../out", Regular),
            ("/tmp/out", Regular),
            ("a/../../out", Regular),
            ("", Regular),
            ("../", Directory),
            ("link", Symlink),
            ("link", Link),
            ("pipe", Fifo),
        ] {
            let (folder, outcome) = unpacked(&[(name, kind, b"")]);
            let is_refused = match outcome {
                Err(DeliveryError::Member { .. }) => true,
                // a file without a name is the folder itself
                Err(DeliveryError::Scratch { .. }) => name.is_empty(),
                _ => false,
            };
            assert!(is_refused, "{name}: {outcome:?}");
            let names: Vec<_> =
                fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
            assert_eq!(names.len(), 2);
        }
        let twice = [("a", Regular, &b"1"[..]), ("a", Regular, b"2")];
        assert!(matches!(unpacked(&twice).1, Err(DeliveryError::Scratch { .. })));
        let below_a_file = [("a", Regular, &b"1"[..]), ("a/b", Regular, b"2")];
        assert!(matches!(unpacked(&below_a_file).1, Err(DeliveryError::Scratch { .. })));
        let over_itself = [("delivered", Regular, &b"1"[..])];
        assert!(matches!(unpacked(&over_itself).1, Err(DeliveryError::Scratch { .. })));
    }

    #[test]
    fn an_archive_that_is_cut_or_too_large_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let outcome = delivered(folder.path(), b"not an archive");
        assert!(matches!(outcome, Err(DeliveryError::Archive(_))), "{outcome:?}");
        let folder = tempfile::tempdir().unwrap();
        let most = usize::try_from(limits::DELIVERED_BYTES).unwrap();
        let outcome = delivered(folder.path(), &vec![0; most + 1]);
        assert!(matches!(outcome, Err(DeliveryError::TooLarge)), "{outcome:?}");
        let folder = tempfile::tempdir().unwrap();
        assert!(delivered(folder.path(), &vec![0; most]).is_ok());
    }

    #[test]
    fn parts_are_joined_in_their_order_and_none_may_be_missing() {
        let folder = tempfile::tempdir().unwrap();
        let [parts, archive] = ["parts", "archive"].map(|name| folder.path().join(name));
        assert!(matches!(join(&parts, &archive), Err(DeliveryError::Folder { .. })));
        fs::create_dir(&parts).unwrap();
        assert!(
            matches!(join(&parts, &archive), Err(DeliveryError::Missing { name }) if name == "part-0000")
        );
        for number in (0..12).rev() {
            fs::write(parts.join(part_name(number)), number.to_string()).unwrap();
        }
        fs::write(parts.join("..2026"), "Kubernetes' own").unwrap();
        assert_eq!(join(&parts, &archive).unwrap(), Digest::sha256(b"01234567891011"));
        assert_eq!(fs::read(&archive).unwrap(), b"01234567891011");
        fs::remove_file(parts.join("part-0003")).unwrap();
        let outcome = count(&parts);
        assert!(
            matches!(&outcome, Err(DeliveryError::Missing { name }) if name == "part-0003"),
            "{outcome:?}"
        );
        fs::write(parts.join("part-3"), "").unwrap();
        assert!(matches!(count(&parts), Err(DeliveryError::NotAPart { .. })));
    }
}
