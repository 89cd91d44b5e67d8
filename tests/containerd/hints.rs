//! Shows what is said of an image without a signature, and of one whose signer is not trusted: the words name what is
//! there instead, and how it differs from what the site trusts.

use std::fs;
use std::process::Command;

use assay_fixtures::certificate::{Credential, Name, Profile};
use assay_fixtures::keys::Key;
use assay_fixtures::layout::Layout;
use assay_report::{Namespace, Reason};
use assay_tests::containerd::{Containerd, KUBERNETES, Release};
use assay_tests::packages;
use assay_tests::program::finish;
use assay_tests::published::{GOOD, Published, reference};
use assay_verifier::oci::{Descriptor, media_type};
use assay_verifier::time::UnixTime;
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
fn other_referrers_are_not_signatures_of_any_kind() {
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
        // The name alone does not count.
        published.images = {
            let mut images = Layout::new();
            images.copy(&published.images, target, |_| true);
            images.name(target, &reference("team/app"));
            images
        };
    });
    assert!(hint.contains("another media type or size"), "{hint}");
}

assay_tests::on_each_release! {
    an_image_of_a_docker_archive_is_told_from_one_of_a_registry,
}

/// containerd makes a manifest for what comes from an archive that has none.
fn an_image_of_a_docker_archive_is_told_from_one_of_a_registry(release: Release) {
    const MADE_ANEW: &str = "docker save";
    const DOCKERS: &str = "namespace moby";
    let mut published = Published::new(AGENT);
    let app = published.image("team/app", &[GOOD]);
    let _ = published.image("team/unsigned", &[]);
    published.write();
    let (layout, archive) = (published.path("images.tar"), published.path("docker.tar"));
    let mut alone = Layout::new();
    alone.copy(&published.images, &app, |_| true);
    alone.list(app);
    fs::write(&layout, alone.tar()).unwrap();
    let mut skopeo = Command::new(packages::program("skopeo", "skopeo"));
    skopeo.args(["copy", "--insecure-policy"]);
    skopeo.arg(format!("oci-archive:{}", layout.display()));
    skopeo.arg(format!("docker-archive:{}:{}", archive.display(), reference("team/imported")));
    let _ = finish(&mut skopeo).expect_code(0);

    let containerd = Containerd::of(release);
    containerd.import(KUBERNETES, &published.images);
    let archive = archive.to_str().unwrap();
    for namespace in [KUBERNETES, "moby"] {
        let _ = containerd.ctr_in(namespace, ["images", "import", "--no-unpack", archive]).expect_code(0);
    }
    for store in [containerd.store(), containerd.root_store()] {
        let report = published.verify(&store, &[]).expect_code(1).report();
        let hints = |namespace: &str, name: &str| {
            let mut images =
                report.images.iter().filter(|image| image.namespace == Namespace::new(namespace));
            let image = images.find(|image| image.references == [reference(name)]).unwrap();
            let hint = image.hint.clone().unwrap_or_default();
            (image.reason, hint.contains(MADE_ANEW), hint.contains(DOCKERS))
        };
        let unsigned = Some(Reason::NoSignature);
        assert_eq!(hints(KUBERNETES, "team/app"), (None, false, false));
        assert_eq!(hints(KUBERNETES, "team/unsigned"), (unsigned, false, false));
        assert_eq!(hints(KUBERNETES, "team/imported"), (unsigned, true, false));
        assert_eq!(hints("moby", "team/imported"), (unsigned, true, true));
    }
}

#[test]
fn the_name_that_has_no_statement_is_told_from_those_that_have_one() {
    let mut published = Published::new(AGENT);
    let target = published.image("team/app", &[GOOD]);
    published.images.name(&target, "mirror.example.test/team/app:v1");
    published.write();
    let policy = published.path("trust/trustpolicy.json");
    let mut document: serde_json::Value = serde_json::from_slice(&fs::read(&policy).unwrap()).unwrap();
    document["trustPolicies"][0]["registryScopes"] = json!(["registry.example.test/team/app"]);
    fs::write(&policy, document.to_string()).unwrap();
    let store = published.path("store");
    published.images.write(&store).unwrap();
    let report = published.verify(&format!("layout:{}", store.display()), &[]).expect_code(1).report();
    let image = &report.images[0];
    assert_eq!(image.reason, Some(Reason::Policy));
    let message = image.message.as_deref().unwrap();
    assert!(message.contains("mirror.example.test/team/app") && !message.contains("registry.example.test"));
    assert!(image.hint.as_deref().unwrap().contains("other names"), "{:?}", image.hint);
}

#[test]
fn a_signer_that_is_not_trusted_is_told_why() {
    let mut published = Published::new(AGENT);
    let _ = published.image("team/app", &[GOOD]);
    published.write();
    let store = published.path("store");
    published.images.write(&store).unwrap();
    let message = || {
        let report = published.verify(&format!("layout:{}", store.display()), &[]).expect_code(1).report();
        assert_eq!(report.images[0].reason, Some(Reason::Authenticity));
        report.images[0].message.clone().unwrap()
    };
    let policy = published.path("trust/trustpolicy.json");
    let good: serde_json::Value = serde_json::from_slice(&fs::read(&policy).unwrap()).unwrap();
    for (identity, why) in [
        ("x509.subject: C=US,ST=Oregon,O=nobody", "; O is "),
        ("x509.subject: C=US,ST=Oregon,O=nobody,OU=a", "; the certificate has no OU"),
        ("x509.subject: C=US,ST=Oregon,O=nobody,emailAddress=a", "emailAddress"),
        ("X509.Subject: C=US,ST=Oregon,O=nobody", "of the kind x509.subject"),
    ] {
        let mut policy_of = good.clone();
        policy_of["trustPolicies"][0]["trustedIdentities"] = json!([identity]);
        fs::write(&policy, policy_of.to_string()).unwrap();
        let message = message();
        assert!(message.contains(why), "{message}");
    }
    // the publisher's root in a store that the statement does not use
    fs::write(&policy, good.to_string()).unwrap();
    let stores = published.path("trust/truststore/x509/ca");
    fs::rename(stores.join("publisher"), stores.join("spare")).unwrap();
    fs::create_dir(stores.join("publisher")).unwrap();
    let time = |text| UnixTime::parse(text).unwrap();
    let name = Name::new("Hints", "Another Root");
    let profile = Profile::ca(name, 1, time("2020-01-01T00:00:00Z"), time("2120-01-01T00:00:00Z"));
    let root = Credential::self_signed(&profile, &Key::named("p384-c"));
    fs::write(stores.join("publisher/root.crt"), root.pem()).unwrap();
    let message = message();
    assert!(message.contains("ca:spare"), "{message}");
}
