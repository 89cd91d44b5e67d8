//! `assay cleanup`: removes from the nodes what a run could not remove itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use assay_report::ExitCode;
use tokio::task::JoinSet;

use crate::clean;
use crate::commands::error::CommandError;
use crate::commands::runtime::block_on;
use crate::errors::with_sources;
use crate::journal::{self, Journal, State};
use crate::lock::FolderLock;
use crate::nodes::Node;
use crate::output::OutputError;
use crate::transport::ssh::Connector;
use crate::transport::ssh::targets::{self, Purpose};
use crate::transport::{CleanedUp, Connect as _, Folders, Host as _, SessionError};
use crate::visit::{self, StepLimits};
use crate::{cli, config, console};

/// Runs `assay cleanup`.
///
/// # Errors
/// [`CommandError`]
pub fn cleanup(options: &cli::Cleanup) -> Result<ExitCode, CommandError> {
    let site = config::site(&options.site)?;
    // A run that still goes on needs its folders.
    let _lock = match options.out.as_ref().filter(|folder| folder.is_dir()) {
        Some(folder) => {
            Some(FolderLock::take(folder).map_err(|error| CommandError::Folder(OutputError::Locked(error)))?)
        }
        None => None,
    };
    let (journal, mut left): (_, BTreeMap<String, Vec<Folders>>) = match &options.out {
        Some(folder) => {
            let path = folder.join(journal::FILE_NAME);
            let left = journal::left(folder)
                .map_err(|source| CommandError::Journal { path: path.clone(), source })?;
            let journal = Journal::open(folder)
                .map_err(|source| CommandError::Folder(OutputError::Write { path, source }))?;
            let named = |names: Vec<String>| names.into_iter().map(Folders::OfVisit).collect();
            (journal, left.into_iter().map(|(node, names)| (node, named(names))).collect())
        }
        None => {
            let any = |node: &Node| (node.name.clone(), vec![Folders::OfAnyVisit]);
            (Journal::none(), site.nodes.iter().map(any).collect())
        }
    };
    let mut jobs: Vec<(Node, Vec<Folders>)> = Vec::new();
    for node in &site.nodes {
        if let Some(names) = left.remove(&node.name) {
            jobs.push((node.clone(), names));
        }
    }
    let connector = targets::connector(
        &site,
        &options.site,
        &options.pace,
        &options.access,
        jobs.iter().map(|(node, _)| node),
        Purpose::Visit,
    )?;
    let mut clean = report_unknown(&left);
    if jobs.is_empty() && clean {
        console::say("nothing is left to clean up");
    }
    clean &= block_on(clean_all(jobs, connector, journal, usize::from(options.pace.concurrency)))?;
    Ok(if clean { ExitCode::Passed } else { ExitCode::Incomplete })
}

/// Names the nodes of the journal that the site file does not have. Returns whether there are none.
fn report_unknown(left: &BTreeMap<String, Vec<Folders>>) -> bool {
    for (node, names) in left {
        let node = clean::name(node);
        let names: Vec<&str> = names.iter().filter_map(Folders::visit).collect();
        console::say(&format!(
            "{node}: not in the site file; these folders may be left there: {}",
            names.join(", ")
        ));
    }
    left.is_empty()
}

async fn clean_all(
    jobs: Vec<(Node, Vec<Folders>)>,
    connector: Connector,
    journal: Journal,
    concurrency: usize,
) -> bool {
    let connector = Arc::new(connector);
    let mut waiting = jobs.into_iter();
    let mut running = JoinSet::new();
    let mut clean = true;
    loop {
        while running.len() < concurrency
            && let Some((node, names)) = waiting.next()
        {
            let (connector, journal) = (Arc::clone(&connector), journal.clone());
            running.spawn(async move { clean_node(&connector, &journal, &node, &names).await });
        }
        match running.join_next().await {
            Some(done) => clean &= done.unwrap_or(false),
            None => return clean,
        }
    }
}

async fn clean_node(connector: &Connector, journal: &Journal, node: &Node, left: &[Folders]) -> bool {
    let name = &node.name;
    let mut host = match connector.connect(node).await {
        Ok(host) => host,
        Err(error) => {
            console::say(&clean::message(&format!("{name}: {}", with_sources(&error))));
            return false;
        }
    };
    let mut clean = true;
    for folders in left {
        let is_any = *folders == Folders::OfAnyVisit;
        let line = match host.clean_up(folders, StepLimits::default().step).await {
            Ok(CleanedUp::Clean { removed }) => {
                if let Folders::OfVisit(folder) = folders {
                    journal.record(name, folder, State::Removed).await;
                }
                removed.map_or_else(|| "nothing is left".to_owned(), |folder| format!("removed {folder}"))
            }
            // Nothing is known to be there, and a login whose commands are not run cannot have left anything.
            Ok(CleanedUp::NotRun { words }) if is_any => {
                format!("it does not run anything of a visit, so nothing is left; it says: {words}")
            }
            Err(error @ (SessionError::NoSession(_) | SessionError::Refused(_))) if is_any => {
                format!("it does not run anything of a visit, so nothing is left; {error}")
            }
            Ok(CleanedUp::NotRun { words }) => {
                clean = false;
                visit::not_confirmed(&words)
            }
            Ok(CleanedUp::Left { message, .. }) => {
                clean = false;
                message
            }
            Err(error) => {
                clean = false;
                with_sources(&error)
            }
        };
        console::say(&clean::message(&format!("{name}: {line}")));
    }
    host.close().await;
    clean
}
