//! Reads COSE envelopes: `application/cose`, one tagged COSE_Sign1. RFC 9052 section 4.2.

use alloc::string::ToString;
use alloc::vec::Vec;

use minicbor::Encoder;

use super::algorithm::EnvelopeAlgorithm;
use super::attributes::{AttributeError, RawAttributes, name};
use super::cbor::{CborError, Item};
use super::claims::{self, EnvelopeClaims};
use super::error::EnvelopeError;
use super::parsed::{Envelope, parse_chain};
use crate::time::UnixTime;

/// Header labels of the IANA registry "COSE Header Parameters".
mod label {
    pub(super) const ALG: i64 = 1;
    pub(super) const CRIT: i64 = 2;
    pub(super) const CONTENT_TYPE: i64 = 3;
    pub(super) const KID: i64 = 4;
    pub(super) const IV: i64 = 5;
    pub(super) const PARTIAL_IV: i64 = 6;
    pub(super) const COUNTERSIGNATURE: i64 = 7;
    pub(super) const COUNTERSIGNATURE_0: i64 = 9;
    pub(super) const KID_CONTEXT: i64 = 10;
    pub(super) const COUNTERSIGNATURE_V2: i64 = 11;
    pub(super) const COUNTERSIGNATURE_0_V2: i64 = 12;
    pub(super) const CWT_CLAIMS: i64 = 15;
    pub(super) const TYPE: i64 = 16;
    pub(super) const X5BAG: i64 = 32;
    pub(super) const X5CHAIN: i64 = 33;
    pub(super) const X5T: i64 = 34;
    pub(super) const X5U: i64 = 35;
}

/// How an envelope begins: tag 18 in one byte, then an array of four. No other encoding of the same is taken.
pub(super) const HEAD: [u8; 2] = [0xd2, 0x84];

pub(super) fn parse(bytes: &[u8]) -> Result<Envelope, EnvelopeError> {
    if !bytes.starts_with(&HEAD) {
        return Err(malformed("not a tagged COSE_Sign1"));
    }
    let Item::Tag(_, message) = Item::parse(bytes)? else { return Err(malformed("not a tagged COSE_Sign1")) };
    let Item::Array(parts) = *message else { return Err(malformed("not a COSE_Sign1")) };
    let [Item::Bytes(protected_bytes), Item::Map(unprotected), Item::Bytes(payload), Item::Bytes(signature)] =
        parts.as_slice()
    else {
        return Err(malformed("the four parts are not of their types"));
    };
    if payload.is_empty() || signature.is_empty() {
        return Err(malformed("empty payload or signature"));
    }
    let protected = Headers::protected(protected_bytes)?;
    let unprotected = Headers::unprotected(unprotected)?;
    protected.check_beside(&unprotected)?;
    Ok(Envelope {
        algorithm: algorithm(&protected)?,
        signed_bytes: sig_structure(protected_bytes, payload),
        signature: signature.to_vec(),
        chain: parse_chain(&chain(&unprotected)?)?,
        attributes: attributes(&protected)?.check()?,
        payload: payload.to_vec(),
        // unprotected values of another type are ignored, as in the reference
        timestamp_token: match unprotected.text(name::TIMESTAMP) {
            Some(Item::Bytes(token)) => Some(token.to_vec()),
            _ => None,
        },
    })
}

/// What a COSE_Sign1 claims, tagged or not, its chain in either header.
pub(super) fn claims(bytes: &[u8]) -> Option<EnvelopeClaims> {
    let message = match Item::parse(bytes).ok()? {
        Item::Tag(_, message) => *message,
        message => message,
    };
    let Item::Array(parts) = message else { return None };
    let [Item::Bytes(protected), Item::Map(unprotected), payload, Item::Bytes(signature)] = parts.as_slice()
    else {
        return None;
    };
    let protected = match Item::parse(protected).ok()? {
        Item::Map(members) => Headers(members.into()),
        _ => return None,
    };
    let unprotected = Headers(unprotected.into());
    let text = |item: Option<&Item<'_>>| match item {
        Some(Item::Text(text)) => Some((*text).to_string()),
        Some(Item::Int(number)) => Some(number.to_string()),
        _ => None,
    };
    let bytes = |item: &Item<'_>| match item {
        Item::Bytes(bytes) => Some(bytes.to_vec()),
        _ => None,
    };
    let time = |name| protected.text(name).and_then(epoch_time);
    let chain = match unprotected.int(label::X5CHAIN).or_else(|| protected.int(label::X5CHAIN)) {
        Some(Item::Array(entries)) => entries.iter().filter_map(bytes).collect(),
        Some(single) => bytes(single).into_iter().collect(),
        None => Vec::new(),
    };
    let number = || text(protected.int(label::ALG));
    Some(EnvelopeClaims {
        algorithm: algorithm(&protected).ok().map(|one| one.name().to_string()).or_else(number),
        content_type: text(protected.int(label::CONTENT_TYPE)),
        scheme: text(protected.text(name::SIGNING_SCHEME)),
        signing_time: time(name::SIGNING_TIME).or_else(|| time(name::AUTHENTIC_SIGNING_TIME)),
        expiry: time(name::EXPIRY),
        plugin: text(protected.text(name::PLUGIN)),
        plugin_min_version: text(protected.text(name::PLUGIN_MIN_VERSION)),
        signing_agent: text(unprotected.text(name::SIGNING_AGENT)),
        chain: claims::certificates(&chain),
        payload: bytes(payload).unwrap_or_default(),
        signature: signature.to_vec(),
        timestamp_token: unprotected.text(name::TIMESTAMP).and_then(bytes),
    })
}

