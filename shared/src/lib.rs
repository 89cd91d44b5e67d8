//! Offline verification of Notary Project signatures, and the reports that assay's programs write.
//!
//! Pure: bytes, policy, evidence and a time go in, a verdict comes out. The crate does no I/O and reads no clock; being
//! `no_std`, it could not.
#![no_std]
#![deny(missing_docs)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::as_conversions,
        clippy::arithmetic_side_effects
    )
)]

extern crate alloc;

pub mod limits;
pub mod time;

pub mod json;
pub mod oci;

mod asn1;
mod pem;
pub mod x509;

pub mod envelope;
pub mod payload;
pub mod signature_manifest;

pub mod dsse;

pub mod trust_policy;
pub mod trust_store;

pub mod revocation;
pub mod timestamp;

pub mod verify;

pub mod codes;
pub mod report;

pub mod bundle;

pub mod evidence;
pub mod statement;
