//! Compares `--format procedure` with what the sample procedure's script would write: crictl's listing of the same node,
//! named as the script names it. A listing is kept in `fixtures/procedure/` and always compared; crictl itself, which
//! comes as a Go module only, is asked again if it is there.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use assay_fixtures::demo::publisher::Signature;
use assay_fixtures::image::{Image, linux};
use assay_report::Status;
use assay_tests::containerd::{Containerd, KUBERNETES, Release};
use assay_tests::program::finish;
use assay_tests::published::{GOOD, Published, reference};
use assay_tests::{on_each_release, packages};
use assay_verifier::oci::Digest;
use serde::{Deserialize, Serialize};
use serde_json::json;

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");

on_each_release! {
    the_lists_are_the_scripts,
}

/// `crictl images -o json`, as much of it as the script reads.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Listed {
    images: Vec<ListedImage>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedImage {
    id: Digest,
    repo_tags: Vec<String>,
    repo_digests: Vec<String>,
}

fn the_lists_are_the_scripts(release: Release) {
    let containerd = Containerd::with_kubernetes(release);
    let mut published = Published::new(AGENT);
    // by config, since that is what crictl knows an image by
    let mut targets = BTreeMap::new();
    for (name, signatures) in [
        ("team/tagged", &[GOOD][..]),
        ("team/by-digest", &[GOOD]),
        ("team/many-names", &[GOOD]),
        ("team/unsigned", &[]),
        ("team/tampered", &[Signature::Tampered]),
        ("team/docker-hub", &[]),
    ] {
        let target = Image::of_text(linux("amd64"), "app", name).add_to(&mut published.images);
        published.publish(name, &target, signatures);
        targets.insert(published.images.config(&target).digest, target.digest);
    }
    published.write();
    containerd.import(KUBERNETES, &published.images);
    let digest_of = |name: &str| {
        let target = published.images.named(&reference(name)).expect("published");
        target.digest.to_string()
    };
    for (name, others) in [
        ("team/by-digest", &["registry.example.test/team/by-digest@D"][..]),
        (
            "team/many-names",
            &["a.example.test/z:v9", "b.example.test/a@D", "registry.example.test/team/many-names:v1.2@D"],
        ),
        ("team/tampered", &["z.example.test/tampered@D", "a.example.test/tampered@D"]),
        ("team/docker-hub", &["tool:v1", "some/tool:v1"]),
    ] {
        for other in others {
            let other = other.replace('D', &digest_of(name));
            let _ = containerd.ctr(["images", "tag", &reference(name), &other]).expect_code(0);
        }
    }

    let kept = Path::new(assay_fixtures::FIXTURES).join("procedure/crictl-images.json");
    if let Some(crictl) = packages::go_program("CRICTL", "crictl") {
        let live = listed(&crictl, &containerd, targets.len());
        if std::env::var_os("ASSAY_REGENERATE").is_some() {
            std::fs::write(&kept, serde_json::to_string_pretty(&live).unwrap() + "\n").unwrap();
        }
        assert_eq!(live, serde_json::from_slice(&std::fs::read(&kept).unwrap()).unwrap());
    }
    let kept: Listed = serde_json::from_slice(&std::fs::read(&kept).unwrap()).unwrap();
    assert_eq!(kept.images.len(), targets.len());
    let report = published.verify(&containerd.store(), &[]).expect_code(1).report();
    let passes = |image: &&ListedImage| {
        let target = &targets[&image.id];
        report.images.iter().any(|image| image.digest == *target && image.status == Status::Passed)
    };
    let named = |images: Vec<&ListedImage>| -> Vec<String> {
        images
            .into_iter()
            .filter_map(|image| image.repo_digests.first().or(image.repo_tags.first()).cloned())
            .collect()
    };
    let (passed, failed) = kept.images.iter().partition(passes);
    let lists = json!({ "failed_signed_images": named(failed), "passed_signed_images": named(passed) });
    let mut expected = Vec::new();
    let four_spaces = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    lists.serialize(&mut serde_json::Serializer::with_formatter(&mut expected, four_spaces)).unwrap();
    let done = published.verify(&containerd.store(), &["--format", "procedure"]).expect_code(1);
    assert_eq!(done.text(), String::from_utf8(expected).unwrap());
}

/// What crictl lists when Kubernetes' service has taken in so many images with all their names.
fn listed(crictl: &Path, containerd: &Containerd, images: usize) -> Listed {
    let endpoint = format!("unix://{}", containerd.socket().display());
    let names = containerd.ctr(["images", "list", "--quiet"]).text();
    let names = names.lines().filter(|name| name.parse::<Digest>().is_err()).count();
    let begun = Instant::now();
    loop {
        let mut command = Command::new(crictl);
        command.args([
            "--runtime-endpoint",
            &endpoint,
            "--image-endpoint",
            &endpoint,
            "images",
            "--output",
            "json",
        ]);
        let done = finish(&mut command).expect_code(0);
        let listed: Listed = serde_json::from_slice(&done.stdout).unwrap();
        let known: usize = listed.images.iter().map(|one| one.repo_tags.len() + one.repo_digests.len()).sum();
        if (listed.images.len(), known) == (images, names) {
            return listed;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{listed:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
