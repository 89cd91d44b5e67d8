//! Trusted identities: distinguished names in a trust policy, and whether a leaf certificate's subject matches one.
//!
//! Grammar: RFC 4514 as the reference's LDAP library reads it. Matching: every attribute that the pattern names has the same
//! value in the subject; the subject may have more. The reference prints the subject and parses it again; what that round trip
//! cannot express fails here too.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crate::x509::{Attribute, DistinguishedName, Escaped};

/// Attributes that a pattern and a subject must have, with a value.
const MANDATORY: [&str; 3] = ["C", "ST", "O"];

/// Who a statement trusts to sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identities {
    /// `*`: any signer that the trust store vouches for.
    Any,
    /// Any of these; empty if the document names only kinds of identity that are not known.
    Subjects(Vec<SubjectPattern>),
}

/// A pattern for the subject of a leaf certificate: `x509.subject:C=US,ST=WA,O=Acme`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectPattern {
    attributes: BTreeMap<String, String>,
}

impl SubjectPattern {
    /// Reads the part after `x509.subject:`.
    ///
    /// # Errors
    /// [`IdentityError`] if it is not a distinguished name of the form that trust policies may hold.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        if text.contains("=#") {
            return Err(IdentityError::HexValue);
        }
        let mut attributes = BTreeMap::new();
        for (name, value) in split(text)? {
            let name = if name == "S" { "ST".to_string() } else { name };
            if value.is_empty() {
                return Err(IdentityError::Empty { attribute: name });
            }
            if attributes.contains_key(&name) {
                return Err(IdentityError::Repeated { attribute: name });
            }
            attributes.insert(name, value);
        }
        match MANDATORY.into_iter().find(|name| !attributes.contains_key(*name)) {
            Some(attribute) => Err(IdentityError::Missing { attribute }),
            None => Ok(Self { attributes }),
        }
    }

    /// Whether whatever matches `other` matches this pattern too.
    pub fn covers(&self, other: &Self) -> bool {
        is_subset(&self.attributes, &other.attributes)
    }

    /// Whether `subject` has every attribute of the pattern, with the same value.
    pub fn matches(&self, subject: &DistinguishedName) -> bool {
        printable(subject).is_ok_and(|subject| is_subset(&self.attributes, &subject))
    }

    /// Why no subject ever matches the pattern, if none can.
    pub fn never_matches(&self) -> Option<NeverMatches> {
        let is_known = |name: &str| Attribute::SHORT_NAMES.iter().any(|(_, known)| *known == name);
        let attribute = self.attributes.keys().find(|name| !is_known(name))?;
        let capitals = attribute.to_ascii_uppercase();
        Some(if is_known(&capitals) {
            NeverMatches::LetterCase { attribute: attribute.clone(), capitals }
        } else {
            NeverMatches::Attribute { attribute: attribute.clone() }
        })
    }
}

/// Why no pattern matches a signer: what is wrong with its subject, or with the patterns, or how the
/// closest of them differs.
pub(crate) fn mismatch(patterns: &[SubjectPattern], subject: &DistinguishedName) -> String {
    let attributes = match printable(subject) {
        Ok(attributes) => attributes,
        Err(why) => {
            return alloc::format!("no identity but * can match it: its subject {why}");
        }
    };
    let differences = |pattern: &SubjectPattern| {
        pattern.attributes.iter().filter(|(name, value)| attributes.get(*name) != Some(value)).count()
    };
    let matchable = patterns.iter().filter(|pattern| pattern.never_matches().is_none());
    let Some(closest) = matchable.min_by_key(|pattern| differences(pattern)) else {
        return match patterns.first().and_then(|pattern| Some((pattern, pattern.never_matches()?))) {
            Some((pattern, why)) => alloc::format!("{pattern} {why}"),
            None => {
                "none of the identities is of the kind x509.subject, the only one that is known".to_string()
            }
        };
    };
    let mut text = alloc::format!("the closest is {closest}");
    for (name, value) in &closest.attributes {
        match attributes.get(name) {
            Some(other) if other == value => {}
            Some(other) => text.push_str(&alloc::format!("; {name} is {other:?} in the certificate")),
            None => text.push_str(&alloc::format!("; the certificate has no {name}")),
        }
    }
    text
}

