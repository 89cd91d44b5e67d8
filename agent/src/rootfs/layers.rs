//! Applies a layer to a tree.

use assay_judge::layer;
use assay_judge::store::{Blob, BlobContent};
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
    let BlobContent::Stream(stream) = blob.content else {
        return Err(layer::LayerError::Damaged("it cannot be read twice".into()).into());
    };
    layer::read(stream, descriptor, diff_id, |member| Ok(applier.apply(member)?))
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
