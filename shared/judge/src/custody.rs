//! Says link by link how the containers of an image lead to the root certificate of the image's signature.
//!
//! The snapshots and the layers of a container come as a [`Footing`]. The other links rest on what the image's verdict rests on,
//! so that chain and verdict agree. A chain can only downgrade a verdict: an image does not pass whose containers' chains are not
//! proven.

use std::collections::BTreeSet;

use assay_report::{
    CheckResult, ContainerUse, Custody, CustodyLink, CustodyStep, Drift, Image as ImageReport, LinkState,
    Mismatch, Reason, Signature, Status, Via,
};
use assay_verifier::notary::trust_store::StoreType;
use assay_verifier::oci::{Descriptor, Digest, ManifestKind};

use crate::footing::{Footing, FootingManifest, LinkFact};
use crate::image::{Image, ImageTarget};
use crate::judgement::{Examined, SignatureRow};
use crate::signatures::Signatures;
use crate::trust::Trust;

/// What chains of custody are made with.
#[derive(Clone, Copy)]
pub struct Custodian<'a> {
    pub signatures: &'a Signatures,
    pub trust: &'a Trust,
    /// Whether an image fails if a container of it differs from it (`--drift fail`).
    pub drift_fails: bool,
}

impl Custodian<'_> {
    /// The image's row of a report, with a chain for each of its containers. A container without a footing was not looked at.
    pub fn report(&self, examined: Examined) -> ImageReport {
        let (signature, root, signed) = self.signature(&examined);
        let chain = |user: &ContainerUse| {
            let footing = examined.footings.iter().find(|footing| footing.container == user.id);
            let counts = self.drift_fails && examined.judgement.status != Status::Skipped;
            let drift = user.drift.as_ref().filter(|_| counts);
            let mut links = vec![container(&examined, footing, &user.id)];
            links.extend(content(&examined, footing, drift, &signed));
            links.push(at(CustodyStep::Signature, signature.clone()));
            links.push(at(CustodyStep::Root, root.clone()));
            Custody::new(links)
        };
        let chains: Vec<Custody> = examined.image.in_use.iter().map(chain).collect();
        let mut row = examined.into_report();
        for (user, chain) in row.in_use.iter_mut().zip(chains) {
            user.custody = Some(chain);
        }
        if matches!(row.status, Status::Passed | Status::Inconclusive)
            && row.custody_contradiction().is_some()
        {
            take_back(&mut row);
        }
        row
    }

    /// The links of the signature and of its root, and what the signature is of.
    fn signature(&self, examined: &Examined) -> (LinkFact, LinkFact, Signed) {
        let Examined { image, judgement, by_signatures, .. } = examined;
        let rows = &judgement.signatures.kept;
        let reasons = &by_signatures.reasons;
        let message = by_signatures.message.clone().unwrap_or_default();
        let unproven = |why: &str| LinkFact::new("", LinkState::Unproven, why);
        if by_signatures.status == Status::Skipped || image.target.recorded().is_none() {
            let why = match image.target {
                ImageTarget::Recorded(_) => "the trust policy says level skip",
                ImageTarget::Unrecorded(_) => "the image was not judged",
            };
            return (unproven(why), unproven(why), Signed::Target);
        }
        let breaks = |reason: &Reason| match reason {
            Reason::NoSignature => true,
            Reason::Limit => by_signatures.status == Status::Failed,
            reason => BREAK_SIGNATURES.contains(reason),
        };
        let is_broken = !examined.changed && reasons.iter().any(breaks);
        let is_distrusted = reasons.contains(&Reason::Authenticity);
        let is_open = reasons
            .iter()
            .any(|reason| matches!(reason, Reason::NoSignature | Reason::Unreadable | Reason::Limit));
        let row = decisive(rows, reasons);
        let subject = row.map(|row| row.digest.to_string()).unwrap_or_default();
        let signed = row.map_or(Signed::Target, |row| self.signed(image, judgement.via, &row.digest));
        let signature = match row {
            _ if is_broken => LinkFact::new(subject, LinkState::Broken, message.clone()),
            _ if is_open => LinkFact::new(subject, LinkState::Unproven, message.clone()),
            _ if is_distrusted => {
                LinkFact::new(subject, LinkState::Unproven, "it is intact, and its root is not trusted")
            }
            Some(_) if matches!(signed, Signed::Unknown) => {
                LinkFact::new(subject, LinkState::Unproven, "which index it is of is not known")
            }
            Some(row) if row.status == Status::Passed => {
                LinkFact::new(subject, LinkState::Proven, signature_evidence(row, image, &signed))
            }
            _ => LinkFact::new(subject, LinkState::Unproven, "no signature that passes is in the report"),
        };
        let root = match row {
            Some(row) if row.checks.authenticity.result == CheckResult::Passed && !is_distrusted => {
                self.anchor(row)
            }
            Some(row) => {
                let subject = row.chain.last().map(|root| root.subject.clone()).unwrap_or_default();
                let check = &row.checks.authenticity;
                if is_distrusted {
                    LinkFact::new(subject, LinkState::Broken, check.message.clone().unwrap_or(message))
                } else if row.status == Status::Passed {
                    let why = "the trust policy accepts signatures whose root is not trusted";
                    LinkFact::new(subject, LinkState::Unproven, why)
                } else {
                    unproven("the signature does not lead to it")
                }
            }
            None if is_distrusted => LinkFact::new("", LinkState::Broken, message),
            None => unproven("no signature leads to it"),
        };
        (signature, root, signed)
    }

    /// What a signature that passes is of.
    fn signed(&self, image: &Image, via: Option<Via>, signature: &Digest) -> Signed {
        let has = |target: &&Descriptor| {
            self.signatures.candidates(target).iter().any(|candidate| candidate.digest == *signature)
        };
        match via {
            None => Signed::Target,
            Some(Via::PlatformManifest) => Signed::Manifests,
            Some(Via::ParentIndex) => {
                let parent = image
                    .target
                    .recorded()
                    .and_then(|target| self.signatures.parents_of(target).into_iter().find(has));
                parent.map_or(Signed::Unknown, |parent| Signed::Parent(parent.digest.clone()))
            }
        }
    }

    /// The trusted certificate that a signature's chain has, the nearest to the root.
    fn anchor(&self, row: &Signature) -> LinkFact {
        let statement = self.trust.policy.as_ref().ok().and_then(|policy| {
            policy.statements().iter().find(|statement| Some(&statement.name) == row.policy.as_ref())
        });
        let stores = statement.into_iter().flat_map(|statement| {
            let of = |kind: StoreType| statement.stores(kind).map(move |name| (kind, name));
            of(StoreType::Ca).chain(of(StoreType::SigningAuthority))
        });
        let stores: Vec<(StoreType, &str)> = stores.collect();
        for certificate in row.chain.iter().rev() {
            for (kind, name) in &stores {
                let trusted = self.trust.store.certificates(*kind, name).unwrap_or_default();
                if trusted.iter().any(|one| one.sha256().hex() == certificate.sha256) {
                    let evidence = format!(
                        "the trust store {}:{name} has the certificate with SHA-256 {}, to which the signer's chain leads",
                        kind.folder(),
                        certificate.sha256
                    );
                    return LinkFact::new(&certificate.subject, LinkState::Proven, evidence);
                }
            }
        }
        LinkFact::new("", LinkState::Unproven, "the trust store has none of the signer's chain")
    }
}

