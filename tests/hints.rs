//! What is said of an image without a signature: the hint names what is there instead.

use assay_fixtures::layout::Layout;
use assay_shared::oci::{Descriptor, media_type};
use assay_shared::report::Reason;
use assay_tests::published::{GOOD, Published, reference};
use serde_json::json;

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");

/// Adds a manifest of that type that refers to `subject`.
fn refer(layout: &mut Layout, subject: &Descriptor, artifact_type: &str) -> Descriptor {
    let config = layout.add(media_type::OCI_EMPTY, b"{}".to_vec());
    let manifest = json!({ "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "artifactType": artifact_type,
        "config": config, "layers": [config], "subject": subject });
    layout.add(media_type::OCI_MANIFEST, manifest.to_string().into_bytes())
}

/// The hint of the one image `team/app`, which has no signature of the Notary Project.
fn hint(change: impl FnOnce(&mut Published, &Descriptor)) -> String {
    let mut published = Published::new(AGENT);
    let target = published.image("team/app", &[]);
    change(&mut published, &target);
    published.write();
    let store = published.path("store");
    published.images.write(&store).unwrap();
    let report = published.verify(&format!("layout:{}", store.display()), &[]).expect_code(1).report();
    let image = report.images.iter().find(|image| image.references == [reference("team/app")]).unwrap();
    assert_eq!(image.reason, Some(Reason::NoSignature));
    image.hint.clone().unwrap()
}

const OTHER_KIND: &str = "a signature of another kind is there";

#[test]
fn a_signature_of_another_kind_is_named_as_what_it_is() {
    assert!(!hint(|_, _| {}).contains("kind"));
    for kind in [
        "application/vnd.dev.sigstore.bundle.v0.3+json",
        "application/vnd.dev.cosign.artifact.sig.v1+json",
        "application/vnd.example.signature.v1",
    ] {
        let stored = hint(|published, target| {
            let referrer = refer(&mut published.images, target, kind);
            published.images.list(referrer);
        });
        let bundled = hint(|published, target| {
            let referrer = refer(&mut published.bundle, target, kind);
            published.bundle.list(referrer);
        });
        for hint in [stored, bundled] {
            assert!(hint.starts_with(OTHER_KIND) && hint.contains(kind), "{hint}");
        }
    }
    let tag = |target: &Descriptor| format!("sha256-{}.sig", target.digest.hex());
    let stored = hint(|published, target| {
        let signature = published.images.add(media_type::OCI_MANIFEST, b"{\"schemaVersion\":2}".to_vec());
        published.images.name(&signature, &format!("registry.example.test/team/app:{}", tag(target)));
    });
    let bundled = hint(|published, target| {
        let mut signature = published.bundle.add(media_type::OCI_MANIFEST, b"{\"schemaVersion\":2}".to_vec());
        signature.annotations.insert("org.opencontainers.image.ref.name".into(), tag(target));
        published.bundle.list(signature);
    });
    for hint in [stored, bundled] {
        assert!(hint.starts_with(OTHER_KIND) && hint.contains("cosign"), "{hint}");
    }
}

#[test]
fn other_referrers_are_no_signatures_of_any_kind() {
    let hint = hint(|published, target| {
        let referrer = refer(&mut published.bundle, target, "application/spdx+json\u{202e}");
        published.bundle.list(referrer);
    });
    assert!(hint.contains("application/spdx+json)") && !hint.contains(OTHER_KIND), "{hint}");
}

#[test]
fn a_signature_of_the_digest_with_another_type_is_not_passed_over() {
    let hint = hint(|published, target| {
        let other = Descriptor::new(media_type::DOCKER_MANIFEST, target.digest.clone(), target.size);
        published.publish("team/other", &other, &[GOOD]);
        // the name alone was not meant
        published.images = {
            let mut images = Layout::new();
            images.copy(&published.images, target, |_| true);
            images.name(target, &reference("team/app"));
            images
        };
    });
    assert!(hint.contains("another media type or size"), "{hint}");
}
