//! Exports the report as OSCAL assessment results (NIST, version 1.1), for four controls of SP 800-53.
//!
//! | control | not satisfied if there is |
//! |---|---|
//! | CM-14 signed components | anything that keeps a signature from being verified |
//! | SI-7 software, firmware and information integrity | changed content or files, a broken signature, an unlisted image that runs |
//! | SR-4 provenance | a missing or foreign signature, an unproven time, another image under a name |
//! | SR-11 component authenticity | a missing, broken, untrusted or revoked signature, changed content |
//!
//! Images and nodes that could not be judged leave all four controls unsatisfied. A control with only waived images against it is
//! not satisfied either, and says that the deviation was approved. Each node and each distinct result is an observation; the
//! observation of a node refers to its report. Identifiers are made from the run and the content, so the same report gives the
//! same identifiers.

use std::collections::BTreeSet;
use std::io::{self, Write as _};

use assay_judge::ci_commands::JsonEscaper;
use assay_report::{ExitCode, Image, Reason, Status, WaivedImage};
use assay_verifier::time::UnixTime;
use aws_lc_rs::digest;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clean;
use crate::report::explanation::{self, image_reason};
use crate::report::model::{ImageResult, SiteModel, SiteNode};
use crate::report::text::{count, uri};
use crate::report::words;
use crate::report::{names, text, verdict};

const VERSION: &str = "1.1.3";

/// A control, and the reasons that count against it.
struct Control {
    id: &'static str,
    title: &'static str,
    reasons: &'static [Reason],
    /// The same requirement elsewhere: control correlation identifiers, and rules of DISA's Container Platform Security
    /// Requirements Guide, V2R2.
    known_as: &'static [(&'static str, &'static str)],
}

const CONTROLS: [Control; 4] = [
    Control {
        id: "cm-14",
        title: "CM-14 Signed Components",
        reasons: &[
            Reason::NoSignature,
            Reason::Policy,
            Reason::Integrity,
            Reason::Authenticity,
            Reason::AuthenticTimestamp,
            Reason::Expiry,
            Reason::Revocation,
            Reason::DescriptorMismatch,
            Reason::WrongDigest,
            Reason::InUseUnlisted,
        ],
        known_as: &[
            ("cci", "CCI-003992"),
            // the container platform must be built from verified packages
            ("srg-rule", "V-233064"),
            ("srg-requirement", "SRG-APP-000131-CTR-000280"),
            // the container platform must verify container images
            ("srg-rule", "V-233065"),
            ("srg-requirement", "SRG-APP-000131-CTR-000285"),
        ],
    },
    Control {
        id: "si-7",
        title: "SI-7 Software, Firmware, and Information Integrity",
        reasons: &[
            Reason::Integrity,
            Reason::DescriptorMismatch,
            Reason::ContentMismatch,
            Reason::WrongDigest,
            Reason::RootfsMismatch,
            Reason::InUseUnlisted,
        ],
        known_as: &[],
    },
    Control {
        id: "sr-4",
        title: "SR-4 Provenance",
        reasons: &[
            Reason::NoSignature,
            Reason::Policy,
            Reason::Authenticity,
            Reason::AuthenticTimestamp,
            Reason::DescriptorMismatch,
            Reason::WrongDigest,
            Reason::InUseUnlisted,
        ],
        known_as: &[],
    },
    Control {
        id: "sr-11",
        title: "SR-11 Component Authenticity",
        reasons: &[
            Reason::NoSignature,
            Reason::Integrity,
            Reason::Authenticity,
            Reason::Revocation,
            Reason::DescriptorMismatch,
            Reason::ContentMismatch,
            Reason::WrongDigest,
            Reason::RootfsMismatch,
            Reason::InUseUnlisted,
        ],
        known_as: &[],
    },
];

impl Control {
    /// Whether an image that did not pass counts against the control. Images without a reason, unreadable ones and those beyond a
    /// limit count against every control.
    fn is_concerned(&self, image: &Image) -> bool {
        let stands = |reason: &Reason| {
            matches!(reason, Reason::Unreadable | Reason::Limit) || self.reasons.contains(reason)
        };
        let reasons = image.reasons();
        image.status == Status::Inconclusive || reasons.is_empty() || reasons.iter().any(stands)
    }
}

