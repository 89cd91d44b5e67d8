//! Decides whether a node's report is accepted. A report is hostile input. It is accepted only if it is complete, belongs to this
//! run, the agent and the inputs that were sent, and agrees with itself and with the agent's exit status. It is kept within the
//! bounds that agents observe (`assay_report::check_size`, [`NodeReport::bound`]), so an honest report is not changed.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use assay_report::{
    Asked, ContainerUse, DriftMode, DriftResult, ExitCode, Image, NODE_REPORT_SCHEMA, NodeReport, RootfsMode,
    RootfsResult, Run, Status, Summary, TooLarge, Via, check_size,
};
use assay_verifier::json::{self, Shape};
use assay_verifier::limits::REPORT_TEXT_LETTERS;
use assay_verifier::time::UnixTime;
use tokio::sync::Semaphore;

use crate::clean;
use crate::nodes::Platform;

/// How far the clocks of a node and of this machine may differ if the node judges by its own.
pub(crate) const CLOCKS_DIFFER: Duration = Duration::from_secs(600);

/// How many reports are read at once. Reading one takes several times its size in memory.
pub(super) static READERS: Semaphore = Semaphore::const_new(2);

/// What a report must say to be the one that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    /// The run's id.
    pub run_id: String,
    /// The digest of the agent that was sent.
    pub agent_sha256: String,
    /// The digests of the bundles that were sent, in order.
    pub bundles: Vec<String>,
    /// The digests of the trust policy documents that were sent.
    pub policies: Vec<String>,
    /// What its agent was asked.
    pub asked: Asked,
    /// The store, as reports name it.
    pub store: String,
    /// The verification time that was asked for; otherwise the time during which the agent ran, by this machine's clock and as
    /// far as clocks may differ.
    pub judged: RangeInclusive<UnixTime>,
    /// What the node runs on.
    pub platform: Platform,
}

/// The report is not accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadReport {
    /// It is not a node report.
    #[error("not a node report: {0}")]
    Malformed(String),
    /// It is larger than a report may be.
    #[error("not a node report")]
    TooLarge(#[from] TooLarge),
    /// It has another schema.
    #[error("the report's schema is {0:?}, not {NODE_REPORT_SCHEMA:?}")]
    Schema(String),
    /// It belongs to another run.
    #[error("the report belongs to run {found:?}, not to {expected:?}")]
    Run {
        /// What it says.
        found: String,
        /// What was asked for.
        expected: String,
    },
    /// Another agent made it.
    #[error("the report names the agent {found:?}, which is not the one that was sent")]
    Agent {
        /// What it says.
        found: Option<String>,
    },
    /// Other inputs were used.
    #[error("the {what} of the report are not those that were sent")]
    Inputs {
        /// Which inputs.
        what: &'static str,
    },
    /// Its agent was asked something else, or does not say what it was asked.
    #[error("the report does not belong to this visit: its agent was given another {option}")]
    Asked {
        /// Which of the options differs.
        option: &'static str,
    },
    /// An image passes in a way that is not accepted.
    #[error("{image} passes via {}, which is not accepted", via.as_str())]
    NotAccepted {
        /// The image's digest.
        image: String,
        /// What it passes by.
        via: Via,
    },
    /// It was judged at another time.
    #[error("the report was judged at {found}, not between {} and {}", expected.start(), expected.end())]
    VerifiedAt {
        /// What it says.
        found: UnixTime,
        /// What was asked for.
        expected: RangeInclusive<UnixTime>,
    },
    /// It is from another kind of node.
    #[error("the report is from {found}, but the node is {expected}")]
    Platform {
        /// What it says.
        found: String,
        /// What was detected.
        expected: Platform,
    },
    /// Its counts are not those of its images.
    #[error("the summary of the report does not match its images")]
    Summary,
    /// An image's verdict contradicts itself.
    #[error("the report contradicts itself about {image}: {contradiction}")]
    Contradiction {
        /// The image's digest.
        image: String,
        /// How.
        contradiction: &'static str,
    },
    /// A blob in the report does not match its digest.
    #[error("the report carries {digest}, but the content differs")]
    Carried {
        /// What it is called.
        digest: String,
    },
    /// The agent's exit status does not match its report.
    #[error("the agent's exit status is {found}, but its report means {expected}")]
    ExitStatus {
        /// What it exited with.
        found: u32,
        /// What its report means.
        expected: u8,
    },
}

