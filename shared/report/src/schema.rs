//! Makes the reports' JSON Schemas (draft 2020-12) from the types: what a reader of a report may rely on.
//!
//! They demand what every report has and accept unknown members, so that a reader of today takes a report of tomorrow.
//! `shared/report/schema/` holds them as files; a test of the collector compares them, and rewrites them if the environment
//! has `ASSAY_REGENERATE=1`.

use alloc::string::{String, ToString as _};

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use crate::bundle::BundleManifest;
use crate::inventory::Inventory;
use crate::node::NodeReport;
use crate::site::SiteReport;

/// The schema of a node report, as the file has it.
pub fn node_report() -> String {
    text(schema_of::<NodeReport>("urn:assay:node-report:v1", "assay node report, version 1"))
}

/// The schema of a site report, as the file has it.
pub fn site_report() -> String {
    text(schema_of::<SiteReport>("urn:assay:site-report:v1", "assay site report, version 1"))
}

/// The schema of an inventory, as the file has it.
pub fn inventory() -> String {
    text(schema_of::<Inventory>("urn:assay:inventory:v1", "assay inventory, version 1"))
}

/// The schema of a bundle's `bundle.json`, as the file has it.
pub fn bundle() -> String {
    text(schema_of::<BundleManifest>("urn:assay:bundle:v1", "assay bundle, version 1"))
}

fn schema_of<Report: JsonSchema>(id: &str, title: &str) -> Schema {
    // "serialize": members that are always written are required, null if there is nothing to say
    let mut schema =
        SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<Report>();
    RecursiveTransform(demand_no_later_member).transform(&mut schema);
    schema.insert("$id".to_string(), id.into());
    schema.insert("title".to_string(), title.into());
    schema
}

/// Members that came later have a default: a report from before them is still one, so they are not demanded.
fn demand_no_later_member(schema: &mut Schema) {
    let has_default = |properties: Option<&Value>, name: &Value| {
        let name = name.as_str().unwrap_or_default();
        properties.and_then(|all| all.get(name)?.get("default")).is_some()
    };
    let properties = schema.get("properties").cloned();
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|name| !has_default(properties.as_ref(), name));
    }
}

fn text(schema: Schema) -> String {
    // the alternate form is indented
    alloc::format!("{:#}\n", schema.to_value())
}
