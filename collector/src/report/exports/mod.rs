//! The report in the forms of others: tables, code scanning, assessment results, metrics.

pub mod csv;
pub mod metrics;
pub mod oscal;
pub mod sarif;