/// Checks a report that this run asked for.
///
/// # Errors
/// [`BadReport`]
pub(crate) fn accept(bytes: &[u8], exit: u32, expected: &Expected) -> Result<NodeReport, BadReport> {
    let report = read(bytes)?;
    if report.run.id != expected.run_id {
        return Err(BadReport::Run { found: report.run.id, expected: expected.run_id.clone() });
    }
    if report.agent.sha256.as_ref() != Some(&expected.agent_sha256) {
        return Err(BadReport::Agent { found: report.agent.sha256 });
    }
    if !expected.policies.contains(&report.inputs.trust_policy.sha256) {
        return Err(BadReport::Inputs { what: "trust policy" });
    }
    // Without a store the agent does not read the bundles, and the report lists none.
    let unread = report.images.is_empty() && report.inputs.bundles.is_empty();
    let bundles = report.inputs.bundles.iter().map(|bundle| &bundle.sha256);
    if !unread && !bundles.eq(&expected.bundles) {
        return Err(BadReport::Inputs { what: "bundles" });
    }
    let asked = report.asked.clone().unwrap_or_default();
    if let Some(option) = asked.differs_in(&expected.asked) {
        return Err(BadReport::Asked { option });
    }
    if report.inputs.store != clean::block(&expected.store, REPORT_TEXT_LETTERS) {
        return Err(BadReport::Inputs { what: "store" });
    }
    let Run { started, finished, verified_at, .. } = report.run;
    if let Some(found) =
        [verified_at, started, finished].into_iter().find(|time| !expected.judged.contains(time))
    {
        return Err(BadReport::VerifiedAt { found, expected: expected.judged.clone() });
    }
    let found = format!("{}/{}", report.node.os, report.node.architecture);
    if found != expected.platform.to_string() {
        return Err(BadReport::Platform { found, expected: expected.platform });
    }
    let means = report.verdict().number();
    if exit != u32::from(means) {
        return Err(BadReport::ExitStatus { found: exit, expected: means });
    }
    Ok(report)
}

/// Checks a report that was gathered in another way: what was asked is unknown.
///
/// # Errors
/// [`BadReport`]
pub(crate) fn read(bytes: &[u8]) -> Result<NodeReport, BadReport> {
    check_size(bytes)?;
    let mut report: NodeReport =
        json::read(bytes, &Shape::Any).map_err(|error| BadReport::Malformed(error.to_string()))?;
    if report.schema != NODE_REPORT_SCHEMA {
        return Err(BadReport::Schema(clean::line(&report.schema, 100)));
    }
    consistent(&report)?;
    // Only content that matches its digest is evidence.
    if let Some(blob) = report.carried.iter().find(|blob| !blob.digest.matches(&blob.data)) {
        return Err(BadReport::Carried { digest: blob.digest.to_string() });
    }
    report.bound();
    Ok(report)
}

