//! The report in the forms of others: tables, code scanning, assessment results, metrics.

pub(super) mod csv;
pub(super) mod metrics;
pub(super) mod oscal;
pub(super) mod sarif;
