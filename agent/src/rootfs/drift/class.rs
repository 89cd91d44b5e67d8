//! Tells programs and libraries from other files.

use assay_report::FileClass;

use crate::rootfs::apply::CAPABILITY;
use crate::rootfs::tree::{Entry, Kind};

/// The first bytes of a file that are looked at.
pub(super) const HEAD: usize = 18;

/// What kind of file a file of that name is whose content begins with `head`.
pub(super) fn class(name: &[u8], entry: &Entry<()>, head: &[u8]) -> FileClass {
    let is_named_library = name.ends_with(b".so") || name.windows(4).any(|part| part == b".so.");
    match entry.kind {
        Kind::File { .. } => {}
        // it stands for a library
        Kind::Symlink(_) if is_named_library => return FileClass::Library,
        _ => return FileClass::Other,
    }
    let is_elf = head.starts_with(b"\x7fELF");
    if entry.mode & 0o6000 != 0 || entry.xattrs.get(CAPABILITY).is_some() {
        FileClass::Privileged
    } else if is_named_library && (is_elf || entry.mode & 0o111 == 0) {
        FileClass::Library
    } else if entry.mode & 0o111 != 0 || head.starts_with(b"#!") {
        FileClass::Program
    } else if is_elf && elf_type(head) != Some(EXECUTABLE) {
        FileClass::Library
    } else if is_elf {
        FileClass::Program
    } else {
        FileClass::Other
    }
}

/// `e_type` of an ELF header: elf(5).
fn elf_type(head: &[u8]) -> Option<u16> {
    let bytes = [*head.get(16)?, *head.get(17)?];
    // EI_DATA: 2 is the most significant byte first
    Some(if head.get(5) == Some(&2) { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
}

/// `ET_EXEC`
const EXECUTABLE: u16 = 2;
