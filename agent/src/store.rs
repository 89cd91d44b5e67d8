//! The store that a run reads: containerd's, by its daemon or by its root, or an OCI image layout.

use assay_judge::store::Store;
use assay_judge::store::layout::{Layout, LayoutError, Reading};

use crate::config::{StoreAddress, StorePlan};
use crate::containerd::{Containerd, ContainerdError, Root, RootError};

/// Opens the store that the plan names.
///
/// # Errors
/// [`StoreError`] where nothing at all can be learned from it; parts that cannot be read are in the [`Listing`].
pub(crate) fn open(plan: &StorePlan, reading: Reading) -> Result<Box<dyn Store>, StoreError> {
    Ok(match &plan.place {
        StoreAddress::Containerd { address } => Box::new(Containerd::open(address, &plan.namespaces)?),
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
    /// The path is no containerd root that can be read.
    #[error(transparent)]
    Root(#[from] RootError),
    /// The path is no OCI image layout.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}
