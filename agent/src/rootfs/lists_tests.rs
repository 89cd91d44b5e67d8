//! Lists of layers' files: they give the same entries as the layers, and nothing that was changed in them passes.

use assay_judge::layer::{self, LayerError, Member};
use assay_report::bundle::CarriedLayerFiles;
use assay_verifier::oci::{Descriptor, Digest};

use super::tests::{Dice, member, packed, tar_of};

/// Asserts that the entries of these lines are the same in a tar and in its list.
pub(super) fn check_list(lines: &[&str]) {
    let mut expected: Vec<Member> = lines.iter().map(|line| member(line).0).collect();
    // records are in the order of their names
    expected.iter_mut().for_each(|member| member.xattrs.sort());
    let tar = tar_of(lines);
    let diff_id = Digest::sha256(&tar);
    assert_eq!(from_layer(&tar, &diff_id), expected);
    let (list, carried) = list_of(&tar, &diff_id);
    assert_eq!(from_list(&list, &carried).unwrap(), expected);
}

/// Asserts that the entries of a layer, however it is packed, are the same in its list.
pub(super) fn check_layer(blob: &[u8], diff_id: &Digest) {
    let (list, carried) = list_of(blob, diff_id);
    assert_eq!(from_list(&list, &carried).unwrap(), from_layer(blob, diff_id));
}

fn from_layer(blob: &[u8], diff_id: &Digest) -> Vec<Member> {
    let layer = Descriptor::new("layer", Digest::sha256(blob), blob.len() as u64);
    let mut members = Vec::new();
    layer::read(blob, &layer, diff_id, |member| -> Result<(), LayerError> {
        members.push(member.clone());
        Ok(())
    })
    .unwrap();
    members
}

/// The list of the layer that is `blob`.
fn list_of(blob: &[u8], diff_id: &Digest) -> (Vec<u8>, CarriedLayerFiles) {
    let layer = Descriptor::new("layer", Digest::sha256(blob), blob.len() as u64);
    let mut list = Vec::new();
    let entries = layer::write_list(blob, &layer, diff_id, &mut list).unwrap();
    let carried = carried(&list, layer.digest, diff_id.clone(), entries);
    (list, carried)
}

fn carried(list: &[u8], layer: Digest, diff_id: Digest, entries: u64) -> CarriedLayerFiles {
    CarriedLayerFiles { layer, diff_id, list: Digest::sha256(list), size: list.len() as u64, entries }
}

fn from_list(list: &[u8], carried: &CarriedLayerFiles) -> Result<Vec<Member>, LayerError> {
    let mut members = Vec::new();
    layer::read_list(list, carried, |member| -> Result<(), LayerError> {
        members.push(member.clone());
        Ok(())
    })?;
    Ok(members)
}

const LINES: [&str; 8] = [
    "d a",
    "f a/b 123 cap owner=4000000000 mode=4755",
    "f a/.wh.c x",
    "f a/.wh..wh..opq x",
    "h c a/b",
    "s l a/b",
    "c dev",
    "g pax_global_header",
];

/// Equal layers give equal lists, however they are packed.
#[test]
fn lists_are_deterministic_and_read_from_every_packing() {
    let tar = tar_of(&LINES);
    let diff_id = Digest::sha256(&tar);
    for blob in packed(&tar) {
        let (list, files) = list_of(&blob, &diff_id);
        assert_eq!(list, list_of(&blob, &diff_id).0);
        assert_eq!(files.entries, LINES.len() as u64);
        assert_eq!(from_list(&list, &files).unwrap(), from_layer(&tar, &diff_id));
    }
}

/// A layer that is not what its digests say has no list.
#[test]
fn layers_that_are_not_the_signed_ones_are_not_listed() {
    let tar = tar_of(&LINES);
    let layer = Descriptor::new("layer", Digest::sha256(&tar), tar.len() as u64);
    let changed = [&tar[..], b"x"].concat();
    for (blob, diff_id) in [(&changed, Digest::sha256(&tar)), (&tar, Digest::sha256(b"other"))] {
        assert!(layer::write_list(&blob[..], &layer, &diff_id, &mut Vec::new()).is_err());
    }
}

/// Whatever is changed in a list, its digest tells; and what is wrong in a list that a bundle names is an error and no panic.
#[test]
fn damaged_lists_are_errors() {
    let tar = tar_of(&LINES);
    let (list, files) = list_of(&tar, &Digest::sha256(&tar));
    let named = |list: &[u8]| carried(list, files.layer.clone(), files.diff_id.clone(), files.entries);
    for length in 0..list.len() {
        let cut = &list[..length];
        assert!(matches!(from_list(cut, &files), Err(LayerError::Blob { .. })), "{length}");
        assert!(from_list(cut, &named(cut)).is_err(), "{length}");
    }
    let more = [&list[..], &list].concat();
    assert!(from_list(&more, &named(&more)).is_err());
    let mut dice = Dice(42);
    for _ in 0..800 {
        let mut changed = list.clone();
        let at = dice.roll(changed.len());
        changed[at] ^= 1 << dice.roll(8);
        assert!(matches!(from_list(&changed, &files), Err(LayerError::Blob { .. })));
        let _ = from_list(&changed, &named(&changed));
    }

    let other = CarriedLayerFiles { layer: Digest::sha256(b"other"), ..files.clone() };
    assert!(matches!(from_list(&list, &other), Err(LayerError::OtherLayer { .. })));
    let other = CarriedLayerFiles { diff_id: Digest::sha256(b"other"), ..files.clone() };
    assert!(matches!(from_list(&list, &other), Err(LayerError::OtherLayer { .. })));
    let other = CarriedLayerFiles { entries: files.entries + 1, ..files.clone() };
    assert!(matches!(from_list(&list, &other), Err(LayerError::Damaged(_))));

    let rewritten = |change: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        let mut plain = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&list[..]), &mut plain).unwrap();
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packed, &change(plain)).unwrap();
        let list = packed.finish().unwrap();
        from_list(&list, &named(&list))
    };
    assert!(rewritten(&|plain| plain).is_ok());
    let later =
        rewritten(&|plain| [b"assay/layer-files/v2", &plain[b"assay/layer-files/v1".len()..]].concat());
    assert!(matches!(later, Err(LayerError::Version(version)) if version == "assay/layer-files/v2"));
    for (what, change) in [
        (
            "bytes after the end",
            (&|plain: Vec<u8>| [&plain[..], b"x"].concat()) as &dyn Fn(Vec<u8>) -> Vec<u8>,
        ),
        ("no number of entries", &|plain| plain[..plain.len() - 8].to_vec()),
        ("no end", &|plain| plain[..plain.len() - 8 - 1_024].to_vec()),
        ("no first line", &|plain| vec![b'x'; plain.len()]),
        ("nothing", &|_| Vec::new()),
    ] {
        assert!(matches!(rewritten(change), Err(LayerError::Damaged(_))), "{what}");
    }
}
