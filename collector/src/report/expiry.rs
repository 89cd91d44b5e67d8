//! Collects what expires when: signing certificates, trust anchors and revocation lists, each once for all nodes.

use std::collections::{BTreeMap, BTreeSet};

use assay_verifier::oci::Digest;
use assay_verifier::time::UnixTime;

use super::model::SiteModel;

/// Something that expires.
#[derive(Debug)]
pub(super) struct Ending<'a> {
    /// When it expires.
    pub(super) end: UnixTime,
    /// Its kind.
    pub(super) kind: &'static str,
    /// Its digest in hex, as the node wrote it.
    pub(super) sha256: &'a str,
    /// Its name, or its issuer's, as the node wrote it.
    pub(super) subject: &'a str,
    /// Images with a signature that depends on it.
    pub(super) images: BTreeSet<&'a Digest>,
}

/// Everything that expires, the earliest first.
pub(super) fn endings(site: &SiteModel) -> Vec<Ending<'_>> {
    type Key<'a> = (UnixTime, &'static str, &'a str, &'a str);
    let mut anchors = BTreeSet::new();
    let mut known: BTreeMap<Key<'_>, BTreeSet<&Digest>> = BTreeMap::new();
    for own in site.nodes.iter().filter_map(|node| node.accepted()) {
        for anchor in &own.inputs.trust_store {
            let kind = if anchor.store_type == "tsa" { "Timestamp anchor" } else { "Trust anchor" };
            known.entry((anchor.not_after, kind, &anchor.sha256, &anchor.subject)).or_default();
        }
        for crl in &own.inputs.crls {
            if let Some(next) = crl.next_update {
                known.entry((next, "Revocation list", &crl.sha256, &crl.issuer)).or_default();
            }
        }
        anchors.extend(own.inputs.trust_store.iter().map(|anchor| anchor.sha256.as_str()));
    }
    for image in site.results.iter().map(|judged| &judged.image) {
        let chains = image.signatures.iter().flat_map(|signature| signature.chain.iter().enumerate());
        for (at, certificate) in chains {
            let kind = match at {
                _ if anchors.contains(certificate.sha256.as_str()) => "Trust anchor",
                0 => "Signing certificate",
                _ => "Issuing certificate",
            };
            let key = (certificate.not_after, kind, &*certificate.sha256, &*certificate.subject);
            known.entry(key).or_default().insert(&image.digest);
        }
    }
    let ending = |((end, kind, sha256, subject), images)| Ending { end, kind, sha256, subject, images };
    known.into_iter().map(ending).collect()
}
