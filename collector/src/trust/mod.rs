//! Makes, changes and looks over trust directories before anything is verified by them.
//!
//! A trust directory has notation's shapes. What notation or this project's verifier would refuse is refused here by the very
//! same code ([`assay_judge::trust`], [`assay_verifier::notary::trust_policy`], [`assay_verifier::notary::trust_store`]). Nothing
//! that is there is overwritten unless asked for, and the policy is written last, so that an unfinished directory has no policy and trusts nothing.

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

pub(crate) use add::{Additions, add};
pub(crate) use check::{Severity, TrustCheck, check};
pub(crate) use error::TrustEditError;
pub(crate) use evidence::{UnusableEvidence, require_usable};
pub(crate) use import::import;
pub(crate) use init::{OwnCa, init};
pub(crate) use microsoft::{crls_to_carry, init_microsoft};
pub(crate) use text::check_text;
