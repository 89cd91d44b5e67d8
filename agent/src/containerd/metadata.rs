//! Reads image records, containers and content from the buckets of containerd's `meta.db`.
//!
//! The layout is that of containerd's `metadata/buckets.go`, the same from 1.0 to 2.x: `v1/<namespace>/images/<name>/target/…`,
//! `containers/<id>/…`, `snapshots/<snapshotter>/<key>/…`, `content/blob/<digest>/…`. A record that is not as it should be is reported,
//! and the others are read.

use assay_report::{Namespace, Unreadable};

use super::catalogue::{
    Catalogue, ContainerRecord, ContentRecord, ImageRecord, RecordKind, SnapshotRecord, is_reference,
};

use super::bolt::{BoltError, Bucket, Item, Pages};

/// Lists the `wanted` namespaces, or all if none is given; none if the file is not containerd's.
///
/// # Errors
/// [`BoltError`] if the file is damaged or cannot be read.
pub(super) fn read<P: Pages + ?Sized>(
    file: &Bucket<'_, P>,
    wanted: &[Namespace],
) -> Result<Option<Catalogue>, BoltError> {
    let mut catalogue = None;
    file.each(|key, item| {
        if let (b"v1", Item::Bucket(version)) = (key, item) {
            let listed = catalogue.insert(Catalogue::new(wanted));
            version.each(|key, item| match item {
                Item::Bucket(bucket) => match Namespace::new(&text(key)) {
                    Some(name) => namespace(listed, &name, &bucket),
                    None => {
                        let (what, why) = ("namespaces".to_owned(), "one of them has no name".to_owned());
                        listed.listing.unreadable.push(Unreadable { what, why });
                        Ok(())
                    }
                },
                // the version of the schema
                Item::Value(_) => Ok(()),
            })?;
        }
        Ok(())
    })?;
    Ok(catalogue.map(Catalogue::finish))
}

fn namespace<P: Pages + ?Sized>(
    catalogue: &mut Catalogue,
    namespace: &Namespace,
    bucket: &Bucket<'_, P>,
) -> Result<(), BoltError> {
    if !catalogue.namespace(namespace) {
        return Ok(());
    }
    let mut content = Vec::new();
    bucket.each(|key, item| {
        let kind = match key {
            b"images" => "image",
            b"containers" => "container",
            b"content" => "content",
            b"snapshots" => "snapshotter",
            // labels, leases, sandboxes
            _ => return Ok(()),
        };
        let Item::Bucket(records) = item else {
            catalogue.unreadable(namespace, kind, NO_BUCKET);
            return Ok(());
        };
        if kind == "content" {
            return blobs(catalogue, namespace, &records, &mut content);
        }
        records.each(|key, item| {
            let name = text(key);
            let taken = match item {
                Item::Value(_) => Err(Odd(NO_BUCKET)),
                Item::Bucket(record) if kind == "image" => {
                    image(name.clone(), &record)?.map(|record| catalogue.image(namespace, record))
                }
                Item::Bucket(records) if kind == "snapshotter" => {
                    snapshots(catalogue, namespace, &name, &records)?;
                    Ok(())
                }
                Item::Bucket(record) => {
                    catalogue.container(namespace, container(name.clone(), &record)?);
                    Ok(())
                }
            };
            if let Err(Odd(why)) = taken {
                catalogue.unreadable(namespace, &format!("{kind} {name}"), why);
            }
            Ok(())
        })
    })?;
    catalogue.content(namespace, content);
    for kind in [RecordKind::Records, RecordKind::Containers, RecordKind::Snapshots] {
        catalogue.enumerated(namespace, kind);
    }
    Ok(())
}

/// `snapshots/<snapshotter>/<key>`
fn snapshots<P: Pages + ?Sized>(
    catalogue: &mut Catalogue,
    namespace: &Namespace,
    snapshotter: &str,
    bucket: &Bucket<'_, P>,
) -> Result<(), BoltError> {
    bucket.each(|key, item| {
        let key = text(key);
        let Item::Bucket(record) = item else {
            catalogue.unreadable(namespace, &format!("snapshot {key}"), NO_BUCKET);
            return Ok(());
        };
        let mut record_of =
            SnapshotRecord { snapshotter: snapshotter.to_owned(), key, ..SnapshotRecord::default() };
        record.each(|key, item| {
            if let (b"parent", Item::Value(value)) = (key, item) {
                record_of.parent = text(value);
            }
            Ok(())
        })?;
        catalogue.snapshot(namespace, record_of);
        Ok(())
    })
}

/// `content/blob/<digest>`, beside `content/ingests`.
fn blobs<P: Pages + ?Sized>(
    catalogue: &mut Catalogue,
    namespace: &Namespace,
    bucket: &Bucket<'_, P>,
    content: &mut Vec<ContentRecord>,
) -> Result<(), BoltError> {
    bucket.each(|key, item| {
        let (b"blob", Item::Bucket(blobs)) = (key, item) else { return Ok(()) };
        blobs.each(|key, item| {
            let digest = text(key);
            let taken = match item {
                Item::Value(_) => Err(Odd(NO_BUCKET)),
                Item::Bucket(record) => blob(digest.clone(), &record)?.map(|record| content.push(record)),
            };
            if let Err(Odd(why)) = taken {
                catalogue.unreadable(namespace, &format!("content {digest}"), why);
            }
            Ok(())
        })
    })
}

