//! Name constraints of the CAs in a path, applied to the alternative names of all below them. RFC 5280 section 4.2.1.10.
//!
//! DNS names, mail addresses, URIs and IP addresses are compared; a constraint of another kind is refused, whether it is
//! critical or not, since no TSA has been seen under one. Names are compared in ASCII without regard to case.

use alloc::string::ToString as _;
use alloc::vec::Vec;

use x509_parser::extensions::{GeneralName, GeneralSubtree, NameConstraints, SubjectAlternativeName};
use x509_parser::prelude::FromDer as _;

use super::path::PathError;
use crate::x509::Certificate;

/// Checks every certificate of `path`, leaf first, against the constraints of those above it.
pub(super) fn check(path: &[Certificate]) -> Result<(), PathError> {
    for (at, ca) in path.iter().enumerate() {
        let Some(extension) = ca.extension(crate::x509::oid::NAME_CONSTRAINTS) else { continue };
        let below = path.get(..at).unwrap_or_default();
        // A constraint on the certificate that carries it has no effect, but a leaf has no business with one.
        let fails = |subject: &Certificate| PathError::NameConstraints {
            subject: subject.subject().to_string(),
            issuer: ca.subject().to_string(),
        };
        let Some(constraints) = Constraints::parse(&extension.value) else { return Err(fails(ca)) };
        for certificate in below {
            if !constraints.allow(certificate) {
                return Err(fails(certificate));
            }
        }
    }
    Ok(())
}

/// The names of a subjectAltName, given as the extension's value; none where it is malformed.
pub(super) fn alternative_names(value: &[u8]) -> Option<Vec<GeneralName<'_>>> {
    let (rest, parsed) = SubjectAlternativeName::from_der(value).ok()?;
    rest.is_empty().then_some(parsed.general_names)
}

/// Whether a name is of a kind that constraints are compared with.
pub(super) fn is_compared(name: &GeneralName<'_>) -> bool {
    matches!(
        name,
        GeneralName::DNSName(_)
            | GeneralName::RFC822Name(_)
            | GeneralName::URI(_)
            | GeneralName::IPAddress(_)
    )
}

/// subjectAltName, RFC 5280 section 4.2.1.6
pub(super) const SUBJECT_ALTERNATIVE_NAME: &str = "2.5.29.17";

struct Constraints<'a> {
    permitted: Vec<GeneralName<'a>>,
    excluded: Vec<GeneralName<'a>>,
}

impl<'a> Constraints<'a> {
    /// Reads the extension; none where it is malformed, empty or of a kind that is not compared.
    fn parse(value: &'a [u8]) -> Option<Self> {
        let (rest, parsed) = NameConstraints::from_der(value).ok()?;
        let names = |subtrees: Option<Vec<GeneralSubtree<'a>>>| -> Vec<_> {
            subtrees.into_iter().flatten().map(|subtree| subtree.base).collect()
        };
        let (permitted, excluded) = (names(parsed.permitted_subtrees), names(parsed.excluded_subtrees));
        let mut all = permitted.iter().chain(&excluded).peekable();
        let known = all.peek().is_some() && all.all(is_known_constraint);
        (rest.is_empty() && known).then_some(Self { permitted, excluded })
    }

    /// Whether every alternative name of `certificate` is allowed; one that cannot be read is not.
    fn allow(&self, certificate: &Certificate) -> bool {
        let Some(extension) = certificate.extension(SUBJECT_ALTERNATIVE_NAME) else { return true };
        alternative_names(&extension.value)
            .is_some_and(|names| names.iter().all(|name| self.allow_name(name)))
    }

    fn allow_name(&self, name: &GeneralName<'_>) -> bool {
        if matches!(name, GeneralName::Invalid(..))
            || self.excluded.iter().any(|within| is_within(name, within) != Some(false))
        {
            return false;
        }
        // Where no constraint is of the name's kind, the name is free.
        let mut of_kind = self.permitted.iter().filter(|within| is_same_kind(name, within)).peekable();
        of_kind.peek().is_none() || of_kind.any(|within| is_within(name, within) == Some(true))
    }
}

fn is_known_constraint(name: &GeneralName<'_>) -> bool {
    match name {
        GeneralName::IPAddress(bytes) => matches!(bytes.len(), 8 | 32),
        name => is_compared(name),
    }
}

fn is_same_kind(one: &GeneralName<'_>, other: &GeneralName<'_>) -> bool {
    core::mem::discriminant(one) == core::mem::discriminant(other)
}

