//! Finds every kind of image that publishers make, in each store that can hold it: once, under all its names, and
//! judged.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use assay_fixtures::archive;
use assay_fixtures::image::{Image, linux, linux_here, windows};
use assay_fixtures::layout::Layout;
use assay_report::Namespace;
use assay_tests::containerd::{Containerd, KUBERNETES, Release};
use assay_tests::on_each_release;
use assay_tests::program::verdict;
use assay_tests::published::{GOOD, Published, reference};
use assay_verifier::oci::{Descriptor, DigestAlgorithm, Platform, media_type};
use serde_json::json;

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");

/// How long Kubernetes' service may take to give an image another name.
const PATIENCE: Duration = Duration::from_secs(60);

on_each_release! {
    every_kind_of_image_is_judged,
    the_names_of_one_target_are_one_image,
}

fn every_kind_of_image_is_judged(release: Release) {
    let containerd = Containerd::of(release);
    let mut published = Published::new(AGENT);
    let here = linux_here().to_string();
    let mut expected = BTreeMap::new();
    for (name, target, platforms) in kinds(&mut published.images) {
        published.publish(&format!("team/{name}"), &target, &[GOOD]);
        let mut platforms: Vec<String> = platforms.iter().map(ToString::to_string).collect();
        platforms.sort();
        expected.insert(reference(name), ("passed".to_owned(), platforms));
    }
    published.write();
    containerd.import(KUBERNETES, &published.images);
    let layout = published.path("layout");
    published.images.write(&layout).unwrap();
    for store in [containerd.store(), containerd.root_store(), format!("layout:{}", layout.display())] {
        let report = published.verify(&store, &[]).expect_code(0).report();
        let found: BTreeMap<String, (String, Vec<String>)> = report
            .images
            .iter()
            .map(|image| {
                let names = image.references.iter().map(|name| name.replace("team/", "")).collect::<Vec<_>>();
                (names.join(" "), (verdict(image), image.platforms.clone()))
            })
            .collect();
        let expected: BTreeMap<String, (String, Vec<String>)> =
            expected.iter().map(|(name, outcome)| (name.clone(), outcome.clone())).collect();
        assert_eq!(found, expected, "{store} on {here}");
    }
}

/// Images by name, each with the platforms that it has.
fn kinds(layout: &mut Layout) -> Vec<(&'static str, Descriptor, Vec<Platform>)> {
    let of = |platform: Platform, text: &str| Image::of_text(platform, "app", text);
    let server = || windows("10.0.20348.2700");
    let manifest = of(linux_here(), "manifest").add_to(layout);
    let docker = of(linux_here(), "docker").docker().add_to(layout);
    let list = [linux_here(), server()].map(|platform| of(platform, "list").docker().add_to(layout));
    let list = layout.add_index(true, &list);
    let attested = of(linux_here(), "attested").add_to(layout);
    let attestation = attestation(layout, &attested);
    let attested = layout.add_index(false, &[attested, attestation]);
    let foreign = [server(), linux("s390x")].map(|platform| of(platform, "foreign").add_to(layout));
    let foreign = layout.add_index(false, &foreign);
    let inner = of(linux_here(), "nested").add_to(layout);
    let inner = layout.add_index(false, &[inner]);
    let outer = of(server(), "nested").add_to(layout);
    let nested = layout.add_index(false, &[inner, outer]);
    // each build of Windows has its own, upon layers that are Microsoft's to distribute
    let builds = ["10.0.17763.6532", "10.0.20348.2700", "10.0.26100.2033"];
    let image = |build: &str| of(windows(build), build).on_base(build);
    let list_of_builds = builds.map(|build| image(build).docker().add_to(layout));
    let list_of_builds = layout.add_index(true, &list_of_builds);
    let builds = builds.map(|build| image(build).add_to(layout));
    let builds = layout.add_index(false, &builds);
    vec![
        ("manifest", manifest, vec![linux_here()]),
        ("docker", docker, vec![linux_here()]),
        ("docker-list", list, vec![linux_here(), server()]),
        ("attested", attested, vec![linux_here(), unknown()]),
        ("foreign", foreign, vec![server(), linux("s390x")]),
        ("nested", nested, vec![linux_here(), server()]),
        ("windows", builds, vec![server()]),
        ("windows-docker", list_of_builds, vec![server()]),
    ]
}