/// `Sig_structure` of RFC 9052 section 4.4 with empty external data.
fn sig_structure(protected: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    // writing to a Vec cannot fail
    let _ = encoder
        .array(4)
        .and_then(|encoder| encoder.str("Signature1"))
        .and_then(|encoder| encoder.bytes(protected))
        .and_then(|encoder| encoder.bytes(&[]))
        .and_then(|encoder| encoder.bytes(payload));
    encoder.into_writer()
}

/// A header map whose labels are integers or text and whose registered values are of their types.
struct Headers<'a, 'b>(alloc::borrow::Cow<'b, [(Item<'a>, Item<'a>)]>);

impl<'a, 'b> Headers<'a, 'b> {
    fn protected(bytes: &'a [u8]) -> Result<Self, EnvelopeError> {
        let Item::Map(members) = Item::parse(bytes)? else {
            return Err(malformed("the protected header is not a map"));
        };
        if !members.iter().all(|(_, value)| value.has_fitting_tags()) {
            return Err(malformed("a tag over content of another type"));
        }
        Self(members.into()).checked(true)
    }

    fn unprotected(members: &'b [(Item<'a>, Item<'a>)]) -> Result<Self, EnvelopeError> {
        if members.iter().any(|(_, value)| value.has_tag()) {
            return Err(malformed("a tag in the unprotected header"));
        }
        Self(members.into()).checked(false)
    }

    fn checked(self, protected: bool) -> Result<Self, EnvelopeError> {
        for (label, value) in self.0.iter() {
            let label = match label {
                Item::Int(label) => *label,
                Item::Text(_) => continue,
                _ => return Err(malformed("a header label is neither an integer of 64 bits nor text")),
            };
            if !is_well_typed(label, value, protected) {
                return Err(malformed(
                    "a registered header parameter is of the wrong type or in the wrong place",
                ));
            }
        }
        Ok(self)
    }

    /// Checks what must not stand in one header beside what the other says: RFC 9052 section 3.1.
    fn check_beside(&self, unprotected: &Self) -> Result<(), EnvelopeError> {
        let has = |label| self.int(label).is_some() || unprotected.int(label).is_some();
        if has(label::IV) && has(label::PARTIAL_IV) {
            return Err(malformed("IV beside Partial IV"));
        }
        let chains = [self, unprotected].map(|headers| headers.int(label::X5CHAIN));
        if let [Some(one), Some(other)] = chains
            && one != other
        {
            return Err(malformed("two different chains"));
        }
        Ok(())
    }

    fn get(&self, label: &Item<'_>) -> Option<&Item<'a>> {
        self.0.iter().find(|(known, _)| known == label).map(|(_, value)| value)
    }

    fn int(&self, label: i64) -> Option<&Item<'a>> {
        self.get(&Item::Int(label))
    }

    fn text(&self, label: &str) -> Option<&Item<'a>> {
        self.get(&Item::Text(label))
    }
}

/// Whether a registered parameter is of its type and where it may be: RFC 9052 section 3.1, RFC 9360, 9338, 9596, 9597 and
/// 8613. The list of critical labels is checked where it is read.
fn is_well_typed(label: i64, value: &Item<'_>, protected: bool) -> bool {
    let is_bytes = |value: &Item<'_>| matches!(value, Item::Bytes(_));
    match label {
        label::ALG => matches!(value, Item::Int(_) | Item::Text(_)),
        label::CRIT => protected,
        label::CONTENT_TYPE | label::TYPE => match value {
            Item::Text(text) => is_media_type(text),
            Item::Int(number) => *number >= 0,
            _ => false,
        },
        label::KID | label::IV | label::PARTIAL_IV | label::KID_CONTEXT => is_bytes(value),
        label::COUNTERSIGNATURE | label::COUNTERSIGNATURE_V2 => false,
        label::COUNTERSIGNATURE_0 | label::COUNTERSIGNATURE_0_V2 => !protected && is_bytes(value),
        label::CWT_CLAIMS => matches!(value, Item::Map(_)),
        label::X5BAG | label::X5CHAIN => match value {
            Item::Array(entries) => entries.iter().all(is_bytes),
            value => is_bytes(value),
        },
        label::X5T => match value {
            Item::Array(parts) => matches!(parts.as_slice(), [Item::Int(_) | Item::Text(_), Item::Bytes(_)]),
            _ => false,
        },
        label::X5U => matches!(value, Item::Tag(32, uri) if matches!(**uri, Item::Text(_))),
        _ => true,
    }
}

