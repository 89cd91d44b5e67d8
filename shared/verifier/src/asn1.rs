//! ASN.1 values that timestamps and revocation evidence share: lists that are read one element at a time, whole encodings,
//! extensions, times and distribution points.
//!
//! `der` reads strict DER only. These types borrow from the input; nothing is copied or allocated for a length that the input
//! merely claims.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, OctetStringRef};
use der::{
    Choice, Decode, DecodeValue, Error, FixedTag, Header, Reader, Sequence, SliceReader, Tag, TagNumber,
    Tagged,
};

use crate::time::UnixTime;

/// `SET OF` or `SEQUENCE OF`: the content octets, read as elements on demand. The order in a `SET OF` is not checked;
/// where it matters, the elements are sorted.
#[derive(Clone, Copy)]
pub(crate) struct List<'a, K>(&'a [u8], PhantomData<K>);

/// `SET OF`
pub(crate) type SetOf<'a> = List<'a, IsSet>;

/// `SEQUENCE OF`
pub(crate) type SequenceOf<'a> = List<'a, IsSequence>;

/// Marks [`SetOf`].
#[derive(Clone, Copy)]
pub(crate) struct IsSet;

/// Marks [`SequenceOf`].
#[derive(Clone, Copy)]
pub(crate) struct IsSequence;

impl FixedTag for List<'_, IsSet> {
    const TAG: Tag = Tag::Set;
}

impl FixedTag for List<'_, IsSequence> {
    const TAG: Tag = Tag::Sequence;
}

impl<'a, K> DecodeValue<'a> for List<'a, K> {
    type Error = Error;

    fn decode_value<R: Reader<'a>>(reader: &mut R, header: Header) -> Result<Self, Error> {
        Ok(Self(reader.read_slice(header.length())?, PhantomData))
    }
}

impl<'a, K> List<'a, K> {
    /// The content octets.
    pub(crate) fn content(&self) -> &'a [u8] {
        self.0
    }

    /// The elements, each as a `T`; an error ends the iteration.
    pub(crate) fn iter<T: Decode<'a, Error = Error>>(
        &self,
    ) -> impl Iterator<Item = Result<T, Error>> + use<'a, T, K> {
        let mut reader = SliceReader::new(self.0);
        let mut failed = false;
        core::iter::from_fn(move || {
            let reader = match &mut reader {
                Ok(reader) => reader,
                Err(error) if !failed => {
                    failed = true;
                    return Some(Err(*error));
                }
                Err(_) => return None,
            };
            if failed || reader.is_finished() {
                return None;
            }
            let item = T::decode(reader);
            failed = item.is_err();
            Some(item)
        })
    }
}

/// The whole encoding of a value of any type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tlv<'a>(pub(crate) &'a [u8]);

impl<'a> Decode<'a> for Tlv<'a> {
    type Error = Error;

    fn decode<R: Reader<'a>>(reader: &mut R) -> Result<Self, Error> {
        let tag = Tag::peek(reader)?;
        if is_high(tag) {
            return Err(tag.value_error().into());
        }
        reader.tlv_bytes().map(Self)
    }
}

impl<'a> Tlv<'a> {
    /// The content octets.
    pub(crate) fn content(self) -> Option<&'a [u8]> {
        AnyRef::from_der(self.0).ok().map(AnyRef::value)
    }

    /// Whether this is an `OBJECT IDENTIFIER`, with arcs of any length in their shortest form.
    pub(crate) fn is_oid(self) -> bool {
        let content = self.content().unwrap_or_default();
        let mut is_first = true;
        let is_shortest = content.iter().all(|octet| {
            let is_padding = is_first && *octet == 0x80;
            is_first = octet & 0x80 == 0;
            !is_padding
        });
        self.0.first() == Some(&6) && !content.is_empty() && is_first && is_shortest
    }
}

/// Whether a tag takes several octets. Nothing that is read here has one, and the reference reads none.
fn is_high(tag: Tag) -> bool {
    tag.number().value() > 30
}

/// An `OBJECT IDENTIFIER`: its content octets, every arc in its shortest form and of at most 31 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Oid<'a>(&'a [u8]);