/// What BuildKit adds to an index beside each image.
fn attestation(layout: &mut Layout, of: &Descriptor) -> Descriptor {
    let config = json!({
        "architecture": "unknown", "os": "unknown", "config": {},
        "rootfs": { "type": "layers", "diff_ids": [] },
    });
    let config = layout.add("application/vnd.oci.image.config.v1+json", config.to_string().into_bytes());
    let statement = json!({ "_type": "https://in-toto.io/Statement/v0.1", "subject": [] });
    let layer = layout.add("application/vnd.in-toto+json", statement.to_string().into_bytes());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "config": config, "layers": [layer],
    });
    let mut attestation = layout.add(media_type::OCI_MANIFEST, manifest.to_string().into_bytes());
    attestation.platform = Some(unknown());
    attestation.annotations.insert("vnd.docker.reference.type".into(), "attestation-manifest".into());
    attestation.annotations.insert("vnd.docker.reference.digest".into(), of.digest.to_string());
    attestation
}

fn unknown() -> Platform {
    Platform { architecture: "unknown".into(), os: "unknown".into(), ..Platform::default() }
}

/// Tags of several repositories, a digest, and the bare id that Kubernetes' service adds; a second namespace is another image.
fn the_names_of_one_target_are_one_image(release: Release) {
    let containerd = Containerd::with_kubernetes(release);
    let mut published = Published::new(AGENT);
    let target = published.image("team/app", &[GOOD]);
    published.write();
    containerd.import(KUBERNETES, &published.images);
    containerd.import("other", &published.images);
    let id = published.images.config(&target).digest;
    let by_digest = format!("registry.example.test/team/app@{}", target.digest);
    let mut names =
        [reference("team/app"), "mirror.example.test/app:v1".to_owned(), by_digest, id.to_string()];
    names.sort();
    for name in &names[..] {
        if !containerd.images_of(&target.digest).contains(name) && *name != id.as_str() {
            let _ = containerd.ctr(["images", "tag", &reference("team/app"), name]).expect_code(0);
        }
    }
    let patience = Instant::now();
    while !containerd.images_of(&target.digest).contains(&id.to_string()) {
        assert!(patience.elapsed() < PATIENCE, "no bare id: {}", containerd.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    for store in [containerd.store(), containerd.root_store()] {
        let report = published.verify(&store, &[]).expect_code(0).report();
        let found: Vec<(&str, &[String])> = report
            .images
            .iter()
            .map(|image| (Namespace::text(image.namespace.as_ref()), image.references.as_slice()))
            .collect();
        assert_eq!(found, [(KUBERNETES, &names[..]), ("other", &[reference("team/app")])], "{store}");
        assert_eq!(report.coverage.images, 2);
    }
}

/// containerd hashes with SHA-256 alone; a layout may have others.
#[test]
fn other_digests_are_checked_in_layouts() {
    let mut published = Published::new(AGENT);
    let mut plain = Layout::new();
    let image = Image::of_text(linux_here(), "app", "sha512").add_to(&mut plain);
    let put = |layout: &mut Layout, media_type: &str, bytes: &[u8]| {
        let digest = DigestAlgorithm::Sha512.digest(bytes);
        layout.put(&digest, bytes.to_vec());
        Descriptor::new(media_type, digest, bytes.len() as u64)
    };
    let [config, layer] = [plain.config(&image), plain.layers(&image).remove(0)]
        .map(|blob| put(&mut published.images, &blob.media_type, plain.blob(&blob.digest)));
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "config": config, "layers": [layer.clone()],
    });
    let target = put(&mut published.images, media_type::OCI_MANIFEST, manifest.to_string().as_bytes());
    published.publish("team/app", &target, &[GOOD]);
    published.write();
    let at = published.path("");
    let store = |name: &str| format!("layout:{}", at.join(name).display());
    published.images.write(&published.path("folder")).unwrap();
    fs::write(published.path("store.tar"), published.images.tar()).unwrap();
    fs::write(published.path("store.tar.gz"), archive::gzip(&published.images.tar())).unwrap();
    for name in ["folder", "store.tar", "store.tar.gz"] {
        let report = published.verify(&store(name), &[]).expect_code(0).report();
        assert_eq!((&report.images[0].digest, report.images[0].content.checked), (&target.digest, 3));
    }
    published.images.tamper(&layer.digest);
    fs::write(published.path("changed.tar"), published.images.tar()).unwrap();
    let report = published.verify(&store("changed.tar"), &[]).expect_code(1).report();
    assert_eq!(report.images[0].content.mismatched[0].digest, layer.digest);
}