/// Whether a name lies in the subtree `within`; none where it cannot be told.
fn is_within(name: &GeneralName<'_>, within: &GeneralName<'_>) -> Option<bool> {
    Some(match (name, within) {
        (GeneralName::DNSName(name), GeneralName::DNSName(domain)) => is_host_or_below(name, domain),
        (GeneralName::RFC822Name(mailbox), GeneralName::RFC822Name(within)) => {
            let (_, host) = mailbox.rsplit_once('@')?;
            match within.rsplit_once('@') {
                Some(_) => mailbox.eq_ignore_ascii_case(within),
                None => is_host_or_domain(host, within),
            }
        }
        (GeneralName::URI(uri), GeneralName::URI(within)) => is_host_or_domain(host_of(uri)?, within),
        (GeneralName::IPAddress(address), GeneralName::IPAddress(range)) => {
            let Some((network, mask)) = range.split_at_checked(address.len()) else { return Some(false) };
            mask.len() == network.len()
                && address
                    .iter()
                    .zip(network)
                    .zip(mask)
                    .all(|((byte, network), mask)| byte & mask == network & mask)
        }
        _ => false,
    })
}

/// The rule for DNS names: the domain itself and all below it; a leading dot leaves the domain itself out.
fn is_host_or_below(name: &str, domain: &str) -> bool {
    is_host_or_domain(name, domain) || is_below(name, domain)
}

/// The rule for mail and URIs: a leading dot means all below the domain, else that one host is meant.
fn is_host_or_domain(host: &str, within: &str) -> bool {
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

/// The host of a URI; none where it has none, or an address, which no constraint can allow.
fn host_of(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    let is_name = host.bytes().any(|byte| byte.is_ascii_alphabetic()) && !host.starts_with('[');
    is_name.then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subtrees() {
        use GeneralName::{DNSName as Dns, IPAddress as Ip, RFC822Name as Mail, URI as Uri};
        for (name, within, expected) in [
            (Dns("tsa.example.test"), Dns("example.test"), Some(true)),
            (Dns("EXAMPLE.test"), Dns("example.TEST"), Some(true)),
            (Dns("badexample.test"), Dns("example.test"), Some(false)),
            (Dns("example.test"), Dns(".example.test"), Some(false)),
            (Dns("a.example.test"), Dns(".example.test"), Some(true)),
            (Dns("a.test"), Dns(""), Some(true)),
            (Mail("tsa@example.test"), Mail("example.test"), Some(true)),
            (Mail("tsa@a.example.test"), Mail("example.test"), Some(false)),
            (Mail("tsa@a.example.test"), Mail(".example.test"), Some(true)),
            (Mail("tsa@example.test"), Mail("tsa@example.test"), Some(true)),
            (Mail("tsa@example.test"), Mail("other@example.test"), Some(false)),
            (Mail("tsa"), Mail("example.test"), None),
            (Uri("http://u@a.example.test:80/x"), Uri(".example.test"), Some(true)),
            (Uri("http://example.test/x"), Uri("example.test"), Some(true)),
            (Uri("http://a.example.test/x"), Uri("example.test"), Some(false)),
            (Uri("http://192.0.2.1/x"), Uri(".example.test"), None),
            (Uri("http://[2001:db8::1]/x"), Uri("example.test"), None),
            (Uri("urn:x"), Uri("example.test"), None),
            (Ip(&[192, 0, 2, 7]), Ip(&[192, 0, 2, 0, 255, 255, 255, 0]), Some(true)),
            (Ip(&[192, 0, 3, 7]), Ip(&[192, 0, 2, 0, 255, 255, 255, 0]), Some(false)),
            (Ip(&[192, 0, 2, 7]), Ip(&[0; 32]), Some(false)),
            (Ip(&[1; 16]), Ip(&[0; 8]), Some(false)),
            (Dns("example.test"), Mail("example.test"), Some(false)),
        ] {
            assert_eq!(is_within(&name, &within), expected, "{name} within {within}");
        }
    }

    #[test]
    fn permitted_and_excluded() {
        use GeneralName::DNSName as Dns;
        let constraints = Constraints {
            permitted: Vec::from([Dns("example.test")]),
            excluded: Vec::from([Dns("secret.example.test"), GeneralName::URI(".example.test")]),
        };
        assert!(constraints.allow_name(&Dns("tsa.example.test")));
        assert!(!constraints.allow_name(&Dns("tsa.example.org")));
        assert!(!constraints.allow_name(&Dns("a.secret.example.test")));
        assert!(constraints.allow_name(&GeneralName::RFC822Name("a@example.org")));
        assert!(!constraints.allow_name(&GeneralName::URI("http://192.0.2.1/")));
    }
}
