//! Reads the entries of a tar as Go's `archive/tar` does, since containerd reads them so: extended attributes hold any byte, so that
//! records are taken by their lengths.

use std::collections::BTreeMap;
use std::io::Read;

use assay_verifier::limits;

use super::error::{LayerError, Unsupported, damaged};
use super::hashed::Hashed;
use super::member::{Device, Kind, Member, MemberKind, Sha256};
use super::sparse;
use super::take::TakeEntries;

/// What stands for the content of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Its bytes, to the end of a block.
    Bytes,
    /// Its digest.
    Digest,
}

/// Hands every entry of a tar to `taker`, in order. Gives the number of entries.
///
/// # Errors
/// [`LayerError`] as `T::Error`; what `taker` refuses.
pub(super) fn entries<T: TakeEntries>(
    tar: &mut Hashed<impl Read>,
    of_files: Content,
    taker: &mut T,
) -> Result<u64, T::Error> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut headers = Vec::new();
    let mut count = 0;
    while let Some((header, records)) = next_header(tar, &mut headers)? {
        let mut member = member(&header, &records)?;
        let size = match records.number(b"size")? {
            Some(size) => size,
            None => entry_size(&header)?,
        };
        match (&member.kind, sparse::form(&records)) {
            (MemberKind::Plain(Kind::File { content, .. }), form) => {
                let whole = if form.is_some() { sparse::size(&records, size)? } else { size };
                member.kind = MemberKind::Plain(Kind::File { size: whole, content: *content });
                let content = match of_files {
                    Content::Bytes => {
                        let mut content = taker.content(&member);
                        match form {
                            None => tar.each(size, &mut buffer, |piece| content.piece(piece))?,
                            Some(form) => {
                                sparse::expand(tar, form, &records, size, &mut buffer, &mut *content)?;
                            }
                        }
                        tar.pad(size)?;
                        content.finish()
                    }
                    Content::Digest => {
                        let mut digest = Sha256([0; 32]);
                        if !tar.fill(&mut digest.0)? {
                            return Err(damaged("it ends within an entry").into());
                        }
                        digest
                    }
                };
                member.kind = MemberKind::Plain(Kind::File { size: whole, content });
            }
            (_, Some(_)) => return Err(damaged("an entry that has no content has holes").into()),
            // Go passes over such a size, and other readers do not
            (_, None) if size > 0 => return Err(damaged("an entry that has no content has a size").into()),
            (_, None) => {}
        }
        taker.entry(&member, &headers)?;
        count += 1;
    }
    Ok(count)
}

/// The header of the next entry with what was said about it before; none at the end. `raw` gets the bytes of all of them.
fn next_header(
    tar: &mut Hashed<impl Read>,
    raw: &mut Vec<u8>,
) -> Result<Option<(tar::Header, Records)>, LayerError> {
    raw.clear();
    let mut records = Records::default();
    let (mut long_name, mut long_link) = (None, None);
    loop {
        let Some(header) = block(tar)? else { return Ok(None) };
        raw.extend_from_slice(header.as_bytes());
        let kind = header.entry_type().as_byte();
        if !matches!(kind, b'x' | b'g' | b'L' | b'K') {
            // GNU's forms go before those of POSIX
            for (key, value) in [(&b"path"[..], long_name), (b"linkpath", long_link)] {
                if let Some(value) = value {
                    records.0.insert(key.to_vec(), value);
                }
            }
            return Ok(Some((header, records)));
        }
        let size = entry_size(&header)?;
        let read = u64::try_from(raw.len()).unwrap_or(u64::MAX);
        if size > limits::ARCHIVE_HEADER_BYTES || read > HEADERS * limits::ARCHIVE_HEADER_BYTES {
            return Err(damaged("the headers of an entry are implausibly large"));
        }
        let mut bytes = Vec::new();
        tar.each(size, &mut [0; 512], |piece| bytes.extend_from_slice(piece))?;
        tar.pad(size)?;
        raw.extend_from_slice(&bytes);
        raw.resize(raw.len().next_multiple_of(header.as_bytes().len()), 0);
        match kind {
            b'x' => records = Records::parse(&bytes)?,
            b'g' => {
                // its records are read and ignored, and its size is not the size of content
                Records::parse(&bytes)?;
                let mut header = header;
                header.set_size(0);
                return Ok(Some((header, Records::default())));
            }
            _ => {
                let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
                bytes.truncate(end);
                *(if kind == b'L' { &mut long_name } else { &mut long_link }) = Some(bytes);
            }
        }
    }
}