/// Why an identity matches no certificate whatsoever.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NeverMatches {
    /// It is of a kind that is not known.
    #[error("never matches: {kind:?} is not a kind of identity; write x509.subject, in lower case")]
    Kind {
        /// What stands before the first colon.
        kind: String,
    },
    /// It names an attribute in another letter case.
    #[error("never matches: it names {attribute}; write {capitals}")]
    LetterCase {
        /// The attribute.
        attribute: String,
        /// How it is written.
        capitals: String,
    },
    /// It names an attribute that makes a subject match nothing.
    #[error(
        "never matches: it names {attribute}, and a certificate whose subject has that attribute matches no identity but *"
    )]
    Attribute {
        /// The attribute.
        attribute: String,
    },
}

/// What in a subject keeps every pattern from matching.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Unmatchable {
    #[error("has the attribute {0}")]
    Attribute(String),
    #[error("has {0} twice")]
    Repeated(&'static str),
    #[error("has a {0} with \"=#\" in it")]
    HexValue(&'static str),
    #[error("has no {0}")]
    Missing(&'static str),
}

impl fmt::Display for SubjectPattern {
    /// As trust policies write it, attributes sorted by name and values escaped as RFC 4514 has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("x509.subject:")?;
        for (number, (name, value)) in self.attributes.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            write!(f, "{comma}{name}={}", Escaped(value))?;
        }
        Ok(())
    }
}

fn is_subset(pattern: &BTreeMap<String, String>, whole: &BTreeMap<String, String>) -> bool {
    pattern.iter().all(|(name, value)| whole.get(name) == Some(value))
}

/// The subject as in the reference after printing and parsing; an error if that fails: an attribute type beyond those
/// of RFC 4514, one that occurs twice, `=#` in a value, or C, ST or O missing.
fn printable(subject: &DistinguishedName) -> Result<BTreeMap<String, String>, Unmatchable> {
    let mut attributes = BTreeMap::new();
    for attribute in subject.attributes() {
        let name = attribute
            .short_name()
            .ok_or_else(|| Unmatchable::Attribute(attribute.familiar_name().to_string()))?;
        if attribute.value.contains("=#") {
            return Err(Unmatchable::HexValue(name));
        }
        let repeated = attributes.insert(name.to_string(), attribute.value.clone()).is_some();
        // of these two the reference keeps the last; others it joins in a way that it then cannot read
        if repeated && !matches!(name, "CN" | "SERIALNUMBER") {
            return Err(Unmatchable::Repeated(name));
        }
    }
    let has = |name: &str| attributes.get(name).is_some_and(|value: &String| !value.is_empty());
    match MANDATORY.into_iter().find(|name| !has(name)) {
        Some(name) => Err(Unmatchable::Missing(name)),
        None => Ok(attributes),
    }
}

/// The types and values of a distinguished name, unescaped.
fn split(text: &str) -> Result<Vec<(String, String)>, IdentityError> {
    let mut parts = Vec::new();
    let mut name: Option<String> = None;
    let mut start = 0;
    let mut escaped = false;
    let piece = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    for (at, letter) in text.char_indices() {
        let next = at.saturating_add(letter.len_utf8());
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '=' if name.is_none() => {
                name = Some(unescape(piece(start, at))?);
                start = next;
            }
            ',' | ';' => {
                parts.push((name.take().ok_or(IdentityError::Incomplete)?, unescape(piece(start, at))?));
                start = next;
            }
            '+' if name.is_some() => return Err(IdentityError::MultiValued),
            _ => {}
        }
    }
    parts.push((name.ok_or(IdentityError::Incomplete)?, unescape(piece(start, text.len()))?));
    if parts.iter().any(|(name, _)| name.is_empty()) { Err(IdentityError::Incomplete) } else { Ok(parts) }
}

