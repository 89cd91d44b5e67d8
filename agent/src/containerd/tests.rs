//! Reads metadata as containerd writes it, damaged metadata made page by page, and metadata changed at random.

use std::io::Read as _;
use std::path::Path;

use super::bolt::{self, BoltError, Item};
use super::catalogue::Catalogue;
use super::metadata;
use super::root::{METADATA, Root, RootProblem};
use assay_judge::store::form::{StoreForm, Whole};
use assay_report::Namespace;

const PAGE: usize = 4096;

/// What is under a key of a page made here.
enum Put<'v> {
    Value(&'v [u8]),
    /// A bucket with its root on that page.
    Bucket(u64),
    /// A bucket within the page.
    Inline(&'v [(&'v str, &'v str)]),
}

/// A file of pages: two metas, then `pages` from number 2 on; the root bucket is on page 2.
fn file(pages: &[Vec<u8>]) -> Vec<u8> {
    let end = 2 + pages.iter().map(|page| page.len() / PAGE).sum::<usize>() as u64;
    [&meta(0, 2, end, 7)[..], &meta(1, 2, end, 6)]
        .into_iter()
        .chain(pages.iter().map(Vec::as_slice))
        .collect::<Vec<_>>()
        .concat()
}

fn meta(number: u64, root: u64, end: u64, transaction: u64) -> Vec<u8> {
    let mut meta = Vec::new();
    for word in [0xed0c_daed, 2, PAGE as u32, 0] {
        meta.extend(word.to_le_bytes());
    }
    for long in [root, 0, 0, end, transaction] {
        meta.extend(long.to_le_bytes());
    }
    meta.extend(bolt::fnv1a(&meta).to_le_bytes());
    page(number, 0x04, 0, &meta)
}

fn page(number: u64, kind: u16, count: usize, rest: &[u8]) -> Vec<u8> {
    let length = (16 + rest.len()).next_multiple_of(PAGE);
    let mut page = unpadded(number, kind, count, length / PAGE - 1, rest);
    page.resize(length, 0);
    page
}

fn unpadded(number: u64, kind: u16, count: usize, overflow: usize, rest: &[u8]) -> Vec<u8> {
    let mut page = number.to_le_bytes().to_vec();
    page.extend(kind.to_le_bytes());
    page.extend((count as u16).to_le_bytes());
    page.extend((overflow as u32).to_le_bytes());
    page.extend(rest);
    page
}

fn branch(number: u64, children: &[u64]) -> Vec<u8> {
    let elements =
        children.iter().flat_map(|child| [&[0; 8][..], &child.to_le_bytes()].concat()).collect::<Vec<_>>();
    page(number, 0x01, children.len(), &elements)
}

fn leaf(number: u64, entries: &[(&str, Put<'_>)]) -> Vec<u8> {
    page(number, 0x02, entries.len(), &elements(entries))
}

fn elements(entries: &[(&str, Put<'_>)]) -> Vec<u8> {
    let (mut elements, mut data) = (Vec::new(), Vec::new());
    for (index, (key, put)) in entries.iter().enumerate() {
        let value = match put {
            Put::Value(value) => value.to_vec(),
            Put::Bucket(root) => [root.to_le_bytes(), [0; 8]].concat(),
            Put::Inline(entries) => {
                let entries: Vec<_> =
                    entries.iter().map(|(key, value)| (*key, Put::Value(value.as_bytes()))).collect();
                [vec![0; 16], unpadded(0, 0x02, entries.len(), 0, &self::elements(&entries))].concat()
            }
        };
        let position = (entries.len() - index) * 16 + data.len();
        let is_bucket = u32::from(!matches!(put, Put::Value(_)));
        for word in [is_bucket, position as u32, key.len() as u32, value.len() as u32] {
            elements.extend(word.to_le_bytes());
        }
        data.extend(key.as_bytes());
        data.extend(value);
    }
    [elements, data].concat()
}

/// Every key, its bucket's keys below it, as `a/b=value`.
fn keys(file: &[u8]) -> Result<Vec<String>, BoltError> {
    fn walk(bucket: &bolt::Bucket<'_, [u8]>, path: &str, keys: &mut Vec<String>) -> Result<(), BoltError> {
        bucket.each(|key, item| {
            let path = format!("{path}{}", String::from_utf8_lossy(key));
            match item {
                Item::Value(value) => keys.push(format!("{path}={}", String::from_utf8_lossy(value))),
                Item::Bucket(inner) => walk(&inner, &format!("{path}/"), keys)?,
            }
            Ok(())
        })
    }
    bolt::read(file, |root| {
        let mut keys = Vec::new();
        walk(&root, "", &mut keys)?;
        Ok(keys)
    })
}

#[test]
fn buckets_are_read_in_the_order_of_their_keys() {
    let long = "x".repeat(3 * PAGE);
    let sound = file(&[
        branch(2, &[4, 3]),
        leaf(3, &[("c", Put::Inline(&[("1", "a"), ("2", "b")])), ("d", Put::Bucket(5))]),
        leaf(4, &[("a", Put::Value(b"v")), ("b", Put::Value(b""))]),
        leaf(5, &[("e", Put::Value(long.as_bytes()))]),
    ]);
    assert_eq!(keys(&sound).unwrap(), ["a=v", "b=", "c/1=a", "c/2=b", &format!("d/e={long}")]);
    assert_eq!(keys(&file(&[leaf(2, &[])])).unwrap(), [""; 0]);
}

#[test]
fn the_newest_whole_transaction_counts() {
    let pages = || [leaf(2, &[("old", Put::Value(b""))]), leaf(3, &[("new", Put::Value(b""))])].concat();
    let with = |first: Vec<u8>, second: Vec<u8>| keys(&[first, second, pages()].concat());
    let torn = |mut meta: Vec<u8>| {
        meta[40] ^= 1;
        meta
    };
    assert_eq!(with(meta(0, 2, 4, 6), meta(1, 3, 4, 7)).unwrap(), ["new="]);
    assert_eq!(with(meta(0, 3, 4, 8), meta(1, 2, 4, 7)).unwrap(), ["new="]);
    assert_eq!(with(meta(0, 2, 4, 6), torn(meta(1, 3, 4, 7))).unwrap(), ["old="]);
    assert_eq!(with(torn(meta(0, 2, 4, 8)), meta(1, 3, 4, 7)).unwrap(), ["new="]);
    assert_eq!(with(torn(meta(0, 2, 4, 6)), torn(meta(1, 3, 4, 7))), Err(BoltError::NoMeta));
    assert_eq!(keys(b""), Err(BoltError::NoMeta));
}

/// A file into which a transaction is committed after so many reads.
struct Live {
    before: Vec<u8>,
    after: Vec<u8>,
    reads: std::cell::Cell<usize>,
    commits: usize,
}

impl bolt::Pages for Live {
    fn fill(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
        let reads = self.reads.get();
        self.reads.set(reads + 1);
        // Each read sees the next transaction. After the last one, reads see that.
        if reads < self.commits {
            let mut bytes = self.before.clone();
            let [one, other] = [2 * reads as u64, 2 * reads as u64 + 1];
            bytes[..PAGE].copy_from_slice(&meta(0, 2, 3, one));
            bytes[PAGE..2 * PAGE].copy_from_slice(&meta(1, 2, 3, other));
            return bytes[..].fill(buffer, offset);
        }
        self.after[..].fill(buffer, offset)
    }
}

#[test]
fn what_was_overtaken_is_read_anew() {
    let live = |commits| Live {
        before: file(&[leaf(2, &[("before", Put::Value(b""))])]),
        after: [meta(0, 2, 3, 1000), meta(1, 2, 3, 1001), leaf(2, &[("after", Put::Value(b""))])].concat(),
        reads: std::cell::Cell::new(0),
        commits,
    };
    let read = |live: &Live| {
        bolt::read(live, |root| {
            let mut keys = Vec::new();
            root.each(|key, _| {
                keys.push(String::from_utf8_lossy(key).into_owned());
                Ok(())
            })?;
            Ok(keys)
        })
    };
    for commits in 0..20 {
        assert_eq!(read(&live(commits)).unwrap(), ["after"], "{commits}");
    }
    assert_eq!(read(&live(usize::MAX)), Err(BoltError::Busy));
}

#[test]
fn damage_is_named() {
    let value = || Put::Value(b"");
    let ordinary = || leaf(2, &[("a", value())]);
    let set = |at: usize, bytes: &[u8]| {
        let mut page = ordinary();
        page[at..at + bytes.len()].copy_from_slice(bytes);
        file(&[page])
    };
    let deep: Vec<Vec<u8>> = (2..40).map(|number| branch(number, &[number + 1])).collect();
    for (why, bytes, flaw) in [
        ("a page past the end", file(&[branch(2, &[9])]), BoltError::Outside { page: 9 }),
        ("a meta page as a leaf", file(&[branch(2, &[1])]), BoltError::Outside { page: 1 }),
        (
            "a page that is cut off",
            file(&[ordinary()])[..2 * PAGE + 100].to_vec(),
            BoltError::Outside { page: 2 },
        ),
        ("a cycle", file(&[branch(2, &[2])]), BoltError::Twice { page: 2 }),
        ("one page in two places", file(&[branch(2, &[3, 3]), leaf(3, &[])]), BoltError::Twice { page: 3 }),
        ("a bucket in itself", file(&[leaf(2, &[("a", Put::Bucket(2))])]), BoltError::Twice { page: 2 }),
        ("pages too deep", file(&deep), BoltError::TooDeep),
        ("another number", set(0, &[9]), BoltError::Number { page: 2 }),
        ("a free list", set(8, &[0x10]), BoltError::RecordKind { page: 2 }),
        ("an empty branch", file(&[branch(2, &[])]), BoltError::RecordKind { page: 2 }),
        ("overflow past the end", set(12, &[1]), BoltError::Outside { page: 2 }),
        ("overflow past all bounds", set(12, &[0xff; 4]), BoltError::TooLarge { page: 2 }),
        ("more elements than a page has room for", set(10, &[0xff, 0xff]), BoltError::Element { page: 2 }),
        ("a key among the elements", set(20, &[0]), BoltError::Element { page: 2 }),
        ("a key outside the page", set(20, &[0xff; 4]), BoltError::Element { page: 2 }),
        ("an endless key", set(24, &[0xff; 4]), BoltError::Element { page: 2 }),
        ("an endless value", set(28, &[0xff; 4]), BoltError::Element { page: 2 }),
        ("a bucket without a header", set(16, &[1]), BoltError::Element { page: 2 }),
        ("a key twice", file(&[leaf(2, &[("a", value()), ("a", value())])]), BoltError::Order { page: 2 }),
        (
            "keys out of order from page to page",
            file(&[branch(2, &[3, 4]), leaf(3, &[("b", value())]), leaf(4, &[("a", value())])]),
            BoltError::Order { page: 4 },
        ),
    ] {
        assert_eq!(keys(&bytes), Err(flaw), "{why}");
    }
}

fn namespaces(names: &[&str]) -> Vec<Namespace> {
    names.iter().filter_map(|name| Namespace::new(name)).collect()
}

fn list(file: &[u8], wanted: &[&str]) -> Result<Option<Catalogue>, BoltError> {
    bolt::read(file, |root| metadata::read(&root, &namespaces(wanted)))
}

/// Metadata that a containerd of that version wrote.
fn recorded(version: &str) -> Vec<u8> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../fixtures/containerd/meta-{version}.db.gz"));
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn what_each_release_wrote_is_read() {
    for version in ["1.6", "2.2"] {
        let file = recorded(version);
        let listing = list(&file, &[]).unwrap().unwrap().listing;
        assert_eq!(listing.namespaces, namespaces(&["default", "k8s.io"]));
        assert_eq!(listing.unreadable, []);
        let names: Vec<&str> = listing
            .records
            .iter()
            .filter(|record| record.namespace == Namespace::new("k8s.io"))
            .map(|record| record.name.as_str())
            .collect();
        let mut expected: Vec<String> = [
            "corrupt",
            "discarded",
            "longer",
            "lost",
            "multi",
            "signed",
            "sleeper",
            "tampered",
            "truncated",
            "unsigned",
        ]
        .map(|name| format!("registry.example.test/team/{name}:v1"))
        .to_vec();
        expected.insert(0, "other.example.test/a:v2".to_owned());
        assert_eq!(names, expected);
        let used: Vec<(Option<&str>, bool)> = listing
            .containers
            .iter()
            .map(|container| (container.image.as_deref(), container.snapshot.is_some()))
            .collect();
        assert_eq!(
            used,
            [
                (Some("registry.example.test/team/sleeper:v1"), true),
                (Some("registry.example.test/team/removed:v1"), true)
            ]
        );
        let one = list(&file, &["default", "none"]).unwrap().unwrap().listing;
        assert_eq!((one.namespaces, one.unreadable.len()), (namespaces(&["default"]), 1));
    }
}

#[test]
fn a_namespace_without_a_name_is_said() {
    let unnamed = file(&[
        leaf(2, &[("v1", Put::Bucket(3))]),
        leaf(3, &[("", Put::Inline(&[])), ("k8s.io", Put::Inline(&[]))]),
    ]);
    let listing = list(&unnamed, &[]).unwrap().unwrap().listing;
    assert_eq!((listing.namespaces, listing.unreadable.len()), (namespaces(&["k8s.io"]), 1));
}

#[test]
fn another_database_is_not_taken_for_containerds() {
    assert!(list(&file(&[leaf(2, &[("key", Put::Bucket(3))]), leaf(3, &[])]), &[]).unwrap().is_none());
    assert!(list(&file(&[leaf(2, &[("v1", Put::Value(b""))])]), &[]).unwrap().is_none());
}

#[test]
fn records_that_are_odd_are_named_and_hide_no_others() {
    let digest = format!("sha256:{}", "ab".repeat(32));
    let target: &[(&str, &str)] = &[("digest", &digest), ("mediatype", "m"), ("size", "\u{2}")];
    let bytes = file(&[
        leaf(2, &[("v1", Put::Bucket(3))]),
        leaf(3, &[("n", Put::Bucket(4)), ("version", Put::Value(&[6]))]),
        leaf(4, &[("containers", Put::Value(b"")), ("images", Put::Bucket(5))]),
        leaf(
            5,
            &[
                ("a-good", Put::Bucket(6)),
                ("b-value", Put::Value(b"")),
                ("c-no-target", Put::Inline(&[])),
                ("d-no-size", Put::Bucket(7)),
            ],
        ),
        leaf(6, &[("target", Put::Inline(target))]),
        leaf(7, &[("target", Put::Inline(&[("digest", &digest), ("size", "")]))]),
    ]);
    let listing = list(&bytes, &[]).unwrap().unwrap().listing;
    assert_eq!(listing.records.iter().map(|record| record.name.as_str()).collect::<Vec<_>>(), ["a-good"]);
    let odd: Vec<&str> = listing.unreadable.iter().map(|one| one.what.as_str()).collect();
    assert_eq!(odd, ["n: container", "n: image b-value", "n: image c-no-target", "n: image d-no-size"]);
}

/// Bytes that matter are changed at random. The reader gives a result or an error, and always ends.
#[test]
fn nothing_that_is_changed_at_random_breaks_the_reader() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 16).unwrap() % below
    };
    for version in ["1.6", "2.2"] {
        let sound = recorded(version);
        // Change pages that are in use, not free ones.
        let used: Vec<usize> = (2..sound.len() / PAGE).filter(|page| sound[page * PAGE + 10] != 0).collect();
        for _ in 0..2000 {
            let mut file = sound.clone();
            for _ in 0..=random(3) {
                let page = used[random(used.len())] * PAGE;
                // Change headers and elements more often than keys and values.
                let at = page + if random(3) > 0 { random(200) } else { random(PAGE) };
                file[at] = if random(2) == 0 {
                    file[at] ^ 1 << random(8)
                } else {
                    u8::try_from(random(256)).unwrap()
                };
            }
            if random(50) == 0 {
                file.truncate(random(sound.len()));
            }
            let _ = list(&file, &[]);
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "tests write scratch folders")]
fn a_folder_that_is_not_a_root_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let problem = |path: &Path| Root::open(path, &[]).err().unwrap().problem;
    std::fs::write(path("layout.tar"), "").unwrap();
    assert!(matches!(problem(&path("layout.tar")), RootProblem::NotAFolder));
    std::fs::create_dir_all(path("layout")).unwrap();
    std::fs::write(path("layout/oci-layout"), "").unwrap();
    std::fs::create_dir_all(path("lib/containerd").join(METADATA)).unwrap();
    let above = StoreForm::Above { folder: path("lib/containerd"), whole: Whole::Root };
    for (name, form) in [("layout", StoreForm::Whole(Whole::Layout)), ("lib", above)] {
        let problem = problem(&path(name));
        assert!(matches!(&problem, RootProblem::NoMetadata(Some(found)) if *found == form), "{problem:?}");
    }
}
