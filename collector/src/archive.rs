//! Writes deterministic tar archives: the same files always give the same bytes, so that their digest identifies what was sent.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use assay_judge::store::directory::Directory;
use assay_verifier::oci::{Digest, DigestAlgorithm};
use aws_lc_rs::digest::{Context, SHA256};

use crate::transport::Input;

/// An archive that is being written. Entries have the order in which they are added.
#[derive(Debug)]
pub struct Archive {
    input: Input,
    folders: BTreeSet<String>,
    /// The mode of folders.
    folder_mode: u32,
}

impl Default for Archive {
    /// An archive whose folders are for their owner alone.
    fn default() -> Self {
        Self { input: Input::default(), folders: BTreeSet::new(), folder_mode: 0o700 }
    }
}

/// An archive cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A folder or file cannot be read.
    #[error("{}", path.display())]
    Unreadable {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something is neither a file nor a folder.
    #[error("{}: neither a regular file nor a folder; put the file itself there", path.display())]
    NotAFile {
        /// Where.
        path: PathBuf,
    },
    /// A link leads to something other than the blob in its name.
    #[error("{}: the link leads out of the folder, to something other than the blob of this name; remove it", path.display())]
    NotTheBlob {
        /// The link.
        path: PathBuf,
    },
    /// Not every node can have a file with this name.
    #[error("{}: the name is too long, is not UTF-8, or has control characters or backslashes; rename the file", path.display())]
    Name {
        /// Where.
        path: PathBuf,
    },
}

/// The time of every entry, 2000-01-01. It is later than the times that tar programs warn about.
const MTIME: u64 = 946_684_800;

/// How deep folders may nest. An image layout needs three levels.
const DEPTH: usize = 16;

impl Archive {
    /// An archive whose folders everyone may read.
    pub fn for_all() -> Self {
        Self { folder_mode: 0o755, ..Self::default() }
    }

    /// Adds a file whose bytes are `content`.
    ///
    /// # Errors
    /// [`ArchiveError::Name`]
    pub fn add(&mut self, name: &str, mode: u32, content: &Input) -> Result<(), ArchiveError> {
        for (at, _) in name.match_indices('/') {
            let folder = name.get(..=at).unwrap_or_default();
            if self.folders.insert(folder.to_owned()) {
                self.header(folder, tar::EntryType::Directory, self.folder_mode, 0)?;
            }
        }
        self.header(name, tar::EntryType::Regular, mode, content.size())?;
        self.input.append(content);
        let rest = content.size() % 512;
        if rest != 0 {
            self.input.bytes(vec![0; usize::try_from(512 - rest).unwrap_or_default()]);
        }
        Ok(())
    }

    /// The finished archive.
    pub fn finish(mut self) -> Input {
        self.input.bytes(vec![0; 1024]);
        self.input
    }

    fn header(&mut self, name: &str, kind: tar::EntryType, mode: u32, size: u64) -> Result<(), ArchiveError> {
        let mut header = tar::Header::new_ustar();
        header.set_path(name).map_err(|_| ArchiveError::Name { path: PathBuf::from(name) })?;
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size);
        header.set_mtime(MTIME);
        header.set_uid(0);
        header.set_gid(0);
        header.set_cksum();
        self.input.bytes(header.as_bytes().to_vec());
        Ok(())
    }
}

/// Every regular file below `folder`, by its path from there with `/`, sorted.
///
/// # Errors
/// [`ArchiveError`], also if there is anything but files and folders: it must not be left out silently.
pub fn files(folder: &Path) -> Result<Vec<(String, PathBuf)>, ArchiveError> {
    let mut found = Vec::new();
    walk(folder, "", 0, &mut found)?;
    found.sort();
    Ok(found)
}

/// Every file of a layout or bundle in a folder, by its path from there with `/`, sorted.
///
/// # Errors
/// [`ArchiveError`], also if anything but a blob is a link that leads outside.
pub fn files_of(folder: &Directory) -> Result<Vec<(String, PathBuf)>, ArchiveError> {
    let unreadable = |source| ArchiveError::Unreadable { path: folder.root().to_owned(), source };
    let named = |relative: PathBuf| {
        let path = folder.root().join(&relative);
        let parts: Option<Vec<&str>> = relative.iter().map(std::ffi::OsStr::to_str).collect();
        let name = parts.map(|parts| parts.join("/")).filter(|name| is_usual(name));
        Ok((name.ok_or_else(|| ArchiveError::Name { path: path.clone() })?, path))
    };
    let mut files =
        folder.files().map_err(unreadable)?.into_iter().map(named).collect::<Result<Vec<_>, _>>()?;
    files.sort();
    Ok(files)
}

