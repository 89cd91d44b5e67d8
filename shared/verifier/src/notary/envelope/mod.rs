//! Reads signature envelopes into an [`Envelope`], which is parsed and not trusted. [`Envelope::verify`] turns it into a
//! [`VerifiedEnvelope`], the only way to the facts that the signer vouches for.
//!
//! Signature specification, "Signature Envelope"; RFC 7515 for JWS, RFC 9052 for COSE. Some of the reference's readers are
//! lenient; these are not.

mod algorithm;
mod attributes;
mod cbor;
mod claims;
mod cose;
mod error;
mod jws;
mod parsed;

use alloc::string::ToString as _;

pub use attributes::{AttributeError, SignedAttributes, SigningScheme};
pub use claims::EnvelopeClaims;
pub use error::EnvelopeError;
pub use parsed::{Envelope, VerifiedEnvelope};

use crate::file_form::FileForm;
use crate::json;
use crate::limits;
use crate::notary::media_type;

impl Envelope {
    /// Reads the envelope of a media type.
    ///
    /// # Errors
    /// [`EnvelopeError`] if it is not an envelope of the Notary Project.
    pub fn parse(media_type: &str, bytes: &[u8]) -> Result<Self, EnvelopeError> {
        if bytes.len() > limits::ENVELOPE_BYTES {
            return Err(EnvelopeError::TooLarge { bytes: bytes.len() });
        }
        let (parsed, begins_right) = match media_type {
            media_type::JWS_ENVELOPE => (jws::parse(bytes), json::is_object(bytes)),
            media_type::COSE_ENVELOPE => (cose::parse(bytes), bytes.starts_with(&cose::HEAD)),
            other => return Err(EnvelopeError::MediaType { media_type: other.to_string() }),
        };
        parsed.map_err(|error| match FileForm::detect(bytes) {
            is if !begins_right && !matches!(is, FileForm::Text | FileForm::Unknown) => {
                EnvelopeError::Form { is, media_type: media_type.to_string() }
            }
            _ => error,
        })
    }
}

impl EnvelopeClaims {
    /// Reads what `bytes` claim; `None` if they have not the form of a JWS or a COSE_Sign1, or are longer than any envelope.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > limits::ENVELOPE_BYTES {
            return None;
        }
        if bytes.trim_ascii_start().starts_with(b"{") { jws::claims(bytes) } else { cose::claims(bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::codes::Code;
    use crate::file_form::Packer;

    const JWS: &[u8] = include_bytes!("../../../../../fixtures/fuzz/envelope.jws");

    #[test]
    fn an_envelope_of_another_format_than_its_media_type_is_called_by_its_name() {
        let cose = [&[0xd2, 0x84][..], &[0x40; 10]].concat();
        let page = b"<html><title>Sign in</title></html>";
        for (media_type, bytes, is) in [
            (media_type::JWS_ENVELOPE, &cose[..], FileForm::Cose),
            (media_type::COSE_ENVELOPE, JWS, FileForm::Json),
            (media_type::JWS_ENVELOPE, page, FileForm::WebPage),
            (media_type::COSE_ENVELOPE, page, FileForm::WebPage),
            (media_type::JWS_ENVELOPE, b"\x1f\x8b\x08", FileForm::Packed(Packer::Gzip)),
            (media_type::COSE_ENVELOPE, b"\x1f\x8b\x08", FileForm::Packed(Packer::Gzip)),
            (media_type::JWS_ENVELOPE, b"eyJhbGciOiJQUzI1NiJ9.e30.AA", FileForm::Token),
        ] {
            let error = Envelope::parse(media_type, bytes).unwrap_err();
            assert_eq!(error.code(), Code::EnvelopeMalformed);
            assert_eq!(error, EnvelopeError::Form { is, media_type: media_type.to_string() });
        }
        assert!(Envelope::parse(media_type::JWS_ENVELOPE, JWS).is_ok());
        let marked = [b"\xef\xbb\xbf", JWS].concat();
        let error = Envelope::parse(media_type::JWS_ENVELOPE, &marked).unwrap_err();
        let is = FileForm::Marked;
        assert_eq!(error, EnvelopeError::Form { is, media_type: media_type::JWS_ENVELOPE.into() });
    }
}
