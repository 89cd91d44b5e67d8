//! Finds the host of a URI as the reference does. RFC 3986 and 6874, as in Go's net/url.

use alloc::string::String;
use core::net::Ipv6Addr;

/// The host of a URI with its port, without escapes, empty if there is none; `None` if the text is not a URI.
pub(super) fn host(text: &str) -> Option<String> {
    let (text, fragment) = text.split_once('#').unwrap_or((text, ""));
    if !has_good_escapes(fragment) || text.bytes().any(|byte| byte.is_ascii_control()) {
        return None;
    }
    if text == "*" {
        return Some(String::new());
    }
    let (scheme, rest) = split_scheme(text)?;
    let rest = rest.split('?').next().unwrap_or_default();
    if !rest.starts_with('/') {
        // after a scheme anything may follow; a relative path must not look like one that begins with a scheme
        let first = rest.split('/').next().unwrap_or_default();
        let is_good = !scheme.is_empty() || !first.contains(':') && has_good_escapes(rest);
        return is_good.then(String::new);
    }
    let authority = rest.strip_prefix("//").filter(|after| !scheme.is_empty() || !after.starts_with('/'));
    let Some(authority) = authority else { return has_good_escapes(rest).then(String::new) };
    let (authority, path) = authority.split_at(authority.find('/').unwrap_or(authority.len()));
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let is_good_user = user.bytes().all(|byte| byte.is_ascii_alphanumeric() || USER.contains(&byte));
    if !has_good_escapes(path) || !is_good_user || !has_good_escapes(user) {
        return None;
    }
    parse_host(scheme, host)
}

/// Splits a scheme off; it is empty if there is none. `None` for text that begins with a colon.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let is_letter = |(at, byte): (usize, u8)| {
        byte.is_ascii_alphabetic() || at > 0 && (byte.is_ascii_digit() || b"+-.".contains(&byte))
    };
    match text.split_once(':') {
        Some(("", _)) => None,
        Some((scheme, rest)) if scheme.bytes().enumerate().all(is_letter) => Some((scheme, rest)),
        _ => Some(("", text)),
    }
}

fn parse_host(scheme: &str, host: &str) -> Option<String> {
    let Some(literal) = host.strip_prefix('[') else {
        let is_web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
        let port = if is_web { host.find(':') } else { host.rfind(':') };
        let port = port.and_then(|at| host.get(at..)).unwrap_or_default();
        return if host.contains('[') || !is_port(port) { None } else { unescape(host) };
    };
    let (literal, port) = literal.rsplit_once(']')?;
    if literal.contains('[') || !is_port(port) {
        return None;
    }
    let (address, zone) = literal.split_at(literal.find("%25").unwrap_or(literal.len()));
    let address = unescape(address)?;
    let zone = unescape_zone(zone)?;
    // a zone is an escaped percent sign and a name
    if address.parse::<Ipv6Addr>().is_err() || zone == "%" {
        return None;
    }
    Some(alloc::format!("[{address}{zone}]{port}"))
}

/// Nothing, or a colon and digits, which may be none.
fn is_port(text: &str) -> bool {
    text.is_empty()
        || text.strip_prefix(':').is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether a byte may stand in a host, as in Go.
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"".contains(&byte)
}

/// A host without its escapes. The only escape is that of the percent sign: others are of bytes that no domain name has.
fn unescape(host: &str) -> Option<String> {
    let plain = host.replace("%25", "");
    plain.bytes().all(is_host_byte).then(|| host.replace("%25", "%"))
}

/// A zone of RFC 6874 without its escapes: of the percent sign, and of bytes that may stand in a host anyway.
fn unescape_zone(zone: &str) -> Option<String> {
    let mut plain = String::new();
    let mut rest = zone;
    while let Some(letter) = rest.chars().next() {
        let byte = if letter == '%' { escaped(rest)? } else { u8::try_from(letter).ok()? };
        let is_allowed = is_host_byte(byte) || letter == '%' && byte == b'%';
        if !is_allowed {
            return None;
        }
        plain.push(char::from(byte));
        rest = rest.get(if letter == '%' { 3 } else { 1 }..)?;
    }
    Some(plain)
}

/// Whether every percent sign is followed by two hex digits.
fn has_good_escapes(text: &str) -> bool {
    text.match_indices('%').all(|(at, _)| text.get(at..).is_some_and(|rest| escaped(rest).is_some()))
}

/// The byte that an escape at the beginning of `text` stands for.
fn escaped(text: &str) -> Option<u8> {
    let digits = text.get(1..3)?;
    // a sign would be taken for part of a number
    if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        u8::from_str_radix(digits, 16).ok()
    } else {
        None
    }
}

/// What may stand before the `@` of an authority, beside letters and digits.
const USER: &[u8] = b"-._:~!$&'()*+,;=%@";

#[cfg(test)]
mod tests {
    use super::*;

    /// What Go's `url.Parse(text).Host` is.
    #[test]
    fn hosts_as_go_reads_them() {
        for (text, want) in [
            ("", Some("")),
            ("*", Some("")),
            ("urn:%zz", Some("")),
            ("urn:a b", Some("")),
            ("ldap://h/cn=a b", Some("h")),
            ("ldap:///cn=a?b?%zz", Some("")),
            ("http://a.b:80/c?%zz", Some("a.b:80")),
            ("http://u:p@a.b", Some("a.b")),
            ("http://u@v@a.b", Some("a.b")),
            ("http://a.b:", Some("a.b:")),
            ("http://a%25b/", Some("a%b")),
            ("http://[::1]:8080/", Some("[::1]:8080")),
            ("http://[::ffff:192.0.2.1]/", Some("[::ffff:192.0.2.1]")),
            ("http://[fe80::1%25en0]/", Some("[fe80::1%en0]")),
            ("http://[fe80::1%25%65n]/", Some("[fe80::1%en]")),
            ("x://a:1:2/", Some("a:1:2")),
            ("//a.b/c", Some("a.b")),
            ("///c", Some("")),
            ("x:///c", Some("")),
            ("a/b:c", Some("")),
            ("a/%41", Some("")),
            ("a/%zz", None),
            ("1:c", None),
            ("http://[::1", None),
            ("http://[::1]x", None),
            ("http://[192.0.2.1]", None),
            ("http://[1::2::3]", None),
            ("http://[::1%25]", None),
            ("http://[::1%25%20]", None),
            ("http://[[::1]]", None),
            ("http://a[::1]", None),
            ("http://a:b", None),
            ("http://a:1:2/", None),
            ("http://a b/", None),
            ("http://a%41b/", None),
            ("http://a%zz/", None),
            ("http://u[@a", None),
            ("http://u%4@a", None),
            ("http://a/%zz", None),
            ("http://a/%+1", None),
            ("http://a/#%zz", None),
            ("http://a/\n", None),
            ("http://a/\u{7f}", None),
            (":a", None),
            ("cache_object:foo/bar", None),
        ] {
            assert_eq!(host(text).as_deref(), want, "{text}");
        }
    }
}