/// Writes the assessment results of the site.
///
/// # Errors
/// If `out` cannot be written to.
pub(crate) fn write(out: impl io::Write, site: &SiteModel) -> Result<(), serde_json::Error> {
    let ids = Ids::new(site);
    let nodes: Vec<Value> =
        site.nodes.iter().enumerate().map(|(at, node)| inventory_item(&ids, at, node)).collect();
    let mut observations: Vec<Value> =
        site.nodes.iter().enumerate().map(|(at, node)| visit_observation(&ids, site, at, node)).collect();
    observations.extend(
        site.results.iter().enumerate().map(|(at, judged)| image_observation(&ids, site, at, judged)),
    );
    let risks: Vec<Value> = site
        .results
        .iter()
        .enumerate()
        .filter_map(|(at, judged)| Some(risk(&ids, at, judged, judged.waiver.as_ref()?)))
        .collect();
    let mut result = json!({
        "uuid": ids.uuid("result", ""),
        "title": format!("{} ({})", verdict::word(site.verdict), text::time(site.run.started)),
        "description": markup(&verdict::sentences(site).join(" ")),
        "start": site.run.started,
        "end": site.run.finished,
        "props": props(&[("run-id", &site.run.id), ("exit-code", &site.verdict.number().to_string())]),
        "reviewed-controls": { "control-selections": [{
            "include-controls": CONTROLS.map(|control| json!({ "control-id": control.id })),
        }]},
        "findings": CONTROLS.map(|control| finding(&ids, site, &control)),
    });
    let mut definitions = json!({});
    add_list(&mut definitions, "components", components(&ids, site));
    add_list(&mut definitions, "inventory-items", nodes);
    if definitions != json!({}) {
        result["local-definitions"] = definitions;
    }
    add_list(&mut result, "observations", observations);
    add_list(&mut result, "risks", risks);
    let plan = ids.uuid("plan", "");
    let whole = json!({ "assessment-results": {
        "uuid": ids.uuid("assessment-results", ""),
        "metadata": {
            "title": "Verification of container images on nodes",
            "last-modified": site.run.finished,
            "version": site.run.finished.to_string(),
            "oscal-version": VERSION,
            "props": props(&[("assay-version", &site.collector)]),
        },
        "import-ap": { "href": format!("#{plan}") },
        "results": [result],
        "back-matter": { "resources": [{
            "uuid": plan,
            "title": "Assessment plan",
            "description": "Every image of every node is verified under the site's trust policy. There is no separate plan in \
                            OSCAL; report.json lists what was sent to the nodes.",
            "rlinks": [{ "href": "report.json", "media-type": "application/json" }],
        }]},
    }});
    let mut out = JsonEscaper::new(out);
    serde_json::to_writer_pretty(&mut out, &whole)?;
    out.write_all(b"\n").map_err(serde_json::Error::io)
}

/// A node as an inventory item.
fn inventory_item(ids: &Ids, at: usize, node: &SiteNode) -> Value {
    let row = &node.row;
    let own = node.accepted();
    json!({
        "uuid": ids.node(at),
        "description": markup(&clean::name(&row.name)),
        "props": props(&[
            ("name", &row.name),
            ("outcome", row.outcome.as_str()),
            ("address", row.address.as_deref().unwrap_or_default()),
            ("os", own.map_or(row.os.as_deref().unwrap_or_default(), |own| &own.node.os)),
            ("machine-id", own.and_then(|own| own.node.machine_id.as_deref()).unwrap_or_default()),
        ]),
    })
}

/// The images as components, each digest once.
fn components(ids: &Ids, site: &SiteModel) -> Vec<Value> {
    let mut seen = BTreeSet::new();
    let mut components = Vec::new();
    for judged in &site.results {
        let image = &judged.image;
        if seen.insert(&image.digest) {
            let name = names::short(image);
            components.push(json!({
                "uuid": ids.uuid("image", image.digest.as_str()),
                "type": "software",
                "title": markup(&name),
                "description": "A container image.",
                "props": props(&[("name", &name), ("digest", image.digest.as_str())]),
                "status": { "state": "operational" },
            }));
        }
    }
    components
}

