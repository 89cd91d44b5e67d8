use std::collections::{BTreeMap, BTreeSet};

use assay_report::{ExitCode, SiteReport, Status};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::*;
use crate::clean;
use crate::report::tests::Memory;
use crate::report::{names, sample};

/// A case as another program reads it.
#[derive(Debug)]
struct Case {
    suite: String,
    class: String,
    name: String,
    /// `failure`, `error` or `skipped` with its type, message and text.
    child: Option<(String, Option<String>, String, String)>,
}

/// Reads a file back with a parser that does not know JUnit.
fn read(xml: &str) -> (Vec<BTreeMap<String, String>>, Vec<Case>) {
    let attributes = |tag: &BytesStart<'_>| -> BTreeMap<String, String> {
        tag.attributes()
            .map(|attribute| {
                let attribute = attribute.unwrap();
                let value = attribute.normalized_value(quick_xml::XmlVersion::Explicit1_0).unwrap();
                (attribute.key.as_ref().to_owned(), value.into_owned())
            })
            .collect()
    };
    let mut reader = Reader::from_str(xml);
    reader.config_mut().expand_empty_elements = true;
    reader.config_mut().check_end_names = true;
    let (mut suites, mut cases) = (Vec::new(), Vec::<Case>::new());
    let (mut inside, mut depth) = (false, 0);
    loop {
        match reader.read_event().unwrap() {
            Event::Start(tag) => {
                depth += 1;
                let mut found = attributes(&tag);
                match tag.name().as_ref() {
                    "testsuites" => assert_eq!((depth, found.len()), (1, 0)),
                    "testsuite" => suites.push(found),
                    "testcase" => cases.push(Case {
                        suite: suites.last().unwrap()["name"].clone(),
                        class: {
                            let class = found.remove("classname").unwrap();
                            assert!(!class.contains('.'), "{class}: Jenkins would cut it");
                            class.replace("%2E", ".").replace("%25", "%")
                        },
                        name: found.remove("name").unwrap(),
                        child: None,
                    }),
                    "failure" | "error" | "skipped" => {
                        inside = true;
                        let kind = tag.name().as_ref().to_owned();
                        let message = found.remove("message").unwrap();
                        cases.last_mut().unwrap().child =
                            Some((kind, found.remove("type"), message, String::new()));
                    }
                    "properties" | "property" | "system-out" | "system-err" => {}
                    other => panic!("unknown element {other}"),
                }
            }
            Event::Text(text) if inside => {
                let child = cases.last_mut().unwrap().child.as_mut().unwrap();
                child.3.push_str(&text);
            }
            Event::GeneralRef(entity) if inside => {
                let child = cases.last_mut().unwrap().child.as_mut().unwrap();
                child.3.push_str(quick_xml::escape::resolve_predefined_entity(&entity).unwrap());
            }
            Event::End(_) => {
                depth -= 1;
                inside = false;
            }
            Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(depth, 0);
    (suites, cases)
}

/// The files of a site, of at most `most` bytes each.
fn files(report: &SiteReport, most: usize) -> Vec<(String, String)> {
    let folder = Memory::default();
    let mut files = Files::begin(&folder, "junit".into(), most).unwrap();
    let mut suites = Suites::new(&report.run, &report.collector, most);
    for row in &report.nodes {
        suites.node_suite(row).unwrap().iter().for_each(|suite| files.add(suite).unwrap());
    }
    files.end(&report.run, report.verdict, report.nodes.len()).unwrap();
    // junit.xml before junit~2.xml
    folder.texts()
}

fn one_file(report: &SiteReport) -> String {
    let mut files = files(report, FILE_BYTES);
    assert_eq!(files.len(), 1);
    let (name, xml) = files.remove(0);
    assert_eq!(name, "junit.xml");
    xml
}

#[test]
fn every_image_of_every_node_is_a_case_with_its_status() {
    for report in sample::all(7, 30) {
        let (suites, cases) = read(&one_file(&report));
        assert_eq!(suites.len(), report.nodes.len());
        for (node, suite) in report.nodes.iter().zip(&suites) {
            let images = node.accepted().map_or(&[][..], |own| &own.images);
            for image in images {
                let name = names::full(image);
                let class = format!("{}/{}", clean::name(&node.name), names::repository(image));
                let found: Vec<&Case> =
                    cases.iter().filter(|case| case.class == class && case.name == name).collect();
                let [case] = found.as_slice() else { panic!("{} cases for {name}", found.len()) };
                assert_eq!(case.suite, suite["name"]);
                let child = case.child.as_ref().map(|(kind, ..)| kind.as_str());
                let expected = match image.status {
                    _ if node.waiver(image).is_some() => Some("skipped"),
                    Status::Passed => None,
                    Status::Failed => Some("failure"),
                    Status::Inconclusive => Some("error"),
                    Status::Skipped => Some("skipped"),
                };
                assert_eq!(child, expected);
                if let Some((_, code, _, text)) = &case.child
                    && image.status == Status::Failed
                    && node.waiver(image).is_none()
                {
                    assert_eq!(code.as_deref(), image.reason.map(assay_report::Reason::as_str));
                    assert!(text.contains(image.digest.as_str()));
                }
            }
        }
    }
}

#[test]
fn every_problem_names_its_node() {
    for report in sample::all(7, 30) {
        let (_, cases) = read(&one_file(&report));
        let mut seen = 0;
        for case in &cases {
            let Some((kind, _, message, text)) = &case.child else { continue };
            if kind != "skipped" {
                seen += 1;
                let node = if case.suite == "-" { "" } else { &case.suite };
                assert!(message.starts_with(&format!("on {node}: ")), "{message}");
                assert_eq!(text.lines().next(), Some(&*format!("Node: {node}")));
            }
        }
        assert!(seen > 0 || report.verdict == ExitCode::Passed);
    }
}

#[test]
fn a_case_names_the_first_broken_link_of_each_container() {
    let report = sample::site();
    let (_, cases) = read(&one_file(&report));
    let mut told = BTreeSet::new();
    let accepted = report.nodes.iter().filter_map(|row| Some((row, row.accepted()?)));
    for (row, image) in accepted.flat_map(|(row, own)| own.images.iter().map(move |image| (row, image))) {
        let Some(custody) = image.in_use.iter().find_map(|container| container.custody.as_ref()) else {
            continue;
        };
        assert_eq!(image.custody_contradiction(), None);
        let digest = format!("Digest: {}\n", image.digest);
        let texts = cases.iter().filter_map(|case| case.child.as_ref()).map(|(.., text)| text);
        let node = format!("Node: {}\n", row.name);
        for text in texts.filter(|text| text.starts_with(&node) && text.contains(&digest)) {
            let line = text.lines().find(|line| line.starts_with("Custody: "));
            let Some(line) = line else { continue };
            let first = custody.first_broken().unwrap();
            assert!(line.contains(crate::report::custody::step(first.step)), "{line}");
            told.insert(first.step);
        }
    }
    assert!(told.len() >= 6, "{told:?}");
}

#[test]
fn a_waived_image_is_skipped_with_approver_reason_and_end() {
    let report = sample::waived();
    let (_, cases) = read(&one_file(&report));
    let child_of =
        |name: &str| cases.iter().find(|case| case.name.contains(name)).unwrap().child.as_ref().unwrap();
    // The schemas allow no type for it.
    let (kind, code, message, _) = child_of("shop/payments");
    assert_eq!((kind.as_str(), code.as_deref()), ("skipped", None));
    for part in ["waived", "J. Doe", "the vendor signs", "2026-12-31", "no-signature"] {
        assert!(message.contains(part), "{message}");
    }
    // expired
    assert_eq!(child_of("shop/cart").0, "failure");
}

#[test]
fn a_suite_passes_exactly_if_its_node_does() {
    for report in sample::all(7, 30) {
        let (_, cases) = read(&one_file(&report));
        for node in &report.nodes {
            let own: Vec<&Case> =
                cases.iter().filter(|case| in_node(case, &clean::name(&node.name))).collect();
            assert!(own.len() >= 2, "{}", node.name);
            let kinds: BTreeSet<&str> =
                own.iter().filter_map(|case| case.child.as_ref()).map(|(kind, ..)| kind.as_str()).collect();
            let verdict = match (kinds.contains("failure"), kinds.contains("error")) {
                (true, _) => ExitCode::Failed,
                (false, true) => ExitCode::Incomplete,
                (false, false) => ExitCode::Passed,
            };
            assert_eq!(verdict, node.verdict(), "{}", node.name);
        }
    }
}

fn in_node(case: &Case, node: &str) -> bool {
    case.class == node
        || case.class.strip_prefix(node).is_some_and(|rest| rest.starts_with('/'))
        || node.is_empty() && case.class == "-"
}

#[test]
fn counts_are_those_of_the_cases() {
    for report in sample::all(7, 30) {
        let (suites, cases) = read(&one_file(&report));
        for count in ["tests", "failures", "errors", "skipped"] {
            let said: usize = suites.iter().map(|suite| suite[count].parse::<usize>().unwrap()).sum();
            let kind = count.trim_end_matches('s');
            let found = cases.iter().filter(|case| {
                count == "tests"
                    || case.child.as_ref().is_some_and(|(child, ..)| child == count || child == kind)
            });
            assert_eq!(said, found.count(), "{count}");
        }
    }
}

#[test]
fn no_two_cases_share_a_name() {
    let mut report = sample::site();
    report.nodes.push(report.nodes[0].clone());
    report.nodes.push(report.nodes[0].clone());
    let own = report.nodes[0].report.as_mut().unwrap();
    let twice = own.images[0].clone();
    own.images.extend([twice.clone(), twice]);
    let (_, cases) = read(&one_file(&report));
    let names: BTreeSet<(&str, &str)> = cases.iter().map(|case| (&*case.class, &*case.name)).collect();
    assert_eq!(names.len(), cases.len());
}

#[test]
fn a_site_without_nodes_does_not_pass() {
    let mut report = sample::site();
    report.nodes.clear();
    let (suites, cases) = read(&one_file(&report));
    assert_eq!(suites.len(), 1);
    assert_eq!(cases[0].child.as_ref().unwrap().0, "error");
}

#[test]
fn every_outcome_has_its_code() {
    let report = sample::every_outcome();
    let (_, cases) = read(&one_file(&report));
    let mut seen = BTreeSet::new();
    for node in &report.nodes {
        let visit = cases.iter().find(|case| case.class == node.name && case.name == "visit").unwrap();
        let code = visit
            .child
            .as_ref()
            .and_then(|(kind, code, ..)| (kind == "error").then(|| code.clone().unwrap()));
        let empty = node.accepted().is_some_and(|own| own.images.is_empty());
        let expected = match node.outcome {
            assay_report::Outcome::Verified => empty.then(|| "no-images".to_owned()),
            other => Some(other.as_str().to_owned()),
        };
        assert_eq!(code, expected);
        seen.extend(code);
    }
    // all but verified, and no-images
    assert_eq!(seen.len(), assay_report::Outcome::ALL.len());
}

#[test]
fn bounds_files_and_loses_nothing() {
    let report = sample::large(12, 60);
    let (_, all) = read(&one_file(&report));
    for most in [20_000, 60_000, 200_000] {
        let files = files(&report, most);
        assert!(files.len() > 1);
        let mut count = 0;
        for (at, (name, xml)) in files.iter().enumerate() {
            let expected = if at == 0 { "junit.xml".to_owned() } else { format!("junit~{}.xml", at + 1) };
            assert_eq!(*name, expected);
            assert!(xml.len() <= most, "{} of {most}", xml.len());
            let (_, cases) = read(xml);
            count += cases.len();
            if at == 0 {
                let verdict = cases.last().unwrap();
                assert_eq!((&*verdict.class, &*verdict.name), ("site", "verdict"));
                assert_eq!(verdict.child.as_ref().unwrap().0, "failure");
            }
        }
        assert_eq!(count, all.len() + 1);
    }
}

#[test]
fn equal_reports_give_equal_files() {
    for report in sample::all(7, 30) {
        assert_eq!(one_file(&report), one_file(&report.clone()));
    }
}
