//! Names of servers in URLs, and URLs as they may be shown.

use std::collections::BTreeSet;

use reqwest::Url;

/// Host and port of a URL as `--plain-http` names them: without the port if it is the scheme's own.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Whether a URL's host is among these names, with its port or, if that is the scheme's own, without.
pub(super) fn is_named(url: &Url, names: &BTreeSet<String>) -> bool {
    let full =
        format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default());
    let own = [authority(url), full];
    names.iter().any(|name| own.iter().any(|own| own.eq_ignore_ascii_case(name)))
}

/// A URL without its query, which may be a signature.
pub(super) fn without_query(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.to_string()
}
