//! Makes, changes and looks over trust directories before anything is verified by them.
//!
//! A trust directory has notation's shapes. What notation or this project's verifier would refuse is refused here by the very
//! same code ([`assay_judge::trust`], [`assay_verifier::notary::trust_policy`], [`assay_verifier::notary::trust_store`]). Nothing
//! that is there is overwritten unless asked for, and the policy is written last, so that half a directory trusts nobody.

mod add;
mod changes;
mod check;
mod error;
mod evidence;
mod files;
mod import;
mod init;
mod microsoft;
mod policy;
mod text;

pub use add::{Additions, add};
pub use check::{SCHEMA, Severity, TrustCheck, TrustFinding, check};
pub use error::TrustEditError;
pub use evidence::{UnusableEvidence, require_usable};
pub use import::import;
pub use init::{OwnCa, init};
pub use microsoft::{CrlToCarry, crls_to_carry, init_microsoft};
pub use text::check_text;
