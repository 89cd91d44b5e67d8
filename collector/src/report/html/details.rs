//! Shows an image in full: its results, signature by signature and check by check.

use std::collections::BTreeSet;

use assay_report::words::plural;
use assay_report::{
    Check, CheckResult, ContainerUse, ContentMode, Custody, CustodyLink, Image, LinkState, List, Reason,
    Signature, WaivedImage,
};
use assay_verifier::time::UnixTime;

use super::images::ImageEntry;
use super::mark::Mark;
use super::node_list::{NodeList, NodeNames};
use super::{expiry, signers};
use crate::clean;
use crate::report::drift::{self, ContainerDrift};
use crate::report::model::ImageResult;
use crate::report::text;
use crate::report::text::{count, number};
use crate::report::{custody, explanation, names, words};

/// Items of one kind that are shown of one image.
const SHOWN: usize = 20;

/// An image as the page shows it.
pub(super) struct ImageView {
    pub(super) id: String,
    pub(super) mark: Mark,
    pub(super) name: String,
    pub(super) digest: String,
    pub(super) short_digest: String,
    /// Its nodes.
    pub(super) nodes: NodeList,
    /// The reason of its worst result; empty if it passed everywhere.
    pub(super) reason: &'static str,
    /// Such as `failed on 1 of them`; empty if all nodes agree.
    pub(super) differs: String,
    pub(super) references: Vec<String>,
    pub(super) media_type: String,
    pub(super) size: String,
    pub(super) results: Vec<ResultView>,
}

/// A result that some nodes agree on.
pub(super) struct ResultView {
    pub(super) mark: Mark,
    pub(super) nodes: NodeList,
    /// The waiver that covers it.
    pub(super) waiver: Option<WaiverView>,
    /// The reason's code and heading.
    pub(super) reason: Option<(&'static str, &'static str)>,
    /// The codes of other reasons.
    pub(super) also: Vec<&'static str>,
    pub(super) message: String,
    pub(super) hint: String,
    pub(super) via: Option<&'static str>,
    pub(super) policy: String,
    pub(super) platforms: String,
    pub(super) content: String,
    pub(super) mismatched: Vec<Blob>,
    pub(super) more_mismatched: u64,
    pub(super) rootfs: Option<Files>,
    /// What is known of writable layers, and those that are not clean; none if they were not looked at.
    pub(super) drift: Option<(String, Vec<ContainerDrift>)>,
    pub(super) in_use: Vec<String>,
    /// Chains of custody, on the first node.
    pub(super) chains: Vec<ChainView>,
    pub(super) more_chains: u64,
    pub(super) signatures: Vec<SignatureView>,
    pub(super) more_signatures: u64,
}

/// The waiver that covers a result.
pub(super) struct WaiverView {
    pub(super) reason: String,
    pub(super) approver: String,
    pub(super) until: String,
}

/// A blob that does not match its descriptor.
pub(super) struct Blob {
    pub(super) digest: String,
    pub(super) media_type: String,
    pub(super) found: String,
}

/// The result of comparing the unpacked files.
pub(super) struct Files {
    pub(super) summary: String,
    pub(super) differing: Vec<String>,
}

/// The chain of custody of a container.
pub(super) struct ChainView {
    pub(super) container: String,
    pub(super) mark: Mark,
    /// Such as `broken at the snapshot`.
    pub(super) summary: String,
    pub(super) is_whole: bool,
    pub(super) links: Vec<LinkView>,
}

/// A link of a chain of custody.
pub(super) struct LinkView {
    pub(super) mark: Mark,
    pub(super) step: &'static str,
    pub(super) state: &'static str,
    /// Whether it is the one that the summary names.
    pub(super) is_first: bool,
    pub(super) subject: String,
    pub(super) evidence: String,
}

/// A signature as the page shows it.
pub(super) struct SignatureView {
    pub(super) mark: Mark,
    pub(super) digest: String,
    pub(super) signer: String,
    /// The anchor of the signer, if it is on the page.
    pub(super) signer_id: Option<String>,
    /// Headings and texts of further facts.
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) chain: Vec<CertificateView>,
    pub(super) metadata: Vec<(String, String)>,
    pub(super) checks: Vec<CheckView>,
}

