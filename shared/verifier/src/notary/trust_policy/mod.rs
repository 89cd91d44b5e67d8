//! Reads the trust policy document and chooses its statement for an image.
//!
//! Trust store and trust policy specification, "Trust Policy" (OCI documents). What is in a [`TrustPolicy`] is valid. This
//! reader is stricter than the reference's JSON reader (repeated members, other letter case, text after the document),
//! because such a document can be read in two ways.

mod document;
mod identity;
mod level;

pub use document::{PolicyError, ShapeError, Statement, StatementError, TrustPolicy, TrustStoreName};
pub(crate) use identity::mismatch;
pub use identity::{Identities, IdentityError, NeverMatches, SubjectPattern};
pub use level::{Actions, Level, VerifyTimestamp};
