//! Layers applied vector by vector, mutations of every kind, and damaged archives.

use std::io::{Read as _, Write as _};

use assay_judge::layer::{LayerError, Member, MemberKind};
use assay_judge::store::{Blob, BlobContent};
use assay_verifier::oci::{Descriptor, Digest, DigestAlgorithm};

use super::apply::{Applier, CAPABILITY, Lower, OPAQUE, Problem, Whiteouts};
use super::compare::{Difference, Made, compare};
use super::layers;
use super::lists_tests::{check_layer, check_list};
use super::model::{Nothing, Seeing};
use super::tree::{Bytes, Device, Entry, Id, Kind, Memory, Sha256, TooLarge, Tree};

pub(super) fn sha256(content: &[u8]) -> Sha256 {
    let mut hasher = DigestAlgorithm::Sha256.hasher();
    hasher.update(content);
    Sha256::of(hasher)
}

/// An entry of a layer: type and path, then what the type needs, then anything of `mode=`, `owner=`, `cap`.
pub(super) fn member(line: &str) -> (Member, Vec<u8>) {
    let mut words = line.split(' ');
    let (kind, path) = (words.next().unwrap(), words.next().unwrap());
    let mut content = Vec::new();
    let mut argument = || words.next().unwrap().as_bytes().to_vec();
    let kind = match kind {
        "f" => {
            content = argument();
            let size = content.len() as u64;
            MemberKind::Plain(Kind::File { size, content: sha256(&content) })
        }
        "d" => MemberKind::Plain(Kind::Directory),
        "s" => MemberKind::Plain(Kind::Symlink(argument().into())),
        "h" => MemberKind::HardLink(argument()),
        "c" => MemberKind::Plain(Kind::Character(Device(1, 3))),
        "b" => MemberKind::Plain(Kind::Block(Device(8, 0))),
        "p" => MemberKind::Plain(Kind::Fifo),
        "g" => MemberKind::GlobalHeader,
        other => panic!("{other}"),
    };
    let is_directory = matches!(kind, MemberKind::Plain(Kind::Directory));
    let mut member = Member {
        path: path.as_bytes().to_vec(),
        kind,
        mode: if is_directory { 0o755 } else { 0o644 },
        uid: 0,
        gid: 0,
        mtime: 0,
        xattrs: Vec::new(),
    };
    for word in words {
        match word.split_once('=') {
            Some(("mode", mode)) => member.mode = u32::from_str_radix(mode, 8).unwrap(),
            Some(("owner", owner)) => {
                (member.uid, member.gid) = (owner.parse().unwrap(), owner.parse().unwrap());
            }
            Some((name, value)) => member.xattrs.push((name.into(), value.into())),
            None => member.xattrs.push((CAPABILITY.to_vec(), b"\x0a=\n".to_vec())),
        }
    }
    (member, content)
}

pub(super) fn apply(
    tree: &mut Tree<'_>,
    lines: &[&str],
    whiteouts: Whiteouts,
    lower: &mut dyn Lower,
    layer: u16,
) -> Result<(), Problem> {
    let mut applier = Applier::new(tree, whiteouts, lower, layer);
    lines.iter().try_for_each(|line| applier.apply(&member(line).0))
}

/// A tree, one line a path.
fn dump(tree: &Tree<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    dump_from(tree, Tree::ROOT, "", &mut lines);
    lines
}

fn dump_from(tree: &Tree<'_>, id: Id, path: &str, lines: &mut Vec<String>) {
    let Entry { kind, mode, uid, xattrs, .. } = &tree.inode(id).entry;
    let more = match kind {
        Kind::File { size, .. } => format!(" {size}"),
        Kind::Symlink(target) => format!(" {}", String::from_utf8_lossy(target)),
        _ => String::new(),
    };
    let attributes: String =
        xattrs.iter().map(|(name, _)| format!(" {}", String::from_utf8_lossy(name))).collect();
    let is_plain = path.is_empty() && attributes.is_empty() && (*mode, *uid) == (0o755, 0);
    if !is_plain {
        lines.push(format!("{path} {}{more} {mode:o} {uid}{attributes}", kind.word()));
    }
    for (name, id) in &tree.inode(id).names {
        let name = String::from_utf8_lossy(name);
        let path = if path.is_empty() { name.into_owned() } else { format!("{path}/{name}") };
        dump_from(tree, *id, &path, lines);
    }
}

