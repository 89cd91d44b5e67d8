//! Gives the agent archives that were made to mislead or to break their reader: none passes, and none makes it wait.

use std::fs;

use assay_fixtures::archive;
use assay_fixtures::layout::Layout;
use assay_report::NodeReport;
use assay_tests::published::{GOOD, Published, reference};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use tar::{EntryType, Header};

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");

/// A store with a signed image and an unsigned one.
fn published() -> Published {
    let mut published = Published::new(AGENT);
    published.image("team/signed", &[GOOD]);
    published.image("team/unsigned", &[]);
    published.write();
    published
}

fn packed(tar: &[u8]) -> [(&'static str, Vec<u8>); 3] {
    [
        ("tar", tar.to_vec()),
        ("tar.gz", archive::gzip(tar)),
        ("tar.zst", compress_to_vec(tar, CompressionLevel::Fastest)),
    ]
}

/// A member with that header, however wrong.
fn member(path: &str, kind: EntryType, size: u64, content: &[u8]) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(size);
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_cksum();
    let mut member = header.as_bytes().to_vec();
    member.extend(content);
    member.resize(member.len().next_multiple_of(512), 0);
    member
}

/// One record of a pax header, its own length included.
fn pax(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let length = (1..9)
        .map(|digits| rest.len() + digits)
        .find(|length| length.to_string().len() + rest.len() == *length);
    format!("{}{rest}", length.unwrap()).into_bytes()
}

#[test]
fn members_that_mislead_are_refused() {
    let published = published();
    // without the zeros at the end, so that more can follow
    let mut good = published.images.tar();
    good.truncate(good.len() - 1024);
    let mut other = Layout::new();
    other.name(&other.clone().add("m", b"other".to_vec()), &reference("team/other"));
    let index = other.files()["index.json"].clone();
    let regular = |path: &str| member(path, EntryType::Regular, index.len() as u64, &index);
    let renamed = [
        member("pax", EntryType::XHeader, pax("path", "index.json").len() as u64, &pax("path", "index.json")),
        regular("harmless"),
    ];
    let long = [member("././@LongLink", EntryType::GNULongName, 11, b"index.json\0"), regular("harmless")];
    for (why, more) in [
        ("a second index", regular("index.json")),
        ("a second index by another path", regular("./index.json")),
        ("a second index under a pax name", renamed.concat()),
        ("a second index under a long name", long.concat()),
        ("a second index that is a link", member("index.json", EntryType::Symlink, 0, b"")),
        (
            "a second index that is sparse",
            member("index.json", EntryType::GNUSparse, index.len() as u64, &index),
        ),
        ("a member without an end", member("blobs/sha256/x", EntryType::Regular, 1 << 40, b"short")),
        ("a member larger than any file", member("x", EntryType::Regular, (1 << 33) - 1, b"")),
        ("a header whose checksum is wrong", vec![b'x'; 512]),
    ] {
        let tar = [&good[..], &more, &[0; 1024]].concat();
        for (kind, bytes) in packed(&tar) {
            let path = published.path(format!("store.{kind}").as_str());
            fs::write(&path, bytes).unwrap();
            println!("{why}, {kind}");
            let report = published.verify(&format!("layout:{}", path.display()), &[]).expect_code(3).report();
            assert_eq!((report.images.len(), report.coverage.unreadable.len()), (0, 1), "{why}, {kind}");
        }
    }
}

/// Names that mean nothing in a layout neither add to it nor take its place.
#[test]
fn members_that_no_layout_has_are_passed_over() {
    let published = published();
    let mut good = published.images.tar();
    good.truncate(good.len() - 1024);
    let more = [
        "/index.json",
        "../index.json",
        "x/../index.json",
        "index.json/",
        ".//index.json",
        "INDEX.JSON",
        "blobs/sha256/..",
        "blobs/sha256/zz",
    ]
    .map(|path| member(path, EntryType::Regular, 2, b"{}"))
    .concat();
    let tar = [&good[..], &more, &[0; 1024]].concat();
    for (kind, bytes) in packed(&tar) {
        let path = published.path(format!("store.{kind}").as_str());
        fs::write(&path, bytes).unwrap();
        let report = published.verify(&format!("layout:{}", path.display()), &[]).expect_code(1).report();
        assert_eq!(passed(&report), [reference("team/signed")], "{kind}");
    }
}

/// Bytes changed at random in a store and in a bundle: there is always an answer, and what is not signed never passes.
#[test]
fn nothing_that_is_changed_at_random_passes() {
    let published = published();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 16).unwrap() % below
    };
    let signed = [reference("team/signed")];
    for (kind, sound) in packed(&published.images.tar()) {
        for round in 0..25 {
            let mut bytes = sound.clone();
            for _ in 0..=random(4) {
                let at = random(bytes.len());
                bytes[at] ^= 1 << random(8);
            }
            let path = published.path(format!("store.{kind}").as_str());
            fs::write(&path, bytes).unwrap();
            let done = published.verify(&format!("layout:{}", path.display()), &[]);
            assert!(matches!(done.code, Some(1 | 3)), "{kind} {round}: {:?} {}", done.code, done.stderr);
            let report = done.report();
            assert!(passed(&report).iter().all(|name| signed.contains(name)), "{kind} {round}");
        }
    }
}

fn passed(report: &NodeReport) -> Vec<String> {
    let passed = report.images.iter().filter(|image| image.reason.is_none());
    passed.flat_map(|image| image.references.iter().cloned()).collect()
}