/// The [`Oid`] that is written with dots, as a constant.
macro_rules! oid {
    ($dotted:expr) => {{
        const ID: der::asn1::ObjectIdentifier = der::asn1::ObjectIdentifier::new_unwrap($dotted);
        $crate::asn1::Oid::known(&ID)
    }};
}
pub(crate) use oid;

impl Oid<'static> {
    pub(crate) const fn known(id: &'static ObjectIdentifier) -> Self {
        Self(id.as_bytes())
    }
}

impl<'a> Oid<'a> {
    /// The content octets.
    pub(crate) fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The numbers that the octets encode, the first two of them still in one; `None` for an arc that is not in its
    /// shortest form, too long or cut off.
    fn subidentifiers(self) -> impl Iterator<Item = Option<u32>> + use<'a> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let length = rest.iter().position(|octet| octet & 0x80 == 0).map(|last| last.saturating_add(1));
            let Some((octets, after)) = length.and_then(|length| rest.split_at_checked(length)) else {
                rest = &[];
                return Some(None);
            };
            rest = after;
            let is_shortest = octets.first() != Some(&0x80);
            let number = octets.iter().try_fold(0_u32, |number, octet| {
                number.checked_mul(0x80)?.checked_add(u32::from(octet & 0x7f))
            });
            Some(number.filter(|number| is_shortest && i32::try_from(*number).is_ok()))
        })
    }
}

impl FixedTag for Oid<'_> {
    const TAG: Tag = Tag::ObjectIdentifier;
}

impl<'a> DecodeValue<'a> for Oid<'a> {
    type Error = Error;

    fn decode_value<R: Reader<'a>>(reader: &mut R, header: Header) -> Result<Self, Error> {
        let oid = Self(reader.read_slice(header.length())?);
        if oid.0.is_empty() || oid.subidentifiers().any(|number| number.is_none()) {
            return Err(Tag::ObjectIdentifier.value_error().into());
        }
        Ok(oid)
    }
}

impl fmt::Display for Oid<'_> {
    /// Dotted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, number) in self.subidentifiers().flatten().enumerate() {
            match (at, number) {
                (0, 0..40) => write!(f, "0.{number}")?,
                (0, 40..80) => write!(f, "1.{}", number.saturating_sub(40))?,
                (0, _) => write!(f, "2.{}", number.saturating_sub(80))?,
                _ => write!(f, ".{number}")?,
            }
        }
        Ok(())
    }
}

/// The content octets of an `INTEGER`, which are its shortest form.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Integer<'a>(pub(crate) &'a [u8]);

impl FixedTag for Integer<'_> {
    const TAG: Tag = Tag::Integer;
}

impl<'a> DecodeValue<'a> for Integer<'a> {
    type Error = Error;

    fn decode_value<R: Reader<'a>>(reader: &mut R, header: Header) -> Result<Self, Error> {
        let bytes = reader.read_slice(header.length())?;
        let is_shortest = match bytes {
            [] => false,
            [0, second, ..] => *second >= 0x80,
            [0xff, second, ..] => *second < 0x80,
            _ => true,
        };
        if is_shortest { Ok(Self(bytes)) } else { Err(Tag::Integer.non_canonical_error().into()) }
    }
}

impl Integer<'_> {
    /// Whether the number is greater than zero.
    pub(crate) fn is_positive(self) -> bool {
        self.0 != [0] && self.0.first().is_some_and(|first| *first < 0x80)
    }
}

/// An `AlgorithmIdentifier`, RFC 5280 section 4.1.1.2.
#[derive(Clone)]
pub(crate) struct AlgorithmIdentifier<'a> {
    pub(crate) algorithm: Oid<'a>,
    pub(crate) parameters: Option<AnyRef<'a>>,
}

impl<'a> DecodeValue<'a> for AlgorithmIdentifier<'a> {
    type Error = Error;

    fn decode_value<R: Reader<'a>>(reader: &mut R, _header: Header) -> Result<Self, Error> {
        let (algorithm, parameters) = (Oid::decode(reader)?, Option::<AnyRef<'a>>::decode(reader)?);
        match parameters {
            Some(value) if is_high(value.tag()) => Err(value.tag().value_error().into()),
            _ => Ok(Self { algorithm, parameters }),
        }
    }
}

