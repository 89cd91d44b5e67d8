//! Renders the report as one HTML page: the site's verdict first, then the problems and what to do, then everything.
//!
//! The page is one file and requests nothing. Its content security policy forbids every request, and every script and style
//! except its own, which it names by their hashes. Text of nodes, registries and operators is cleaned ([`clean`]) and escaped
//! by the template engine; it never becomes an address, a style or a script. Everything can be read without the script, which
//! only filters, sorts and opens.
//!
//! The page grows with the differences, not with the nodes: an image that is the same on five hundred nodes is shown once.
//! Anchors: `#problems`, `#outliers`, `#changes`, `#picture`, `#nodes`, `#images`, `#waivers`, `#signers`, `#expiry`, `#inputs`, and
//! `#image-`, `#cert-` and `#signer-` with the first 16 digits of the digest of an image, a certificate, a signer's name.

mod changes;
mod details;
mod expiry;
mod images;
mod inputs;
mod mark;
mod node_list;
mod nodes;
mod outliers;
mod picture;
mod problems;
mod signers;
mod verdict;
mod waivers;

use std::collections::BTreeSet;

use askama::Template;
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use self::changes::ChangesView;
use self::details::{Details, ImageView};
use self::expiry::Expiry;
use self::images::{DETAILS, ImageLinks};
use self::inputs::InputsView;
use self::mark::Mark;
use self::node_list::NodeNames;
use self::nodes::{NodeView, RecordView};
use self::outliers::Outlier;
use self::picture::Picture;
use self::problems::ProblemView;
use self::signers::SignerView;
use self::verdict::{Card, Share, VerdictView};
use self::waivers::WaiversView;
use super::model::SiteModel;
use super::text;
use crate::clean;

const STYLE: &str = include_str!("../../../templates/report.css");
const SCRIPT: &str = include_str!("../../../templates/report.js");

#[derive(Template)]
#[template(path = "report.html", whitespace = "minimize")]
struct Page {
    policy: String,
    style: &'static str,
    script: &'static str,
    title: String,
    verdict: VerdictView,
    cards: Vec<Card>,
    shares: Vec<Share>,
    run: Vec<(&'static str, String)>,
    problems: Vec<ProblemView>,
    picture: Picture,
    nodes: Vec<NodeView>,
    images: Vec<ImageView>,
    images_omitted: usize,
    outliers: Vec<Outlier>,
    outliers_omitted: usize,
    changes: Option<ChangesView>,
    waivers: Option<WaiversView>,
    signers: Vec<SignerView>,
    signers_omitted: usize,
    expiry: Vec<Expiry>,
    expiry_omitted: usize,
    inputs: InputsView,
    records: Vec<RecordView>,
}

/// The page of a site.
///
/// # Errors
/// If the template engine cannot write. Writing to memory does not fail.
pub(super) fn render(report: &SiteModel) -> Result<String, askama::Error> {
    let nodes = NodeNames::new(&report.nodes);
    let entries = images::entries(report);
    let linked = ImageLinks::new(&entries);
    let (expiry, expiry_omitted) = expiry::rows(report, &linked);
    let certificates: BTreeSet<&str> =
        expiry.iter().map(|row| row.id.as_str()).filter(|id| !id.is_empty()).collect();
    let (signers, signers_omitted) = signers::views(report, &linked, &certificates);
    let signed_by: BTreeSet<&str> = signers.iter().map(|signer| signer.id.as_str()).collect();
    let details =
        Details { nodes: &nodes, now: report.run.started, certificates: &certificates, signers: &signed_by };
    let images: Vec<ImageView> =
        entries.iter().take(DETAILS).filter_map(|entry| details.image(entry)).collect();
    let (outliers, outliers_omitted) = outliers::find(&nodes, &entries);
    let verdict = verdict::view(report, &entries);
    let run = &report.run;
    let page = Page {
        policy: policy(),
        style: STYLE,
        script: SCRIPT,
        title: format!("{} · {} · assay", verdict.word, text::day(run.started)),
        cards: verdict::cards(report, &entries),
        shares: verdict::shares(report),
        run: run
            .site
            .iter()
            .map(|name| ("Site", clean::name(name)))
            .chain([
                ("Run", clean::name(&run.id)),
                ("Began", text::time(run.started)),
                ("Took", text::duration(run.started, run.finished)),
                ("Exit code", report.verdict.number().to_string()),
                ("assay", clean::name(&report.collector)),
            ])
            .collect(),
        verdict,
        problems: problems::views(report, &nodes, &images, &entries),
        picture: picture::draw(report, &nodes, &entries),
        nodes: nodes::views(report, &nodes),
        images_omitted: entries.len() - images.len(),
        images,
        outliers,
        outliers_omitted,
        changes: report.difference.as_ref().map(|difference| changes::view(difference, &nodes, &linked)),
        waivers: waivers::view(report),
        signers,
        signers_omitted,
        expiry,
        expiry_omitted,
        inputs: inputs::view(report, &nodes),
        records: nodes::records(report, &nodes),
    };
    page.render()
}

/// The content security policy: only the style and the script of this page are allowed.
fn policy() -> String {
    format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; img-src data:; base-uri 'none'; form-action 'none'",
        source(STYLE),
        source(SCRIPT),
    )
}

/// The hash of `text` as a source of a content security policy.
fn source(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(digest::digest(&digest::SHA256, text.as_bytes())))
}

#[cfg(test)]
mod tests;
