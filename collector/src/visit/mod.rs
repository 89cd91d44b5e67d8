//! Visits one node in the words of [`Host`](crate::transport::Host), and decides whether its report is accepted.

mod agents;
mod clean_up;
mod embedded;
pub mod gather;
mod payload;
mod plan;
mod row;
mod steps;

pub use agents::{AgentError, agents, agents_in, embedded_agents};
pub use clean_up::not_confirmed;
pub use embedded::{Damaged, EMBEDDED, Embedded};
pub use payload::{Payload, PayloadError, bundle_files, trust_archive};
pub use plan::{StepLimits, VisitPlan};
pub use row::unvisited_row;
pub use steps::visit;
