//! The two lists that the sample procedure's Linux script writes, for those who parse them today.
//!
//! The script names each image by its first repository digest, else by its first tag, and writes JSON with four spaces.
//! Whatever did not pass is in `failed_signed_images`: there is no third list for what could not be judged or was skipped.

use std::collections::BTreeSet;

use assay_shared::oci::Reference;
use assay_shared::report::{Image, Status};
use serde::Serialize;

#[derive(Serialize)]
struct Lists<'a> {
    failed_signed_images: BTreeSet<&'a str>,
    passed_signed_images: BTreeSet<&'a str>,
}

/// The lists as JSON.
///
/// # Errors
/// Never in practice: text can always be written as JSON.
pub(crate) fn write(images: &[Image]) -> Result<Vec<u8>, serde_json::Error> {
    let named = |passed| {
        let images = images.iter().filter(move |image| (image.status == Status::Passed) == passed);
        images.filter_map(name).collect::<BTreeSet<&str>>()
    };
    let failed = named(false);
    // the same name in two namespaces must pass in both
    let passed = named(true).difference(&failed).copied().collect();
    let lists = Lists { failed_signed_images: failed, passed_signed_images: passed };
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    lists.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter))?;
    Ok(bytes)
}

/// The name that the script would have chosen.
fn name(image: &Image) -> Option<&str> {
    let parsed = |name: &str| name.parse::<Reference>().ok();
    let by_digest = |name: &&String| parsed(name).is_some_and(|reference| reference.digest.is_some());
    let by_tag = |name: &&String| parsed(name).is_some_and(|reference| reference.tag.is_some());
    let references = &image.references;
    let chosen = references.iter().find(by_digest).or_else(|| references.iter().find(by_tag));
    chosen.or(references.first()).map(String::as_str).or(Some(image.digest.as_str()))
}

#[cfg(test)]
mod tests {
    use assay_shared::oci::Digest;
    use assay_shared::report::Content;

    use super::*;

    fn image(references: &[&str], status: Status) -> Image {
        Image {
            namespace: String::new(),
            references: references.iter().map(|&name| name.to_owned()).collect(),
            digest: Digest::sha256(b""),
            media_type: String::new(),
            size: 0,
            platforms: vec![],
            in_use: vec![],
            status,
            reason: None,
            message: None,
            hint: None,
            via: None,
            policy: None,
            signatures: vec![],
            content: Content::default(),
            rootfs: None,
        }
    }

    #[test]
    fn the_scripts_form_and_names() {
        let digest = Digest::sha256(b"");
        let by_digest = format!("r.example/app@{digest}");
        let images = [
            image(&["r.example/app:v1", &by_digest, digest.as_str()], Status::Passed),
            image(&["r.example/b:v1", "r.example/b:v2"], Status::Inconclusive),
            image(&["r.example/c:v1"], Status::Skipped),
            image(&["r.example/d:v1"], Status::Passed),
            image(&["r.example/d:v1"], Status::Failed),
        ];
        let text = String::from_utf8(write(&images).unwrap()).unwrap();
        let expected = format!(
            "{{\n    \"failed_signed_images\": [\n        \"r.example/b:v1\",\n        \"r.example/c:v1\",\n        \
             \"r.example/d:v1\"\n    ],\n    \"passed_signed_images\": [\n        \"{by_digest}\"\n    ]\n}}"
        );
        assert_eq!(text, expected);
        assert_eq!(
            write(&[]).unwrap(),
            b"{\n    \"failed_signed_images\": [],\n    \"passed_signed_images\": []\n}"
        );
    }
}
