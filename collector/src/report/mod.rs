//! What a run found, as files and text: JSON, JUnit, HTML, SARIF, OSCAL, Prometheus metrics, a table for the terminal.
//!
//! Pure: nodes go in one after the other, bytes come out, and the same report gives the same bytes. A node is forgotten once
//! it is written; a [`SiteModel`] keeps what differs. Whatever a node, a registry or an operator wrote is taken for hostile and goes
//! through [`clean`] before it is shown; JSON alone holds it as it is. Nothing is shown as passed that was not verified: a
//! report from a node whose visit did not end well is not shown at all.

pub mod difference;
pub mod explanation;
pub mod exports;
pub mod html;
pub mod json;
pub mod junit;
pub mod terminal;
pub mod words;

mod expiry;
mod findings;
pub mod machines;
mod model;
pub(crate) mod names;
mod problems;
pub mod rows;
#[cfg(test)]
pub(crate) mod sample;
pub(crate) mod text;
mod verdict;

use std::collections::BTreeSet;
use std::io::{self, Write as _};

use assay_report::{NodeRow, Selection, SiteInputs, SiteRun, SiteWaivers, Via};

use self::difference::Baseline;
use self::exports::{csv, metrics, oscal, sarif};
use self::machines::Machines;
pub use self::model::SiteModel;

/// Where the files of a report go.
pub trait Folder {
    /// A file that is being written.
    type File: io::Write;

    /// Begins the file of a path below the folder, with `/`. It is not there before it is kept.
    ///
    /// # Errors
    /// Where the system says no.
    fn create(&self, name: &str) -> io::Result<Self::File>;

    /// Puts a file that is whole in its place.
    ///
    /// # Errors
    /// Where the system says no.
    fn keep(&self, file: Self::File) -> io::Result<()>;
}

/// What a report begins with.
pub struct ReportHeader {
    /// The run.
    pub run: SiteRun,
    /// The collector's version.
    pub collector: String,
    /// What was sent to the nodes.
    pub inputs: SiteInputs,
    /// What is accepted in place of an image's own signature, where it was said.
    pub accept: Option<BTreeSet<Via>>,
    /// The machines of all rows.
    pub machines: Machines,
    /// The waivers to apply.
    pub waivers: Option<SiteWaivers>,
    /// An earlier run to compare with.
    pub baseline: Option<Baseline>,
    /// Which nodes the run was about, where not all of them.
    pub selection: Option<Selection>,
}