/// Reasons for which a signature does not hold, whatever it leads to.
const BREAK_SIGNATURES: [Reason; 6] = [
    Reason::Policy,
    Reason::Integrity,
    Reason::AuthenticTimestamp,
    Reason::Expiry,
    Reason::Revocation,
    Reason::DescriptorMismatch,
];

/// What a signature is of.
enum Signed {
    /// The image's own target.
    Target,
    /// An index that lists the target.
    Parent(Digest),
    /// The manifests that the target lists.
    Manifests,
    /// An index that lists the target, and is not found again.
    Unknown,
}

/// The row that the links of signature and root are about: one that passes and is trusted, or the one that the verdict names.
fn decisive<'r>(rows: &'r [SignatureRow], reasons: &BTreeSet<Reason>) -> Option<&'r Signature> {
    let all = || rows.iter().map(|row| &row.signature);
    let passed = || all().filter(|row| row.status == Status::Passed);
    let is_trusted = |row: &&Signature| row.checks.authenticity.result == CheckResult::Passed;
    let is_named = |row: &&Signature| row.reason.is_some_and(|reason| reasons.contains(&reason));
    if reasons.iter().any(|reason| *reason == Reason::Authenticity || BREAK_SIGNATURES.contains(reason)) {
        return all().find(is_named);
    }
    passed().find(is_trusted).or_else(|| passed().next()).or_else(|| all().next())
}

