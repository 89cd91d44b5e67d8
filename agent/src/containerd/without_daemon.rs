//! Says that this program was built without the feature `daemon`, instead of asking a containerd daemon.

use assay_judge::store::Store;
use assay_report::Namespace;

/// This program has nothing to ask the daemon with.
#[derive(Debug, thiserror::Error)]
#[error(
    "this build cannot ask the containerd daemon at {address}: the feature daemon was left out; build assay-agent with its \
     default features, or give --store root:DIR"
)]
pub(crate) struct ContainerdError {
    /// The socket.
    address: String,
}

/// Opens nothing.
///
/// # Errors
/// [`ContainerdError`], always.
pub(crate) fn open(address: &str, _: &[Namespace]) -> Result<Box<dyn Store>, ContainerdError> {
    Err(ContainerdError { address: address.to_owned() })
}