impl<'a> Sequence<'a> for AlgorithmIdentifier<'a> {}

/// An `Extension`, RFC 5280 section 4.1.
#[derive(Clone, DecodeValue)]
pub(crate) struct Extension<'a> {
    pub(crate) oid: Oid<'a>,
    #[asn1(default = "Default::default")]
    pub(crate) critical: bool,
    pub(crate) value: &'a OctetStringRef,
}

impl<'a> Sequence<'a> for Extension<'a> {}

/// Reads `Extensions`; a type that occurs twice is an error.
pub(crate) fn extensions<'a>(list: Option<SequenceOf<'a>>) -> Result<Vec<Extension<'a>>, Error> {
    let Some(list) = list else { return Ok(Vec::new()) };
    let mut extensions: Vec<Extension<'a>> = Vec::new();
    for extension in list.iter::<Extension<'a>>() {
        let extension = extension?;
        // Few in all real data; a list of thousands is quadratic here, so it stops well before.
        if extensions.len() >= crate::limits::EXTENSIONS
            || extensions.iter().any(|known| known.oid == extension.oid)
        {
            return Err(Tag::Sequence.value_error().into());
        }
        extensions.push(extension);
    }
    Ok(extensions)
}

/// `Time` of a CRL, RFC 5280 section 5.1.2.4: `UTCTime` or `GeneralizedTime`, to the second, in UTC.
#[derive(Clone, Copy)]
pub(crate) struct Time {
    tag: Tag,
    pub(crate) time: UnixTime,
}

impl Tagged for Time {
    fn tag(&self) -> Tag {
        self.tag
    }
}

impl<'a> Choice<'a> for Time {
    fn can_decode(tag: Tag) -> bool {
        matches!(tag, Tag::UtcTime | Tag::GeneralizedTime)
    }
}

impl<'a> Decode<'a> for Time {
    type Error = Error;

    fn decode<R: Reader<'a>>(reader: &mut R) -> Result<Self, Error> {
        let any = AnyRef::decode(reader)?;
        let tag = any.tag();
        let time = match tag {
            Tag::UtcTime => utc_time(any.value()),
            Tag::GeneralizedTime => generalized_time(any.value()),
            _ => None,
        };
        time.map(|time| Self { tag, time }).ok_or_else(|| tag.value_error().into())
    }
}

/// `GeneralizedTime` as RFC 5280 section 4.1.2.5.2 limits it: to the second, in UTC.
#[derive(Clone, Copy)]
pub(crate) struct GeneralizedTime(pub(crate) UnixTime);

impl FixedTag for GeneralizedTime {
    const TAG: Tag = Tag::GeneralizedTime;
}

impl<'a> DecodeValue<'a> for GeneralizedTime {
    type Error = Error;

    fn decode_value<R: Reader<'a>>(reader: &mut R, header: Header) -> Result<Self, Error> {
        let time = generalized_time(reader.read_slice(header.length())?);
        time.map(Self).ok_or_else(|| Tag::GeneralizedTime.value_error().into())
    }
}

/// The time that the content of a `UTCTime` names, to the second; the years are 1950 to 2049.
pub(crate) fn utc_time(bytes: &[u8]) -> Option<UnixTime> {
    let (year, rest) = bytes.split_at_checked(2)?;
    let year = decimal(year)?;
    let century = if year >= 50 { 1900 } else { 2000 };
    let rest = rest.strip_suffix(b"Z")?;
    if rest.len() == 10 { time(year.checked_add(century)?, rest, 0) } else { None }
}

/// The time that the content of a `GeneralizedTime` names, to the second and in UTC, as RFC 5280 demands.
pub(crate) fn generalized_time(bytes: &[u8]) -> Option<UnixTime> {
    if bytes.len() == "YYYYMMDDhhmmssZ".len() { generalized_time_with_fraction(bytes) } else { None }
}

