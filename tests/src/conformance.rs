//! The conformance cases: `fixtures/conformance/cases.tar.zst` unpacked, and the list of deliberate differences.

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
    /// Categories whose check does not run yet: there this project may be stricter without a reason beside it.
    pub not_yet: Vec<String>,
    /// The deliberate differences, by case.
    pub differences: BTreeMap<String, Difference>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DifferencesFile {
    not_yet: Vec<String>,
    differences: Vec<Difference>,
}

/// One deliberate difference.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// The case's id.
    pub case: String,
    /// The reference's answer, as `status` or `status/check`.
    pub reference: String,
    /// This project's answer, in the same words.
    pub assay: String,
    /// Why.
    pub reason: String,
}

impl Cases {
    /// Unpacks the cases.
    ///
    /// # Panics
    /// Where they cannot be read.
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
    /// The committed lists.
    ///
    /// # Panics
    /// Where they cannot be read, list a case twice, give no reason, or list a case that the reference fails and this
    /// project passes: no reason is good enough for that.
    pub fn load() -> Self {
        let text = fs::read(file("differences.json")).expect("fixtures/conformance/differences.json");
        let listed: DifferencesFile = serde_json::from_slice(&text).expect("a list of differences");
        let mut differences = BTreeMap::new();
        for difference in listed.differences {
            assert!(!difference.reason.is_empty(), "{}: no reason", difference.case);
            let lax = difference.reference.starts_with("failed") && difference.assay == "passed";
            assert!(!lax, "{}: laxer than the reference can be no difference", difference.case);
            let before = differences.insert(difference.case.clone(), difference);
            assert_eq!(before, None, "listed twice");
        }
        Self { not_yet: listed.not_yet, differences }
    }
}

fn file(name: &str) -> PathBuf {
    Path::new(assay_fixtures::FIXTURES).join("conformance").join(name)
}
