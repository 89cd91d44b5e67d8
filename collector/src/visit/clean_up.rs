//! Cleaning up: end what still runs, remove the folder, and have the node prove that it is gone.

use std::time::Duration;

use assay_report::{CleanUp, CleanUpResult};

use super::deploy::{OUTPUT_BYTES, said};
use super::dialect::{Dialect, NoDialect, dialects};
use super::{Plan, Step, Traces, posix, powershell, refusal, with_sources};
use crate::clean;
use crate::nodes::Node;
use crate::transport::{Command, Connect, Exit, Output, Session, SessionError};

/// The folders of every run, as a pattern.
pub const ANY_FOLDER: &str = "assay-????????T??????Z-????????????????-????????????????";

/// How often a lost node is looked for again, and how long after the last time. It may just have been restarted.
const RETURNS: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(5)];

/// Cleans up after a visit, over its connection, or a new one where that is lost.
pub(super) async fn after_visit<C: Connect>(
    connector: &C,
    session: Option<C::Session>,
    node: &Node,
    plan: &Plan,
    traces: &Traces,
    name: &str,
) -> CleanUp {
    let mut unknown = "the connection was lost".to_owned();
    let finish = |clean_up: CleanUp| {
        let folder = traces.folder.clone().or(clean_up.folder);
        let (result, message) = match clean_up.result {
            // The node was asked and there was nothing.
            CleanUpResult::Removed if folder.is_none() => (CleanUpResult::NotNeeded, clean_up.message),
            // What ran before does not run any more.
            CleanUpResult::NotNeeded => {
                (CleanUpResult::Failed, Some(not_said(clean_up.message.as_deref().unwrap_or_default())))
            }
            result => (result, clean_up.message),
        };
        CleanUp { result, folder, message }
    };
    if let Some(mut session) = session {
        match clean_up(&mut session, node, name, traces.dialect, plan.limits.step).await {
            Ok(clean_up) => {
                session.close().await;
                return finish(clean_up);
            }
            Err(error) => unknown = with_sources(&error),
        }
    }
    for wait in RETURNS {
        tokio::time::sleep(wait).await;
        let result = match connector.connect(&node.name).await {
            Ok(mut session) => {
                let result = clean_up(&mut session, node, name, traces.dialect, plan.limits.step).await;
                session.close().await;
                result.map_err(|error| with_sources(&error))
            }
            Err(error) => Err(with_sources(&error)),
        };
        match result {
            Ok(clean_up) => return finish(clean_up),
            Err(error) => unknown = error,
        }
    }
    CleanUp {
        result: CleanUpResult::Unknown,
        folder: Some(traces.folder.clone().unwrap_or_else(|| name.to_owned())),
        message: Some(clean::message(&unknown)),
    }
}

/// Removes the folders of that name, which may be a pattern. [`CleanUpResult::NotNeeded`] says that the node runs no scripts of a
/// visit, with what it says instead: nothing is there of a login that never could, and nobody knows of one that could once.
///
/// # Errors
/// [`SessionError`] where the node could not be asked.
pub async fn clean_up(
    session: &mut impl Session,
    node: &Node,
    name: &str,
    dialect: Option<Dialect>,
    limit: Duration,
) -> Result<CleanUp, SessionError> {
    let dialects = match dialect {
        Some(dialect) => vec![dialect],
        None => match dialects(session, node.os, limit).await {
            Ok(dialects) => dialects.to_vec(),
            Err(NoDialect::Session(error)) => return Err(error),
            Err(NoDialect::Words(words)) => return Ok(not_needed(words)),
        },
    };
    let mut first_words = None;
    for dialect in dialects {
        let (command, input) = match dialect {
            Dialect::Posix => (posix::clean_up(node.sudo, name), posix::fed(session.sudo_password(), None)),
            Dialect::PowerShell => (powershell::clean_up(name), None),
            Dialect::Steps => (Step::CleanUp { name: name.to_owned() }.text(), None),
        };
        let input = input.as_ref();
        let output =
            session.run(Command { text: &command, input, limit, output_limit: OUTPUT_BYTES }).await?;
        if refusal::has_run(&output) {
            return Ok(read(&output));
        }
        first_words.get_or_insert_with(|| refusal::words(&output, &command));
    }
    Ok(not_needed(first_words.unwrap_or_default()))
}

fn not_needed(words: String) -> CleanUp {
    CleanUp { result: CleanUpResult::NotNeeded, folder: None, message: Some(words) }
}

/// A clean-up without an answer.
pub fn not_said(words: &str) -> String {
    clean::block(&format!("the node did not say that the folder is gone: {words}"), clean::MESSAGE)
}

/// What the node says: gone is only what it says is gone.
fn read(output: &Output) -> CleanUp {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let line = |prefix: &str| {
        let found = stdout.lines().find_map(|line| line.strip_prefix(prefix));
        found.map(clean::name)
    };
    let clean = stdout.lines().any(|line| line == "assay-clean");
    if clean && output.exit == Exit::Code(0) {
        return CleanUp { result: CleanUpResult::Removed, folder: line("assay-removed "), message: None };
    }
    let message = match output.exit {
        Exit::Code(posix::FOLDER_LEFT) => format!("the folder could not be removed: {}", said(output)),
        Exit::Code(posix::VISIT_RUNS) => {
            let folders: Vec<&str> =
                stdout.lines().filter_map(|line| line.strip_prefix("assay-visited ")).collect();
            format!(
                "a visit runs in {} and is left alone; --out names the run whose visits are to be ended",
                folders.join(", ")
            )
        }
        Exit::Code(posix::PROCESS_LEFT) => {
            format!("a process in the folder could not be ended: {}", said(output))
        }
        _ => not_said(&said(output)),
    };
    CleanUp {
        result: CleanUpResult::Failed,
        folder: line("assay-left "),
        message: Some(clean::block(&message, clean::MESSAGE)),
    }
}