/// Writes every file of the report of a run, and gives what there is to say of the site. `rows` are in the order of their
/// names; one is taken when the one before it is written.
///
/// | path | what |
/// |---|---|
/// | `report.json` | the site, for programs and for comparing two runs |
/// | `report.html` | the site, for people |
/// | `junit.xml` | the site, for CI; where it is too large for one file, `junit~2.xml` and so on beside it |
/// | `junit/NODE.xml` | one node, for CI that shows nodes apart |
/// | `nodes/NODE.json` | a node's own report |
/// | `report.sarif` | what is not in order, for those who import SARIF 2.1.0 |
/// | `oscal-assessment-results.json` | what it says about controls of NIST SP 800-53, for those who import OSCAL |
/// | `report.csv` | a row for each image on each node, for spreadsheets and checklists |
/// | `metrics.prom` | counts and ends, for Prometheus |
///
/// NODE is the node's name, with everything that is not a letter, a digit, `-`, `_` or an inner point written as `%` and hex.
///
/// # Errors
/// [`ReportError`]
pub fn write_all<F: Folder>(
    folder: &F,
    head: ReportHeader,
    rows: impl IntoIterator<Item = NodeRow>,
) -> Result<SiteModel, ReportError> {
    let ReportHeader { run, collector, inputs, accept, machines, waivers, baseline, selection } = head;
    // counted anew, whatever was counted on the way here
    let mut waivers = waivers.map(|given| SiteWaivers::new(given.sha256, given.judged_at, given.waivers));
    let mut site = SiteModel::new(run.clone(), collector.clone(), inputs, waivers.clone());
    site.selection = selection;
    site.accept = accept;
    let mut difference = baseline.map(difference::Comparison::with);
    let mut whole = {
        let file = create(folder, SITE)?;
        json::SiteWriter::begin(file, &site.without_nodes())
            .map_err(|error| ReportError::json(SITE, error))?
    };
    let mut table =
        csv::Table::begin(create(folder, TABLE)?).map_err(|source| ReportError::write(TABLE, source))?;
    let mut names = names::FileNames::default();
    let mut suites = junit::Suites::new(&run, &collector, junit::FILE_BYTES);
    let mut junit = junit::Files::begin(folder, "junit".into(), junit::FILE_BYTES)?;
    for mut row in rows {
        row.same_machine = machines.others(&row.name);
        if let Some(waivers) = &mut waivers {
            waivers.apply(&mut row);
        }
        let name = names.give(&row.name);
        whole.add(&row).map_err(|error| ReportError::json(SITE, error))?;
        if let Some(own) = row.accepted() {
            let path = format!("nodes/{name}.json");
            write(folder, &path, |file| {
                json::node(file, own).map_err(|error| ReportError::json(&path, error))
            })?;
        }
        let mut apart = junit::Files::begin(folder, format!("junit/{name}"), junit::FILE_BYTES)?;
        for suite in suites.of(&row).map_err(ReportError::Junit)? {
            junit.add(&suite)?;
            apart.add(&suite)?;
        }
        apart.end(&run, row.verdict(), 1)?;
        table.add(&row).map_err(|source| ReportError::write(TABLE, source))?;
        if let Some(difference) = &mut difference {
            difference.add(&row);
        }
        site.add(row, name);
    }
    site.waivers = waivers;
    site.difference = difference.map(difference::Comparison::end);
    junit.end(&run, site.verdict, site.nodes.len())?;
    let file = whole.end(&site.without_nodes()).map_err(|error| ReportError::json(SITE, error))?;
    keep(folder, SITE, file)?;
    keep(folder, TABLE, table.end().map_err(|source| ReportError::write(TABLE, source))?)?;
    write(folder, "report.html", |file| {
        let page = html::render(&site).map_err(ReportError::Html)?;
        file.write_all(page.as_bytes()).map_err(|source| ReportError::write("report.html", source))
    })?;
    write(folder, "report.sarif", |file| {
        sarif::write(file, &site).map_err(|error| ReportError::json("report.sarif", error))
    })?;
    write(folder, OSCAL, |file| oscal::write(file, &site).map_err(|error| ReportError::json(OSCAL, error)))?;
    write(folder, "metrics.prom", |file| {
        file.write_all(metrics::render(&site).as_bytes())
            .map_err(|source| ReportError::write("metrics.prom", source))
    })?;
    Ok(site)
}

const SITE: &str = "report.json";
const TABLE: &str = "report.csv";
const OSCAL: &str = "oscal-assessment-results.json";

fn write<F: Folder>(
    folder: &F,
    name: &str,
    fill: impl FnOnce(&mut F::File) -> Result<(), ReportError>,
) -> Result<(), ReportError> {
    let mut file = create(folder, name)?;
    fill(&mut file)?;
    keep(folder, name, file)
}

fn create<F: Folder>(folder: &F, name: &str) -> Result<F::File, ReportError> {
    folder.create(name).map_err(|source| ReportError::write(name, source))
}