/// `pkg/archive/tar.go` and `tar_opts_linux.go` of containerd, vector by vector: the first layer is unpacked into a plain folder, the
/// second on overlayfs into a folder of its own, and with the native snapshotter into a copy of the first.
#[test]
fn layers_are_applied_as_containerd_applies_them() {
    for (why, first, second, on_overlayfs, natively) in [
        (
            "a file",
            &["f a 123"][..],
            &["f b 1"][..],
            &["b file 1 644 0"][..],
            &["a file 3 644 0", "b file 1 644 0"][..],
        ),
        ("a whiteout", &["f a 123", "f b 1"], &["f .wh.a x"], &["a whiteout 0 0"], &["b file 1 644 0"]),
        (
            "a whiteout of what is not there",
            &["f b 1"],
            &["f .wh.a x"],
            &["a whiteout 0 0"],
            &["b file 1 644 0"],
        ),
        (
            "a whiteout has an owner",
            &["f b 1"],
            &["f .wh.a x owner=7"],
            &["a whiteout 0 7"],
            &["b file 1 644 0"],
        ),
        (
            "a whiteout and then what it hides",
            &["d a", "f a/b 1"],
            &["f .wh.a x", "d a"],
            &["a directory 755 0"],
            &["a directory 755 0"],
        ),
        (
            "an opaque whiteout hides what is below, and not what the same layer adds before it or after",
            &["d a", "f a/old 1", "d a/d", "f a/d/old 1"],
            &["d a", "f a/before 1", "f a/.wh..wh..opq x", "f a/after 1"],
            &["a directory 755 0 trusted.overlay.opaque", "a/after file 1 644 0", "a/before file 1 644 0"],
            &["a directory 755 0", "a/after file 1 644 0", "a/before file 1 644 0"],
        ),
        (
            "an opaque whiteout and directories that only paths name",
            &[],
            &["d a", "f a/b/c 1", "f a/.wh..wh..opq x"],
            &["a directory 755 0 trusted.overlay.opaque", "a/b directory 755 0", "a/b/c file 1 644 0"],
            &["a directory 755 0"],
        ),
        (
            "an opaque root",
            &["f a 1"],
            &["f .wh..wh..opq x", "f b 1"],
            &[" directory 755 0 trusted.overlay.opaque", "b file 1 644 0"],
            &["b file 1 644 0"],
        ),
        (
            "a directory in place of a file",
            &["f a 1"],
            &["d a"],
            &["a directory 755 0"],
            &["a directory 755 0"],
        ),
        (
            "a file in place of a directory",
            &["f a/b 1"],
            &["f a 1"],
            &["a file 1 644 0"],
            &["a file 1 644 0"],
        ),
        (
            "a directory that is there keeps what is in it",
            &["f a/b 1"],
            &["d a mode=700 owner=5"],
            &["a directory 700 5"],
            &["a directory 700 5", "a/b file 1 644 0"],
        ),
        (
            "entries that come twice: the last one counts",
            &[],
            &["f a 1", "f a 22", "s b x", "f b 333"],
            &["a file 2 644 0", "b file 3 644 0"],
            &["a file 2 644 0", "b file 3 644 0"],
        ),
        (
            "a hard link, whose owner and mode are those of its file",
            &[],
            &["f a 1 mode=4755", "h b a mode=600 owner=9"],
            &["a file 1 600 9", "b file 1 600 9"],
            &["a file 1 600 9", "b file 1 600 9"],
        ),
        (
            "a hard link takes a capability away that it does not bring",
            &[],
            &["f a 1 cap", "h b a", "f c 1 cap", "h d c cap"],
            &[
                "a file 1 644 0",
                "b file 1 644 0",
                "c file 1 644 0 security.capability",
                "d file 1 644 0 security.capability",
            ],
            &[
                "a file 1 644 0",
                "b file 1 644 0",
                "c file 1 644 0 security.capability",
                "d file 1 644 0 security.capability",
            ],
        ),
        (
            "a name of a file that goes leaves the other",
            &[],
            &["f a 1", "h b a", "f a 22"],
            &["a file 2 644 0", "b file 1 644 0"],
            &["a file 2 644 0", "b file 1 644 0"],
        ),
        (
            "a hard link to a link is to the link",
            &[],
            &["f a 1", "s b a", "h c b"],
            &["a file 1 644 0", "b symbolic link a 0 0", "c symbolic link a 0 0"],
            &["a file 1 644 0", "b symbolic link a 0 0", "c symbolic link a 0 0"],
        ),
        (
            "a path through a link of the same layer",
            &[],
            &["d usr", "s bin usr", "f bin/a 1"],
            &["bin symbolic link usr 0 0", "usr directory 755 0", "usr/a file 1 644 0"],
            &["bin symbolic link usr 0 0", "usr directory 755 0", "usr/a file 1 644 0"],
        ),
        (
            "a path through a link of a layer below, which overlayfs' folder does not have",
            &["d usr", "s bin usr"],
            &["f bin/a 1"],
            &["bin directory 755 0", "bin/a file 1 644 0"],
            &["bin symbolic link usr 0 0", "usr directory 755 0", "usr/a file 1 644 0"],
        ),
        (
            "links and dots that lead out",
            &[],
            &["s up ../../..", "f up/a 1", "s root /", "f root/b 1", "f ../../c 1", "f /d 1", "d ..", "d ."],
            &[
                "a file 1 644 0",
                "b file 1 644 0",
                "c file 1 644 0",
                "d file 1 644 0",
                "root symbolic link / 0 0",
                "up symbolic link ../../.. 0 0",
            ],
            &[
                "a file 1 644 0",
                "b file 1 644 0",
                "c file 1 644 0",
                "d file 1 644 0",
                "root symbolic link / 0 0",
                "up symbolic link ../../.. 0 0",
            ],
        ),
        (
            "the root is the snapshotter's",
            &["d ./ mode=700 owner=3"],
            &["d / mode=700 owner=3", "d a/.. mode=1"],
            &[],
            &[],
        ),
        (
            "devices, pipes, and attributes that are not taken",
            &[],
            &["c c", "b b", "p p trusted.x=1", "s s t user.a=1", "f f 1 user.a=1 trusted.overlay.opaque=y"],
            &[
                "b block device 644 0",
                "c character device 644 0",
                "f file 1 644 0 user.a",
                "p FIFO 644 0",
                "s symbolic link t 0 0",
            ],
            &[
                "b block device 644 0",
                "c character device 644 0",
                "f file 1 644 0 user.a",
                "p FIFO 644 0",
                "s symbolic link t 0 0",
            ],
        ),
        ("a global header has a name like any other entry", &[], &["f a 1", "g a"], &[], &[]),
        ("a whiteout's name may begin like one", &[], &["f .wh..wh.plnk x"], &[".wh.plnk whiteout 0 0"], &[]),
    ] {
        let memory = Memory::shared();
        let mut base = Tree::new(&memory);
        check_list(first);
        check_list(second);
        apply(&mut base, first, Whiteouts::Remove, &mut Nothing, 0).unwrap();
        let mut folder = Tree::new(&memory);
        apply(&mut folder, second, Whiteouts::Overlay, &mut Nothing, 1).unwrap();
        assert_eq!(dump(&folder), on_overlayfs, "{why}, on overlayfs");
        apply(&mut base, second, Whiteouts::Remove, &mut Nothing, 1).unwrap();
        assert_eq!(dump(&base), natively, "{why}, natively");
    }
}

