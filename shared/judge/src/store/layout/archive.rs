//! Reads a layout in a tar without unpacking it.
//!
//! The offsets of a plain tar's blobs are noted, and blobs are read on demand. A compressed tar is read once from front to back:
//! what is small or looks like a manifest or an envelope is kept, and everything else is hashed as it streams by. Links, devices,
//! sparse members and duplicate members are refused, since two readers could understand them differently.

use std::collections::hash_map::Entry as Slot;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read};

use assay_verifier::limits;
use assay_verifier::oci::Digest;

use super::error::ArchiveError;
use super::members::{self, Growth, Kind, Member};
use crate::store::file::read_at;
use crate::store::form::StoreForm;
use crate::store::paths::{blob_digest, blob_path, is_beside, is_unasked};
use crate::store::{Blob, BlobContent, BlobError, Hashed};

/// How much of a layout will be asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// Manifests, configs and envelopes.
    #[default]
    Manifests,
    /// The digests of layers too.
    Everything,
    /// The same, and all annotations of the entries, to write them again.
    Copy,
}

/// The members of a tar that make a layout.
pub(super) struct Archive {
    file: File,
    pub(crate) oci_layout: Option<Vec<u8>>,
    pub(crate) index: Option<Vec<u8>>,
    /// What a bundle has beside its layout, by path.
    pub(crate) beside: BTreeMap<String, Vec<u8>>,
    /// Paths and sizes of members that are not part of a bundle.
    pub(crate) others: Vec<(String, u64)>,
    blobs: HashMap<Digest, Known>,
}

/// What is known of a blob.
enum Known {
    At {
        offset: u64,
        size: u64,
    },
    Kept(Vec<u8>),
    Hashed(Hashed),
    /// It streamed by and is of no use to this run.
    Passed {
        size: u64,
    },
}

impl Archive {
    /// Reads through the archive once.
    ///
    /// # Errors
    /// [`ArchiveError`] if it is damaged, ambiguous or past a limit.
    pub(super) fn open(file: File, reading: Reading) -> Result<Self, ArchiveError> {
        let mut scan = Scan { reading, ..Scan::default() };
        members::each(file.try_clone()?, Growth::Plausible, |member| scan.take(member))?;
        let Scan { oci_layout, index, beside, others, blobs, .. } = scan;
        Ok(Self { file, oci_layout, index, beside, others, blobs })
    }

    /// What it is, not being a layout.
    pub(super) fn form(&self) -> Option<StoreForm> {
        let blob = self.blobs.keys().next().map(blob_path);
        let others = self.others.iter().map(|(path, _)| path).chain(self.beside.keys()).chain(&blob);
        StoreForm::of_archive(others.map(String::as_str))
    }

    /// The digests of the blobs that are there.
    pub(super) fn digests(&self) -> impl Iterator<Item = &Digest> {
        self.blobs.keys()
    }

    /// The size of every blob and of what is not a document of the layout, by path.
    pub(super) fn sizes(&self) -> impl Iterator<Item = (String, u64)> {
        let blobs = self.blobs.iter().map(|(digest, known)| (blob_path(digest), known.size()));
        let beside = self.beside.iter().map(|(path, bytes)| (path.clone(), length(bytes)));
        blobs.chain(beside).chain(self.others.iter().cloned())
    }

    pub(super) fn blob(&self, digest: &Digest) -> Result<Blob<'_>, BlobError> {
        let known = self.blobs.get(digest).ok_or(BlobError::Absent)?;
        let content = match known {
            Known::Passed { .. } => {
                return Err(BlobError::Unreadable { why: "not kept of the compressed layout".to_owned() });
            }
            Known::Hashed(hashed) => BlobContent::Hashed(hashed.digest.clone()),
            Known::Kept(bytes) => BlobContent::Stream(Box::new(&bytes[..])),
            Known::At { offset, size } => {
                let slice = Slice { file: &self.file, at: *offset, end: offset.saturating_add(*size) };
                BlobContent::Stream(Box::new(slice))
            }
        };
        Ok(Blob { size: known.size(), content })
    }
}

