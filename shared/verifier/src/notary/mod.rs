//! The Notary Project's signatures: envelope, payload, manifest, trust policy, trust store, and their verification.

pub mod envelope;
pub mod manifest;
pub mod media_type;
pub mod payload;
pub mod trust_policy;
pub mod trust_store;
pub mod verify;
