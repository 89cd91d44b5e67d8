//! Applies a layer to a tree, by its tar or by the list of its files.

use std::io::Read;

use assay_judge::layer;
use assay_judge::store::{Blob, BlobContent};
use assay_report::bundle::CarriedLayerFiles;
use assay_verifier::oci::{Descriptor, Digest};

use super::apply::{Applier, Problem};

/// Applies the layer that `blob` should be.
///
/// # Errors
/// [`LayerError`]; the tree is then of no use.
pub(crate) fn apply(
    blob: Blob<'_>,
    descriptor: &Descriptor,
    diff_id: &Digest,
    applier: &mut Applier<'_, '_>,
) -> Result<(), LayerError> {
    layer::read(stream(blob)?, descriptor, diff_id, |member| Ok(applier.apply(member)?))
}

/// Applies the layer whose list of files `blob` should be.
///
/// # Errors
/// [`LayerError`]; the tree is then of no use.
pub(crate) fn apply_list(
    blob: Blob<'_>,
    list: &CarriedLayerFiles,
    applier: &mut Applier<'_, '_>,
) -> Result<(), LayerError> {
    layer::read_list(stream(blob)?, list, |member| Ok(applier.apply(member)?))
}

fn stream(blob: Blob<'_>) -> Result<Box<dyn Read + Send + '_>, LayerError> {
    match blob.content {
        BlobContent::Stream(stream) => Ok(stream),
        BlobContent::Hashed(_) => Err(layer::LayerError::Damaged(
            "it is in a compressed archive, and was not kept; use a plain tar".into(),
        )
        .into()),
    }
}

/// Why a layer cannot be applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LayerError {
    /// It cannot be read.
    #[error(transparent)]
    Layer(#[from] layer::LayerError),
    /// Its entries cannot be applied.
    #[error(transparent)]
    Problem(#[from] Problem),
}
