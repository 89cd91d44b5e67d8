//! Checks a file of evidence against public keys: every verdict in it is given again from its raw inputs.

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
    CarriedBlob, CrlInput, ExitCode, Image, ImageId, Inputs, List, Namespace, NodeReport, NodeRow, Outcome,
    SiteReport, SiteSummary, SiteWaivers, Status, TrustedCertificate, Via, canonical_store,
};
use assay_verifier::dsse::{DsseEnvelope, VerifyingKey};
use assay_verifier::limits::REPORT_TEXT_LETTERS;
use assay_verifier::oci::{Descriptor, Digest};
use serde::Serialize;

use super::compare::{Comparison, compare};
use super::pack::{digest_of, statement_of};
use super::unpacked::Unpacked;
use crate::archive;
use crate::clean;
use crate::errors::with_sources;
use crate::report::discrepancy::{Discrepancy, DiscrepancyKind};
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
    /// What the run's report says of the site; null if the evidence cannot be believed.
    pub reported: Option<ExitCode>,
    /// Every node of the report.
    pub nodes: Vec<NodeCheck>,
    /// What is wrong; empty if everything was confirmed.
    pub findings: Vec<Discrepancy>,
    /// Whether the evidence holds: failed if something is contradicted, incomplete if something could not be verified again.
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
    /// What was accepted in place of an image's own signature: as the site asked, otherwise as the node's report says.
    pub accept: BTreeSet<Via>,
    /// Images whose verdict follows from the raw inputs.
    pub confirmed: u64,
    /// Images whose verdict rests on what only the agent saw, mostly their content. None of them passed.
    pub claimed: u64,
}

/// Checks a file of evidence against the site's public keys. Whatever is wrong is a discrepancy, never an error.
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
            if let Err(discrepancy) = check_contents(&unpacked, keys, &mut checked) {
                checked.findings.push(discrepancy);
            }
        }
        Err(error) => {
            let why = with_sources(&error);
            checked.findings.push(Discrepancy::of_site(DiscrepancyKind::EvidenceAltered, why));
        }
    }
    let worst = checked.findings.iter().map(|discrepancy| discrepancy.kind.verdict()).max();
    checked.verdict = worst.unwrap_or(ExitCode::Passed);
    checked
}

/// Checks everything in evidence that a key vouches for. The error is a discrepancy after which nothing more can be checked.
fn check_contents(
    unpacked: &Unpacked,
    keys: &[VerifyingKey],
    checked: &mut Checked,
) -> Result<(), Discrepancy> {
    let inputs = |why: String| Discrepancy::of_site(DiscrepancyKind::EvidenceInputs, why);
    let (folder, trust_sha256) = unpacked.trust(TRUST).map_err(|error| inputs(with_sources(&error)))?;
    let mut trust = trust::read(&folder).map_err(|error| inputs(with_sources(&error)))?;
    let paths: Vec<PathBuf> = unpacked.manifest.bundles.iter().map(|name| unpacked.path(name)).collect();
    let bundles = Bundles::open(&paths, &mut trust).map_err(|error| inputs(with_sources(&error)))?;
    let digests = paths
        .iter()
        .map(|path| archive::sha256(&archive::file(path)?).map_err(|source| archive_error(path, source)))
        .collect::<Result<Vec<_>, archive::ArchiveError>>()
        .map_err(|error| inputs(with_sources(&error)))?;
    let raw = RawInputs { trust, bundles, digests };

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
        let why = format!("the report has two rows named {name}");
        checked.findings.push(Discrepancy::of_site(DiscrepancyKind::EvidenceContradicted, why));
    }
    checked.reported = Some(rest.verdict);
    if rest.run.id != unpacked.manifest.run {
        return Err(inputs("the report is of another run".to_owned()));
    }
    if rest.inputs.trust.as_ref().is_some_and(|sent| sent.sha256 != trust_sha256) {
        checked.findings.push(inputs("the trust directory is not the one that was sent to the nodes".into()));
    }
    let mut recheck = Recheck {
        raw,
        unpacked,
        keys,
        run: Some(&rest.run.id).filter(|id| !id.is_empty()).cloned(),
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
    read_report(unpacked, &mut |row| recheck.check_node(row))?;
    recheck.check_site(&rest);
    Ok(())
}

/// The raw inputs of a run.
struct RawInputs {
    trust: Trust,
    bundles: Bundles,
    /// Digests of the bundles' files.
    digests: Vec<String>,
}

