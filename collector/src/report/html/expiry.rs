//! What expires when: signers' certificates, trust anchors, revocation lists. Nodes mostly agree; each is shown once.

use std::collections::{BTreeMap, BTreeSet};

use assay_shared::oci::Digest;
use assay_shared::report::SiteReport;
use assay_shared::time::UnixTime;

use crate::report::text;
use crate::report::text::count;
use crate::report::{clean, names};

/// Rows that are shown, the earliest first: a site has a handful.
const ROWS: usize = 200;

/// Days that a bar of full length stands for.
const SCALE: i64 = 730;

/// How long the longest bar is, in units of the page.
pub(super) const BAR: i64 = 200;

/// Days before its end from which on something ends soon.
const SOON: i64 = 30;

/// Something that ends.
pub(super) struct Expiry {
    /// What kind of thing.
    pub(super) kind: &'static str,
    /// Its name, cleaned.
    pub(super) subject: String,
    /// The start of its digest.
    pub(super) sha256: String,
    /// The day that it ends.
    pub(super) day: String,
    /// Such as `in 41 days`.
    pub(super) left: String,
    /// `expired`, `soon` or `later`.
    pub(super) class: &'static str,
    /// The bar's length.
    pub(super) bar: i64,
    /// What rests on it.
    pub(super) used: String,
}

/// Everything that ends, the earliest first, and how much was left out.
pub(super) fn of(report: &SiteReport) -> (Vec<Expiry>, usize) {
    let now = report.run.started;
    let mut known: BTreeMap<(UnixTime, &'static str, &str, &str), BTreeSet<&Digest>> = BTreeMap::new();
    for own in report.nodes.iter().filter_map(|node| node.accepted()) {
        for anchor in &own.inputs.trust_store {
            let kind = if anchor.store_type == "tsa" { "Timestamp anchor" } else { "Trust anchor" };
            known.entry((anchor.not_after, kind, &anchor.sha256, &anchor.subject)).or_default();
        }
        for crl in &own.inputs.crls {
            if let Some(next) = crl.next_update {
                known.entry((next, "Revocation list", &crl.sha256, &crl.issuer)).or_default();
            }
        }
        let anchors: BTreeSet<&str> =
            own.inputs.trust_store.iter().map(|anchor| anchor.sha256.as_str()).collect();
        for image in &own.images {
            for certificate in
                image.signatures.iter().flat_map(|signature| signature.chain.iter().enumerate())
            {
                let (at, certificate) = certificate;
                let kind = match at {
                    _ if anchors.contains(certificate.sha256.as_str()) => "Trust anchor",
                    0 => "Signing certificate",
                    _ => "Issuing certificate",
                };
                let key =
                    (certificate.not_after, kind, certificate.sha256.as_str(), certificate.subject.as_str());
                known.entry(key).or_default().insert(&image.digest);
            }
        }
    }
    let omitted = known.len().saturating_sub(ROWS);
    let rows = known.into_iter().take(ROWS).map(|((end, kind, sha256, subject), images)| {
        let days = text::days(now, end);
        Expiry {
            kind,
            subject: clean::name(subject),
            sha256: names::short_hex(sha256),
            day: text::day(end),
            left: match days {
                0 => "today".into(),
                1.. => format!("in {}", count(days.unsigned_abs() as usize, "day")),
                _ => format!("{} ago", count(days.unsigned_abs() as usize, "day")),
            },
            class: match days {
                _ if end < now => "expired",
                ..=SOON => "soon",
                _ => "later",
            },
            bar: (days.clamp(0, SCALE) * BAR / SCALE).max(2),
            used: if images.is_empty() { String::new() } else { count(images.len(), "image") },
        }
    });
    (rows.collect(), omitted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn each_once_the_earliest_first() {
        let report = sample::large(30, 20);
        let (rows, omitted) = of(&report);
        assert_eq!(omitted, 0);
        let kinds: Vec<(&str, &str)> = rows.iter().map(|row| (row.kind, row.class)).collect();
        assert_eq!(
            kinds,
            [
                ("Revocation list", "expired"),
                ("Revocation list", "soon"),
                ("Signing certificate", "later"),
                ("Timestamp anchor", "later"),
                ("Issuing certificate", "later"),
                ("Trust anchor", "later"),
            ]
        );
        assert_eq!((rows[0].left.as_str(), rows[1].left.as_str()), ("52 days ago", "in 9 days"));
        assert!(rows[2].used.ends_with("images"));
    }
}
