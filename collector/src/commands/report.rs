//! `assay report`: the same reports from node reports that came another way. Equal files, equal reports: no clock is read,
//! but for the expiry of waivers, and there neither where the time is given.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;

use assay_shared::report::{
    CleanUp, CleanUpResult, ExitCode, NodeReport, NodeRow, Outcome, SiteInputs, SiteReport, SiteRun,
};
use assay_shared::time::UnixTime;

use super::CommandError;
use crate::output::Output;
use crate::report::clean;
use crate::visit::gather::{self, REPORT_BYTES};
use crate::{cli, config, console};

/// Runs `assay report`.
///
/// # Errors
/// [`CommandError`]
pub fn report(options: &cli::Report) -> Result<ExitCode, CommandError> {
    let mut waivers = config::waivers(options.waivers.as_deref(), options.at.as_deref())?;
    let mut names = BTreeSet::new();
    let mut rows = Vec::new();
    for path in &options.reports {
        let node = name_of(path);
        if !names.insert(node.to_lowercase()) {
            return Err(CommandError::SameNode { path: path.clone(), node });
        }
        let row = row(node, path);
        if row.outcome != Outcome::Verified {
            let message = row.message.as_deref().unwrap_or_default();
            console::say(&format!("{}: {}: {message}", clean::name(&row.name), row.outcome.as_str()));
        }
        rows.push(row);
    }
    // Only now, so that reports may be read from the folder that they are written to.
    let output = Output::prepare(&options.out).map_err(CommandError::Folder)?;
    if let Some(waivers) = &mut waivers {
        rows.iter_mut().for_each(|row| waivers.apply(row));
    }
    let run = run_of(&rows);
    let mut report = SiteReport::new(run, env!("CARGO_PKG_VERSION").to_owned(), SiteInputs::default(), rows);
    report.waivers = waivers;
    output.write_site(&report)?;
    if !options.quiet {
        console::print(&crate::report::terminal::site(&report, config::look()));
    }
    Ok(report.verdict)
}

fn row(name: String, path: &Path) -> NodeRow {
    let mut bytes = Vec::new();
    let read =
        std::fs::File::open(path).and_then(|file| file.take(REPORT_BYTES as u64 + 1).read_to_end(&mut bytes));
    let (report, message) = match read {
        Ok(_) => match gather::read(&bytes) {
            Ok(report) => (Some(report), None),
            Err(error) => (None, Some(error.to_string())),
        },
        Err(error) => (None, Some(error.to_string())),
    };
    let hint = report.is_none().then(|| "gather the node's report again".to_owned());
    NodeRow {
        name,
        address: None,
        os: report.as_ref().map(|report| report.node.os.clone()),
        roles: Vec::new(),
        outcome: if report.is_some() { Outcome::Verified } else { Outcome::BadReport },
        message: message.map(|message| clean::message(&message)),
        hint,
        attempts: 0,
        started: report.as_ref().map(|report| report.run.started),
        finished: report.as_ref().map(|report| report.run.finished),
        host_key: None,
        clean_up: CleanUp { result: CleanUpResult::NotNeeded, folder: None, message: None },
        report,
        waived: Vec::new(),
    }
}

/// The node's name: the file's, without its ending, in characters that a file name may have.
fn name_of(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
    let name: String = stem.chars().take(128).map(safe).collect();
    if name.is_empty() { "_".to_owned() } else { name }
}

/// The run that the reports are of: its id where all agree, and the time from the first to the last.
fn run_of(rows: &[NodeRow]) -> SiteRun {
    let runs = || rows.iter().filter_map(|row| row.report.as_ref()).map(|report: &NodeReport| &report.run);
    let ids: BTreeSet<&str> = runs().map(|run| run.id.as_str()).collect();
    let id = match ids.iter().collect::<Vec<_>>().as_slice() {
        [id] => (**id).to_owned(),
        _ => String::new(),
    };
    let nothing = UnixTime::from_seconds(0);
    let started = runs().map(|run| run.started).min().or(nothing);
    let finished = runs().map(|run| run.finished).max().or(nothing);
    let epoch = crate::clock::now;
    SiteRun { id, started: started.unwrap_or_else(epoch), finished: finished.unwrap_or_else(epoch) }
}