/// Checks that a report does not contradict itself: its counts, its images, and what its agent was asked.
///
/// # Errors
/// [`BadReport`]
pub(crate) fn consistent(report: &NodeReport) -> Result<(), BadReport> {
    if report.summary != Summary::count(report.images.iter().map(|image| image.status)) {
        return Err(BadReport::Summary);
    }
    // Older agents do not say what they were asked.
    let asked = report.asked.as_ref();
    if let Some(asked) = asked {
        only_accepted(report, &asked.accept)?;
        if !asked.evidence && !report.carried.is_empty() {
            return Err(BadReport::Asked { option: "--evidence" });
        }
    }
    let is_of_another_mode = |image: &Image| asked.is_some_and(|asked| asked.content != image.content.mode);
    let rootfs = asked.and_then(|asked| asked.rootfs);
    let is_uncompared = |image: &Image| {
        let is_needed = match rootfs {
            None => false,
            Some(RootfsMode::InUse) => !image.in_use.is_empty(),
            Some(RootfsMode::All) => true,
        };
        let result = image.rootfs.as_ref().and_then(|rootfs| rootfs.result);
        // an image that is not unpacked has nothing that could differ, and nothing that could run
        let is_unpacked = result != Some(RootfsResult::NotRun) || !image.in_use.is_empty();
        is_needed && is_unpacked && result != Some(RootfsResult::Passed)
    };
    let drift = asked.and_then(|asked| asked.drift);
    let is_unclean = |image: &Image| {
        let result = |container: &ContainerUse| container.drift.as_ref().map(|drift| drift.result);
        image.in_use.iter().any(|container| result(container) != Some(DriftResult::Clean))
    };
    let has_drift = |image: &Image| image.in_use.iter().any(|container| container.drift.is_some());
    let lacks_drift = |image: &Image| image.in_use.iter().any(|container| container.drift.is_none());
    let has_custody = |image: &Image| image.in_use.iter().any(|container| container.custody.is_some());
    let mut seen = BTreeSet::new();
    for image in &report.images {
        let contradiction = match image.status {
            Status::Passed if image.reason.is_some() => "passed with a reason against it",
            Status::Passed if !image.content.mismatched.is_empty() => "passed with content that differs",
            Status::Passed if !image.reasons().is_empty() => "passed with something wrong",
            Status::Failed | Status::Inconclusive if image.reason.is_none() => "not passed, without a reason",
            Status::Failed | Status::Inconclusive | Status::Skipped if image.via.is_some() => {
                "not passed, but via something"
            }
            Status::Passed if is_uncompared(image) => {
                "passed without its snapshots being compared, as was asked"
            }
            _ if asked.is_some() && rootfs.is_none() && (image.rootfs.is_some() || has_custody(image)) => {
                "its snapshots were compared without being asked for"
            }
            Status::Passed if drift == Some(DriftMode::Fail) && is_unclean(image) => {
                "passed without clean writable layers, as was asked"
            }
            _ if drift.is_some() && lacks_drift(image) => {
                "its writable layers were not looked at, as was asked"
            }
            _ if asked.is_some() && drift.is_none() && has_drift(image) => {
                "its writable layers were looked at without being asked for"
            }
            _ if let Some(contradiction) = image.custody_contradiction() => contradiction,
            _ if is_of_another_mode(image) => "its content was not checked as asked",
            _ if !seen.insert(image.id()) => "listed twice",
            _ => continue,
        };
        return Err(BadReport::Contradiction { image: image.digest.to_string(), contradiction });
    }
    Ok(())
}

/// Checks that images pass only in ways that are accepted.
///
/// # Errors
/// [`BadReport::NotAccepted`]
pub(crate) fn only_accepted(report: &NodeReport, accept: &BTreeSet<Via>) -> Result<(), BadReport> {
    let by = |image: &Image| Some((image.digest.to_string(), image.via?));
    match report.images.iter().filter_map(by).find(|(_, via)| !accept.contains(via)) {
        Some((image, via)) => Err(BadReport::NotAccepted { image, via }),
        None => Ok(()),
    }
}

/// Whether an agent that exits so has judged the images.
pub(crate) fn has_judged(exit: u32) -> bool {
    [ExitCode::Passed, ExitCode::Failed, ExitCode::Incomplete]
        .into_iter()
        .any(|code| u32::from(code.number()) == exit)
}

#[cfg(test)]
mod tests {
    use std::mem::discriminant;

    use assay_report::{
        Agent, BundleInput, CarriedBlob, ContentMode, Coverage, Custody, CustodyLink, CustodyStep, Drift,
        Inputs, LinkState, Mismatch, Namespace, Node, Omitted, Reason, Rootfs, TrustPolicyInput,
    };
    use assay_verifier::limits::{REPORT_BYTES, REPORT_VALUES};
    use assay_verifier::oci::Digest;

    use serde_json::Value;

    use super::*;
    use crate::nodes::{Architecture, Os};
    use crate::report::sample;

    fn time(seconds: i64) -> UnixTime {
        UnixTime::from_seconds(seconds).unwrap()
    }

