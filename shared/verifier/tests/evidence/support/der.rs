//! DER, written value by value.

/// A value of any tag.
pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut der = vec![tag];
    match content.len() {
        length @ 0..0x80 => der.push(length as u8),
        length @ 0x80..0x100 => der.extend([0x81, length as u8]),
        length @ 0x100..0x1_0000 => der.extend([0x82, (length >> 8) as u8, length as u8]),
        length => der.extend([0x83, (length >> 16) as u8, (length >> 8) as u8, length as u8]),
    }
    der.extend_from_slice(content);
    der
}

pub(crate) fn sequence<T: AsRef<[u8]>>(items: &[T]) -> Vec<u8> {
    tlv(0x30, &concat(items))
}

/// A `SET OF` in the order given.
pub(crate) fn set<T: AsRef<[u8]>>(items: &[T]) -> Vec<u8> {
    tlv(0x31, &concat(items))
}

/// A constructed context-specific value: explicit tagging of `content`, or implicit tagging of a sequence or set.
pub(crate) fn context(number: u8, content: &[u8]) -> Vec<u8> {
    tlv(0xa0 | number, content)
}

/// A primitive context-specific value.
pub(crate) fn context_primitive(number: u8, content: &[u8]) -> Vec<u8> {
    tlv(0x80 | number, content)
}

/// A value that is not negative.
pub(crate) fn integer(value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let significant = &bytes[bytes.iter().position(|byte| *byte != 0).unwrap_or(7)..];
    let padding: &[u8] = if significant[0] >= 0x80 { &[0] } else { &[] };
    tlv(0x02, &[padding, significant].concat())
}

pub(crate) fn boolean(value: bool) -> Vec<u8> {
    tlv(0x01, &[if value { 0xff } else { 0 }])
}

pub(crate) fn octets(bytes: &[u8]) -> Vec<u8> {
    tlv(0x04, bytes)
}

pub(crate) fn bits(bytes: &[u8]) -> Vec<u8> {
    tlv(0x03, &[&[0], bytes].concat())
}

pub(crate) fn null() -> Vec<u8> {
    tlv(0x05, &[])
}

pub(crate) fn enumerated(value: u8) -> Vec<u8> {
    tlv(0x0a, &[value])
}

pub(crate) fn utf8(text: &str) -> Vec<u8> {
    tlv(0x0c, text.as_bytes())
}

/// The content of a `GeneralizedTime`, such as `20260131120000Z`.
pub(crate) fn generalized_time(text: &str) -> Vec<u8> {
    tlv(0x18, text.as_bytes())
}

pub(crate) fn oid(dotted: &str) -> Vec<u8> {
    let mut arcs = dotted.split('.').map(|arc| arc.parse::<u64>().unwrap());
    let first = arcs.next().unwrap() * 40 + arcs.next().unwrap();
    let mut content = Vec::new();
    for arc in std::iter::once(first).chain(arcs) {
        let mut groups = vec![(arc & 0x7f) as u8];
        let mut rest = arc >> 7;
        while rest > 0 {
            groups.push(0x80 | (rest & 0x7f) as u8);
            rest >>= 7;
        }
        content.extend(groups.iter().rev());
    }
    tlv(0x06, &content)
}

/// An `AlgorithmIdentifier` without parameters.
pub(crate) fn algorithm(dotted: &str) -> Vec<u8> {
    sequence(&[oid(dotted)])
}

/// An `Extension`.
pub(crate) fn extension(dotted: &str, critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical { boolean(true) } else { Vec::new() };
    sequence(&[oid(dotted), critical, octets(value)])
}

/// A uniform resource identifier among `GeneralNames`.
pub(crate) fn url(text: &str) -> Vec<u8> {
    context_primitive(6, text.as_bytes())
}

/// A `DistributionPointName` with full names, tagged explicitly as field 0.
pub(crate) fn full_name(urls: &[&str]) -> Vec<u8> {
    context(0, &context(0, &concat(&urls.iter().map(|text| url(text)).collect::<Vec<_>>())))
}

fn concat<T: AsRef<[u8]>>(items: &[T]) -> Vec<u8> {
    items.iter().flat_map(|item| item.as_ref().iter().copied()).collect()
}
