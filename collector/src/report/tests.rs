use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

use assay_report::SiteReport;
use serde_json::Value;

use super::*;
use crate::clean;

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
        texts.sort_by_key(|(name, _)| name.rsplit_once('.').map(|(stem, _)| (stem.len(), stem.to_owned())));
        texts.into_iter().map(|(name, bytes)| (name, String::from_utf8(bytes).unwrap())).collect()
    }
}

/// The file's name and content.
pub(crate) struct MemoryFile(String, Vec<u8>);

impl io::Write for MemoryFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn written(report: &SiteReport) -> Vec<(String, String)> {
    let folder = Memory::default();
    let SiteReport { run, collector, inputs, nodes, waivers, accept, .. } = report.clone();
    let mut machines = Machines::default();
    nodes.iter().for_each(|row| machines.add(row));
    let head =
        ReportHeader { run, collector, inputs, accept, machines, waivers, baseline: None, selection: None };
    let site = write_all(&folder, head, nodes).unwrap();
    assert_eq!((site.verdict, site.summary), (report.verdict, report.summary));
    folder.texts()
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

const OF_SITE: [&str; 7] = [SITE, "report.html", "junit.xml", "report.sarif", "metrics.prom", OSCAL, TABLE];

#[test]
fn equal_reports_give_equal_files() {
    for report in [sample::waived(), sample::hostile(), sample::large(5, 20)] {
        assert!(written(&report) == written(&report));
    }
}

/// Puts `text` wherever a report accepts any text; also returns the number of places.
fn poisoned(text: &str) -> (SiteReport, usize) {
    fn places(value: &Value, path: &str, found: &mut Vec<String>) {
        match value {
            Value::String(_) => found.push(path.to_owned()),
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(at, item)| places(item, &format!("{path}/{at}"), found));
            }
            Value::Object(members) => {
                members.iter().for_each(|(name, member)| places(member, &format!("{path}/{name}"), found));
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
    // Something unlisted of an unknown kind is not a container, so the verdict changes.
    (SiteReport::new(report.run, report.collector, report.inputs, report.nodes), replaced)
}

#[test]
fn cleans_every_text_of_a_report() {
    let evil = "\u{1b}[31m\u{202e}<script>\0\u{ffff}\u{200b}\r\n\"'&";
    let (report, replaced) = poisoned(evil);
    assert!(replaced > 150, "{replaced}");
    let terminal = terminal::render(&SiteModel::from(&report), terminal::Look { width: 100, colour: false });
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
        // Formats that escape text do so with backslashes.
        assert!(text.replace('\\', "").contains("u{1b}[31mu{202e}"));
    }
}

#[test]
fn contains_no_commands_for_ci_systems() {
    let evil = "##vso[task.complete result=Succeeded]\n::error::x\n ##teamcity[x]##[x]";
    let (report, _) = poisoned(evil);
    let mut seen = 0;
    // The page is read by browsers, not by CI systems.
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
