use std::collections::BTreeSet;

use assay_report::{ExitCode, SiteReport};

use super::*;
use crate::report::difference::{Baseline, Comparison};
use crate::report::sample;

/// The page of a report. If it has waivers, the page shows what changed since a week earlier.
fn site(report: &SiteReport) -> Result<String, askama::Error> {
    let mut site = SiteModel::from(report);
    if report.waivers.is_some() {
        let earlier = serde_json::to_vec(&sample::earlier()).unwrap();
        let mut comparison = Comparison::new(Baseline::read(earlier.as_slice()).unwrap());
        report.nodes.iter().for_each(|row| comparison.add(row));
        site.difference = Some(comparison.end());
    }
    render(&site)
}

fn samples() -> Vec<SiteReport> {
    [sample::all(40, 60), vec![sample::apart(5, 8)]].concat()
}

/// The tags of a page with their attributes. It understands only the forms that the template writes.
fn tags(page: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut tags = Vec::new();
    // The style and the script contain text, not tags.
    let page = page.replace(STYLE, "").replace(SCRIPT, "");
    for piece in page.split('<').skip(1) {
        let mut name_end = piece.find([' ', '>', '\n']).unwrap();
        if piece.starts_with("/") || piece.starts_with("!DOCTYPE") {
            continue;
        }
        let name = piece[..name_end].to_owned();
        let mut attributes = Vec::new();
        loop {
            let rest = piece[name_end..].trim_start();
            if rest.starts_with('>') || rest.starts_with("/>") {
                break;
            }
            let end = rest.find(['=', ' ', '>']).unwrap();
            let attribute = rest[..end].to_owned();
            let mut value = String::new();
            let mut after = end;
            if rest[end..].starts_with("=\"") {
                let close = rest[end + 2..].find('"').unwrap();
                value = rest[end + 2..end + 2 + close].to_owned();
                after = end + 3 + close;
            }
            attributes.push((attribute, value));
            name_end = piece.len() - rest.len() + after;
        }
        tags.push((name, attributes));
    }
    tags
}

#[test]
fn every_link_of_a_chain_says_its_state_in_a_word() {
    let page = site(&sample::site()).unwrap();
    let chains = page.matches("<details class=\"chain\"").count();
    assert!(chains > 10, "{chains}");
    // A whole chain is folded until the reader opens it.
    assert!(page.contains("<details class=\"chain\">") && page.contains("<details class=\"chain\" open>"));
    for words in ["</svg> proven</span>", "</svg> not proven</span>", "</svg> broken</span>"] {
        assert!(page.contains(words), "{words}");
    }
    for summary in ["every link is proven", "broken at the snapshot", "broken at the root certificate"] {
        assert!(page.contains(summary), "{summary}");
    }
}

#[test]
fn equal_reports_give_equal_pages() {
    for report in samples() {
        assert_eq!(site(&report).unwrap(), site(&report.clone()).unwrap());
    }
}

#[test]
fn the_policy_names_exactly_the_style_and_the_script_of_the_page() {
    assert_eq!(source(""), "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    for report in samples() {
        let page = site(&report).unwrap();
        let policy = format!("content=\"{}\"", policy().replace('\'', "&#39;"));
        assert!(page.contains(&policy));
        let between = |open: &str, close: &str| {
            let (_, rest) = page.split_once(open).unwrap();
            rest.split_once(close).unwrap().0.to_owned()
        };
        assert_eq!(between("<style>", "</style>"), STYLE);
        assert_eq!(between("<script>", "</script>"), SCRIPT);
        assert_eq!((page.matches("<style").count(), page.matches("<script").count()), (1, 1));
    }
    assert!(
        !STYLE.contains("</")
            && !SCRIPT.contains("</")
            && !STYLE.contains("url(h")
            && !STYLE.contains("@import")
    );
}

/// Whatever the names are, the page has only the template's tags and attributes, and no address outside itself.
#[test]
fn names_never_become_markup() {
    let mut usual = BTreeSet::new();
    for report in [sample::waived(), sample::every_outcome(), sample::large(40, 60)] {
        for (name, attributes) in tags(&site(&report).unwrap()) {
            usual.extend(attributes.into_iter().map(|(attribute, _)| (name.clone(), attribute)));
            usual.insert((name, String::new()));
        }
    }
    assert!(usual.len() > 80);
    let page = site(&sample::hostile()).unwrap();
    let mut links = 0;
    for (name, attributes) in tags(&page) {
        assert!(usual.contains(&(name.clone(), String::new())), "{name}");
        for (attribute, value) in attributes {
            assert!(usual.contains(&(name.clone(), attribute.clone())), "{name} {attribute}");
            assert!(
                !attribute.starts_with("on") && attribute != "style" && attribute != "src",
                "{attribute}"
            );
            if attribute == "href" {
                links += 1;
                let own = value
                    .strip_prefix('#')
                    .is_some_and(|id| id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
                assert!(own || value == "data:,", "{value}");
            }
        }
    }
    assert!(links > 100);
    assert!(page.chars().all(|letter| letter == '\n'
        || letter == '\u{202f}'
        || clean::line(&letter.to_string(), 1) == letter.to_string()));
}

#[test]
fn every_link_leads_somewhere_and_no_anchor_is_there_twice() {
    for report in samples().into_iter().chain([sample::apart(30, 100)]) {
        let page = site(&report).unwrap();
        let all = tags(&page);
        let values = |wanted: &str| -> Vec<String> {
            let attributes = all.iter().flat_map(|(_, attributes)| attributes);
            attributes.filter(|(name, _)| name == wanted).map(|(_, value)| value.clone()).collect()
        };
        let ids = values("id");
        let different: BTreeSet<&String> = ids.iter().collect();
        assert_eq!(ids.len(), different.len());
        for link in values("href").iter().filter_map(|link| link.strip_prefix('#')) {
            assert!(different.contains(&link.to_owned()), "{link}");
        }
        for label in values("aria-labelledby") {
            assert!(different.contains(&label), "{label}");
        }
    }
}

#[test]
fn shows_the_verdict_of_the_report_first() {
    for (report, word) in [
        (sample::site(), "Failed"),
        (sample::every_outcome(), "Incomplete"),
        (sample::all_passed(), "Passed"),
    ] {
        let page = site(&report).unwrap();
        let heading = format!("<h1 id=\"verdict\" tabindex=\"-1\">{word}</h1>");
        let at = page.find(&heading).unwrap();
        assert!(page.find("<h2").unwrap() > at);
        assert_eq!(page.contains("id=\"problems\""), report.verdict != ExitCode::Passed);
    }
}

#[test]
fn renders_a_site_without_nodes() {
    let mut empty = sample::site();
    empty.nodes.clear();
    let page = site(&SiteReport::new(empty.run, empty.collector, empty.inputs, empty.nodes)).unwrap();
    assert!(page.contains(">Incomplete</h1>"));
}

/// Details that do not fit are counted, and problems stay on the page.
#[test]
fn bounds_the_page_and_keeps_the_problems() {
    let report = sample::apart(30, 100);
    let page = site(&report).unwrap();
    assert_eq!(page.matches("<details class=\"image\"").count(), DETAILS);
    assert_eq!(page.matches("data-s=\"failed\" data-n").count() as u64, report.summary.images.failed);
    assert!(page.contains("1000 more images"));
    let small = site(&sample::large(40, 60)).unwrap();
    let large = site(&sample::large(400, 60)).unwrap();
    assert!(large.len() < small.len() * 4, "{} and {}", small.len(), large.len());
}
