//! What a run found, as files and text: JSON, JUnit, HTML, a table for the terminal.
//!
//! Pure: a [`SiteReport`] goes in, bytes come out, and the same report gives the same bytes. Whatever a node, a registry or
//! an operator wrote is taken for hostile and goes through [`clean`] before it is shown; JSON alone holds it as it is.
//! Nothing is shown as passed that was not verified: a report from a node whose visit did not end well is not shown at all.

pub mod clean;
pub mod json;
pub mod junit;
pub mod words;

mod findings;
mod names;
#[cfg(test)]
mod sample;
