//! Reads JWS envelopes: `application/jose+json`, one flattened JSON serialization. RFC 7515 section 7.2.2.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::algorithm::EnvelopeAlgorithm;
use super::attributes::{AttributeError, RawAttributes, name};
use super::claims::{self, EnvelopeClaims};
use super::error::EnvelopeError;
use super::parsed::{Envelope, parse_chain};
use crate::json::{JsonError, Object, Value};
use crate::time::UnixTime;

const PROTECTED_MEMBERS: &[&str] = &[
    "alg",
    "cty",
    "crit",
    name::SIGNING_SCHEME,
    name::SIGNING_TIME,
    name::AUTHENTIC_SIGNING_TIME,
    name::EXPIRY,
    name::PLUGIN,
    name::PLUGIN_MIN_VERSION,
];
const UNPROTECTED_MEMBERS: &[&str] = &["x5c", name::TIMESTAMP, name::SIGNING_AGENT];

pub(super) fn parse(bytes: &[u8]) -> Result<Envelope, EnvelopeError> {
    let json = |part| move |error: JsonError| EnvelopeError::Json { part, error };
    let document = Value::parse(bytes).map_err(json(""))?;
    let document = document.as_object().ok_or(malformed("not a JSON object"))?;
    refuse_case_variants(document, &["payload", "protected", "signature", "header"])?;
    if document.get("signatures").is_some() {
        return Err(malformed("general JSON serialization"));
    }
    let member = |name| {
        document
            .get(name)
            .and_then(Value::as_text)
            .ok_or(malformed("payload, protected or signature is missing"))
    };
    let (payload_text, protected_text) = (member("payload")?, member("protected")?);
    let payload = decode_url(payload_text)?;
    let signature = decode_url(member("signature")?)?;
    if payload.is_empty() || signature.is_empty() {
        return Err(malformed("empty payload or signature"));
    }
    // RFC 7515 leaves the payload open; the Notary Project's is one JSON object. How strictly it reads is asked when it is
    // held against the artifact, as with COSE.
    if !is_json_object(&payload) {
        return Err(malformed("the payload is not one JSON object"));
    }
    let protected = Value::parse(&decode_url(protected_text)?).map_err(json("in its protected header, "))?;
    let protected = protected.as_object().ok_or(malformed("the protected header is not a JSON object"))?;
    refuse_case_variants(protected, PROTECTED_MEMBERS)?;
    let header = document.get("header").and_then(Value::as_object).ok_or(malformed("header is missing"))?;
    refuse_case_variants(header, UNPROTECTED_MEMBERS)?;
    let envelope = Envelope {
        algorithm: algorithm(protected)?,
        signed_bytes: [protected_text.as_bytes(), b".", payload_text.as_bytes()].concat(),
        signature,
        chain: parse_chain(&chain(header)?)?,
        attributes: attributes(protected)?.check()?,
        payload,
        timestamp_token: optional_text(header, name::TIMESTAMP)?.map(decode_standard).transpose()?,
    };
    // No one uses the signing agent, but an envelope in which it is not text is malformed.
    optional_text(header, name::SIGNING_AGENT)?;
    Ok(envelope)
}

/// What an object of this form claims; `None` if it has neither a header that is protected nor one that is not.
pub(super) fn claims(bytes: &[u8]) -> Option<EnvelopeClaims> {
    let document = Value::parse(bytes).ok()?;
    let document = document.as_object()?;
    let decoded = |name| {
        let text = document.get(name).and_then(Value::as_text);
        text.and_then(|text| decode_url(text).ok()).unwrap_or_default()
    };
    let protected = Value::parse(&decoded("protected")).ok();
    let protected = protected.as_ref().and_then(Value::as_object);
    let header = document.get("header").and_then(Value::as_object);
    if protected.is_none() && header.is_none() {
        return None;
    }
    let text = |object: Option<&Object>, name| {
        object.and_then(|object| object.get(name)).and_then(Value::as_text).map(ToString::to_string)
    };
    let time = |name| text(protected, name).and_then(|text| UnixTime::parse(&text).ok());
    let chain = header.and_then(|header| chain(header).ok()).unwrap_or_default();
    Some(EnvelopeClaims {
        algorithm: text(protected, "alg"),
        content_type: text(protected, "cty"),
        scheme: text(protected, name::SIGNING_SCHEME),
        signing_time: time(name::SIGNING_TIME).or_else(|| time(name::AUTHENTIC_SIGNING_TIME)),
        expiry: time(name::EXPIRY),
        plugin: text(protected, name::PLUGIN),
        plugin_min_version: text(protected, name::PLUGIN_MIN_VERSION),
        signing_agent: text(header, name::SIGNING_AGENT),
        chain: claims::certificates(&chain),
        payload: decoded("payload"),
        signature: decoded("signature"),
        timestamp_token: text(header, name::TIMESTAMP).and_then(|token| decode_standard(&token).ok()),
    })
}

