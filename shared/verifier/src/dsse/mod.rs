//! Dead Simple Signing Envelope, version 1.0.2: a payload of any type, and the signatures of a site's own keys over it.
//!
//! [`DsseEnvelope::verify`] gives out the payload if one of the [`VerifyingKey`]s that the trust directory names signed it. An
//! envelope is refused if it is past [`limits`], has base64 other than the standard alphabet with padding, has members that
//! DSSE does not know, or has a signature that names a known key and does not hold, whatever the others say. What this
//! project writes has one form, so a changed byte is always found.
//!
//! DSSE leaves signature algorithms to its users. Here: Ed25519, and ECDSA on P-256 with SHA-256 or P-384 with SHA-384, in
//! ASN.1 form, as other DSSE tools make them.

mod key;

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::json::{JsonError, Object, Value};
use crate::limits;

pub use key::{KeyError, KeyKind, VerifyingKey};

/// An envelope as it was read or made; nothing in it is known to be true. The payload comes out of
/// [`DsseEnvelope::verify`] only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DsseEnvelope {
    payload_type: String,
    payload: Vec<u8>,
    signatures: Vec<Signature>,
}

/// A signature in an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The [`VerifyingKey::id`] of the key that is said to have made it; a hint that nothing protects.
    pub key_id: Option<String>,
    /// Ed25519: 64 bytes; ECDSA: the DER of `Ecdsa-Sig-Value`.
    pub bytes: Vec<u8>,
}

/// What an envelope says, with those who vouch for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<'a> {
    /// The payload.
    pub payload: &'a [u8],
    /// The keys whose signatures hold, at least one, in the envelope's order.
    pub signers: Vec<&'a VerifyingKey>,
}

/// What is signed: `PAE(type, payload)` of the DSSE protocol. It begins with `DSSEv1`, which nothing that is signed for a login or
/// a certificate begins with.
pub fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut message =
        alloc::format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    message.extend_from_slice(payload);
    message
}

impl DsseEnvelope {
    /// An envelope around a payload with signatures over its [`pre_authentication_encoding`].
    pub fn new(payload_type: String, payload: Vec<u8>, signatures: Vec<Signature>) -> Self {
        Self { payload_type, payload, signatures }
    }

    /// Reads an envelope.
    ///
    /// # Errors
    /// [`DsseError`] if it is anything else than one envelope as DSSE defines it.
    pub fn parse(json: &[u8]) -> Result<Self, DsseError> {
        if json.len() > limits::DSSE_ENVELOPE_BYTES {
            return Err(DsseError::TooLarge);
        }
        let document = Value::parse(json).map_err(DsseError::Json)?;
        let envelope = object(&document, &["payloadType", "payload", "signatures"])?;
        let list = envelope
            .get("signatures")
            .and_then(Value::as_array)
            .ok_or(DsseError::Member { member: "signatures" })?;
        match list.len() {
            0 => return Err(DsseError::NoSignature),
            many if many > limits::DSSE_SIGNATURES => return Err(DsseError::TooManySignatures),
            _ => {}
        }
        Ok(Self {
            payload_type: text(envelope, "payloadType")?.to_string(),
            payload: base64(envelope, "payload")?,
            signatures: list.iter().map(signature).collect::<Result<_, _>>()?,
        })
    }

    /// The envelope as JSON in one line without a line break.
    pub fn to_json(&self) -> String {
        let wire = Wire {
            payload_type: &self.payload_type,
            payload: STANDARD.encode(&self.payload),
            signatures: self
                .signatures
                .iter()
                .map(|signature| WireSignature {
                    keyid: signature.key_id.as_deref(),
                    sig: STANDARD.encode(&signature.bytes),
                })
                .collect(),
        };
        // text and lists of text cannot fail to be written
        serde_json::to_string(&wire).unwrap_or_default()
    }

