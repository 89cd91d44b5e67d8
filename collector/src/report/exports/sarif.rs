//! Exports the report as SARIF 2.1.0 (OASIS): a result for each problem, and for each waived image a result with a suppression.
//!
//! It is written by hand, because a report uses few of SARIF's members. `tests/interop/exports_check.py` validates it against the
//! published schema.
//!
//! | in SARIF | meaning |
//! |---|---|
//! | `rule` | the code of a reason or of a problem of a node |
//! | `level` | `error` for failed, `warning` for inconclusive |
//! | artifact location | an image as `reference@digest`, or a node's name, percent-encoded |
//! | logical locations | the nodes |
//! | `suppression` of kind `external` | a waiver: its approver, reason and end |
//! | `partialFingerprints` | the code and the digest or node; equal in two runs for the same problem |
//! | `baselineState` | the state since an earlier run, if one was given |

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use assay_judge::ci_commands::JsonEscaper;
use assay_report::{ExitCode, Status};
use assay_verifier::oci::Digest;
use serde_json::{Value, json};

use crate::clean;
use crate::report::explanation::{Explanation, image_reason};
use crate::report::model::{ImageResult, SiteModel};
use crate::report::node_problems::NodeProblem;
use crate::report::text::{count, uri};
use crate::report::{names, text, words};

/// The address of the schema.
const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The specification of what is verified. This program has no page of its own.
const ABOUT: &str = "https://notaryproject.dev/";

/// Nodes of one result that have a location. Its message counts all of them.
const LOCATIONS: usize = 1_000;

/// Writes the log of the site.
///
/// # Errors
/// If `out` cannot be written to.
pub(crate) fn write(out: impl io::Write, site: &SiteModel) -> Result<(), serde_json::Error> {
    let mut rules = Rules::default();
    let names: Vec<String> = site.nodes.iter().map(|node| clean::name(&node.row.name)).collect();
    let mut results: Vec<Value> =
        site.results.iter().filter_map(|judged| image_result(site, judged, &names, &mut rules)).collect();
    for (node, name) in site.nodes.iter().zip(&names) {
        results.extend(node.problems.iter().map(|problem| node_result(problem, name, &mut rules)));
    }
    let run = &site.run;
    let mut log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "assay",
                "version": clean::name(&site.collector),
                "informationUri": ABOUT,
                "shortDescription": { "text": "Verifies the signatures and the content of container images on nodes." },
                "rules": rules.listed(),
            }},
            "invocations": [{
                "executionSuccessful": site.verdict != ExitCode::Incomplete,
                "exitCode": site.verdict.number(),
                "startTimeUtc": run.started,
                "endTimeUtc": run.finished,
            }],
            "columnKind": "unicodeCodePoints",
            "properties": {
                "nodes": site.summary.nodes,
                "nodesVerified": site.summary.verified,
                "images": site.summary.images,
                "imagesWaived": site.summary.waived,
            },
            "results": results,
        }],
    });
    // The part before the last slash is the category. Readers close the results of an earlier run of the same category, so without
    // the site's name two sites would close each other's results.
    if let Some(name) = &run.site {
        log["runs"][0]["automationDetails"] =
            json!({ "id": format!("assay/{}/{}", clean::name(name), clean::name(&run.id)) });
    }
    let mut out = JsonEscaper::new(out);
    serde_json::to_writer_pretty(&mut out, &log)?;
    out.write_all(b"\n").map_err(serde_json::Error::io)
}

fn image_result(
    site: &SiteModel,
    judged: &ImageResult,
    nodes: &[String],
    rules: &mut Rules,
) -> Option<Value> {
    let image = &judged.image;
    let level = match image.status {
        Status::Failed => "error",
        Status::Inconclusive => "warning",
        Status::Passed | Status::Skipped => return None,
    };
    let (code, explanation) = image_reason(image);
    let name = names::full(image);
    let message = clean::message_or(image.message.as_deref(), explanation.what);
    let hint = clean::message_or(image.hint.as_deref(), explanation.todo);
    let on = count(judged.nodes.len(), "node");
    let named: Vec<&String> = judged.nodes.iter().filter_map(|at| nodes.get(*at)).collect();
    let mut result = result(
        rules.index(code, explanation, level),
        (code, level),
        &format!("{name} on {on}: {message}. {hint}"),
        (&name, named.iter().take(LOCATIONS).map(|name| name.as_str())),
        image.digest.as_str(),
    );
    if let Some(waiver) = &judged.waiver {
        let (approver, reason) = (clean::name(&waiver.approver), clean::message(&waiver.reason));
        let until = text::time(waiver.expires);
        result["suppressions"] = json!([{
            "kind": "external",
            "status": "accepted",
            "justification": format!("Waived until {until} by {approver}: {reason}"),
            "properties": { "approver": approver, "expires": waiver.expires },
        }]);
    }
    if let Some(difference) = &site.difference {
        result["baselineState"] = match difference.was_wrong(image) {
            Some(true) => "unchanged",
            Some(false) => "updated",
            None => "new",
        }
        .into();
    }
    result["properties"] = json!({
        "nodes": named,
        "codes": words::codes(image),
        "containers": judged.containers,
        "references": judged.references.iter().map(|reference| clean::name(reference)).collect::<Vec<_>>(),
    });
    Some(result)
}