fn signature_evidence(row: &Signature, image: &Image, signed: &Signed) -> String {
    let of = match signed {
        Signed::Target => image.target.digest().to_string(),
        Signed::Parent(index) => format!("the index {index}"),
        Signed::Manifests => "a manifest of the index, all of which are signed".to_owned(),
        Signed::Unknown => "an index".to_owned(),
    };
    let signer = row.signer.as_deref().unwrap_or("a signer without a name");
    let time = match (&row.timestamp, row.signing_time) {
        (Some(timestamp), _) => format!(", timestamped {}", timestamp.time),
        (None, Some(time)) => format!(", dated {time}"),
        (None, None) => String::new(),
    };
    let lax = row.checks.named().into_iter().filter(|(_, check)| check.result != CheckResult::Passed);
    let lax: Vec<&str> = lax.map(|(name, _)| name).collect();
    let lax = if lax.is_empty() {
        String::new()
    } else {
        format!("; the trust policy does not insist on: {}", lax.join(", "))
    };
    let source = row.source.rsplit(['/', '\\']).next().unwrap_or_default();
    format!("it is of {of}, by {signer}{time}; found in {source}{lax}")
}

fn container(examined: &Examined, footing: Option<&Footing>, id: &str) -> CustodyLink {
    let image = &examined.image;
    let target = image.target.digest();
    let (state, evidence) = if image.target.recorded().is_none() {
        (LinkState::Broken, "the store has no record of the image that it names".to_owned())
    } else if examined.changed {
        (LinkState::Unproven, "the image's names changed while the store was read".to_owned())
    } else {
        match footing.map(|footing| &footing.image) {
            None => (LinkState::Unproven, "what it stands on was not looked at".to_owned()),
            Some(Some(name)) if image.references.binary_search(name).is_ok() => {
                (LinkState::Proven, format!("it names {name}, whose record has the digest {target}"))
            }
            Some(Some(name)) => {
                let evidence =
                    format!("it names {name}, which has another digest by now; it stands on {target}");
                (LinkState::Proven, evidence)
            }
            Some(None) => (LinkState::Proven, format!("it names no image; it stands on {target}")),
        }
    };
    at(CustodyStep::Container, LinkFact::new(id, state, evidence))
}

