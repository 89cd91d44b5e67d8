//! Shows what expires when, as a table with bars. Chains link to the rows of their certificates.

use std::collections::HashSet;

use super::images::{ImageLinks, ImageList};
use crate::clean;
use crate::report::model::SiteModel;
use crate::report::names::short_hex;
use crate::report::text::count;
use crate::report::{expiry, text};

/// Rows that are shown, the earliest first. Real sites have a handful.
const ROWS: usize = 200;

/// Days that a full bar stands for.
const SCALE: i64 = 730;

/// The length of a full bar, in units of the page.
pub(super) const BAR: i64 = 200;

/// Something that expires within this many days expires soon.
const SOON: i64 = 30;

/// A row: something that expires.
pub(super) struct Expiry {
    /// Its anchor; empty if another row has the same.
    pub(super) id: String,
    /// Its kind.
    pub(super) kind: &'static str,
    /// Its name, cleaned.
    pub(super) subject: String,
    /// The start of its digest.
    pub(super) sha256: String,
    /// The day on which it expires.
    pub(super) day: String,
    /// Such as `in 41 days`.
    pub(super) left: String,
    /// `expired`, `soon` or `later`.
    pub(super) class: &'static str,
    /// The bar's length.
    pub(super) bar: i64,
    /// The images that depend on it.
    pub(super) used: ImageList,
}

/// Everything that expires, the earliest first, and the number of rows left out.
pub(super) fn rows(site: &SiteModel, names: &ImageLinks<'_>) -> (Vec<Expiry>, usize) {
    let now = site.run.started;
    let all = expiry::endings(site);
    let omitted = all.len().saturating_sub(ROWS);
    let mut ids = HashSet::new();
    let rows = all.into_iter().take(ROWS).map(|ending| {
        let days = text::days(now, ending.end);
        let id = anchor(ending.sha256);
        Expiry {
            // digests differ, unless a hostile report repeats one; the first row then has the anchor
            id: if ids.insert(id.clone()) { id } else { String::new() },
            kind: ending.kind,
            subject: clean::name(ending.subject),
            sha256: short_hex(ending.sha256),
            day: text::day(ending.end),
            left: match days {
                0 => "today".into(),
                1.. => format!("in {}", count(days.unsigned_abs() as usize, "day")),
                _ => format!("{} ago", count(days.unsigned_abs() as usize, "day")),
            },
            class: match days {
                _ if ending.end < now => "expired",
                ..=SOON => "soon",
                _ => "later",
            },
            bar: (days.clamp(0, SCALE) * BAR / SCALE).max(2),
            used: names.list(&ending.images),
        }
    });
    (rows.collect(), omitted)
}

/// The anchor of a certificate or revocation list: `cert-` and the first digits of its digest.
pub(super) fn anchor(sha256: &str) -> String {
    let digits: String = sha256.chars().filter(char::is_ascii_hexdigit).take(16).collect();
    format!("cert-{}", digits.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::html::images;
    use crate::report::sample;

    #[test]
    fn lists_each_once_the_earliest_first() {
        let report = sample::large(30, 20);
        let site = SiteModel::from(&report);
        let (rows, omitted) = rows(&site, &ImageLinks::new(&images::entries(&site)));
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
        assert!(rows[2].used.text.ends_with("images") && rows[2].used.links.len() > 20);
    }
}