/// What containerd does not unpack has no right snapshot.
#[test]
fn what_containerd_refuses_is_refused() {
    for (why, lines, overlayfs_alone) in [
        ("a hard link to a later file", &["h b a", "f a 1"][..], false),
        ("a hard link to nothing", &["h b a"], false),
        ("a hard link to itself", &["f a 1", "h a a"], false),
        ("a hard link to a directory", &["d a", "h b a"], false),
        ("a file for a directory", &["f a 1", "f a/b 1"], false),
        ("a device for a directory", &["c a", "f a/b 1"], false),
        ("a loop of links", &["s a b", "s b a", "f a/c 1"], false),
        ("a whiteout of the folder itself", &["f a/.wh.. 1"], false),
        ("a whiteout of the folder above", &["f a/.wh... 1"], false),
        ("a whiteout of nothing", &["f a/.wh. 1"], false),
        ("a whiteout of what the layer has", &["f a 1", "f .wh.a 1"], true),
        ("a whiteout that comes twice", &["f .wh.a 1", "f .wh.a 1"], true),
    ] {
        for whiteouts in [Whiteouts::Remove, Whiteouts::Overlay] {
            let memory = Memory::shared();
            check_list(lines);
            let applied = apply(&mut Tree::new(&memory), lines, whiteouts, &mut Nothing, 0);
            if overlayfs_alone && whiteouts == Whiteouts::Remove {
                assert_eq!(applied, Ok(()), "{why}");
            } else {
                assert!(matches!(applied, Err(Problem::Refused { .. })), "{why}: {applied:?}");
            }
        }
    }
    let memory = Memory::shared();
    let name = "f ".to_owned() + &"a".repeat(256) + " 1";
    assert!(apply(&mut Tree::new(&memory), &[&name], Whiteouts::Remove, &mut Nothing, 0).is_err());
}

