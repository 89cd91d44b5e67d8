//! Compares the names in certificates with the constraints of the CAs above them. RFC 5280 section 4.2.1.10.
//!
//! Directory names, DNS names, mail addresses, URIs and IP addresses are compared; a constraint of another kind cannot be
//! met. Host names are compared in ASCII without regard to case, values of directory names without regard to case and to
//! how much white space there is (section 7.1).

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::net::IpAddr;

use super::certificate::Certificate;
use super::general_name::{GeneralName, is_domain, mailbox};
use super::name::{Attribute, DistinguishedName};
use super::name_constraints::NameConstraints;
use super::{oid, uri};
use crate::limits;

/// A name of a certificate, made comparable; `None` if it is of a form that cannot be compared.
enum Name<'a> {
    Host(Option<&'a str>),
    /// Local part and host
    Mail(Option<(Vec<u8>, &'a str)>),
    /// The host
    Uri(Option<String>),
    Address(&'a [u8]),
    Directory(Option<Directory>),
}

/// The base of a subtree, made comparable.
enum Base<'a> {
    Host(&'a str),
    Mailbox(Vec<u8>, &'a str),
    /// All mailboxes of a host
    MailHost(&'a str),
    /// All URIs of a host
    UriHost(&'a str),
    /// Network and mask
    Addresses(&'a [u8], &'a [u8]),
    Directory(Directory),
}

/// The relative names of a directory name, each a sorted list of types and values.
type Directory = Vec<Vec<(String, String)>>;

/// Checks the names in every certificate of `path`, leaf first, against the constraints of those above it. With `all`, names
/// of a form that cannot be compared are not allowed under any constraint, as in the reference, otherwise only under
/// constraints of their kind.
///
/// # Errors
/// The positions of a certificate whose name is not allowed, and of the one whose constraints say so.
pub(super) fn check(path: &[Certificate], all: bool) -> Result<(), (usize, usize)> {
    let is_constrained = |certificate: &Certificate| certificate.extension(oid::NAME_CONSTRAINTS).is_some();
    let Some(last) = path.iter().rposition(is_constrained) else { return Ok(()) };
    let names: Vec<_> = path.iter().take(last).enumerate().map(|(at, one)| names(one, at == 0)).collect();
    let mut comparisons = limits::NAME_COMPARISONS;
    for (at, ca) in path.iter().enumerate() {
        let Some(extension) = ca.extension(oid::NAME_CONSTRAINTS) else { continue };
        // It has no effect on the certificate that carries it; what is not evaluated is not met all the same.
        let subtrees = NameConstraints::read(&extension.value)
            .and_then(|read| Subtrees::comparable(&read))
            .ok_or((at, at))?;
        for (below, names) in names.iter().take(at).enumerate() {
            if !names.iter().all(|name| subtrees.allow(name, all, &mut comparisons)) {
                return Err((below, at));
            }
        }
    }
    Ok(())
}

/// The names that constraints are compared with.
fn names(certificate: &Certificate, is_leaf: bool) -> Vec<Name<'_>> {
    let subject = certificate.subject();
    let alternative = certificate.extension(oid::SUBJECT_ALTERNATIVE_NAME);
    let alternative = alternative.and_then(|extension| GeneralName::alternative_names(&extension.value));
    let mut names: Vec<Name<'_>> = alternative.into_iter().flatten().filter_map(Name::comparable).collect();
    // RFC 5280: addresses in the subject count if there are none among the alternative names
    if !names.iter().any(|name| matches!(name, Name::Mail(_))) {
        let addresses = subject.attributes().iter().filter(|attribute| attribute.oid == EMAIL_ADDRESS);
        names.extend(addresses.map(|attribute| Name::Mail(mailbox(&attribute.value))));
    }
    // a CA that renews itself keeps the name that was given to it from above
    let renews_itself = !is_leaf && certificate.issuer_der() == certificate.subject_der();
    if !subject.attributes().is_empty() && !renews_itself {
        names.push(Name::Directory(Some(directory(subject))));
    }
    names
}

impl<'a> Name<'a> {
    /// An alternative name; `None` for a kind that is not compared.
    fn comparable(name: GeneralName<'a>) -> Option<Self> {
        Some(match name {
            GeneralName::Host(text) => Self::Host(Some(text).filter(|text| is_domain(text))),
            GeneralName::Mail(text) => Self::Mail(mailbox(text)),
            GeneralName::Uri(text) => Self::Uri(uri_host(text)),
            GeneralName::Address(bytes) => Self::Address(bytes),
            GeneralName::Directory(der) => {
                Self::Directory(DistinguishedName::parse(der).map(|name| directory(&name)))
            }
            GeneralName::Other => return None,
        })
    }

    fn is_comparable(&self) -> bool {
        !matches!(self, Self::Host(None) | Self::Mail(None) | Self::Uri(None) | Self::Directory(None))
    }

    fn is_of_kind(&self, base: &Base<'_>) -> bool {
        matches!(
            (self, base),
            (Self::Host(_), Base::Host(_))
                | (Self::Mail(_), Base::Mailbox(..) | Base::MailHost(_))
                | (Self::Uri(_), Base::UriHost(_))
                | (Self::Address(_), Base::Addresses(..))
                | (Self::Directory(_), Base::Directory(_))
        )
    }

    /// Whether this name lies in a subtree. Where RFC 5280 means one host and the reference all below it too, `wide` says
    /// which of them counts.
    fn is_within(&self, base: &Base<'_>, wide: bool) -> bool {
        match (self, base) {
            (Self::Host(Some(host)), Base::Host(domain)) => {
                is_host(host, domain) || is_below(host, domain) || wide && is_wildcard_beside(host, domain)
            }
            (Self::Mail(Some((local, host))), Base::Mailbox(other, domain)) => {
                local == other && host.eq_ignore_ascii_case(domain)
            }
            (Self::Mail(Some((_, host))), Base::MailHost(domain)) => is_host_of(host, domain, wide),
            (Self::Uri(Some(host)), Base::UriHost(domain)) => is_host_of(host, domain, wide),
            (Self::Address(address), Base::Addresses(network, mask)) => {
                let octets = address.iter().zip(*network).zip(*mask);
                address.len() == network.len()
                    && octets.into_iter().all(|((octet, network), mask)| octet & mask == network & mask)
            }
            (Self::Directory(Some(name)), Base::Directory(base)) => name.starts_with(base),
            _ => false,
        }
    }
}

/// Subtrees, made comparable.
struct Subtrees<'a> {
    permitted: Vec<Base<'a>>,
    excluded: Vec<Base<'a>>,
}

impl<'a> Subtrees<'a> {
    /// None where not all of the constraints can be evaluated.
    fn comparable(constraints: &NameConstraints<'a>) -> Option<Self> {
        if constraints.has_distances {
            return None;
        }
        let bases =
            |list: &[GeneralName<'a>]| list.iter().map(|name| Base::comparable(*name)).collect::<Option<_>>();
        Some(Self { permitted: bases(&constraints.permitted)?, excluded: bases(&constraints.excluded)? })
    }

    fn allow(&self, name: &Name<'_>, all: bool, comparisons: &mut usize) -> bool {
        let count = self.permitted.len().saturating_add(self.excluded.len());
        let Some(left) = comparisons.checked_sub(count) else { return false };
        *comparisons = left;
        let mut permitted = self.permitted.iter().filter(|base| name.is_of_kind(base)).peekable();
        let mut excluded = self.excluded.iter().filter(|base| name.is_of_kind(base)).peekable();
        if !name.is_comparable() {
            return !all && permitted.peek().is_none() && excluded.peek().is_none();
        }
        !excluded.any(|base| name.is_within(base, true))
            && (permitted.peek().is_none() || permitted.any(|base| name.is_within(base, false)))
    }
}

impl<'a> Base<'a> {
    /// The base of a subtree; `None` for a kind that is not compared.
    fn comparable(name: GeneralName<'a>) -> Option<Self> {
        Some(match name {
            GeneralName::Host(text) => Self::Host(text),
            GeneralName::Mail(text) if text.contains('@') => {
                mailbox(text).map(|(local, host)| Self::Mailbox(local, host))?
            }
            GeneralName::Mail(text) => Self::MailHost(text),
            GeneralName::Uri(text) => Self::UriHost(text),
            GeneralName::Address(bytes) => {
                let (network, mask) = bytes.split_at_checked(bytes.len() / 2)?;
                Self::Addresses(network, mask)
            }
            GeneralName::Directory(der) => Self::Directory(directory(&DistinguishedName::parse(der)?)),
            GeneralName::Other => return None,
        })
    }
}

fn directory(name: &DistinguishedName) -> Directory {
    let comparable = |value: &str| {
        let words: Vec<&str> = value.split_whitespace().collect();
        words.join(" ").to_lowercase()
    };
    let relative = |attributes: &[Attribute]| {
        let mut made: Vec<_> =
            attributes.iter().map(|one| (one.oid.clone(), comparable(&one.value))).collect();
        made.sort();
        made
    };
    name.relative_names().map(relative).collect()
}

/// The rule for mail and URIs: a leading dot means all below the domain; otherwise one host is meant, and with `wide` all
/// below it too.
fn is_host_of(host: &str, domain: &str, wide: bool) -> bool {
    is_host(host, domain) || wide && (is_below(host, domain) || is_wildcard_beside(host, domain))
}

/// Whether a host is the one that is named, or below a domain that is named with a leading dot; nothing means any.
fn is_host(host: &str, within: &str) -> bool {
    match within.strip_prefix('.') {
        Some(domain) => is_below(host, domain),
        None => within.is_empty() || host.eq_ignore_ascii_case(within),
    }
}

fn is_below(name: &str, domain: &str) -> bool {
    let Some(split) = name.len().checked_sub(domain.len()) else { return false };
    let (Some(labels), Some(tail)) = (name.get(..split), name.get(split..)) else { return false };
    labels.len() > 1 && labels.ends_with('.') && tail.eq_ignore_ascii_case(domain)
}

/// Whether a name with a wildcard stands for a sibling that is excluded.
fn is_wildcard_beside(name: &str, domain: &str) -> bool {
    let parent = |name: &str| name.find('.').and_then(|dot| name.get(dot..)).map(str::to_ascii_lowercase);
    name.starts_with('*') && parent(name).is_some_and(|above| parent(domain) == Some(above))
}

/// The host of a URI; `None` if it has none, or an address, which no constraint can allow.
fn uri_host(text: &str) -> Option<String> {
    let host = uri::host(text)?;
    let host = host.rsplit_once(':').map_or(host.as_str(), |(host, _)| host);
    let is_name = !host.is_empty() && !host.contains(['[', ':']) && host.parse::<IpAddr>().is_err();
    is_name.then(|| host.to_string())
}

/// emailAddress, PKCS #9 section 5.2.1
const EMAIL_ADDRESS: &str = "1.2.840.113549.1.9.1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subtrees_hold_the_names_that_rfc_5280_says() {
        use GeneralName::{Address, Host, Mail, Uri};
        for (name, base, permitted, excluded) in [
            (Host("tsa.example.test"), Host("example.test"), true, true),
            (Host("EXAMPLE.test"), Host("example.TEST"), true, true),
            (Host("badexample.test"), Host("example.test"), false, false),
            (Host("example.test"), Host(".example.test"), false, false),
            (Host("a.example.test"), Host(".example.test"), true, true),
            (Host("a.test"), Host(""), true, true),
            (Host("*.example.test"), Host("a.example.test"), false, true),
            (Mail("tsa@example.test"), Mail("example.test"), true, true),
            (Mail("tsa@a.example.test"), Mail("example.test"), false, true),
            (Mail("tsa@a.example.test"), Mail(".example.test"), true, true),
            (Mail("tsa@example.test"), Mail("tsa@EXAMPLE.test"), true, true),
            (Mail("TSA@example.test"), Mail("tsa@example.test"), false, false),
            (Mail("other@example.test"), Mail("tsa@example.test"), false, false),
            (Mail("tsa"), Mail("example.test"), false, true),
            (Uri("http://u@a.example.test:80/x"), Uri(".example.test"), true, true),
            (Uri("http://example.test/x"), Uri("example.test"), true, true),
            (Uri("http://a.example.test/x"), Uri("example.test"), false, true),
            (Uri("http://192.0.2.1/x"), Uri(".example.test"), false, true),
            (Uri("http://[2001:db8::1]/x"), Uri("example.test"), false, true),
            (Uri("urn:x"), Uri("example.test"), false, true),
            (Address(&[192, 0, 2, 7]), Address(&[192, 0, 2, 0, 255, 255, 255, 0]), true, true),
            (Address(&[192, 0, 3, 7]), Address(&[192, 0, 2, 0, 255, 255, 255, 0]), false, false),
            (Address(&[192, 0, 2, 7]), Address(&[0; 32]), false, false),
            (Address(&[1; 16]), Address(&[0; 8]), false, false),
        ] {
            for (is_permitted, want) in [(true, permitted), (false, !excluded)] {
                let subtrees = || Vec::from([Base::comparable(base).unwrap()]);
                let subtrees = Subtrees {
                    permitted: if is_permitted { subtrees() } else { Vec::new() },
                    excluded: if is_permitted { Vec::new() } else { subtrees() },
                };
                let allowed = subtrees.allow(&Name::comparable(name).unwrap(), false, &mut 1);
                assert_eq!(allowed, want, "{name:?} within {base:?}");
            }
        }
    }

    #[test]
    fn kinds_that_are_not_constrained_are_free() {
        let subtrees = Subtrees { permitted: Vec::from([Base::Host("example.test")]), excluded: Vec::new() };
        let allow = |name, all| subtrees.allow(&Name::comparable(name).unwrap(), all, &mut 1);
        assert!(allow(GeneralName::Mail("a@example.org"), false));
        assert!(allow(GeneralName::Uri("urn:x"), false));
        assert!(!allow(GeneralName::Uri("urn:x"), true));
        assert!(!subtrees.allow(&Name::Address(&[1; 4]), false, &mut 0));
    }
}
