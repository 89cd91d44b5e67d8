//! Runs a command as the container of a Kubernetes job: takes what the collector delivered, and prints the report in a frame.
//!
//! A pod cannot be written to and has no way home but its log and its termination message. So trust and bundles come as parts of an
//! archive in a folder that Kubernetes mounts ([`delivery`]), and the report goes to standard output as one frame, at the end and
//! all at once, with its witness in the termination message ([`assay_report::frame`]). Without a report there is no frame, and
//! standard error says why.

mod container;
mod delivery;
mod error;

pub(crate) use container::run;
pub(crate) use delivery::DeliveryError;
pub(crate) use error::JobError;