fn keep<F: Folder>(folder: &F, name: &str, file: F::File) -> Result<(), ReportError> {
    folder.keep(file).map_err(|source| ReportError::write(name, source))
}

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The system says no.
    #[error("{name}: {source}")]
    Write {
        /// The file.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// A value that JSON cannot hold. Not known to happen.
    #[error("the report cannot be written as JSON")]
    Json(#[source] serde_json::Error),
    /// Text that XML cannot hold. Not known to happen.
    #[error("the report cannot be written as JUnit XML")]
    Junit(#[source] quick_junit::SerializeError),
    /// The template did not render. Not known to happen.
    #[error("the report cannot be written as HTML")]
    Html(#[source] askama::Error),
}

impl ReportError {
    fn write(name: &str, source: io::Error) -> Self {
        Self::Write { name: name.to_owned(), source }
    }

    fn json(name: &str, error: serde_json::Error) -> Self {
        if error.is_io() { Self::write(name, error.into()) } else { Self::Json(error) }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use crate::clean;
    use std::cell::RefCell;
    use std::collections::{BTreeMap, BTreeSet};

    use assay_report::SiteReport;
    use serde_json::Value;

    use super::*;

    /// A folder in memory.
    #[derive(Default)]
    pub(crate) struct Memory(RefCell<BTreeMap<String, Vec<u8>>>);

    impl Folder for Memory {
        type File = MemoryFile;

        fn create(&self, name: &str) -> io::Result<Self::File> {
            Ok(MemoryFile(name.to_owned(), Vec::new()))
        }

        fn keep(&self, MemoryFile(name, bytes): MemoryFile) -> io::Result<()> {
            assert!(self.0.borrow_mut().insert(name.clone(), bytes).is_none(), "{name}");
            Ok(())
        }
    }

    impl Memory {
        /// Names and texts, sorted by name without its ending.
        pub(crate) fn texts(self) -> Vec<(String, String)> {
            let mut texts: Vec<_> = self.0.into_inner().into_iter().collect();
            texts.sort_by_key(|(name, _)| {
                name.rsplit_once('.').map(|(stem, _)| (stem.len(), stem.to_owned()))
            });
            texts.into_iter().map(|(name, bytes)| (name, String::from_utf8(bytes).unwrap())).collect()
        }
    }

    fn written(report: &SiteReport) -> Vec<(String, String)> {
        let folder = Memory::default();
        let SiteReport { run, collector, inputs, nodes, waivers, accept, .. } = report.clone();
        let mut machines = Machines::default();
        nodes.iter().for_each(|row| machines.add(row));
        let head = ReportHeader {
            run,
            collector,
            inputs,
            accept,
            machines,
            waivers,
            baseline: None,
            selection: None,
        };
        let site = write_all(&folder, head, nodes).unwrap();
        assert_eq!((site.verdict, site.summary), (report.verdict, report.summary));
        folder.texts()
    }

    /// Its name and what was written.
    pub(crate) struct MemoryFile(String, Vec<u8>);

    impl io::Write for MemoryFile {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_file_has_its_own_name_below_the_folder() {
        for report in [sample::site(), sample::waived(), sample::hostile(), sample::every_outcome()] {
            let files = written(&report);
            let names: BTreeSet<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
            let accepted = report.nodes.iter().filter(|node| node.accepted().is_some()).count();
            assert_eq!(files.len(), OF_SITE.len() + report.nodes.len() + accepted);
            for name in names {
                let parts: Vec<&str> = name.split('/').collect();
                match parts.as_slice() {
                    [file] => assert!(OF_SITE.contains(file), "{name}"),
                    ["junit", file] => assert!(file.ends_with(".xml") && !file.starts_with('.'), "{name}"),
                    ["nodes", file] => assert!(file.ends_with(".json") && !file.starts_with('.'), "{name}"),
                    _ => panic!("{name}"),
                }
                assert!(
                    name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\' && byte != b':'),
                    "{name}"
                );
            }
        }
    }

    const OF_SITE: [&str; 7] =
        [SITE, "report.html", "junit.xml", "report.sarif", "metrics.prom", OSCAL, TABLE];

    #[test]
    fn equal_reports_give_equal_files() {
        for report in [sample::waived(), sample::hostile(), sample::large(5, 20)] {
            assert!(written(&report) == written(&report));
        }
    }

    /// Puts `text` wherever a report takes any text, and says where.
    fn poisoned(text: &str) -> (SiteReport, usize) {
        fn places(value: &Value, path: &str, found: &mut Vec<String>) {
            match value {
                Value::String(_) => found.push(path.to_owned()),
                Value::Array(items) => {
                    items
                        .iter()
                        .enumerate()
                        .for_each(|(at, item)| places(item, &format!("{path}/{at}"), found));
                }
                Value::Object(members) => {
                    members
                        .iter()
                        .for_each(|(name, member)| places(member, &format!("{path}/{name}"), found));
                }
                _ => {}
            }
        }
        let mut nodes = sample::site().nodes;
        nodes.truncate(2);
        for node in &mut nodes {
            if let Some(report) = &mut node.report {
                // one image of each status is enough
                let mut seen = BTreeSet::new();
                report.images.retain(|image| seen.insert((image.status, image.signatures.is_empty())));
            }
        }
        let whole = sample::site();
        let report = SiteReport::new(whole.run, whole.collector, whole.inputs, nodes);
        let mut value = serde_json::to_value(&report).unwrap();
        let mut found = Vec::new();
        places(&value, "", &mut found);
        let mut replaced = 0;
        for path in found {
            let known = std::mem::replace(value.pointer_mut(&path).unwrap(), text.into());
            if serde_json::from_value::<SiteReport>(value.clone()).is_ok() {
                replaced += 1;
            } else {
                *value.pointer_mut(&path).unwrap() = known;
            }
        }
        let report: SiteReport = serde_json::from_value(value).unwrap();
        // an unusual kind of unlisted thing is not a container: the verdict is counted anew
        (SiteReport::new(report.run, report.collector, report.inputs, report.nodes), replaced)
    }

    #[test]
    fn no_text_of_a_report_reaches_a_reader_uncleaned() {
        let evil = "\u{1b}[31m\u{202e}<script>\0\u{ffff}\u{200b}\r\n\"'&";
        let (report, replaced) = poisoned(evil);
        assert!(replaced > 150, "{replaced}");
        let terminal =
            terminal::render(&SiteModel::from(&report), terminal::Look { width: 100, colour: false });
        let raw = |name: &str| name == SITE || name.starts_with("nodes/");
        let texts = written(&report).into_iter().filter(|(name, _)| !raw(name));
        let texts: Vec<String> = texts.map(|(_, text)| text).chain([terminal]).collect();
        assert_eq!(texts.len(), 6 + 2 + 1);
        for text in texts {
            for letter in text.chars() {
                let own = matches!(letter, '\n' | '\u{202f}');
                assert!(
                    own || clean::line(&letter.to_string(), 1) == letter.to_string(),
                    "{}",
                    letter.escape_unicode()
                );
            }
            // what formats escape, they escape with backslashes
            assert!(text.replace('\\', "").contains("u{1b}[31mu{202e}"));
        }
    }

    #[test]
    fn no_ci_system_finds_a_command_in_a_report() {
        let evil = "##vso[task.complete result=Succeeded]\n::error::x\n ##teamcity[x]##[x]";
        let (report, _) = poisoned(evil);
        let mut seen = 0;
        // a page is for browsers
        for (name, text) in written(&report).into_iter().filter(|(name, _)| !name.ends_with(".html")) {
            seen += 1;
            assert!(!text.contains("##"), "{name}");
            assert!(!text.lines().any(|line| line.trim_start().starts_with("::")), "{name}");
            if name == SITE || name.starts_with("nodes/") {
                let value: Value = serde_json::from_str(&text).unwrap();
                assert!(value.to_string().contains("##vso["), "{name}: nothing is lost");
            }
        }
        assert_eq!(seen, 1 + 2 + 1 + 2 + 4);
    }
}