/// A run that is judged again, node by node.
struct Recheck<'c> {
    raw: RawInputs,
    unpacked: &'c Unpacked,
    keys: &'c [VerifyingKey],
    /// The run's id; none if the reports are of several runs.
    run: Option<String>,
    /// What the site accepts; none if its report does not say.
    accept: Option<BTreeSet<Via>>,
    /// The digests of the agents that were sent.
    agents: BTreeSet<String>,
    /// The machines of all rows; none if the report's version did not compare them.
    machines: Option<Machines>,
    collector: String,
    /// Statements about nodes that have not come yet, by node.
    statements: BTreeMap<&'c str, &'c EvidenceNode>,
    names: FileNames,
    waivers: Option<SiteWaivers>,
    summary: SiteSummary,
    verdict: Option<ExitCode>,
    checked: &'c mut Checked,
}

impl Recheck<'_> {
    fn check_node(&mut self, mut row: NodeRow) {
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
            let why = "the rows of the same machine are not those that the report names";
            self.add(DiscrepancyKind::EvidenceContradicted, &row.name, None, why);
            row.same_machine = same;
        }
        let waived = row.waived.clone();
        match &mut self.waivers {
            Some(waivers) => waivers.apply(&mut row),
            None => row.waived.clear(),
        }
        if row.waived != waived {
            let why = "the waived images are not those that the report names";
            self.add(DiscrepancyKind::EvidenceContradicted, &row.name, None, why);
        }
        self.summary.add(&row);
        self.verdict = self.verdict.max(Some(row.verdict()));
        if let Some(report) = row.accepted() {
            self.check_inputs(&row.name, report);
            self.check_answer(&row, report);
            check.accept = accepted_by(self.accept.as_ref(), report);
            self.check_images(&row, report, &mut check);
        }
        self.check_statement(&row, &file);
        self.checked.nodes.push(check);
    }

    /// Checks that the node's report is of this run, used these inputs, and counts its own images.
    fn check_inputs(&mut self, node: &str, report: &NodeReport) {
        let RawInputs { trust, digests, .. } = &self.raw;
        let inputs = &report.inputs;
        // cleaned, and cut if there are too many, as in the node's report
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
            self.add(DiscrepancyKind::EvidenceInputs, node, None, why);
        }
        if self.run.as_ref().is_some_and(|run| report.run.id != *run) {
            self.add(DiscrepancyKind::EvidenceInputs, node, None, "the node's report is of another run");
        }
        if let Err(error) = gather::consistent(report) {
            self.add(DiscrepancyKind::EvidenceContradicted, node, None, &with_sources(&error));
        }
    }

    /// Checks that the node's report is the answer to what its agent was asked.
    fn check_answer(&mut self, row: &NodeRow, report: &NodeReport) {
        if let Some(accept) = &self.accept
            && let Err(error) = gather::only_accepted(report, accept)
        {
            self.add(DiscrepancyKind::EvidenceContradicted, &row.name, None, &with_sources(&error));
        }
        // a report that came another way answers no question of this run
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
                self.add(DiscrepancyKind::EvidenceContradicted, &row.name, None, &why);
            }
        }
    }

    /// Judges every image of a node again, at the time that the node judged it.
    fn check_images(&mut self, row: &NodeRow, report: &NodeReport, check: &mut NodeCheck) {
        let node = row.name.as_str();
        let intact = report.carried.iter().all(|blob| blob.digest.matches(&blob.data));
        if !intact {
            self.add(
                DiscrepancyKind::EvidenceContradicted,
                node,
                None,
                "a blob that the report carries does not have its digest",
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
            // older agents gave a single reason; if that is waived, there must not be another
            let tells_all = report.asked.is_some() || row.waiver(image).is_some();
            let name = image.references.first().map_or(image.digest.as_str(), String::as_str);
            match compare(image, again.get(&image.id()).copied(), (tells_all, is_cut)) {
                Comparison::Contradicted(why) if partly.contains(&image.id()) => {
                    let why = format!(
                        "{why}; only the node's report says that the node does not have the manifests that are not signed"
                    );
                    self.add(DiscrepancyKind::EvidenceUnsupported, node, Some(name), &why);
                }
                Comparison::Confirmed => check.confirmed += 1,
                Comparison::Claimed => check.claimed += 1,
                Comparison::Unsupported(why) => {
                    self.add(DiscrepancyKind::EvidenceUnsupported, node, Some(name), &why);
                }
                Comparison::Contradicted(why) => {
                    self.add(DiscrepancyKind::EvidenceContradicted, node, Some(name), &why);
                }
            }
        }
    }

    /// The images that pass by their platform manifests in the report but not here, because some of the manifests are not
    /// signed, and the report says that the node does not have those.
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
        let signed: BTreeSet<(Option<&Namespace>, &Digest)> = signed
            .iter()
            .filter(|manifest| manifest.status == Status::Passed)
            .map(|manifest| (manifest.namespace.as_ref(), &manifest.digest))
            .collect();
        let is_partly = |(image, entries): &(&'r Image, &Vec<Descriptor>)| {
            let is_signed = |entry: &&Descriptor| signed.contains(&(image.namespace.as_ref(), &entry.digest));
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

    /// Checks that the statement about a node says what its report says, and that a key vouches for it.
    fn check_statement(&mut self, row: &NodeRow, file: &str) {
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
                Ok(_) => "the statement does not say what the report says".to_owned(),
                Err(why) => why,
            },
        };
        self.add(DiscrepancyKind::EvidenceStatement, &row.name, None, &why);
    }

    fn payload(&self, listed: &EvidenceNode) -> Result<Vec<u8>, String> {
        let bytes =
            std::fs::read(self.unpacked.path(&listed.statement)).map_err(|error| with_sources(&error))?;
        let envelope = DsseEnvelope::parse(&bytes).map_err(|error| with_sources(&error))?;
        let verified =
            envelope.verify(statement::PAYLOAD_TYPE, self.keys).map_err(|error| with_sources(&error))?;
        Ok(verified.payload.to_vec())
    }

    /// Checks what the report says of the site as a whole.
    fn check_site(mut self, rest: &SiteReport) {
        for name in std::mem::take(&mut self.statements).into_keys() {
            self.add(DiscrepancyKind::EvidenceStatement, name, None, "the report has no such node");
        }
        let verdict = self.verdict.unwrap_or(ExitCode::Incomplete);
        if self.summary != rest.summary || verdict != rest.verdict || self.waivers != rest.waivers {
            let why = "the report's counts, verdict or waivers are not those of its nodes".to_owned();
            self.checked.findings.push(Discrepancy::of_site(DiscrepancyKind::EvidenceContradicted, why));
        }
    }

    fn add(&mut self, kind: DiscrepancyKind, node: &str, image: Option<&str>, why: &str) {
        self.checked.findings.push(Discrepancy {
            kind,
            node: Some(node.to_owned()),
            image: image.map(str::to_owned),
            message: why.to_owned(),
        });
    }
}

