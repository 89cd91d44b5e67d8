//! A file of evidence and public keys in; what it proves out, verdict by verdict.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use assay_judge::bundle::Bundles;
use assay_judge::store::Record;
use assay_judge::trust::{self, Trust};
use assay_report::evidence::{EvidenceNode, REPORT, TRUST};
use assay_report::statement;
use assay_report::{
    CarriedBlob, Checks, CrlInput, ExitCode, Image, ImageId, Inputs, List, NodeReport, NodeRow, Outcome,
    Reason, Signature, SiteReport, SiteSummary, SiteWaivers, Status, TrustedCertificate, Via,
    canonical_store,
};
use assay_verifier::dsse::{DsseEnvelope, VerifyingKey};
use assay_verifier::limits::REPORT_TEXT_LETTERS;
use assay_verifier::oci::{Descriptor, Digest};
use serde::Serialize;

use super::discrepancy::{Discrepancy, DiscrepancyKind};
use super::pack::{digest_of, statement_of};
use super::unpacked::Unpacked;
use crate::archive;
use crate::clean;
use crate::report::machines::Machines;
use crate::report::names::FileNames;
use crate::report::rows;
use crate::visit::gather;

/// What a check of evidence found.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    /// `assay/evidence-check/v1`
    pub schema: String,
    /// The run that the evidence is of.
    pub run: Option<String>,
    /// The keys that vouch for it, by id.
    pub signers: Vec<String>,
    /// What the run's report says of the site; null where the evidence cannot be believed.
    pub reported: Option<ExitCode>,
    /// Every node of the report.
    pub nodes: Vec<NodeCheck>,
    /// What is wrong; empty where everything was confirmed.
    pub findings: Vec<Discrepancy>,
    /// Whether the evidence holds: passed, failed where something is contradicted, incomplete where something could not be
    /// verified again.
    pub verdict: ExitCode,
}

/// What became of a node's verdicts.
#[derive(Clone, Debug, Serialize)]
pub struct NodeCheck {
    /// Its name.
    pub name: String,
    /// What became of the visit.
    pub outcome: Outcome,
    /// Its images.
    pub images: u64,
    /// What was accepted in place of an image's own signature: as the site asked, else as the node's report says.
    pub accept: BTreeSet<Via>,
    /// Images whose verdict was given again from the raw inputs.
    pub confirmed: u64,
    /// Images whose verdict rests on what only the agent saw, their content above all; none of them passed.
    pub claimed: u64,
}

/// Checks a file of evidence against the site's public keys. It always gives an answer: whatever is wrong is a finding.
pub fn check(path: &Path, keys: &[VerifyingKey]) -> Checked {
    let mut checked = Checked {
        schema: "assay/evidence-check/v1".into(),
        run: None,
        signers: Vec::new(),
        reported: None,
        nodes: Vec::new(),
        findings: Vec::new(),
        verdict: ExitCode::Passed,
    };
    match Unpacked::open(path, keys) {
        Ok(unpacked) => {
            checked.signers.clone_from(&unpacked.signers);
            checked.run = Some(unpacked.manifest.run.clone());
            if let Err(finding) = look(&unpacked, keys, &mut checked) {
                checked.findings.push(finding);
            }
        }
        Err(altered) => {
            checked.findings.push(Discrepancy::of_site(DiscrepancyKind::EvidenceAltered, altered.to_string()))
        }
    }
    let worst = checked.findings.iter().map(|finding| finding.kind.verdict()).max();
    checked.verdict = worst.unwrap_or(ExitCode::Passed);
    checked
}

