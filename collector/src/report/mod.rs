//! What a run found, as files and text: JSON, JUnit, HTML, a table for the terminal.
//!
//! Pure: a [`SiteReport`] goes in, bytes come out, and the same report gives the same bytes. Whatever a node, a registry or
//! an operator wrote is taken for hostile and goes through [`clean`] before it is shown; JSON alone holds it as it is.
//! Nothing is shown as passed that was not verified: a report from a node whose visit did not end well is not shown at all.

pub mod clean;
pub mod html;
pub mod json;
pub mod junit;
pub mod terminal;
pub mod words;

mod findings;
mod names;
mod problems;
#[cfg(test)]
mod sample;
mod text;
mod verdict;

use assay_shared::report::SiteReport;

/// Every file of the report of a run, one after the other: a path below the run's folder, with `/`, and its bytes.
///
/// | path | what |
/// |---|---|
/// | `report.json` | the site, for programs and for comparing two runs |
/// | `report.html` | the site, for people |
/// | `junit.xml` | the site, for CI; where it is too large for one file, `junit~2.xml` and so on beside it |
/// | `junit/NODE.xml` | one node, for CI that shows nodes apart |
/// | `nodes/NODE.json` | a node's own report |
///
/// A file is made when it is asked for, so that not all are in memory at once. NODE is the node's name, with everything
/// that is not a letter, a digit, `-`, `_` or an inner point written as `%` and hex.
pub fn write_all(report: &SiteReport) -> impl Iterator<Item = Result<(String, Vec<u8>), ReportError>> + '_ {
    let mut names = names::FileNames::default();
    let nodes: Vec<String> = report.nodes.iter().map(|node| names.give(&node.name)).collect();
    let own = report.nodes.iter().zip(nodes.clone()).filter_map(|(node, name)| {
        let own = node.accepted()?;
        Some(json::node(own).map(|bytes| (format!("nodes/{name}.json"), bytes)).map_err(ReportError::Json))
    });
    let suites = nodes
        .into_iter()
        .enumerate()
        .flat_map(move |(place, name)| files(junit::node(report, place, &format!("junit/{name}"))));
    std::iter::once_with(move || {
        json::site(report).map(|bytes| ("report.json".into(), bytes)).map_err(ReportError::Json)
    })
    .chain(std::iter::once_with(move || {
        html::site(report).map(|page| ("report.html".into(), page.into_bytes())).map_err(ReportError::Html)
    }))
    .chain(std::iter::once_with(move || files(junit::site(report, "junit"))).flatten())
    .chain(suites)
    .chain(own)
}

type Junit = Result<Vec<(String, String)>, quick_junit::SerializeError>;

fn files(made: Junit) -> Vec<Result<(String, Vec<u8>), ReportError>> {
    match made {
        Ok(files) => files.into_iter().map(|(name, text)| Ok((name, text.into_bytes()))).collect(),
        Err(error) => vec![Err(ReportError::Junit(error))],
    }
}

/// Why a report could not be written. None of these is known to happen.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A value that JSON cannot hold.
    #[error("the report cannot be written as JSON")]
    Json(#[source] serde_json::Error),
    /// Text that XML cannot hold.
    #[error("the report cannot be written as JUnit XML")]
    Junit(#[source] quick_junit::SerializeError),
    /// The template did not render.
    #[error("the report cannot be written as HTML")]
    Html(#[source] askama::Error),
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn every_file_has_its_own_name_below_the_folder() {
        for report in [sample::site(), sample::hostile(), sample::every_outcome()] {
            let files: Vec<(String, Vec<u8>)> = write_all(&report).map(Result::unwrap).collect();
            let names: BTreeSet<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names.len(), files.len());
            let accepted = report.nodes.iter().filter(|node| node.accepted().is_some()).count();
            assert_eq!(files.len(), 3 + report.nodes.len() + accepted);
            for name in names {
                let parts: Vec<&str> = name.split('/').collect();
                match parts.as_slice() {
                    ["report.json" | "report.html" | "junit.xml"] => {}
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
        let terminal = terminal::site(&report, terminal::Look { width: 100, colour: false });
        let texts = write_all(&report).map(Result::unwrap).filter(|(name, _)| !name.ends_with(".json"));
        let texts: Vec<String> =
            texts.map(|(_, bytes)| String::from_utf8(bytes).unwrap()).chain([terminal]).collect();
        assert_eq!(texts.len(), 2 + 2 + 1);
        for text in texts {
            for letter in text.chars() {
                let own = matches!(letter, '\n' | '\u{202f}');
                assert!(
                    own || clean::line(&letter.to_string(), 1) == letter.to_string(),
                    "{}",
                    letter.escape_unicode()
                );
            }
            assert!(text.contains("\\u{1b}[31m\\u{202e}"));
        }
    }
}
