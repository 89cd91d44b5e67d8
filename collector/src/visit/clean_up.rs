//! Cleans up after a visit: over its connection, or over a new one if that was lost.

use std::time::Duration;

use assay_report::{CleanUp, CleanUpResult};
use tokio::time::sleep;

use super::plan::VisitPlan;
use crate::clean;
use crate::errors::with_sources;
use crate::transport::{CleanedUp, Folders, Host};

/// How often a lost node is looked for again, and how long after the last time. It may just have been restarted.
const RETURNS: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(5)];

/// Removes the folder `name` of a visit, which is at `folder` if the node has said so.
pub(super) async fn after_visit(
    host: &mut impl Host,
    lost: bool,
    plan: &VisitPlan,
    name: &str,
    folder: Option<&str>,
) -> CleanUp {
    let (folders, limit) = (Folders::OfVisit(name.to_owned()), plan.limits.step);
    let mut unknown = "the connection was lost".to_owned();
    if !lost {
        match host.clean_up(&folders, limit).await {
            Ok(cleaned) => return row(cleaned, folder),
            Err(error) => unknown = with_sources(&error),
        }
    }
    host.close().await;
    for wait in RETURNS {
        sleep(wait).await;
        if let Err(error) = host.reconnect().await {
            unknown = with_sources(&error);
            continue;
        }
        match host.clean_up(&folders, limit).await {
            Ok(cleaned) => return row(cleaned, folder),
            Err(error) => unknown = with_sources(&error),
        }
        host.close().await;
    }
    CleanUp {
        result: CleanUpResult::Unknown,
        folder: Some(folder.unwrap_or(name).to_owned()),
        message: Some(clean::message(&unknown)),
    }
}

/// What the row says of a clean-up that the node has answered.
fn row(cleaned: CleanedUp, made: Option<&str>) -> CleanUp {
    let made = made.map(str::to_owned);
    let (result, folder, message) = match cleaned {
        CleanedUp::Clean { removed } => match made.or(removed) {
            Some(folder) => (CleanUpResult::Removed, Some(folder), None),
            None => (CleanUpResult::NotNeeded, None, None),
        },
        CleanedUp::Left { folder, message } => (CleanUpResult::Failed, made.or(folder), Some(message)),
        // What ran before does not run any more.
        CleanedUp::NotRun { words } => (CleanUpResult::Failed, made, Some(not_confirmed(&words))),
    };
    CleanUp { result, folder, message }
}

/// The message of a clean-up that the node does not answer as expected.
pub(crate) fn not_confirmed(words: &str) -> String {
    clean::block(&format!("the node did not say that the folder is gone: {words}"), clean::MESSAGE)
}
