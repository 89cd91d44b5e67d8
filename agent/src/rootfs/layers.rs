//! Applies a layer to a tree, by its tar or by the list of its files. Beside a tar, the snapshot's files can be read.

use std::io::{self, Read};

use assay_judge::layer::{self, Member, MemberKind, TakeContent, TakeEntries};
use assay_judge::store::members::Compression;
use assay_judge::store::{Blob, BlobContent};
use assay_report::bundle::CarriedLayerFiles;
use assay_verifier::oci::{Descriptor, Digest, DigestAlgorithm};

use super::apply::{Applier, Problem};
use super::in_step::Beside;
use super::snapshot::Snapshot;
use super::tree::Kind;

/// Applies the layer that `blob` should be. If there is a snapshot `beside` it, the content of files is told by identity.
///
/// # Errors
/// [`LayerError`]; the tree is then of no use.
pub(crate) fn apply(
    blob: Blob<'_>,
    descriptor: &Descriptor,
    diff_id: &Digest,
    applier: &mut Applier<'_, '_>,
    beside: Option<&mut Snapshot>,
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
    let mut applying = Applying { applier, beside: beside.map(Beside::new) };
    let applied = layer::read_within(stream, descriptor, diff_id, window, &mut applying);
    applier.tree().give_back(taken);
    applied.map(|_| ())
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

/// A layer that is applied.
struct Applying<'a, 't, 'm> {
    applier: &'a mut Applier<'t, 'm>,
    beside: Option<Beside<'a>>,
}

impl TakeEntries for Applying<'_, '_, '_> {
    type Error = LayerError;

    fn content(&mut self, file: &Member) -> Box<dyn TakeContent + '_> {
        if let (Some(beside), MemberKind::Plain(Kind::File { size, .. })) = (&mut self.beside, &file.kind)
            && let Ok((parent, name)) = self.applier.place(&file.path)
        {
            return beside.content(parent, &name, *size);
        }
        // what has no place is refused
        Box::new(DigestAlgorithm::Sha256.hasher())
    }

    fn entry(&mut self, member: &Member, _: &[u8]) -> Result<(), LayerError> {
        Ok(self.applier.apply(member)?)
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
