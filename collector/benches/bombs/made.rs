//! The bombs, made when they are needed.

use std::io::Write as _;

use assay_verifier::limits;
use assay_verifier::oci::{Digest, media_type};
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

/// What a file claims to be.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Layout,
    Evidence,
    Report,
}

/// A bomb's name, what it claims to be, and what makes it.
type Bomb = (&'static str, Kind, fn() -> Vec<u8>);

const LAYOUT: (&str, &[u8]) = ("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);

/// Every bomb by its name.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, Kind, Vec<u8>)> {
    let made: [Bomb; 24] = [
        ("zst-window-128m", Kind::Layout, || zeros_in_frames(0x88)),
        ("zst-window-32m", Kind::Layout, || zeros_in_frames(0x78)),
        ("zst-block", Kind::Layout, one_block),
        ("zst-zeros", Kind::Layout, || zstd(&vec![0; 256 << 20])),
        ("gz-zeros", Kind::Layout, || gzip(&vec![0; 256 << 20])),
        ("gz-empty-members", Kind::Layout, || gzip(b"").repeat(50_000)),
        ("zst-empty-frames", Kind::Layout, || zstd(b"").repeat(100_000)),
        ("tar-names", Kind::Layout, || zstd(&names())),
        ("tar-members", Kind::Layout, || zstd(&members())),
        ("tar-sparse", Kind::Layout, || zstd(&sparse())),
        ("manifests-kept", Kind::Layout, || zstd(&kept())),
        ("indexes", Kind::Layout, || zstd(&indexes(40, limits::INDEX_ENTRIES - 1))),
        ("indexes-small", Kind::Layout, || zstd(&indexes(5_000, 100))),
        ("index-json-numbers", Kind::Layout, || zstd(&index_json("1", 7_000_000))),
        ("index-json-lists", Kind::Layout, || zstd(&index_json("[]", 5_000_000))),
        ("index-json-annotations", Kind::Layout, || zstd(&annotations())),
        ("index-json-names", Kind::Layout, || zstd(&named(60_000))),
        ("one-blob-many-sizes", Kind::Layout, || zstd(&sizes())),
        ("one-manifest-many-images", Kind::Layout, || zstd(&shared_manifest())),
        ("bundle-json-gaps", Kind::Layout, || zstd(&gaps())),
        ("evidence-list", Kind::Evidence, || {
            zstd(&evidence(&[b"{\"a\":[", &b"1,".repeat(7_000_000)[..], b"1]}"].concat()))
        }),
        ("evidence-member", Kind::Evidence, || zstd(&evidence(&vec![b' '; 300 << 20]))),
        ("evidence-names", Kind::Evidence, || zstd(&names())),
        ("report-lists", Kind::Report, || {
            [b"{\"schema\":\"assay/node-report/v1\",\"images\":[", &b"[],".repeat(20_000_000)[..], b"[]]}"]
                .concat()
        }),
    ];
    made.into_iter().map(|(name, kind, make)| (name, kind, make()))
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    bytes.chunks(4 << 20).map(|part| compress_to_vec(part, CompressionLevel::Fastest)).fold(
        if bytes.is_empty() { compress_to_vec(bytes, CompressionLevel::Fastest) } else { Vec::new() },
        |all, frame| [all, frame].concat(),
    )
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(bytes).expect("memory");
    writer.finish().expect("memory")
}

/// A member's header and content; the name may be long.
fn member(tar: &mut Vec<u8>, name: &str, kind: tar::EntryType, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_entry_type(kind);
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_cksum();
    tar.extend_from_slice(header.as_bytes());
    tar.extend_from_slice(content);
    tar.resize(tar.len().next_multiple_of(512), 0);
}

fn file(tar: &mut Vec<u8>, name: &str, content: &[u8]) {
    member(tar, name, tar::EntryType::Regular, content);
}

fn blob(tar: &mut Vec<u8>, content: &[u8]) -> Digest {
    let digest = Digest::sha256(content);
    file(tar, &format!("blobs/sha256/{}", digest.hex()), content);
    digest
}

fn layout(index: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    file(&mut tar, LAYOUT.0, LAYOUT.1);
    file(&mut tar, "index.json", index);
    tar
}

fn entry(media_type: &str, digest: &str, size: usize, name: Option<&str>) -> String {
    let name = name.map(|name| format!(r#","annotations":{{"io.containerd.image.name":"{name}"}}"#));
    format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}{}}}"#, name.unwrap_or_default())
}

