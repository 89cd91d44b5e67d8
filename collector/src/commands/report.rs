//! `assay report`: writes the same reports from node reports that were gathered in another way. Equal files give equal reports: a
//! clock is read only for the expiry of waivers, and not if a time is given.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;

use assay_report::{CleanUp, CleanUpResult, ExitCode, NodeRow, Outcome, SiteInputs, SiteRun, Via};
use assay_verifier::limits::REPORT_BYTES;
use assay_verifier::time::UnixTime;

use super::error::CommandError;
use crate::clean;
use crate::errors::with_sources;
use crate::output::RunFolder;
use crate::report::ReportHeader;
use crate::report::machines::Machines;
use crate::visit::gather;
use crate::{cli, config, console, text};

/// Runs `assay report`.
///
/// # Errors
/// [`CommandError`]
pub fn report(options: &cli::Report) -> Result<ExitCode, CommandError> {
    let waivers = config::waivers(options.waivers.as_deref(), options.at.as_deref())?;
    let baseline = config::baseline(options.baseline.as_deref())?;
    let accept = match &options.accept[..] {
        [] => None,
        [none] if none == "none" => Some(BTreeSet::new()),
        values => Some(config::accept(values)?),
    };
    let row = |name: &String, path: &Path| row(name.clone(), path, accept.as_ref());
    let mut named: BTreeMap<String, &Path> = BTreeMap::new();
    let mut taken = BTreeSet::new();
    for path in &options.reports {
        let node = name_of(path);
        if !taken.insert(node.to_lowercase()) {
            return Err(CommandError::SameNode { path: path.clone(), node });
        }
        named.insert(node, path);
    }
    // Each is read twice, once to describe the run and once to be written, so that they are not all in memory at once.
    let (mut run, mut machines) = (RunSpan::default(), Machines::default());
    for (node, path) in &named {
        let row = row(node, path);
        if row.outcome != Outcome::Verified {
            let message = row.message.as_deref().unwrap_or_default();
            console::say(&format!("{}: {}: {message}", clean::name(&row.name), row.outcome.as_str()));
        }
        run.add(&row);
        machines.add(&row);
    }
    // The folder is cleared only now, and the node reports stay, because they may be in it.
    let output = RunFolder::prepare_keeping(&options.out, &options.reports).map_err(CommandError::Folder)?;
    let head = ReportHeader {
        run: run.end(options.site_name.clone()),
        collector: env!("CARGO_PKG_VERSION").to_owned(),
        inputs: SiteInputs::default(),
        accept: accept.clone(),
        machines,
        waivers,
        baseline,
        selection: None,
    };
    let site = output.write_site(head, named.iter().map(|(node, path)| row(node, path)))?;
    if !options.quiet {
        console::print(&crate::report::terminal::render(&site, config::look()));
        console::say(&format!("The report to look at: {}", output.path("report.html").display()));
    }
    Ok(site.verdict)
}

fn row(name: String, path: &Path, accept: Option<&BTreeSet<Via>>) -> NodeRow {
    let mut bytes = Vec::new();
    let read =
        std::fs::File::open(path).and_then(|file| file.take(REPORT_BYTES as u64 + 1).read_to_end(&mut bytes));
    let (report, message) = match read {
        Ok(_) => match gather::read(&text::utf8(&bytes)).and_then(|report| {
            accept.map_or(Ok(()), |accept| gather::only_accepted(&report, accept)).map(|()| report)
        }) {
            Ok(report) => (Some(report), None),
            Err(error) => (None, Some(with_sources(&error))),
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
        clock_skew: None,
        asked: None,
        store: None,
        same_machine: None,
        clean_up: CleanUp { result: CleanUpResult::NotNeeded, folder: None, message: None },
        touched: None,
        pod: None,
        report,
        waived: Vec::new(),
    }
}

/// The node's name: that of the file without its ending, in characters that are safe in file names.
fn name_of(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
    let name: String = stem.chars().take(128).map(safe).collect();
    if name.is_empty() { "_".to_owned() } else { name }
}

/// The run that the reports belong to: its id if all agree, and the time from the first to the last.
#[derive(Default)]
struct RunSpan {
    ids: BTreeSet<String>,
    times: Option<(UnixTime, UnixTime)>,
}

impl RunSpan {
    fn add(&mut self, row: &NodeRow) {
        let Some(run) = row.report.as_ref().map(|report| &report.run) else { return };
        self.ids.insert(run.id.clone());
        let (started, finished) = self.times.unwrap_or((run.started, run.finished));
        self.times = Some((started.min(run.started), finished.max(run.finished)));
    }

    fn end(mut self, site: Option<String>) -> SiteRun {
        let only = if self.ids.len() == 1 { self.ids.pop_first() } else { None };
        let nothing = || UnixTime::from_seconds(0).unwrap_or_else(crate::clock::now);
        let (started, finished) = self.times.unwrap_or_else(|| (nothing(), nothing()));
        SiteRun { id: only.unwrap_or_default(), site, started, finished, left: None }
    }
}