fn algorithm(protected: &Object) -> Result<EnvelopeAlgorithm, EnvelopeError> {
    Ok(match protected.get("alg").and_then(Value::as_text) {
        Some("PS256") => EnvelopeAlgorithm::Ps256,
        Some("PS384") => EnvelopeAlgorithm::Ps384,
        Some("PS512") => EnvelopeAlgorithm::Ps512,
        Some("ES256") => EnvelopeAlgorithm::Es256,
        Some("ES384") => EnvelopeAlgorithm::Es384,
        Some("ES512") => EnvelopeAlgorithm::Es512,
        _ => return Err(EnvelopeError::Algorithm),
    })
}

fn attributes(protected: &Object) -> Result<RawAttributes<'_>, AttributeError> {
    let time = |attribute| match protected.get(attribute) {
        None => Ok(None),
        Some(value) => {
            let time = value.as_text().and_then(|text| UnixTime::parse(text).ok());
            time.map(Some).ok_or(AttributeError::Time { attribute })
        }
    };
    let text = |name| protected.get(name).and_then(Value::as_text);
    let mut attributes = RawAttributes {
        content_type: text("cty"),
        scheme: text(name::SIGNING_SCHEME),
        signing_time: time(name::SIGNING_TIME)?,
        authentic_signing_time: time(name::AUTHENTIC_SIGNING_TIME)?,
        expiry: time(name::EXPIRY)?,
        names_plugin: protected
            .get(name::PLUGIN)
            .or_else(|| protected.get(name::PLUGIN_MIN_VERSION))
            .is_some(),
        ..RawAttributes::default()
    };
    let listed = protected.get("crit").and_then(Value::as_array).ok_or(AttributeError::Crit)?;
    for entry in listed {
        let entry = entry.as_text().ok_or(AttributeError::Crit)?;
        let mark = match entry {
            name::SIGNING_SCHEME => &mut attributes.critical.scheme,
            name::AUTHENTIC_SIGNING_TIME => &mut attributes.critical.authentic_signing_time,
            name::EXPIRY => &mut attributes.critical.expiry,
            name::PLUGIN | name::PLUGIN_MIN_VERSION => return Err(AttributeError::Plugin),
            other => return Err(AttributeError::CriticalUnknown { attribute: other.to_string() }),
        };
        if *mark {
            return Err(AttributeError::Crit);
        }
        *mark = true;
    }
    if listed.is_empty() { Err(AttributeError::Crit) } else { Ok(attributes) }
}

fn chain(header: &Object) -> Result<Vec<Vec<u8>>, EnvelopeError> {
    let entries = match header.get("x5c") {
        Some(Value::Array(entries)) => entries,
        Some(_) => return Err(malformed("x5c is not a list")),
        None => return Err(EnvelopeError::NoChain),
    };
    entries
        .iter()
        .map(|entry| decode_standard(entry.as_text().ok_or(malformed("x5c holds something else than text"))?))
        .collect()
}

/// Text under `name`; `None` if it is absent or null.
fn optional_text<'a>(object: &'a Object, name: &str) -> Result<Option<&'a str>, EnvelopeError> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Text(text)) => Ok(Some(text)),
        Some(_) => Err(malformed("an unprotected attribute is of the wrong type")),
    }
}

fn refuse_case_variants(object: &Object, known: &[&str]) -> Result<(), EnvelopeError> {
    match object.case_variant_of(known) {
        Some(_) => Err(malformed("a member's name is in another letter case")),
        None => Ok(()),
    }
}

/// Whether bytes are one JSON object, or null, with whatever members and letters.
fn is_json_object(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let is_one = text.trim_ascii_start().starts_with('{') || text.trim_ascii() == "null";
    is_one && serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok()
}

fn decode_url(text: &str) -> Result<Vec<u8>, EnvelopeError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed("not base64url without padding"))
}

fn decode_standard(text: &str) -> Result<Vec<u8>, EnvelopeError> {
    STANDARD.decode(text).map_err(|_| malformed("not base64"))
}

fn malformed(what: &'static str) -> EnvelopeError {
    EnvelopeError::Malformed { what }
}