fn index(entries: &[String]) -> Vec<u8> {
    format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(",")).into_bytes()
}

/// A digest of nothing that is there.
fn absent(number: usize) -> String {
    format!("sha256:{number:064x}")
}

/// Frames of zeros behind the header of a layer.
fn zeros_in_frames(window: u8) -> Vec<u8> {
    let mut tar = layout(br#"{"manifests":[]}"#);
    let mut header = tar::Header::new_gnu();
    header.set_size(200 << 20);
    let name = format!("blobs/sha256/{:064x}", 1);
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_cksum();
    tar.extend_from_slice(header.as_bytes());
    let mut bytes = zstd(&tar);
    // 200 MiB as blocks of one repeated byte, 128 KiB each
    bytes.extend_from_slice(&[0x28, 0xb5, 0x2f, 0xfd, 0, window]);
    for block in 0..1_600_u32 {
        let header = 128 << 10 << 3 | 1 << 1 | u32::from(block == 1_599);
        bytes.extend_from_slice(&header.to_le_bytes()[..3]);
        bytes.push(0);
    }
    bytes
}

/// Thousands of the longest matches in one block.
fn one_block() -> Vec<u8> {
    let bits = vec![0xff; 100_000];
    let matches = u16::try_from(bits.len() / 2 - 0x7f00).expect("a constant").to_le_bytes();
    let block = [&[0, 0xff][..], &matches, &[0x54, 0, 0, 52], &bits, &[1]].concat();
    let header = u32::try_from(block.len()).expect("a constant") << 3 | 2 << 1 | 1;
    let repeated = [&[0x28, 0xb5, 0x2f, 0xfd, 0, 0x38, 10 << 3 | 1 << 1, 0, 0, b'a'][..]].concat();
    [&repeated, &header.to_le_bytes()[..3], &block].concat()
}

fn names() -> Vec<u8> {
    let mut tar = layout(br#"{"manifests":[]}"#);
    let name = vec![b'a'; usize::try_from(limits::ARCHIVE_HEADER_BYTES).expect("a constant") - 4_096];
    for _ in 0..2_000 {
        member(&mut tar, "././@LongLink", tar::EntryType::GNULongName, &name);
        file(&mut tar, "a", b"");
    }
    tar
}

fn members() -> Vec<u8> {
    let mut tar = layout(br#"{"manifests":[]}"#);
    for number in 0..limits::ARCHIVE_MEMBERS {
        file(&mut tar, &format!("blobs/sha256/{number:064x}"), b"");
    }
    tar
}

fn sparse() -> Vec<u8> {
    let mut tar = layout(br#"{"manifests":[]}"#);
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNUSparse);
    header.as_mut_bytes()[..6].copy_from_slice(b"unused");
    let gnu = header.as_gnu_mut().expect("a GNU header");
    gnu.sparse[0].offset.copy_from_slice(b"777777777777");
    gnu.sparse[0].numbytes.copy_from_slice(b"00000000000\0");
    gnu.realsize.copy_from_slice(b"777777777777");
    header.set_size(0);
    header.set_cksum();
    tar.extend_from_slice(header.as_bytes());
    tar
}

fn kept() -> Vec<u8> {
    let mut tar = layout(br#"{"manifests":[]}"#);
    for number in 0..100 {
        let mut content = vec![b' '; 4 << 20];
        let head = format!("{{{number}");
        content[..head.len()].copy_from_slice(head.as_bytes());
        blob(&mut tar, &content);
    }
    tar
}

fn indexes(count: usize, entries: usize) -> Vec<u8> {
    let mut blobs = Vec::new();
    let mut listed = Vec::new();
    for at in 0..count {
        let entries: Vec<String> = (0..entries)
            .map(|number| entry(media_type::OCI_MANIFEST, &absent(at * entries + number), 1, None))
            .collect();
        let bytes = index(&entries);
        let digest = blob(&mut blobs, &bytes);
        listed.push(entry(media_type::OCI_INDEX, digest.as_str(), bytes.len(), None));
    }
    [layout(&index(&listed)), blobs].concat()
}

fn index_json(value: &str, count: usize) -> Vec<u8> {
    let list = format!("{value},").repeat(count);
    layout(format!(r#"{{"manifests":[{list}{value}]}}"#).as_bytes())
}

fn annotations() -> Vec<u8> {
    let members: Vec<String> = (0..700_000).map(|number| format!(r#""{number}":"""#)).collect();
    let entry = format!(
        r#"{{"mediaType":"a","digest":"{}","size":1,"annotations":{{{}}}}}"#,
        absent(1),
        members.join(",")
    );
    layout(&index(&[entry]))
}

fn named(count: usize) -> Vec<u8> {
    let entries: Vec<String> = (0..count)
        .map(|number| {
            entry(media_type::OCI_MANIFEST, &absent(number), 1, Some(&format!("r.test/a:{number}")))
        })
        .collect();
    layout(&index(&entries))
}

/// One large signature manifest, of which every entry says another size.
fn sizes() -> Vec<u8> {
    let filler = " ".repeat(4_000_000);
    let manifest = format!(r#"{{"schemaVersion":2,"layers":[]{filler}}}"#);
    let mut blobs = Vec::new();
    let digest = blob(&mut blobs, manifest.as_bytes());
    let entries: Vec<String> =
        (1..60_000).map(|size| entry(media_type::OCI_MANIFEST, digest.as_str(), size, None)).collect();
    [layout(&index(&entries)), blobs].concat()
}

/// One manifest of very many layers, in thousands of images.
fn shared_manifest() -> Vec<u8> {
    let layers: Vec<String> = (0..19_000).map(|number| entry("a", &absent(number), 1, None)).collect();
    let config = entry("a", &absent(1), 1, None);
    let manifest = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{}]}}"#, layers.join(","));
    let mut blobs = Vec::new();
    let digest = blob(&mut blobs, manifest.as_bytes());
    let child = entry(media_type::OCI_MANIFEST, digest.as_str(), manifest.len(), None);
    let entries: Vec<String> = (0..10_000)
        .map(|number| {
            let image =
                format!(r#"{{"schemaVersion":2,"manifests":[{child}],"annotations":{{"a":"{number}"}}}}"#);
            let digest = blob(&mut blobs, image.as_bytes());
            let name = format!("r.test/a:{number}");
            entry(media_type::OCI_INDEX, digest.as_str(), image.len(), Some(&name))
        })
        .collect();
    [layout(&index(&entries)), blobs].concat()
}

fn gaps() -> Vec<u8> {
    let gaps = vec![r#"{"kind":"crl","what":"","why":""}"#; 400_000].join(",");
    let document = format!(
        r#"{{"schema":"assay/bundle/v1","tool":{{"name":"a","version":"1"}},"completeness":"complete","images":[],"crls":[],"gaps":[{gaps}],"files":[]}}"#
    );
    let mut tar = layout(br#"{"manifests":[]}"#);
    file(&mut tar, "bundle.json", document.as_bytes());
    tar
}

/// A list of members that no key vouches for.
fn evidence(document: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    file(&mut tar, "evidence.json", document);
    let envelope = format!(
        r#"{{"payloadType":"application/vnd.assay.evidence.v1+json","payload":"{}","signatures":[{{"sig":"AAAA"}}]}}"#,
        "AAAA".repeat(4 << 20)
    );
    file(&mut tar, "evidence.json.dsse", envelope.as_bytes());
    tar
}
