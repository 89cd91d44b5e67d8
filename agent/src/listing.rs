//! `inventory`: what the store has, unverified, as a table or as JSON.

use assay_report::{
    ContentMode, ExitCode, INVENTORY_SCHEMA, Inventory as InventoryReport, InventoryImage, Node, Omitted,
};

use crate::cli::TextOrJson;
use crate::config::InventoryPlan;
use crate::content;
use crate::error::Error;
use crate::inventory::Inventory;
use crate::inventory::coverage;
use crate::inventory::running::Running;
use crate::output::Sink;
use crate::report::table;
use crate::store;
use assay_judge::image::Image;
use assay_judge::population::Population;
use assay_judge::signatures::{Signatures, Source};
use assay_judge::store::layout::Reading;

/// Lists the images of a store.
pub(crate) fn run(plan: &InventoryPlan) -> Result<ExitCode, Error> {
    let sink = Sink::open(&plan.output)?;
    let store = store::open(&plan.store, Reading::Manifests).map_err(Error::Store)?;
    let signatures = Signatures::collect(&[Source { store: &*store, name: "store".to_owned() }]);
    let running = Running::of(&*store);
    let population = Population::of(&*store, &signatures);
    let inventory = Inventory::new(store.listing(), &population.unnamed, &running.runs, |record| {
        signatures.is_companion(record)
    });
    let images: Vec<&Image> = inventory.images.iter().collect();
    let here = plan.store.place.is_this_machine() && store.listing().is_for(&plan.node);
    let node = here.then_some(&plan.node);
    let checked = content::check_all(&*store, &images, ContentMode::Metadata, node, plan.jobs);
    let reached = checked.iter().flat_map(|one| one.manifests.iter().cloned()).collect();
    let coverage = coverage::of(&*store, &inventory, population, running, &signatures, Some(&reached));
    let images = inventory.images.iter().zip(checked).map(|(image, checked)| InventoryImage {
        namespace: image.namespace.clone(),
        references: image.references.clone(),
        digest: image.target.digest.clone(),
        media_type: image.target.media_type.clone(),
        size: image.target.size,
        platforms: checked.platforms,
        content_size: checked.layer_bytes,
        in_use: image.in_use.clone(),
        omitted: Omitted::default(),
    });
    let mut inventory = InventoryReport {
        schema: INVENTORY_SCHEMA.into(),
        node: Node { containerd: store.listing().containerd.clone(), ..plan.node.clone() },
        store: plan.store.place.to_string(),
        images: images.collect(),
        coverage,
    };
    inventory.fit();
    let bytes = match plan.format {
        TextOrJson::Json => crate::console::json_line(&inventory)?,
        TextOrJson::Text => {
            assay_judge::ci_commands::escape(&table::write(&inventory, plan.width)).into_owned().into_bytes()
        }
    };
    sink.write(&bytes)?;
    for unreadable in &inventory.coverage.unreadable {
        crate::console::say(&format!("unreadable: {}: {}", unreadable.what, unreadable.why));
    }
    let complete = !inventory.images.is_empty() && inventory.coverage.unreadable.is_empty();
    Ok(if complete { ExitCode::Passed } else { ExitCode::Incomplete })
}
