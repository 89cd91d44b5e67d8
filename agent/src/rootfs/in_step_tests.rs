//! Files that are read beside their layer: what is equal is told without a digest, and what differs or changes meanwhile is not equal.

use std::fs;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use assay_judge::store::{Blob, BlobContent};
use assay_verifier::oci::{Descriptor, Digest};

use super::apply::{Applier, Whiteouts};
use super::compare::{Comparison, Made, compare};
use super::layers;
use super::model::Nothing;
use super::snapshot::{Snapshot, ToldBy};
use super::tests::tar_of;
use super::tree::{Memory, Tree};

/// Reads a layer beside the folder that `unpack` makes, compares both after what happens `meanwhile`, and gives how many files
/// differ.
fn differing(tar: &[u8], unpack: &dyn Fn(&Path), meanwhile: &dyn Fn(&Path)) -> usize {
    let by = |told_by| {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("fs");
        fs::create_dir(&root).unwrap();
        unpack(&root);
        let memory = Memory::shared();
        let mut tree = Tree::new(&memory);
        let mut nothing = Nothing;
        let mut applier = Applier::new(&mut tree, Whiteouts::Remove, &mut nothing, 0);
        let mut snapshot = Snapshot::open(folder.path(), &["fs"]).unwrap();
        let digest = Digest::sha256(tar);
        let size = tar.len() as u64;
        let blob = Blob { size, content: BlobContent::Stream(Box::new(tar)) };
        let layer = Descriptor::new("layer", digest.clone(), size);
        layers::apply(blob, &layer, &digest, &mut applier, Some(&mut snapshot)).unwrap();
        meanwhile(&root);
        let owner = root.metadata().unwrap();
        tree.each_entry(|entry| (entry.uid, entry.gid) = (owner.uid(), owner.gid()));
        snapshot.told_by = told_by;
        let found: Comparison = compare(&tree, &mut snapshot, Made::Unpacked);
        assert!(!found.is_partial, "{:?}", found.unseen);
        found.findings.len()
    };
    // Nothing was hashed, because an identity is not a digest.
    assert!(by(ToldBy::Digest) > 0);
    by(ToldBy::Identity)
}

fn write(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
}

/// Changes one byte, as a program that gives a file its old time again.
fn change(path: &Path, at: u64) {
    let before = path.metadata().unwrap();
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    let times = fs::FileTimes::new().set_modified(before.modified().unwrap());
    let time = |metadata: &fs::Metadata| (metadata.ctime(), metadata.ctime_nsec());
    // the clock of file systems has ticks
    while time(&path.metadata().unwrap()) == time(&before) {
        file.write_all_at(&[byte[0] ^ 1], at).unwrap();
        file.set_times(times).unwrap();
    }
}

const NOTHING: &dyn Fn(&Path) = &|_| {};

#[test]
fn equal_files_are_told_without_a_digest() {
    let large = "l".repeat(200_000);
    let lines = ["d usr", "s bin usr", "f bin/a 123", "h bin/b usr/a", &format!("f large {large}")];
    let unpack = |root: &Path| {
        write(&root.join("usr/a"), b"123");
        fs::hard_link(root.join("usr/a"), root.join("usr/b")).unwrap();
        symlink("usr", root.join("bin")).unwrap();
        write(&root.join("large"), large.as_bytes());
    };
    let tar = tar_of(&lines);
    assert_eq!(differing(&tar, &unpack, NOTHING), 0);
    for at in [0, 65_535, 65_536, 199_999] {
        // Once before it is read, and once after.
        let changed = |root: &Path| {
            unpack(root);
            change(&root.join("large"), at);
        };
        assert_eq!(differing(&tar, &changed, NOTHING), 1, "{at}");
        assert_eq!(differing(&tar, &unpack, &|root| change(&root.join("large"), at)), 1, "{at}");
    }
    let split = |root: &Path| {
        unpack(root);
        fs::remove_file(root.join("usr/b")).unwrap();
        write(&root.join("usr/b"), b"123");
    };
    assert_eq!(differing(&tar, &split, NOTHING), 1);
    // A file with the same content is still another file.
    let replaced = |root: &Path| {
        write(&root.join("new"), large.as_bytes());
        fs::rename(root.join("new"), root.join("large")).unwrap();
    };
    assert_eq!(differing(&tar, &unpack, &replaced), 1);
}

