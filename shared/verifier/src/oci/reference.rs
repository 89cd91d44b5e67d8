//! Image references: `repository[:tag][@digest]`, and the repositories that trust policy scopes name.
//!
//! Grammar of a repository: trust store and trust policy specification, "registryScopes", which is the distribution project's
//! grammar with a mandatory registry. Nothing is normalized: `x` is not `docker.io/library/x`.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use super::Digest;

/// `registry/path`, as a trust policy's registry scope has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository(String);

impl Repository {
    /// The repository as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Repository {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let (registry, path) = text.split_once('/').ok_or(ReferenceError::NoRepository)?;
        if is_registry(registry) && path.split('/').all(is_path_component) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ReferenceError::NoRepository)
        }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A reference to an image by tag, digest or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Where the image lives.
    pub repository: Repository,
    /// The tag, if one is given.
    pub tag: Option<String>,
    /// The digest, if one is given.
    pub digest: Option<Digest>,
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.parse().map_err(|_| ReferenceError::Digest)?)),
            None => (text, None),
        };
        // a colon before the last slash belongs to the registry's port
        let (repository, tag) = match name.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
            _ => (name, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(ReferenceError::Tag);
        }
        Ok(Self { repository: repository.parse()?, tag: tag.map(str::to_owned), digest })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// Why text is not a reference to an image in a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// There is no `registry/path` of the form that a trust policy can name.
    #[error("names no registry/repository")]
    NoRepository,
    /// The tag has letters that tags do not have.
    #[error("malformed tag")]
    Tag,
    /// The part after `@` is not a digest.
    #[error("malformed digest")]
    Digest,
}

/// `label(.label)*(:port)?`; labels of letters, digits and inner hyphens.
fn is_registry(text: &str) -> bool {
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.split('.').all(is_label)
        && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

/// `[a-z0-9]+((\.|_|__|-*)[a-z0-9]+)*`
fn is_path_component(text: &str) -> bool {
    let is_alphanumeric = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let mut separators = text.split(is_alphanumeric);
    text.starts_with(is_alphanumeric)
        && text.ends_with(is_alphanumeric)
        && separators.all(|separator| {
            matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|b| b == b'-')
        })
}

/// `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`
fn is_tag(text: &str) -> bool {
    text.len() <= 128
        && !text.starts_with(['.', '-'])
        && !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// A tag that stands for what belongs to an image, in registries that do not list it otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompanionTag<'n> {
    /// The image; `None` if the tag has only the beginning of its digest.
    pub subject: Option<Digest>,
    /// What stands behind the digest's point, such as `sig`; empty in the tag of a listing of referrers.
    pub suffix: &'n str,
}

/// The tag of a name, or the name itself, if it is one of what belongs to an image: `sha256-<hex>` (distribution specification,
/// "Referrers Tag Schema", which takes 64 digits of longer digests), or that with a suffix, `sha256-<hex>.sig` (cosign).
pub fn companion_tag(name: &str) -> Option<CompanionTag<'_>> {
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    let tag = name.rsplit_once(':').map_or(name, |(_, tag)| tag);
    let (digest, suffix) = tag.split_once('.').unwrap_or((tag, ""));
    let (algorithm, hex) = digest.split_once('-')?;
    let subject = alloc::format!("{algorithm}:{hex}").parse().ok();
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_cut = || matches!(algorithm, "sha384" | "sha512") && hex.len() == 64 && hex.bytes().all(is_digit);
    (subject.is_some() || is_cut()).then_some(CompanionTag { subject, suffix })
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn splits_references() {
        let digest = Digest::sha256(b"");
        for (text, repository, tag, by_digest) in [
            (
                "registry.example.test/team/app:v1".to_string(),
                "registry.example.test/team/app",
                Some("v1"),
                false,
            ),
            ("localhost:5000/app".to_string(), "localhost:5000/app", None, false),
            (alloc::format!("r.example/app@{digest}"), "r.example/app", None, true),
            (alloc::format!("r.example:1/app:v1@{digest}"), "r.example:1/app", Some("v1"), true),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.repository.as_str(), repository);
            assert_eq!(reference.tag.as_deref(), tag);
            assert_eq!(reference.digest.is_some(), by_digest);
            assert_eq!(reference.to_string(), text);
        }
    }

    #[test]
    fn repositories_follow_the_scope_grammar() {
        for good in ["r/a", "r.io/a-b", "r.io/a--b", "r.io/a__b/c.d", "r-1.io:443/a", "R.io/a"] {
            assert!(good.parse::<Repository>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "app",
            "/a",
            "r/",
            "r//a",
            "r/A",
            "r/a_",
            "r/.a",
            "r/a..b",
            "r/a___b",
            "r/a._b",
            "-r/a",
            "r:/a",
            "r:x/a",
            "r/a:v1",
            "https://r/a",
            "r/*",
            "*.io/a",
        ] {
            assert_eq!(bad.parse::<Repository>(), Err(ReferenceError::NoRepository), "{bad}");
        }
    }

    #[test]
    fn tags_name_what_they_are_companions_of() {
        let hex = "ab".repeat(32);
        let subject: Digest = alloc::format!("sha256:{hex}").parse().unwrap();
        let of = |suffix| Some(CompanionTag { subject: Some(subject.clone()), suffix });
        for (name, expected) in [
            (alloc::format!("sha256-{hex}"), of("")),
            (alloc::format!("r.example/app:sha256-{hex}"), of("")),
            (alloc::format!("r.example:5000/app:sha256-{hex}.sig@{subject}"), of("sig")),
            (alloc::format!("sha256-{hex}.a.att"), of("a.att")),
            (alloc::format!("r.example/app:sha512-{hex}"), Some(CompanionTag { subject: None, suffix: "" })),
            (alloc::format!("sha512-{hex}{hex}").replace("ab", "cd"), {
                let subject = alloc::format!("sha512:{hex}{hex}").replace("ab", "cd").parse().ok();
                Some(CompanionTag { subject, suffix: "" })
            }),
            (alloc::format!("r.example/app@sha256:{hex}"), None),
            (alloc::format!("sha256-{hex}-sig"), None),
            (alloc::format!("sha256:{hex}"), None),
            ("v1".into(), None),
            ("sha256-abc".into(), None),
        ] {
            assert_eq!(companion_tag(&name), expected, "{name}");
        }
    }
}
