//! A layout in a tar, never unpacked.
//!
//! Of a plain tar the places of the blobs are noted and read from on demand. A compressed one is read once from front to
//! back: what is small or looks like a manifest or an envelope is kept, everything else is hashed as it streams by.
//! Links, devices, sparse members and members that come twice are refused: two readers could understand them differently.

use std::cell::Cell;
use std::collections::hash_map::Entry as Slot;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::rc::Rc;

use assay_shared::limits;
use assay_shared::oci::Digest;
use flate2::read::MultiGzDecoder;

use super::Reading;
use super::compression::{Bounded, Packing, Zstd};
use crate::store::file::read_at;
use crate::store::{Blob, BlobContent, BlobError, Hashed};

/// The members of a tar that make a layout.
pub(super) struct Archive {
    file: File,
    pub(super) oci_layout: Option<Vec<u8>>,
    pub(super) index: Option<Vec<u8>>,
    /// What a bundle has beside its layout, by path.
    pub(super) beside: BTreeMap<String, Vec<u8>>,
    /// Members that are no part of a bundle, by path.
    pub(super) others: Vec<String>,
    blobs: HashMap<Digest, Member>,
}

/// What is known of a blob.
enum Member {
    At {
        offset: u64,
        size: u64,
    },
    Kept(Vec<u8>),
    Hashed(Hashed),
    /// It streamed by and was of no use to this run.
    Passed,
}

impl Archive {
    /// Reads through the archive once.
    ///
    /// # Errors
    /// [`ArchiveError`] where it is damaged, ambiguous or past a limit.
    pub(super) fn open(file: File, packing: Packing, reading: Reading) -> Result<Self, ArchiveError> {
        let length = file.metadata()?.len();
        let reader = file.try_clone()?;
        let mut scan = Scan { reading, ..Scan::default() };
        match packing {
            Packing::Tar => {
                let metered = Metered::new(reader);
                let meter = metered.meter();
                let mut archive = tar::Archive::new(metered);
                scan.plain(archive.entries_with_seek()?, &meter, length)?;
            }
            Packing::Gzip => scan.stream(MultiGzDecoder::new(BufReader::new(reader)), length)?,
            Packing::Zstd => scan.stream(Zstd::new(BufReader::new(reader)), length)?,
        }
        let Scan { oci_layout, index, beside, others, blobs, .. } = scan;
        Ok(Self { file, oci_layout, index, beside, others, blobs })
    }

    /// The digests of the blobs that are there.
    pub(super) fn digests(&self) -> impl Iterator<Item = &Digest> {
        self.blobs.keys()
    }

    pub(super) fn blob(&self, digest: &Digest) -> Result<Blob<'_>, BlobError> {
        let (size, content) = match self.blobs.get(digest) {
            None => return Err(BlobError::Absent),
            Some(Member::Passed) => {
                return Err(BlobError::Unreadable { why: "not kept of the compressed layout".to_owned() });
            }
            Some(Member::Hashed(hashed)) => (hashed.size, BlobContent::Hashed(hashed.digest.clone())),
            Some(Member::Kept(bytes)) => {
                let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                (size, BlobContent::Stream(Box::new(&bytes[..])))
            }
            Some(Member::At { offset, size }) => {
                let slice = Slice { file: &self.file, at: *offset, end: offset.saturating_add(*size) };
                (*size, BlobContent::Stream(Box::new(slice)))
            }
        };
        Ok(Blob { size, content })
    }
}

/// What is found while the archive is read through.
#[derive(Default)]
struct Scan {
    reading: Reading,
    members: usize,
    kept: u64,
    oci_layout: Option<Vec<u8>>,
    index: Option<Vec<u8>>,
    beside: BTreeMap<String, Vec<u8>>,
    others: Vec<String>,
    blobs: HashMap<Digest, Member>,
}

impl Scan {
    /// A tar that can be read anywhere: notes where the blobs are.
    fn plain<R: Read>(
        &mut self,
        mut entries: tar::Entries<'_, R>,
        meter: &Meter,
        length: u64,
    ) -> Result<(), ArchiveError> {
        while let Some(mut entry) = self.next(&mut entries, meter)? {
            // of a member that is of no use too: where the archive ends within it, there may have been others after it
            let (offset, size) = (entry.raw_file_position(), entry.size());
            if offset.checked_add(size).is_none_or(|end| end > length) {
                return Err(ArchiveError::Truncated);
            }
            let Some(name) = self.name(&entry) else { continue };
            regular(&entry, &name)?;
            meter.unlimited();
            match name {
                Name::Blob(digest) => self.insert(digest, Member::At { offset, size })?,
                Name::OciLayout => fill(&mut self.oci_layout, &mut entry, &name)?,
                Name::Index => fill(&mut self.index, &mut entry, &name)?,
                Name::Beside(path) => self.keep_beside(path, &mut entry)?,
            }
        }
        Ok(())
    }

