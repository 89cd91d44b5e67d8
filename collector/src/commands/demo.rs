//! `assay demo`: verifies the site that is part of this program. Its nodes are folders of this machine, visited without SSH; the
//! agent, the visits and the reports are the real ones.

use std::collections::BTreeMap;
use std::path::Path;

use assay_report::{Asked, ExitCode, Outcome, SiteReport};

use super::error::CommandError;
use super::visits::{RunContext, RunPlan, carry_out};
use crate::errors::with_sources;
use crate::fleet::{CONCURRENCY, Log, Progress, ResultStore, RetryPolicy, Verbosity};
use crate::journal::Journal;
use crate::nodes::{Site, Sudo};
use crate::output::{OutputError, RunFolder};
use crate::scratch::Scratch;
use crate::transport::ThisMachine;
use crate::visit::{self, Payload, VisitPlan};
use crate::{cli, clock, config, console, random};

/// The recorded site: `site.toml`, `nodes/<name>/store/`, `trust/`, `bundle/`, `expected.json` and `at`.
const SITE: &[u8] = include_bytes!("../../../fixtures/demo/site.tar");

/// Runs `assay demo`.
///
/// # Errors
/// [`CommandError`]
pub fn demo(options: &cli::Demo) -> Result<ExitCode, CommandError> {
    let scratch =
        Scratch::new().map_err(|source| CommandError::System { what: "making a scratch folder", source })?;
    let site = DemoSite::unpack(SITE, scratch.path())?;
    let agents = config::agents(&options.agents)?;
    let payload = Payload::new(&agents, &scratch.path().join("trust"), &[scratch.path().join("bundle")])
        .map_err(config::ConfigError::from)?;
    let plan = VisitPlan {
        run_id: random::run_id(clock::now()),
        payload,
        asked: Asked { at: Some(site.at), ..Asked::default() },
        limits: visit::StepLimits::default(),
    };
    let output = RunFolder::prepare(&options.out).map_err(CommandError::Folder)?;
    let log = output.path("run.log");
    let log = Log::open(&log, false)
        .map_err(|source| CommandError::Folder(OutputError::Write { path: log, source }))?;
    let progress = Progress::new(site.site.nodes.len(), Verbosity::Silent, log, false);
    let results = ResultStore::open(&options.out, false)
        .map_err(|source| CommandError::Folder(OutputError::Write { path: options.out.clone(), source }))?;
    let run_plan = RunPlan::new(site.site.nodes.clone(), plan, |_, _| None, None);
    let context = RunContext {
        results,
        journal: Journal::none(),
        concurrency: CONCURRENCY,
        retry: RetryPolicy::default(),
        waivers: None,
        baseline: None,
    };
    let found = carry_out(run_plan, ThisMachine::default(), context, progress, &output)?;

    console::print(&crate::report::terminal::render(&found, config::look()));
    console::say(&format!("\nThe report to look at: {}", output.path("report.html").display()));
    // The written report is compared, as a user would read it.
    let report = written(&output.path("report.json"))?;
    let differences = differences(&report, &site.expected);
    if differences.is_empty() {
        console::say("every verdict is the expected one; the site is meant to show the failures");
        return Ok(ExitCode::Passed);
    }
    for difference in &differences {
        console::say(&format!("unexpected: {difference}"));
    }
    Ok(ExitCode::Failed)
}

fn written(path: &Path) -> Result<SiteReport, CommandError> {
    let unread = |source| CommandError::Output(OutputError::Write { path: path.to_owned(), source });
    let file = std::fs::File::open(path).map_err(unread)?;
    serde_json::from_reader(std::io::BufReader::new(file)).map_err(|error| unread(error.into()))
}

type Expected = BTreeMap<String, BTreeMap<String, String>>;

struct DemoSite {
    site: Site,
    at: assay_verifier::time::UnixTime,
    expected: Expected,
}