    fn image(status: Status, reason: Option<Reason>) -> Image {
        Image {
            namespace: Namespace::new("k8s.io"),
            references: vec!["registry.example.test/a:1".into()],
            media_type: "application/vnd.oci.image.manifest.v1+json".into(),
            size: 1,
            status,
            reason,
            ..Image::unjudged(Digest::sha256(b"a"))
        }
    }

    fn report(images: Vec<Image>) -> NodeReport {
        NodeReport {
            schema: NODE_REPORT_SCHEMA.into(),
            run: Run { id: "run".into(), started: time(1), finished: time(1), verified_at: time(1) },
            agent: Agent { version: "1".into(), target: "t".into(), sha256: Some("aa".into()) },
            node: Node {
                hostname: None,
                machine_id: None,
                os: "linux".into(),
                architecture: "amd64".into(),
                containerd: None,
            },
            asked: Some(asked()),
            inputs: Inputs {
                store: "containerd:/run/c.sock".into(),
                trust_policy: TrustPolicyInput { sha256: "bb".into() },
                trust_store: Vec::new(),
                bundles: vec![BundleInput { sha256: "cc".into(), signatures: 1 }],
                crls: Vec::new(),
                unusable_evidence: Vec::new(),
                warnings: Vec::new(),
                omitted: Omitted::default(),
            },
            coverage: Coverage::default(),
            summary: Summary::count(images.iter().map(|image| image.status)),
            images,
            carried: Vec::new(),
            omitted: Omitted::default(),
        }
    }

    fn asked() -> Asked {
        Asked { nonce: Some("n".into()), at: Some(time(1)), ..Asked::default() }
    }

    fn expected() -> Expected {
        Expected {
            run_id: "run".into(),
            agent_sha256: "aa".into(),
            bundles: vec!["cc".into()],
            policies: vec!["bb".into()],
            asked: asked(),
            store: "containerd:/run/c.sock".into(),
            judged: time(1)..=time(1),
            platform: Platform { os: Os::Linux, architecture: Architecture::Amd64 },
        }
    }

    fn judge(report: &NodeReport, exit: u32) -> Result<NodeReport, BadReport> {
        accept(&serde_json::to_vec(report).unwrap(), exit, &expected())
    }

    /// A real envelope has some 15 thousand letters of base64, more than any text of a report.
    #[test]
    fn what_a_report_carries_is_kept_whole_or_refused() {
        let blob = |data: &[u8], digest: Digest| CarriedBlob {
            digest,
            media_type: "application/cose".into(),
            data: data.to_vec(),
        };
        let data = vec![7; 3 * REPORT_TEXT_LETTERS];
        let mut carrying = report(vec![image(Status::Passed, None)]);
        let judge = |report: &NodeReport| read(&serde_json::to_vec(report).unwrap());
        carrying.carried = vec![blob(&data, Digest::sha256(&data))];
        assert!(matches!(judge(&carrying), Err(BadReport::Asked { .. })), "it was not asked for");
        carrying.asked.iter_mut().for_each(|asked| asked.evidence = true);
        carrying.carried = vec![blob(&data, Digest::sha256(&data))];
        assert_eq!(judge(&carrying).unwrap().carried, carrying.carried);
        carrying.carried = vec![blob(&data, Digest::sha256(b"other"))];
        assert!(matches!(judge(&carrying), Err(BadReport::Carried { .. })));
        let dirty = CarriedBlob { media_type: "\u{202e}".into(), ..blob(b"", Digest::sha256(b"")) };
        carrying.carried = vec![dirty];
        assert_eq!(judge(&carrying).unwrap().carried[0].media_type, "\\u{202e}");
    }

    #[test]
    fn the_report_that_was_asked_for_is_accepted() {
        let good = report(vec![image(Status::Passed, None)]);
        assert_eq!(judge(&good, 0).unwrap(), good);
        let bad = report(vec![image(Status::Failed, Some(Reason::NoSignature))]);
        assert_eq!(judge(&bad, 1).unwrap(), bad);
        assert_eq!(judge(&report(Vec::new()), 3).unwrap(), report(Vec::new()));
    }