/// What is wrong with one record.
struct Odd(&'static str);

const NO_BUCKET: &str = "the record is a value and not a bucket";
const NO_SIZE: &str = "the record's size is not a number";

fn image<P: Pages + ?Sized>(
    name: String,
    bucket: &Bucket<'_, P>,
) -> Result<Result<ImageRecord, Odd>, BoltError> {
    let mut record = ImageRecord { name, ..ImageRecord::default() };
    let mut odd = Ok(());
    bucket.each(|key, item| {
        let (b"target", Item::Bucket(target)) = (key, item) else { return Ok(()) };
        target.each(|key, item| {
            match (key, item) {
                (b"digest", Item::Value(value)) => record.digest = text(value),
                (b"mediatype", Item::Value(value)) => record.media_type = text(value),
                (b"size", Item::Value(value)) => match varint(value) {
                    Some(size) => record.size = size,
                    None => odd = Err(Odd(NO_SIZE)),
                },
                _ => {}
            }
            Ok(())
        })
    })?;
    Ok(odd.map(|()| record))
}

fn container<P: Pages + ?Sized>(id: String, bucket: &Bucket<'_, P>) -> Result<ContainerRecord, BoltError> {
    let mut record = ContainerRecord { id, ..ContainerRecord::default() };
    bucket.each(|key, item| {
        match (key, item) {
            (b"image", Item::Value(value)) => record.image = text(value),
            (b"snapshotter", Item::Value(value)) => record.snapshotter = text(value),
            (b"snapshotKey", Item::Value(value)) => record.snapshot_key = text(value),
            // a damaged one cannot be read, which is not the same as absent
            (b"spec", Item::Value(value)) => {
                record.specification = Some(any(value).unwrap_or_default().to_vec());
            }
            (b"labels", Item::Bucket(labels)) => labels.each(|key, item| {
                if let Item::Value(value) = item {
                    record.labels.insert(text(key), text(value));
                }
                Ok(())
            })?,
            // times, the runtime
            _ => {}
        }
        Ok(())
    })?;
    Ok(record)
}

fn blob<P: Pages + ?Sized>(
    digest: String,
    bucket: &Bucket<'_, P>,
) -> Result<Result<ContentRecord, Odd>, BoltError> {
    let mut record = ContentRecord { digest, ..ContentRecord::default() };
    let mut odd = Ok(());
    bucket.each(|key, item| {
        match (key, item) {
            (b"size", Item::Value(value)) => match varint(value) {
                Some(size) => record.size = size,
                None => odd = Err(Odd(NO_SIZE)),
            },
            (b"labels", Item::Bucket(labels)) => labels.each(|key, _| {
                record.refers |= is_reference(&text(key));
                Ok(())
            })?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(odd.map(|()| record))
}

/// Keys and texts are UTF-8. Anything else cannot be a name that other programs know.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Go's `binary.PutVarint`: zigzag.
fn varint(bytes: &[u8]) -> Option<i64> {
    let (value, _) = unsigned(bytes)?;
    Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
}

/// The value of a `google.protobuf.Any`, its field 2; its type is field 1. Both are a tag, a length and bytes.
fn any(mut bytes: &[u8]) -> Option<&[u8]> {
    const VALUE: u64 = 2 << 3 | 2;
    loop {
        let (tag, rest) = unsigned(bytes)?;
        let (length, rest) = unsigned(rest)?;
        let (field, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        if tag == VALUE {
            return Some(field);
        }
        bytes = rest;
    }
}

/// Seven bits a byte, the lowest first; and what follows.
pub(super) fn unsigned(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (number, byte) in bytes.iter().enumerate() {
        let bits = u64::from(byte & 0x7f);
        let shift = u32::try_from(number).ok()?.checked_mul(7)?;
        value |= bits.checked_shl(shift).filter(|shifted| shifted >> shift == bits)?;
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(number + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_of_an_any_is_its_second_field() {
        for (bytes, value) in [
            (&b"\x0a\x01t\x12\x02{}"[..], Some(&b"{}"[..])),
            (b"\x12\x02{}\x0a\x01t", Some(b"{}")),
            (b"\x0a\x01t", None),
            (b"\x12\x03{}", None),
            (b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", None),
            (b"", None),
        ] {
            assert_eq!(any(bytes), value, "{bytes:x?}");
        }
    }

    #[test]
    fn varints_are_those_of_go() {
        for (bytes, value) in [
            (&[0][..], Some(0)),
            (&[1], Some(-1)),
            (&[2], Some(1)),
            (&[0x80, 0x01], Some(64)),
            (&[0xd6, 0x0a], Some(683)),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], Some(i64::MIN)),
            (&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], Some(i64::MAX)),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], None),
            (&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01], None),
            (&[0x80], None),
            (&[], None),
        ] {
            assert_eq!(varint(bytes), value, "{bytes:x?}");
        }
    }
}
