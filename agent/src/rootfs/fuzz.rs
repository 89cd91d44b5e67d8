//! Applies arbitrary layers, and compares trees with others: what differs is found, what does not is not, and nothing panics.

use std::collections::HashMap;

use assay_judge::layer::{Member, MemberKind};
use assay_judge::store::{Blob, BlobContent};
use assay_verifier::oci::{Descriptor, Digest};

use super::apply::{Applier, CAPABILITY, Lower, OPAQUE, Whiteouts};
use super::compare::{Made, compare, matters};
use super::layers;
use super::model::{Nothing, Seeing};
use super::tree::{Bytes, Device, Entry, Id, Kind, Memory, Sha256, Tree};

/// A layer as bytes: whatever becomes of it is equal to itself.
pub(crate) fn layer(bytes: &[u8]) {
    let digest = Digest::sha256(bytes);
    let size = u64::try_from(bytes.len()).unwrap_or(0);
    for whiteouts in [Whiteouts::Remove, Whiteouts::Overlay] {
        let memory = Memory::shared();
        let mut tree = Tree::new(&memory);
        let mut nothing = Nothing;
        let mut applier = Applier::new(&mut tree, whiteouts, &mut nothing, 0);
        let blob = Blob { size, content: BlobContent::Stream(Box::new(bytes)) };
        let descriptor = Descriptor::new("layer", digest.clone(), size);
        if layers::apply(blob, &descriptor, &digest, &mut applier, None).is_ok() {
            let found = compare(&tree, &mut Seeing(&tree), Made::Unpacked);
            assert!(found.findings.is_empty() && !found.is_partial);
        }
    }
}

/// Two layers as lists of entries, six bytes each, of which what differs is told by their listings as well.
pub(crate) fn trees(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let whiteouts = if first & 1 == 0 { Whiteouts::Remove } else { Whiteouts::Overlay };
    let (common, rest) = rest.split_at(rest.len().min(usize::from(first >> 1) * ENTRY));
    let memory = Memory::shared();
    let made = |more: &[u8]| {
        let mut tree = Tree::new(&memory);
        let mut lower = Nothing;
        apply(&mut tree, whiteouts, &mut lower, &[common, more].concat());
        tree
    };
    let (one, other) = (made(&[]), made(rest));
    for (expected, there) in [(&one, &other), (&other, &one), (&other, &other)] {
        let found = compare(expected, &mut Seeing(there), Made::Unpacked);
        assert!(!found.is_partial);
        assert_eq!(found.findings.is_empty(), listing(expected) == listing(there));
    }
}

/// Bytes of an entry.
const ENTRY: usize = 6;

fn apply(tree: &mut Tree<'_>, whiteouts: Whiteouts, lower: &mut dyn Lower, bytes: &[u8]) {
    let mut applier = Applier::new(tree, whiteouts, lower, 0);
    for entry in bytes.chunks_exact(ENTRY) {
        // what is refused leaves the tree as it was, or with the directories on its way
        let _ = applier.apply(&member(entry));
    }
}

fn member(bytes: &[u8]) -> Member {
    const NAMES: [&str; 8] = ["a", "b", "c", ".wh.a", ".wh..wh..opq", "..", "a/b", "b/c"];
    let name = |byte: u8| NAMES[usize::from(byte % 8)];
    let path = |byte: u8| [name(byte & 7), name(byte >> 3 & 7)][..1 + usize::from(byte >> 6 & 1)].join("/");
    let (target, detail) = (path(bytes[2]), u32::from(bytes[5]));
    let kind = match bytes[0] % 8 {
        0 => MemberKind::HardLink(target.into_bytes()),
        1 => MemberKind::Plain(Kind::Symlink(target.into_bytes().into())),
        2 => MemberKind::Plain(Kind::Character(Device(detail % 2, detail % 3))),
        3 => MemberKind::Plain(Kind::Fifo),
        4 | 5 => MemberKind::Plain(Kind::Directory),
        _ => {
            MemberKind::Plain(Kind::File { size: u64::from(detail % 2), content: Sha256([bytes[5] % 2; 32]) })
        }
    };
    let attributes = [CAPABILITY, b"user.a", OPAQUE, b"security.selinux"];
    Member {
        path: path(bytes[1]).into_bytes(),
        kind,
        mode: u32::from(bytes[3]) << 4,
        uid: u32::from(bytes[4] % 2),
        gid: 0,
        mtime: 0,
        xattrs: match bytes[4] >> 4 {
            0..4 => vec![(attributes[usize::from(bytes[4] >> 4)].to_vec(), vec![bytes[5] % 2])],
            _ => Vec::new(),
        },
    }
}

/// Every path with all that is compared, and of names of one file the first of them.
fn listing(tree: &Tree<'_>) -> Vec<(Vec<Bytes>, String)> {
    let mut lines = Vec::new();
    list(tree, Tree::ROOT, &mut Vec::new(), &mut HashMap::new(), &mut lines);
    lines
}

fn list(
    tree: &Tree<'_>,
    id: Id,
    path: &mut Vec<Bytes>,
    first: &mut HashMap<Id, Vec<Bytes>>,
    lines: &mut Vec<(Vec<Bytes>, String)>,
) {
    let Entry { kind, mode, uid, gid, xattrs, .. } = &tree.inode(id).entry;
    // an empty file has one content, and a link no mode
    let kind = match kind {
        Kind::File { size: 0, .. } => Kind::File { size: 0, content: Sha256([0; 32]) },
        kind => kind.clone(),
    };
    let mode = if matches!(kind, Kind::Symlink(_)) { 0 } else { *mode };
    let kept: Vec<_> = xattrs.iter().filter(|(name, _)| matters(name)).collect();
    let file = match kind {
        Kind::Directory => Vec::new(),
        _ => first.entry(id).or_insert_with(|| path.clone()).clone(),
    };
    lines.push((path.clone(), format!("{kind:?} {mode} {uid} {gid} {kept:?} {file:?}")));
    for (name, id) in &tree.inode(id).names {
        path.push(name.clone());
        list(tree, *id, path, first, lines);
        path.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Dice;

    /// What the fuzz targets hold, held on stable Rust for numbers that are the same in every run.
    #[test]
    fn what_differs_is_found_and_nothing_else_is() {
        let mut dice = Dice(0x0061_7373_6179);
        for _ in 0..4_000 {
            let bytes: Vec<u8> = (0..dice.roll(120)).map(|_| dice.roll(256).to_le_bytes()[0]).collect();
            super::trees(&bytes);
            super::layer(&bytes);
        }
    }
}
