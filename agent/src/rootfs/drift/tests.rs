use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use assay_judge::store::Mount;
use assay_report::{DriftKind, FileClass};
use assay_verifier::limits;

use super::class::class;
use super::layer::{Found, Layer, MountPoints};
use super::mounts::targets;
use super::stack::Stack;
use crate::rootfs::apply::CAPABILITY;
use crate::rootfs::shelf::Form;
use crate::rootfs::snapshot::Snapshot;
use crate::rootfs::tree::{Entry, Kind};

fn file(mode: u32, size: u64) -> Entry<()> {
    Entry::new(Kind::File { size, content: () }, mode)
}

#[test]
fn programs_and_libraries_are_told_by_bits_names_and_content() {
    use FileClass::{Library, Other, Privileged, Program};
    let elf = |data: u8, kind: [u8; 2]| {
        let mut head = b"\x7fELF\x02".to_vec();
        head.push(data);
        head.resize(16, 0);
        head.extend(kind);
        head
    };
    let shared = elf(1, [3, 0]);
    for (name, mode, head, expected) in [
        ("tool", 0o755, &b""[..], Program),
        ("tool", 0o001, b"", Program),
        ("script", 0o644, b"#!/bin/sh", Program),
        ("text", 0o644, b"#", Other),
        ("su", 0o4755, b"", Privileged),
        ("wall", 0o2644, b"", Privileged),
        ("libx.so.1", 0o644, b"", Library),
        ("libx.so", 0o755, &shared, Library),
        ("x.so.sh", 0o755, b"#!/bin/sh", Program),
        ("plugin", 0o644, &shared, Library),
        ("static", 0o644, &elf(1, [2, 0]), Program),
        ("static", 0o644, &elf(2, [0, 2]), Program),
        ("cut", 0o644, b"\x7fELF", Library),
        ("also", 0o644, b"", Other),
    ] {
        assert_eq!(class(name.as_bytes(), &file(mode, 1), head), expected, "{name} {mode:o}");
    }
    let mut ping = file(0o644, 1);
    ping.xattrs.insert(CAPABILITY, b"x");
    assert_eq!(class(b"ping", &ping, b""), Privileged);
    for (name, kind, expected) in [
        (&b"libx.so.1"[..], Kind::Symlink(b"libx.so.1.2".as_slice().into()), Library),
        (b"link", Kind::Symlink(b"tool".as_slice().into()), Other),
        (b"bin", Kind::Directory, Other),
        (b"fifo", Kind::Fifo, Other),
    ] {
        assert_eq!(class(name, &Entry::new(kind, 0o4777), b""), expected);
    }
}

#[test]
fn only_empty_things_of_root_are_mount_points() {
    let points = MountPoints {
        paths: [b"etc/hosts".to_vec(), b"var/run/secrets".to_vec()].into(),
        root: (1000, 1000),
        ..MountPoints::default()
    };
    let owned = |uid| Entry { uid, gid: uid, ..file(0o644, 0) };
    let directory = |mode| Entry::<()>::new(Kind::Directory, mode);
    for (path, entry, expected) in [
        ("etc/hosts", file(0o755, 0), true),
        ("etc/hosts", owned(1000), true),
        ("etc/hosts", owned(5), false),
        ("etc/hosts", file(0o644, 1), false),
        ("etc/hosts", file(0o666, 0), false),
        ("etc/hosts", file(0o4755, 0), false),
        ("etc/host", file(0o644, 0), false),
        ("etc/hosts", Entry::new(Kind::Symlink(b"/x".as_slice().into()), 0o777), false),
        ("etc/hosts", Entry::new(Kind::Fifo, 0o644), false),
        ("var/run/secrets", directory(0o755), true),
        ("var/run", directory(0o1755), true),
        ("var", directory(0o777), false),
        ("va", directory(0o755), false),
        ("var/run/secrets/more", directory(0o755), false),
        ("var/run", file(0o644, 0), false),
    ] {
        assert_eq!(points.have(path.as_bytes(), &entry), expected, "{path}");
    }
}

fn compare(folder: &Path) -> Found {
    let open = |name: &str| Stack::new(vec![Snapshot::open(folder, &[name]).unwrap()], Form::Native);
    let mut found = Found::default();
    let points = MountPoints::default();
    let (own, below) = (open("own"), open("below"));
    Layer { own, below, form: Form::Native, shift: None, points: &points, found: &mut found }.compare();
    found
}

