//! Signs bundles with a site key.

use assay_report::bundle::PAYLOAD_TYPE;

use crate::commands::runtime::block_on;
use crate::site_key::SiteKey;

/// Puts a bundle's document into a signed DSSE envelope.
pub(super) fn sign(key: &SiteKey, document: &[u8]) -> Result<Vec<u8>, String> {
    let signed = block_on(key.sign(PAYLOAD_TYPE, document.to_vec())).map_err(|error| error.to_string())?;
    Ok(signed.map_err(|error| error.to_string())?.to_json().into_bytes())
}
