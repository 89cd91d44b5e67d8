//! `inventory`: what the store has, unverified, as a table or as JSON.

use std::fmt::Write as _;

use assay_shared::report::{
    ContentMode, ExitCode, INVENTORY_SCHEMA, Inventory as InventoryReport, InventoryImage, Node,
};

use crate::cli::TextOrJson;
use crate::config::InventoryPlan;
use crate::content;
use crate::error::Error;
use crate::inventory::{Image, Inventory};
use crate::report::{self, Sink};
use crate::signatures::{Signatures, Source};
use crate::store;
use crate::store::layout::Reading;

/// Lists the images of a store.
pub(crate) fn run(plan: &InventoryPlan) -> Result<ExitCode, Error> {
    let sink = Sink::open(&plan.output)?;
    let store = store::open(&plan.store, Reading::Manifests).map_err(Error::Store)?;
    let signatures = Signatures::collect(&[Source { store: &*store, name: "store".to_owned() }]);
    let inventory = Inventory::new(store.listing(), |record| signatures.is_referrer(record));
    let images: Vec<&Image> = inventory.images.iter().collect();
    let node = plan.store.place.is_this_machine().then_some(&plan.node);
    let checked = content::check_all(&*store, &images, ContentMode::Metadata, node, plan.jobs);
    let reached = checked.iter().flat_map(|one| one.manifests.iter().cloned()).collect();
    let coverage = report::coverage(store.listing(), &inventory, &signatures, Some(&reached));
    let images = inventory.images.iter().zip(checked).map(|(image, checked)| InventoryImage {
        namespace: image.namespace.clone(),
        references: image.references.clone(),
        digest: image.target.digest.clone(),
        media_type: image.target.media_type.clone(),
        size: image.target.size,
        platforms: checked.platforms,
        content_size: checked.layer_bytes,
        in_use: image.in_use.clone(),
    });
    let inventory = InventoryReport {
        schema: INVENTORY_SCHEMA.into(),
        node: Node { containerd: store.listing().containerd.clone(), ..plan.node.clone() },
        store: plan.store.place.to_string(),
        images: images.collect(),
        coverage,
    };
    let bytes = match plan.format {
        TextOrJson::Json => crate::json_line(&inventory)?,
        TextOrJson::Text => table(&inventory).into_bytes(),
    };
    sink.write(&bytes)?;
    for unreadable in &inventory.coverage.unreadable {
        crate::say(&format!("unreadable: {}: {}", unreadable.what, unreadable.why));
    }
    let complete = !inventory.images.is_empty() && inventory.coverage.unreadable.is_empty();
    Ok(if complete { ExitCode::Passed } else { ExitCode::Incomplete })
}

/// One line for each image, its other names below it.
fn table(inventory: &InventoryReport) -> String {
    let mut rows = vec![["NAMESPACE", "IMAGE", "DIGEST", "PLATFORMS", "SIZE", "IN USE"].map(str::to_owned)];
    for image in &inventory.images {
        let name = image.references.first().map_or("-", String::as_str);
        rows.push([
            if image.namespace.is_empty() { "-".to_owned() } else { image.namespace.clone() },
            name.to_owned(),
            short(image.digest.as_str()),
            image.platforms.join(","),
            size(image.content_size),
            image.in_use.len().to_string(),
        ]);
        for other in image.references.iter().skip(1) {
            let empty = String::new;
            rows.push([empty(), other.clone(), empty(), empty(), empty(), empty()]);
        }
    }
    for unlisted in &inventory.coverage.unlisted {
        rows.push([
            unlisted.namespace.clone(),
            unlisted.name.clone().unwrap_or_else(|| "-".to_owned()),
            short(&unlisted.id),
            format!("{} without an image record", unlisted.kind),
            String::new(),
            String::new(),
        ]);
    }
    let rows: Vec<[String; 6]> =
        rows.iter().map(|row| row.each_ref().map(|cell| crate::clean(cell))).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..6).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // writing to a String cannot fail
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// As much of a digest as people compare.
fn short(digest: &str) -> String {
    digest.chars().take("sha256:".len() + 12).collect()
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1000)),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}
