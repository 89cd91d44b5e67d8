//! Applies a layer to a tree, by its tar or by the list of its files.

use std::io::{self, Read};

use assay_judge::layer;
use assay_judge::store::members::Compression;
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
    let mut stream = stream(blob)?;
    let mut head = Vec::new();
    stream.by_ref().take(4).read_to_end(&mut head).map_err(layer::LayerError::from)?;
    let window = applier.tree().memory().window;
    let taken = match Compression::detect(&head) {
        // the decoder keeps a block or two more than the window
        Some(Compression::Zstd) => usize::try_from(window).unwrap_or(usize::MAX) + 2 * ZSTD_BLOCK,
        _ => 0,
    };
    applier.tree().take(taken).map_err(Problem::from)?;
    let stream = io::Cursor::new(head).chain(stream);
    let applied =
        layer::read_within(stream, descriptor, diff_id, window, |member| Ok(applier.apply(member)?));
    applier.tree().give_back(taken);
    applied
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

/// Bytes that a block of Zstandard has at most. RFC 8878, 3.1.1.2.
const ZSTD_BLOCK: usize = 128 << 10;

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
