//! Lists what ends a run before it has judged anything, with the exit code for each.

use assay_report::ExitCode;

use crate::config::ConfigError;
use crate::image_verifier::PullError;
use crate::inspect::InspectError;
use crate::inventory::UnknownImage;
use crate::job::{DeliveryError, JobError};
use crate::output::OutputError;
use crate::store::StoreError;
use assay_judge::bundle::BundleFault;
use assay_judge::trust::TrustError;

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Trust(#[from] TrustError),
    #[error(transparent)]
    Bundle(#[from] BundleFault),
    #[error(transparent)]
    UnknownImage(#[from] UnknownImage),
    #[error(transparent)]
    Inspect(#[from] InspectError),
    #[error(transparent)]
    Pull(#[from] PullError),
    #[error(transparent)]
    Job(#[from] JobError),
    #[error("what was delivered to the job cannot be used")]
    Delivery(#[from] DeliveryError),
    #[error("store")]
    Store(#[source] StoreError),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("the result cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

impl Error {
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_) | Self::Trust(_) | Self::Bundle(_) | Self::UnknownImage(_) | Self::Inspect(_) => {
                ExitCode::Usage
            }
            Self::Output(_) | Self::Pull(_) | Self::Job(_) | Self::Delivery(_) => ExitCode::Usage,
            // a store that cannot be reached is not a mistake of the command line
            Self::Store(_) | Self::Json(_) => ExitCode::Incomplete,
        }
    }
}