    #[test]
    fn every_other_report_is_refused() {
        let good = || report(vec![image(Status::Passed, None)]);
        let change = |change: fn(&mut NodeReport)| {
            let mut report = good();
            change(&mut report);
            report
        };
        let at = || time(0);
        let platform = expected().platform;
        let contradiction = || BadReport::Contradiction { image: String::new(), contradiction: "" };
        let option = || BadReport::Asked { option: "" };
        let ask = |change: fn(&mut Asked)| {
            let mut report = good();
            report.asked.iter_mut().for_each(change);
            report
        };
        let mut by_parent = report(vec![image(Status::Passed, None)]);
        by_parent.images[0].via = Some(Via::ParentIndex);
        let not_accepted = || BadReport::NotAccepted { image: String::new(), via: Via::ParentIndex };
        let cases = [
            (change(|r| r.asked = None), 0, option()),
            (ask(|a| a.nonce = None), 0, option()),
            (ask(|a| a.nonce = Some("of another node".into())), 0, option()),
            (ask(|a| a.accept = [Via::ParentIndex].into()), 0, option()),
            (ask(|a| a.content = ContentMode::None), 0, contradiction()),
            (ask(|a| a.images = ["a".into()].into()), 0, option()),
            (ask(|a| a.namespaces = ["k8s.io".into()].into()), 0, option()),
            (ask(|a| a.evidence = true), 0, option()),
            (ask(|a| a.at = None), 0, option()),
            (by_parent, 0, not_accepted()),
            (change(|r| r.inputs.store = "layout:x".into()), 0, BadReport::Inputs { what: "" }),
            (change(|r| r.images[0].content.mode = ContentMode::None), 0, contradiction()),
            (change(|r| r.images[0].also = vec![Reason::WrongDigest]), 0, contradiction()),
            (
                change(|r| {
                    r.images[0].rootfs =
                        Some(Rootfs { snapshots: 1, differing: vec!["/bin/sh".into()], ..Rootfs::default() });
                }),
                0,
                contradiction(),
            ),
            (change(|r| r.run.finished = time(9)), 0, {
                BadReport::VerifiedAt { found: at(), expected: at()..=at() }
            }),
            (change(|r| r.schema = "assay/node-report/v2".into()), 0, BadReport::Schema(String::new())),
            (change(|r| r.run.id = "other".into()), 0, {
                BadReport::Run { found: String::new(), expected: String::new() }
            }),
            (change(|r| r.run.id = String::new()), 0, {
                BadReport::Run { found: String::new(), expected: String::new() }
            }),
            (change(|r| r.agent.sha256 = None), 0, BadReport::Agent { found: None }),
            (change(|r| r.agent.sha256 = Some("ab".into())), 0, BadReport::Agent { found: None }),
            (change(|r| r.inputs.trust_policy.sha256 = "b".into()), 0, BadReport::Inputs { what: "" }),
            (change(|r| r.inputs.bundles.clear()), 0, BadReport::Inputs { what: "" }),
            (change(|r| r.run.verified_at = time(9)), 0, {
                BadReport::VerifiedAt { found: at(), expected: at()..=at() }
            }),
            (change(|r| r.node.os = "windows".into()), 0, {
                BadReport::Platform { found: String::new(), expected: platform }
            }),
            (change(|r| r.summary.passed = 2), 0, BadReport::Summary),
            (change(|r| r.images.clear()), 0, BadReport::Summary),
            (good(), 1, BadReport::ExitStatus { found: 0, expected: 0 }),
            (good(), 3, BadReport::ExitStatus { found: 0, expected: 0 }),
            (report(vec![image(Status::Passed, Some(Reason::Expiry))]), 0, contradiction()),
            (report(vec![image(Status::Failed, None)]), 1, contradiction()),
            (report(vec![image(Status::Passed, None), image(Status::Passed, None)]), 0, contradiction()),
            (
                change(|r| {
                    r.images[0].content.mismatched = vec![Mismatch {
                        digest: Digest::sha256(b"b"),
                        media_type: String::new(),
                        found: String::new(),
                    }];
                }),
                0,
                contradiction(),
            ),
        ];
        for (number, (report, exit, why)) in cases.into_iter().enumerate() {
            let error = judge(&report, exit).unwrap_err();
            assert_eq!(discriminant(&error), discriminant(&why), "case {number}: {error}");
        }
    }