/// A type or value without the spaces around it and without its escapes: `\` and a special character, or two hex digits.
fn unescape(text: &str) -> Result<String, IdentityError> {
    // spaces alone are padding, as the reference's LDAP library has it; a tab is part of the value
    let trimmed = text.trim_start_matches(' ');
    let mut bytes = Vec::with_capacity(trimmed.len());
    let mut kept = 0;
    let mut rest = trimmed.chars();
    while let Some(letter) = rest.next() {
        let mut buffer = [0; 4];
        if letter != '\\' {
            bytes.extend_from_slice(letter.encode_utf8(&mut buffer).as_bytes());
            if letter != ' ' {
                kept = bytes.len();
            }
            continue;
        }
        match rest.next() {
            Some(special @ (' ' | '"' | '#' | '+' | ',' | ';' | '<' | '=' | '>' | '\\')) => {
                bytes.extend_from_slice(special.encode_utf8(&mut buffer).as_bytes());
            }
            Some(high) => {
                let digits = high.to_digit(16).zip(rest.next().and_then(|low| low.to_digit(16)));
                let (high, low) = digits.ok_or(IdentityError::Escape)?;
                bytes.push(u8::try_from(high << 4 | low).map_err(|_| IdentityError::Escape)?);
            }
            None => return Err(IdentityError::Escape),
        }
        kept = bytes.len();
    }
    // what stands behind the last letter that is not a space is padding, unless it was escaped
    bytes.truncate(kept);
    String::from_utf8(bytes).map_err(|_| IdentityError::Escape)
}