fn node_result(problem: &NodeProblem, node: &str, rules: &mut Rules) -> Value {
    let level = if problem.severity == ExitCode::Failed { "error" } else { "warning" };
    let index = rules.index(problem.code, problem.explanation, level);
    let message = format!("{node}: {}. {}", problem.message, problem.hint);
    let mut result = result(index, (problem.code, level), &message, (node, std::iter::once(node)), node);
    result["properties"] = json!({ "subject": problem.subject.as_str(), "particulars": problem.particulars });
    result
}

fn result<'a>(
    index: usize,
    (code, level): (&str, &str),
    message: &str,
    (artifact, nodes): (&str, impl Iterator<Item = &'a str>),
    identity: &str,
) -> Value {
    let fingerprint = Digest::sha256(format!("{code}\n{identity}").as_bytes());
    let nodes: Vec<Value> =
        nodes.map(|node| json!({ "name": node, "fullyQualifiedName": node, "kind": "node" })).collect();
    json!({
        "ruleId": code,
        "ruleIndex": index,
        "level": level,
        "kind": "fail",
        "message": plain(message),
        "locations": [{
            "physicalLocation": {
                "artifactLocation": { "uri": uri(artifact) },
                "region": { "startLine": 1 },
            },
            "logicalLocations": nodes,
        }],
        "partialFingerprints": { "assay/v1": fingerprint.hex() },
    })
}

/// A message that shows `text` unchanged: brackets are not links (section 3.11.6), braces are not placeholders (section 3.11.5).
fn plain(text: &str) -> Value {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' | '[' | ']' => escaped.push('\\'),
            '{' | '}' => escaped.push(letter),
            _ => {}
        }
        escaped.push(letter);
    }
    json!({ "text": escaped })
}

/// The rules of the results, in the order of first use.
#[derive(Default)]
struct Rules {
    known: BTreeMap<&'static str, usize>,
    listed: Vec<Value>,
}

impl Rules {
    fn index(&mut self, code: &'static str, explanation: Explanation, level: &str) -> usize {
        let listed = &mut self.listed;
        *self.known.entry(code).or_insert_with(|| {
            listed.push(json!({
                "id": code,
                "shortDescription": plain(explanation.title),
                "fullDescription": plain(&format!("{} {}", explanation.what, explanation.why)),
                "help": plain(explanation.todo),
                "defaultConfiguration": { "level": level },
            }));
            listed.len() - 1
        })
    }

    fn listed(self) -> Vec<Value> {
        self.listed
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::report::sample;

    fn log(report: &assay_report::SiteReport) -> Value {
        let mut bytes = Vec::new();
        write(&mut bytes, &SiteModel::from(report)).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn every_problem_is_a_result_of_its_rule() {
        for report in [sample::site(), sample::every_outcome(), sample::hostile(), sample::large(30, 20)] {
            let log = log(&report);
            let run = &log["runs"][0];
            let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
            let results = run["results"].as_array().unwrap();
            let mut found = BTreeSet::new();
            for result in results {
                let index = result["ruleIndex"].as_u64().unwrap() as usize;
                assert_eq!(rules[index]["id"], result["ruleId"]);
                found.insert(result["ruleId"].as_str().unwrap().to_owned());
            }
            let problems: BTreeSet<String> = crate::report::problems::by_reason(&SiteModel::from(&report))
                .iter()
                .map(|problem| problem.code.to_owned())
                .collect();
            assert_eq!(found, problems);
        }
        assert_eq!(log(&sample::all_passed())["runs"][0]["results"], json!([]));
    }

    #[test]
    fn each_site_is_a_category() {
        let category = |site: Option<&str>| {
            let mut report = sample::site();
            report.run.site = site.map(str::to_owned);
            let id = log(&report)["runs"][0]["automationDetails"]["id"].as_str().map(str::to_owned);
            id.and_then(|id| Some(id.rsplit_once('/')?.0.to_owned()))
        };
        assert_eq!(category(Some("store-42")).as_deref(), Some("assay/store-42"));
        assert_eq!(category(None), None);
    }

    #[test]
    fn text_is_neither_link_nor_placeholder() {
        assert_eq!(
            plain("[a](http://b) {0} \\[c](1)"),
            json!({ "text": r"\[a\](http://b) {{0}} \\\[c\](1)" })
        );
    }

    #[test]
    fn a_waiver_is_a_suppression_and_an_expired_one_is_not() {
        let log = log(&sample::waived());
        let suppressed: Vec<&Value> = log["runs"][0]["results"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|result| result.get("suppressions").is_some())
            .collect();
        let [only] = suppressed.as_slice() else { panic!("{} results", suppressed.len()) };
        assert_eq!(only["ruleId"], "no-signature");
        assert_eq!(only["suppressions"][0]["properties"]["approver"], "J. Doe, platform security");
    }
}
