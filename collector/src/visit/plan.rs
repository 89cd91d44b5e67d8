//! Says what every visit of a run does.

use std::time::Duration;

use assay_report::Asked;
use assay_verifier::oci::Digest;

use super::payload::Payload;
use crate::nodes::Node;

/// What every visit of a run does.
#[derive(Debug)]
pub(crate) struct VisitPlan {
    /// The run's id.
    pub run_id: String,
    /// What is sent.
    pub payload: Payload,
    /// What every agent is asked; a visit adds its nonce, and the time if the node's clock is off.
    pub asked: Asked,
    /// How long each step may take.
    pub limits: StepLimits,
}

impl VisitPlan {
    /// The digest of everything that a node's verdicts rest on: what is sent, what is asked, and the node's entry in the site
    /// file, because another address or another login may be another machine.
    ///
    /// # Errors
    /// If one of them cannot be written as JSON, such as a path that is not text.
    pub(crate) fn inputs_digest(&self, node: &Node) -> serde_json::Result<String> {
        let text = serde_json::to_vec(&(self.payload.inputs(), &self.asked, node))?;
        Ok(Digest::sha256(&text).hex().to_owned())
    }
}

/// How long the steps of a visit may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StepLimits {
    /// Preparing and cleaning up, each.
    pub step: Duration,
    /// Uploading: for a slow link and a large bundle.
    pub upload: Duration,
    /// The agent's run.
    pub run: Duration,
    /// How long its report may take on top of that to arrive: 64 MiB at five megabits a second.
    pub gather: Duration,
}

impl Default for StepLimits {
    fn default() -> Self {
        Self {
            step: Duration::from_secs(120),
            upload: Duration::from_secs(1800),
            run: Duration::from_secs(900),
            gather: Duration::from_secs(120),
        }
    }
}