/// Goes through everything in evidence that a key vouches for; the error is what keeps it from going on.
fn look(unpacked: &Unpacked, keys: &[VerifyingKey], checked: &mut Checked) -> Result<(), Discrepancy> {
    let inputs = |why: String| Discrepancy::of_site(DiscrepancyKind::EvidenceInputs, why);
    let (folder, trust_sha256) = unpacked.trust(TRUST).map_err(|error| inputs(error.to_string()))?;
    let mut trust = trust::read(&folder).map_err(|error| inputs(error.to_string()))?;
    let paths: Vec<PathBuf> = unpacked.manifest.bundles.iter().map(|name| unpacked.path(name)).collect();
    let bundles = Bundles::open(&paths, &mut trust).map_err(|error| inputs(error.to_string()))?;
    let digests = paths
        .iter()
        .map(|path| archive::sha256(&archive::file(path)?).map_err(|source| archive_error(path, source)))
        .collect::<Result<Vec<_>, archive::ArchiveError>>()
        .map_err(|error| inputs(error.to_string()))?;
    let raw = Raw { trust, bundles, digests };

    let (mut machines, mut names, mut told) = (Machines::default(), BTreeSet::new(), false);
    let mut repeated = None;
    let rest = read_report(unpacked, &mut |row| {
        machines.add(&row);
        told |= row.accepted().is_some_and(|own| own.asked.is_some());
        if !names.insert(row.name.clone()) {
            repeated.get_or_insert(row.name);
        }
    })?;
    if let Some(name) = repeated {
        let why = format!("the report has two rows of the name {name}");
        checked.findings.push(Discrepancy::of_site(DiscrepancyKind::EvidenceContradicted, why));
    }
    checked.reported = Some(rest.verdict);
    if rest.run.id != unpacked.manifest.run {
        return Err(inputs("the report is of another run".to_owned()));
    }
    if rest.inputs.trust.as_ref().is_some_and(|sent| sent.sha256 != trust_sha256) {
        checked.findings.push(inputs("the trust directory is not the one that was sent to the nodes".into()));
    }
    let mut again = Again {
        raw,
        unpacked,
        keys,
        run: rest.run.id.clone(),
        accept: rest.accept.clone(),
        agents: rest.inputs.agents.iter().map(|agent| agent.sha256.clone()).collect(),
        machines: told.then_some(machines),
        collector: rest.collector.clone(),
        statements: unpacked.manifest.nodes.iter().map(|node| (node.name.as_str(), node)).collect(),
        names: FileNames::default(),
        waivers: rest.waivers.as_ref().map(|waivers| {
            SiteWaivers::new(waivers.sha256.clone(), waivers.judged_at, waivers.waivers.clone())
        }),
        summary: SiteSummary::default(),
        verdict: None,
        checked,
    };
    read_report(unpacked, &mut |row| again.node(row))?;
    again.site(&rest);
    Ok(())
}

/// The raw inputs of a run.
struct Raw {
    trust: Trust,
    bundles: Bundles,
    /// Digests of the bundles' files.
    digests: Vec<String>,
}

/// A run judged again, node by node.
struct Again<'c> {
    raw: Raw,
    unpacked: &'c Unpacked,
    keys: &'c [VerifyingKey],
    /// The run's id; empty where the reports are of several.
    run: String,
    /// What the site accepts, where it was said.
    accept: Option<BTreeSet<Via>>,
    /// The digests of the agents that were sent.
    agents: BTreeSet<String>,
    /// The machines of all rows; none in reports of versions that did not compare them.
    machines: Option<Machines>,
    collector: String,
    /// Statements that were not met yet, by node.
    statements: BTreeMap<&'c str, &'c EvidenceNode>,
    names: FileNames,
    waivers: Option<SiteWaivers>,
    summary: SiteSummary,
    verdict: Option<ExitCode>,
    checked: &'c mut Checked,
}

