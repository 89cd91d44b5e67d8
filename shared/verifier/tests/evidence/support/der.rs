//! What certificates, lists and tokens are made of, beside the toolkit's own DER.

pub(crate) use assay_fixtures::der::{
    bits, boolean, context, context_primitive, enumerated, integer, null, octets, oid, sequence, set, tagged,
    utf8,
};

/// The content of a `GeneralizedTime`, such as `20260131120000Z`.
pub(crate) fn generalized_time(text: &str) -> Vec<u8> {
    tagged(0x18, text.as_bytes())
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
    context(0, &context(0, &urls.iter().flat_map(|text| url(text)).collect::<Vec<u8>>()))
}
