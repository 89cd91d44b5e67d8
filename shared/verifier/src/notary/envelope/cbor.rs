//! CBOR items as COSE headers hold them, read strictly: RFC 8949 without indefinite lengths and repeated keys.
//!
//! Integers and lengths in more bytes than needed are taken, because the signature covers the bytes as they stand.

use alloc::vec::Vec;

use minicbor::Decoder;
use minicbor::data::Type;

use crate::limits;
use crate::time::UnixTime;

/// One item.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item<'a> {
    /// Of 64 bits with its sign, as the reference reads all integers of a header
    Int(i64),
    Bytes(&'a [u8]),
    Text(&'a str),
    Array(Vec<Item<'a>>),
    Map(Vec<(Item<'a>, Item<'a>)>),
    Tag(u64, alloc::boxed::Box<Item<'a>>),
    Float(f64),
    /// `true`, `false`, `null`, `undefined` and unassigned simple values
    Simple,
}

/// The bytes are not one item of the form described above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CborError;

impl From<minicbor::decode::Error> for CborError {
    fn from(_: minicbor::decode::Error) -> Self {
        Self
    }
}

impl<'a> Item<'a> {
    /// Reads `bytes` as one item and nothing else.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, CborError> {
        let mut decoder = Decoder::new(bytes);
        let item = Self::read(&mut decoder, limits::CBOR_DEPTH)?;
        if decoder.position() == bytes.len() { Ok(item) } else { Err(CborError) }
    }

    fn read(decoder: &mut Decoder<'a>, depth: usize) -> Result<Self, CborError> {
        let depth = depth.checked_sub(1).ok_or(CborError)?;
        Ok(match decoder.datatype()? {
            Type::U8
            | Type::U16
            | Type::U32
            | Type::U64
            | Type::I8
            | Type::I16
            | Type::I32
            | Type::I64
            | Type::Int => Self::Int(i64::try_from(i128::from(decoder.int()?)).map_err(|_| CborError)?),
            Type::Bytes => Self::Bytes(decoder.bytes()?),
            Type::String => Self::Text(decoder.str()?),
            Type::Array => {
                // the count is not believed: memory grows with items that are there
                let count = decoder.array()?.ok_or(CborError)?;
                let mut items = Vec::new();
                for _ in 0..count {
                    items.push(Self::read(decoder, depth)?);
                }
                Self::Array(items)
            }
            Type::Map => {
                let count = decoder.map()?.ok_or(CborError)?;
                let mut members: Vec<(Self, Self)> = Vec::new();
                for _ in 0..count {
                    let key = Self::read(decoder, depth)?;
                    if matches!(key, Self::Array(_) | Self::Map(_)) {
                        return Err(CborError);
                    }
                    if members.len() >= MAP_MEMBERS || members.iter().any(|(known, _)| *known == key) {
                        return Err(CborError);
                    }
                    members.push((key, Self::read(decoder, depth)?));
                }
                Self::Map(members)
            }
            Type::Tag => Self::Tag(decoder.tag()?.into(), Self::read(decoder, depth)?.into()),
            Type::F16 => Self::Float(decoder.f16()?.into()),
            Type::F32 => Self::Float(decoder.f32()?.into()),
            Type::F64 => Self::Float(decoder.f64()?),
            Type::Bool | Type::Null | Type::Undefined => {
                decoder.skip()?;
                Self::Simple
            }
            Type::Simple => {
                let start = decoder.position();
                let value = decoder.simple()?;
                // RFC 8949 section 3.3: values below 32 have no second byte
                let is_long = decoder.position() > start.saturating_add(1);
                if is_long && value < 32 {
                    return Err(CborError);
                }
                Self::Simple
            }
            Type::ArrayIndef
            | Type::MapIndef
            | Type::BytesIndef
            | Type::StringIndef
            | Type::Break
            | Type::Unknown(_) => {
                return Err(CborError);
            }
        })
    }

    /// Whether every tag of RFC 8949 section 3.4 in it stands over content of its type; other tags are open.
    pub(super) fn has_fitting_tags(&self) -> bool {
        match self {
            Self::Tag(0, content) => matches!(**content, Self::Text(text) if UnixTime::parse(text).is_ok()),
            Self::Tag(1, content) => matches!(**content, Self::Int(_) | Self::Float(_)),
            Self::Tag(2 | 3, content) => matches!(**content, Self::Bytes(_)),
            Self::Tag(_, content) => content.has_fitting_tags(),
            Self::Array(items) => items.iter().all(Self::has_fitting_tags),
            Self::Map(members) => {
                members.iter().all(|(key, value)| key.has_fitting_tags() && value.has_fitting_tags())
            }
            _ => true,
        }
    }

    /// Whether a tag stands anywhere in it.
    pub(super) fn has_tag(&self) -> bool {
        match self {
            Self::Tag(..) => true,
            Self::Array(items) => items.iter().any(Self::has_tag),
            Self::Map(members) => members.iter().any(|(key, value)| key.has_tag() || value.has_tag()),
            _ => false,
        }
    }
}

/// Members of one map: headers have about ten, and keys are compared pairwise.
const MAP_MEMBERS: usize = 256;