/// The visit to a node as an observation.
fn visit_observation(ids: &Ids, site: &SiteModel, at: usize, node: &SiteNode) -> Value {
    let title = explanation::outcome(node.row.outcome).title;
    let mut descriptions: Vec<String> =
        node.problems.iter().map(|problem| format!("{}: {}", problem.code, problem.message)).collect();
    if descriptions.is_empty() {
        descriptions.push(explanation::outcome(node.row.outcome).what.to_owned());
    }
    let mut observation = json!({
        "uuid": ids.uuid("visit", &at.to_string()),
        "title": format!("{}: {title}", markup(&clean::name(&node.row.name))),
        "description": markup(&descriptions.join("\n\n")),
        "methods": ["TEST"],
        "types": ["node"],
        "subjects": [{ "subject-uuid": ids.node(at), "type": "inventory-item" }],
        "collected": node.row.finished.unwrap_or(site.run.finished),
    });
    if node.accepted().is_none() {
        observation["props"] = props(&[("finding", words::NOT_REVIEWED)]).into();
    }
    if node.accepted().is_some() {
        let href = format!("nodes/{}.json", uri(&node.file));
        observation["relevant-evidence"] = json!([{ "href": href, "description": "The node's own report." }]);
    }
    observation
}

/// A distinct result of an image as an observation. Its nodes are named if it is a problem; otherwise they are only counted.
fn image_observation(ids: &Ids, site: &SiteModel, at: usize, judged: &ImageResult) -> Value {
    let image = &judged.image;
    let status = words::status(image.status);
    let (_, explanation) = image_reason(image);
    let code = image.reason.map_or("", Reason::as_str);
    let otherwise = match image.status {
        Status::Passed => "Signature and content are verified.",
        Status::Skipped => "The trust policy says skip, so nothing was checked.",
        Status::Failed | Status::Inconclusive => explanation.what,
    };
    let mut subjects =
        vec![json!({ "subject-uuid": ids.uuid("image", image.digest.as_str()), "type": "component" })];
    if matches!(image.status, Status::Failed | Status::Inconclusive) {
        let nodes = judged.nodes.iter();
        subjects
            .extend(nodes.map(|node| json!({ "subject-uuid": ids.node(*node), "type": "inventory-item" })));
    }
    let signer = image.signatures.iter().find_map(|signature| signature.signer.as_deref());
    json!({
        "uuid": ids.observation(at),
        "title": format!("{}: {status} on {}", markup(&names::short(image)), count(judged.nodes.len(), "node")),
        "description": markup(&clean::message_or(image.message.as_deref(), otherwise)),
        "methods": ["TEST"],
        "types": ["image"],
        "subjects": subjects,
        "collected": site.run.finished,
        "props": props(&[
            ("status", status),
            ("reason", code),
            ("codes", &words::codes(image).join(",")),
            ("finding", words::checklist_status(image.status)),
            ("waived", if judged.waiver.is_some() { "true" } else { "false" }),
            ("nodes", &judged.nodes.len().to_string()),
            ("signer", signer.unwrap_or_default()),
        ]),
    })
}

/// A waiver as a risk whose deviation was approved.
fn risk(ids: &Ids, at: usize, judged: &ImageResult, waiver: &WaivedImage) -> Value {
    let image = &judged.image;
    let (_, explanation) = image_reason(image);
    let (approver, reason) = (clean::name(&waiver.approver), clean::message(&waiver.reason));
    json!({
        "uuid": ids.risk(at),
        "title": format!("{}: {} (waived)", markup(&names::short(image)), explanation.title),
        "description": markup(&clean::message_or(image.message.as_deref(), explanation.what)),
        "statement": format!("{} {}", explanation.what, explanation.why),
        "props": props(&[("approver", &approver), ("digest", image.digest.as_str())]),
        "status": "deviation-approved",
        "deadline": waiver.expires,
        "risk-log": { "entries": [{
            "uuid": ids.uuid("deviation", &at.to_string()),
            "title": "Waiver applied",
            "description": markup(&format!("Waived until {} by {approver}: {reason}", text::time(waiver.expires))),
            "start": ids.started,
            "status-change": "deviation-approved",
        }]},
        "related-observations": [{ "observation-uuid": ids.observation(at) }],
    })
}