impl DemoSite {
    fn unpack(archive: &[u8], folder: &Path) -> Result<Self, CommandError> {
        let damaged = |what: &str, error: &dyn std::error::Error| {
            CommandError::DemoSite(format!("{what}: {}", with_sources(error)))
        };
        let mut archive = tar::Archive::new(archive);
        archive.set_preserve_mtime(false);
        archive
            .unpack(folder)
            .map_err(|source| CommandError::System { what: "unpacking the embedded site", source })?;
        let read =
            |name: &str| std::fs::read_to_string(folder.join(name)).map_err(|error| damaged(name, &error));
        let mut site = Site::parse(&read("site.toml")?).map_err(|error| damaged("site.toml", &error))?;
        for node in &mut site.nodes {
            // The nodes are on this machine, and the demo does not need root.
            node.store =
                Some(format!("layout:{}", folder.join("nodes").join(&node.name).join("store").display()));
            node.sudo = Sudo::No;
        }
        let at = config::at(read("at")?.trim()).map_err(|error| damaged("at", &error))?;
        let expected = serde_json::from_str(&read("expected.json")?)
            .map_err(|error| damaged("expected.json", &error))?;
        Ok(Self { site, at, expected })
    }
}

/// Every difference between the report and what is expected, in one line each.
fn differences(report: &SiteReport, expected: &Expected) -> Vec<String> {
    let mut found = Expected::new();
    let mut differences = Vec::new();
    for row in &report.nodes {
        if row.outcome != Outcome::Verified {
            let message = row.message.as_deref().unwrap_or_default();
            differences.push(format!("{}: {}: {message}", row.name, row.outcome.as_str()));
        }
        let images = found.entry(row.name.clone()).or_default();
        for image in row.report.iter().flat_map(|report| &report.images) {
            let status = format!("{:?}", image.status).to_lowercase();
            let verdict = match image.reason {
                Some(reason) => format!("{status}/{}", reason.as_str()),
                None => status,
            };
            for reference in &image.references {
                images.insert(reference.clone(), verdict.clone());
            }
        }
    }
    let none = BTreeMap::new();
    for node in expected.keys().chain(found.keys().filter(|node| !expected.contains_key(*node))) {
        let (want, have) = (expected.get(node).unwrap_or(&none), found.get(node).unwrap_or(&none));
        for reference in want.keys().chain(have.keys().filter(|reference| !want.contains_key(*reference))) {
            let verdict = |verdicts: &BTreeMap<String, String>| {
                verdicts.get(reference).cloned().unwrap_or_else(|| "not there".to_owned())
            };
            let (want, have) = (verdict(want), verdict(have));
            if want != have {
                differences.push(format!("{node}: {reference}: {have} instead of {want}"));
            }
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_site_is_whole() {
        let scratch = Scratch::new().unwrap();
        let site = DemoSite::unpack(SITE, scratch.path()).unwrap();
        let names: Vec<_> = site.site.nodes.iter().map(|node| node.name.as_str()).collect();
        assert_eq!(names.len(), 3);
        assert_eq!(names, site.expected.keys().map(String::as_str).collect::<Vec<_>>());
        for node in &site.site.nodes {
            let store = node.store.as_deref().unwrap().strip_prefix("layout:").unwrap();
            assert!(Path::new(store).join("oci-layout").is_file(), "{store}");
            assert_eq!(node.sudo, Sudo::No);
        }
        let folder = scratch.path().to_owned();
        drop(scratch);
        assert!(!folder.exists());
    }

    #[test]
    fn every_difference_is_named() {
        let row = |name: &str, outcome| {
            let node =
                Site::parse(&format!("[[node]]\nname = \"{name}\"\naddress = \"192.0.2.1\"\n")).unwrap();
            let mut row = visit::unvisited_row(&node.nodes[0]);
            row.outcome = outcome;
            row
        };
        let report = |rows| {
            let time = clock::now();
            let run = assay_report::SiteRun {
                id: String::new(),
                site: None,
                started: time,
                finished: time,
                left: None,
            };
            SiteReport::new(run, String::new(), Default::default(), rows)
        };
        let expected: Expected = [("a".to_owned(), [("x:1".to_owned(), "passed".to_owned())].into())].into();
        // A node that was not visited, not verified, or not expected is a difference.
        assert_eq!(differences(&report(Vec::new()), &expected).len(), 1);
        assert_eq!(differences(&report(vec![row("a", Outcome::AgentFailed)]), &expected).len(), 2);
        assert_eq!(differences(&report(vec![row("a", Outcome::Verified)]), &expected).len(), 1);
        assert_eq!(differences(&report(vec![row("b", Outcome::TimedOut)]), &Expected::new()).len(), 1);
        assert_eq!(differences(&report(Vec::new()), &Expected::new()), [""; 0]);
    }
}