/// Whether every node can have a file with this name.
fn is_usual(name: &str) -> bool {
    !name.contains(|c: char| c.is_control() || c == '\\')
}

fn walk(
    folder: &Path,
    prefix: &str,
    depth: usize,
    found: &mut Vec<(String, PathBuf)>,
) -> Result<(), ArchiveError> {
    let unreadable = |source| ArchiveError::Unreadable { path: folder.to_owned(), source };
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        let name = entry.file_name().into_string().ok();
        let Some(name) = name.filter(|name| is_usual(name) && depth < DEPTH) else {
            return Err(ArchiveError::Name { path });
        };
        let name = format!("{prefix}{name}");
        let kind = entry.file_type().map_err(unreadable)?;
        if kind.is_dir() {
            walk(&path, &format!("{name}/"), depth + 1, found)?;
        } else if kind.is_file() {
            found.push((name, path));
        } else {
            return Err(ArchiveError::NotAFile { path });
        }
    }
    Ok(())
}

/// A file as input. It is read when it is sent.
///
/// # Errors
/// [`ArchiveError::Unreadable`]
pub fn file(path: &Path) -> Result<Input, ArchiveError> {
    let unreadable = |source| ArchiveError::Unreadable { path: path.to_owned(), source };
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(ArchiveError::NotAFile { path: path.to_owned() });
    }
    let mut input = Input::default();
    // Files of the kernel have size zero, and reading one may block for ever.
    if metadata.len() > 0 {
        input.file(path.to_owned(), metadata.len());
    }
    Ok(input)
}

/// The digest of all that is read.
///
/// # Errors
/// [`std::io::Error`]
pub fn digest(mut bytes: impl std::io::Read, algorithm: DigestAlgorithm) -> std::io::Result<Digest> {
    let mut hasher = algorithm.hasher();
    let mut buffer = vec![0; 128 << 10];
    loop {
        match bytes.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(buffer.get(..read).unwrap_or_default()),
        }
    }
}

/// The SHA-256 of an input in lower-case hex.
///
/// # Errors
/// [`std::io::Error`] if a file cannot be read.
pub fn sha256(input: &Input) -> std::io::Result<String> {
    let mut context = Context::new(&SHA256);
    input.read(|bytes| context.update(bytes))?;
    Ok(hex::encode(context.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Input {
        let mut input = Input::default();
        input.bytes(text.as_bytes().to_vec());
        input
    }

    fn collect(input: &Input) -> Vec<u8> {
        let mut all = Vec::new();
        input.read(|bytes| all.extend_from_slice(bytes)).unwrap();
        all
    }

    #[test]
    fn an_archive_reads_back_and_is_always_the_same() {
        let make = || {
            let mut archive = Archive::default();
            archive.add("trust/crls/a", 0o600, &bytes("one")).unwrap();
            archive.add("trust/b", 0o600, &bytes("")).unwrap();
            archive.add("agent", 0o700, &bytes(&"x".repeat(513))).unwrap();
            collect(&archive.finish())
        };
        let archive = make();
        assert_eq!(archive, make());
        let mut read = tar::Archive::new(archive.as_slice());
        let entries: Vec<_> = read
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let path = entry.path().unwrap().to_string_lossy().into_owned();
                (path, entry.header().mode().unwrap(), entry.size())
            })
            .collect();
        let want = [
            ("trust/", 0o700, 0),
            ("trust/crls/", 0o700, 0),
            ("trust/crls/a", 0o600, 3),
            ("trust/b", 0o600, 0),
            ("agent", 0o700, 513),
        ];
        assert_eq!(entries, want.map(|(path, mode, size)| (path.to_owned(), mode, size)));
    }

    #[test]
    fn only_files_and_folders_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("b")).unwrap();
        std::fs::write(folder.path().join("b/z"), "1").unwrap();
        std::fs::write(folder.path().join("a"), "22").unwrap();
        let names: Vec<_> = files(folder.path()).unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b/z"]);
        assert_eq!(sha256(&file(&folder.path().join("a")).unwrap()).unwrap(), {
            hex::encode(aws_lc_rs::digest::digest(&SHA256, b"22"))
        });
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("a", folder.path().join("link")).unwrap();
            assert!(matches!(files(folder.path()), Err(ArchiveError::NotAFile { .. })));
        }
    }

    #[test]
    fn a_file_that_changed_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "1").unwrap();
        let input = file(&path).unwrap();
        for changed in ["", "22"] {
            std::fs::write(&path, changed).unwrap();
            assert!(sha256(&input).is_err());
        }
    }
}