impl Again<'_> {
    fn node(&mut self, mut row: NodeRow) {
        let file = self.names.give(&row.name);
        let mut check = NodeCheck {
            name: row.name.clone(),
            outcome: row.outcome,
            images: 0,
            accept: BTreeSet::new(),
            confirmed: 0,
            claimed: 0,
        };
        if let Some(same) = self.machines.as_ref().map(|machines| machines.others(&row.name))
            && row.same_machine != same
        {
            let why = "other rows are of the same machine";
            self.find(DiscrepancyKind::EvidenceContradicted, &row.name, None, why);
            row.same_machine = same;
        }
        let waived = row.waived.clone();
        match &mut self.waivers {
            Some(waivers) => waivers.apply(&mut row),
            None => row.waived.clear(),
        }
        if row.waived != waived {
            self.find(DiscrepancyKind::EvidenceContradicted, &row.name, None, "other images are waived");
        }
        self.summary.add(&row);
        self.verdict = self.verdict.max(Some(row.verdict()));
        if let Some(report) = row.accepted() {
            self.inputs(&row.name, report);
            self.asked(&row, report);
            check.accept = accepted_by(self.accept.as_ref(), report);
            self.images(&row, report, &mut check);
        }
        self.statement(&row, &file);
        self.checked.nodes.push(check);
    }

    /// That the node's report is of this run, was given these inputs, and counts its own images.
    fn inputs(&mut self, node: &str, report: &NodeReport) {
        let Raw { trust, digests, .. } = &self.raw;
        let inputs = &report.inputs;
        // as the node's report has them: cleaned, and cut where they are too many
        let mut given = Inputs {
            trust_store: TrustedCertificate::list(&trust.store),
            crls: CrlInput::list(&trust.evidence),
            ..inputs.clone()
        };
        let (certificates, crls) = (given.trust_store.len() as u64, given.crls.len() as u64);
        given.bound();
        let whole = |list, given: usize| inputs.omitted.count(list) + given as u64;
        let same = inputs.trust_policy.sha256 == trust.policy_sha256
            && given.trust_store.starts_with(&inputs.trust_store)
            && whole(List::TrustStore, inputs.trust_store.len()) == certificates
            && given.crls.starts_with(&inputs.crls)
            && whole(List::Crls, inputs.crls.len()) == crls
            && inputs.bundles.iter().map(|bundle| &bundle.sha256).eq(digests);
        if !same {
            let why = "the node was verified with another trust directory or other bundles";
            self.find(DiscrepancyKind::EvidenceInputs, node, None, why);
        }
        if !self.run.is_empty() && report.run.id != self.run {
            self.find(DiscrepancyKind::EvidenceInputs, node, None, "the node's report is of another run");
        }
        if let Err(error) = gather::consistent(report) {
            self.find(DiscrepancyKind::EvidenceContradicted, node, None, &error.to_string());
        }
    }

    /// That the node's report is the answer to what its agent was asked.
    fn asked(&mut self, row: &NodeRow, report: &NodeReport) {
        if let Some(accept) = &self.accept
            && let Err(error) = gather::only_accepted(report, accept)
        {
            self.find(DiscrepancyKind::EvidenceContradicted, &row.name, None, &error.to_string());
        }
        // a report that came another way is nobody's answer
        let Some(asked) = &row.asked else { return };
        let own = report.asked.clone().unwrap_or_default();
        let store = canonical_store(row.store.as_deref(), report.node.os == "windows");
        let tolerance = gather::CLOCKS_DIFFER;
        let judged = match asked.at {
            Some(at) => Some(at..=at),
            None => row.started.zip(row.finished).and_then(|(started, finished)| {
                Some(started.earlier(tolerance)?..=finished.later(tolerance)?)
            }),
        };
        let in_time = judged.is_some_and(|judged| judged.contains(&report.run.verified_at));
        let sent = report.agent.sha256.as_ref().is_some_and(|agent| self.agents.contains(agent));
        let accept = self.accept.as_ref().is_none_or(|accept| *accept == asked.accept);
        for (holds, what) in [
            (own.differs_in(asked).is_none(), "what its agent was asked"),
            (accept, "what the site accepts"),
            (
                report.inputs.store == clean::block(&store, REPORT_TEXT_LETTERS),
                "the store that was asked for",
            ),
            (in_time, "the time of its visit"),
            (sent, "the agent that was sent"),
        ] {
            if !holds {
                let why = format!("the node's report does not agree with {what}");
                self.find(DiscrepancyKind::EvidenceContradicted, &row.name, None, &why);
            }
        }
    }

    /// Every image of a node, judged again at the time that the node judged it.
    fn images(&mut self, row: &NodeRow, report: &NodeReport, check: &mut NodeCheck) {
        let node = row.name.as_str();
        let intact = report.carried.iter().all(|blob| blob.digest.matches(&blob.data));
        if !intact {
            self.find(
                DiscrepancyKind::EvidenceContradicted,
                node,
                None,
                "a blob that the report carries is altered",
            );
        }
        let carried = if intact { &report.carried[..] } else { &[] };
        let again = self.raw.bundles.judge(
            &self.raw.trust,
            report.run.verified_at,
            &check.accept,
            listed(report),
            carried,
        );
        let again: BTreeMap<ImageId<'_>, &Image> = again.iter().map(|image| (image.id(), image)).collect();
        let is_cut = report.omitted.count(List::Carried) > 0;
        let partly = self.partly_there(report, &again, carried);
        for image in &report.images {
            check.images += 1;
            // older agents gave one reason alone; where that is waived, it must have been all
            let tells_all = report.asked.is_some() || row.waiver(image).is_some();
            let name = image.references.first().map_or(image.digest.as_str(), String::as_str);
            match compare(image, again.get(&image.id()).copied(), (tells_all, is_cut)) {
                Comparison::Contradicted(why) if partly.contains(&image.id()) => {
                    let why = format!(
                        "{why}; whether the node lacks the manifests that are not signed, its report alone says"
                    );
                    self.find(DiscrepancyKind::EvidenceUnsupported, node, Some(name), &why);
                }
                Comparison::Confirmed => check.confirmed += 1,
                Comparison::Claimed => check.claimed += 1,
                Comparison::Unsupported(why) => {
                    self.find(DiscrepancyKind::EvidenceUnsupported, node, Some(name), &why);
                }
                Comparison::Contradicted(why) => {
                    self.find(DiscrepancyKind::EvidenceContradicted, node, Some(name), &why);
                }
            }
        }
    }

    /// The images that pass by their platform manifests in the report and not here, since not all that they list are signed,
    /// where the report says of those that are not that the node lacks them.
    fn partly_there<'r>(
        &self,
        report: &'r NodeReport,
        again: &BTreeMap<ImageId<'_>, &Image>,
        carried: &[CarriedBlob],
    ) -> BTreeSet<ImageId<'r>> {
        let in_doubt = |image: &&Image| {
            let passes = again.get(&image.id()).is_some_and(|again| again.status == Status::Passed);
            image.via == Some(Via::PlatformManifest) && !passes
        };
        let images: Vec<&Image> = report.images.iter().filter(in_doubt).collect();
        if images.is_empty() {
            return BTreeSet::new();
        }
        let targets: Vec<Descriptor> = images.iter().map(|image| target(image)).collect();
        let (bundles, trust) = (&self.raw.bundles, &self.raw.trust);
        let listed = bundles.listed_by(&targets, carried);
        let named = images
            .iter()
            .zip(&listed)
            .flat_map(|(image, entries)| entries.iter().flat_map(|entry| names_of(image, entry)));
        let signed = bundles.judge(trust, report.run.verified_at, &BTreeSet::new(), named.collect(), carried);
        let signed: BTreeSet<(&str, &Digest)> = signed
            .iter()
            .filter(|manifest| manifest.status == Status::Passed)
            .map(|manifest| (manifest.namespace.as_str(), &manifest.digest))
            .collect();
        let is_partly = |(image, entries): &(&'r Image, &Vec<Descriptor>)| {
            let is_signed = |entry: &&Descriptor| signed.contains(&(image.namespace.as_str(), &entry.digest));
            let lacks = |entry: &Descriptor| {
                let of = entry.platform.as_ref().map(ToString::to_string);
                of.is_some_and(|of| !image.platforms.contains(&of))
                    && carried.iter().all(|blob| blob.digest != entry.digest)
            };
            entries.iter().any(|entry| is_signed(&entry))
                && entries.iter().filter(|entry| !is_signed(entry)).all(lacks)
        };
        images.into_iter().zip(&listed).filter(is_partly).map(|(image, _)| image.id()).collect()
    }

    /// The statement about a node says what its report amounts to, and a key vouches for it.
    fn statement(&mut self, row: &NodeRow, file: &str) {
        let expected = row
            .accepted()
            .map(digest_of)
            .and_then(|digest| statement_of(row, file, &digest, &self.collector));
        let listed = self.statements.remove(row.name.as_str());
        let why = match (expected, listed) {
            (None, None) => return,
            (Some(_), None) => "there is no statement about the node".to_owned(),
            (None, Some(_)) => "there is a statement about a node that was not verified".to_owned(),
            (Some((_, _, expected)), Some(listed)) => match self.payload(listed) {
                Ok(payload) if payload == expected => return,
                Ok(_) => "the statement says something else than the report".to_owned(),
                Err(why) => why,
            },
        };
        self.find(DiscrepancyKind::EvidenceStatement, &row.name, None, &why);
    }

    fn payload(&self, listed: &EvidenceNode) -> Result<Vec<u8>, String> {
        let bytes =
            std::fs::read(self.unpacked.path(&listed.statement)).map_err(|error| error.to_string())?;
        let envelope = DsseEnvelope::parse(&bytes).map_err(|error| error.to_string())?;
        let verified =
            envelope.verify(statement::PAYLOAD_TYPE, self.keys).map_err(|error| error.to_string())?;
        Ok(verified.payload.to_vec())
    }

    /// What the report says of the site as a whole.
    fn site(mut self, rest: &SiteReport) {
        for name in std::mem::take(&mut self.statements).into_keys() {
            self.find(DiscrepancyKind::EvidenceStatement, name, None, "the report has no such node");
        }
        let verdict = self.verdict.unwrap_or(ExitCode::Incomplete);
        if self.summary != rest.summary || verdict != rest.verdict || self.waivers != rest.waivers {
            let why = "the report's counts, verdict or waivers are not those of its nodes".to_owned();
            self.checked.findings.push(Discrepancy::of_site(DiscrepancyKind::EvidenceContradicted, why));
        }
    }

    fn find(&mut self, kind: DiscrepancyKind, node: &str, image: Option<&str>, why: &str) {
        self.checked.findings.push(Discrepancy {
            kind,
            node: Some(node.to_owned()),
            image: image.map(str::to_owned),
            message: why.to_owned(),
        });
    }
}