    /// A tar that comes as a stream: keeps or hashes what passes by.
    fn stream<R: Read>(&mut self, reader: R, length: u64) -> Result<(), ArchiveError> {
        let metered = Metered::new(Bounded::new(reader, length));
        let meter = metered.meter();
        let mut archive = tar::Archive::new(metered);
        let mut entries = archive.entries()?;
        let mut buffer = vec![0; 128 << 10];
        while let Some(mut entry) = self.next(&mut entries, &meter)? {
            meter.unlimited();
            if let Some(name) = self.name(&entry) {
                regular(&entry, &name)?;
                match name {
                    Name::Blob(digest) => {
                        let size = entry.size();
                        let member = self.pass(&digest, size, &mut entry, &mut buffer)?;
                        self.insert(digest, member)?;
                    }
                    Name::OciLayout => fill(&mut self.oci_layout, &mut entry, &name)?,
                    Name::Index => fill(&mut self.index, &mut entry, &name)?,
                    Name::Beside(path) => self.keep_beside(path, &mut entry)?,
                }
            }
            while entry.read(&mut buffer)? != 0 {}
        }
        Ok(())
    }

    /// What a member is; one that is no part of a bundle is noted.
    fn name<R: Read>(&mut self, entry: &tar::Entry<'_, R>) -> Option<Name> {
        let path = entry.path_bytes();
        let name = Name::of(&path);
        if name.is_none() && !entry.header().entry_type().is_dir() {
            self.others.push(String::from_utf8_lossy(&path).into_owned());
        }
        name
    }

    /// Keeps a file that a bundle has beside its layout.
    fn keep_beside(&mut self, path: String, entry: &mut impl Read) -> Result<(), ArchiveError> {
        let mut bytes = Vec::new();
        entry.take(limits::EVIDENCE_FILE_BYTES.saturating_add(1)).read_to_end(&mut bytes)?;
        self.kept = self.kept.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.kept > limits::ARCHIVE_KEPT_BYTES {
            return Err(ArchiveError::TooMuchToKeep);
        }
        match self.beside.insert(path.clone(), bytes) {
            None => Ok(()),
            Some(_) => Err(ArchiveError::Twice { name: path }),
        }
    }

