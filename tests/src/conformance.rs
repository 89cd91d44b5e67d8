//! Unpacks the conformance cases, `fixtures/conformance/cases.tar.zst`, and reads the list of deliberate differences.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use ruzstd::decoding::StreamingDecoder;
use serde::Deserialize;
use tempfile::TempDir;

/// The unpacked cases.
#[derive(Debug)]
pub struct Cases {
    /// Every case, sorted by id.
    pub cases: Vec<Case>,
    _folder: TempDir,
}

/// One question to a verifier, and the reference's answer.
#[derive(Debug)]
pub struct Case {
    /// Where its layout and trust directory are.
    pub folder: PathBuf,
    /// What `case.json` says.
    pub question: Question,
}

/// `case.json`
#[derive(Debug, Deserialize)]
pub struct Question {
    /// The case's name.
    pub id: String,
    /// Its group.
    pub category: String,
    /// What is special in it.
    pub title: String,
    /// The image to verify.
    pub image: String,
    /// The reference's answer.
    pub expect: Expect,
}

/// The reference's answer.
#[derive(Debug, Deserialize)]
pub struct Expect {
    /// `passed`, `failed` or `skipped`
    pub status: String,
    /// The check that failed, where the reference named one.
    pub failed_check: Option<String>,
    /// What it said.
    pub oracle: String,
}

/// `fixtures/conformance/differences.json`: where this project decides otherwise, and why.
#[derive(Debug)]
pub struct Differences {
    /// The decisions.
    pub rules: Vec<Rule>,
    /// The cases that they change, by id.
    pub cases: BTreeMap<String, Difference>,
}

/// One decision, once: README's table has a row for each.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name.
    pub id: String,
    /// Whether this project refuses more, goes on where the reference gives up, or only gives another reason.
    pub kind: Kind,
    /// What it is about.
    pub what: String,
    /// Why.
    pub why: String,
    /// The conformance cases that it changes.
    pub cases: Vec<Difference>,
    /// The variants of the live comparison (`tests/interop/differential`) that it changes.
    pub variants: Vec<String>,
    /// Patterns of the answers to changed bytes (`tests/interop/differential/mutants.py`) that it explains.
    #[serde(default)]
    pub mutants: Vec<String>,
}

/// In which way a decision differs from the reference's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Refused here, accepted there.
    Stricter,
    /// Judged here, where the reference does not open the layout.
    GoesOn,
    /// Refused by both, for another reason.
    OtherReason,
}

/// One case that differs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// The case's id.
    pub case: String,
    /// The reference's answer, as `status` or `status/check`.
    pub reference: String,
    /// This project's answer, in the same words.
    pub assay: String,
}

impl Cases {
    /// Unpacks the cases.
    ///
    /// # Panics
    /// If they cannot be read.
    pub fn unpack() -> Self {
        let folder = tempfile::tempdir().expect("scratch folder");
        let packed = File::open(file("cases.tar.zst")).expect("fixtures/conformance/cases.tar.zst");
        let tar = StreamingDecoder::new(packed).expect("zstd");
        tar::Archive::new(tar).unpack(folder.path()).expect("a tar archive");
        let entries = fs::read_dir(folder.path().join("cases")).expect("a folder of cases");
        let mut cases: Vec<Case> = entries
            .map(|entry| {
                let folder = entry.expect("readable").path();
                let text = fs::read(folder.join("case.json")).expect("every case has a case.json");
                Case { question: serde_json::from_slice(&text).expect("case.json"), folder }
            })
            .collect();
        cases.sort_by(|one, other| one.question.id.cmp(&other.question.id));
        Self { cases, _folder: folder }
    }
}

impl Expect {
    /// The answer as `status`, or `status/check` where the reference named a check.
    pub fn answer(&self) -> String {
        match &self.failed_check {
            Some(check) => format!("{}/{check}", self.status),
            None => self.status.clone(),
        }
    }
}

impl Differences {
    /// The committed list.
    ///
    /// # Panics
    /// If it cannot be read, lists a case twice, gives no reason, or lists a case that the reference fails and this
    /// project passes: no reason is good enough for that.
    pub fn load() -> Self {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Document {
            rules: Vec<Rule>,
        }
        let text = fs::read(file("differences.json")).expect("fixtures/conformance/differences.json");
        let Document { rules } = serde_json::from_slice(&text).expect("a list of differences");
        let mut cases = BTreeMap::new();
        for rule in &rules {
            assert!(!rule.what.is_empty() && !rule.why.is_empty(), "{}: no reason", rule.id);
            for difference in rule.cases.iter().cloned() {
                let lax = difference.reference.starts_with("failed") && difference.assay == "passed";
                assert!(!lax, "{}: laxer than the reference can be no difference", difference.case);
                let before = cases.insert(difference.case.clone(), difference);
                assert_eq!(before, None, "listed twice");
            }
        }
        Self { rules, cases }
    }
}

fn file(name: &str) -> PathBuf {
    Path::new(assay_fixtures::FIXTURES).join("conformance").join(name)
}
