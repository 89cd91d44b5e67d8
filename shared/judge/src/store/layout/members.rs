//! Reads the members of a tar, plain or compressed, from front to back. It is the one reader of archives that strangers make.
//!
//! It holds only one member's headers and what decompression needs in memory. It refuses archives that are damaged or past a
//! limit, and sparse members, whose holes would be read at no cost in bytes.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

use assay_verifier::file_form::FileForm;
use assay_verifier::limits;

use super::compression::{Bounded, HEAD};
use super::error::Position;

pub use super::compression::{Compression, Growth, decompressed, decompressed_within};
pub use super::error::ArchiveError;

/// A member of a tar. Reading it gives its content.
pub struct Member<'a> {
    /// Its path without a leading `./`. Bytes that are not UTF-8 are replaced.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// Bytes of its content.
    pub size: u64,
    /// Where its content begins in the file; none in a compressed one.
    pub(crate) offset: Option<u64>,
    content: &'a mut dyn Read,
}

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A link, a device or a pipe.
    Other,
}

impl Member<'_> {
    /// Its content, which is small.
    ///
    /// # Errors
    /// [`ArchiveError::TooLarge`] if it has more than `limit` bytes, [`ArchiveError::CutShort`] if they are not all there.
    pub fn bytes(&mut self, limit: u64) -> Result<Vec<u8>, ArchiveError> {
        if self.size > limit {
            return Err(ArchiveError::TooLarge { name: self.path.clone(), limit });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(self.size).unwrap_or(0));
        self.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl Read for Member<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.content.read(buffer)
    }
}

/// Hands every member of the archive in `file` to `take`, in order. `growth` bounds what a compressed one may become.
///
/// # Errors
/// [`ArchiveError`] as `E` if it is not an archive, damaged or past a limit; what `take` refuses.
pub fn each<E: From<ArchiveError>>(
    mut file: File,
    growth: Growth,
    mut take: impl FnMut(&mut Member<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let damaged = |error: io::Error| E::from(ArchiveError::from(error));
    let compression = Compression::detect_in(&mut file)?;
    let length = file.metadata().map_err(damaged)?.len();
    if compression == Compression::None {
        let metered = Metered::new(file);
        let meter = metered.meter();
        let mut archive = tar::Archive::new(metered);
        walk(archive.entries_with_seek().map_err(damaged)?, &meter, Some(length), &mut take)
    } else {
        let content = decompressed(file, compression);
        let mut content: Box<dyn Read> = match growth {
            Growth::Plausible => Box::new(Bounded::new(content, length)),
            Growth::Any => content,
        };
        let mut head = Vec::new();
        let read = content.by_ref().take(HEAD).read_to_end(&mut head);
        let at = u64::try_from(head.len()).unwrap_or(u64::MAX);
        read.map_err(|error| Position { at, member: None, is_within: false }.explain(error))?;
        if !head.is_empty() && Compression::detect(&head) != Some(Compression::None) {
            return Err(ArchiveError::NotATar(FileForm::detect(&head)).into());
        }
        let metered = Metered::new(io::Cursor::new(head).chain(content));
        let meter = metered.meter();
        let mut archive = tar::Archive::new(metered);
        walk(archive.entries().map_err(damaged)?, &meter, None, &mut take)
    }
}

/// `length` is that of a plain tar.
fn walk<R: Read, E: From<ArchiveError>>(
    mut entries: tar::Entries<'_, R>,
    meter: &Meter,
    length: Option<u64>,
    take: &mut dyn FnMut(&mut Member<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut last: Option<String> = None;
    for count in 0_usize.. {
        // what describes a member is bounded, since the reader of tars takes it in whole
        meter.limit(limits::ARCHIVE_HEADER_BYTES);
        let Some(entry) = entries.next() else { break };
        let mut entry = entry.map_err(|error| meter.position(last.as_deref(), false).explain(error))?;
        if count >= limits::ARCHIVE_MEMBERS {
            return Err(ArchiveError::TooManyMembers.into());
        }
        let kind = entry.header().entry_type();
        let path = entry.path_bytes();
        let path = String::from_utf8_lossy(path.strip_prefix(b"./").unwrap_or(&path)).into_owned();
        let pax = entry.pax_extensions().map_err(|error| meter.position(Some(&path), true).explain(error))?;
        let is_of_sparse = |key: &[u8]| key.starts_with(b"GNU.sparse.");
        if kind.is_gnu_sparse()
            || pax.into_iter().flatten().flatten().any(|one| is_of_sparse(one.key_bytes()))
        {
            return Err(ArchiveError::Sparse { name: path }.into());
        }
        let last = last.insert(path.clone());
        let (offset, size) = (entry.raw_file_position(), entry.size());
        // also for a member that is not read: if the archive ends within it, others may have followed
        if let Some(length) = length.filter(|length| offset.checked_add(size).is_none_or(|end| end > *length))
        {
            let position = Position { at: length, member: Some(path), is_within: true };
            return Err(ArchiveError::CutShort(position).into());
        }
        meter.unlimited();
        let mut content = Content { entry, member: last, meter };
        take(&mut Member {
            path,
            kind: match kind {
                _ if kind.is_file() => Kind::File,
                _ if kind.is_dir() => Kind::Folder,
                _ => Kind::Other,
            },
            size,
            offset: length.map(|_| offset),
            content: &mut content,
        })?;
        if length.is_none() {
            io::copy(&mut content, &mut io::sink()).map_err(ArchiveError::from)?;
        }
    }
    Ok(())
}

/// The content of a member. Its errors say where they were met.
struct Content<'a, R> {
    entry: R,
    member: &'a str,
    meter: &'a Meter,
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.entry.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            kind => io::Error::new(kind, self.meter.position(Some(self.member), true).explain(error)),
        })
    }
}

/// A reader whose budget of bytes can be set while something else holds the reader. Zeros end a tar, so a reader that meets the
/// end of the file has an archive that is cut short.
struct Metered<R> {
    inner: R,
    meter: Meter,
}

#[derive(Clone, Default)]
struct Meter {
    left: Rc<Cell<u64>>,
    at: Rc<Cell<u64>>,
}

impl Meter {
    fn limit(&self, bytes: u64) {
        self.left.set(bytes);
    }

    fn unlimited(&self) {
        self.left.set(u64::MAX);
    }

    fn position(&self, member: Option<&str>, is_within: bool) -> Position {
        Position { at: self.at.get(), member: member.map(str::to_owned), is_within }
    }
}

impl<R> Metered<R> {
    fn new(inner: R) -> Self {
        let meter = Meter::default();
        meter.unlimited();
        Self { inner, meter }
    }

    fn meter(&self) -> Meter {
        self.meter.clone()
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.meter.left.get();
        let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if wanted == 0 && !buffer.is_empty() {
            return Err(io::Error::other("the headers of a member are implausibly large"));
        }
        let read = self.inner.read(&mut buffer[..wanted])?;
        if read == 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let bytes = u64::try_from(read).unwrap_or(0);
        self.meter.left.set(left - bytes.min(left));
        self.meter.at.set(self.meter.at.get().saturating_add(bytes));
        Ok(read)
    }
}

impl<R: Seek> Seek for Metered<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = self.inner.seek(to)?;
        self.meter.at.set(at);
        Ok(at)
    }
}