    #[test]
    fn a_pass_that_drift_forbids_is_refused() {
        use DriftMode::{Fail, Report};
        use DriftResult::{Clean, Drifted, Inconclusive, NotRun};
        for (mode, result, is_sound) in [
            (None, None, true),
            (None, Some(Clean), false),
            (Some(Report), None, false),
            (Some(Report), Some(Drifted), true),
            (Some(Report), Some(NotRun), true),
            (Some(Fail), None, false),
            (Some(Fail), Some(Clean), true),
            (Some(Fail), Some(Drifted), false),
            (Some(Fail), Some(Inconclusive), false),
            (Some(Fail), Some(NotRun), false),
        ] {
            for (status, reason) in [(Status::Passed, None), (Status::Failed, Some(Reason::RootfsMismatch))] {
                let mut image = image(status, reason);
                let drift = result.map(|result| Drift { result, ..Drift::not_run("", String::new()) });
                image.in_use = vec![ContainerUse { drift, ..ContainerUse::default() }];
                let mut report = report(vec![image]);
                report.asked.iter_mut().for_each(|asked| asked.drift = mode);
                // A failed image may have any drift if drift was asked for.
                let is_sound = is_sound || (status == Status::Failed && mode.is_some() && result.is_some());
                assert_eq!(consistent(&report).is_ok(), is_sound, "{mode:?} {result:?} {status:?}");
            }
        }
    }

    #[test]
    fn what_is_not_a_report_is_refused() {
        let good = serde_json::to_string(&report(Vec::new())).unwrap();
        for text in [
            String::new(),
            "{}".to_owned(),
            format!("{good}{good}"),
            good.replace("\"images\":[]", "\"images\":[],\"images\":[]"),
            good.replacen('{', "{\"x\":1,\"x\":1,", 1),
            good.get(..good.len() - 1).unwrap().to_owned(),
            "[".repeat(100_000),
        ] {
            assert!(matches!(read(text.as_bytes()), Err(BadReport::Malformed(_))), "{text:.80}");
        }
    }

    #[test]
    fn reports_are_bounded() {
        let good = report(vec![image(Status::Passed, None)]);
        let padded = |bytes| {
            let mut text = serde_json::to_vec(&good).unwrap();
            text.resize(bytes, b' ');
            read(&text)
        };
        assert_eq!(padded(REPORT_BYTES).unwrap(), good);
        assert!(matches!(padded(REPORT_BYTES + 1), Err(BadReport::TooLarge(TooLarge::Bytes))));

        // Values are counted. Commas in a text are not.
        let named = |names: &str| {
            let text = serde_json::to_string(&good).unwrap();
            let (empty, full) =
                ("\"coverage\":{\"namespaces\":[]", format!("\"coverage\":{{\"namespaces\":[{names}]"));
            read(text.replace(empty, &full).as_bytes())
        };
        let commas = format!("\"\\\"[{}\"", ",".repeat(REPORT_VALUES));
        assert_eq!(named(&commas).unwrap().coverage.namespaces.len(), 1);
        assert_eq!(named(&format!("\"\"{}", ",\"\"".repeat(REPORT_VALUES - 150))).unwrap().images.len(), 1);
        let over = format!("\"\"{}", ",\"\"".repeat(REPORT_VALUES));
        assert!(matches!(named(&over), Err(BadReport::TooLarge(TooLarge::Values))));
    }

    #[test]
    fn one_digest_under_two_media_types_is_two_images() {
        let mut other = image(Status::Failed, Some(Reason::NoSignature));
        other.media_type = "application/vnd.docker.distribution.manifest.v2+json".into();
        let both = report(vec![image(Status::Passed, None), other]);
        assert_eq!(judge(&both, 1).unwrap(), both);
    }