/// What is accepted in place of an image's own signature: what the site asked, otherwise what the node's report says that its
/// agent was asked. Reports of older agents say neither: what their images passed by counts.
fn accepted_by(asked: Option<&BTreeSet<Via>>, report: &NodeReport) -> BTreeSet<Via> {
    let own = report.asked.as_ref().map(|own| &own.accept);
    let passed_by = || report.images.iter().filter_map(|image| image.via).collect();
    asked.or(own).cloned().unwrap_or_else(passed_by)
}

/// A record for each name of each image of a report.
fn listed(report: &NodeReport) -> Vec<Record> {
    report.images.iter().flat_map(|image| names_of(image, &target(image))).collect()
}

fn target(image: &Image) -> Descriptor {
    Descriptor::new(&image.media_type, image.digest.clone(), image.size)
}

/// A record of `target` for each name of the image.
fn names_of(image: &Image, target: &Descriptor) -> Vec<Record> {
    let listed = |name: &String| Record::new(image.namespace.clone(), name, target.clone());
    image.references.iter().map(listed).collect()
}

fn read_report(unpacked: &Unpacked, take: &mut dyn FnMut(NodeRow)) -> Result<SiteReport, Discrepancy> {
    let path = unpacked.path(REPORT);
    let damaged =
        |why: String| Discrepancy::of_site(DiscrepancyKind::EvidenceAltered, format!("{REPORT}: {why}"));
    let file = File::open(path).map_err(|error| damaged(with_sources(&error)))?;
    rows::each(BufReader::new(file), take).map_err(|error| damaged(with_sources(&error)))
}

fn archive_error(path: &Path, source: std::io::Error) -> archive::ArchiveError {
    archive::ArchiveError::Unreadable { path: path.to_owned(), source }
}
