//! The agent's own part of the conformance set: how signatures are found, chosen among and held against images.
//!
//! The cases lie beside the checkout and are no part of the project; where they are absent this says so.

#![expect(clippy::disallowed_methods, reason = "tests start the program that they test")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use assay_shared::report::NodeReport;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    id: String,
    category: String,
    image: String,
    expect: Expect,
}

#[derive(Deserialize)]
struct Expect {
    status: String,
    failed_check: Option<String>,
}

/// Where this project decides otherwise on purpose, and what it says instead.
const STRICTER: &[(&str, &str)] = &[
    // the specification goes by artifactType, and the reference overlooks it in layouts
    ("manifest-artifact-type-other-jws", "failed"),
];

#[test]
fn signatures_are_found_and_chosen_as_the_reference_does() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance/cases");
    if !cases.is_dir() {
        eprintln!("NOT RUN: the conformance cases are not at {}", cases.display());
        return;
    }
    let mut run = 0;
    let mut differences = BTreeMap::new();
    for folder in std::fs::read_dir(cases).unwrap() {
        let folder = folder.unwrap().path();
        let case: Case = serde_json::from_slice(&std::fs::read(folder.join("case.json")).unwrap()).unwrap();
        if !matches!(case.category.as_str(), "manifest" | "several" | "image" | "scope") {
            continue;
        }
        run += 1;
        let output = Command::new(env!("CARGO_BIN_EXE_assay-agent"))
            .args(["verify", "--content", "none", "--image", &case.image, "--trust"])
            .arg(folder.join("trust"))
            .arg("--store")
            .arg(format!("layout:{}", folder.join("layout").display()))
            .output()
            .unwrap();
        let report: NodeReport = serde_json::from_slice(&output.stdout).unwrap();
        let status = serde_json::to_value(report.images[0].status).unwrap();
        let reason = report.images[0].reason.map(|reason| reason.as_str().to_owned());
        let same_reason = case.expect.failed_check.is_none() || case.expect.failed_check == reason;
        if status != case.expect.status.as_str() || !same_reason {
            differences.insert(case.id, status.as_str().unwrap().to_owned());
        }
    }
    assert!(run >= 50, "only {run} cases");
    let expected = STRICTER.iter().map(|(id, status)| ((*id).to_owned(), (*status).to_owned()));
    assert_eq!(differences, expected.collect());
}