    #[test]
    fn texts_are_cleaned() {
        let mut dirty = report(Vec::new());
        dirty.node.hostname = Some("a\u{1b}[31m".into());
        dirty.inputs.warnings = vec!["w".repeat(REPORT_TEXT_LETTERS + 1)];
        let clean = judge(&dirty, 3).unwrap();
        assert_eq!(clean.node.hostname.as_deref(), Some("a\\u{1b}[31m"));
        assert!(clean.inputs.warnings[0].contains('…'));
    }

    /// Numbers that are the same in every run.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, bound: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 % bound as u64).unwrap()
        }
    }

    /// Replaces texts by what a hostile image, signature or store may call itself, and repeats entries of lists.
    fn disturb(value: &mut Value, numbers: &mut Numbers) {
        match value {
            Value::String(text) if numbers.below(4) == 0 => {
                let pieces = HOSTILE.len();
                *text = (0..numbers.below(4)).map(|_| HOSTILE[numbers.below(pieces)]).collect();
                if numbers.below(60) == 0 {
                    *text = text.repeat(1_000);
                }
            }
            Value::Array(items) => {
                items.iter_mut().for_each(|item| disturb(item, numbers));
                // Some lists exceed their bound.
                let most = if numbers.below(25) == 0 { 1_100 } else { 3 };
                *items =
                    items.iter().cycle().take(if items.is_empty() { 0 } else { most }).cloned().collect();
            }
            Value::Object(members) => {
                // words of a fixed set, digests, and links whose order counts
                let fixed: &[&str] = match members.contains_key("class") {
                    true => &["class", "kind", "sha256"],
                    false => &["result", "custody"],
                };
                let texts = members.iter_mut().filter(|(name, _)| !fixed.contains(&name.as_str()));
                texts.for_each(|(_, member)| disturb(member, numbers));
            }
            _ => {}
        }
    }

    /// What the agent bounds before it writes is what the collector has read, to the letter.
    #[test]
    fn whatever_a_node_holds_its_report_is_taken_as_it_was_written() {
        let rows = sample::site().nodes.into_iter().chain(sample::hostile().nodes);
        let reports: Vec<NodeReport> = rows.filter_map(|row| row.report).collect();
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
        let mut disturbed = 0;
        for round in 0..30 {
            let mut report = reports[numbers.below(reports.len())].clone();
            report.images.truncate(4);
            let most = [1, 1, 3, 150][numbers.below(4)];
            let mut part = |part: &mut Value| {
                let before = part.clone();
                disturb(part, &mut numbers);
                disturbed += usize::from(*part != before);
            };
            let mut node = serde_json::to_value(&report.node).unwrap();
            part(&mut node);
            report.node = serde_json::from_value(node).unwrap();
            let mut coverage = serde_json::to_value(&report.coverage).unwrap();
            part(&mut coverage["unlisted"]);
            part(&mut coverage["unreadable"]);
            part(&mut coverage["namespaces"]);
            report.coverage = serde_json::from_value(coverage).unwrap();
            for image in &mut report.images {
                let mut value = serde_json::to_value(&*image).unwrap();
                for member in
                    ["namespace", "references", "media_type", "platforms", "in_use", "message", "policy"]
                {
                    part(&mut value[member]);
                }
                for signature in value["signatures"].as_array_mut().unwrap() {
                    for member in ["source", "signer", "user_metadata", "envelope"] {
                        part(&mut signature[member]);
                    }
                }
                *image = serde_json::from_value(value).unwrap();
                image.signatures = (0..most).flat_map(|_| image.signatures.clone()).collect();
                image.content.mismatched.retain(|_| image.status != Status::Passed);
                image.rootfs = image.rootfs.take().filter(|_| image.status != Status::Passed);
                let is_failed = image.status == Status::Failed;
                for container in &mut image.in_use {
                    container.custody = container.custody.take().filter(|_| is_failed);
                }
            }
            let data = vec![7; numbers.below(100)];
            report.carried = vec![CarriedBlob {
                digest: Digest::sha256(&data),
                media_type: HOSTILE[numbers.below(HOSTILE.len())].to_owned(),
                data,
            }];
            report.summary = Summary::count(report.images.iter().map(|image| image.status));
            let verdict = report.verdict();

            report.fit();
            assert_eq!(report.verdict(), verdict, "{round}");
            let written = serde_json::to_vec(&report).unwrap();
            let read = read(&written).unwrap_or_else(|error| panic!("{round}: {error}"));
            assert!(read == report, "{round}");
            assert_eq!(serde_json::to_vec(&read).unwrap(), written, "{round}");
        }
        assert!(disturbed > 300, "{disturbed}");
    }

    const HOSTILE: &[&str] = &[
        "a",
        "app:v1",
        "registry.example.test/app",
        "\u{1b}[2J",
        "\u{202e}",
        "\u{2066}x",
        "\u{fffe}",
        "\u{0}",
        "\r\n",
        "\u{feff}",
        "\\u{1b}",
        "\"",
        "…",
        "… (3 more letters)",
        "z\u{300}\u{301}\u{302}\u{303}",
        "\u{1f600}",
        "##vso[task]",
        "::error::",
        ",,,,,,,",
        "{[",
        "<script>",
        "\u{e0041}",
        "東京",
        "",
    ];

    #[test]
    fn chains_of_custody_agree_with_verdicts() {
        use CustodyStep::{Root, Signature, Snapshot};
        use LinkState::{Broken, Proven, Unproven};
        let chain = |step: CustodyStep, state: LinkState| {
            let link = |at| CustodyLink {
                step: at,
                subject: String::new(),
                state: if at == step { state } else { Proven },
                evidence: String::new(),
            };
            Custody::new(CustodyStep::ALL.into_iter().map(link).collect())
        };
        let judge = |status, reason, custody: Custody, rootfs: RootfsResult| {
            let mut image = image(status, reason);
            image.in_use =
                vec![ContainerUse { id: "id".into(), custody: Some(custody), ..ContainerUse::default() }];
            image.rootfs = Some(Rootfs { result: Some(rootfs), ..Rootfs::default() });
            let mut report = report(vec![image]);
            report.asked.iter_mut().for_each(|asked| asked.rootfs = Some(RootfsMode::InUse));
            consistent(&report).is_ok()
        };
        let passes = |custody| judge(Status::Passed, None, custody, RootfsResult::Passed);
        assert!(passes(chain(Snapshot, Proven)));
        for step in CustodyStep::ALL {
            assert!(!passes(chain(step, Broken)), "{}", step.as_str());
            assert!(!passes(chain(step, Unproven)), "{}", step.as_str());
        }
        let incomplete = |change: fn(&mut Custody)| {
            let mut custody = chain(Snapshot, Proven);
            change(&mut custody);
            passes(custody)
        };
        assert!(incomplete(|custody| custody.links.retain(|link| link.step != CustodyStep::Index)));
        assert!(!incomplete(|custody| custody.links.retain(|link| link.step != Root)));
        assert!(!incomplete(|custody| custody.links.reverse()));
        assert!(!incomplete(|custody| custody.links.extend(custody.links.clone())));
        assert!(!incomplete(|custody| custody.links.clear()));
        assert!(!incomplete(|custody| custody.broken = Some(Root)));
        let fails = |reason, custody| judge(Status::Failed, Some(reason), custody, RootfsResult::Failed);
        assert!(fails(Reason::NoSignature, chain(Signature, Broken)));
        assert!(!fails(Reason::NoSignature, chain(Signature, Proven)));
        // The wrong snapshot may be that of another container.
        assert!(fails(Reason::RootfsMismatch, chain(Signature, Proven)));
        let open = |custody| {
            judge(Status::Inconclusive, Some(Reason::Unreadable), custody, RootfsResult::Inconclusive)
        };
        assert!(open(chain(Snapshot, Unproven)));
        assert!(!open(chain(Snapshot, Broken)));
        assert!(!judge(Status::Skipped, None, chain(Snapshot, Proven), RootfsResult::NotRun));
        let mut unasked = report(vec![Image {
            in_use: vec![ContainerUse {
                id: "id".into(),
                custody: Some(chain(Snapshot, Proven)),
                ..ContainerUse::default()
            }],
            ..image(Status::Passed, None)
        }]);
        assert!(consistent(&unasked).is_err());
        unasked.asked = None;
        assert!(consistent(&unasked).is_ok());
    }
}