/// How a verdict and the one that the raw inputs give agree.
enum Comparison {
    Confirmed,
    Claimed,
    Unsupported(String),
    Contradicted(String),
}

/// Compares two verdicts; `tells_all` where the report has all that is wrong, `is_cut` where it had no room for all that it was
/// to carry.
fn compare(reported: &Image, again: Option<&Image>, (tells_all, is_cut): (bool, bool)) -> Comparison {
    // content takes a pass away and never gives one, and a container without a record is nobody's signature: what passed or
    // was skipped is never the agent's word alone
    let by_agent = matches!(
        (reported.status, reported.reason),
        (Status::Failed, Some(Reason::ContentMismatch | Reason::RootfsMismatch | Reason::InUseUnlisted))
            | (Status::Inconclusive, Some(Reason::Unreadable | Reason::Limit))
    );
    let untold = again.filter(|_| tells_all).and_then(|again| untold(reported, again));
    if by_agent && untold.is_none() {
        return Comparison::Claimed;
    }
    let Some(again) = again else {
        return Comparison::Contradicted("the report gives it no name that it could be judged by".into());
    };
    // a name that is left out may stand under another statement of the policy
    if reported.omitted.count(List::References) > 0 {
        return Comparison::Unsupported("not all of its names are in the report".into());
    }
    let same = |one: &Image, other: &Image| {
        (one.status, one.reason, one.via, &one.policy)
            == (other.status, other.reason, other.via, &other.policy)
    };
    if same(reported, again) && untold.is_none() {
        return signatures(reported, again, is_cut);
    }
    let said = format!(
        "reported as {}, and the raw inputs make it {}{}",
        words(reported, None),
        words(again, untold),
        again.message.as_ref().map(|why| format!(": {why}")).unwrap_or_default()
    );
    let from_store = reported.signatures.iter().any(|signature| signature.source == "store");
    if from_store && is_cut {
        return Comparison::Unsupported(format!(
            "{said}; not all that its verdict rests on had room in the node's report"
        ));
    }
    if from_store && again.reasons().contains(&Reason::NoSignature) {
        return Comparison::Unsupported(format!(
            "{said}; its signatures are in the node's store alone: run with --evidence to have them carried"
        ));
    }
    Comparison::Contradicted(said)
}

