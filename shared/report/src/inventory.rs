//! The inventory, `assay/inventory/v1`: what images a node has, unverified.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::coverage::Coverage;
use crate::image::ContainerUse;
use crate::namespace::Namespace;
use crate::node::Node;
use crate::omitted::Omitted;
use assay_verifier::oci::Digest;

/// The value of [`Inventory::schema`].
pub const INVENTORY_SCHEMA: &str = "assay/inventory/v1";

/// An inventory. Nothing in it was verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Inventory {
    /// [`INVENTORY_SCHEMA`]
    pub schema: String,
    /// The node.
    pub node: Node,
    /// The image store as given.
    pub store: String,
    /// What was looked at, and what could not be.
    pub coverage: Coverage,
    /// Every image, sorted by namespace, then digest.
    pub images: Vec<InventoryImage>,
}

/// An image of an inventory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InventoryImage {
    /// containerd's namespace; empty in a layout.
    #[serde(with = "crate::namespace")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub namespace: Option<Namespace>,
    /// Every name that points at the digest, sorted.
    pub references: Vec<String>,
    /// The target's digest.
    pub digest: Digest,
    /// The target's media type.
    pub media_type: String,
    /// The target's size in bytes.
    pub size: u64,
    /// The platforms of the manifests that are there, such as `linux/amd64`.
    pub platforms: Vec<String>,
    /// Bytes of the configs and layers of those manifests, as their descriptors say.
    pub content_size: u64,
    /// The containers that run it.
    pub in_use: Vec<ContainerUse>,
    /// What is left out of its lists, because an inventory is bounded.
    #[serde(default, skip_serializing_if = "Omitted::is_empty")]
    pub omitted: Omitted,
}
