//! Exports the report to the formats of other tools: tables, code scanning, assessment results, metrics.

pub(super) mod csv;
pub(super) mod metrics;
pub(super) mod oscal;
pub(super) mod sarif;