#[test]
fn the_last_of_entries_that_come_twice_counts() {
    let tar = tar_of(&["f a 123", "f b 123", "d a", "f a/c 123", "f b 456"]);
    let unpack = |root: &Path| {
        write(&root.join("a/c"), b"123");
        write(&root.join("b"), b"456");
    };
    assert_eq!(differing(&tar, &unpack, NOTHING), 0);
    let first = |root: &Path| {
        write(&root.join("a/c"), b"123");
        write(&root.join("b"), b"123");
    };
    assert_eq!(differing(&tar, &first, NOTHING), 1);
}

#[test]
fn holes_are_compared() {
    let mut builder = tar::Builder::new(Vec::new());
    let records: [(&str, &[u8]); 4] = [
        ("GNU.sparse.name", b"real"),
        ("GNU.sparse.size", b"100000"),
        ("GNU.sparse.numblocks", b"2"),
        ("GNU.sparse.map", b"1000,3,90000,3"),
    ];
    builder.append_pax_extensions(records).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_path("GNUSparseFile.1/real").unwrap();
    header.set_mode(0o644);
    header.set_size(6);
    header.set_cksum();
    builder.append(&header, &b"onetwo"[..]).unwrap();
    let tar = builder.into_inner().unwrap();
    let unpack = |root: &Path| {
        write(&root.join("real"), b"");
        let file = fs::File::options().write(true).open(root.join("real")).unwrap();
        file.write_all_at(b"one", 1_000).unwrap();
        file.write_all_at(b"two", 90_000).unwrap();
        file.set_len(100_000).unwrap();
    };
    assert_eq!(differing(&tar, &unpack, NOTHING), 0);
    for at in [0, 1_001, 50_000, 99_999] {
        let changed = |root: &Path| {
            unpack(root);
            change(&root.join("real"), at);
        };
        assert_eq!(differing(&tar, &changed, NOTHING), 1, "{at}");
    }
}

/// Nothing is followed or opened that is not a file of the snapshot.
#[test]
fn a_file_that_the_snapshot_lacks_is_not_equal() {
    let tar = tar_of(&["f a 123", "f d/b 123", "f ../c 123", "f .. 123"]);
    let elsewhere = tempfile::tempdir().unwrap();
    write(&elsewhere.path().join("b"), b"123");
    let good = |root: &Path| {
        write(&root.join("a"), b"123");
        write(&root.join("d/b"), b"123");
        write(&root.join("c"), b"123");
    };
    assert_eq!(differing(&tar, &good, NOTHING), 0);
    let folder_replaced = |root: &Path| {
        good(root);
        fs::remove_dir_all(root.join("d")).unwrap();
        symlink(elsewhere.path(), root.join("d")).unwrap();
    };
    let link = |root: &Path| {
        good(root);
        fs::remove_file(root.join("a")).unwrap();
        symlink(elsewhere.path().join("b"), root.join("a")).unwrap();
    };
    let fifo = |root: &Path| {
        good(root);
        fs::remove_file(root.join("a")).unwrap();
        let root = fs::File::open(root).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o644);
        rustix::fs::mknodat(&root, "a", rustix::fs::FileType::Fifo, mode, 0).unwrap();
    };
    let missing = |root: &Path| {
        good(root);
        fs::remove_file(root.join("a")).unwrap();
    };
    let longer = |root: &Path| {
        good(root);
        write(&root.join("a"), b"1234");
    };
    for unpack in [&folder_replaced as &dyn Fn(&Path), &link, &fifo, &missing, &longer] {
        assert_eq!(differing(&tar, unpack, NOTHING), 1);
    }
}