#[test]
fn a_copy_is_compared_with_what_it_is_a_copy_of() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["own", "below"] {
        let root = folder.path().join(name);
        fs::create_dir_all(root.join("etc/deep")).unwrap();
        for (path, text) in
            [("etc/same", "same"), ("etc/other", "one"), ("etc/deep/gone", ""), ("gone", "gone")]
        {
            fs::write(root.join(path), text).unwrap();
        }
        symlink("/etc/passwd", root.join("link")).unwrap();
    }
    let found = compare(folder.path());
    assert!(found.findings.is_empty() && found.unseen.is_empty(), "{:?}", found.findings);

    let own = folder.path().join("own");
    let times =
        fs::FileTimes::new().set_modified(own.join("etc/other").metadata().unwrap().modified().unwrap());
    fs::write(own.join("etc/other"), "two").unwrap();
    fs::File::options().write(true).open(own.join("etc/other")).unwrap().set_times(times).unwrap();
    fs::remove_file(own.join("gone")).unwrap();
    fs::remove_dir_all(own.join("etc/deep")).unwrap();
    fs::remove_file(own.join("link")).unwrap();
    symlink("/etc/shadow", own.join("link")).unwrap();
    fs::create_dir(own.join("new")).unwrap();
    fs::write(own.join("new/tool"), "#!").unwrap();
    fs::set_permissions(own.join("etc"), fs::Permissions::from_mode(0o777)).unwrap();
    let found = compare(folder.path());
    let names: Vec<(FileClass, &str, DriftKind)> =
        found.findings.iter().map(|one| (one.class, one.path.as_str(), one.kind)).collect();
    use DriftKind::{Added, Changed, Deleted};
    use FileClass::{Other, Program};
    assert_eq!(
        names,
        [
            (Program, "new/tool", Added),
            (Other, "etc", Changed),
            (Other, "etc/deep", Deleted),
            (Other, "etc/other", Changed),
            (Other, "gone", Deleted),
            (Other, "link", Changed),
            (Other, "new", Added),
        ]
    );
    assert!(found.unseen.is_empty() && !found.is_limit);
}

#[test]
fn a_mount_that_leads_to_no_place_is_not_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("own")).unwrap();
    symlink("loop", folder.path().join("own/loop")).unwrap();
    let mount =
        |destination: &str| Mount { destination: destination.to_owned(), source: None, mount_type: None };
    let resolved = |mounts: &[Mount]| {
        let mut view = Stack::new(vec![Snapshot::open(folder.path(), &["own"]).unwrap()], Form::Native);
        let mut found = Found::default();
        let targets = targets(mounts, &mut view, &mut found).len();
        (targets, found.unseen.len(), found.is_limit)
    };
    assert_eq!(resolved(&[mount("/new/folder"), mount("/")]), (2, 0, false));
    assert_eq!(resolved(&[mount("/new"), mount("/loop/x")]), (1, 1, false));
    let most = limits::DRIFT_MOUNTS;
    assert_eq!(resolved(&vec![mount("/new"); most]), (most, 0, false));
    assert_eq!(resolved(&vec![mount("/new"); most + 1]), (most, 1, true));
}

#[test]
fn depth_is_bounded() {
    for (depth, is_limit) in [(limits::ROOTFS_DEPTH, false), (limits::ROOTFS_DEPTH + 1, true)] {
        let folder = tempfile::tempdir().unwrap();
        for name in ["own", "below"] {
            fs::create_dir_all(folder.path().join(name).join("d/".repeat(depth))).unwrap();
        }
        let found = compare(folder.path());
        assert_eq!((found.is_limit, found.unseen.len()), (is_limit, usize::from(is_limit)));
    }
}

#[test]
fn what_is_not_named_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["own", "below"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    let own = folder.path().join("own");
    let most = limits::DRIFT_FINDINGS;
    for number in 0..most + 10 {
        fs::write(own.join(format!("{number}")), "").unwrap();
    }
    fs::write(own.join("tool"), "#!").unwrap();
    let found = compare(folder.path());
    assert_eq!((found.findings.len(), found.counts[&DriftKind::Added]), (most, most as u64 + 11));
    assert_eq!(found.findings.first().unwrap().path, "tool");
}
