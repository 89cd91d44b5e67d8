//! Shows the signers of intact signatures, each with its chains, timestamps and images, and whether it is trusted.

use std::collections::{BTreeMap, BTreeSet};

use assay_report::{ChainCertificate, CheckResult, Signature, Status};
use assay_verifier::oci::Digest;
use assay_verifier::time::UnixTime;

use super::images::{ImageLinks, ImageList};
use super::mark::Mark;
use crate::clean;
use crate::report::model::SiteModel;
use crate::report::text::{self, count};

/// Signers that are shown. Real sites have a handful.
const SIGNERS: usize = 200;

/// Chains and authorities of one signer that are shown.
const SHOWN: usize = 20;

/// A signer.
pub(super) struct SignerView {
    /// Its anchor.
    pub(super) id: String,
    pub(super) name: String,
    /// Whether any of its signatures passed.
    pub(super) mark: Mark,
    /// Such as `38 signatures, 2 of them failed`.
    pub(super) signatures: String,
    pub(super) images: ImageList,
    /// The first and the last day on which it signed, if known.
    pub(super) signed: String,
    pub(super) chains: Vec<Vec<Link>>,
    pub(super) timestamps: Vec<String>,
}

/// A certificate of a chain.
pub(super) struct Link {
    pub(super) subject: String,
    pub(super) sha256: String,
    /// The anchor of its expiry, if that is on the page.
    pub(super) id: Option<String>,
    pub(super) until: String,
    pub(super) expired: bool,
}

#[derive(Default)]
struct Signer<'a> {
    signatures: BTreeMap<&'a Digest, &'a Signature>,
    images: BTreeSet<&'a Digest>,
    chains: BTreeMap<Vec<&'a str>, &'a [ChainCertificate]>,
    timestamps: BTreeSet<&'a str>,
    times: BTreeSet<UnixTime>,
}

/// All signers, those whose signatures failed first, and the number of those left out.
pub(super) fn views(
    site: &SiteModel,
    images: &ImageLinks<'_>,
    anchors: &BTreeSet<&str>,
) -> (Vec<SignerView>, usize) {
    let mut signers: BTreeMap<&str, Signer<'_>> = BTreeMap::new();
    for image in site.results.iter().map(|judged| &judged.image) {
        for signature in &image.signatures {
            let Some(name) = signature.signer.as_deref() else { continue };
            // a broken envelope may name any signer
            if signature.checks.integrity.result != CheckResult::Passed {
                continue;
            }
            let signer = signers.entry(name).or_default();
            signer.signatures.insert(&signature.digest, signature);
            signer.images.insert(&image.digest);
            let chain = signature.chain.iter().map(|certificate| certificate.sha256.as_str()).collect();
            signer.chains.insert(chain, &signature.chain);
            signer.timestamps.extend(signature.timestamp.iter().map(|stamp| stamp.tsa.as_str()));
            signer
                .times
                .extend(signature.timestamp.iter().map(|stamp| stamp.time).chain(signature.signing_time));
        }
    }
    let omitted = signers.len().saturating_sub(SIGNERS);
    let now = site.run.started;
    let mut views: Vec<SignerView> =
        signers.iter().map(|(name, signer)| view(name, signer, images, anchors, now)).collect();
    views.sort_by_key(|view| (view.mark, view.name.clone()));
    views.truncate(SIGNERS);
    (views, omitted)
}

fn view(
    name: &str,
    signer: &Signer<'_>,
    images: &ImageLinks<'_>,
    anchors: &BTreeSet<&str>,
    now: UnixTime,
) -> SignerView {
    let all = signer.signatures.len();
    let passed = signer.signatures.values().filter(|signature| signature.status == Status::Passed).count();
    let signatures = match all - passed {
        0 => format!("{}, all passed", count(all, "signature")),
        failed if failed == all => format!("{}, none passed", count(all, "signature")),
        failed => format!("{}, {} did not pass", count(all, "signature"), text::number(failed as u64)),
    };
    let link = |certificate: &ChainCertificate| {
        let id = super::expiry::anchor(&certificate.sha256);
        Link {
            subject: clean::name(&certificate.subject),
            sha256: crate::report::names::short_hex(&certificate.sha256),
            id: anchors.contains(id.as_str()).then_some(id),
            until: text::day(certificate.not_after),
            expired: certificate.not_after < now,
        }
    };
    SignerView {
        id: anchor(name),
        name: clean::name(name),
        mark: if passed == 0 { Mark::Failed } else { Mark::Passed },
        signatures,
        images: images.list(&signer.images),
        signed: match (signer.times.first(), signer.times.last()) {
            (Some(first), Some(last)) if text::day(*first) == text::day(*last) => text::day(*first),
            (Some(first), Some(last)) => format!("{} to {}", text::day(*first), text::day(*last)),
            _ => "no time is known".into(),
        },
        chains: signer
            .chains
            .values()
            .take(SHOWN)
            .map(|chain| chain.iter().take(SHOWN).map(link).collect())
            .collect(),
        timestamps: signer.timestamps.iter().take(SHOWN).map(|tsa| clean::name(tsa)).collect(),
    }
}

/// The anchor of a signer: `signer-` and the first digits of its name's digest.
pub(super) fn anchor(name: &str) -> String {
    format!("signer-{}", Digest::sha256(name.as_bytes()).hex().get(..16).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::html::images;
    use crate::report::sample;

    #[test]
    fn lists_each_signer_once_the_untrusted_first() {
        let site = SiteModel::from(&sample::site());
        let entries = images::entries(&site);
        let (signers, omitted) = views(&site, &ImageLinks::new(&entries), &BTreeSet::new());
        let names: Vec<(&str, Mark)> =
            signers.iter().map(|signer| (signer.name.as_str(), signer.mark)).collect();
        assert_eq!(omitted, 0);
        assert_eq!(names[0], ("CN=Someone Else,O=Elsewhere,C=US", Mark::Failed));
        assert_eq!(names.len(), 2);
        assert!(signers[1].images.links.len() > 10 && signers[1].chains[0].len() == 3);
    }
}