/// Why text is not a pattern for subjects.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// `=#`: values in hex are not supported.
    #[error("holds a value in hex (`=#`)")]
    HexValue,
    /// A part is not `TYPE=value`.
    #[error("has a part that is not TYPE=value")]
    Incomplete,
    /// `+`: several attributes in one part.
    #[error("joins attributes with `+`")]
    MultiValued,
    /// `\` before something that cannot be escaped.
    #[error("has a malformed escape")]
    Escape,
    /// An attribute without a value.
    #[error("gives {attribute} no value")]
    Empty {
        /// Its type.
        attribute: String,
    },
    /// An attribute twice.
    #[error("gives {attribute} twice, and a certificate whose subject has two matches no identity but *")]
    Repeated {
        /// Its type.
        attribute: String,
    },
    /// C, ST or O is not given.
    #[error(
        "lacks {attribute}; C, ST and O are mandatory, in capitals, and a certificate without one of them matches no identity but *"
    )]
    Missing {
        /// Its type.
        attribute: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(text: &str, name: &str) -> Result<Option<String>, IdentityError> {
        SubjectPattern::parse(text).map(|pattern| pattern.attributes.get(name).cloned())
    }

    #[test]
    fn reads_escapes_and_spaces() {
        for (value, want) in [
            ("Acme", "Acme"),
            ("  Acme  ", "Acme"),
            ("\\ Acme\\ ", " Acme "),
            ("Acme\\ \\ ", "Acme  "),
            ("a\\,b", "a,b"),
            ("a\\2Cb", "a,b"),
            ("a\\\\", "a\\"),
            ("a=b", "a=b"),
            ("Sm\\C3\\B8rrebr\\C3\\B8d", "Smørrebrød"),
            ("a  b", "a  b"),
            ("Acme\t", "Acme\t"),
        ] {
            let text = alloc::format!("C=US, ST=WA , O={value}");
            assert_eq!(attribute(&text, "O"), Ok(Some(want.into())), "{text}");
            assert_eq!(attribute(&alloc::format!("O={value};S=WA;C=US"), "ST"), Ok(Some("WA".into())));
        }
    }

    #[test]
    fn patterns_that_never_match_say_why() {
        let never = |more: &str| {
            let text = alloc::format!("C=US,ST=WA,O=Acme{more}");
            SubjectPattern::parse(&text).unwrap().never_matches()
        };
        for more in ["", ",CN=a,OU=b,L=c,STREET=d,POSTALCODE=e,SERIALNUMBER=f"] {
            assert_eq!(never(more), None, "{more}");
        }
        for attribute in ["E", "emailAddress", "UID", "DC", "SN", "1.2.840.113549.1.9.1", "OID.2.5.4.3"] {
            let why = NeverMatches::Attribute { attribute: attribute.into() };
            assert_eq!(never(&alloc::format!(",{attribute}=x")), Some(why));
        }
        for (attribute, capitals) in [("cn", "CN"), ("Street", "STREET"), ("serialNumber", "SERIALNUMBER")] {
            let why = NeverMatches::LetterCase { attribute: attribute.into(), capitals: capitals.into() };
            assert_eq!(never(&alloc::format!(",{attribute}=x")), Some(why));
        }
    }

    #[test]
    fn a_subject_that_no_pattern_matches_says_why() {
        let subject = |attributes: &[(&str, &str)]| {
            let attributes = attributes
                .iter()
                .map(|(oid, value)| Attribute { oid: (*oid).into(), value: (*value).into() });
            DistinguishedName::new(attributes.collect())
        };
        let (c, st, o, ou) = (("2.5.4.6", "US"), ("2.5.4.8", "WA"), ("2.5.4.10", "Acme"), ("2.5.4.11", "a"));
        let email = ("1.2.840.113549.1.9.1", "a@example.test");
        for (attributes, why) in [
            (&[c, st, o, email][..], Unmatchable::Attribute("emailAddress (E)".into())),
            (&[c, st, o, ("2.5.4.4", "x")], Unmatchable::Attribute("2.5.4.4".into())),
            (&[c, st, o, ou, ou], Unmatchable::Repeated("OU")),
            (&[c, o], Unmatchable::Missing("ST")),
            (&[c, ("2.5.4.8", ""), o], Unmatchable::Missing("ST")),
            (&[c, st, ("2.5.4.10", "a=#b")], Unmatchable::HexValue("O")),
        ] {
            assert_eq!(printable(&subject(attributes)), Err(why));
        }
        let pattern = |text: &str| SubjectPattern::parse(text).unwrap();
        let patterns = [pattern("C=DE,ST=BY,O=Other"), pattern("C=US,ST=WA,O=Acme,CN=x")];
        assert!(mismatch(&patterns, &subject(&[c, st, o])).ends_with("the certificate has no CN"));
        let other = ("2.5.4.10", "acme");
        let patterns = [pattern("C=US,ST=WA,O=Acme,E=x"), pattern("C=US,ST=WA,O=Acme")];
        assert!(mismatch(&patterns, &subject(&[c, st, other])).ends_with("O is \"acme\" in the certificate"));
        assert!(mismatch(&patterns[..1], &subject(&[c, st, o])).contains("never matches"));
    }

    #[test]
    fn refuses_what_is_no_pattern() {
        let missing = |attribute| IdentityError::Missing { attribute };
        for (text, error) in [
            ("", IdentityError::Incomplete),
            ("*", IdentityError::Incomplete),
            ("C=US,ST=WA", missing("O")),
            ("c=US,ST=WA,O=a", missing("C")),
            ("C=US,ST=WA,O=", IdentityError::Empty { attribute: "O".into() }),
            ("C=US,ST=WA,O=a,S=b", IdentityError::Repeated { attribute: "ST".into() }),
            ("C=US,ST=WA,O=#61", IdentityError::HexValue),
            ("C=US,ST=WA+O=a", IdentityError::MultiValued),
            ("C=US,ST=WA,O=a\\", IdentityError::Escape),
            ("C=US,ST=WA,O=a\\zz", IdentityError::Escape),
            ("C=US,ST=WA,O=\\ff", IdentityError::Escape),
            ("C=US,ST=WA,O=a,", IdentityError::Incomplete),
        ] {
            assert_eq!(SubjectPattern::parse(text), Err(error), "{text}");
        }
    }
}