    /// The key ids that the signatures name.
    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.signatures.iter().filter_map(|signature| signature.key_id.as_deref())
    }

    /// The payload, if it is of the type `payload_type` and one of `keys` signed it. Signatures of keys that are not
    /// among them say nothing; one that names a key among them must hold.
    ///
    /// # Errors
    /// [`VerifyError`]
    pub fn verify<'a>(
        &'a self,
        payload_type: &str,
        keys: &'a [VerifyingKey],
    ) -> Result<Verified<'a>, VerifyError> {
        if self.payload_type != payload_type {
            return Err(VerifyError::PayloadType { found: self.payload_type.clone() });
        }
        let message = pre_authentication_encoding(&self.payload_type, &self.payload);
        let mut signers = Vec::new();
        for signature in &self.signatures {
            let holds = |key: &&VerifyingKey| key.verify(&message, &signature.bytes);
            match &signature.key_id {
                None => signers.extend(keys.iter().find(holds)),
                Some(id) => {
                    let Some(key) = keys.iter().find(|key| key.id() == id) else { continue };
                    if !holds(&key) {
                        return Err(VerifyError::Wrong { key_id: id.clone() });
                    }
                    signers.push(key);
                }
            }
        }
        if signers.is_empty() {
            return Err(VerifyError::NoKnownKey {
                key_ids: self.key_ids().map(ToString::to_string).collect(),
            });
        }
        Ok(Verified { payload: &self.payload, signers })
    }
}

fn signature(value: &Value) -> Result<Signature, DsseError> {
    let signature = object(value, &["keyid", "sig"])?;
    let key_id = match signature.get("keyid") {
        None => None,
        // the protocol takes an empty id for none
        Some(_) => Some(text(signature, "keyid")?).filter(|id| !id.is_empty()).map(ToString::to_string),
    };
    Ok(Signature { key_id, bytes: base64(signature, "sig")? })
}

fn object<'a>(value: &'a Value, members: &[&str]) -> Result<&'a Object, DsseError> {
    let object = value.as_object().ok_or(DsseError::NotAnObject)?;
    match object.iter().find(|(name, _)| !members.contains(name)) {
        Some((name, _)) => Err(DsseError::UnknownMember { member: name.to_string() }),
        None => Ok(object),
    }
}

fn text<'a>(object: &'a Object, member: &'static str) -> Result<&'a str, DsseError> {
    object.get(member).and_then(Value::as_text).ok_or(DsseError::Member { member })
}

fn base64(object: &Object, member: &'static str) -> Result<Vec<u8>, DsseError> {
    STANDARD.decode(text(object, member)?).map_err(|_| DsseError::Base64 { member })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    payload_type: &'a str,
    payload: String,
    signatures: Vec<WireSignature<'a>>,
}

#[derive(Serialize)]
struct WireSignature<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    keyid: Option<&'a str>,
    sig: String,
}

/// Why bytes are not an envelope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DsseError {
    /// Longer than [`limits::DSSE_ENVELOPE_BYTES`].
    #[error("it is larger than {} bytes", limits::DSSE_ENVELOPE_BYTES)]
    TooLarge,
    /// Not one JSON value, or a member is named twice.
    #[error("malformed: {0}")]
    Json(JsonError),
    /// The envelope or a signature in it is not a JSON object.
    #[error("the envelope or a signature in it is not a JSON object")]
    NotAnObject,
    /// A member that DSSE does not know.
    #[error("it has the member {member:?}, which DSSE does not know")]
    UnknownMember {
        /// Its name.
        member: String,
    },
    /// A member is missing or of the wrong type.
    #[error("{member} is missing or of the wrong type")]
    Member {
        /// Which.
        member: &'static str,
    },
    /// A member is not base64 of the standard alphabet, padded.
    #[error("{member} is not base64 in the standard alphabet with padding")]
    Base64 {
        /// Which.
        member: &'static str,
    },
    /// No one signed it.
    #[error("it has no signature")]
    NoSignature,
    /// More than [`limits::DSSE_SIGNATURES`].
    #[error("it has more than {} signatures", limits::DSSE_SIGNATURES)]
    TooManySignatures,
}

/// Why an envelope's payload is not to be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// It is of another type than the one that was asked for.
    #[error("the payload is a {found:?}")]
    PayloadType {
        /// What it is.
        found: String,
    },
    /// None of the keys made a signature.
    #[error("no known key signed it; its signatures name {}", if key_ids.is_empty() { "no key".into() } else { key_ids.join(", ") })]
    NoKnownKey {
        /// The ids that the signatures name.
        key_ids: Vec<String>,
    },
    /// A signature of a known key does not hold: envelope or payload were changed.
    #[error("the signature of {key_id} does not hold")]
    Wrong {
        /// The key.
        key_id: String,
    },
}

#[cfg(test)]
mod tests;
