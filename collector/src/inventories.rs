//! Reads which images nodes have from their inventories or reports. Each image is listed once. The files are hostile input, like a
//! node's report.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use assay_report::{INVENTORY_SCHEMA, Inventory, NODE_REPORT_SCHEMA, NodeReport, TooLarge, check_size};
use assay_verifier::json::{self, Shape};
use assay_verifier::limits::REPORT_BYTES;
use assay_verifier::oci::{Descriptor, Digest};
use serde::Deserialize;

use crate::clean;
use crate::errors::with_sources;
use crate::text;
use crate::visit::gather;

/// An image that nodes have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeImage {
    /// The index or manifest.
    pub target: Descriptor,
    /// Every name that points at it.
    pub references: BTreeSet<String>,
    /// The nodes that have it.
    pub nodes: BTreeSet<String>,
    /// The platforms that they have of it, such as `linux/amd64`.
    pub platforms: BTreeSet<String>,
}

/// What nodes have.
#[derive(Clone, Debug, Default)]
pub struct NodeImages {
    /// Sorted by digest.
    pub images: Vec<NodeImage>,
    /// What a node could not read when it was listed: images may be missing for it.
    pub unreadable: Vec<String>,
}

/// An inventory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// It cannot be read.
    #[error("{}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is larger than any report.
    #[error("{}: {bound}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The bound that it is past.
        bound: TooLarge,
    },
    /// It is neither an inventory nor a report.
    #[error("{}: neither an inventory of assay-agent nor a node report: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// What identifies an image: the digest, and what its descriptors say of it.
type Key = (Digest, String, u64);

/// Reads inventories (`assay-agent inventory --format json`) and node reports, in any order.
///
/// # Errors
/// [`InventoryError`]
pub fn read(paths: &[PathBuf]) -> Result<NodeImages, InventoryError> {
    let mut found = BTreeMap::<Key, NodeImage>::new();
    let mut unreadable = Vec::new();
    for path in paths {
        let inventory = read_one(path)?;
        for image in inventory.images {
            let target = Descriptor::new(&image.media_type, image.digest.clone(), image.size);
            let known =
                found.entry((image.digest, image.media_type, image.size)).or_insert_with(|| NodeImage {
                    target,
                    references: BTreeSet::new(),
                    nodes: BTreeSet::new(),
                    platforms: BTreeSet::new(),
                });
            known.references.extend(image.references);
            known.platforms.extend(image.platforms);
            known.nodes.insert(inventory.node.clone());
        }
        let node = &inventory.node;
        unreadable.extend(inventory.unreadable.into_iter().map(|what| format!("{node}: {what}")));
    }
    Ok(NodeImages { images: found.into_values().collect(), unreadable })
}

/// What tells the two apart.
#[derive(Deserialize)]
struct Head {
    schema: String,
}

/// The same of an inventory and of a report.
struct OneNode {
    node: String,
    images: Vec<OneImage>,
    unreadable: Vec<String>,
}

struct OneImage {
    references: Vec<String>,
    digest: Digest,
    media_type: String,
    size: u64,
    platforms: Vec<String>,
}

fn read_one(path: &Path) -> Result<OneNode, InventoryError> {
    let unreadable = |source| InventoryError::Unreadable { path: path.to_owned(), source };
    let malformed = |reason: String| InventoryError::Malformed { path: path.to_owned(), reason };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(REPORT_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    let bytes = text::utf8(&bytes);
    check_size(&bytes).map_err(|bound| InventoryError::TooLarge { path: path.to_owned(), bound })?;
    const HEAD: Shape = Shape::Object(&[("schema", &Shape::Any)]);
    let Head { schema } = json::read(&bytes, &HEAD).map_err(|error| malformed(error.to_string()))?;
    let stem = || path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let (hostname, coverage, images) = match &*schema {
        INVENTORY_SCHEMA => {
            let mut inventory: Inventory =
                json::read(&bytes, &HEAD).map_err(|error| malformed(error.to_string()))?;
            inventory.bound();
            let images = inventory.images.into_iter().map(|image| OneImage {
                references: image.references,
                digest: image.digest,
                media_type: image.media_type,
                size: image.size,
                platforms: image.platforms,
            });
            (inventory.node.hostname, inventory.coverage, images.collect())
        }
        NODE_REPORT_SCHEMA => {
            let report: NodeReport = gather::read(&bytes).map_err(|error| malformed(with_sources(&error)))?;
            let images = report.images.into_iter().map(|image| OneImage {
                references: image.references,
                digest: image.digest,
                media_type: image.media_type,
                size: image.size,
                platforms: image.platforms,
            });
            (report.node.hostname, report.coverage, images.collect())
        }
        other => return Err(malformed(format!("its schema is {:?}", clean::name(other)))),
    };
    Ok(OneNode {
        node: clean::name(&hostname.unwrap_or_else(stem)),
        images,
        unreadable: coverage.unreadable.iter().map(|one| format!("{}: {}", one.what, one.why)).collect(),
    })
}
