//! Reads bbolt files without writing to them: [`Bucket`]s are walked once, in the order of their keys.
//!
//! Nothing is locked or mapped, and no byte is believed. A page that is outside the file, of another kind or number, met twice, nested
//! too deep or too large, an element past the end of its page and keys out of order are [`BoltError`]s.
//!
//! A file that a daemon writes to is read soundly too ([`read`]). bbolt does not overwrite the pages of a committed transaction until
//! two later ones have committed: the first frees the pages, and the second reuses them. So if the newest transaction is the same
//! before and after, every page that was read between was of that transaction.
//!
//! Format: go.etcd.io/bbolt, `internal/common/{meta,page,inode,bucket}.go`, little-endian.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fs::File;
use std::io;

use assay_verifier::limits;

use assay_judge::store::file::read_at;

/// Anything that gives bytes at an offset.
pub(super) trait Pages {
    /// Fills `buffer` from the byte at `offset` on.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] if there are not enough bytes.
    fn fill(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

impl Pages for File {
    fn fill(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut filled = 0;
        while filled < buffer.len() {
            let at = u64::try_from(filled).ok().and_then(|filled| offset.checked_add(filled));
            match read_at(self, &mut buffer[filled..], at.ok_or(io::ErrorKind::UnexpectedEof)?) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Pages for [u8] {
    fn fill(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|start| self.get(start..start.checked_add(buffer.len())?))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }
}

/// Reads from a file that may be written to meanwhile. `take` gets the root bucket. If a transaction commits before it is done, it
/// gets the root bucket again and must start anew.
///
/// # Errors
/// [`BoltError`]; [`BoltError::Busy`] if a transaction committed during each of [`limits::BOLT_ATTEMPTS`].
pub(super) fn read<P: Pages + ?Sized, T>(
    pages: &P,
    mut take: impl FnMut(Bucket<'_, P>) -> Result<T, BoltError>,
) -> Result<T, BoltError> {
    for _ in 0..limits::BOLT_ATTEMPTS {
        let meta = Meta::newest(pages)?;
        let file = Bolt { pages, meta, seen: RefCell::default() };
        let taken = take(Bucket { file: &file, at: At::Page(meta.root) });
        if Meta::newest(pages)?.transaction == meta.transaction {
            return taken;
        }
    }
    Err(BoltError::Busy)
}

/// One transaction's view of a file.
struct Bolt<'p, P: ?Sized> {
    pages: &'p P,
    meta: Meta,
    /// Pages that were read. In a sound file each is used once.
    seen: RefCell<HashSet<u64>>,
}

/// What a valid meta page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Meta {
    page_bytes: usize,
    root: u64,
    /// One past the last page in use.
    end: u64,
    transaction: u64,
}

impl Meta {
    const MAGIC: u32 = 0xed0c_daed;
    const VERSION: u32 = 2;
    /// What is read of a meta page: its page header and itself.
    const BYTES: usize = HEADER + 64;

    /// The meta page of the newest transaction. There are two, written in turn, so that one is whole at any time.
    fn newest<P: Pages + ?Sized>(pages: &P) -> Result<Self, BoltError> {
        let first = Self::at(pages, 0)?;
        // the second is one page further, and only the first says how long a page is; if that is damaged, all lengths are tried
        let second = match first {
            Some(meta) => Self::at(pages, meta.page_bytes)?,
            None => {
                let lengths = (MIN_PAGE.trailing_zeros()..=MAX_PAGE.trailing_zeros()).map(|power| 1 << power);
                let mut found = None;
                for length in lengths {
                    found = Self::at(pages, length)?.filter(|meta| meta.page_bytes == length).or(found);
                }
                found
            }
        };
        let same_length = |other: &Self| first.is_none_or(|one| one.page_bytes == other.page_bytes);
        first
            .into_iter()
            .chain(second.filter(same_length))
            .max_by_key(|meta| meta.transaction)
            .ok_or(BoltError::NoMeta)
    }

    /// The meta page at an offset; none if it is not valid.
    fn at<P: Pages + ?Sized>(pages: &P, offset: usize) -> Result<Option<Self>, BoltError> {
        let mut bytes = [0; Self::BYTES];
        match pages.fill(&mut bytes, wide(offset)) {
            Ok(()) => Ok(Self::parse(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(BoltError::Unreadable { why: error.to_string() }),
        }
    }

    fn parse(page: &[u8; Self::BYTES]) -> Option<Self> {
        let flags = u16_at(page, 8)?;
        let meta = &page[HEADER..];
        let page_bytes = usize::try_from(u32_at(meta, 8)?).ok()?;
        let valid = flags & META != 0
            && u32_at(meta, 0)? == Self::MAGIC
            && u32_at(meta, 4)? == Self::VERSION
            && page_bytes.is_power_of_two()
            && (MIN_PAGE..=MAX_PAGE).contains(&page_bytes)
            && u64_at(meta, 56)? == fnv1a(&meta[..56]);
        let (root, end, transaction) = (u64_at(meta, 16)?, u64_at(meta, 40)?, u64_at(meta, 48)?);
        valid.then_some(Self { page_bytes, root, end, transaction })
    }
}

/// Possible lengths of pages: those of operating systems, 4 KiB to 64 KiB.
const MIN_PAGE: usize = 1 << 10;
const MAX_PAGE: usize = 1 << 16;

/// Bytes of a page's header, and of each element after it.
const HEADER: usize = 16;
const ELEMENT: usize = 16;

// kinds of pages
const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;
const META: u16 = 0x04;

/// The flag of an element whose value is a bucket.
const IS_BUCKET: u32 = 0x01;

/// Bytes of a bucket's header, after which the page of an inline one follows.
const BUCKET: usize = 16;

/// A bucket: keys in order, each with a value or a bucket.
pub(super) struct Bucket<'a, P: ?Sized> {
    file: &'a Bolt<'a, P>,
    at: At<'a>,
}

enum At<'a> {
    Page(u64),
    /// A small bucket is a page within its parent's.
    Inline(&'a [u8]),
}

/// What is under a key.
pub(super) enum Item<'a, P: ?Sized> {
    Value(&'a [u8]),
    Bucket(Bucket<'a, P>),
}

type Take<'t, P> = &'t mut dyn FnMut(&[u8], Item<'_, P>) -> Result<(), BoltError>;

impl<P: Pages + ?Sized> Bucket<'_, P> {
    /// Gives every key with its value or bucket to `take`. A bucket can be walked once in a [`read`].
    ///
    /// # Errors
    /// The first [`BoltError`], which may come from `take`.
    pub(super) fn each(
        &self,
        mut take: impl FnMut(&[u8], Item<'_, P>) -> Result<(), BoltError>,
    ) -> Result<(), BoltError> {
        match self.at {
            At::Page(number) => self.page(number, 1, &mut None, &mut take),
            At::Inline(bytes) => match Page::parse(bytes, 0)? {
                page if page.kind == LEAF => self.leaf(&page, &mut None, &mut take),
                _ => Err(BoltError::RecordKind { page: 0 }),
            },
        }
    }

    /// Walks the tree under a page. `last` is the last key so far.
    fn page(
        &self,
        number: u64,
        depth: usize,
        last: &mut Option<Vec<u8>>,
        take: Take<'_, P>,
    ) -> Result<(), BoltError> {
        if depth > limits::BOLT_DEPTH {
            return Err(BoltError::TooDeep);
        }
        let bytes = self.file.page(number)?;
        let page = Page::parse(&bytes, number)?;
        match page.kind {
            LEAF => self.leaf(&page, last, take),
            BRANCH if page.count > 0 => {
                for index in 0..page.count {
                    self.page(page.child(index)?, depth + 1, last, take)?;
                }
                Ok(())
            }
            _ => Err(BoltError::RecordKind { page: number }),
        }
    }

    fn leaf(&self, page: &Page<'_>, last: &mut Option<Vec<u8>>, take: Take<'_, P>) -> Result<(), BoltError> {
        let mut before = last.as_deref();
        for index in 0..page.count {
            let (is_bucket, key, value) = page.leaf(index)?;
            if before.is_some_and(|before| before >= key) {
                return Err(BoltError::Order { page: page.number });
            }
            before = Some(key);
            take(
                key,
                if is_bucket { Item::Bucket(self.inner(value, page.number)?) } else { Item::Value(value) },
            )?;
        }
        *last = before.map(<[u8]>::to_vec);
        Ok(())
    }

    /// The bucket that a value is.
    fn inner<'v>(&'v self, value: &'v [u8], page: u64) -> Result<Bucket<'v, P>, BoltError> {
        let root = u64_at(value, 0).filter(|_| value.len() >= BUCKET).ok_or(BoltError::Element { page })?;
        let at = if root == 0 { At::Inline(&value[BUCKET..]) } else { At::Page(root) };
        Ok(Bucket { file: self.file, at })
    }
}

impl<P: Pages + ?Sized> Bolt<'_, P> {
    /// The bytes of a page with those that it overflows into.
    fn page(&self, number: u64) -> Result<Vec<u8>, BoltError> {
        let Meta { page_bytes, end, .. } = self.meta;
        // the first two are the meta pages
        if number < 2 || number >= end {
            return Err(BoltError::Outside { page: number });
        }
        if !self.seen.borrow_mut().insert(number) {
            return Err(BoltError::Twice { page: number });
        }
        let start = number.checked_mul(wide(page_bytes)).ok_or(BoltError::Outside { page: number })?;
        let mut bytes = vec![0; page_bytes];
        self.fill(&mut bytes, start, number)?;
        if u64_at(&bytes, 0) != Some(number) {
            return Err(BoltError::Number { page: number });
        }
        let overflow = u32_at(&bytes, 12).unwrap_or_default();
        if overflow > 0 {
            let whole = usize::try_from(overflow)
                .ok()
                .and_then(|overflow| overflow.checked_add(1)?.checked_mul(page_bytes))
                .filter(|whole| *whole <= limits::BOLT_PAGE_BYTES)
                .ok_or(BoltError::TooLarge { page: number })?;
            if u64::from(overflow) >= end - number {
                return Err(BoltError::Outside { page: number });
            }
            bytes.resize(whole, 0);
            self.fill(&mut bytes[page_bytes..], start.saturating_add(wide(page_bytes)), number)?;
        }
        Ok(bytes)
    }

    fn fill(&self, buffer: &mut [u8], offset: u64, page: u64) -> Result<(), BoltError> {
        self.pages.fill(buffer, offset).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => BoltError::Outside { page },
            _ => BoltError::Unreadable { why: error.to_string() },
        })
    }
}

/// A page's header, and its bytes.
struct Page<'b> {
    number: u64,
    kind: u16,
    count: usize,
    bytes: &'b [u8],
}

impl<'b> Page<'b> {
    fn parse(bytes: &'b [u8], number: u64) -> Result<Self, BoltError> {
        let header = || Some((u16_at(bytes, 8)?, usize::from(u16_at(bytes, 10)?)));
        let (kind, count) = header().ok_or(BoltError::Element { page: number })?;
        Ok(Self { number, kind, count, bytes })
    }

    /// The page that an element of a branch points at.
    fn child(&self, index: usize) -> Result<u64, BoltError> {
        u64_at(self.bytes, HEADER + index * ELEMENT + 8).ok_or(BoltError::Element { page: self.number })
    }

    /// Whether an element of a leaf is a bucket, its key and its value.
    fn leaf(&self, index: usize) -> Result<(bool, &'b [u8], &'b [u8]), BoltError> {
        let parts = || {
            let at = HEADER + index * ELEMENT;
            let field = |number: usize| u32_at(self.bytes, at + 4 * number);
            let length = |number: usize| usize::try_from(field(number)?).ok();
            let key = at.checked_add(length(1)?).filter(|key| *key >= HEADER + self.count * ELEMENT)?;
            let value = key.checked_add(length(2)?)?;
            let end = value.checked_add(length(3)?)?;
            Some((field(0)? & IS_BUCKET != 0, self.bytes.get(key..value)?, self.bytes.get(value..end)?))
        };
        parts().ok_or(BoltError::Element { page: self.number })
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// FNV-1a with 64 bits.
pub(super) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Why a file cannot be read as bbolt's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BoltError {
    /// Neither meta page has the right magic number, version and checksum.
    #[error("is not a bbolt file of version 2, or both of its meta pages are damaged")]
    NoMeta,
    /// The operating system reports an error.
    #[error("cannot be read: {why}")]
    Unreadable {
        /// The error.
        why: String,
    },
    /// A page is past the end of the file or of what is in use.
    #[error("is damaged: its page {page} is outside the file")]
    Outside {
        /// The page.
        page: u64,
    },
    /// A page says that it is another.
    #[error("is damaged: its page {page} has another number")]
    Number {
        /// The page.
        page: u64,
    },
    /// A page is neither branch nor leaf, or a branch without elements.
    #[error("is damaged: its page {page} is of another kind than it should be")]
    RecordKind {
        /// The page; 0 within another.
        page: u64,
    },
    /// A page is used twice.
    #[error("is damaged: its page {page} is used twice")]
    Twice {
        /// The page.
        page: u64,
    },
    /// A page is larger than [`limits::BOLT_PAGE_BYTES`].
    #[error("its page {page} is larger than {} bytes", limits::BOLT_PAGE_BYTES)]
    TooLarge {
        /// The page.
        page: u64,
    },
    /// An element reaches out of its page.
    #[error("is damaged: an element of its page {page} is outside the page")]
    Element {
        /// The page; 0 within another.
        page: u64,
    },
    /// Keys are not in ascending order, or one comes twice.
    #[error("is damaged: the keys of its page {page} are out of order")]
    Order {
        /// The page; 0 within another.
        page: u64,
    },
    /// More than [`limits::BOLT_DEPTH`] levels of pages.
    #[error("is damaged: its pages are more than {} deep", limits::BOLT_DEPTH)]
    TooDeep,
    /// A transaction committed during every attempt.
    #[error("is written to faster than it can be read ({} attempts); try again", limits::BOLT_ATTEMPTS)]
    Busy,
}