/// The links of the snapshot, the layers, the manifest and the index.
fn content(
    examined: &Examined,
    footing: Option<&Footing>,
    drift: Option<&Drift>,
    signed: &Signed,
) -> Vec<CustodyLink> {
    let Examined { image, content, by_signatures, .. } = examined;
    let target = image.target.digest();
    let unread = || LinkFact::new("", LinkState::Unproven, "it was not looked at");
    let known = footing.and_then(|footing| footing.manifest.as_ref());
    let mut snapshot = footing.map_or_else(unread, |footing| footing.snapshot.clone());
    if let Some(Drift { findings, why, .. }) = drift {
        if let Some(first) = findings.first() {
            let evidence = format!("its writable layer differs from the image: {}", first.sentence());
            worsen(&mut snapshot, LinkState::Broken, evidence);
        } else if let Some(why) = why {
            worsen(&mut snapshot, LinkState::Unproven, format!("its writable layer cannot be judged: {why}"));
        }
    }
    let mut layers = footing.map_or_else(unread, |footing| footing.layers.clone());
    let is_index = image
        .target
        .recorded()
        .is_some_and(|target| ManifestKind::from_media_type(&target.media_type) == Some(ManifestKind::Index));
    let mut manifest = match known {
        Some(FootingManifest { descriptor, config, .. }) => {
            let platform = descriptor.platform.as_ref();
            let platform = platform.map(|one| format!(" for {}/{}", one.os, one.architecture));
            let evidence = format!(
                "the manifest{} matches this digest, and so does its config {config}, which names the layers",
                platform.unwrap_or_default()
            );
            LinkFact::new(descriptor.digest.as_str(), LinkState::Proven, evidence)
        }
        None => {
            let subject = if is_index { "" } else { target.as_str() };
            LinkFact::new(subject, LinkState::Unproven, "the manifest of its layers is not known")
        }
    };
    let mut index = match (signed, known) {
        (Signed::Parent(parent), Some(_)) => {
            let evidence = "the index lists the image and is accepted in its place (--accept parent-index)";
            Some(LinkFact::new(parent.as_str(), LinkState::Proven, evidence))
        }
        (Signed::Parent(parent), None) => {
            Some(LinkFact::new(parent.as_str(), LinkState::Unproven, "the manifest is not known"))
        }
        _ if !is_index => None,
        (_, Some(_)) => {
            let evidence = "the index matches this digest and lists the manifest";
            Some(LinkFact::new(target.as_str(), LinkState::Proven, evidence))
        }
        (_, None) => {
            let why = "which of its manifests the container stands on is not known";
            Some(LinkFact::new(target.as_str(), LinkState::Unproven, why))
        }
    };

    let is_layer = |blob: &Digest| known.is_some_and(|known| known.layers.contains(blob));
    let is_manifest =
        |blob: &Digest| known.is_some_and(|known| known.descriptor.digest == *blob || known.config == *blob);
    for Mismatch { digest, found, .. } in &content.content.mismatched {
        let link = match &mut index {
            _ if is_layer(digest) => &mut layers,
            Some(index) if !is_manifest(digest) => index,
            _ => &mut manifest,
        };
        worsen(link, LinkState::Broken, format!("the blob {digest} is {found} in the store"));
    }
    let top = index.as_mut().unwrap_or(&mut manifest);
    let why = by_signatures.message.clone().unwrap_or_default();
    if by_signatures.reasons.iter().any(|one| matches!(one, Reason::WrongDigest | Reason::ContentMismatch)) {
        worsen(top, LinkState::Broken, why);
    }
    if let Some(why) = content.limit.as_ref().or(content.unjudged.first()) {
        worsen(top, LinkState::Unproven, format!("its content cannot be judged: {why}"));
    }
    [
        (CustodyStep::Snapshot, Some(snapshot)),
        (CustodyStep::Layers, Some(layers)),
        (CustodyStep::Manifest, Some(manifest)),
        (CustodyStep::Index, index),
    ]
    .into_iter()
    .filter_map(|(step, link)| Some(at(step, link?)))
    .collect()
}

/// Gives a link the state, unless its own is as bad.
fn worsen(link: &mut LinkFact, state: LinkState, evidence: String) {
    if link.state < state {
        link.state = state;
        link.evidence = evidence;
    }
}

/// Takes back a verdict that a chain does not bear out.
fn take_back(row: &mut ImageReport) {
    let chains =
        row.in_use.iter().filter_map(|user| Some((&user.id, user.custody.as_ref()?.first_broken()?)));
    let Some((id, link)) = chains.max_by_key(|(_, link)| link.state) else { return };
    let (status, reason) = match link.state {
        LinkState::Broken => (Status::Failed, Reason::RootfsMismatch),
        LinkState::Proven | LinkState::Unproven => (Status::Inconclusive, Reason::Unreadable),
    };
    let before = row.message.take().map(|before| format!("; {before}")).unwrap_or_default();
    row.message = Some(format!(
        "what the container {id} runs is not proven to be what was signed: {}: {}{before}",
        link.step.as_str(),
        link.evidence
    ));
    row.status = status;
    row.also.extend(row.reason.replace(reason));
    row.also.retain(|other| *other != reason);
    row.also.sort();
    row.also.dedup();
    row.via = None;
}

fn at(step: CustodyStep, link: LinkFact) -> CustodyLink {
    let LinkFact { subject, state, evidence } = link;
    CustodyLink { step, subject, state, evidence }
}
