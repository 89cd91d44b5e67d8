//! What verdicts rest on beside the signature.

use crate::notary::trust_store::TrustStore;
use crate::revocation::RevocationEvidence;
use crate::time::UnixTime;

/// What verdicts rest on beside the signature: trusted certificates, revocation evidence and a time.
#[derive(Clone, Copy, Debug)]
pub struct Verifier<'a> {
    /// Trusted certificates.
    pub trust_store: &'a TrustStore,
    /// CRLs and OCSP responses.
    pub evidence: &'a RevocationEvidence,
    /// The time that counts as now.
    pub at: UnixTime,
}