/// The time that the content of a DER `GeneralizedTime` names: in UTC, the fraction without trailing zeros.
pub(crate) fn generalized_time_with_fraction(bytes: &[u8]) -> Option<UnixTime> {
    let (year, rest) = bytes.strip_suffix(b"Z")?.split_at_checked(4)?;
    let (rest, fraction) = rest.split_at_checked(10)?;
    let nanoseconds = match fraction {
        [] => 0,
        [b'.', places @ .., last @ b'1'..=b'9'] if places.len() < 9 => {
            let digits = decimal(places)?.checked_mul(10)?.checked_add(u32::from(last.wrapping_sub(b'0')))?;
            let scale = u32::try_from(places.len()).ok()?;
            digits.checked_mul(10u32.checked_pow(8u32.checked_sub(scale)?)?)?
        }
        _ => return None,
    };
    time(decimal(year)?, rest, nanoseconds)
}

/// The time of a year and the ten digits of month, day, hour, minute and second.
fn time(year: u32, rest: &[u8], nanoseconds: u32) -> Option<UnixTime> {
    let part = |at: usize| u8::try_from(decimal(rest.get(at..)?.get(..2)?)?).ok();
    let month = time::Month::try_from(part(0)?).ok()?;
    let date = time::Date::from_calendar_date(i32::try_from(year).ok()?, month, part(2)?).ok()?;
    let time = date.with_hms(part(4)?, part(6)?, part(8)?).ok()?;
    UnixTime::from_parts(time.assume_utc().unix_timestamp(), nanoseconds)
}

/// The number that ASCII digits write; `None` if there is another character.
fn decimal(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |number, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// The URLs of a `CRLDistributionPoints`, in order. RFC 5280 section 4.2.1.13. A name relative to the CRL's issuer is refused,
/// as the reference refuses a certificate with one.
pub(crate) fn distribution_points(der: &[u8]) -> Result<Vec<String>, Error> {
    let mut urls = Vec::new();
    for name in distribution_point_names(der)? {
        urls.extend(name.ok_or_else(|| Tag::Sequence.value_error())?);
    }
    Ok(urls)
}

/// The URLs of each point of a `CRLDistributionPoints` that has a name; `None` for a name relative to the CRL's issuer.
pub(crate) fn distribution_point_names(der: &[u8]) -> Result<Vec<Option<Vec<String>>>, Error> {
    let mut names = Vec::new();
    for point in SequenceOf::from_der(der)?.iter::<DistributionPoint<'_>>() {
        if let Some(name) = point?.name {
            names.push(distribution_point_urls(name)?);
        }
    }
    Ok(names)
}

#[derive(DecodeValue)]
struct DistributionPoint<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    name: Option<AnyRef<'a>>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    _reasons: Option<BitStringRef<'a>>,
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT", optional = "true")]
    _crl_issuer: Option<SequenceOf<'a>>,
}

impl<'a> Sequence<'a> for DistributionPoint<'a> {}

/// The URLs of a `DistributionPointName`; `None` for a `nameRelativeToCRLIssuer`.
pub(crate) fn distribution_point_urls(name: AnyRef<'_>) -> Result<Option<Vec<String>>, Error> {
    const FULL_NAME: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(0) };
    const RELATIVE_NAME: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(1) };
    match name.tag() {
        FULL_NAME => {}
        RELATIVE_NAME => return Ok(None),
        other => return Err(other.unexpected_error(None).into()),
    }
    let mut urls = Vec::new();
    for general_name in List::<IsSequence>(name.value(), PhantomData).iter::<AnyRef<'_>>() {
        urls.extend(url(general_name?)?);
    }
    Ok(Some(urls))
}