/// Whether a control is satisfied, and which observations count against it.
fn finding(ids: &Ids, site: &SiteModel, control: &Control) -> Value {
    let against = |judged: &ImageResult| {
        matches!(judged.image.status, Status::Failed | Status::Inconclusive)
            && control.is_concerned(&judged.image)
    };
    let images: Vec<(usize, &ImageResult)> =
        site.results.iter().enumerate().filter(|(_, judged)| against(judged)).collect();
    let nodes: Vec<usize> = site
        .nodes
        .iter()
        .enumerate()
        .filter(|(_, node)| !node.problems.is_empty())
        .map(|(at, _)| at)
        .collect();
    let failed = images.iter().any(|(_, judged)| judged.severity() == Some(ExitCode::Failed))
        || site.nodes.iter().flat_map(|node| &node.problems).any(|found| found.severity == ExitCode::Failed);
    let waived = images.iter().filter(|(_, judged)| judged.waiver.is_some()).count();
    // without nodes nothing was verified
    let satisfied = images.is_empty() && nodes.is_empty() && !site.nodes.is_empty();
    let mut remarks = vec![format!(
        "{} against it, {waived} of them waived; {} not verified or with problems.",
        count(images.len(), "result"),
        count(nodes.len(), "node"),
    )];
    if site.summary.images.skipped > 0 {
        let skipped = usize::try_from(site.summary.images.skipped).unwrap_or(usize::MAX);
        remarks.push(format!("{} not checked, because the trust policy says skip.", count(skipped, "image")));
    }
    let reason = if satisfied {
        "pass"
    } else if failed {
        "fail"
    } else {
        "other"
    };
    let state = match reason {
        "pass" => words::NOT_A_FINDING,
        "fail" => words::OPEN,
        _ => words::NOT_REVIEWED,
    };
    let known_as = control.known_as.iter().copied().chain([("finding", state)]);
    let observations: Vec<Value> = images
        .iter()
        .map(|(at, _)| ids.observation(*at))
        .chain(nodes.iter().map(|at| ids.uuid("visit", &at.to_string())))
        .map(|uuid| json!({ "observation-uuid": uuid }))
        .collect();
    let risks: Vec<Value> = images
        .iter()
        .filter(|(_, judged)| judged.waiver.is_some())
        .map(|(at, _)| json!({ "risk-uuid": ids.risk(*at) }))
        .collect();
    let mut finding = json!({
        "uuid": ids.uuid("finding", control.id),
        "title": control.title,
        "description": remarks.join(" "),
        "props": props(&known_as.collect::<Vec<_>>()),
        "target": {
            "type": "statement-id",
            "target-id": format!("{}_smt", control.id),
            "status": { "state": if satisfied { "satisfied" } else { "not-satisfied" }, "reason": reason },
        },
    });
    add_list(&mut finding, "related-observations", observations);
    add_list(&mut finding, "related-risks", risks);
    finding
}

/// Adds a list unless it is empty, which OSCAL forbids.
fn add_list(object: &mut Value, name: &str, items: Vec<Value>) {
    if !items.is_empty() {
        object[name] = items.into();
    }
}

/// Properties, without empty ones. A value is one line that neither begins nor ends with a space.
fn props(all: &[(&str, &str)]) -> Vec<Value> {
    all.iter()
        .map(|(name, value)| (name, clean::name(value).trim().to_owned()))
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| json!({ "name": name, "ns": "urn:assay", "value": value }))
        .collect()
}

/// Cleaned text as markup that shows it unchanged. OSCAL descriptions are Markdown with HTML.
fn markup(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    // the beginning of a line can make it a list, a heading or a rule
    let (mut begins, mut numbered) = (true, false);
    for letter in text.chars() {
        let is_markup = match letter {
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '#' | '!' | '|' | '&' | '~'
            | '^' | '"' => true,
            '+' | '-' | '=' => begins,
            '.' | ')' => numbered,
            _ => false,
        };
        if is_markup {
            escaped.push('\\');
        }
        escaped.push(letter);
        numbered = (begins || numbered) && letter.is_ascii_digit();
        begins = letter == '\n' || begins && letter == ' ';
    }
    escaped
}

/// Identifiers in a namespace made from the run.
struct Ids {
    namespace: Uuid,
    started: UnixTime,
}