/// A certificate of a chain.
pub(super) struct CertificateView {
    /// The anchor of its expiry, if that is on the page.
    pub(super) id: Option<String>,
    pub(super) subject: String,
    pub(super) not_after: String,
    pub(super) expired: bool,
    pub(super) sha256: String,
}

/// One check.
pub(super) struct CheckView {
    pub(super) name: String,
    pub(super) mark: Mark,
    pub(super) action: &'static str,
    pub(super) code: String,
    pub(super) message: String,
}

/// Makes views of images.
pub(super) struct Details<'a> {
    /// The site's nodes.
    pub(super) nodes: &'a NodeNames,
    /// When the run began. Certificates count as expired at this time.
    pub(super) now: UnixTime,
    /// Anchors of certificates that are on the page.
    pub(super) certificates: &'a BTreeSet<&'a str>,
    /// Anchors of signers that are on the page.
    pub(super) signers: &'a BTreeSet<&'a str>,
}

impl Details<'_> {
    pub(super) fn image(&self, entry: &ImageEntry<'_>) -> Option<ImageView> {
        let worst = entry.results.first()?;
        let places: Vec<usize> = entry.cells.keys().copied().collect();
        let differs = if entry.results.len() > 1 {
            let same = entry.cells.values().filter(|mark| **mark == entry.mark).count();
            if same < places.len() {
                format!("{} on {same} of them", entry.mark.word())
            } else {
                "for different reasons".into()
            }
        } else {
            String::new()
        };
        Some(ImageView {
            id: entry.id.clone(),
            mark: entry.mark,
            name: entry.name.clone(),
            digest: worst.image.digest.as_str().into(),
            short_digest: names::short_digest(&worst.image),
            nodes: self.nodes.list(&places),
            reason: worst.image.reason.map_or("", |reason| explanation::reason(reason).title),
            differs,
            references: shown(
                entry.references.iter(),
                worst.image.omitted.count(List::References),
                |reference| clean::name(reference),
            ),
            media_type: clean::name(&worst.image.media_type),
            size: text::size(worst.image.size),
            results: entry.results.iter().take(SHOWN).map(|judged| self.result(judged)).collect(),
        })
    }

    fn result(&self, judged: &ImageResult) -> ResultView {
        let image = &judged.image;
        let omitted = |list| image.omitted.count(list);
        let rootfs = image.rootfs.as_ref().map(|rootfs| Files {
            summary: match omitted(List::Differing).saturating_add(rootfs.differing.len() as u64) {
                0 if rootfs.why.is_some() => {
                    format!("not compared: {}", clean::name(rootfs.why.as_deref().unwrap_or_default()))
                }
                0 => format!(
                    "{} compared with the signed layers, no difference",
                    count(rootfs.snapshots, "snapshot")
                ),
                differing => format!(
                    "{} of {} differ from the signed layers",
                    count(differing, "file"),
                    count(rootfs.snapshots, "snapshot")
                ),
            },
            differing: shown(rootfs.differing.iter(), omitted(List::Differing), |file| clean::name(file)),
        });
        let chains = custody::worst_first(image);
        ResultView {
            mark: Mark::of_result(judged),
            waiver: judged.waiver.as_ref().map(waiver),
            nodes: self.nodes.list(&judged.nodes),
            reason: image.reason.map(|reason| (Reason::as_str(reason), explanation::reason(reason).title)),
            also: words::codes(image).split_off(image.reason.iter().len()),
            message: image.message.as_deref().map(clean::message).unwrap_or_default(),
            hint: image.hint.as_deref().map(clean::message).unwrap_or_default(),
            via: image.via.map(words::via),
            policy: image.policy.as_deref().map(clean::name).unwrap_or_default(),
            platforms: shown(image.platforms.iter(), omitted(List::Platforms), |platform| {
                clean::name(platform)
            })
            .join(", "),
            content: content(judged),
            mismatched: image
                .content
                .mismatched
                .iter()
                .take(SHOWN)
                .map(|blob| Blob {
                    digest: blob.digest.as_str().into(),
                    media_type: clean::name(&blob.media_type),
                    found: clean::name(&blob.found),
                })
                .collect(),
            more_mismatched: omitted(List::Mismatched)
                .saturating_add(image.content.mismatched.len().saturating_sub(SHOWN) as u64),
            rootfs,
            drift: drift(image),
            in_use: running(judged),
            chains: chains.iter().take(SHOWN).map(|chain| view(*chain)).collect(),
            more_chains: omitted(List::Custody).saturating_add(chains.len().saturating_sub(SHOWN) as u64),
            signatures: image
                .signatures
                .iter()
                .take(SHOWN)
                .map(|signature| self.signature(signature))
                .collect(),
            more_signatures: omitted(List::Signatures)
                .saturating_add(image.signatures.len().saturating_sub(SHOWN) as u64),
        }
    }

    fn signature(&self, signature: &Signature) -> SignatureView {
        let mut facts = Vec::new();
        let mut fact = |name, value: Option<String>| facts.extend(value.map(|value| (name, value)));
        fact("Envelope", signature.envelope.as_deref().map(clean::name));
        fact("Found in", Some(source(&signature.source)));
        fact("Policy statement", signature.policy.as_deref().map(clean::name));
        fact("Signed", signature.signing_time.map(text::time));
        let left_out = |list, what| {
            let more = signature.omitted.count(list);
            (more > 0).then(|| format!("{} more {what} are not in the report", number(more)))
        };
        fact("Chain", left_out(List::Chain, "certificates"));
        fact("Signed annotations", left_out(List::UserMetadata, "annotations"));
        fact(
            "Timestamp",
            signature.timestamp.as_ref().map(|stamp| {
                let (time, tsa) = (text::time(stamp.time), clean::name(&stamp.tsa));
                format!("{time} ± {} s by {tsa}", stamp.accuracy)
            }),
        );
        let known = |anchors: &BTreeSet<&str>, id: String| anchors.contains(id.as_str()).then_some(id);
        let intact = signature.checks.integrity.result == CheckResult::Passed;
        SignatureView {
            signer_id: signature
                .signer
                .as_deref()
                .filter(|_| intact)
                .and_then(|signer| known(self.signers, signers::anchor(signer))),
            mark: signature.status.into(),
            digest: signature.digest.as_str().into(),
            signer: signature
                .signer
                .as_deref()
                .map_or_else(|| "not known, because integrity is not proven".into(), clean::name),
            facts,
            chain: signature
                .chain
                .iter()
                .take(SHOWN)
                .map(|certificate| CertificateView {
                    id: known(self.certificates, expiry::anchor(&certificate.sha256)),
                    subject: clean::name(&certificate.subject),
                    not_after: text::day(certificate.not_after),
                    expired: certificate.not_after < self.now,
                    sha256: clean::name(&certificate.sha256),
                })
                .collect(),
            metadata: signature
                .user_metadata
                .iter()
                .take(SHOWN)
                .map(|(name, value)| (clean::name(name), clean::name(value)))
                .collect(),
            checks: checks(signature),
        }
    }
}