/// What else is wrong with an image by its raw inputs that its report does not say. Where the agent could not read or judge
/// everything, nothing is missed.
fn untold(reported: &Image, again: &Image) -> Option<Reason> {
    let is_open = |reason: &Reason| matches!(reason, Reason::Unreadable | Reason::Limit);
    let told = reported.reasons();
    let unjudged = matches!(reported.status, Status::Passed | Status::Skipped)
        || told.iter().any(is_open)
        || told.contains(&Reason::InUseUnlisted);
    again.reasons().into_iter().find(|reason| !unjudged && !is_open(reason) && !told.contains(reason))
}

/// What a report says of each signature that it tried. Words may change from one version to the next, facts may not.
fn signatures(reported: &Image, again: &Image, is_cut: bool) -> Comparison {
    let is_tried = |signature: &&Signature| signature.policy.is_some();
    let has_no_row = again.omitted.count(List::Signatures) > 0;
    let again = &again.signatures;
    for one in reported.signatures.iter().filter(is_tried) {
        let mut tried = again.iter().filter(|other| other.digest == one.digest).filter(is_tried).peekable();
        if tried.peek().is_none() && (has_no_row || again.iter().any(|other| other.digest == one.digest)) {
            return Comparison::Unsupported(format!(
                "the signature {} was not tried again, since another passes before it",
                one.digest
            ));
        }
        if is_cut && tried.peek().is_none() {
            return Comparison::Unsupported(format!(
                "the signature {} had no room in the node's report",
                one.digest
            ));
        }
        if !tried.any(|other| same_facts(one, other)) {
            return Comparison::Contradicted(format!(
                "the signature {} is not what the report says of it",
                one.digest
            ));
        }
    }
    Comparison::Confirmed
}

