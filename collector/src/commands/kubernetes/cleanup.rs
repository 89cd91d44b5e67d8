//! `assay kubernetes cleanup`: removes what runs have left in a cluster, and lists it until it is gone.

use std::collections::BTreeMap;
use std::time::Duration;

use assay_report::ExitCode;

use crate::commands::error::CommandError;
use crate::commands::network::NetworkError;
use crate::commands::runtime::block_on;
use crate::journal::{self, Journal, State};
use crate::lock::FolderLock;
use crate::output::OutputError;
use crate::transport::kubernetes::{Cluster, Label, remains, remove};
use crate::{clean, cli, config, console};

/// How long cleaning up may take: a pod that runs has a second to end, and a kubelet may be busy.
const CLEAN_UP: Duration = Duration::from_secs(120);

/// Runs `assay kubernetes cleanup`.
///
/// # Errors
/// [`CommandError`]
pub(super) fn cleanup(options: &cli::KubernetesCleanup) -> Result<ExitCode, CommandError> {
    // A run that still goes on needs what it has made.
    let _lock = match options.out.as_ref().filter(|folder| folder.is_dir()) {
        Some(folder) => {
            Some(FolderLock::take(folder).map_err(|error| CommandError::Folder(OutputError::Locked(error)))?)
        }
        None => None,
    };
    let (journal, runs, left) = match &options.out {
        Some(folder) => {
            let path = folder.join(journal::FILE_NAME);
            let wrong = |source| CommandError::Journal { path: path.clone(), source };
            let runs = journal::runs(folder).map_err(wrong)?;
            let left = journal::left(folder).map_err(wrong)?;
            let journal = Journal::open(folder)
                .map_err(|source| CommandError::Folder(OutputError::Write { path: path.clone(), source }))?;
            (journal, Some(runs), left)
        }
        None => (Journal::none(), options.run.clone().map(|run| [run].into()), BTreeMap::new()),
    };
    let access = config::cluster_access(&options.api, None);
    let is_clean = block_on(async {
        let cluster = Cluster::new(&access).await.map_err(NetworkError::from)?;
        let mut is_clean = true;
        let runs = match runs {
            Some(runs) => runs,
            None => {
                let there = remains(&cluster, &Label::AnyRun, CLEAN_UP).await.map_err(NetworkError::from)?;
                for run in &there.active_runs {
                    let run = clean::name(run);
                    console::say(&format!(
                        "run {run} is at work and is left alone; --run {run} removes it as well"
                    ));
                    is_clean = false;
                }
                there.runs.difference(&there.active_runs).cloned().collect()
            }
        };
        let mut was_clean = true;
        for run in runs {
            let (before, left) =
                remove(&cluster, &Label::Run(run), CLEAN_UP).await.map_err(NetworkError::from)?;
            if !before.is_nothing() {
                was_clean = false;
                console::say(&clean::message(&format!("removed {}", before.text())));
            }
            if !left.is_nothing() {
                console::say(&clean::message(&format!("still in the cluster: {}", left.text())));
                is_clean = false;
            }
        }
        if was_clean && is_clean {
            console::say("nothing is left to clean up");
        }
        if is_clean {
            for (node, names) in &left {
                for name in names {
                    journal.record(node, name, State::Removed).await;
                }
            }
        }
        Ok::<_, NetworkError>(is_clean)
    })??;
    Ok(if is_clean { ExitCode::Passed } else { ExitCode::Incomplete })
}
