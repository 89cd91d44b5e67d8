//! Media types of signatures, by name.

/// The type of a signature artifact.
pub const SIGNATURE: &str = "application/vnd.cncf.notary.signature";
/// The signed payload.
pub const PAYLOAD: &str = "application/vnd.cncf.notary.payload.v1+json";
/// A JWS envelope.
pub const JWS_ENVELOPE: &str = "application/jose+json";
/// A COSE envelope.
pub const COSE_ENVELOPE: &str = "application/cose";
