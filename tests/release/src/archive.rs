//! Writes archives that have the same bytes for the same files: tar.gz for Linux, zip for Windows.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use flate2::{Compression, GzBuilder};
use zip::write::SimpleFileOptions;

use crate::Result;
use crate::build::Program;

/// A file of an archive.
pub(crate) struct Entry {
    name: String,
    bytes: Vec<u8>,
    is_program: bool,
}

impl Entry {
    /// A text.
    pub(crate) fn text(name: &str, text: &str) -> Self {
        Self::bytes(name.to_owned(), text.as_bytes().to_vec())
    }

    /// Bytes.
    pub(crate) fn bytes(name: String, bytes: Vec<u8>) -> Self {
        Self { name, bytes, is_program: false }
    }
}

/// Writes the archive of a program and what lies beside it, in one folder.
pub(crate) fn write(out: &Path, program: &Program, path: &Path, mut entries: Vec<Entry>) -> Result<()> {
    let folder = format!("{}-{}-{}", program.binary, env!("CARGO_PKG_VERSION"), program.platform);
    entries.push(Entry { name: program.file(), bytes: fs::read(path)?, is_program: true });
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    if program.is_for_windows() {
        zip(File::create(out.join(format!("{folder}.zip")))?, &folder, &entries)
    } else {
        Ok(tar(File::create(out.join(format!("{folder}.tar.gz")))?, &folder, &entries)?)
    }
}

fn tar(file: File, folder: &str, entries: &[Entry]) -> io::Result<()> {
    // a header without a time and a name
    let mut archive = tar::Builder::new(GzBuilder::new().write(file, Compression::best()));
    for entry in entries {
        let mut header = tar::Header::new_ustar();
        header.set_size(entry.bytes.len() as u64);
        header.set_mode(if entry.is_program { 0o755 } else { 0o644 });
        header.set_mtime(MTIME);
        header.set_uid(0);
        header.set_gid(0);
        archive.append_data(&mut header, format!("{folder}/{}", entry.name), entry.bytes.as_slice())?;
    }
    archive.into_inner()?.finish()?.sync_all()
}

fn zip(file: File, folder: &str, entries: &[Entry]) -> Result<()> {
    let mut archive = zip::ZipWriter::new(file);
    // the options' own time is the format's first, 1980
    let options = SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .compression_level(Some(9))
        .last_modified_time(zip::DateTime::default());
    for entry in entries {
        let mode = if entry.is_program { 0o755 } else { 0o644 };
        archive.start_file(format!("{folder}/{}", entry.name), options.unix_permissions(mode))?;
        archive.write_all(&entry.bytes)?;
    }
    Ok(archive.finish()?.sync_all()?)
}

/// The time of every entry, 2000-01-01: after the times that tar programs warn about.
const MTIME: u64 = 946_684_800;
