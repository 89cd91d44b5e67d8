//! Opens the store that a run reads: containerd's, through its daemon or from its root, or an OCI image layout.

use assay_judge::store::Store;
use assay_judge::store::layout::{Layout, LayoutError, Reading};

use crate::config::{StoreAddress, StorePlan};
use crate::containerd::{self, ContainerdError, Root, RootError};

/// Opens the store that the plan names.
///
/// # Errors
/// [`StoreError`] if nothing can be read. If only parts cannot be read, the listing names them.
pub(crate) fn open(plan: &StorePlan, reading: Reading) -> Result<Box<dyn Store>, StoreError> {
    Ok(match &plan.place {
        StoreAddress::Containerd { address } => containerd::open(address, &plan.namespaces)?,
        StoreAddress::Root { path } => Box::new(Root::open(path, &plan.namespaces)?),
        StoreAddress::Layout { path } => Box::new(Layout::open(path, reading)?),
    })
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// containerd does not answer as it should.
    #[error(transparent)]
    Containerd(#[from] ContainerdError),
    /// The path is not a containerd root that can be read.
    #[error(transparent)]
    Root(#[from] RootError),
    /// The path is not an OCI image layout.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}