fn algorithm(protected: &Headers<'_, '_>) -> Result<EnvelopeAlgorithm, EnvelopeError> {
    Ok(match protected.int(label::ALG) {
        Some(Item::Int(-37)) => EnvelopeAlgorithm::Ps256,
        Some(Item::Int(-38)) => EnvelopeAlgorithm::Ps384,
        Some(Item::Int(-39)) => EnvelopeAlgorithm::Ps512,
        Some(Item::Int(-7)) => EnvelopeAlgorithm::Es256,
        Some(Item::Int(-35)) => EnvelopeAlgorithm::Es384,
        Some(Item::Int(-36)) => EnvelopeAlgorithm::Es512,
        _ => return Err(EnvelopeError::Algorithm),
    })
}

fn chain(unprotected: &Headers<'_, '_>) -> Result<Vec<Vec<u8>>, EnvelopeError> {
    let chain = unprotected.int(label::X5CHAIN).ok_or(EnvelopeError::NoChain)?;
    // RFC 9360 writes a single certificate as a bare byte string; the Notary Project demands a list
    let Item::Array(entries) = chain else { return Err(malformed("x5chain is not a list")) };
    let bytes = |entry: &Item<'_>| match entry {
        Item::Bytes(der) => Ok(der.to_vec()),
        _ => Err(malformed("x5chain holds something else than byte strings")),
    };
    entries.iter().map(bytes).collect()
}

fn attributes<'a>(protected: &Headers<'a, '_>) -> Result<RawAttributes<'a>, AttributeError> {
    let time = |attribute| {
        protected
            .text(attribute)
            .map(|item| epoch_time(item).ok_or(AttributeError::Time { attribute }))
            .transpose()
    };
    let text = |item: Option<&Item<'a>>| match item {
        Some(Item::Text(text)) => Some(*text),
        _ => None,
    };
    let mut attributes = RawAttributes {
        content_type: text(protected.int(label::CONTENT_TYPE)),
        scheme: text(protected.text(name::SIGNING_SCHEME)),
        signing_time: time(name::SIGNING_TIME)?,
        authentic_signing_time: time(name::AUTHENTIC_SIGNING_TIME)?,
        expiry: time(name::EXPIRY)?,
        names_plugin: protected
            .text(name::PLUGIN)
            .or_else(|| protected.text(name::PLUGIN_MIN_VERSION))
            .is_some(),
        ..RawAttributes::default()
    };
    let Some(Item::Array(listed)) = protected.int(label::CRIT) else { return Err(AttributeError::Crit) };
    for entry in listed {
        if protected.get(entry).is_none() {
            return Err(AttributeError::CriticalAbsent);
        }
        match entry {
            Item::Text(name::SIGNING_SCHEME) => attributes.critical.scheme = true,
            Item::Text(name::AUTHENTIC_SIGNING_TIME) => attributes.critical.authentic_signing_time = true,
            Item::Text(name::EXPIRY) => attributes.critical.expiry = true,
            // RFC 9052 lets crit name parameters that every reader must know anyway
            Item::Int(label::ALG | label::CRIT | label::CONTENT_TYPE) => {}
            Item::Text(name::PLUGIN | name::PLUGIN_MIN_VERSION) => return Err(AttributeError::Plugin),
            Item::Text(other) => {
                return Err(AttributeError::CriticalUnknown { attribute: (*other).to_string() });
            }
            Item::Int(other) => return Err(AttributeError::CriticalUnknown { attribute: other.to_string() }),
            _ => return Err(AttributeError::Crit),
        }
    }
    if listed.is_empty() { Err(AttributeError::Crit) } else { Ok(attributes) }
}

/// `type/subtype`, as far as readers of COSE check it.
fn is_media_type(text: &str) -> bool {
    text.matches('/').count() == 1 && !text.starts_with(' ') && !text.ends_with(' ')
}

/// Epoch-based time, RFC 8949 section 3.4.2: tag 1 over a number of seconds.
fn epoch_time(item: &Item<'_>) -> Option<UnixTime> {
    let Item::Tag(1, number) = item else { return None };
    match **number {
        Item::Int(seconds) => UnixTime::from_seconds(seconds),
        Item::Float(seconds) => UnixTime::from_float_seconds(seconds),
        _ => None,
    }
}

fn malformed(what: &'static str) -> EnvelopeError {
    EnvelopeError::Malformed { what }
}

impl From<CborError> for EnvelopeError {
    fn from(CborError: CborError) -> Self {
        malformed("not CBOR without indefinite lengths and repeated keys")
    }
}