fn view((container, custody): (&ContainerUse, &Custody)) -> ChainView {
    let state = custody.first_broken().map_or(LinkState::Proven, |link| link.state);
    let link = |link: &CustodyLink| LinkView {
        mark: link.state.into(),
        step: custody::step(link.step),
        state: custody::state(link.state),
        is_first: custody.broken == Some(link.step),
        subject: clean::name(&link.subject),
        evidence: clean::message(&link.evidence),
    };
    ChainView {
        container: custody::name(container),
        mark: state.into(),
        summary: custody::summary(custody),
        is_whole: custody.is_whole(),
        links: custody.links.iter().map(link).collect(),
    }
}

fn waiver(waiver: &WaivedImage) -> WaiverView {
    WaiverView {
        reason: clean::message(&waiver.reason),
        approver: clean::name(&waiver.approver),
        until: text::time(waiver.expires),
    }
}

fn checks(signature: &Signature) -> Vec<CheckView> {
    let view = |(name, check): (&str, &Check)| CheckView {
        name: title(name),
        mark: check.result.into(),
        action: words::action(check.action),
        code: check.code.as_deref().map(clean::name).unwrap_or_default(),
        message: check.message.as_deref().map(clean::message).unwrap_or_default(),
    };
    let mut views: Vec<CheckView> = signature.checks.named().into_iter().map(view).collect();
    let target = &signature.target;
    // a signature of another image does not sign this one, whatever the policy says
    let action = if target.result == CheckResult::Skipped { "skipped" } else { "enforced" };
    views.push(CheckView {
        name: "Names this image".to_owned(),
        mark: target.result.into(),
        action,
        code: target.code.as_deref().map(clean::name).unwrap_or_default(),
        message: target.message.as_deref().map(clean::message).unwrap_or_default(),
    });
    views
}

