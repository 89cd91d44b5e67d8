//! Checks the signature's own expiry, which the signer set. At the second of expiry it has expired.

use crate::codes::Code;
use crate::notary::envelope::SignedAttributes;
use crate::outcome::Finding;
use crate::time::UnixTime;

pub(super) fn check(attributes: &SignedAttributes, at: UnixTime) -> Result<(), Finding> {
    match attributes.expiry {
        Some(expiry) if at >= expiry => {
            Err(Finding::new(Code::SignatureExpired, alloc::format!("the signature expired at {expiry}")))
        }
        _ => Ok(()),
    }
}