/// The URL that a `GeneralName` is; `None` if it is of another kind.
pub(crate) fn url(general_name: AnyRef<'_>) -> Result<Option<String>, Error> {
    const URL: Tag = Tag::ContextSpecific { constructed: false, number: TagNumber(6) };
    if general_name.tag() != URL {
        return Ok(None);
    }
    match core::str::from_utf8(general_name.value()) {
        Ok(text) if text.is_ascii() => Ok(Some(text.to_string())),
        _ => Err(URL.value_error().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_their_only_form() {
        for (text, time) in [
            ("20240102030405Z", Some("2024-01-02T03:04:05Z")),
            ("00010101000000Z", Some("0001-01-01T00:00:00Z")),
            ("20240102030405.5Z", None),
            ("20240102030405", None),
            ("202401020304Z", None),
            ("20240102030405+0000", None),
            ("20241302030405Z", None),
            ("2024010203040aZ", None),
            ("", None),
        ] {
            let want = time.map(|time| UnixTime::parse(time).unwrap());
            assert_eq!(generalized_time(text.as_bytes()), want, "{text}");
        }
        for (text, time) in [
            ("240102030405Z", Some("2024-01-02T03:04:05Z")),
            ("491231235959Z", Some("2049-12-31T23:59:59Z")),
            ("500101000000Z", Some("1950-01-01T00:00:00Z")),
            ("2401020304Z", None),
            ("+40102030405Z", None),
            ("é40102030405Z", None),
        ] {
            let want = time.map(|time| UnixTime::parse(time).unwrap());
            assert_eq!(utc_time(text.as_bytes()), want, "{text}");
        }
        for (text, time) in [
            ("20240102030405.25Z", Some("2024-01-02T03:04:05.25Z")),
            ("20240102030405.000000001Z", Some("2024-01-02T03:04:05.000000001Z")),
            ("20240102030405.9Z", Some("2024-01-02T03:04:05.9Z")),
            ("20240102030405.0000000001Z", None),
            ("20240102030405.x1Z", None),
            ("20240102030405.-1Z", None),
            ("20240102030405Z", Some("2024-01-02T03:04:05Z")),
            ("20240102030405.250Z", None),
            ("20240102030405.Z", None),
            ("20240102030405,5Z", None),
            ("20240102030405.5", None),
            ("20240102030405.5+0100", None),
        ] {
            let want = time.map(|time| UnixTime::parse(time).unwrap());
            assert_eq!(generalized_time_with_fraction(text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn integers_are_in_their_shortest_form() {
        for (der, value) in [
            (&[2, 1, 0][..], Some(&[0][..])),
            (&[2, 1, 0x7f], Some(&[0x7f])),
            (&[2, 2, 0, 0x80], Some(&[0, 0x80])),
            (&[2, 1, 0xff], Some(&[0xff])),
            (&[2, 2, 0, 0x7f], None),
            (&[2, 2, 0xff, 0x80], None),
            (&[2, 0], None),
        ] {
            assert_eq!(Integer::from_der(der).ok().map(|integer| integer.0), value, "{der:?}");
        }
    }

    #[test]
    fn object_identifiers_have_one_encoding() {
        for (content, text) in [
            (&[0x55, 0x1d, 0x0f][..], Some("2.5.29.15")),
            (&[0x2a], Some("1.2")),
            (&[0x00], Some("0.0")),
            (&[0x88, 0x37, 0x03], Some("2.999.3")),
            (&[0x55, 0x87, 0xff, 0xff, 0xff, 0x7f], Some("2.5.2147483647")),
            (&[0x55, 0x88, 0x80, 0x80, 0x80, 0x00], None),
            (&[0x55, 0x80, 0x0f], None),
            (&[0x80, 0x55], None),
            (&[0x55, 0x9d], None),
            (&[], None),
        ] {
            let der = [&[6, u8::try_from(content.len()).unwrap()], content].concat();
            assert_eq!(Oid::from_der(&der).ok().map(|oid| oid.to_string()).as_deref(), text, "{content:x?}");
        }
        const KEY_USAGE: Oid<'static> = oid!("2.5.29.15");
        assert!(matches!(Oid::from_der(&[6, 3, 0x55, 0x1d, 0x0f]), Ok(KEY_USAGE)));
    }

    #[test]
    fn a_list_stops_at_the_first_malformed_element() {
        let list = SequenceOf::from_der(&[0x30, 6, 2, 1, 5, 2, 9, 1]).unwrap();
        let items: Vec<_> = list.iter::<Integer<'_>>().map(|item| item.map(|integer| integer.0[0])).collect();
        assert_eq!(items.len(), 2);
        assert_eq!(items[0].as_ref(), Ok(&5));
        assert!(items[1].is_err());
    }
}
