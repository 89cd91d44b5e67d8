//! Reads a list of host keys that a person accepted: a node's name and a fingerprint in each line. Pure.
//!
//! The lines have the form that `assay nodes --scan-host-keys` prints, so that a person can check its output and give it back. They
//! may also be written down at the nodes' consoles. What follows the fingerprint is a comment.

use std::collections::BTreeMap;

use super::values;

/// The list cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct HostKeyListError {
    /// Where, counted from 1.
    pub line: usize,
    /// What.
    pub problem: HostKeyListProblem,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostKeyListProblem {
    /// It is not a name and a fingerprint.
    #[error("not a node's name and its host key's fingerprint, SHA256: and 43 characters")]
    Malformed,
    /// The node has two.
    #[error("node {0:?} has another fingerprint above")]
    Twice(String),
}

/// Reads the list: fingerprints by the nodes' names.
///
/// # Errors
/// [`HostKeyListError`]
pub(crate) fn parse(text: &str) -> Result<BTreeMap<String, String>, HostKeyListError> {
    let mut accepted: BTreeMap<String, String> = BTreeMap::new();
    for (line, text) in (1..).zip(text.lines()) {
        let mut words = text.split_whitespace();
        let Some(name) = words.next().filter(|word| !word.starts_with('#')) else { continue };
        let shown = words.next().filter(|shown| values::is_name(name) && values::is_fingerprint(shown));
        let problem = match shown {
            None => HostKeyListProblem::Malformed,
            Some(shown) => match accepted.insert(name.to_owned(), shown.to_owned()) {
                Some(other) if other != shown => HostKeyListProblem::Twice(name.to_owned()),
                _ => continue,
            },
        };
        return Err(HostKeyListError { line, problem });
    }
    Ok(accepted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_names_and_fingerprints() {
        let (one, two) = (format!("SHA256:{}", "A".repeat(43)), format!("SHA256:{}E", "A".repeat(42)));
        let read =
            parse(&format!("# seen today\n\na {one} ssh-ed25519 10.0.0.1\n  b\t{two}\r\na {one}\n")).unwrap();
        assert_eq!(read, [("a".to_owned(), one.clone()), ("b".to_owned(), two.clone())].into());
        let wrong = |text: &str| parse(text).unwrap_err();
        for text in ["a", "a SHA256:short", "../a SHA256:x", "a MD5:00"] {
            assert_eq!(wrong(text).problem, HostKeyListProblem::Malformed, "{text}");
        }
        let twice = wrong(&format!("a {one}\na {two}"));
        assert_eq!(twice, HostKeyListError { line: 2, problem: HostKeyListProblem::Twice("a".into()) });
    }
}
