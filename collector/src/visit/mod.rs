//! Visits one node in the words of [`Host`](crate::transport::Host), and decides whether its report is accepted.

mod agents;
mod clean_up;
mod embedded;
pub(crate) mod gather;
mod payload;
mod plan;
mod row;
mod steps;

pub(crate) use agents::{AgentError, agents, agents_in, embedded_agents};
pub(crate) use clean_up::not_confirmed;
pub(crate) use embedded::{Damaged, EMBEDDED};
#[cfg(feature = "kubernetes")]
pub(crate) use payload::Place;
pub(crate) use payload::{Payload, PayloadError, bundle_files, trust_archive, trust_files};
pub(crate) use plan::{StepLimits, VisitPlan};
pub(crate) use row::unvisited_row;
#[cfg(feature = "kubernetes")]
pub(crate) use steps::asked_arguments;
pub(crate) use steps::visit;
