//! Paths of the files of a layout and of what a bundle has beside it.

use assay_report::bundle::{CRLS, DOCUMENT, SIGNATURE};
use assay_verifier::oci::Digest;
use assay_verifier::revocation::is_litter;

/// Where a layout's blobs are.
pub(super) const BLOBS: &str = "blobs";

/// The path of a blob in a layout.
pub fn blob_path(digest: &Digest) -> String {
    // a digest is well-formed, so its hex is not a path
    format!("{BLOBS}/{}/{}", digest.algorithm().name(), digest.hex())
}

/// The blob that is at a path in a layout; none if the path is not one of a blob.
pub fn blob_digest(path: &str) -> Option<Digest> {
    let (algorithm, hex) = path.strip_prefix(BLOBS)?.strip_prefix('/')?.split_once('/')?;
    format!("{algorithm}:{hex}").parse().ok()
}

/// Whether a path is of a file that a bundle has beside its layout.
pub(super) fn is_beside(path: &str) -> bool {
    path == DOCUMENT || path == SIGNATURE || is_evidence(path)
}

/// Whether a path is of evidence of revocation. Every file in the folder of CRLs is meant to be that, whatever its name.
pub fn is_evidence(path: &str) -> bool {
    let rest = path.strip_prefix(CRLS).and_then(|rest| rest.strip_prefix('/'));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.ends_with('/')) && !is_unasked(path)
}

/// Whether a path is of a file that operating systems leave in folders unasked.
pub(super) fn is_unasked(path: &str) -> bool {
    is_litter(path.rsplit('/').next().unwrap_or(path))
}
