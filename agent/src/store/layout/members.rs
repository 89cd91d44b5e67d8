//! The members of a tar, plain or compressed, from front to back: the one reader of archives that strangers make.
//!
//! It holds in memory one member's headers and what decompression needs, and nothing else. It refuses archives that are
//! damaged or past a limit, and sparse members, whose holes would be read at no cost in bytes.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

use assay_shared::limits;

use super::compression::Bounded;

pub use super::compression::{Growth, Packing, decompressed};

/// A member of a tar. Reading it gives its content.
pub struct Member<'a> {
    /// Its path without a leading `./`. Bytes that are not UTF-8 are replaced.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// Bytes of its content.
    pub size: u64,
    /// Where its content begins in the file; none in a compressed one.
    pub offset: Option<u64>,
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
    /// [`ArchiveError::TooLarge`] if it has more than `limit` bytes, [`ArchiveError::Truncated`] if they are not all there.
    pub fn bytes(&mut self, limit: u64) -> Result<Vec<u8>, ArchiveError> {
        if self.size > limit {
            return Err(ArchiveError::TooLarge { name: self.path.clone(), limit });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(self.size).unwrap_or(0));
        self.read_to_end(&mut bytes)?;
        if u64::try_from(bytes.len()).is_ok_and(|read| read == self.size) {
            Ok(bytes)
        } else {
            Err(ArchiveError::Truncated)
        }
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
/// [`ArchiveError`] as `E` if it is no archive, damaged or past a limit; what `take` refuses.
pub fn each<E: From<ArchiveError>>(
    mut file: File,
    growth: Growth,
    mut take: impl FnMut(&mut Member<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let damaged = |error: io::Error| E::from(ArchiveError::Damaged(error));
    let packing = Packing::of_file(&mut file).map_err(damaged)?.ok_or(ArchiveError::NotAnArchive)?;
    let length = file.metadata().map_err(damaged)?.len();
    if packing == Packing::Tar {
        let metered = Metered::new(file);
        let meter = metered.meter();
        let mut archive = tar::Archive::new(metered);
        walk(archive.entries_with_seek().map_err(damaged)?, &meter, Some(length), &mut take)
    } else {
        let content = decompressed(file, packing);
        let metered = Metered::new(match growth {
            Growth::Plausible => Box::new(Bounded::new(content, length)),
            Growth::Any => content,
        });
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
    for count in 0_usize.. {
        // what describes a member is bounded, since the reader of tars takes it in whole
        meter.limit(limits::ARCHIVE_HEADER_BYTES);
        let Some(entry) = entries.next() else { break };
        let mut entry = entry.map_err(ArchiveError::Damaged)?;
        if count >= limits::ARCHIVE_MEMBERS {
            return Err(ArchiveError::TooManyMembers.into());
        }
        let kind = entry.header().entry_type();
        let path = entry.path_bytes();
        let path = String::from_utf8_lossy(path.strip_prefix(b"./").unwrap_or(&path)).into_owned();
        if kind.is_gnu_sparse() {
            return Err(ArchiveError::NotRegular { name: path }.into());
        }
        let (offset, size) = (entry.raw_file_position(), entry.size());
        // of a member that nobody reads too: if the archive ends within it, there may have been others after it
        if length.is_some_and(|length| offset.checked_add(size).is_none_or(|end| end > length)) {
            return Err(ArchiveError::Truncated.into());
        }
        meter.unlimited();
        take(&mut Member {
            path,
            kind: match kind {
                _ if kind.is_file() => Kind::File,
                _ if kind.is_dir() => Kind::Folder,
                _ => Kind::Other,
            },
            size,
            offset: length.map(|_| offset),
            content: &mut entry,
        })?;
        if length.is_none() {
            io::copy(&mut entry, &mut io::sink()).map_err(ArchiveError::Damaged)?;
        }
    }
    Ok(())
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

/// Why a file is not the archive that it should be.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A file that is no tar, gzip or Zstandard.
    #[error("is neither a directory nor a tar, tar.gz or tar.zst")]
    NotAnArchive,
    /// The tar or its compression is damaged, or the file cannot be read.
    #[error(transparent)]
    Damaged(#[from] io::Error),
    /// A member goes on past the end of the file.
    #[error("is cut short")]
    Truncated,
    /// A member that matters is a link or a device, or any is sparse.
    #[error("its member {name} is no regular file")]
    NotRegular {
        /// The member.
        name: String,
    },
    /// A member that matters comes twice.
    #[error("has its member {name} twice")]
    Twice {
        /// The member.
        name: String,
    },
    /// A member is larger than any real one.
    #[error("its {name} is larger than {limit} bytes")]
    TooLarge {
        /// The member.
        name: String,
        /// What is read of such a member.
        limit: u64,
    },
    /// More than [`limits::ARCHIVE_MEMBERS`].
    #[error("has more than {} members", limits::ARCHIVE_MEMBERS)]
    TooManyMembers,
    /// More than [`limits::ARCHIVE_KEPT_BYTES`].
    #[error(
        "has more than {} bytes of manifests, envelopes, CRLs and names of files, which are kept in memory; unpack it, or use a \
         plain tar",
        limits::ARCHIVE_KEPT_BYTES
    )]
    TooMuchToKeep,
}
