//! Changes snapshots in every way, and looks whether each change is found.

use super::apply::{CAPABILITY, OPAQUE, Whiteouts};
use super::compare::{Made, compare};
use super::model::{Nothing, Seeing};
use super::tests::{Below, Dice, apply, paths, sha256};
use super::tree::{Bytes, Device, Entry, Id, Kind, Memory, Tree, WHITEOUT};

/// A layer of every kind of file, and the paths in it.
fn some_layer(dice: &mut Dice) -> Vec<String> {
    let mut lines = vec!["d d0".to_owned()];
    let mut folders = vec!["d0".to_owned()];
    let mut files = Vec::new();
    for number in 0..40 {
        let folder = folders[dice.roll(folders.len())].clone();
        let path = format!("{folder}/{number}");
        let mode = ["mode=644", "mode=755", "mode=4755", "mode=2755", "mode=600"][dice.roll(5)];
        let owner = ["owner=0", "owner=100000", "owner=7"][dice.roll(3)];
        match dice.roll(9) {
            0 | 1 => {
                lines.push(format!("d {path} {owner}"));
                folders.push(path);
            }
            2 => lines.push(format!("s {path} {number}x {owner}")),
            3 => lines.push(format!("c {path} {mode}")),
            4 => lines.push(format!("p {path} {mode}")),
            5 if !files.is_empty() => {
                lines.push(format!("h {path} {} mode=755", files[dice.roll(files.len())]));
            }
            6 => lines.push(format!("f {folder}/.wh.{number} x {owner}")),
            5 => lines.push(format!("f {folder}/implied{number}/in/{number} x")),
            7 if number % 5 == 0 => lines.push(format!("f {folder}/.wh..wh..opq x")),
            7 => lines.push(format!("f {path} {number}y {mode} cap")),
            _ => {
                lines.push(format!("f {path} {number}z {mode} {owner}"));
                files.push(path);
            }
        }
    }
    lines
}

/// One change of a tree, and what it is; none where this one has nothing to change so.
fn mutate(tree: &mut Tree<'_>, dice: &mut Dice) -> Option<&'static str> {
    let mut all = Vec::new();
    paths(tree, Tree::ROOT, &mut all);
    let (directory, name, id) = all[dice.roll(all.len())].clone();
    let (other_directory, other_name, other) = all[dice.roll(all.len())].clone();
    let kind = tree.inode(id).entry.kind.clone();
    let kept = tree.inode(id).entry.clone();
    let entry = &mut tree.inode_mut(id).entry;
    Some(match dice.roll(19) {
        0 => {
            let Kind::File { content, .. } = &mut entry.kind else { return None };
            content.0[dice.roll(32)] ^= 1 << dice.roll(8);
            "a bit of content"
        }
        1 => {
            let Kind::File { size, .. } = &mut entry.kind else { return None };
            *size += 1;
            "a byte more"
        }
        2 if !matches!(kind, Kind::Symlink(_)) => {
            entry.mode ^= 1 << dice.roll(12);
            "a mode"
        }
        3 => {
            entry.uid ^= 1 << dice.roll(32);
            "a user"
        }
        4 => {
            entry.gid ^= 1 << dice.roll(32);
            "a group"
        }
        5 => {
            let attributes =
                [CAPABILITY, OPAQUE, b"user.x", b"trusted.overlay.redirect", b"trusted.overlay.metacopy"];
            entry.xattrs.insert(attributes[dice.roll(5)], b"changed");
            "an attribute"
        }
        6 => {
            entry.xattrs.get(CAPABILITY)?;
            entry.xattrs.remove(CAPABILITY);
            "a capability that is gone"
        }
        7 => {
            let Kind::Symlink(target) = &mut entry.kind else { return None };
            *target = [&**target, b"x"].concat().into();
            "a link's target"
        }
        8 => {
            let Kind::Character(device) = &mut entry.kind else { return None };
            *device = if *device == WHITEOUT { Device(0, 1) } else { Device(device.0, device.1 ^ 1) };
            "a device"
        }
        9 => {
            tree.remove(directory, &name);
            "removed"
        }
        10 => {
            let new = Entry::new(Kind::File { size: 0, content: sha256(b"") }, 0o755);
            tree.add(directory, b"added", new, 0).unwrap();
            "added"
        }
        11 => {
            let new = Entry::new(Kind::Character(WHITEOUT), 0);
            tree.add(directory, b"whiteout", new, 0).unwrap();
            "a whiteout of what is below"
        }
        12 if !matches!(kind, Kind::Character(WHITEOUT)) => {
            tree.add(directory, &name, Entry::new(Kind::Character(WHITEOUT), 0), 0).unwrap();
            "a whiteout in place of a file"
        }
        13 if kind != Kind::Directory => {
            tree.add(directory, &name, Entry::new(Kind::Directory, 0o755), 0).unwrap();
            "a directory in place of a file"
        }
        14 if kind != Kind::Fifo => {
            tree.add(directory, &name, Entry::new(Kind::Fifo, 0o644), 0).unwrap();
            "a pipe in place of a file"
        }
        15 if id != other && kind != Kind::Directory && tree.inode(other).entry.kind != Kind::Directory => {
            if tree.inode(other).entry == kept {
                return None;
            }
            tree.link(directory, &name, other).unwrap();
            tree.link(other_directory, &other_name, id).unwrap();
            "two that are swapped"
        }
        16 if kind != Kind::Directory => {
            tree.link(directory, b"linked", id).unwrap();
            "one more name"
        }
        17 => {
            if kind == Kind::Directory || all.iter().filter(|(.., other)| *other == id).count() < 2 {
                return None;
            }
            tree.add(directory, &name, kept, 0).unwrap();
            "a copy in place of a hard link"
        }
        18 => {
            let hides = |(.., id): &&(Id, Bytes, Id)| tree.inode(*id).entry.xattrs.get(OPAQUE).is_some();
            let id = all.iter().find(hides)?.2;
            tree.inode_mut(id).entry.xattrs.remove(OPAQUE);
            "a directory that does not hide"
        }
        _ => return None,
    })
}

/// Of thousands of changes each is found, and without one nothing is.
#[test]
fn every_mutation_is_found() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut kinds = std::collections::BTreeMap::<&str, u32>::new();
    let mut count = 0;
    while count < 12_000 {
        let memory = Memory::shared();
        let layer = some_layer(&mut dice);
        let lines: Vec<&str> = layer.iter().map(String::as_str).collect();
        let unpacked = |memory| {
            let mut tree = Tree::new(memory);
            apply(&mut tree, &lines, Whiteouts::Overlay, &mut Nothing, 3).unwrap();
            tree
        };
        let mut expected = Tree::new(&memory);
        apply(&mut expected, &lines, Whiteouts::Overlay, &mut Below, 3).unwrap();
        let sound = compare(&expected, &mut Seeing(&unpacked(&memory)), Made::Unpacked);
        assert!(sound.findings.is_empty() && !sound.is_partial && sound.more == 0, "{:?}", sound.findings);
        for _ in 0..30 {
            let mut there = unpacked(&memory);
            let Some(what) = mutate(&mut there, &mut dice) else { continue };
            let found = compare(&expected, &mut Seeing(&there), Made::Unpacked);
            assert!(!found.findings.is_empty(), "{what} is not found in {lines:#?}");
            *kinds.entry(what).or_default() += 1;
            count += 1;
        }
    }
    assert_eq!(kinds.len(), 19, "{kinds:?}");
    assert!(kinds.values().all(|count| *count > 20), "{kinds:?}");
}