/// The same with a capital.
fn title(name: &str) -> String {
    let (first, rest) = name.split_at(1);
    first.to_ascii_uppercase() + rest
}

/// The result of hashing the content, in a sentence.
fn content(judged: &ImageResult) -> String {
    let (least, most) = &judged.content;
    let range = |least: u64, most: u64| {
        if least == most { number(least) } else { format!("{} to {}", number(least), number(most)) }
    };
    let asked = match least.mode {
        ContentMode::Full => "everything hashed",
        ContentMode::Metadata => "indexes, manifests and configs hashed",
        ContentMode::None => return "not hashed, as the run asked".into(),
    };
    let bytes = if least.bytes == most.bytes {
        text::size(least.bytes)
    } else {
        format!("{} to {}", text::size(least.bytes), text::size(most.bytes))
    };
    let mut sentence = format!(
        "{asked}: {} matching {}, {bytes}",
        range(least.checked, most.checked),
        plural(most.checked, "blob")
    );
    if most.absent > 0 {
        sentence.push_str(&format!("; {} not on the node", range(least.absent, most.absent)));
    }
    sentence
}

/// What is known of the writable layers of the containers on the first node, and those that are not clean.
fn drift(image: &Image) -> Option<(String, Vec<ContainerDrift>)> {
    let looked_at = image.in_use.iter().filter(|container| container.drift.is_some()).count();
    let told = drift::worth_telling(image).count();
    let rest = match (looked_at, looked_at - told) {
        (0, _) => return None,
        (_, 0) => String::new(),
        (_, clean) => format!("{} with the files of the image and no others", count(clean, "container")),
    };
    Some((rest, drift::containers(image)))
}

/// Where a signature was found. For a bundle only the file's name: its folder was made for the visit.
fn source(source: &str) -> String {
    clean::name(source.rsplit(['/', '\\']).next().unwrap_or(source))
}

/// The containers that run the image: those on the first node, and the number on all nodes.
fn running(judged: &ImageResult) -> Vec<String> {
    let mut texts = shown(judged.image.in_use.iter(), judged.image.omitted.count(List::InUse), custody::name);
    if judged.containers > judged.image.in_use.len() as u64 {
        let all = count(judged.containers, "container");
        let example = if texts.is_empty() { "" } else { ", on the first:" };
        texts.insert(0, format!("{all} on these nodes{example}"));
    }
    texts
}

/// The first of `items` and the number of others. The node's report left out `omitted` of them.
fn shown<T>(
    mut items: impl ExactSizeIterator<Item = T>,
    omitted: u64,
    mut show: impl FnMut(T) -> String,
) -> Vec<String> {
    let more = omitted.saturating_add(items.len().saturating_sub(SHOWN) as u64);
    let mut texts: Vec<String> = items.by_ref().take(SHOWN).map(&mut show).collect();
    if more > 0 {
        texts.push(format!("and {} more", number(more)));
    }
    texts
}
