//! Chooses the name of an image in reports. An image may have many references, some of them hostile, or none.

use std::collections::HashSet;

use assay_report::Image;
use assay_verifier::oci::{Digest, Reference};

use crate::clean;

/// Stands in for a missing name.
pub(super) const NAMELESS: &str = "(no name)";

/// containerd's namespace on every Kubernetes node. It is not shown.
const USUAL_NAMESPACE: &str = "k8s.io";

/// The reference that people know the image by: the first with a tag, otherwise the first valid one, otherwise the first.
pub(super) fn reference(image: &Image) -> &str {
    preferred(&image.references)
}

/// [`reference`] for a list of references.
pub(crate) fn preferred(references: &[String]) -> &str {
    let tagged = |text: &&String| text.parse::<Reference>().is_ok_and(|reference| reference.tag.is_some());
    let by_digest = |text: &&String| text.parse::<Reference>().is_ok();
    references
        .iter()
        .find(tagged)
        .or_else(|| references.iter().find(by_digest))
        .or_else(|| references.iter().find(|text| !text.trim().is_empty()))
        .map_or(NAMELESS, String::as_str)
}

/// [`reference`] without its digest, cleaned.
pub(super) fn short(image: &Image) -> String {
    clean::name(without_digest(reference(image)))
}

/// A reference without its digest, not cleaned.
pub(super) fn without_digest(reference: &str) -> &str {
    reference.split_once("@sha").map_or(reference, |(name, _)| name)
}

/// The repository of [`reference`], cleaned. Images are grouped by it.
pub(super) fn repository(image: &Image) -> String {
    let reference = reference(image);
    match reference.parse::<Reference>() {
        Ok(reference) => clean::name(reference.repository.as_str()),
        Err(_) if reference.parse::<Digest>().is_ok() => NAMELESS.to_owned(),
        Err(_) => short(image),
    }
}

/// `reference@digest`, and the namespace if it is an unusual one. It is unique on a node.
pub(super) fn full(image: &Image) -> String {
    let mut name = short(image);
    // an image without a name is named by its digest
    if name != image.digest.as_str() {
        name.push('@');
        name.push_str(image.digest.as_str());
    }
    if let Some(namespace) = &image.namespace
        && namespace.as_str() != USUAL_NAMESPACE
    {
        name.push_str(&format!(" (namespace {})", clean::name(namespace.as_str())));
    }
    name
}

/// The start of the digest, enough for people to tell images apart.
pub(super) fn short_digest(image: &Image) -> String {
    format!("{}:{}", image.digest.algorithm().name(), short_hex(image.digest.hex()))
}

/// The start of a digest, cleaned.
pub(crate) fn short_hex(hex: &str) -> String {
    let start: String = hex.chars().take(12).collect();
    format!("{}…", clean::name(&start))
}

/// Assigns each node a file name of its own, whatever the node's name is.
#[derive(Default)]
pub(crate) struct FileNames(HashSet<String>);

impl FileNames {
    /// A file name for the node called `name`, without extension. Letters, digits, `-`, `_` and inner points stay, everything
    /// else is written as `%` and hex. On every system the result is neither a path nor a device nor a hidden file.
    pub(crate) fn give(&mut self, name: &str) -> String {
        let mut stem = String::new();
        for (at, byte) in name.bytes().enumerate().take(LONGEST_STEM) {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => stem.push(char::from(byte)),
                b'.' if at > 0 && at + 1 < name.len() => stem.push('.'),
                other => stem.push_str(&format!("%{other:02X}")),
            }
        }
        let base = stem.split('.').next().unwrap_or_default().to_ascii_uppercase();
        if stem.is_empty() || DEVICES.contains(&base.as_str()) {
            stem.insert_str(0, "node-");
        }
        // file systems may not distinguish `A` from `a`
        let mut given = stem.clone();
        for count in 2_u64.. {
            if self.0.insert(given.to_ascii_lowercase()) {
                break;
            }
            given = format!("{stem}~{count}");
        }
        given
    }
}

/// Bytes of a name that are used. Each may become three letters; with an extension this stays below 255 bytes.
const LONGEST_STEM: usize = 64;

/// Names that Windows reserves for devices, with any extension.
const DEVICES: &[&str] = &[
    "CON", "PRN", "AUX", "NUL", "COM1", "COM2", "COM3", "COM4", "COM5", "COM6", "COM7", "COM8", "COM9",
    "LPT1", "LPT2", "LPT3", "LPT4", "LPT5", "LPT6", "LPT7", "LPT8", "LPT9",
];

#[cfg(test)]
mod tests {
    use assay_report::Namespace;

    use super::*;
    use crate::report::sample;

    fn image(references: &[&str]) -> Image {
        let mut image = sample::image("app");
        image.references = references.iter().map(ToString::to_string).collect();
        image
    }

    #[test]
    fn prefers_the_name_that_people_know() {
        let digest = sample::image("app").digest;
        let by_digest = format!("r.example.test/app@{digest}");
        let image = image(&["import-2026", &by_digest, "r.example.test/app:v1", "sha256:abc"]);
        assert_eq!(reference(&image), "r.example.test/app:v1");
        assert_eq!(repository(&image), "r.example.test/app");
        assert_eq!(full(&image), format!("r.example.test/app:v1@{digest}"));
    }

    #[test]
    fn names_images_without_a_proper_name() {
        let digest = sample::image("app").digest;
        for (references, name, group) in [
            (&[][..], "(no name)", "(no name)"),
            (&["import-2026"][..], "import-2026", "import-2026"),
            (&[&*format!("r.example.test/app@{digest}")][..], "r.example.test/app", "r.example.test/app"),
            (&["a\u{1b}b"][..], "a\\u{1b}b", "a\\u{1b}b"),
        ] {
            let mut image = image(references);
            assert_eq!(repository(&image), group);
            assert_eq!(full(&image), format!("{name}@{digest}"));
            image.namespace = Namespace::new("moby");
            assert_eq!(full(&image), format!("{name}@{digest} (namespace moby)"));
        }
        let image = image(&[digest.as_str()]);
        assert_eq!((repository(&image).as_str(), full(&image).as_str()), ("(no name)", digest.as_str()));
    }

    #[test]
    fn file_names_stay_in_their_folder_and_apart() {
        let mut names = FileNames::default();
        for (node, file) in [
            ("cp-1.site_A", "cp-1.site_A"),
            ("CP-1.SITE_A", "CP-1.SITE_A~2"),
            ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"),
            ("..", "%2E%2E"),
            (".hidden", "%2Ehidden"),
            ("a\\b:c", "a%5Cb%3Ac"),
            ("nul.txt", "node-nul.txt"),
            ("", "node-"),
            ("\0\u{202e}", "%00%E2%80%AE"),
        ] {
            assert_eq!(names.give(node), file, "{node:?}");
        }
        let long = "ü".repeat(10_000);
        assert!(names.give(&long).len() < 200);
        assert_ne!(names.give(&long), names.give(&long));
    }
}