/// Whether as much is known of a signature, whatever it was called where it was found. What is left out of its row cannot be
/// compared.
fn same_facts(reported: &Signature, again: &Signature) -> bool {
    let facts = |signature: &Signature| {
        let Signature { policy, status, reason, signer, signing_time, timestamp, checks, target, .. } =
            signature.clone();
        let Checks { integrity, authenticity, authentic_timestamp, expiry, revocation } = checks;
        let checks = [integrity, authenticity, authentic_timestamp, expiry, revocation]
            .map(|check| (check.result, check.action));
        ((policy, status, reason, signer), (signing_time, timestamp), (checks, target.result))
    };
    let whole = |signature: &Signature| {
        let Signature { chain, user_metadata, omitted, .. } = signature;
        (
            omitted.count(List::Chain).saturating_add(chain.len() as u64),
            omitted.count(List::UserMetadata).saturating_add(user_metadata.len() as u64),
        )
    };
    facts(reported) == facts(again)
        && again.chain.starts_with(&reported.chain)
        && reported.user_metadata.iter().all(|(name, value)| again.user_metadata.get(name) == Some(value))
        && whole(reported) == whole(again)
}

fn words(image: &Image, also: Option<Reason>) -> String {
    let status = crate::report::words::status(image.status);
    let also = also.filter(|also| Some(*also) != image.reason);
    let codes: Vec<&str> = image.reason.into_iter().chain(also).map(Reason::as_str).collect();
    if codes.is_empty() { status.to_owned() } else { format!("{status} ({})", codes.join(", ")) }
}

/// What is accepted in place of an image's own signature: what the site asked; where nobody said, what the node's report says
/// that its agent was asked; and in reports of older agents what images pass by.
fn accepted_by(asked: Option<&BTreeSet<Via>>, report: &NodeReport) -> BTreeSet<Via> {
    let own = report.asked.as_ref().map(|own| &own.accept);
    let passed_by = || report.images.iter().filter_map(|image| image.via).collect();
    asked.or(own).cloned().unwrap_or_else(passed_by)
}

/// The images of a report by each of their names.
fn listed(report: &NodeReport) -> Vec<Record> {
    report.images.iter().flat_map(|image| names_of(image, &target(image))).collect()
}

fn target(image: &Image) -> Descriptor {
    Descriptor::new(&image.media_type, image.digest.clone(), image.size)
}

/// What is at `target`, under each name of the image.
fn names_of(image: &Image, target: &Descriptor) -> Vec<Record> {
    let listed = |name: &String| Record::new(&image.namespace, name, target.clone());
    image.references.iter().map(listed).collect()
}

fn read_report(unpacked: &Unpacked, take: &mut dyn FnMut(NodeRow)) -> Result<SiteReport, Discrepancy> {
    let path = unpacked.path(REPORT);
    let damaged =
        |why: String| Discrepancy::of_site(DiscrepancyKind::EvidenceAltered, format!("{REPORT}: {why}"));
    let file = File::open(path).map_err(|error| damaged(error.to_string()))?;
    rows::each(BufReader::new(file), take).map_err(|error| damaged(error.to_string()))
}

fn archive_error(path: &Path, source: std::io::Error) -> archive::ArchiveError {
    archive::ArchiveError::Unreadable { path: path.to_owned(), source }
}