impl Ids {
    fn new(site: &SiteModel) -> Self {
        let run = &site.run;
        let namespace = uuid_v5(Uuid::NAMESPACE_URL, &format!("urn:assay:run:{}:{}", run.started, run.id));
        Self { namespace, started: run.started }
    }

    fn uuid(&self, kind: &str, name: &str) -> String {
        uuid_v5(self.namespace, &format!("{kind}:{name}")).to_string()
    }

    fn node(&self, at: usize) -> String {
        self.uuid("node", &at.to_string())
    }

    fn observation(&self, at: usize) -> String {
        self.uuid("observation", &at.to_string())
    }

    fn risk(&self, at: usize) -> String {
        self.uuid("risk", &at.to_string())
    }
}

/// RFC 9562, section 5.5.
fn uuid_v5(namespace: Uuid, name: &str) -> Uuid {
    let mut sha1 = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    sha1.update(namespace.as_bytes());
    sha1.update(name.as_bytes());
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(sha1.finish().as_ref()).for_each(|(byte, hashed)| *byte = *hashed);
    uuid::Builder::from_sha1_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn results(report: &assay_report::SiteReport) -> Value {
        let mut bytes = Vec::new();
        write(&mut bytes, &SiteModel::from(report)).unwrap();
        let whole: Value = serde_json::from_slice(&bytes).unwrap();
        whole["assessment-results"]["results"][0].clone()
    }

    fn states(report: &assay_report::SiteReport) -> Vec<String> {
        let results = results(report);
        let findings = results["findings"].as_array().unwrap();
        findings
            .iter()
            .map(|finding| finding["target"]["status"]["reason"].as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn text_is_not_markup() {
        for (text, shown) in [
            ("a-b 1.2 (c)", "a-b 1.2 (c)"),
            ("[a](b) <b> ~x~ ^y^ {{ insert: param }}", r"\[a\](b) \<b\> \~x\~ \^y\^ \{\{ insert: param \}\}"),
            ("- a\n+ b\n\n=\n  12) c\n3. d", "\\- a\n\\+ b\n\n\\=\n  12\\) c\n3\\. d"),
        ] {
            assert_eq!(markup(text), shown);
        }
    }

    #[test]
    fn a_control_is_satisfied_if_something_was_verified_and_nothing_counts_against_it() {
        assert_eq!(states(&sample::all_passed()), ["pass"; 4]);
        assert_eq!(states(&sample::site()), ["fail"; 4]);
        assert_eq!(states(&sample::every_outcome()), ["other"; 4]);
        let mut none = sample::all_passed();
        none.nodes.clear();
        assert_eq!(states(&none), ["other"; 4]);
    }

    #[test]
    fn a_waiver_is_an_approved_deviation_and_leaves_its_controls_not_satisfied() {
        let mut report = sample::waived();
        let own = report.nodes[2].report.as_mut().unwrap();
        own.images.retain(|image| image.references.iter().any(|name| name.contains("shop/payments")));
        own.coverage.unlisted.clear();
        own.coverage.unreadable.clear();
        report.nodes[2].clean_up.result = assay_report::CleanUpResult::Removed;
        let rows = vec![report.nodes.remove(2)];
        let report = assay_report::SiteReport::new(report.run, report.collector, report.inputs, rows);
        assert_eq!(report.verdict, ExitCode::Passed);
        assert_eq!(states(&report), ["other", "pass", "other", "other"]);
        let risks = results(&report)["risks"].clone();
        assert_eq!((risks.as_array().unwrap().len(), &risks[0]["status"]), (1, &json!("deviation-approved")));
    }

    #[test]
    fn every_reason_counts_against_a_control() {
        for judged in &SiteModel::from(&sample::site()).results {
            let image = &judged.image;
            if image.status == Status::Failed {
                assert!(CONTROLS.iter().any(|control| control.is_concerned(image)));
            }
        }
    }

    #[test]
    fn identifiers_are_version_5_and_the_same_for_the_same_run() {
        // RFC 9562, appendix A.4
        let id = uuid_v5(Uuid::NAMESPACE_DNS, "www.example.com");
        assert_eq!(id.to_string(), "2ed6657d-e927-568b-95e1-2665a8aea6a2");
        assert_eq!(results(&sample::site()), results(&sample::site()));
    }
}
