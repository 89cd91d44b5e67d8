//! The trust policy document and the choice of its statement for an image.
//!
//! Trust store and trust policy specification, "Trust Policy" (OCI documents; notary.md section 8). JSON in, validated
//! statements out: what is in a [`TrustPolicy`] is valid. Stricter than the reference where its JSON reader is lenient
//! (repeated members, other letter case, text after the document), because such a document can be read in two ways.

mod document;
mod identity;
mod level;

pub use document::{PolicyError, ShapeError, Statement, StatementError, TrustPolicy, TrustStoreName};
pub(crate) use identity::mismatch;
pub use identity::{Identities, IdentityError, NeverMatches, SubjectPattern};
pub use level::{Actions, Level, VerifyTimestamp};