/// Directories below, of another mode and owner.
pub(super) struct Below;

impl Lower for Below {
    fn directory(&mut self, path: &[Bytes]) -> Result<Option<Entry>, String> {
        let mut entry = Entry::new(Kind::Directory, 0o700);
        entry.uid = 5;
        Ok((path.len() == 1).then_some(entry))
    }
}

/// A directory that a layer has no entry of is as it is below, or as containerd makes one that is nowhere.
#[test]
fn implied_directories_may_have_the_attributes_that_they_have_below() {
    let memory = Memory::shared();
    for lines in [&["f a/b/c 1"][..], &["f a/.wh..wh..opq x", "f a/b/c 1"]] {
        let mut tree = Tree::new(&memory);
        apply(&mut tree, lines, Whiteouts::Overlay, &mut Below, 1).unwrap();
        for (mode, uid, findings) in
            [(0o700, 5, 0), (0o755, 0, 0), (0o700, 0, 1), (0o777, 5, 1), (0o755, 5, 1)]
        {
            let mut there = Tree::new(&memory);
            apply(&mut there, lines, Whiteouts::Overlay, &mut Nothing, 1).unwrap();
            let id = there.get(&[b"a"[..].into()]).unwrap();
            let entry = &mut there.inode_mut(id).entry;
            (entry.mode, entry.uid) = (mode, uid);
            assert_eq!(
                compare(&tree, &mut Seeing(&there), Made::Unpacked).findings.len(),
                findings,
                "{mode:o} {uid}"
            );
            // Only the layer says whether it hides what is below.
            let entry = &mut there.inode_mut(id).entry;
            match entry.xattrs.get(OPAQUE) {
                Some(_) => entry.xattrs.remove(OPAQUE),
                None => entry.xattrs.insert(OPAQUE, b"y"),
            }
            assert_eq!(
                compare(&tree, &mut Seeing(&there), Made::Unpacked).findings.len(),
                1,
                "{mode:o} {uid}"
            );
        }
    }
}

/// A copy of a snapshot has hard links between regular files alone, and its owners are shifted for each name.
#[test]
fn copies_keep_hard_links_of_regular_files() {
    let memory = Memory::shared();
    let mut tree = Tree::new(&memory);
    let lines = ["s l t", "h m l", "d d", "h d/n l", "p p", "h q p", "f a 1", "h d/b a"];
    apply(&mut tree, &lines, Whiteouts::Remove, &mut Nothing, 3).unwrap();
    tree.split_special_files().unwrap();
    let id = |path: &str| {
        let path: Vec<Bytes> = path.split('/').map(|name| name.as_bytes().into()).collect();
        tree.get(&path).unwrap()
    };
    let special = ["l", "m", "d/n", "p", "q"].map(id);
    assert_eq!(special.iter().collect::<std::collections::BTreeSet<_>>().len(), 5);
    assert_eq!(id("a"), id("d/b"));
    let (regular, directory) = (id("a"), id("d"));
    tree.each_entry(|entry| entry.uid += 100);
    assert!(special.iter().all(|id| tree.inode(*id).entry.uid == 100 && tree.inode(*id).layer == 3));
    assert_eq!((tree.inode(regular).entry.uid, tree.inode(directory).entry.uid), (200, 100));
}

