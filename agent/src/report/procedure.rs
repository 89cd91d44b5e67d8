//! Writes the two lists of the sample procedure's Linux script, for programs that parse them today.
//!
//! The script takes the images of `crictl images -o json` in their order, names each by its first repository digest, or else by its
//! first tag, and writes JSON with four spaces. Every image that did not pass is in `failed_signed_images`, because there is no third
//! list for images that could not be judged or were skipped. crictl sees only the namespace `k8s.io` and joins images of one config;
//! here every namespace is judged and every target is an image, so that no failure is left out.

use std::cmp::Ordering;
use std::collections::HashSet;

use assay_report::{Image, Status};
use serde::Serialize;

#[derive(Serialize)]
struct Lists {
    failed_signed_images: Vec<String>,
    passed_signed_images: Vec<String>,
}

/// The lists as JSON.
///
/// # Errors
/// Never in practice, because text can always be written as JSON.
pub(crate) fn write(images: &[Image]) -> Result<Vec<u8>, serde_json::Error> {
    let mut listed: Vec<(CriImage, bool)> =
        images.iter().map(|image| (CriImage::new(image), image.status == Status::Passed)).collect();
    listed.sort_by(|(one, _), (other, _)| one.order(other));
    let mut seen = HashSet::new();
    // a name in two namespaces must pass in both
    let mut of = |status| {
        let of_status = listed.iter().filter(|(_, passed)| *passed == status);
        of_status
            .map(|(image, _)| image.name())
            .filter(|name| seen.insert(*name))
            .map(str::to_owned)
            .collect()
    };
    let lists = Lists { failed_signed_images: of(false), passed_signed_images: of(true) };
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    lists.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter))?;
    Ok(bytes)
}

/// An image as CRI lists it.
struct CriImage {
    digests: Vec<String>,
    tags: Vec<String>,
    id: String,
}

impl CriImage {
    /// Sorts an image's names into digests and tags as containerd's CRI plugin does: names with tag and digest before names with only
    /// a digest, then alphabetically. A bare digest is an id.
    fn new(image: &Image) -> Self {
        let mut digests = Vec::new();
        let mut tags = Vec::new();
        let mut id = None;
        for reference in &image.references {
            let (name, digest) =
                reference.split_once('@').map_or((&**reference, None), |(name, digest)| (name, Some(digest)));
            let tagged = name.rsplit('/').next().is_some_and(|last| last.contains(':'));
            if name.parse::<assay_verifier::oci::Digest>().is_ok() {
                id = Some(reference.clone());
            } else if digest.is_some() {
                digests.push((!tagged, qualified(reference)));
            } else {
                tags.push(if tagged {
                    qualified(reference)
                } else {
                    format!("{}:latest", qualified(reference))
                });
            }
        }
        digests.sort();
        tags.sort();
        let id = id.unwrap_or_else(|| image.digest.to_string());
        Self { digests: digests.into_iter().map(|(_, name)| name).collect(), tags, id }
    }

    /// The name that the script chooses.
    fn name(&self) -> &str {
        self.digests.first().or(self.tags.first()).unwrap_or(&self.id)
    }

    /// crictl's order: by the first tag, then by the first digest, then by id. If only one of two images has tags, crictl's order
    /// depends on both ids and is not consistent; here images with tags come first.
    fn order(&self, other: &Self) -> Ordering {
        let key = |image: &Self| {
            let first = |names: &[String]| (names.is_empty(), names.first().cloned());
            (first(&image.tags), first(&image.digests), image.id.clone())
        };
        key(self).cmp(&key(other))
    }
}

/// A name with its registry. Names of Docker Hub may lack it.
fn qualified(name: &str) -> String {
    match name.split_once('/') {
        Some((registry, _)) if registry.contains(['.', ':']) || registry == "localhost" => name.to_owned(),
        Some(_) => format!("docker.io/{name}"),
        None => format!("docker.io/library/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use assay_verifier::oci::Digest;

    use super::*;

    fn image(references: &[&str], status: Status) -> Image {
        Image {
            references: references.iter().map(|&name| name.to_owned()).collect(),
            status,
            ..Image::unjudged(Digest::sha256(b""))
        }
    }

    fn lists(images: &[Image]) -> (Vec<String>, Vec<String>) {
        let value: serde_json::Value = serde_json::from_slice(&write(images).unwrap()).unwrap();
        let of = |name: &str| serde_json::from_value(value[name].clone()).unwrap();
        (of("failed_signed_images"), of("passed_signed_images"))
    }

    #[test]
    fn chooses_names_as_the_script_does() {
        let digest = Digest::sha256(b"");
        for (references, expected) in [
            (&["r.example/b:v2", "r.example/b:v1"][..], "r.example/b:v1".to_owned()),
            (&["a.example/b:v1", "r.example/b@D", "D"], format!("r.example/b@{digest}")),
            (&["a.example/b@D", "r.example/b:v1@D"], format!("r.example/b:v1@{digest}")),
            (&["library/b:v1"], "docker.io/library/b:v1".to_owned()),
            (&["b:v1"], "docker.io/library/b:v1".to_owned()),
            (&["localhost/b:v1"], "localhost/b:v1".to_owned()),
            (&["r.example:5000/b"], "r.example:5000/b:latest".to_owned()),
            (&["D"], digest.to_string()),
            (&[], digest.to_string()),
        ] {
            let references: Vec<String> =
                references.iter().map(|name| name.replace('D', digest.as_str())).collect();
            let references: Vec<&str> = references.iter().map(String::as_str).collect();
            assert_eq!(lists(&[image(&references, Status::Passed)]), (vec![], vec![expected]));
        }
    }

    #[test]
    fn orders_images_as_crictl_does() {
        let by_digest = |name: &str| format!("{name}@{}", Digest::sha256(b""));
        // The order is that of the tag, although the digest is the name.
        let (first, last) = (by_digest("z.example/app"), by_digest("a.example/app"));
        let images = [
            image(&[&by_digest("c.example/app")], Status::Passed),
            image(&["r.example/b:v2", &last], Status::Passed),
            image(&["r.example/b:v1", &first], Status::Passed),
        ];
        assert_eq!(lists(&images).1, [first, last, by_digest("c.example/app")]);
    }

    #[test]
    fn lists_as_failed_what_did_not_pass() {
        let images = [
            image(&["r.example/b:v1"], Status::Inconclusive),
            image(&["r.example/c:v1"], Status::Skipped),
            image(&["r.example/d:v1"], Status::Passed),
            image(&["r.example/d:v1"], Status::Failed),
            image(&["r.example/e:v1"], Status::Passed),
        ];
        let expected = "{\n    \"failed_signed_images\": [\n        \"r.example/b:v1\",\n        \"r.example/c:v1\",\n        \
             \"r.example/d:v1\"\n    ],\n    \"passed_signed_images\": [\n        \"r.example/e:v1\"\n    ]\n}";
        assert_eq!(String::from_utf8(write(&images).unwrap()).unwrap(), expected);
        assert_eq!(
            write(&[]).unwrap(),
            b"{\n    \"failed_signed_images\": [],\n    \"passed_signed_images\": []\n}"
        );
    }
}
