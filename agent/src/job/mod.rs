//! Runs a command as the container of a Kubernetes job: takes what the collector delivered, and prints the report in a frame.
//!
//! Nothing can be copied into a pod, and only its log and its termination message can be read from outside. So the trust directory and
//! the bundles come as parts of an archive in a folder that Kubernetes mounts ([`delivery`]). The report goes to standard output as
//! one frame, all at once at the end, and the termination message repeats its digest ([`assay_report::frame`]). If there is no
//! report, no frame is printed, and standard error says why.

mod container;
mod delivery;
mod error;

pub(crate) use container::run;
pub(crate) use delivery::DeliveryError;
pub(crate) use error::JobError;