#[test]
fn trees_are_bounded() {
    let memory = Memory::shared();
    let mut tree = Tree::new(&memory);
    let deep = |depth: usize| format!("f {}a 1", "d/".repeat(depth));
    let depth = assay_verifier::limits::ROOTFS_DEPTH;
    assert_eq!(apply(&mut tree, &[&deep(depth - 1)], Whiteouts::Remove, &mut Nothing, 0), Ok(()));
    let over = apply(&mut tree, &[&deep(depth)], Whiteouts::Remove, &mut Nothing, 0);
    assert_eq!(over, Err(Problem::TooLarge(TooLarge::Depth)));
    let long = format!("d {}", "a/".repeat(2_050));
    let over = apply(&mut tree, &[&long], Whiteouts::Remove, &mut Nothing, 0);
    assert_eq!(over, Err(Problem::TooLarge(TooLarge::Path)));

    let mut nothing = Nothing;
    let mut applier = Applier::new(&mut tree, Whiteouts::Remove, &mut nothing, 0);
    let mut number = 0_u32;
    let over = loop {
        if let Err(problem) = applier.apply(&member(&format!("f {number:0>200} 1")).0) {
            break problem;
        }
        number += 1;
    };
    assert_eq!(over, Problem::TooLarge(TooLarge::Memory));
    assert!(number > 40_000, "{number}");
    // The memory that a tree took is free again for the next one.
    drop(tree);
    apply(&mut Tree::new(&memory), &["f a 1"], Whiteouts::Remove, &mut Nothing, 0).unwrap();
}

/// Numbers that look random and are the same in every run.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }
}

/// Every path of a tree with its directory.
pub(super) fn paths(tree: &Tree<'_>, directory: Id, found: &mut Vec<(Id, Bytes, Id)>) {
    for (name, id) in &tree.inode(directory).names {
        found.push((directory, name.clone(), *id));
        paths(tree, *id, found);
    }
}

/// Times and what the kernel and security modules write are noise.
#[test]
fn noise_is_not_found() {
    let memory = Memory::shared();
    let expected = {
        let mut tree = Tree::new(&memory);
        apply(&mut tree, &["d a", "f a/b 1", "s l t"], Whiteouts::Overlay, &mut Nothing, 0).unwrap();
        tree
    };
    let mut there = Tree::new(&memory);
    apply(&mut there, &["d a", "f a/b 1", "s l t"], Whiteouts::Overlay, &mut Nothing, 0).unwrap();
    let mut all = Vec::new();
    paths(&there, Tree::ROOT, &mut all);
    for (_, _, id) in all {
        let entry = &mut there.inode_mut(id).entry;
        entry.mtime = 7;
        for name in [
            "security.selinux",
            "security.ima",
            "trusted.overlay.origin",
            "trusted.overlay.impure",
            "trusted.x",
        ] {
            entry.xattrs.insert(name.as_bytes(), b"v");
        }
        if matches!(entry.kind, Kind::Symlink(_)) {
            entry.mode = 0o777;
        }
    }
    let found = compare(&expected, &mut Seeing(&there), Made::Unpacked);
    assert_eq!((found.findings.len(), found.times), (0, 1));
}

