//! The trust directory and the bundles, as a pod gets them: a compressed archive in parts, each an immutable ConfigMap.
//!
//! The names contain the run and the archive's digest, so that no run uses or removes another's, and nothing else can have the
//! name of a part. The agent compares the whole with its digest before it unpacks anything.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use assay_verifier::limits::DELIVERED_BYTES;
use assay_verifier::oci::Digest;
use flate2::Compression;
use flate2::write::GzEncoder;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ObjectMeta, PostParams};

use super::api::{ApiError, Cluster, call};
use super::labels;
use crate::transport::input::Input;

/// Bytes of a part: a ConfigMap holds 1 MiB, names included.
const PART_BYTES: usize = 900 << 10;

/// An archive in parts.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    sha256: String,
    configs: Arc<[ConfigMap]>,
}

/// The trust directory and the bundles cannot be delivered.
#[derive(Debug, thiserror::Error)]
pub enum PartsError {
    /// A file cannot be read.
    #[error("a file cannot be read")]
    Read(#[source] io::Error),
    /// There is more than ConfigMaps should carry.
    #[error(
        "the trust directory and the bundles have {size} bytes compressed, more than the {DELIVERED_BYTES} that a run delivers; \
         make an image that holds them with assay kubernetes image --trust --bundle, and run with --in-image"
    )]
    TooLarge {
        /// Compressed bytes.
        size: usize,
    },
}

impl Parts {
    /// Compresses an archive and cuts it into parts of the run with this id.
    ///
    /// # Errors
    /// [`PartsError`]
    pub(crate) fn new(archive: &Input, run_id: &str) -> Result<Self, PartsError> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let mut written = Ok(());
        archive
            .read(|bytes| {
                if written.is_ok() {
                    written = encoder.write_all(bytes);
                }
            })
            .map_err(PartsError::Read)?;
        let packed = written.and_then(|()| encoder.finish()).map_err(PartsError::Read)?;
        if packed.len() as u64 > DELIVERED_BYTES {
            return Err(PartsError::TooLarge { size: packed.len() });
        }
        let sha256 = Digest::sha256(&packed).hex().to_owned();
        let short: String = sha256.chars().take(16).collect();
        let config = |(number, bytes): (usize, &[u8])| ConfigMap {
            metadata: ObjectMeta {
                name: Some(format!("assay-{}-{short}-{number:04}", labels::lower(run_id))),
                labels: Some(labels::of_run(run_id)),
                ..ObjectMeta::default()
            },
            immutable: Some(true),
            binary_data: Some([(format!("part-{number:04}"), ByteString(bytes.to_vec()))].into()),
            ..ConfigMap::default()
        };
        Ok(Self { sha256, configs: packed.chunks(PART_BYTES).enumerate().map(config).collect() })
    }

    /// The digest of the compressed archive, in lower-case hex.
    pub(super) fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The names of the ConfigMaps, in order.
    pub(super) fn names(&self) -> Vec<String> {
        self.configs.iter().filter_map(|config| config.metadata.name.clone()).collect()
    }

    /// Makes those that are not there.
    ///
    /// # Errors
    /// [`ApiError`]
    pub(super) async fn deliver(&self, cluster: &Cluster, limit: Duration) -> Result<(), ApiError> {
        let api = cluster.api::<ConfigMap>();
        for config in self.configs.iter() {
            let name = config.metadata.name.as_deref().unwrap_or_default();
            // Most visits find them there. To look costs less than to send them again.
            if call("looking for a ConfigMap", limit, || api.get_metadata_opt(name)).await?.is_some() {
                continue;
            }
            let post = PostParams::default();
            match call("creating a ConfigMap", limit, || api.create(&post, config)).await {
                Ok(_) => {}
                // another visit was first
                Err(error) if error.exists() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_together_are_the_archive_and_say_whose_they_are() {
        let mut state = 1_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_be_bytes()[0]
        };
        let bytes: Vec<u8> = (0..1 << 21).map(|_| random()).collect();
        let mut input = Input::default();
        input.bytes(bytes.clone());
        let parts = Parts::new(&input, "20261122T101500Z-9f86d081884c7d65").unwrap();
        let mut packed = Vec::new();
        for (number, config) in parts.configs.iter().enumerate() {
            assert_eq!(config.immutable, Some(true));
            let name = config.metadata.name.clone().unwrap();
            assert!(name.len() <= 63 && name.ends_with(&format!("-{number:04}")), "{name}");
            let data = config.binary_data.as_ref().unwrap();
            let part = &data[&format!("part-{number:04}")].0;
            assert!(data.len() == 1 && part.len() <= PART_BYTES);
            packed.extend(part);
        }
        assert!(parts.configs.len() > 1);
        assert_eq!(Digest::sha256(&packed).hex(), parts.sha256());
        let mut unpacked = Vec::new();
        io::Read::read_to_end(&mut flate2::read::GzDecoder::new(packed.as_slice()), &mut unpacked).unwrap();
        assert!(unpacked == bytes);
    }
}