/// The next block that is not of the end.
fn block(tar: &mut Hashed<impl Read>) -> Result<Option<tar::Header>, LayerError> {
    let mut header = tar::Header::new_old();
    let is_zero = |header: &tar::Header| header.as_bytes().iter().all(|byte| *byte == 0);
    if !tar.fill(header.as_mut_bytes())? {
        return Ok(None);
    }
    if is_zero(&header) {
        return match tar.fill(header.as_mut_bytes())? && !is_zero(&header) {
            true => Err(damaged("an entry follows the end")),
            false => Ok(None),
        };
    }
    let bytes = header.as_bytes();
    let sum = |value: fn(u8) -> i64| -> i64 {
        let of = |part: &[u8]| part.iter().map(|byte| value(*byte)).sum::<i64>();
        of(&bytes[..148]) + of(&bytes[156..]) + 8 * i64::from(b' ')
    };
    let right =
        header.cksum().map(i64::from).map_err(|_| damaged("the checksum of a header is not a number"))?;
    // some programs took the bytes for signed ones
    if sum(i64::from) != right && sum(|byte| i64::from(byte.cast_signed())) != right {
        return Err(damaged("the checksum of a header is wrong"));
    }
    Ok(Some(header))
}

fn member(header: &tar::Header, records: &Records) -> Result<Member, LayerError> {
    let text = |key: &[u8], in_header: &[u8]| match records.get(key) {
        Some(value) => value.to_vec(),
        None => in_header.to_vec(),
    };
    let path = match sparse::form(records).and_then(|_| records.get(b"GNU.sparse.name")) {
        Some(name) => name.to_vec(),
        None => text(b"path", &header.path_bytes()),
    };
    let link = || text(b"linkpath", &header.link_name_bytes().unwrap_or_default());
    let refused = |why| LayerError::Refused { path: path.clone(), why };
    let old = header.as_old();
    let number = |field: &[u8]| -> Result<u32, LayerError> {
        let number = number(field).and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| refused(Unsupported::Number))
    };
    let id = |key: &[u8], field: &[u8]| match records.number(key)? {
        Some(id) => u32::try_from(id).map_err(|_| refused(Unsupported::Number)),
        None => number(field),
    };
    let device = || -> Result<Device, LayerError> {
        let fields = match (header.as_ustar(), header.as_gnu()) {
            (Some(ustar), _) => [&ustar.dev_major, &ustar.dev_minor],
            (_, Some(gnu)) => [&gnu.dev_major, &gnu.dev_minor],
            _ => return Ok(Device(0, 0)),
        };
        Ok(Device(number(fields[0])?, number(fields[1])?))
    };
    let file = || Kind::File { size: 0, content: Sha256([0; 32]) };
    let kind = match header.entry_type().as_byte() {
        0 if path.ends_with(b"/") => MemberKind::Plain(Kind::Directory),
        0 | b'0' => MemberKind::Plain(file()),
        b'1' => MemberKind::HardLink(link()),
        b'2' => MemberKind::Plain(Kind::Symlink(link().into())),
        b'3' => MemberKind::Plain(Kind::Character(device()?)),
        b'4' => MemberKind::Plain(Kind::Block(device()?)),
        b'5' => MemberKind::Plain(Kind::Directory),
        b'6' => MemberKind::Plain(Kind::Fifo),
        b'g' => MemberKind::GlobalHeader,
        _ => return Err(refused(Unsupported::Type)),
    };
    let xattr = |(key, value): (&Vec<u8>, &Vec<u8>)| {
        Some((key.strip_prefix(b"SCHILY.xattr.")?.to_vec(), value.clone()))
    };
    let seconds = records
        .get(b"mtime")
        .and_then(|text| std::str::from_utf8(text).ok()?.split('.').next()?.parse().ok());
    Ok(Member {
        kind,
        mode: number(&old.mode)?,
        uid: id(b"uid", &old.uid)?,
        gid: id(b"gid", &old.gid)?,
        // of information only
        mtime: seconds.or_else(|| self::number(&old.mtime)?.try_into().ok()).unwrap_or(0),
        xattrs: records.0.iter().filter_map(xattr).collect(),
        path,
    })
}