#[test]
fn findings_say_what_is_there_instead_and_are_bounded() {
    let memory = Memory::shared();
    let tree = |lines: &[&str]| {
        let mut tree = Tree::new(&memory);
        apply(&mut tree, lines, Whiteouts::Overlay, &mut Nothing, 2).unwrap();
        tree
    };
    let expected = tree(&["d bin", "f bin/a 1 mode=755", "f bin/b 1", "d etc", "s etc/l t"]);
    let there = tree(&["d bin", "f bin/a 1 mode=4755 owner=1", "d etc", "s etc/l u", "f etc/new 12"]);
    let found = compare(&expected, &mut Seeing(&there), Made::Unpacked);
    let texts: Vec<_> = found
        .findings
        .iter()
        .map(|one| {
            (
                one.path.escape_ascii().to_string(),
                one.kind,
                one.layer,
                one.before.as_deref(),
                one.after.as_deref(),
            )
        })
        .collect();
    let one = format!("file of 1 bytes {}, mode 0644, owner 0:0", sha256(b"1"));
    let expected = [
        ("bin/a", Difference::Changed, Some(2), Some("mode 0755, owner 0:0"), Some("mode 4755, owner 1:1")),
        ("bin/b", Difference::Missing, Some(2), Some(one.as_str()), None),
        ("etc/l", Difference::Changed, Some(2), Some("to t"), Some("to u")),
        ("etc/new", Difference::Extra, None, None, Some("file of 2 bytes, mode 0644, owner 0:0")),
    ];
    assert_eq!(
        texts,
        expected.map(|(path, kind, layer, before, after)| (path.to_owned(), kind, layer, before, after))
    );

    let many: Vec<String> = (0..1_500).map(|number| format!("p {number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let found = compare(&tree(&[]), &mut Seeing(&tree(&many)), Made::Unpacked);
    assert_eq!((found.findings.len(), found.more), (1_000, 500));
}

/// A tar of these entries, as Go and GNU tar write such.
pub(super) fn tar_of(lines: &[&str]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for line in lines {
        let (member, content) = member(line);
        let mut header = tar::Header::new_ustar();
        let kind = match &member.kind {
            MemberKind::Plain(Kind::Directory) => tar::EntryType::Directory,
            MemberKind::Plain(Kind::Symlink(_)) => tar::EntryType::Symlink,
            MemberKind::Plain(Kind::Character(_)) => tar::EntryType::Char,
            MemberKind::Plain(Kind::Block(_)) => tar::EntryType::Block,
            MemberKind::Plain(Kind::Fifo) => tar::EntryType::Fifo,
            MemberKind::HardLink(_) => tar::EntryType::Link,
            MemberKind::GlobalHeader => tar::EntryType::XGlobalHeader,
            _ => tar::EntryType::Regular,
        };
        header.set_entry_type(kind);
        if kind == tar::EntryType::XGlobalHeader {
            // What stands before it does not apply to it.
            header.set_path(String::from_utf8_lossy(&member.path).as_ref()).unwrap();
        }
        let link = match &member.kind {
            MemberKind::Plain(Kind::Symlink(target)) => target.to_vec(),
            MemberKind::HardLink(target) => target.clone(),
            _ => Vec::new(),
        };
        let records: Vec<(String, Vec<u8>)> =
            [
                ("path".to_owned(), member.path.clone()),
                ("linkpath".to_owned(), link),
                ("uid".to_owned(), member.uid.to_string().into_bytes()),
                ("gid".to_owned(), member.gid.to_string().into_bytes()),
            ]
            .into_iter()
            .chain(member.xattrs.iter().map(|(name, value)| {
                (format!("SCHILY.xattr.{}", String::from_utf8_lossy(name)), value.clone())
            }))
            .collect();
        builder.append_pax_extensions(records.iter().map(|(key, value)| (key.as_str(), &value[..]))).unwrap();
        if let MemberKind::Plain(Kind::Character(device) | Kind::Block(device)) = &member.kind {
            header.set_device_major(device.0).unwrap();
            header.set_device_minor(device.1).unwrap();
        }
        header.set_mode(member.mode);
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append(&header, &content[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

fn unpack<'m>(
    memory: &'m Memory,
    blob: &[u8],
    of: &[u8],
    diff_id: &Digest,
) -> Result<Tree<'m>, layers::LayerError> {
    let mut tree = Tree::new(memory);
    let descriptor = Descriptor::new("layer", Digest::sha256(of), of.len() as u64);
    let content = BlobContent::Stream(Box::new(blob));
    let blob = Blob { size: blob.len() as u64, content };
    let mut nothing = Nothing;
    let mut applier = Applier::new(&mut tree, Whiteouts::Remove, &mut nothing, 0);
    layers::apply(blob, &descriptor, diff_id, &mut applier, None)?;
    check_layer(of, diff_id);
    Ok(tree)
}

/// A layer's tar in each packing.
pub(super) fn packed(tar: &[u8]) -> [Vec<u8>; 3] {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(tar).unwrap();
    let zstd = ruzstd::encoding::compress_to_vec(tar, ruzstd::encoding::CompressionLevel::Fastest);
    [tar.to_vec(), gzip.finish().unwrap(), zstd]
}

#[test]
fn layers_are_read_in_every_packing_and_both_digests_are_checked() {
    let lines = ["d a", "f a/b 123 cap owner=4000000000", "h c a/b cap", "s l a/b", "c dev", "p fifo"];
    let tar = tar_of(&lines);
    let diff_id = Digest::sha256(&tar);
    let memory = Memory::shared();
    let mut expected = Tree::new(&memory);
    apply(&mut expected, &lines, Whiteouts::Remove, &mut Nothing, 0).unwrap();
    for blob in packed(&tar) {
        let tree = unpack(&memory, &blob, &blob, &diff_id).unwrap();
        assert_eq!(dump(&tree), dump(&expected));
        assert!(compare(&expected, &mut Seeing(&tree), Made::Unpacked).findings.is_empty());
        let other = unpack(&memory, &blob, &blob, &Digest::sha256(b"other")).unwrap_err();
        assert!(matches!(other, layers::LayerError::Layer(LayerError::DiffId { .. })), "{other}");
        for changed in [&blob[..blob.len() - 1], &[&blob[..], b"x"].concat()] {
            let other = unpack(&memory, changed, &blob, &diff_id).unwrap_err();
            assert!(matches!(other, layers::LayerError::Layer(LayerError::Blob { .. })), "{other}");
            // It was signed in this form, and it is damaged.
            let other = unpack(&memory, changed, changed, &diff_id).unwrap_err();
            assert!(
                matches!(
                    other,
                    layers::LayerError::Layer(LayerError::Damaged(_))
                        | layers::LayerError::Layer(LayerError::DiffId { .. })
                ),
                "{other}"
            );
        }
    }
}

/// GNU tar's three forms in PAX headers, and what Go does not take for a map of one.
#[test]
fn files_with_holes_are_read_in_every_form() {
    let memory = Memory::shared();
    let entry = |records: &[(&str, &[u8])], data: &[u8]| {
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_pax_extensions(records.iter().copied()).unwrap();
        let mut header = tar::Header::new_ustar();
        header.set_path("GNUSparseFile.1/real").unwrap();
        header.set_mode(0o644);
        header.set_size(data.len() as u64);
        header.set_cksum();
        builder.append(&header, data).unwrap();
        builder.into_inner().unwrap()
    };
    let read = |tar: Vec<u8>| unpack(&memory, &tar, &tar, &Digest::sha256(&tar));
    let expected = [&[0; 1000][..], b"one", &[0; 97], b"two", &[0; 8]].concat();
    let map = |text: &str, data: &[u8]| {
        let mut content = text.as_bytes().to_vec();
        content.resize(content.len().next_multiple_of(512), 0);
        content.extend(data);
        content
    };
    let (name, real): ((_, &[u8]), (_, &[u8])) =
        (("GNU.sparse.name", b"real"), ("GNU.sparse.realsize", b"1111"));
    let (major, minor): ((_, &[u8]), (_, &[u8])) = (("GNU.sparse.major", b"1"), ("GNU.sparse.minor", b"0"));
    let blocks: (_, &[u8]) = ("GNU.sparse.numblocks", b"2");
    let size: (_, &[u8]) = ("GNU.sparse.size", b"1111");
    let in_map: (_, &[u8]) = ("GNU.sparse.map", b"1000,3,1100,3");
    let by_turns: [(_, &[u8]); 4] = [
        ("GNU.sparse.offset", b"1000"),
        ("GNU.sparse.numbytes", b"3"),
        ("GNU.sparse.offset", b"1100"),
        ("GNU.sparse.numbytes", b"3"),
    ];
    for (what, records, data) in [
        ("0.0", [&[size, blocks][..], &by_turns, &[("path", b"real")]].concat(), b"onetwo".to_vec()),
        ("0.1", vec![name, size, blocks, in_map], b"onetwo".to_vec()),
        ("1.0", vec![major, minor, name, real], map("2\n1000\n3\n1100\n3\n", b"onetwo")),
    ] {
        let tree = read(entry(&records, &data)).unwrap();
        let id = tree.get(&[b"real"[..].into()]).unwrap_or_else(|| panic!("{what}"));
        let kind = Kind::File { size: 1111, content: sha256(&expected) };
        assert_eq!(tree.inode(id).entry.kind, kind, "{what}");
    }
    let is = |read: Result<Tree<'_>, layers::LayerError>, which: fn(&LayerError) -> bool| matches!(read, Err(layers::LayerError::Layer(error)) if which(&error));
    // This map does not fit the file.
    for (what, records, data) in [
        ("less content", vec![name, size, blocks, in_map], b"onetw".to_vec()),
        ("more content", vec![name, size, blocks, in_map], b"onetwo3".to_vec()),
        ("a part too few", vec![name, size, in_map], b"onetwo".to_vec()),
        ("past the end", vec![name, ("GNU.sparse.size", b"1102"), blocks, in_map], b"onetwo".to_vec()),
        ("backwards", vec![major, minor, name, real], map("2\n1100\n3\n1000\n3\n", b"onetwo")),
        ("no end", vec![major, minor, name, real], map("20", b"")),
        ("a huge count", vec![major, minor, name, real], map("9223372036854775807\n", b"")),
        ("out of turn", vec![name, size, blocks, ("GNU.sparse.numbytes", b"3")], b"onetwo".to_vec()),
    ] {
        assert!(is(read(entry(&records, &data)), |error| matches!(error, LayerError::Damaged(_))), "{what}");
    }
    let endless = [name, ("GNU.sparse.size", b"9000000000000000000"), ("GNU.sparse.numblocks", b"1")];
    let grown = read(entry(&[&endless[..], &[("GNU.sparse.map", b"0,1")]].concat(), b"1"));
    assert!(is(grown, |error| matches!(error, LayerError::Grows)));
    // Go does not know this form, so it is an entry like any other.
    let tree = read(entry(&[("GNU.sparse.major", b"7"), name], b"onetwo")).unwrap();
    assert!(tree.get(&[b"GNUSparseFile.1"[..].into(), b"real"[..].into()]).is_some());
}

/// A window that is larger than the share of one layer has room if no other layer is read.
#[test]
fn layers_with_large_windows_are_read_by_themselves() {
    let tar = tar_of(&["f a 1"]);
    // RFC 8878: a frame whose window is 16 MiB, with one block as it is
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 14 << 3];
    let block = u32::try_from(tar.len()).unwrap() << 3 | 1;
    frame.extend(&block.to_le_bytes()[..3]);
    frame.extend(&tar);
    let (shared, alone) = (Memory::shared(), Memory::alone());
    let refused = unpack(&shared, &frame, &frame, &Digest::sha256(&tar));
    assert!(matches!(refused, Err(layers::LayerError::Layer(LayerError::Window(_)))));
    assert!(unpack(&alone, &frame, &frame, &Digest::sha256(&tar)).is_ok());
}

#[test]
fn long_names_of_every_form_are_read() {
    let long = "n/".repeat(120) + "end";
    let memory = Memory::shared();
    let content = |builder: tar::Builder<Vec<u8>>| builder.into_inner().unwrap();
    let mut gnu = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(1);
    header.set_mode(0o644);
    gnu.append_data(&mut header, &long, &b"1"[..]).unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    gnu.append_link(&mut header, "l", &long).unwrap();
    let pax = tar_of(&[&format!("f {long} 1"), &format!("s l {long} mode=0")]);
    // a path in the two fields of POSIX
    let mut prefixed = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_path(&long).unwrap();
    header.set_size(1);
    header.set_mode(0o644);
    header.set_cksum();
    prefixed.append(&header, &b"1"[..]).unwrap();
    for tar in [content(gnu), pax, content(prefixed)] {
        let tree = unpack(&memory, &tar, &tar, &Digest::sha256(&tar)).unwrap();
        let path: Vec<Bytes> = long.split('/').map(|name| name.as_bytes().into()).collect();
        let id = tree.get(&path).unwrap();
        assert!(matches!(tree.inode(id).entry.kind, Kind::File { size: 1, .. }));
        if let Some(link) = tree.get(&[b"l"[..].into()]) {
            assert_eq!(tree.inode(link).entry.kind, Kind::Symlink(long.as_bytes().into()));
        }
    }
}

/// Whatever is changed in a layer, its digest tells; and damage that is signed is an error and no panic.
#[test]
fn damaged_layers_are_errors() {
    let tar = tar_of(&["d a", "f a/b 123 cap", "h c a/b", "s l a/b", "c dev", "p fifo"]);
    let memory = Memory::shared();
    for length in (0..tar.len()).step_by(97) {
        let cut = &tar[..length];
        let _ = unpack(&memory, cut, cut, &Digest::sha256(cut));
    }
    let mut dice = Dice(42);
    let mut refused = 0;
    for _ in 0..800 {
        let mut changed = tar.clone();
        for _ in 0..=dice.roll(3) {
            let at = dice.roll(changed.len());
            changed[at] ^= 1 << dice.roll(8);
        }
        let error = unpack(&memory, &changed, &tar, &Digest::sha256(&tar)).err();
        assert!(changed == tar || matches!(error, Some(layers::LayerError::Layer(LayerError::Blob { .. }))));
        refused += u32::from(unpack(&memory, &changed, &changed, &Digest::sha256(&changed)).is_err());
    }
    assert!(refused > 100, "{refused}");
    // A bomb: zeros packed to a thousandth of their size.
    let mut header = tar::Header::new_ustar();
    header.set_path("zeros").unwrap();
    header.set_size(1 << 30);
    header.set_mode(0o644);
    header.set_cksum();
    let zeros = std::io::repeat(0).take(1 << 30);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::copy(&mut header.as_bytes().chain(zeros), &mut gzip).unwrap();
    let bomb = gzip.finish().unwrap();
    let error = unpack(&memory, &bomb, &bomb, &Digest::sha256(b"")).err();
    assert!(
        matches!(error, Some(layers::LayerError::Layer(LayerError::Grows))),
        "{error:?} of {} bytes",
        bomb.len()
    );
}
