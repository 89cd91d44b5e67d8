//! Requires that evidence of revocation can be used.

use assay_verifier::revocation::{RevocationEvidence, UnusableFile};

use super::check::UNUSABLE_TODO;

/// Checks that all evidence that is to be relied on can be used.
///
/// # Errors
/// [`UnusableEvidence`] otherwise.
pub(crate) fn require_usable(evidence: &RevocationEvidence) -> Result<(), UnusableEvidence> {
    match evidence.unusable() {
        [] => Ok(()),
        files => Err(UnusableEvidence { files: files.to_vec() }),
    }
}

/// Evidence of revocation that cannot be used. It may revoke any certificate, so no image could pass.
#[derive(Debug, thiserror::Error)]
#[error("evidence of revocation cannot be used: {}; {}", named(files), UNUSABLE_TODO)]
pub struct UnusableEvidence {
    /// The files.
    pub files: Vec<UnusableFile>,
}

/// The first of some files, and how many more there are.
fn named(files: &[UnusableFile]) -> String {
    const SHOWN: usize = 20;
    let mut named: Vec<String> = files.iter().take(SHOWN).map(ToString::to_string).collect();
    if files.len() > SHOWN {
        named.push(format!("and {} more", files.len() - SHOWN));
    }
    named.join(", ")
}