impl Known {
    fn size(&self) -> u64 {
        match self {
            Self::At { size, .. } | Self::Passed { size } => *size,
            Self::Kept(bytes) => length(bytes),
            Self::Hashed(hashed) => hashed.size,
        }
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// What is found while the archive is read through.
#[derive(Default)]
struct Scan {
    reading: Reading,
    kept: u64,
    oci_layout: Option<Vec<u8>>,
    index: Option<Vec<u8>>,
    beside: BTreeMap<String, Vec<u8>>,
    others: Vec<(String, u64)>,
    blobs: HashMap<Digest, Known>,
    buffer: Vec<u8>,
}

impl Scan {
    fn take(&mut self, member: &mut Member<'_>) -> Result<(), ArchiveError> {
        let Some(name) = Name::from_path(&member.path) else {
            if member.kind != Kind::Folder && !is_unasked(&member.path) {
                self.keep(member.path.len())?;
                self.others.push((std::mem::take(&mut member.path), member.size));
            }
            return Ok(());
        };
        if member.kind != Kind::File {
            return Err(ArchiveError::NotRegular { name: name.to_string() });
        }
        let twice = || ArchiveError::Twice { name: name.to_string() };
        match &name {
            Name::Blob(digest) => {
                self.keep(0)?;
                let blob = match member.offset {
                    Some(offset) => Known::At { offset, size: member.size },
                    None => self.pass(digest, member)?,
                };
                match self.blobs.entry(digest.clone()) {
                    Slot::Vacant(slot) => slot.insert(blob),
                    Slot::Occupied(_) => return Err(twice()),
                };
            }
            Name::OciLayout | Name::Index => {
                let bytes = self.whole(member, limits::LAYOUT_INDEX_BYTES)?;
                let slot = if matches!(name, Name::Index) { &mut self.index } else { &mut self.oci_layout };
                if slot.replace(bytes).is_some() {
                    return Err(twice());
                }
            }
            Name::Beside(path) => {
                let bytes = self.whole(member, limits::EVIDENCE_FILE_BYTES)?;
                if self.beside.insert(path.clone(), bytes).is_some() {
                    return Err(twice());
                }
            }
        }
        Ok(())
    }

    /// Counts a member that is kept, with so many bytes of it, before they are.
    fn keep(&mut self, bytes: impl TryInto<u64>) -> Result<(), ArchiveError> {
        let bytes = bytes.try_into().unwrap_or(u64::MAX).saturating_add(limits::ARCHIVE_MEMBER_BYTES);
        self.kept = self.kept.saturating_add(bytes);
        if self.kept > limits::ARCHIVE_KEPT_BYTES { Err(ArchiveError::TooMuchToKeep) } else { Ok(()) }
    }

    fn whole(&mut self, member: &mut Member<'_>, limit: u64) -> Result<Vec<u8>, ArchiveError> {
        self.keep(member.size.min(limit))?;
        member.bytes(limit)
    }

    /// A blob of a stream.
    fn pass(&mut self, digest: &Digest, member: &mut Member<'_>) -> Result<Known, ArchiveError> {
        let mut head = [0; 2];
        let first = read_up_to(member, &mut head)?;
        let head = &head[..first];
        let size = member.size;
        let worth_keeping = match head {
            [b'{', ..] => size <= limits::MANIFEST_BYTES,
            [0xd2, 0x84] => size <= u64::try_from(limits::ENVELOPE_BYTES).unwrap_or(u64::MAX),
            _ => false,
        };
        let mut rest = head.chain(member);
        if worth_keeping || size <= limits::ARCHIVE_SMALL_BYTES {
            self.keep(size)?;
            let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
            rest.read_to_end(&mut bytes)?;
            return Ok(Known::Kept(bytes));
        }
        if self.reading == Reading::Manifests {
            return Ok(Known::Passed { size });
        }
        self.buffer.resize(128 << 10, 0);
        let mut hasher = digest.algorithm().hasher();
        let mut hashed = 0_u64;
        loop {
            match rest.read(&mut self.buffer)? {
                0 => return Ok(Known::Hashed(Hashed { digest: hasher.finish(), size: hashed })),
                read => {
                    hasher.update(&self.buffer[..read]);
                    hashed = hashed.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
                }
            }
        }
    }
}

/// A member that matters.
enum Name {
    OciLayout,
    Index,
    Blob(Digest),
    /// `bundle.json`, its signature, or a CRL.
    Beside(String),
}

impl Name {
    /// The member that a path names. Any other path, such as one with `..`, names nothing and is passed over.
    fn from_path(path: &str) -> Option<Self> {
        match path {
            "oci-layout" => Some(Self::OciLayout),
            "index.json" => Some(Self::Index),
            path if is_beside(path) => Some(Self::Beside(path.to_owned())),
            _ => blob_digest(path).map(Self::Blob),
        }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OciLayout => f.write_str("oci-layout"),
            Self::Index => f.write_str("index.json"),
            Self::Blob(digest) => write!(f, "{digest}"),
            Self::Beside(path) => f.write_str(path),
        }
    }
}

fn read_up_to(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// A part of a file, read without moving the file's own position, so that many may be read at once.
struct Slice<'f> {
    file: &'f File,
    at: u64,
    end: u64,
}

impl Read for Slice<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        let read = read_at(self.file, &mut buffer[..wanted], self.at)?;
        self.at += u64::try_from(read).unwrap_or(0);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, Write as _};

    use assay_verifier::file_form::FileForm;

    use super::super::error::Position;
    use super::*;

    const SMALL: &[u8] = b"{}";

    /// A tar of regular files.
    fn tar_of(members: &[(&str, &[u8])]) -> tar::Builder<Vec<u8>> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, content) in members {
            append(&mut builder, path, tar::EntryType::Regular, content);
        }
        builder
    }

    fn append(builder: &mut tar::Builder<Vec<u8>>, path: &str, kind: tar::EntryType, content: &[u8]) {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_entry_type(kind);
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        builder.append(&header, content).unwrap();
    }

    fn blob_path(content: &[u8]) -> String {
        format!("blobs/sha256/{}", Digest::sha256(content).hex())
    }

    fn open_one(bytes: &[u8], reading: Reading) -> Result<Archive, ArchiveError> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        Archive::open(file, reading)
    }

    /// Bytes in each packing.
    fn packed(bytes: &[u8]) -> [Vec<u8>; 3] {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(bytes).unwrap();
        let zstd = ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest);
        [bytes.to_vec(), gzip.finish().unwrap(), zstd]
    }

    /// Opens a tar in each packing.
    fn open(tar: &[u8], reading: Reading) -> [Result<Archive, ArchiveError>; 3] {
        packed(tar).map(|bytes| open_one(&bytes, reading))
    }

    fn refused(tar: &[u8], is: impl Fn(&ArchiveError) -> bool) {
        for (at, archive) in open(tar, Reading::Everything).into_iter().enumerate() {
            let error = archive.err().unwrap();
            assert!(is(&error), "packing {at}: {error:?}");
        }
    }

    #[test]
    fn small_blobs_are_read_and_large_ones_hashed_in_every_packing() {
        let large = vec![7; usize::try_from(limits::ARCHIVE_SMALL_BYTES).unwrap() + 1];
        let members = [
            ("./oci-layout", SMALL),
            ("index.json", SMALL),
            (&blob_path(SMALL), SMALL),
            (&blob_path(&large), &large),
            ("blobs/../secret", SMALL),
        ];
        let tar = tar_of(&members).into_inner().unwrap();
        for archive in open(&tar, Reading::Everything) {
            let archive = archive.unwrap();
            assert!(archive.index.is_some() && archive.oci_layout.is_some() && archive.blobs.len() == 2);
            let BlobContent::Stream(mut stream) = archive.blob(&Digest::sha256(SMALL)).unwrap().content
            else {
                panic!("not kept")
            };
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).unwrap();
            assert_eq!(bytes, SMALL);
            let blob = archive.blob(&Digest::sha256(&large)).unwrap();
            assert_eq!(blob.size, large.len() as u64);
            match blob.content {
                BlobContent::Hashed(digest) => assert_eq!(digest, Digest::sha256(&large)),
                BlobContent::Stream(mut stream) => {
                    bytes.clear();
                    stream.read_to_end(&mut bytes).unwrap();
                    assert!(bytes == large);
                }
            }
            assert!(matches!(archive.blob(&Digest::sha256(b"absent")), Err(BlobError::Absent)));
        }
        // If only manifests are asked for, other blobs are not hashed.
        for archive in &open(&tar, Reading::Manifests)[1..] {
            let archive = archive.as_ref().ok().unwrap();
            let blob = archive.blob(&Digest::sha256(&large)).map(|blob| blob.size);
            assert!(matches!(blob, Err(BlobError::Unreadable { .. })));
        }
    }

    #[test]
    fn a_member_that_comes_twice_is_refused() {
        for path in ["index.json", "oci-layout", &blob_path(SMALL)] {
            let tar = tar_of(&[(path, SMALL), (&format!("./{path}"), SMALL)]).into_inner().unwrap();
            refused(&tar, |error| matches!(error, ArchiveError::Twice { .. }));
        }
    }

    #[test]
    fn links_and_devices_are_refused() {
        for kind in [
            tar::EntryType::Symlink,
            tar::EntryType::Link,
            tar::EntryType::Char,
            tar::EntryType::Fifo,
            tar::EntryType::Directory,
        ] {
            let mut builder = tar_of(&[]);
            append(&mut builder, "index.json", kind, b"");
            refused(&builder.into_inner().unwrap(), |error| matches!(error, ArchiveError::NotRegular { .. }));
        }
    }

    /// Holes cost no bytes: this one would take a century to read, under a name that is never used.
    #[test]
    fn a_sparse_member_is_refused_whatever_its_name() {
        let mut builder = tar_of(&[("index.json", SMALL)]);
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::GNUSparse);
        header.as_mut_bytes()[..6].copy_from_slice(b"unused");
        let gnu = header.as_gnu_mut().unwrap();
        gnu.sparse[0].offset.copy_from_slice(b"777777777777");
        gnu.sparse[0].numbytes.copy_from_slice(b"00000000000\0");
        gnu.realsize.copy_from_slice(b"777777777777");
        header.set_size(0);
        header.set_cksum();
        builder.append(&header, &[][..]).unwrap();
        refused(&builder.into_inner().unwrap(), |error| {
            matches!(error, ArchiveError::Sparse { .. } | ArchiveError::Damaged { .. })
        });
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let content = vec![b' '; 4 << 20];
        let count = usize::try_from(limits::ARCHIVE_KEPT_BYTES).unwrap() / content.len();
        let members = |count: usize| {
            let mut builder = tar_of(&[]);
            for number in 0..count {
                let mut content = content.clone();
                let head = format!("{{{number}");
                content[..head.len()].copy_from_slice(head.as_bytes());
                let path = format!("blobs/sha256/{number:064x}");
                append(&mut builder, &path, tar::EntryType::Regular, &content);
            }
            builder.into_inner().unwrap()
        };
        for archive in open(&members(count - 1), Reading::Manifests) {
            assert!(archive.is_ok());
        }
        let [plain, packed @ ..] = open(&members(count), Reading::Manifests);
        assert!(plain.is_ok(), "of a plain tar no blob is kept");
        for archive in packed {
            assert!(matches!(archive, Err(ArchiveError::TooMuchToKeep)));
        }
        // The names of both are kept.
        let mut builder = tar_of(&[]);
        let name = vec![b'a'; 60 << 10];
        for _ in 0..usize::try_from(limits::ARCHIVE_KEPT_BYTES).unwrap() / name.len() {
            append(&mut builder, "././@LongLink", tar::EntryType::GNULongName, &name);
            append(&mut builder, "a", tar::EntryType::Regular, SMALL);
        }
        refused(&builder.into_inner().unwrap(), |error| matches!(error, ArchiveError::TooMuchToKeep));
    }

    #[test]
    fn headers_are_bounded() {
        let name = |length: u64| {
            let mut builder = tar_of(&[]);
            append(&mut builder, "././@LongLink", tar::EntryType::GNULongName, &vec![b'a'; length as usize]);
            append(&mut builder, "index.json", tar::EntryType::Regular, SMALL);
            builder.into_inner().unwrap()
        };
        // the header of the long name, its padding and the header of the member count too
        for archive in open(&name(limits::ARCHIVE_HEADER_BYTES - 2048), Reading::Everything) {
            assert!(archive.is_ok());
        }
        refused(&name(limits::ARCHIVE_HEADER_BYTES), |error| matches!(error, ArchiveError::Damaged { .. }));
    }

    #[test]
    fn cut_archives_are_refused() {
        let content = vec![7; 100_000];
        let blob = blob_path(&content);
        let tar = tar_of(&[("index.json", SMALL), (&blob, &content)]).into_inner().unwrap();
        let index = (512 + SMALL.len()).next_multiple_of(512);
        let end = index + 512 + content.len().next_multiple_of(512);
        let [first, second] = ["index.json", &blob].map(str::to_owned);
        // before the end that two blocks of zeros make, within and behind a header, within content, at the very beginning
        for (length, member, is_within) in [
            (end, &second, false),
            (end - 512, &second, true),
            (index + 512 + 1_000, &second, true),
            (index + 100, &first, false),
            (index, &first, false),
            (index - 511, &first, true),
        ] {
            let cut = &tar[..length];
            for archive in open(cut, Reading::Everything) {
                let Err(ArchiveError::CutShort(place)) = archive else { panic!("{length}") };
                let at = u64::try_from(length).unwrap();
                assert_eq!(place, Position { at, member: Some(member.clone()), is_within });
            }
        }
        assert!(open(&tar[..end + 512], Reading::Everything).into_iter().all(|archive| archive.is_ok()));
        assert!(matches!(
            open_one(b"", Reading::Everything),
            Err(ArchiveError::NotAnArchive(FileForm::Empty))
        ));

        // These are cut within the compression.
        let random: Vec<u8> = (0_u32..60_000)
            .flat_map(|number| number.wrapping_mul(2_654_435_769).rotate_left(13).to_le_bytes())
            .collect();
        let [_, gzip, zstd] = packed(&tar_of(&[("a", SMALL), ("b", &random)]).into_inner().unwrap());
        for bytes in [gzip, zstd] {
            for length in [20, bytes.len() / 2, bytes.len() - 100] {
                let cut = open_one(&bytes[..length], Reading::Everything);
                assert!(matches!(cut, Err(ArchiveError::CutShort(_))), "{length}");
            }
        }
    }

    #[test]
    fn what_is_compressed_and_not_a_tar_is_called_by_its_name() {
        let [_, gzip, zstd] = packed(b"{}");
        for inner in [gzip, zstd] {
            let is = FileForm::detect(&inner);
            for bytes in &packed(&inner)[1..] {
                let error = open_one(bytes, Reading::Everything).err().unwrap();
                assert!(matches!(error, ArchiveError::NotATar(form) if form == is));
            }
        }
    }

    /// A tar as tars were before POSIX, without a magic number.
    #[test]
    fn an_old_tar_is_a_tar() {
        let mut header = tar::Header::new_old();
        header.set_path("index.json").unwrap();
        header.set_size(2);
        header.set_cksum();
        let mut builder = tar_of(&[]);
        builder.append(&header, SMALL).unwrap();
        for archive in open(&builder.into_inner().unwrap(), Reading::Everything) {
            assert!(archive.unwrap().index.is_some());
        }
    }

    #[test]
    fn members_are_counted() {
        let mut tar = Vec::new();
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        header.set_cksum();
        for _ in 0..limits::ARCHIVE_MEMBERS {
            tar.extend_from_slice(header.as_bytes());
        }
        let ended = |tar: &[u8]| open_one(&[tar, &[0; 1024]].concat(), Reading::Everything);
        assert!(ended(&tar).is_ok());
        tar.extend_from_slice(header.as_bytes());
        let over = ended(&tar);
        assert!(matches!(over, Err(ArchiveError::TooManyMembers)));
    }
}