    /// The next member; what describes it is bounded, since the reader of tars takes it in whole.
    fn next<'e, R: Read>(
        &mut self,
        entries: &mut tar::Entries<'e, R>,
        meter: &Meter,
    ) -> Result<Option<tar::Entry<'e, R>>, ArchiveError> {
        meter.limit(limits::ARCHIVE_HEADER_BYTES);
        let Some(entry) = entries.next() else { return Ok(None) };
        self.members += 1;
        if self.members > limits::ARCHIVE_MEMBERS {
            return Err(ArchiveError::TooManyMembers);
        }
        Ok(Some(entry?))
    }

    /// A blob of a stream.
    fn pass(
        &mut self,
        digest: &Digest,
        size: u64,
        entry: &mut impl Read,
        buffer: &mut [u8],
    ) -> Result<Member, ArchiveError> {
        let mut head = [0; 2];
        let first = read_up_to(entry, &mut head)?;
        let head = &head[..first];
        let worth_keeping = match head {
            [b'{', ..] => size <= limits::MANIFEST_BYTES,
            [0xd2, 0x84] => size <= u64::try_from(limits::ENVELOPE_BYTES).unwrap_or(u64::MAX),
            _ => false,
        };
        let mut rest = head.chain(entry);
        if worth_keeping || size <= limits::ARCHIVE_SMALL_BYTES {
            self.kept = self.kept.saturating_add(size);
            if self.kept > limits::ARCHIVE_KEPT_BYTES {
                return Err(ArchiveError::TooMuchToKeep);
            }
            let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
            rest.read_to_end(&mut bytes)?;
            return Ok(Member::Kept(bytes));
        }
        if self.reading == Reading::Manifests {
            return Ok(Member::Passed);
        }
        let mut hasher = digest.algorithm().hasher();
        let mut hashed = 0_u64;
        loop {
            match rest.read(buffer)? {
                0 => return Ok(Member::Hashed(Hashed { digest: hasher.finish(), size: hashed })),
                read => {
                    hasher.update(&buffer[..read]);
                    hashed = hashed.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
                }
            }
        }
    }

    fn insert(&mut self, digest: Digest, member: Member) -> Result<(), ArchiveError> {
        match self.blobs.entry(digest) {
            Slot::Vacant(slot) => {
                slot.insert(member);
                Ok(())
            }
            Slot::Occupied(slot) => Err(ArchiveError::Twice { name: slot.key().to_string() }),
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
    fn of(path: &[u8]) -> Option<Self> {
        let path = std::str::from_utf8(path).ok()?;
        let path = path.strip_prefix("./").unwrap_or(path);
        match path {
            "oci-layout" => Some(Self::OciLayout),
            "index.json" => Some(Self::Index),
            path if super::is_beside(path) => Some(Self::Beside(path.to_owned())),
            _ => {
                let (algorithm, hex) = path.strip_prefix("blobs/")?.split_once('/')?;
                format!("{algorithm}:{hex}").parse().ok().map(Self::Blob)
            }
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

fn regular<R: Read>(entry: &tar::Entry<'_, R>, name: &Name) -> Result<(), ArchiveError> {
    if entry.header().entry_type().is_file() {
        Ok(())
    } else {
        Err(ArchiveError::NotRegular { name: name.to_string() })
    }
}

fn fill(slot: &mut Option<Vec<u8>>, entry: &mut impl Read, name: &Name) -> Result<(), ArchiveError> {
    if slot.is_some() {
        return Err(ArchiveError::Twice { name: name.to_string() });
    }
    let mut bytes = Vec::new();
    entry.take(limits::LAYOUT_INDEX_BYTES.saturating_add(1)).read_to_end(&mut bytes)?;
    *slot = Some(bytes);
    Ok(())
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

/// A reader whose budget of bytes can be set while another holds the reader.
struct Metered<R> {
    inner: R,
    meter: Meter,
}

#[derive(Clone)]
struct Meter(Rc<Cell<u64>>);

impl Meter {
    fn limit(&self, bytes: u64) {
        self.0.set(bytes);
    }

    fn unlimited(&self) {
        self.0.set(u64::MAX);
    }
}

impl<R> Metered<R> {
    fn new(inner: R) -> Self {
        Self { inner, meter: Meter(Rc::new(Cell::new(u64::MAX))) }
    }

    fn meter(&self) -> Meter {
        self.meter.clone()
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.meter.0.get();
        let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if wanted == 0 && !buffer.is_empty() {
            return Err(io::Error::other("the headers of a member are implausibly large"));
        }
        let read = self.inner.read(&mut buffer[..wanted])?;
        self.meter.0.set(left - u64::try_from(read).unwrap_or(0).min(left));
        Ok(read)
    }
}

impl<R: Seek> Seek for Metered<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

/// Why a file is not a layout in a tar.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    /// The tar or its compression is damaged, or the file cannot be read.
    #[error(transparent)]
    Damaged(#[from] io::Error),
    /// A member goes on past the end of the file.
    #[error("is cut short")]
    Truncated,
    /// A member of the layout is a link, a device or a sparse file.
    #[error("its member {name} is no regular file")]
    NotRegular {
        /// The member.
        name: String,
    },
    /// A member of the layout comes twice.
    #[error("has its member {name} twice")]
    Twice {
        /// The member.
        name: String,
    },
    /// More than [`limits::ARCHIVE_MEMBERS`].
    #[error("has more than {} members", limits::ARCHIVE_MEMBERS)]
    TooManyMembers,
    /// More than [`limits::ARCHIVE_KEPT_BYTES`].
    #[error(
        "has more than {} bytes of manifests and envelopes; unpack it, or use a plain tar",
        limits::ARCHIVE_KEPT_BYTES
    )]
    TooMuchToKeep,
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::store::BlobContent;

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

    fn open_one(bytes: &[u8], packing: Packing, reading: Reading) -> Result<Archive, ArchiveError> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        Archive::open(file, packing, reading)
    }

    /// Opens a tar in each packing.
    fn open(tar: &[u8], reading: Reading) -> [Result<Archive, ArchiveError>; 3] {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(tar).unwrap();
        let zstd = ruzstd::encoding::compress_to_vec(tar, ruzstd::encoding::CompressionLevel::Fastest);
        [
            open_one(tar, Packing::Tar, reading),
            open_one(&gzip.finish().unwrap(), Packing::Gzip, reading),
            open_one(&zstd, Packing::Zstd, reading),
        ]
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
        // what only manifests are asked of passes by unhashed
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
    fn links_devices_and_sparse_members_are_refused() {
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
        refused(&name(limits::ARCHIVE_HEADER_BYTES), |error| matches!(error, ArchiveError::Damaged(_)));
    }

    #[test]
    fn cut_archives_are_refused() {
        let content = vec![7; 100_000];
        let tar = tar_of(&[("index.json", SMALL), (&blob_path(&content), &content)]).into_inner().unwrap();
        let cut = &tar[..tar.len() - 4096];
        refused(cut, |error| matches!(error, ArchiveError::Damaged(_) | ArchiveError::Truncated));
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
        assert!(open_one(&tar, Packing::Tar, Reading::Everything).is_ok());
        tar.extend_from_slice(header.as_bytes());
        let over = open_one(&tar, Packing::Tar, Reading::Everything);
        assert!(matches!(over, Err(ArchiveError::TooManyMembers)));
    }
}
