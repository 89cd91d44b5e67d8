//! Reads what an image's config says of its layers. OCI image specification, config.md.

use assay_verifier::json::{self, JsonError, JsonProblem};
use assay_verifier::oci::{Digest, shape};
use serde::Deserialize;

#[derive(Deserialize)]
struct Config {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Option<Vec<Digest>>,
}

/// The digests of an image's layers, uncompressed, the lowest first. None if it is the config of something that has no layers to
/// unpack, such as an attestation, and is not run.
///
/// # Errors
/// [`JsonError`] if it cannot be told what containerd would read.
pub fn diff_ids(config: &[u8]) -> Result<Option<Vec<Digest>>, JsonError> {
    match json::read::<Config>(config, &shape::CONFIG) {
        Ok(config) => Ok(Some(config.rootfs.diff_ids.unwrap_or_default())),
        Err(JsonError { problem: JsonProblem::Members { .. }, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The name of the snapshot that a layer is unpacked into, by that of the layers below it. OCI image specification, config.md, "Layer
/// ChainID".
pub fn chain_id(below: Option<&Digest>, layer: &Digest) -> Digest {
    match below {
        None => layer.clone(),
        Some(below) => Digest::sha256(format!("{below} {layer}").as_bytes()),
    }
}
