//! Converts BER to DER, as far as the reference implementation does: lengths are brought to their shortest form, and nothing
//! else. ITU-T X.690 section 8.1.
//!
//! Indefinite lengths are refused, as in the reference. Strings in pieces are refused one step later, because the DER reader
//! does not take constructed strings. No known TSA sends either.

use alloc::vec::Vec;

use crate::limits;

/// The DER of the one BER value that `ber` holds; `None` if it is malformed, nested deeper than [`limits::BER_DEPTH`] or
/// followed by anything.
pub(super) fn to_der(ber: &[u8]) -> Option<Vec<u8>> {
    let mut der = Vec::with_capacity(ber.len());
    let rest = convert(ber, &mut der, limits::BER_DEPTH)?;
    rest.is_empty().then_some(der)
}

/// Appends the DER of the value that `ber` begins with, and returns what follows it.
fn convert<'a>(ber: &'a [u8], der: &mut Vec<u8>, depth: usize) -> Option<&'a [u8]> {
    let (identifier, rest) = split_identifier(ber)?;
    let (length, rest) = split_length(rest)?;
    let (content, rest) = rest.split_at_checked(length)?;
    der.extend_from_slice(identifier);
    if identifier.first()? & CONSTRUCTED == 0 {
        push_length(der, length);
        der.extend_from_slice(content);
        return Some(rest);
    }
    let depth = depth.checked_sub(1)?;
    let mut inner = Vec::with_capacity(length);
    let mut left = content;
    while !left.is_empty() {
        left = convert(left, &mut inner, depth)?;
    }
    push_length(der, inner.len());
    der.append(&mut inner);
    Some(rest)
}

const CONSTRUCTED: u8 = 0x20;

/// Splits off the identifier octets, which say type and form; they are kept as they are.
fn split_identifier(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, following) = bytes.split_first()?;
    if first & 0x1f != 0x1f {
        return bytes.split_at_checked(1);
    }
    let last = following.iter().position(|byte| byte & 0x80 == 0)?;
    bytes.split_at_checked(last.checked_add(2)?)
}

/// Splits off the length octets and reads them.
fn split_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    if *first < 0x80 {
        return Some((usize::from(*first), rest));
    }
    // 0x80 alone is the indefinite form; the reference reads at most four octets.
    let octets = usize::from(first & 0x7f);
    if !(1..=4).contains(&octets) {
        return None;
    }
    let (length, rest) = rest.split_at_checked(octets)?;
    let length = length.iter().fold(0u32, |length, octet| (length << 8) | u32::from(*octet));
    Some((usize::try_from(length).ok()?, rest))
}

/// Appends a length in its shortest form.
fn push_length(der: &mut Vec<u8>, length: usize) {
    match u8::try_from(length) {
        Ok(length) if length < 0x80 => der.push(length),
        _ => {
            let octets = length.to_be_bytes();
            let significant: Vec<u8> = octets.iter().copied().skip_while(|octet| *octet == 0).collect();
            // A length has at most eight octets.
            der.push(0x80 | u8::try_from(significant.len()).unwrap_or(u8::MAX));
            der.extend_from_slice(&significant);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn lengths_become_shortest() {
        let long = [&[0x04, 0x82, 0x01, 0x00][..], &[7; 256]].concat();
        for (ber, der) in [
            (vec![0x04, 0x01, 0x05], vec![0x04, 0x01, 0x05]),
            (vec![0x04, 0x81, 0x01, 0x05], vec![0x04, 0x01, 0x05]),
            (vec![0x30, 0x84, 0, 0, 0, 4, 0x04, 0x82, 0x00, 0x00], vec![0x30, 0x02, 0x04, 0x00]),
            (vec![0xbf, 0x81, 0x01, 0x03, 0x02, 0x01, 0x00], vec![0xbf, 0x81, 0x01, 0x03, 0x02, 0x01, 0x00]),
            ([&[0x04, 0x83, 0, 1, 0][..], &[7; 256]].concat(), long.clone()),
            (long.clone(), long.clone()),
            ([&[0x30, 0x81, 0x82, 0x04, 0x81, 0x7f][..], &[7; 127]].concat(), {
                [&[0x30, 0x81, 0x81, 0x04, 0x7f][..], &[7; 127]].concat()
            }),
        ] {
            assert_eq!(to_der(&ber), Some(der));
        }
    }

    #[test]
    fn malformed_ber_is_refused() {
        for ber in [
            &[][..],
            &[0x04],
            &[0x04, 0x02, 0x00],
            &[0x04, 0x00, 0x00],
            &[0x04, 0x85, 0, 0, 0, 0, 0],
            &[0x04, 0x82, 0x00],
            &[0x04, 0x84, 0xff, 0xff, 0xff, 0xff, 0],
            &[0x1f, 0x80, 0x80],
            &[0x30, 0x02, 0x04, 0x01],
            &[0x30, 0x80, 0x04, 0x00, 0x00, 0x00],
        ] {
            assert_eq!(to_der(ber), None, "{ber:?}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| {
            let mut value = vec![0x05, 0x00];
            for _ in 0..depth {
                let mut outer = vec![0x30];
                push_length(&mut outer, value.len());
                outer.append(&mut value);
                value = outer;
            }
            value
        };
        assert_eq!(to_der(&nested(limits::BER_DEPTH)), Some(nested(limits::BER_DEPTH)));
        assert_eq!(to_der(&nested(limits::BER_DEPTH + 1)), None);
    }
}