fn entry_size(header: &tar::Header) -> Result<u64, LayerError> {
    number(&header.as_old().size).ok_or_else(|| damaged("the size of an entry is not a number"))
}

/// A number of a header: octal, nothing for zero, or GNU's form of 256 values a byte. None if it is negative or not a number.
fn number(field: &[u8]) -> Option<u64> {
    match field {
        [0xc0..=0xff, ..] => None,
        [first @ 0x80..=0xbf, rest @ ..] => rest.iter().try_fold(u64::from(first & 0x3f), |number, byte| {
            number.checked_mul(256)?.checked_add(u64::from(*byte))
        }),
        field => {
            let text = std::str::from_utf8(field).ok()?.trim_matches([' ', '\0']);
            let text = text.split('\0').next().unwrap_or_default();
            if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok() }
        }
    }
}

/// The records of a PAX header. POSIX, `pax`, "pax Extended Header".
#[derive(Debug, Default)]
pub(super) struct Records(BTreeMap<Vec<u8>, Vec<u8>>);

impl Records {
    fn parse(mut bytes: &[u8]) -> Result<Self, LayerError> {
        let mut records = BTreeMap::new();
        let mut parts: Vec<&[u8]> = Vec::new();
        while !bytes.is_empty() {
            let (key, value, rest) = record(bytes).ok_or_else(|| damaged("a PAX record is malformed"))?;
            match key {
                // the oldest form of sparse files repeats these two by turns
                b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => {
                    let is_offset = key == b"GNU.sparse.offset";
                    if is_offset != parts.len().is_multiple_of(2) || value.contains(&b',') {
                        return Err(damaged("the map of a sparse file is malformed"));
                    }
                    parts.push(value);
                }
                key => drop(records.insert(key.to_vec(), value.to_vec())),
            }
            bytes = rest;
        }
        if !parts.is_empty() {
            records.insert(b"GNU.sparse.map".to_vec(), parts.join(&b','));
        }
        Ok(Self(records))
    }

    /// The value; none if it is empty, which leaves the header's own.
    pub(super) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.0.get(key).map(Vec::as_slice).filter(|value| !value.is_empty())
    }

    fn number(&self, key: &[u8]) -> Result<Option<u64>, LayerError> {
        let parse = |value: &[u8]| std::str::from_utf8(value).ok()?.parse().ok();
        self.get(key)
            .map(|value| parse(value).ok_or_else(|| damaged("a PAX record is not a number")))
            .transpose()
    }
}

/// `LENGTH KEY=VALUE\n`, in which the length is of all of it, and what follows.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&bytes[..space]).ok()?.parse().ok()?;
    let (record, rest) = bytes.split_at_checked(length)?;
    let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (&record[..equals], &record[equals + 1..]);
    let is_text = matches!(key, b"path" | b"linkpath" | b"uname" | b"gname");
    let is_wrong = key.is_empty() || key.contains(&0) || is_text && value.contains(&0);
    (!is_wrong).then_some((key, value, rest))
}

/// Long enough to make few calls, short enough to stay in the cache.
pub(super) const BUFFER_BYTES: usize = 64 << 10;

/// Headers that may stand before one entry: its records, a long name and a long link, and one more of each.
const HEADERS: u64 = 6;
